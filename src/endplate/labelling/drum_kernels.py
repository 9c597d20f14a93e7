"""Compiled inner loops of the drum: where a point stands, and which voxels lie within a surface.

A drum comes as its half width and half depth and the maps of its endplates (see ``endplate.labelling.drum``).
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

REACH = 1.25
"""The endplates' maps cover this many half sizes to each side (``drum.PLATE_REACH``)."""


@numba.njit(cache=True, nogil=True, error_model="numpy")
def drum_coordinates(x: Any, y: Any, z: Any, half: Any, upper: Any, lower: Any) -> Any:
    """mm in the body's frame → drum coordinates (u, v, w)."""
    u, v = x / half[0], y / half[1]
    last = upper.shape[0] - 1
    i = min(max((u + REACH) * (0.5 * last / REACH), 0.0), last)
    j = min(max((v + REACH) * (0.5 * last / REACH), 0.0), last)
    a, b = min(int(i), last - 1), min(int(j), last - 1)
    p, q = i - a, j - b
    top = (1.0 - p) * ((1.0 - q) * upper[a, b] + q * upper[a, b + 1]) + p * (
        (1.0 - q) * upper[a + 1, b] + q * upper[a + 1, b + 1]
    )
    low = (1.0 - p) * ((1.0 - q) * lower[a, b] + q * lower[a, b + 1]) + p * (
        (1.0 - q) * lower[a + 1, b] + q * lower[a + 1, b + 1]
    )
    return u, v, (z - 0.5 * (top + low)) / max(0.5 * (top - low), 1.0)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def factor_towards(u: Any, v: Any, w: Any, largest: Any, node_of: Any, factors: Any) -> Any:
    """Factor of the surface in the direction of (u, v, w), linear between the four nodes around it."""
    count = node_of.shape[0] - 1
    i = (u / largest + 1.0) * 0.5 * count
    j = (v / largest + 1.0) * 0.5 * count
    k = (w / largest + 1.0) * 0.5 * count
    a = min(max(int(i), 0), count - 1)
    b = min(max(int(j), 0), count - 1)
    c = min(max(int(k), 0), count - 1)
    p, q, s = i - a, j - b, k - c
    if abs(u) >= largest:
        face = count if u > 0.0 else 0
        near = (1.0 - s) * factors[node_of[face, b, c]] + s * factors[node_of[face, b, c + 1]]
        far = (1.0 - s) * factors[node_of[face, b + 1, c]] + s * factors[node_of[face, b + 1, c + 1]]
        return (1.0 - q) * near + q * far
    if abs(v) >= largest:
        face = count if v > 0.0 else 0
        near = (1.0 - s) * factors[node_of[a, face, c]] + s * factors[node_of[a, face, c + 1]]
        far = (1.0 - s) * factors[node_of[a + 1, face, c]] + s * factors[node_of[a + 1, face, c + 1]]
        return (1.0 - p) * near + p * far
    face = count if w > 0.0 else 0
    near = (1.0 - q) * factors[node_of[a, b, face]] + q * factors[node_of[a, b + 1, face]]
    far = (1.0 - q) * factors[node_of[a + 1, b, face]] + q * factors[node_of[a + 1, b + 1, face]]
    return (1.0 - p) * near + p * far


@numba.njit(cache=True, nogil=True, error_model="numpy")
def surface_ratio(local: Any, half: Any, upper: Any, lower: Any, node_of: Any, factors: Any) -> Any:
    """How far out points, shape (N, 3) mm in the body's frame, stand: 1 on the surface; float64, shape (N,)."""
    out = np.zeros(local.shape[0])
    for row in range(local.shape[0]):
        u, v, w = drum_coordinates(local[row, 0], local[row, 1], local[row, 2], half, upper, lower)
        largest = max(abs(u), abs(v), abs(w))
        if largest > 1e-9:
            out[row] = largest / factor_towards(u, v, w, largest, node_of, factors)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def inside_surface(local: Any, half: Any, upper: Any, lower: Any, node_of: Any, factors: Any) -> Any:
    """Which points, shape (N, 3) mm in the body's frame, lie within the surface; bool, shape (N,)."""
    return surface_ratio(local, half, upper, lower, node_of, factors) <= 1.0


@numba.njit(cache=True, nogil=True, error_model="numpy")
def paint_surface(
    shape: Any, matrix: Any, half: Any, upper: Any, lower: Any, node_of: Any, factors: Any
) -> Any:
    """Voxels whose centre lies within the surface; ``matrix`` (3, 4) maps a voxel index to the body's frame in mm."""
    out = np.zeros((shape[0], shape[1], shape[2]), dtype=np.bool_)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3]
                u, v, w = drum_coordinates(x, y, z, half, upper, lower)
                largest = max(abs(u), abs(v), abs(w))
                out[i, j, k] = largest < 1e-9 or largest <= factor_towards(u, v, w, largest, node_of, factors)
    return out
