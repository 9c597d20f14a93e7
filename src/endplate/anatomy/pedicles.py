"""Pedicles: isthmus, inscribed circle and axis from sections perpendicular to the axis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.canal import CanalTube
from endplate.anatomy.section import Outline, Plane, inscribed_circle, trace_outline
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value

SIGN = {"right": 1.0, "left": -1.0}
"""Sign of local x on each side."""

TRACKING_STEPS = 8
"""Times that the axis is laid anew through the gated centroids; it moves by less than 0.05° after the sixth."""

SLOPE_MAX = 1.4
"""Steepest track believed, mm/mm against the frame's anterior axis (about 55°)."""

SECTION_STEP_MM = 0.5
"""Distance between the perpendicular sections among which the isthmus is chosen."""


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
    slices = _coronal_slices(vertebra, vertebra.canal, SIGN[side])
    if slices is None:
        return None
    point, axis = _track(vertebra, slices)
    sections = _sections(vertebra, point, axis, side)
    if not sections:
        return None
    narrowest = min(sections, key=lambda section: section.outline.area_mm2)
    return _fit(vertebra.axes, narrowest, axis, SIGN[side])


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


@dataclass(frozen=True, eq=False)
class _Section:
    plane: Plane
    outline: Outline
    diameter_mm: float
    circle_mm: FloatArray


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


def _track(vertebra: LocalVertebra, slices: _Slices) -> tuple[FloatArray, FloatArray]:
    """Isthmus point and axis (RAS) through the centroids of the slices around the narrowest one.

    The centroids of parallel slices through an oblique cylinder lie on its axis, so coronal slices will do. Where a
    slice runs into body roof, transverse process or facet, only what lies within the narrowest section's outline,
    carried along the axis found so far and widened by a gate, counts, and the slice weighs the less the more it has
    grown: a leak on one side moves the axis little.
    """
    grid = vertebra.grid
    x, z = grid.coordinate(0), grid.coordinate(2)
    gate, wide = float(value("pedicle.gate_mm")), float(value("pedicle.leak_range_mm"))
    outside = ndimage.distance_transform_edt(~slices.part) * grid.step_mm
    inside = ndimage.distance_transform_edt(slices.part) * grid.step_mm
    distance = outside - inside
    y0 = float(slices.y_mm[slices.narrowest])
    near = np.flatnonzero(np.abs(slices.y_mm - y0) <= float(value("pedicle.track_half_length_mm")))
    slope = np.zeros(2)
    centre = np.zeros(2)
    for _ in range(TRACKING_STEPS):
        rows, grown, points = [], [], []
        for index in near:
            dy = float(slices.y_mm[index]) - y0
            shift = (slope[0] * dy / grid.step_mm, slope[1] * dy / grid.step_mm)
            carried = ndimage.shift(distance, shift, order=1, mode="nearest")
            weight = slices.share[index] * np.clip((gate - carried) / grid.step_mm, 0.0, 1.0)
            area = float(weight.sum())
            if area > 0.0:
                rows.append(dy)
                grown.append(float(slices.share[index][carried < wide].sum()))
                points.append((float(weight.sum(axis=1) @ x) / area, float(weight.sum(axis=0) @ z) / area))
        y, areas, xz = np.array(rows), np.array(grown), np.array(points)
        weight = (areas.min() / areas) ** 2
        mean_y, centre_mean = weight @ y / weight.sum(), weight @ xz / weight.sum()
        slope = ((y - mean_y) * weight) @ (xz - centre_mean) / (weight @ (y - mean_y) ** 2)
        slope = np.clip(slope, -SLOPE_MAX, SLOPE_MAX)
        centre = centre_mean - slope * mean_y
    axes = vertebra.axes
    axis = axes.direction_to_world(unit([slope[0], 1.0, slope[1]]))
    return axes.to_world([centre[0], y0, centre[1]]), axis


def _sections(vertebra: LocalVertebra, point: FloatArray, axis: FloatArray, side: str) -> list[_Section]:
    """Outlines perpendicular to the axis around the narrowest place."""
    sign = SIGN[side]
    # u runs laterally, v to the head, both across the axis.
    lateral = sign * vertebra.axes.right
    u = unit(lateral - (lateral @ axis) * axis)
    v = np.cross(axis, u)
    v = v if v @ vertebra.axes.superior > 0 else -v
    limit = _lateral_limit_mm(vertebra, sign)
    half = float(value("pedicle.isthmus_half_range_mm"))
    found: list[_Section] = []
    for offset in np.arange(-half, half + 0.5 * SECTION_STEP_MM, SECTION_STEP_MM):
        centre = point + offset * axis
        beyond = limit - sign * (float(vertebra.axes.to_local(centre)[0]) - vertebra.x_mid_mm)
        outline = trace_outline(
            vertebra.field,
            Plane(centre, u, v),
            reach_mm=float(value("pedicle.ray_reach_mm")),
            u_max_mm=max(beyond / max(float(u @ lateral), 0.2), 2.0),
        )
        if outline is not None and outline.area_mm2 >= 0.5 * float(value("pedicle.area_min_mm2")):
            diameter, circle = inscribed_circle(outline)
            found.append(_Section(Plane(centre, u, v), outline, diameter, circle))
    return found


def _lateral_limit_mm(vertebra: LocalVertebra, sign: float) -> float:
    """Distance from the mid-plane beyond which bone is transverse process, not pedicle.

    At L5 the process leaves body and pedicle together: the body's edge is that of most of its slices, not its widest.
    """
    side = sign * (vertebra.grid.coordinate(0) - vertebra.x_mid_mm)
    reached = np.where(vertebra.body.mask.any(axis=1), side[:, None], -np.inf).max(axis=0)
    edge = float(np.median(reached[np.isfinite(reached)]))
    return edge + float(value("pedicle.beyond_body_mm"))


def _fit(axes: Axes, section: _Section, axis: FloatArray, sign: float) -> PedicleFit:
    """The numbers of one pedicle from its narrowest section."""
    right, anterior, superior = axes.rotation @ axis
    return PedicleFit(
        isthmus_ras_mm=section.plane.to_world(section.circle_mm),
        axis_ras=axis,
        inscribed_diameter_mm=section.diameter_mm,
        width_mm=section.outline.extent_mm(0),
        height_mm=section.outline.extent_mm(1),
        transverse_deg=float(np.degrees(np.arctan2(-sign * right, anterior))),
        sagittal_deg=float(np.degrees(np.arctan2(superior, anterior))),
        outline_ras_mm=section.plane.to_world(section.outline.points_mm),
    )
