"""Pedicles: isthmus, inscribed circle and axis from sections perpendicular to the axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.canal import CanalTube
from endplate.anatomy.section import inscribed_circle
from endplate.anatomy.tube import Surroundings, Tube, fit_tube
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value

SIGN = {"right": 1.0, "left": -1.0}
"""Sign of local x on each side."""

TRACKING_STEPS = 6
"""Times that the first axis is laid anew through the gated centroids."""

SLOPE_MAX = 1.4
"""Steepest first axis believed, mm/mm against the frame's anterior axis (about 55°)."""


@dataclass(frozen=True, eq=False)
class PedicleFit:
    """One pedicle in RAS mm; ``axis_ras`` points to the front, ``outline_ras_mm`` has shape (N, 3)."""

    isthmus_ras_mm: FloatArray
    axis_ras: FloatArray
    inscribed_diameter_mm: float
    width_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float
    outline_ras_mm: FloatArray


def find_pedicle(vertebra: LocalVertebra, side: str) -> PedicleFit | None:
    """Measure one pedicle, or ``None`` where no bone bridges body and arch beside the canal.

    Parameters
    ----------
    vertebra:
        The vertebra with its canal.
    side:
        ``"left"`` or ``"right"``.
    """
    if vertebra.canal is None:
        return None
    sign = SIGN[side]
    slices = _coronal_slices(vertebra, vertebra.canal, sign)
    if slices is None:
        return None
    axes = vertebra.axes
    middle = axes.to_world([vertebra.x_mid_mm, 0.0, 0.0])
    around = Surroundings(middle, sign * axes.right, axes.superior, _lateral_limit_mm(vertebra, sign))
    tube = fit_tube(vertebra.field, *_first_axis(vertebra, slices), around)
    return None if tube is None else _measure(axes, tube, sign)


@dataclass(frozen=True, eq=False)
class _Slices:
    """Coronal slices of the side of one pedicle.

    ``y_mm`` shape (N,); ``share`` shape (N, X, Z), the bone of each voxel lateral of the canal;
    ``narrowest`` is the index of the slice of least area and ``part`` the pedicle in it, shape (X, Z).
    """

    y_mm: FloatArray
    share: FloatArray
    narrowest: int
    part: NDArray[np.bool_]


def _coronal_slices(vertebra: LocalVertebra, canal: CanalTube, sign: float) -> _Slices | None:
    """The coronal slices in which bone stands alone beside the canal, and the narrowest of them."""
    grid = vertebra.grid
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    ring = canal.typical_mm
    front, back = float(ring[len(ring) // 4]), float(ring[3 * len(ring) // 4])
    lateral = float(np.max(sign * ring * np.cos(2.0 * np.pi * np.arange(len(ring)) / len(ring))))
    centre_y = float(canal.centre_at(0.0)[1])
    offset = sign * (x[:, None] - canal.centre_at(z)[None, :, 0])
    limit = _lateral_limit_mm(vertebra, sign)
    window = (offset > 0.4 * lateral) & (sign * (x[:, None] - vertebra.x_mid_mm) < limit)
    beside = (offset > lateral - 3.0) & (offset < lateral + 5.0)
    indices = np.flatnonzero((y >= centre_y - 0.5 * back) & (y <= centre_y + front + 1.0))
    best: tuple[float, int, NDArray[np.bool_]] | None = None
    for order, index in enumerate(indices):
        number, count = ndimage.label(grid.inside[:, index, :] & window)
        touching = np.bincount(number[beside], minlength=count + 1)
        touching[0] = 0
        if not touching.any():
            continue
        part: NDArray[np.bool_] = number == int(np.argmax(touching))
        area = float(part.sum()) * grid.step_mm**2
        if area >= float(value("pedicle.area_min_mm2")) and (best is None or area < best[0]):
            best = area, order, part
    if best is None:
        return None
    # Not clipped laterally: at L5 an edge that does not move with the slices would hold the axis straight.
    beside_canal = (offset > 0.4 * lateral)[:, None, :]
    share = np.clip(grid.values[:, indices, :], 0.0, 1.0).astype(np.float64) * beside_canal
    return _Slices(y[indices], np.moveaxis(share, 1, 0), best[1], best[2])


def _first_axis(vertebra: LocalVertebra, slices: _Slices) -> tuple[FloatArray, FloatArray]:
    """A first isthmus point and axis (RAS) through the centroids of the slices around the narrowest one.

    The centroids of parallel slices through an oblique cylinder lie on its axis, so coronal slices will do. Where a
    slice runs into other bone, only what lies within the narrowest section's outline, carried along the axis found
    so far and widened by a gate, counts.
    """
    grid = vertebra.grid
    x, z = grid.coordinate(0), grid.coordinate(2)
    gate = float(value("pedicle.gate_mm"))
    outside = ndimage.distance_transform_edt(~slices.part)
    distance = (outside - ndimage.distance_transform_edt(slices.part)) * grid.step_mm
    y0 = float(slices.y_mm[slices.narrowest])
    near = np.flatnonzero(np.abs(slices.y_mm - y0) <= float(value("pedicle.track_half_length_mm")))
    slope, centre = np.zeros(2), np.zeros(2)
    for _ in range(TRACKING_STEPS):
        rows, areas, points = [], [], []
        for index in near:
            dy = float(slices.y_mm[index]) - y0
            carried = ndimage.shift(distance, slope * dy / grid.step_mm, order=1, mode="nearest")
            weight = slices.share[index] * np.clip((gate - carried) / grid.step_mm, 0.0, 1.0)
            area = float(weight.sum())
            if area > 0.0:
                rows.append(dy)
                areas.append(float(slices.share[index].sum()))
                points.append((float(weight.sum(axis=1) @ x) / area, float(weight.sum(axis=0) @ z) / area))
        y, grown, xz = np.array(rows), np.array(areas), np.array(points)
        weight = (grown.min() / grown) ** 2
        mean_y, mean = weight @ y / weight.sum(), weight @ xz / weight.sum()
        slope = ((y - mean_y) * weight) @ (xz - mean) / max(float(weight @ (y - mean_y) ** 2), 1e-6)
        slope = np.clip(slope, -SLOPE_MAX, SLOPE_MAX)
        centre = mean - slope * mean_y
    axis = vertebra.axes.direction_to_world(unit([slope[0], 1.0, slope[1]]))
    return vertebra.axes.to_world([centre[0], y0, centre[1]]), axis


def _lateral_limit_mm(vertebra: LocalVertebra, sign: float) -> float:
    """Distance from the mid-plane beyond which bone is transverse process, not pedicle.

    At L5 the process leaves body and pedicle together: the body's edge is that of most of its slices, not its widest.
    """
    side = sign * (vertebra.grid.coordinate(0) - vertebra.x_mid_mm)
    reached = np.where(vertebra.body.mask.any(axis=1), side[:, None], -np.inf).max(axis=0)
    edge = float(np.median(reached[np.isfinite(reached)]))
    return edge + float(value("pedicle.beyond_body_mm"))


def _measure(axes: Axes, tube: Tube, sign: float) -> PedicleFit:
    """The numbers of one pedicle at the narrowest section of its tube."""
    plane, outline = tube.section(tube.isthmus_offset_mm())
    diameter, circle = inscribed_circle(outline)
    right, anterior, superior = axes.rotation @ tube.axis_ras
    return PedicleFit(
        isthmus_ras_mm=plane.to_world(circle),
        axis_ras=tube.axis_ras,
        inscribed_diameter_mm=diameter,
        width_mm=outline.extent_mm(0),
        height_mm=outline.extent_mm(1),
        transverse_deg=float(np.degrees(np.arctan2(-sign * right, anterior))),
        sagittal_deg=float(np.degrees(np.arctan2(superior, anterior))),
        outline_ras_mm=plane.to_world(outline.points_mm),
    )
