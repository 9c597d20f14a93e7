"""Voxel grids in space: affines between voxel indices and RAS+ millimetres."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

AXIS_LETTERS = (("L", "R"), ("P", "A"), ("I", "S"))
"""Letters of the negative and positive end of each RAS world axis."""

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""The flip between RAS and LPS (its own inverse); LPS lives only at the edges (DICOM, ITK, Slicer files)."""

GRID_TOLERANCE_MM = 0.02
"""Two grids are the same when no corner voxel differs by more than this."""


def apply_affine(affine: FloatArray, points: ArrayLike) -> FloatArray:
    """Map points, shape (..., 3), by a 4×4 affine; float64."""
    array = np.asarray(points, dtype=np.float64)
    mapped: FloatArray = array @ affine[:3, :3].T + affine[:3, 3]
    return mapped


def voxel_sizes_mm(affine: FloatArray) -> FloatArray:
    """Spacing along the three voxel axes in mm, shape (3,)."""
    sizes: FloatArray = np.linalg.norm(affine[:3, :3], axis=0)
    return sizes


def axis_codes(affine: FloatArray) -> tuple[str, str, str]:
    """Anatomical letter toward which each voxel axis mostly runs, for example ``("P", "I", "R")``.

    Each world axis is used once: voxel axes take them in order of how closely they follow one.
    """
    directions = affine[:3, :3] / voxel_sizes_mm(affine)
    letters = ["", "", ""]
    strength = np.abs(directions)
    for _ in range(3):
        world, voxel = (int(i) for i in np.unravel_index(int(np.argmax(strength)), (3, 3)))
        letters[voxel] = AXIS_LETTERS[world][int(directions[world, voxel] > 0)]
        strength[world, :] = -1.0
        strength[:, voxel] = -1.0
    return letters[0], letters[1], letters[2]


def corner_points_mm(shape: tuple[int, ...], affine: FloatArray) -> FloatArray:
    """World position of the eight corner voxel centres, shape (8, 3), RAS mm."""
    last = np.asarray(shape[:3], dtype=np.float64) - 1.0
    corners = np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)], dtype=np.float64) * last
    return apply_affine(affine, corners)


def same_grid(
    shape_a: tuple[int, ...], affine_a: FloatArray, shape_b: tuple[int, ...], affine_b: FloatArray
) -> bool:
    """Say whether two grids have the same shape and place (to ``GRID_TOLERANCE_MM``)."""
    if tuple(shape_a[:3]) != tuple(shape_b[:3]):
        return False
    gap = corner_points_mm(shape_a, affine_a) - corner_points_mm(shape_b, affine_b)
    return bool(np.abs(gap).max() <= GRID_TOLERANCE_MM)


def as_affine(matrix: Any) -> FloatArray:
    """Return a read-only float64 copy of a 4×4 affine.

    Raises
    ------
    ValueError
        Not 4×4, not finite, or singular: such a grid has no place in space.
    """
    affine = np.array(matrix, dtype=np.float64)
    if affine.shape != (4, 4) or not np.isfinite(affine).all():
        raise ValueError("an affine is a finite 4x4 matrix")
    if abs(np.linalg.det(affine[:3, :3])) < 1e-9:
        raise ValueError("the affine is singular: a voxel axis has no length")
    affine.flags.writeable = False
    return affine
