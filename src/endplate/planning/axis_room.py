"""How much room a needle's axis has in the body: distances from its points to each wall."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.body import Body
from endplate.anatomy.endplates import Surfaces
from endplate.anatomy.mask import LocalGrid

STEP_MM = 0.25
"""Spacing of the points along the axis."""

WALLS = ("posterior", "anterior", "endplate", "side")
"""Walls in the order in which a lack is told."""

FACING_SLOPE = 0.58
"""A wall belongs to the front where it turns less than 30° from the coronal plane; what turns more is side wall."""

FRONT_HOLLOW_MM = 4.0
"""The front wall is hollow by less than this; what lies deeper behind the foremost outline is a broken endplate."""


@dataclass(frozen=True, eq=False)
class AxisRoom:
    """Distances along one axis, all of shape (n,), mm.

    Parameters
    ----------
    depth_mm:
        Depth of each point from the entry, rising.
    posterior_mm:
        How far each point lies in front of the posterior wall (negative: behind it).
    anterior_mm, endplate_mm, side_mm:
        Distance to the anterior wall, the nearer endplate, the nearer side wall; negative outside the body.
    """

    depth_mm: FloatArray
    posterior_mm: FloatArray
    anterior_mm: FloatArray
    endplate_mm: FloatArray
    side_mm: FloatArray

    def least(self, wall: str, low_mm: float, high_mm: float) -> float:
        """Least distance to a wall over a stretch of depths; −inf where the stretch leaves the axis."""
        if low_mm < self.depth_mm[0] or high_mm > self.depth_mm[-1]:
            return -float("inf")
        distance = getattr(self, f"{wall}_mm")
        ends = np.interp([low_mm, high_mm], self.depth_mm, distance)
        first, last = np.searchsorted(self.depth_mm, (low_mm, high_mm))
        between = distance[first:last]
        return float(min(ends.min(), between.min(initial=np.inf)))

    def at(self, wall: str, depth_mm: float) -> float:
        """Distance to a wall at one depth."""
        return self.least(wall, depth_mm, depth_mm)


def axis_room(
    grid: LocalGrid,
    body: Body,
    surfaces: Surfaces,
    entry_ras_mm: FloatArray,
    direction_ras: FloatArray,
    length_mm: float,
) -> AxisRoom:
    """Measure the room along an axis in a measured body.

    Parameters
    ----------
    grid, body, surfaces:
        The vertebra's geometry (``LocalVertebra``'s).
    entry_ras_mm, direction_ras:
        Where the axis begins and its unit direction, RAS.
    length_mm:
        How far to follow it; beyond the anterior wall distances turn negative.
    """
    depth = np.arange(0.0, length_mm + STEP_MM, STEP_MM)
    points = grid.axes.to_local(np.asarray(entry_ras_mm) + depth[:, None] * np.asarray(direction_ras))
    index = (points - grid.low_mm) / grid.step_mm
    inside = ndimage.map_coordinates(body.mask.astype(np.float32), index.T, order=1, mode="constant") >= 0.5
    wall = ndimage.map_coordinates(body.wall_y_mm, index[:, [0, 2]].T, order=1, mode="nearest")
    posterior = points[:, 1] - wall
    sign = np.where(inside | (posterior < 0.0), 1.0, -1.0)
    front, sides = _outline(grid, body)
    return AxisRoom(
        depth_mm=depth,
        posterior_mm=posterior,
        anterior_mm=sign * _distance(front, points),
        endplate_mm=sign * _distance(_endplates(grid, surfaces), points),
        side_mm=sign * _distance(sides, points),
    )


def _endplates(grid: LocalGrid, surfaces: Surfaces) -> FloatArray:
    """Points of both endplates, local mm."""
    ix, iy = np.nonzero(surfaces.footprint)
    x, y = grid.coordinate(0)[ix], grid.coordinate(1)[iy]
    return np.concatenate(
        [np.stack([x, y, z[ix, iy]], axis=1) for z in (surfaces.top_mm, surfaces.bottom_mm)]
    )


def _outline(grid: LocalGrid, body: Body) -> tuple[FloatArray, FloatArray]:
    """Points of the wall that faces forward, and the outermost points to both sides, local mm."""
    mask, half = body.mask, 0.5 * grid.step_mm
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    front_y = y[mask.shape[1] - 1 - mask[:, ::-1, :].argmax(axis=1)] + half
    covered = mask.any(axis=1)
    slope = np.abs(
        np.gradient(ndimage.uniform_filter1d(front_y, 5, axis=0, mode="nearest"), grid.step_mm, axis=0)
    )
    foremost = np.where(covered, front_y, -np.inf).max(axis=1)
    outermost = front_y >= foremost[:, None] - FRONT_HOLLOW_MM
    ix, iz = np.nonzero(covered & outermost & (slope <= FACING_SLOPE))
    front = np.stack([x[ix], front_y[ix, iz], z[iz]], axis=1)
    right = x[mask.shape[0] - 1 - mask[::-1].argmax(axis=0)] + half
    left = x[mask.argmax(axis=0)] - half
    iy, jz = np.nonzero(mask.any(axis=0))
    sides = np.concatenate([np.stack([edge[iy, jz], y[iy], z[jz]], axis=1) for edge in (left, right)])
    return front, sides


def _distance(surface: FloatArray, points: FloatArray) -> FloatArray:
    return np.asarray(cKDTree(surface).query(points)[0], dtype=np.float64)
