"""Finding every labelled vertebra and its own frame; what one level cannot tell is borrowed from its neighbours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LabelField, label_field
from endplate.anatomy.vertebra import FrameHint, LocalVertebra, local_vertebra
from endplate.imaging.geometry import apply_affine
from endplate.imaging.levels import LEVEL_OF_ID, order
from endplate.imaging.volume import LabelMap
from endplate.sources import value

NOT_VERTEBRAE = frozenset({"S1"})
"""Labels that are not measured as a mobile vertebra."""

ANTERIOR_RAS = np.array([0.0, 1.0, 0.0])
"""First guess of the front: the patient's, as the scan's header has it."""


@dataclass(frozen=True, eq=False)
class Located:
    """One vertebra found, and how far it can be believed."""

    vertebra: LocalVertebra
    canal_source: str
    """``"measured"``, ``"borrowed"`` or ``"none"``."""
    cut: bool
    body_cut: bool


def locate_vertebrae(
    labels: LabelMap, *, progress: Callable[[str, float], None] | None = None
) -> tuple[Located, ...]:
    """Find all vertebrae of a map from the head down.

    Parameters
    ----------
    labels:
        VerSe ids.
    progress:
        Called with a level name and the fraction done.
    """
    fields = _fields(labels)
    hints = _hints(fields)
    found: list[LocalVertebra] = []
    for index, (level, field) in enumerate(fields):
        if progress is not None:
            progress(level, index / len(fields))
        found.append(local_vertebra(level, field, hints[index]))
    if labels.body_only:
        return tuple(_judge(v, "none", labels) for v in found)
    sources = ["measured" if v.canal is not None else "none" for v in found]
    for index, vertebra in enumerate(found):
        seed = None if _canal_believed(index, found) else _interpolated_canal(index, found)
        borrowed_axis = _neighbours_superior(index, found) if vertebra.frame_borrowed else None
        if seed is None and borrowed_axis is None:
            continue
        hint = hints[index] if borrowed_axis is None else replace(hints[index], superior_ras=borrowed_axis)
        again = local_vertebra(vertebra.level, vertebra.field, hint, canal_seed_ras_mm=seed)
        if again.canal is None and vertebra.canal is not None:
            continue
        found[index] = again
        if seed is not None:
            sources[index] = "none" if again.canal is None else "borrowed"
    return tuple(_judge(v, source, labels) for v, source in zip(found, sources, strict=True))


def _fields(labels: LabelMap) -> list[tuple[str, LabelField]]:
    """Smoothed labels of all vertebrae, from the head down."""
    boxes = ndimage.find_objects(labels.data)
    least = float(value("label.volume_min_ml")) * 1000.0 / float(np.prod(labels.volume.spacing_mm))
    fields = []
    for number, box in enumerate(boxes, start=1):
        level = LEVEL_OF_ID.get(number)
        if box is None or level is None or level in NOT_VERTEBRAE:
            continue
        field = label_field(labels.data, labels.volume.affine, box, number)
        if field.voxels >= least:
            fields.append((level, field))
    return sorted(fields, key=lambda item: order(item[0]))


def _hints(fields: Sequence[tuple[str, LabelField]]) -> list[FrameHint]:
    """Starting frames: superior along the chord of the neighbouring centroids."""
    centres = []
    for _, field in fields:
        inside = np.argwhere(field.occupancy >= 0.5)
        centres.append(apply_affine(field.affine, inside.mean(axis=0)))
    hints = []
    for index, centre in enumerate(centres):
        above, below = centres[max(index - 1, 0)], centres[min(index + 1, len(centres) - 1)]
        chord = above - below
        superior = unit(chord) if np.linalg.norm(chord) > 5.0 else np.array([0.0, 0.0, 1.0])
        hints.append(FrameHint(centre, superior, ANTERIOR_RAS))
    return hints


def _canal_point(vertebra: LocalVertebra) -> FloatArray | None:
    """The canal's centre behind the body's centre, RAS mm."""
    if vertebra.canal is None:
        return None
    point: FloatArray = vertebra.axes.to_world(np.append(vertebra.canal.centre_at(0.0), 0.0))
    return point


def _interpolated_canal(index: int, found: Sequence[LocalVertebra]) -> FloatArray | None:
    """Where the canal of a level should be, from the nearest levels above and below that have one."""
    above = next((p for v in reversed(found[:index]) if (p := _canal_point(v)) is not None), None)
    below = next((p for v in found[index + 1 :] if (p := _canal_point(v)) is not None), None)
    if above is None or below is None:
        return None
    line = below - above
    here = found[index].axes.origin_ras_mm
    part = float(np.clip((here - above) @ line / (line @ line), 0.0, 1.0))
    point: FloatArray = above + part * line
    return point


def _canal_believed(index: int, found: Sequence[LocalVertebra]) -> bool:
    """Whether a level's own canal lies near the line of its neighbours' canals."""
    point, expected = _canal_point(found[index]), _interpolated_canal(index, found)
    if point is None:
        return expected is None
    if expected is None:
        return True
    axes = found[index].axes
    across = axes.to_local(point)[:2] - axes.to_local(expected)[:2]
    return bool(np.linalg.norm(across) <= float(value("canal.spline_distance_max_mm")))


def _neighbours_superior(index: int, found: Sequence[LocalVertebra]) -> FloatArray | None:
    """Mean superior axis of the nearest levels whose own endplates define it."""
    above = next((v for v in reversed(found[:index]) if not v.frame_borrowed), None)
    below = next((v for v in found[index + 1 :] if not v.frame_borrowed), None)
    axes = [v.axes.superior for v in (above, below) if v is not None]
    return unit(np.sum(axes, axis=0)) if axes else None


def _judge(vertebra: LocalVertebra, canal_source: str, labels: LabelMap) -> Located:
    """Whether the vertebra, and its body, lie wholly inside the scan."""
    cut = vertebra.field.touches_edge
    body_cut = False
    if cut:
        index = np.argwhere(vertebra.body.mask)[::7]
        points = vertebra.axes.to_world(vertebra.grid.low_mm + vertebra.grid.step_mm * index)
        voxel = labels.volume.to_voxel(points)
        edge = (voxel < 0.5) | (voxel > np.array(labels.volume.shape) - 1.5)
        body_cut = bool(edge.any(axis=1).mean() > float(value("label.body_cut_share")))
    return Located(vertebra, canal_source, cut, body_cut)
