"""Pedicles: isthmus, inscribed circle and axis from sections perpendicular to the axis.

First the throat is searched (:mod:`endplate.anatomy.throat`), then a tube fitted to its wall
(:mod:`endplate.anatomy.tube`). Where the tube leaves the published directions of the level, it is fitted again with
the throat's direction held, and the result says that it is not to be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.canal import CanalTube
from endplate.anatomy.mask import LabelField
from endplate.anatomy.section import Plane, cast_radii, inscribed_circle
from endplate.anatomy.throat import Extent, expected_direction, find_throat
from endplate.anatomy.tube import Surroundings, Tube, fit_tube
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.geometry import apply_affine
from endplate.sources import value

SIGN = {"right": 1.0, "left": -1.0}
"""Sign of local x on each side."""

HELD_FAST = 1e6
"""Weight that holds an axis where it is."""

RECENTRINGS = 4
"""Times that a circle which overhangs the bone is moved away from the wall it overhangs."""


@dataclass(frozen=True, eq=False)
class PedicleFit:
    """One pedicle in RAS mm; ``axis_ras`` points to the front, ``outline_ras_mm`` has shape (N, 3).

    ``trusted`` is false where the direction is not one that pedicles of this level have, or had to be held at the
    narrowest section's, or little wall was left to fit. ``residual_mm`` is the root mean square distance of the
    wall from the fit, ``uncertainty_mm`` the standard uncertainty of the inscribed diameter.
    """

    isthmus_ras_mm: FloatArray
    axis_ras: FloatArray
    inscribed_diameter_mm: float
    width_mm: float
    height_mm: float
    transverse_deg: float
    sagittal_deg: float
    outline_ras_mm: FloatArray
    trusted: bool
    residual_mm: float
    uncertainty_mm: float


def find_pedicle(vertebra: LocalVertebra, side: str) -> PedicleFit | None:
    """Measure one pedicle, or ``None`` where no bone bridges body and arch beside the canal, or the scan cuts it.

    Parameters
    ----------
    vertebra:
        The vertebra with its canal.
    side:
        ``"left"`` or ``"right"``.
    """
    canal = vertebra.canal
    if canal is None:
        return None
    sign, axes = SIGN[side], vertebra.axes
    starts = _starts(vertebra, canal, sign)
    expected = expected_direction(vertebra.level)
    throat = find_throat(vertebra.grid, canal, sign, starts, expected) if len(starts) else None
    if throat is None:
        return None
    middle = axes.to_world([vertebra.x_mid_mm, 0.0, 0.0])
    around = Surroundings(middle, sign * axes.right, axes.superior, _lateral_limit_mm(vertebra, sign))
    first = axes.to_world(throat.centre_mm), axes.direction_to_world(throat.axis)
    trusted = True
    tube = fit_tube(vertebra.field, *first, around, float(value("pedicle.axis_hold")))
    if tube is None or not expected.plausible(*_angles_deg(axes, tube.axis_ras, sign)):
        trusted = False
        tube = fit_tube(vertebra.field, *first, around, HELD_FAST)
    if tube is None:
        return None
    fit = _measure(vertebra, tube, sign, trusted)
    if fit.inscribed_diameter_mm < float(value("pedicle.diameter_min_mm")):
        return None
    return None if vertebra.field.touches_edge and _cut(vertebra.field, fit.outline_ras_mm) else fit


def _starts(vertebra: LocalVertebra, canal: CanalTube, sign: float) -> FloatArray:
    """Points in the bone beside the canal, of every second coronal slice in which bone stands there, shape (N, 3)."""
    grid = vertebra.grid
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    extent = Extent.of(canal, sign)
    front, back, lateral = extent.front_mm, extent.back_mm, extent.lateral_mm
    centre_y = float(canal.centre_at(0.0)[1])
    offset = sign * (x[:, None] - canal.centre_at(z)[None, :, 0])
    beside = (offset > lateral - 1.0) & (offset < lateral + float(value("pedicle.start_width_mm")))
    points = []
    for index in np.flatnonzero((y >= centre_y - 0.5 * back) & (y <= centre_y + front + 1.0))[::2]:
        number, count = ndimage.label(grid.inside[:, index, :] & beside)
        if not count:
            continue
        part: NDArray[np.bool_] = number == 1 + int(np.argmax(np.bincount(number.ravel())[1:]))
        at_x, at_z = np.nonzero(part)
        points.append((x[at_x].mean(), y[index], z[at_z].mean()))
    return np.array(points, dtype=np.float64).reshape(-1, 3)


def _lateral_limit_mm(vertebra: LocalVertebra, sign: float) -> float:
    """Distance from the mid-plane beyond which bone is transverse process, not pedicle.

    At L5 the process leaves body and pedicle together: the body's edge is that of most of its slices, not its widest.
    """
    side = sign * (vertebra.grid.coordinate(0) - vertebra.x_mid_mm)
    reached = np.where(vertebra.body.mask.any(axis=1), side[:, None], -np.inf).max(axis=0)
    edge = float(np.median(reached[np.isfinite(reached)]))
    return edge + float(value("pedicle.beyond_body_mm"))


def _angles_deg(axes: Axes, axis_ras: FloatArray, sign: float) -> tuple[float, float]:
    """Transverse (inward positive) and sagittal (rising positive) angle of a forward axis."""
    right, anterior, superior = axes.rotation @ axis_ras
    return float(np.degrees(np.arctan2(-sign * right, anterior))), float(
        np.degrees(np.arctan2(superior, anterior))
    )


def _measure(vertebra: LocalVertebra, tube: Tube, sign: float, trusted: bool) -> PedicleFit:
    """The numbers of one pedicle at the narrowest section of its tube."""
    plane, outline = tube.section(tube.isthmus_offset_mm())
    smooth_mm, centre = inscribed_circle(outline)
    grain = _grain_mm(vertebra.field, plane)
    diameter, centre = _inside_bone(vertebra.field, plane, smooth_mm, centre, grain)
    transverse, sagittal = _angles_deg(vertebra.axes, tube.axis_ras, sign)
    believed = trusted and tube.wall_share >= float(value("pedicle.trusted_wall_share"))
    share = float(value("pedicle.grain_share"))
    return PedicleFit(
        isthmus_ras_mm=plane.to_world(centre),
        axis_ras=tube.axis_ras,
        inscribed_diameter_mm=diameter,
        width_mm=outline.extent_mm(0),
        height_mm=outline.extent_mm(1),
        transverse_deg=transverse,
        sagittal_deg=sagittal,
        outline_ras_mm=plane.to_world(outline.points_mm),
        trusted=believed,
        residual_mm=tube.residual_mm,
        uncertainty_mm=float(np.hypot(share * grain, smooth_mm - diameter)) * (1.0 if believed else 2.0),
    )


def _grain_mm(field: LabelField, plane: Plane) -> float:
    """Size of a voxel across the pedicle's width."""
    return float(np.linalg.norm(plane.u_ras @ field.affine[:3, :3]))


def _inside_bone(
    field: LabelField, plane: Plane, diameter: float, centre: FloatArray, grain: float
) -> tuple[float, FloatArray]:
    """The circle made so small, and moved so, that it leaves the bone by no more than the steps of the voxels."""
    steps = float(value("pedicle.overhang_share")) * min(grain, 1.0)
    best, best_centre = 0.0, centre
    for _ in range(RECENTRINGS):
        radii = cast_radii(field, plane.about(centre), diameter)
        if radii is None:
            break
        least = int(np.argmin(radii))
        inside = min(diameter, 2.0 * (float(radii[least]) + steps))
        if inside > best:
            best, best_centre = inside, centre
        if inside >= diameter:
            break
        angle = 2.0 * np.pi * least / len(radii)
        centre = centre - 0.5 * (diameter - inside) * np.array([np.cos(angle), np.sin(angle)])
    return best, best_centre


def _cut(field: LabelField, outline_ras_mm: FloatArray) -> bool:
    """Whether an outline ends where the whole label ends: a pedicle's own wall never does, so the scan cuts it."""
    occupied = np.argwhere(field.occupancy >= 0.5)
    voxel = apply_affine(np.asarray(np.linalg.inv(field.affine), dtype=np.float64), outline_ras_mm)
    low, high = occupied.min(axis=0), occupied.max(axis=0)
    return bool((voxel < low + 1.0).any() or (voxel > high - 1.0).any())
