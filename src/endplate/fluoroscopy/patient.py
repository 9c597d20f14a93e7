"""The patient as the beam meets it: a CT split into soft tissue and bone, projected once for each view.

What lies beside the body (table, cushions, air) is taken off. Where a CT ends inside the body, rays that leave it
through its end would show a patient cut in two: the collimator is closed there.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import cc3d
import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.fluoroscopy.beam import TissueSplit, tissue_split
from endplate.fluoroscopy.projector import Projector, line_integrals2
from endplate.fluoroscopy.view import View
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.sources import value

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BODY_HU = -350.0
"""Between air and fat, so that the skin is the border of the body."""

SEARCH_MM = 2.0
"""The body is told from table and cushions on a grid of about this step."""

KEPT_VIEWS = 16
"""Views whose paths are kept: those of a procedure that goes back and forth between a few."""

EXTENDED_MM, LAYER_MM = 160.0, 5.0
"""How far the ends of a CT are thought on to see which rays leave it there, and in what layers."""

BLADE_SHARE = 0.1
"""A line of the picture is closed when this share of its rays leaves the CT inside the body."""

ACROSS = 0.6
"""A face of the CT counts as an end where its normal runs less than this along the beam."""

FIELD_PIXELS = 64
"""Rows and columns on which rays that leave the CT are looked for."""


@dataclass(frozen=True, eq=False)
class Paths:
    """Paths of one view through the patient.

    Parameters
    ----------
    soft_mm, bone_mm:
        Millimetres of water and of cortical bone, shape (rows, columns).
    field:
        Where the CT holds the whole way through the body (the collimator's blades stand at its border).
    """

    soft_mm: Float32
    bone_mm: Float32
    field: Mask


class Patient:
    """A CT prepared for pictures.

    Parameters
    ----------
    image:
        The CT in HU.
    split:
        How HU are split; ``None``: by the CT's own tube voltage.

    Raises
    ------
    InputError
        ``fluoroscopy-not-finite``: voxels that are not finite numbers.
    """

    def __init__(self, image: Volume, split: TissueSplit | None = None) -> None:
        hu = np.asarray(image.data)
        if hu.dtype.kind == "f" and not np.isfinite(hu).all():
            broken = int(hu.size - np.count_nonzero(np.isfinite(hu)))
            raise InputError(
                "fluoroscopy-not-finite",
                f"{broken} of {hu.size} voxels are not finite numbers; no X-ray passes them in a known way.",
                do="Read the scan again, or give air (−1000 HU) to voxels outside of the scan.",
            )
        self.split = split or tissue_split(image.scan.kvp)
        body = _body(image)
        soft, bone = self.split.split(hu)
        soft[~body] = 0.0
        bone[~body] = 0.0
        self._soft, self._bone = Projector(soft, image.affine), Projector(bone, image.affine)
        self._ends = _ends(body, image.affine)
        self._kept: OrderedDict[tuple[object, ...], Paths] = OrderedDict()
        self.ready: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
        """Views made ready for frames (:func:`endplate.fluoroscopy.render.prepare`)."""

    @property
    def empty(self) -> bool:
        """There is nothing but air."""
        return self._soft.empty and self._bone.empty

    def paths(self, view: View) -> Paths:
        """Paths of a view, kept for the next frame of the same view; shared arrays, read-only.

        Raises
        ------
        UsageError
            Source or detector stand within the patient.
        """
        key = view_key(view)
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        soft, bone = line_integrals2(self._soft, self._bone, view)
        np.maximum(soft, np.float32(0.0), out=soft)
        np.maximum(bone, np.float32(0.0), out=bone)
        found = Paths(soft, bone, self._field(view))
        for array in (found.soft_mm, found.bone_mm, found.field):
            array.flags.writeable = False
        self._kept[key] = found
        while len(self._kept) > KEPT_VIEWS:
            self._kept.popitem(last=False)
        return found

    def _field(self, view: View) -> Mask:
        """The open field: closed by straight blades where rays leave the CT inside the body."""
        rows, columns = view.shape
        small = view.resized(min(rows, FIELD_PIXELS), min(columns, FIELD_PIXELS))
        lost = [np.zeros(small.shape, dtype=np.float32) for _ in range(2)]
        for normal, end in self._ends:
            if abs(float(normal @ view.pose.detector_ras)) >= ACROSS:
                continue
            upright = abs(float(normal @ view.row_ras)) > abs(float(normal @ view.column_ras))
            lost[0 if upright else 1] += end.line_integrals(small)
        spans = [
            _open_span((part > np.float32(value("xray.lost_path_mm"))).mean(axis=1 - axis) > BLADE_SHARE)
            for axis, part in enumerate(lost)
        ]
        field = np.zeros((rows, columns), dtype=np.bool_)
        if all(low < high for low, high in spans):
            (top, bottom), (left, right) = (
                (round(low * size / count), round(high * size / count))
                for (low, high), count, size in zip(spans, small.shape, (rows, columns), strict=True)
            )
            field[top:bottom, left:right] = True
        return field


def view_key(view: View) -> tuple[object, ...]:
    """What two views must share to show the same patient in the same place; the shutter does not count."""
    return (
        view.pose,
        view.isocentre_ras_mm.tobytes(),
        view.shape,
        float(view.pitch_mm),
        float(view.source_isocentre_mm),
        float(view.source_detector_mm),
    )


def _open_span(closed: Mask) -> tuple[int, int]:
    """The longest run of open lines, [low, high)."""
    best, start = (0, 0), 0
    for at in range(len(closed) + 1):
        if at == len(closed) or closed[at]:
            if at - start > best[1] - best[0]:
                best = (start, at)
            start = at + 1
    low, high = best
    # A blade stands one line further in: the line beside it still loses some rays.
    return low + (low > 0), max(high - (high < len(closed)), low + (low > 0))


def _body(image: Volume) -> Mask:
    """The largest connected thing denser than air, with what it encloses; nothing where there is none."""
    hu = np.asarray(image.data)
    step = [max(1, round(SEARCH_MM / float(size))) for size in image.spacing_mm]
    small = hu[:: step[0], :: step[1], :: step[2]]
    solid = cc3d.largest_k(np.ascontiguousarray(small > BODY_HU), k=1, connectivity=6)
    thing = np.asarray(solid, dtype=np.bool_)
    if not thing.any():
        return np.zeros(hu.shape, dtype=np.bool_)
    # Air counts as outside where it reaches the sides of the slices; lungs are cut at the ends only.
    air = cc3d.connected_components(np.ascontiguousarray(~thing), connectivity=6)
    head = int(np.argmax(np.abs((image.affine[:3, :3] / image.spacing_mm)[2])))
    sides = [np.take(air, end, axis=axis) for axis in range(3) if axis != head for end in (0, -1)]
    outer = np.zeros(int(air.max()) + 1, dtype=np.bool_)
    outer[np.unique(np.concatenate([side.ravel() for side in sides]))] = True
    outer[0] = False
    inside = ~outer[air]
    for axis, factor in enumerate(step):
        inside = np.repeat(inside, factor, axis=axis)
    i, j, k = hu.shape
    inside = inside[:i, :j, :k]
    # A skin of one coarse voxel is lost by sampling: whatever is solid and next to the body belongs to it.
    return np.asarray(_grown(inside, step) & ((hu > BODY_HU) | inside), dtype=np.bool_)


def _grown(mask: Mask, steps: list[int]) -> Mask:
    out = mask.copy()
    for axis, count in enumerate(steps):
        before = out.copy()
        for shift in range(1, count + 1):
            head = [slice(None)] * 3
            tail = [slice(None)] * 3
            head[axis], tail[axis] = slice(shift, None), slice(None, -shift)
            if before.shape[axis] > shift:
                out[tuple(head)] |= before[tuple(tail)]
                out[tuple(tail)] |= before[tuple(head)]
    return out


def _ends(body: Mask, affine: FloatArray) -> list[tuple[FloatArray, Projector]]:
    """The six faces of the CT with the body thought on beyond each: (unit normal, projector of that part)."""
    found = []
    size = np.linalg.norm(affine[:3, :3], axis=0)
    steps = [max(1, round(LAYER_MM / float(each))) for each in size]
    small = body[:: steps[0], :: steps[1], :: steps[2]]
    layers = round(EXTENDED_MM / LAYER_MM)
    for axis in range(3):
        for last in (False, True):
            face = np.take(small, -1 if last else 0, axis=axis)
            if not face.any():
                continue
            place = affine @ np.diag([*(float(step) for step in steps), 1.0])
            place[:3, axis] = affine[:3, axis] * LAYER_MM / size[axis]
            # The trilinear volume rises within one layer, so the first one stands a whole layer away.
            at = (
                body.shape[axis] - 0.5 + LAYER_MM / size[axis]
                if last
                else -0.5 - layers * LAYER_MM / size[axis]
            )
            place[:3, 3] += affine[:3, axis] * at
            beyond = np.repeat(np.expand_dims(face, axis), layers, axis=axis).astype(np.float32)
            found.append(
                (np.asarray(affine[:3, axis] / size[axis], dtype=np.float64), Projector(beyond, place))
            )
    return found
