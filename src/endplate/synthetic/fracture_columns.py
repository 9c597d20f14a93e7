"""What of a scan may move in a virtual fracture: the body's endplates, the discs' room, and what stays rigid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy import distances
from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap
from endplate.sources import value
from endplate.synthetic.fracture_field import smooth_step

SEARCH_STEP_MM = 0.5
"""Step of the search for the neighbours' endplates."""

HELD_FRONT_MM = 3.0
"""Bone beside the body is pedicle or process, and stays, up to this far in front of the posterior wall."""

RIM_MM = 2.5
"""Within this distance of the body's outline its endplates are continued from further in."""

RING_MM = 3.0
"""The rim stands out of the endplate by this much at most; more is a spur."""

RIM_SHARE = 0.8
"""Columns lower than this share of the usual height are continued from others: they are rims or spurs."""


@dataclass(frozen=True, eq=False)
class Ground:
    """The intact body over the axial plane of its frame, arrays (X, Y), mm.

    Parameters
    ----------
    axes, low_mm, step_mm:
        The frame and the grid over its plane.
    footprint:
        The body's outline.
    top_mm, bottom_mm:
        The endplates, continued beyond the outline.
    above_mm, below_mm:
        Room up to the neighbours, with nothing of them in it.
    freedom:
        0 where bone must stay as it is (arches, pedicles) and far from the body, 1 where the body may give way.
    back_mm, front_mm, x_mid_mm:
        The body's extent in the mid-sagittal plane, and that plane.
    half_width_mm:
        Half its greatest width.
    """

    axes: Axes
    low_mm: FloatArray
    step_mm: float
    footprint: NDArray[np.bool_]
    top_mm: FloatArray
    bottom_mm: FloatArray
    above_mm: FloatArray
    below_mm: FloatArray
    freedom: FloatArray
    back_mm: float
    front_mm: float
    x_mid_mm: float
    half_width_mm: float

    def coordinates(self) -> tuple[FloatArray, FloatArray]:
        """Local x and y of the grid's points, broadcastable: shapes (X, 1) and (1, Y)."""
        x, y = (self.low_mm[i] + self.step_mm * np.arange(n) for i, n in enumerate(self.footprint.shape))
        return x[:, None], y[None, :]

    @property
    def along(self) -> FloatArray:
        """Place from the posterior (0) to the anterior (1) wall of the mid-sagittal plane, shape (1, Y)."""
        place: FloatArray = (self.coordinates()[1] - self.back_mm) / (self.front_mm - self.back_mm)
        return place


def lay_ground(vertebra: LocalVertebra, labels: LabelMap) -> Ground:
    """Find what may move round one vertebra of a label map."""
    step = vertebra.grid.step_mm
    pad = int(np.ceil(float(value("virtual_fracture.fade_out_mm")) / step)) + 2
    low = vertebra.grid.low_mm[:2] - pad * step
    surfaces = vertebra.surfaces
    footprint = np.pad(surfaces.footprint, pad)
    top = _endplate(vertebra, surfaces.top_mm, surfaces.top_smooth_mm, pad, +1)
    bottom = _endplate(vertebra, surfaces.bottom_mm, surfaces.bottom_smooth_mm, pad, -1)
    x, y = (low[i] + step * np.arange(n) for i, n in enumerate(footprint.shape))
    mid = np.abs(x - vertebra.x_mid_mm) <= 2.0 * step
    covered = np.flatnonzero(footprint[mid].any(axis=0))
    back, front = float(y[covered[0]]) - 0.5 * step, float(y[covered[-1]]) + 0.5 * step
    wide = x[footprint.any(axis=1)]
    probe = _Probe(vertebra, labels, x, y)
    above, near_above = probe.room(top, footprint, +1, back)
    below, near_below = probe.room(bottom, footprint, -1, back)
    own = np.pad(vertebra.grid.inside.any(axis=2), pad) & ~footprint & (y[None, :] < back + HELD_FRONT_MM)
    held = own | near_above | near_below
    return Ground(
        axes=vertebra.axes,
        low_mm=np.asarray(low, dtype=np.float64),
        step_mm=step,
        footprint=footprint,
        top_mm=top,
        bottom_mm=bottom,
        above_mm=above,
        below_mm=below,
        freedom=_freedom(footprint, held, step),
        back_mm=back,
        front_mm=front,
        x_mid_mm=vertebra.x_mid_mm,
        half_width_mm=0.5 * float(wide[-1] - wide[0]),
    )


def _whole(vertebra: LocalVertebra) -> NDArray[np.bool_]:
    """Columns from endplate to endplate: not at the rim, and not what overhangs it."""
    surfaces, step = vertebra.surfaces, vertebra.grid.step_mm
    height = surfaces.top_smooth_mm - surfaces.bottom_smooth_mm
    inner = distances.depth_mm(surfaces.footprint, step) > RIM_MM
    whole: NDArray[np.bool_] = inner & (height > RIM_SHARE * float(np.nanmedian(height)))
    return whole


def _endplate(
    vertebra: LocalVertebra, voxels: FloatArray, smooth: FloatArray, pad: int, side: int
) -> FloatArray:
    """One endplate over the padded grid: smooth inside, with the ring of its rim, continued beyond the body."""
    step, footprint = vertebra.grid.step_mm, vertebra.surfaces.footprint
    whole = _whole(vertebra)
    inner = _continued(np.where(whole, smooth, np.nan), step)
    # The rim may stand out of a dished endplate: it must go along with it, not stay behind in the disc.
    ring = inner + side * np.clip(side * (voxels - inner), 0.0, RING_MM)
    raised = np.where(whole, 0.0, np.where(footprint, ring - inner, 0.0))
    blurred = ndimage.maximum_filter(side * raised, size=3)
    known = np.where(footprint, inner + side * ndimage.gaussian_filter(blurred, 0.8 / step), np.nan)
    return _continued(np.pad(known, pad, constant_values=np.nan), step)


def _continued(surface: FloatArray, step: float) -> FloatArray:
    """A surface continued beyond where it is known: the nearest value, smoother the further out."""
    missing = ~np.isfinite(surface)
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    filled: FloatArray = surface[tuple(nearest)]
    blurred = ndimage.gaussian_filter(filled, 3.0 / step, mode="nearest")
    away = smooth_step(distances.distance_mm(missing, step) / 4.0)
    continued: FloatArray = filled + away * (blurred - filled)
    return continued


def _freedom(footprint: NDArray[np.bool_], held: NDArray[np.bool_], step: float) -> FloatArray:
    """How much each column may give way, shape (X, Y)."""
    out = distances.distance_mm(~footprint, step)
    fade = 1.0 - smooth_step(out / float(value("virtual_fracture.fade_out_mm")))
    if held.any():
        away = distances.distance_mm(~held, step)
        fade = fade * smooth_step((away - step) / float(value("virtual_fracture.fade_held_mm")))
    smooth = ndimage.gaussian_filter(fade, 0.8 / step)
    freedom: FloatArray = np.where(held, 0.0, smooth)
    return freedom


@dataclass(frozen=True, eq=False)
class _Probe:
    """Looks up the label map over the plane of the frame."""

    vertebra: LocalVertebra
    labels: LabelMap
    x: FloatArray
    y: FloatArray

    def ids(self, z: FloatArray) -> NDArray[np.int16]:
        """Label ids at height z (X, Y) over each column; −1 outside the volume."""
        points = np.stack(
            [np.broadcast_to(self.x[:, None], z.shape), np.broadcast_to(self.y[None, :], z.shape), z], axis=-1
        )
        volume = self.labels.volume
        index = np.rint(volume.to_voxel(self.vertebra.axes.to_world(points))).astype(np.int64)
        inside: NDArray[np.bool_] = np.asarray(((index >= 0) & (index < np.array(volume.shape))).all(axis=-1))
        index = np.where(inside[..., None], index, 0)
        found: NDArray[np.int16] = self.labels.data[index[..., 0], index[..., 1], index[..., 2]].astype(
            np.int16
        )
        return np.where(inside, found, np.int16(-1))

    def room(
        self, surface: FloatArray, footprint: NDArray[np.bool_], side: int, back: float
    ) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Room beyond one endplate, and the columns in which arches of other vertebrae stand beside it."""
        own = VERSE_IDS[self.vertebra.level]
        usual, most = (float(v) for v in value("virtual_fracture.disc_room_mm"))
        free = np.full(surface.shape, np.nan)
        others = np.zeros(surface.shape, dtype=bool)
        far_behind = self.y[None, :] < back - float(value("virtual_fracture.canal_front_mm"))
        for k in range(int(most / SEARCH_STEP_MM) + 1):
            distance = k * SEARCH_STEP_MM
            ids = self.ids(surface + side * distance)
            met = (ids != 0) & (ids != own) & footprint & np.isnan(free)
            free[met] = distance
            others |= (ids > 0) & (ids != own) & far_behind
        return self._room_map(free, usual), others

    def _room_map(self, free: FloatArray, usual: float) -> FloatArray:
        step = self.vertebra.grid.step_mm
        margin = float(value("virtual_fracture.margin_mm"))
        clear = float(value("virtual_fracture.clear_mm"))
        if not np.isfinite(free).any():
            return np.full(free.shape, usual)
        missing = np.isnan(free)
        nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
        filled = free[tuple(nearest)]
        # The least room about a column: nothing of a neighbour is stretched where its surface is uneven.
        least = ndimage.minimum_filter(filled, size=2 * int(2.0 / step) + 1, mode="nearest")
        smooth = ndimage.gaussian_filter(least, 2.0 / step, mode="nearest")
        room: FloatArray = np.maximum(np.minimum(smooth, filled + 1.0) - clear, margin + 1.2)
        return room
