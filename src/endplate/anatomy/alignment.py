"""What a level shows only beside its neighbours: local kyphosis, canal compromise, retropulsion."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.canal import sagittal_diameters_mm
from endplate.anatomy.endplates import PlaneFit
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value


def local_kyphosis_deg(above: LocalVertebra, here: LocalVertebra, below: LocalVertebra) -> float | None:
    """Angle from the superior endplate above to the inferior endplate below, in this level's sagittal plane.

    Positive is kyphosis; ``None`` where an endplate has no plane.
    """
    if above.superior is None or below.inferior is None:
        return None
    upper = _lean_deg(_normal_ras(above, above.superior), here.axes)
    lower = _lean_deg(_normal_ras(below, below.inferior), here.axes)
    return upper - lower


def narrowest_canal_mm(vertebra: LocalVertebra) -> float | None:
    """Smallest AP diameter of the canal behind the body, or ``None`` without a canal."""
    if vertebra.canal is None:
        return None
    z = vertebra.grid.coordinate(2)
    rows = _wall_rows(vertebra)
    if rows is None:
        return None
    low, high = rows
    behind = (z >= low) & (z <= high)
    if behind.sum() < 3:
        return None
    diameters = sagittal_diameters_mm(vertebra.canal)[behind]
    # The mean of three slices: a single voxel of label noise is no narrowing.
    return float(np.convolve(diameters, np.full(3, 1.0 / 3.0), mode="valid").min())


def canal_compromise(here_mm: float, adjacent_mm: list[float]) -> float | None:
    """1 − AP diameter / mean of the adjacent levels, clipped to 0–1."""
    if not adjacent_mm:
        return None
    return float(np.clip(1.0 - here_mm / float(np.mean(adjacent_mm)), 0.0, 1.0))


def retropulsion_mm(above: LocalVertebra, here: LocalVertebra, below: LocalVertebra) -> float | None:
    """How far the posterior wall stands behind the line between the neighbours' facing posterior corners."""
    upper, lower = _posterior_corner(above, upper=False), _posterior_corner(below, upper=True)
    points = _wall_points(here)
    if upper is None or lower is None or points is None:
        return None
    line = unit(lower - upper)
    offset = points - upper
    across = offset - np.outer(offset @ line, line)
    backward = -(across @ here.axes.anterior)
    return float(max(np.percentile(backward, 95.0), 0.0))


def _normal_ras(vertebra: LocalVertebra, plane: PlaneFit) -> FloatArray:
    return vertebra.axes.direction_to_world(plane.normal)


def _lean_deg(normal_ras: FloatArray, axes: Axes) -> float:
    """Forward lean of a normal in the sagittal plane of ``axes``."""
    return float(np.degrees(np.arctan2(normal_ras @ axes.anterior, normal_ras @ axes.superior)))


def _wall_rows(vertebra: LocalVertebra) -> tuple[float, float] | None:
    """Local z range of the posterior wall in the mid-sagittal band, its rims left out."""
    points = _wall_local(vertebra)
    if points is None:
        return None
    low, high = float(points[:, 2].min()), float(points[:, 2].max())
    rim = float(value("wall.rim_mm"))
    return (low + rim, high - rim) if high - low > 3.0 * rim else (low, high)


def _wall_local(vertebra: LocalVertebra) -> FloatArray | None:
    """Points of the posterior wall in the mid-sagittal band, local mm, shape (N, 3)."""
    grid, body = vertebra.grid, vertebra.body
    x, z = grid.coordinate(0), grid.coordinate(2)
    band = np.abs(x - vertebra.x_mid_mm) <= float(value("heights.band_half_width_mm"))
    # Where the wall was met and the bone behind the crossing belongs to the body.
    has_body = body.mask.any(axis=1)
    ix, iz = np.nonzero(body.wall_seen & has_body & band[:, None])
    if len(ix) < 10:
        return None
    points: FloatArray = np.stack([x[ix], body.wall_y_mm[ix, iz], z[iz]], axis=1)
    return points


def _wall_points(vertebra: LocalVertebra) -> FloatArray | None:
    points = _wall_local(vertebra)
    return None if points is None else vertebra.axes.to_world(points)


def _posterior_corner(vertebra: LocalVertebra, *, upper: bool) -> FloatArray | None:
    """The posterior corner at the upper or lower endplate, RAS mm.

    The wall is hollow between its corners, and a corner is rounded off by the voxels: the corner is the place that
    stands furthest back near the endplate, not the last point below it.
    """
    points = _wall_local(vertebra)
    if points is None:
        return None
    z = points[:, 2]
    reach = float(value("wall.corner_reach_mm"))
    near = points[z >= z.max() - reach if upper else z <= z.min() + reach]
    y = float(np.percentile(near[:, 1], 15.0))
    behind = near[near[:, 1] <= y]
    corner: FloatArray = vertebra.axes.to_world(
        [float(np.median(near[:, 0])), y, float(np.median(behind[:, 2]))]
    )
    return corner
