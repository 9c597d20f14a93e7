"""The body's shape: a drum with two endplates of their own tilt and hollow, and a star-convex surface about it.

The drum's coordinates (u, v, w) run from -1 to 1 over width, depth and height, so that a wedged or flattened body
becomes a cube. The surface is a factor of the drum for each of the nodes on that cube: star-convex in drum
coordinates, with rays that meet flat endplates and side walls alike.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.labelling.drum_kernels import inside_surface

OUTLINE_EXPONENT = 2.6
"""Superellipse exponent of the drum's outline seen from above."""

RIM_EXPONENT = 8.0
"""Exponent of the edge between side wall and endplates (large: sharp)."""

LEAST_HALF_HEIGHT_MM = 1.5
"""The drum's half height is nowhere less, so that its coordinates stay defined."""


@dataclass(frozen=True, eq=False)
class Drum:
    """Sizes of the drum in the body's frame.

    Parameters
    ----------
    half_width_mm, half_depth_mm:
        Along right and anterior.
    upper, lower:
        Shape (4,): height in the middle of the rim plane, slope to the right, slope to the front, and depth of the
        hollow (the endplate sinks into the body by it in the middle).
    """

    half_width_mm: float
    half_depth_mm: float
    upper: FloatArray
    lower: FloatArray

    @property
    def packed(self) -> FloatArray:
        """Shape (10,): both half sizes, upper, lower."""
        return np.concatenate([[self.half_width_mm, self.half_depth_mm], self.upper, self.lower])

    def plates(self, x_mm: FloatArray, y_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mid-height and half height of the drum over points of its plane."""
        a, b = self.half_width_mm, self.half_depth_mm
        x, y = np.clip(x_mm, -1.3 * a, 1.3 * a), np.clip(y_mm, -1.3 * b, 1.3 * b)
        dish = np.maximum(1.0 - (x / a) ** 2 - (y / b) ** 2, 0.0)
        top = self.upper[0] + self.upper[1] * x + self.upper[2] * y - self.upper[3] * dish
        low = self.lower[0] + self.lower[1] * x + self.lower[2] * y + self.lower[3] * dish
        middle: FloatArray = 0.5 * (top + low)
        half: FloatArray = np.maximum(0.5 * (top - low), LEAST_HALF_HEIGHT_MM)
        return middle, half

    def to_mm(self, uvw: FloatArray) -> FloatArray:
        """Drum coordinates, shape (..., 3) → mm in the body's frame."""
        x, y = uvw[..., 0] * self.half_width_mm, uvw[..., 1] * self.half_depth_mm
        middle, half = self.plates(x, y)
        return np.stack([x, y, middle + half * uvw[..., 2]], axis=-1)

    def from_mm(self, local_mm: FloatArray) -> FloatArray:
        """mm in the body's frame, shape (..., 3) → drum coordinates."""
        x, y = local_mm[..., 0], local_mm[..., 1]
        middle, half = self.plates(x, y)
        return np.stack(
            [x / self.half_width_mm, y / self.half_depth_mm, (local_mm[..., 2] - middle) / half], axis=-1
        )

    def scaled(self, factor: float) -> Drum:
        """The same drum, larger or smaller; slopes stay."""
        shape = np.array([factor, 1.0, 1.0, factor])
        return Drum(
            self.half_width_mm * factor, self.half_depth_mm * factor, self.upper * shape, self.lower * shape
        )


def gauge(uvw: FloatArray) -> FloatArray:
    """1 on the drum's surface, less inside; shape (..., 3) → (...)."""
    flat = np.abs(uvw[..., 0]) ** OUTLINE_EXPONENT + np.abs(uvw[..., 1]) ** OUTLINE_EXPONENT
    both = flat ** (RIM_EXPONENT / OUTLINE_EXPONENT) + np.abs(uvw[..., 2]) ** RIM_EXPONENT
    value: FloatArray = both ** (1.0 / RIM_EXPONENT)
    return value


@dataclass(frozen=True, eq=False)
class Lattice:
    """Nodes on the surface of a cube and who stands beside whom.

    Parameters
    ----------
    count:
        Cells along an edge.
    node_of:
        Shape (count+1,)*3, int32: node at a lattice point of the cube's surface, -1 inside.
    directions:
        Shape (N, 3): the nodes, largest coordinate ±1.
    drum_factor:
        Shape (N,): factor of each direction at which the drum's surface lies.
    neighbours, order_split:
        Shape (N, 4) int32: the nodes beside (-1 where a corner has three only).
    """

    count: int
    node_of: NDArray[np.int32]
    directions: FloatArray
    drum_factor: FloatArray
    neighbours: NDArray[np.int32]


@cache
def lattice(count: int) -> Lattice:
    """The cube's lattice with ``count`` cells along an edge."""
    steps = np.arange(count + 1)
    index = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1).reshape(-1, 3)
    index = index[((index == 0) | (index == count)).any(axis=1)]
    node_of = np.full((count + 1,) * 3, -1, dtype=np.int32)
    node_of[tuple(index.T)] = np.arange(len(index))
    neighbours = np.full((len(index), 4), -1, dtype=np.int32)
    filled = np.zeros(len(index), dtype=int)
    for axis in range(3):
        for step in (-1, 1):
            other = index.copy()
            other[:, axis] += step
            valid = (other[:, axis] >= 0) & (other[:, axis] <= count)
            found = np.where(valid, node_of[tuple(np.clip(other, 0, count).T)], -1)
            for node in np.flatnonzero(found >= 0):
                neighbours[node, filled[node]] = found[node]
                filled[node] += 1
    directions = 2.0 * index / count - 1.0
    return Lattice(count, node_of, directions, 1.0 / gauge(directions), neighbours)


@dataclass(frozen=True, eq=False)
class BodySurface:
    """A star-convex surface about a drum.

    Parameters
    ----------
    axes:
        The body's frame.
    drum:
        The drum in it.
    cells:
        Cells along an edge of the lattice.
    factors:
        Shape (N,): for each node, how far out the surface lies, 1 on the drum.
    """

    axes: Axes
    drum: Drum
    cells: int
    factors: FloatArray

    @property
    def vertices_ras_mm(self) -> FloatArray:
        """The nodes on the surface, shape (N, 3), RAS mm."""
        nodes = lattice(self.cells)
        out = nodes.directions * (nodes.drum_factor * self.factors)[:, None]
        return self.axes.to_world(self.drum.to_mm(out))

    @property
    def radii_mm(self) -> FloatArray:
        """Distance of each node from the centre, shape (N,)."""
        radii: FloatArray = np.linalg.norm(self.vertices_ras_mm - self.axes.origin_ras_mm, axis=1)
        return radii

    @property
    def directions_ras(self) -> FloatArray:
        """Unit vector from the centre to each node, shape (N, 3)."""
        out = self.vertices_ras_mm - self.axes.origin_ras_mm
        unit: FloatArray = out / np.linalg.norm(out, axis=1, keepdims=True)
        return unit

    def inside(self, ras_mm: FloatArray) -> NDArray[np.bool_]:
        """Say which RAS points, shape (..., 3), lie within the surface."""
        points = np.ascontiguousarray(ras_mm, dtype=np.float64)
        nodes = lattice(self.cells)
        found = inside_surface(
            self.axes.to_local(points).reshape(-1, 3),
            self.drum.packed,
            nodes.node_of,
            nodes.drum_factor * self.factors,
        )
        inside: NDArray[np.bool_] = found.reshape(points.shape[:-1])
        return inside

    def grown(self, factor: float) -> BodySurface:
        """The same surface, larger or smaller about its centre."""
        return replace(self, factors=self.factors * factor)
