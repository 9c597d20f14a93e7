"""Measuring an analytic vertebral body: the one definition of heights, planes, depth, width and volume.

Heights: in the body's own frame, in the mid-sagittal band |x| ≤ 5 mm, the median of (superior − inferior endplate)
over AP windows of the mid-sagittal depth. The own frame: up is the mean of both endplates' normals, forward is
perpendicular to it in the plane of symmetry.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from endplate.errors import InternalError
from endplate.imaging.geometry import FloatArray
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.units import MM3_PER_ML

BAND_HALF_WIDTH_MM = 5.0
"""Half width of the mid-sagittal band of the heights."""
WINDOWS = {"posterior": (0.08, 0.25), "middle": (0.40, 0.60), "anterior": (0.75, 0.92)}
"""AP windows of the three heights: 0 is the posterior wall, 1 the anterior wall, in the mid-sagittal plane."""
FOOTPRINT_EROSION_MM = 3.0
"""Rim of the endplate that its plane leaves out."""

PLACES = ("anterior", "middle", "posterior")
"""Order of the three heights in every array."""


@dataclass(frozen=True)
class PlaneFit:
    """Least-squares plane of an endplate in local coordinates; the normal points up."""

    centre: FloatArray
    normal: FloatArray
    rmse_mm: float


@dataclass(frozen=True)
class BodyMeasures:
    """What is true of one body, in its local coordinates (x right, y forward, z up of the intact body).

    ``axes`` are the true frame's right, anterior, superior as rows; ``wall`` the anterior coordinates (along the
    true anterior axis) of the posterior and anterior wall.
    """

    heights: FloatArray
    axes: FloatArray
    wall: tuple[float, float]
    width_mm: float
    superior: PlaneFit
    inferior: PlaneFit

    @property
    def depth_mm(self) -> float:
        """Mid-sagittal depth along the true anterior axis."""
        return self.wall[1] - self.wall[0]


def _plane(points: FloatArray) -> PlaneFit:
    centre = points.mean(axis=0)
    _, _, axes = np.linalg.svd(points - centre, full_matrices=False)
    normal = axes[2] * np.sign(axes[2, 2])
    normal[0] = 0.0  # the body is symmetric: what is left here is rounding
    normal /= np.linalg.norm(normal)
    return PlaneFit(centre, normal, float(np.sqrt(np.mean(((points - centre) @ normal) ** 2))))


def footprint(row: FloatArray, step: float) -> FloatArray:
    """Points (x, y) of the eroded footprint on a square lattice symmetric about the mid-plane."""
    half = float(row[r.B_HALF_WIDTH])
    depth = float(row[r.B_DEPTH])
    x = (np.arange(round(2 * half / step)) - (round(2 * half / step) - 1) / 2) * step
    y = np.arange(-0.5 * depth, 0.5 * depth + step, step)
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1).reshape(-1, 2)
    keep = sampling.outline_at(grid, row) <= -FOOTPRINT_EROSION_MM
    inside: FloatArray = grid[keep]
    return inside


def _extent(row: FloatArray, axis: FloatArray, up: FloatArray, origin: FloatArray) -> tuple[float, float]:
    """Extent of the body along ``axis`` within the plane of ``axis`` and ``up`` through ``origin``."""
    reach = 0.5 * max(2.0 * row[r.B_HALF_WIDTH], row[r.B_DEPTH]) + 14.0
    step = 0.5
    s = np.arange(-reach, reach + step, step)
    h = np.arange(-0.5 * reach - 12.0, 0.5 * reach + 12.0, 0.4)
    points = origin + s[None, :, None] * axis + h[:, None, None] * up
    field = sampling.body_at(points.reshape(-1, 3), row).reshape(len(h), len(s))
    low, high = math.inf, -math.inf
    crossing = (field[:, :-1] > 0) & (field[:, 1:] <= 0)
    i, j = np.nonzero(crossing)
    if len(i):
        low = float(_root(row, points[i, j], points[i, j + 1], s[j], step).min())
    crossing = (field[:, :-1] <= 0) & (field[:, 1:] > 0)
    i, j = np.nonzero(crossing)
    if len(i):
        high = float(_root(row, points[i, j], points[i, j + 1], s[j], step).max())
    if not high > low:
        raise InternalError(
            "phantom-body-empty", "A phantom body came out empty.", do="Report its specification."
        )
    return low, high


def _root(row: FloatArray, a: FloatArray, b: FloatArray, start: Any, step: float) -> FloatArray:
    """Zero crossings between a and b by bisection, as coordinates from ``start``."""
    low = np.zeros(len(a))
    high = np.ones(len(a))
    inside_first = sampling.body_at(a, row) <= 0
    for _ in range(14):
        middle = 0.5 * (low + high)
        inside = sampling.body_at(a + middle[:, None] * (b - a), row) <= 0
        same = inside == inside_first
        low = np.where(same, middle, low)
        high = np.where(same, high, middle)
    root: FloatArray = start + 0.5 * (low + high) * step
    return root


def measure_body(row: FloatArray, *, step: float = 0.5) -> BodyMeasures:
    """Measure the analytic body by the definition at the head of this module.

    ``step`` is the sampling of the endplates in mm; the results change by less than 0.01 mm and 0.01° when it is
    halved.
    """
    inside = footprint(row, step)
    plates = sampling.endplates_at(inside, row)
    superior = _plane(np.column_stack([inside, plates[:, 0]]))
    inferior = _plane(np.column_stack([inside, plates[:, 1]]))
    up = superior.normal + inferior.normal
    up /= np.linalg.norm(up)
    front = np.array([0.0, up[2], -up[1]])
    axes = np.array([[1.0, 0.0, 0.0], front, up])
    wall = _extent(row, front, up, np.zeros(3))
    middle = np.array([0.0, -0.5 * float(row[r.B_CONCAVITY]), 0.0])
    sides = _extent(row, axes[0], up, middle)
    heights = np.array([_height(row, axes, wall, place) for place in PLACES])
    return BodyMeasures(heights, axes, wall, sides[1] - sides[0], superior, inferior)


def _height(row: FloatArray, axes: FloatArray, wall: tuple[float, float], place: str) -> float:
    low, high = WINDOWS[place]
    depth = float(row[r.B_DEPTH])
    x = np.linspace(0.0, BAND_HALF_WIDTH_MM, 11)
    # Wide enough that the tilted columns of the window stay within.
    y = np.linspace((low - 0.5) * depth - 7.0, (high - 0.5) * depth + 7.0, 121)
    target = wall[0] + np.linspace(low, high, 41) * (wall[1] - wall[0])
    grid = np.stack(np.meshgrid(x, y, indexing="ij"), axis=-1)
    plates = sampling.endplates_at(grid.reshape(-1, 2), row).reshape(len(x), len(y), 3)
    gaps = []
    for k in range(len(x)):
        column = []
        for plate in (0, 1):
            z = plates[k, :, plate]
            along = axes[1, 1] * y + axes[1, 2] * z
            above = axes[2, 1] * y + axes[2, 2] * z
            column.append(np.interp(target, along, above))
        gaps.append(column[0] - column[1])
    # The band is symmetric: half of it has the same median when the midline counts once.
    weights = np.array([1] + [2] * (len(x) - 1))
    return float(np.median(np.repeat(np.array(gaps), weights, axis=0)))


def as_points(x: Any, y: Any, z: Any) -> FloatArray:
    """Points, shape (n, 3), from coordinates that broadcast together."""
    points: FloatArray = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3).astype(np.float64)
    return points


def posterior_rim_mm(row: FloatArray) -> tuple[float, float]:
    """Local z of the superior and inferior endplate 2 mm in front of the posterior wall, in the midline."""
    upper, lower, _ = sampling.endplates_at(np.array([[0.0, 2.0 - 0.5 * float(row[r.B_DEPTH])]]), row)[0]
    return float(upper), float(lower)


def posterior_wall_mm(row: FloatArray, z: float) -> float:
    """Local y of the (not retropulsed) posterior wall in the midline at height z, kept clear of the rims."""
    row = row.copy()
    row[r.B_RETROPULSION] = 0.0
    upper, lower = posterior_rim_mm(row)
    z = min(max(z, lower + 2.5), upper - 2.5)
    # From behind: further forward, a bowl may have taken the bone at this height.
    y = np.arange(-0.75, -0.3, 0.02) * float(row[r.B_DEPTH])
    inside = sampling.body_at(as_points(0.0, y, z), row) <= 0
    first = int(np.argmax(inside))
    low, high = float(y[first - 1]), float(y[first])
    for _ in range(30):
        middle = 0.5 * (low + high)
        if sampling.body_at(as_points(0.0, middle, z), row)[0] > 0:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def volume_and_centroid(row: FloatArray, step: float = 0.6) -> tuple[float, FloatArray]:
    """Volume in ml and local centroid of the body by midpoint sums; the volume is converged to 0.1 %."""
    x = np.arange(0.5 * step, 1.15 * row[r.B_HALF_WIDTH] + step, step)
    back = -0.5 * row[r.B_DEPTH] - row[r.B_CONCAVITY] - row[r.B_RETROPULSION] - step
    y = np.arange(back, 0.5 * row[r.B_DEPTH] + step, step)
    rise = row[r.B_SUP_HEIGHT] + abs(row[r.B_SUP_SLOPE]) * 0.5 * row[r.B_DEPTH] + 2.0
    z = np.arange(-rise, rise, step)
    total, moment_y, moment_z = sampling.body_volume(x, y, z, step, row)
    centroid = np.array([0.0, moment_y / total, moment_z / total])
    return float(2.0 * total / MM3_PER_ML), centroid
