"""The body's shape: a drum with two endplates of their own tilt and hollow, and a star-convex surface about it.

The drum's coordinates (u, v, w) run from -1 to 1 over width, depth and height, so that a wedged or flattened body
becomes a cube. The surface is a factor of the drum for each of the nodes on that cube: star-convex in drum
coordinates, with rays that meet flat endplates and side walls alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.labelling.drum_kernels import inside_surface

FRONT_EXPONENT, BACK_EXPONENT = 2.4, 4.5
"""Superellipse exponents of the outline seen from above: round in front, with corners at the posterior wall."""

RIM_EXPONENT = 8.0
"""Exponent of the edge between side wall and endplates (large: sharp)."""

LEAST_HALF_HEIGHT_MM = 1.0
"""The drum's half height is nowhere less, so that its coordinates stay defined."""

PLATE_NODES = 21
"""Nodes of an endplate's map along each side."""

PLATE_REACH = 1.25
"""The maps cover this many half widths and half depths to each side; beyond them the last value is held."""


def plate_lines() -> FloatArray:
    """Drum coordinates of the rows (and columns) of an endplate's map, shape (PLATE_NODES,)."""
    return np.linspace(-PLATE_REACH, PLATE_REACH, PLATE_NODES)


@dataclass(frozen=True, eq=False)
class Drum:
    """Sizes of the drum in the body's frame.

    Parameters
    ----------
    half_width_mm, half_depth_mm:
        Along right and anterior.
    upper, lower:
        Shape (PLATE_NODES, PLATE_NODES): heights of the endplates in mm over [u, v].
    """

    half_width_mm: float
    half_depth_mm: float
    upper: FloatArray
    lower: FloatArray

    @staticmethod
    def of_planes(half_width_mm: float, half_depth_mm: float, upper: FloatArray, lower: FloatArray) -> Drum:
        """A drum with smooth endplates.

        ``upper`` and ``lower``, shape (4,): height of the rim's plane in the middle, its slope to the right and to
        the front, and the depth of the hollow (how far the endplate sinks into the body).
        """
        lines = plate_lines()
        x, y = np.meshgrid(lines * half_width_mm, lines * half_depth_mm, indexing="ij")
        dish = np.maximum(1.0 - lines[:, None] ** 2 - lines[None, :] ** 2, 0.0)
        top = upper[0] + upper[1] * x + upper[2] * y - upper[3] * dish
        low = lower[0] + lower[1] * x + lower[2] * y + lower[3] * dish
        return Drum(half_width_mm, half_depth_mm, top, low)

    @property
    def half_sizes_mm(self) -> FloatArray:
        """Half width and half depth, shape (2,)."""
        return np.array([self.half_width_mm, self.half_depth_mm])

    @property
    def height_mm(self) -> float:
        """Mean height over the middle of the endplates."""
        part = slice(PLATE_NODES // 4, -(PLATE_NODES // 4))
        return float((self.upper - self.lower)[part, part].mean())

    def plates(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Heights of the upper and the lower endplate at drum coordinates."""
        scale = 0.5 * (PLATE_NODES - 1) / PLATE_REACH
        at = np.stack([(u + PLATE_REACH) * scale, (v + PLATE_REACH) * scale])
        held = np.clip(at, 0.0, PLATE_NODES - 1.0)
        first = np.minimum(held.astype(int), PLATE_NODES - 2)
        (p, q), (i, j) = held - first, first

        def read(plate: FloatArray) -> FloatArray:
            near = (1.0 - q) * plate[i, j] + q * plate[i, j + 1]
            far = (1.0 - q) * plate[i + 1, j] + q * plate[i + 1, j + 1]
            here: FloatArray = (1.0 - p) * near + p * far
            return here

        return read(self.upper), read(self.lower)

    def _middle(self, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
        top, low = self.plates(u, v)
        return 0.5 * (top + low), np.maximum(0.5 * (top - low), LEAST_HALF_HEIGHT_MM)

    def to_mm(self, uvw: FloatArray) -> FloatArray:
        """Drum coordinates, shape (..., 3) → mm in the body's frame."""
        middle, half = self._middle(uvw[..., 0], uvw[..., 1])
        return np.stack(
            [uvw[..., 0] * self.half_width_mm, uvw[..., 1] * self.half_depth_mm, middle + half * uvw[..., 2]],
            axis=-1,
        )

    def from_mm(self, local_mm: FloatArray) -> FloatArray:
        """mm in the body's frame, shape (..., 3) → drum coordinates."""
        u, v = local_mm[..., 0] / self.half_width_mm, local_mm[..., 1] / self.half_depth_mm
        middle, half = self._middle(u, v)
        return np.stack([u, v, (local_mm[..., 2] - middle) / half], axis=-1)


def gauge(uvw: FloatArray) -> FloatArray:
    """1 on the drum's surface, less inside; shape (..., 3) → (...)."""
    bend = np.where(uvw[..., 1] < 0.0, BACK_EXPONENT, FRONT_EXPONENT)
    flat = np.abs(uvw[..., 0]) ** bend + np.abs(uvw[..., 1]) ** bend
    both = flat ** (RIM_EXPONENT / bend) + np.abs(uvw[..., 2]) ** RIM_EXPONENT
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
    neighbours:
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
    def local_mm(self) -> FloatArray:
        """The nodes on the surface, shape (N, 3), mm in the body's frame."""
        nodes = lattice(self.cells)
        return self.drum.to_mm(nodes.directions * (nodes.drum_factor * self.factors)[:, None])

    @property
    def vertices_ras_mm(self) -> FloatArray:
        """The nodes on the surface, shape (N, 3), RAS mm."""
        return self.axes.to_world(self.local_mm)

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
            self.drum.half_sizes_mm,
            self.drum.upper,
            self.drum.lower,
            nodes.node_of,
            nodes.drum_factor * self.factors,
        )
        inside: NDArray[np.bool_] = found.reshape(points.shape[:-1])
        return inside
