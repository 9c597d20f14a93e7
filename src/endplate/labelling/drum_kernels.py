"""Compiled inner loops of the drum: where a point stands, and which voxels lie within a surface.

A drum is packed as ten numbers: half width, half depth, then four for the upper and four for the lower plate.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, error_model="numpy")
def drum_coordinates(x: Any, y: Any, z: Any, drum: Any) -> Any:
    """mm in the body's frame → drum coordinates (u, v, w)."""
    a, b = drum[0], drum[1]
    cx = min(max(x, -1.3 * a), 1.3 * a)
    cy = min(max(y, -1.3 * b), 1.3 * b)
    dish = max(1.0 - (cx / a) ** 2 - (cy / b) ** 2, 0.0)
    top = drum[2] + drum[3] * cx + drum[4] * cy - drum[5] * dish
    low = drum[6] + drum[7] * cx + drum[8] * cy + drum[9] * dish
    half = max(0.5 * (top - low), 1.5)
    return x / a, y / b, (z - 0.5 * (top + low)) / half


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
def inside_surface(local: Any, drum: Any, node_of: Any, factors: Any) -> Any:
    """Which points, shape (N, 3) mm in the body's frame, lie within the surface; bool, shape (N,)."""
    out = np.zeros(local.shape[0], dtype=np.bool_)
    for row in range(local.shape[0]):
        u, v, w = drum_coordinates(local[row, 0], local[row, 1], local[row, 2], drum)
        largest = max(abs(u), abs(v), abs(w))
        out[row] = largest < 1e-9 or largest <= factor_towards(u, v, w, largest, node_of, factors)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def paint_surface(shape: Any, matrix: Any, drum: Any, node_of: Any, factors: Any) -> Any:
    """Voxels whose centre lies within the surface; ``matrix`` (3, 4) maps a voxel index to the body's frame in mm."""
    out = np.zeros((shape[0], shape[1], shape[2]), dtype=np.bool_)
    for i in range(shape[0]):
        for j in range(shape[1]):
            for k in range(shape[2]):
                x = matrix[0, 0] * i + matrix[0, 1] * j + matrix[0, 2] * k + matrix[0, 3]
                y = matrix[1, 0] * i + matrix[1, 1] * j + matrix[1, 2] * k + matrix[1, 3]
                z = matrix[2, 0] * i + matrix[2, 1] * j + matrix[2, 2] * k + matrix[2, 3]
                u, v, w = drum_coordinates(x, y, z, drum)
                largest = max(abs(u), abs(v), abs(w))
                out[i, j, k] = largest < 1e-9 or largest <= factor_towards(u, v, w, largest, node_of, factors)
    return out
