"""Compiled inner loops: linear sampling of a field at points, and rays across axial slices.

Both run on one thread and release the interpreter, so that vertebrae can be measured side by side.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True)
def _trilinear(values: Any, i: Any, j: Any, k: Any) -> Any:
    """Value at a fractional index inside the grid; grids have at least two voxels along each axis."""
    a = min(int(i), values.shape[0] - 2)
    b = min(int(j), values.shape[1] - 2)
    c = min(int(k), values.shape[2] - 2)
    u, v, w = i - a, j - b, k - c
    near = (1.0 - v) * ((1.0 - w) * values[a, b, c] + w * values[a, b, c + 1]) + v * (
        (1.0 - w) * values[a, b + 1, c] + w * values[a, b + 1, c + 1]
    )
    far = (1.0 - v) * ((1.0 - w) * values[a + 1, b, c] + w * values[a + 1, b, c + 1]) + v * (
        (1.0 - w) * values[a + 1, b + 1, c] + w * values[a + 1, b + 1, c + 1]
    )
    return (1.0 - u) * near + u * far


@numba.njit(cache=True, nogil=True)
def sample_linear(values: Any, matrix: Any, points: Any) -> Any:
    """Trilinear interpolation, 0 outside the grid.

    Parameters
    ----------
    values:
        float32, shape (I, J, K).
    matrix:
        float64, shape (3, 4): point → fractional index.
    points:
        float64, shape (N, 3).

    Returns
    -------
    float32, shape (N,).
    """
    n_i, n_j, n_k = values.shape
    out = np.zeros(points.shape[0], dtype=np.float32)
    for row in range(points.shape[0]):
        x, y, z = points[row, 0], points[row, 1], points[row, 2]
        i = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
        j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
        k = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
        if 0.0 <= i <= n_i - 1 and 0.0 <= j <= n_j - 1 and 0.0 <= k <= n_k - 1:
            out[row] = _trilinear(values, i, j, k)
    return out


@numba.njit(cache=True, nogil=True)
def cast_in_slices(values: Any, centres: Any, directions: Any, step: Any, steps: Any) -> Any:
    """Distance from each slice's centre to the first value of at least one half along every ray.

    Parameters
    ----------
    values:
        float32, shape (X, Y, Z).
    centres:
        float64, shape (Z, 2): centre of each slice, fractional index.
    directions:
        float64, shape (R, 2): unit vectors.
    step, steps:
        Index step along a ray, and the number of steps.

    Returns
    -------
    float64, shape (Z, R), in index units; NaN where a ray meets nothing or starts inside.
    """
    n_x, n_y, n_z = values.shape
    out = np.full((n_z, directions.shape[0]), np.nan)
    for z in range(n_z):
        for ray in range(directions.shape[0]):
            before = np.float32(0.0)
            for count in range(steps):
                x = centres[z, 0] + count * step * directions[ray, 0]
                y = centres[z, 1] + count * step * directions[ray, 1]
                if x < 0.0 or y < 0.0 or x > n_x - 1 or y > n_y - 1:
                    break
                a, b = min(int(x), n_x - 2), min(int(y), n_y - 2)
                u, v = x - a, y - b
                here = (1.0 - u) * ((1.0 - v) * values[a, b, z] + v * values[a, b + 1, z]) + u * (
                    (1.0 - v) * values[a + 1, b, z] + v * values[a + 1, b + 1, z]
                )
                if here >= 0.5:
                    if count > 0:
                        part = (0.5 - before) / max(float(here - before), 1e-6)
                        out[z, ray] = (count - 1 + part) * step
                    break
                before = here
    return out


@numba.njit(cache=True, nogil=True)
def cast_forward(values: Any, start: Any, step: Any, steps: Any) -> Any:
    """Distance along the second axis from a start to the first value of at least one half.

    Parameters
    ----------
    values:
        float32, shape (X, Y, Z).
    start:
        float64, shape (Z,): fractional y index at which the rays of a slice start.
    step, steps:
        Index step along y, and the number of steps.

    Returns
    -------
    float64, shape (X, Z), in index units; NaN where a ray meets nothing or starts inside.
    """
    n_x, n_y, n_z = values.shape
    out = np.full((n_x, n_z), np.nan)
    for x in range(n_x):
        for z in range(n_z):
            before = np.float32(0.0)
            for count in range(steps):
                y = start[z] + count * step
                if y > n_y - 1:
                    break
                here = np.float32(0.0)
                if y >= 0.0:
                    b = min(int(y), n_y - 2)
                    v = y - b
                    here = (1.0 - v) * values[x, b, z] + v * values[x, b + 1, z]
                if here >= 0.5:
                    if count > 0:
                        part = (0.5 - before) / max(float(here - before), 1e-6)
                        out[x, z] = (count - 1 + part) * step
                    break
                before = here
    return out


@numba.njit(cache=True, nogil=True)
def resample_linear(values: Any, matrix: Any, shape: Any) -> Any:
    """Trilinear resampling on a grid, 0 outside.

    Parameters
    ----------
    values:
        float32, shape (I, J, K).
    matrix:
        float64, shape (3, 4): index of the new grid → fractional index of ``values``.
    shape:
        Three integers.

    Returns
    -------
    float32 of that shape.
    """
    n_i, n_j, n_k = values.shape
    out = np.zeros((shape[0], shape[1], shape[2]), dtype=np.float32)
    for x in range(shape[0]):
        for y in range(shape[1]):
            for z in range(shape[2]):
                i = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
                j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
                k = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
                if 0.0 <= i <= n_i - 1 and 0.0 <= j <= n_j - 1 and 0.0 <= k <= n_k - 1:
                    out[x, y, z] = _trilinear(values, i, j, k)
    return out


@numba.njit(cache=True, nogil=True)
def cast_out(values: Any, matrix: Any, start: Any, ray: Any, slab: Any, step: Any, steps: Any) -> Any:
    """How far each ray runs, in lengths of its vector, until the mean over the slab falls below one half.

    Parameters
    ----------
    values:
        float32, shape (I, J, K); 0 outside.
    matrix:
        float64, shape (3, 4): point → fractional index.
    start, ray:
        float64, shape (N, 3): starting point and vector of each ray.
    slab:
        float64, shape (S, 3): the shifts of a point over which values are averaged.
    step, steps:
        Step along a ray in lengths of its vector, and the number of steps.

    Returns
    -------
    float64, shape (N,); NaN where a ray starts outside, the last step where it does not end.
    """
    n_i, n_j, n_k = values.shape
    out = np.full(start.shape[0], np.nan)
    last = steps - 1
    for row in range(start.shape[0]):
        before = np.float32(0.0)
        for count in range(steps):
            here = np.float32(0.0)
            for side in range(slab.shape[0]):
                x = start[row, 0] + count * step * ray[row, 0] + slab[side, 0]
                y = start[row, 1] + count * step * ray[row, 1] + slab[side, 1]
                z = start[row, 2] + count * step * ray[row, 2] + slab[side, 2]
                i = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
                j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
                k = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
                if 0.0 <= i <= n_i - 1 and 0.0 <= j <= n_j - 1 and 0.0 <= k <= n_k - 1:
                    here += np.float32(_trilinear(values, i, j, k))
            here /= np.float32(slab.shape[0])
            if here < 0.5 or count == last:
                if count > 0:
                    # A ray that ends on its last step may still rise: then it counts whole.
                    above = float(before - 0.5)
                    out[row] = (count - 1 + above / max(float(before - here), above, 1e-6)) * step
                break
            before = here
    return out


@numba.njit(cache=True, nogil=True)
def median_5x5(values: Any) -> Any:
    """Median over 5 × 5 neighbours of every point, the border continued by its nearest values.

    Parameters
    ----------
    values:
        float64, shape (X, Y), finite.

    Returns
    -------
    float64 of that shape.
    """
    n_x, n_y = values.shape
    out = np.empty((n_x, n_y))
    window = np.empty(25)
    for x in range(n_x):
        for y in range(n_y):
            count = 0
            for dx in range(-2, 3):
                a = min(max(x + dx, 0), n_x - 1)
                for dy in range(-2, 3):
                    one = values[a, min(max(y + dy, 0), n_y - 1)]
                    place = count
                    while place > 0 and window[place - 1] > one:
                        window[place] = window[place - 1]
                        place -= 1
                    window[place] = one
                    count += 1
            out[x, y] = window[12]
    return out


def warm() -> None:
    """Compile every kernel on a grid of a few voxels, so that the first real run does not wait for it."""
    values = np.zeros((4, 4, 4), dtype=np.float32)
    matrix = np.eye(4)[:3].copy()
    sample_linear(values, matrix, np.zeros((1, 3)))
    resample_linear(values, matrix, (2, 2, 2))
    cast_in_slices(values, np.zeros((4, 2)), np.zeros((1, 2)), 0.5, 4)
    cast_forward(values, np.zeros(4), 0.5, 4)
    cast_out(values, matrix, np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3)), 0.5, 4)
    median_5x5(np.zeros((2, 2)))
