"""From the fields to labels and to points on the surface: compiled walks over lattices."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from endplate.synthetic import rows as r
from endplate.synthetic.field import above_plane, vertebra_field, voxel_point

BODY, ARCH, CANAL = 49, 41, 61
"""Subregion ids (TPTBox)."""


@njit(cache=True, error_model="numpy")
def region_at(p: Any, i: Any, S: Any) -> Any:
    """Subregion of a world point (0 outside) and a length over which the fields say it cannot change."""
    bone, body, canal = vertebra_field(p, i, S)
    if bone <= 0.0:
        if body <= 0.0:
            return BODY, -body
        return ARCH, min(-bone, body)
    up = above_plane(p, S[i], r.N_ABOVE)
    down = above_plane(p, S[i], r.N_BELOW)
    if canal <= 0.0 and up <= 0.0 and down > 0.0:
        return CANAL, min(bone, -canal, -up, down)
    return 0, min(bone, max(canal, up, -down, 0.0))


@njit(cache=True, error_model="numpy")
def paint_labels(
    labels: Any, subregions: Any, start: Any, stop: Any, affine: Any, i: Any, label: Any, S: Any
) -> None:
    """Write vertebra i into the label arrays within the voxel box [start, stop).

    Runs along the last axis are skipped where the fields say that nothing can change.
    """
    step = math.sqrt(affine[0, 2] ** 2 + affine[1, 2] ** 2 + affine[2, 2] ** 2)
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            c = start[2]
            while c < stop[2]:
                region, safe = region_at(voxel_point(affine, a, b, c), i, S)
                end = min(c + 1 + int(r.SAFE_SHARE * safe / step), stop[2])
                if region == CANAL:
                    for k in range(c, end):
                        if subregions[a, b, k] == 0:
                            subregions[a, b, k] = CANAL
                elif region > 0:
                    for k in range(c, end):
                        labels[a, b, k] = label
                        subregions[a, b, k] = region
                c = end


@njit(cache=True, error_model="numpy")
def _root(p: Any, axis: Any, step: Any, column: Any, i: Any, S: Any) -> Any:
    """Surface point on the lattice edge from p along an axis, by bisection."""
    x, y, z = p
    start = vertebra_field(p, i, S)[column] <= 0.0
    near = 0.0
    far = step
    for _ in range(12):
        t = 0.5 * (near + far)
        q = (x + t * (axis == 0), y + t * (axis == 1), z + t * (axis == 2))
        if (vertebra_field(q, i, S)[column] <= 0.0) == start:
            near = t
        else:
            far = t
    t = 0.5 * (near + far)
    return x + t * (axis == 0), y + t * (axis == 1), z + t * (axis == 2)


@njit(cache=True, error_model="numpy")
def _block_points(
    found: Any, values: Any, x0: Any, y0: Any, z0: Any, step: Any, column: Any, i: Any, S: Any
) -> None:
    """Collect the surface points on the edges of one block of cells."""
    edge = values.shape[0]
    for u in range(edge):
        for v in range(edge):
            for w in range(edge):
                values[u, v, w] = vertebra_field((x0 + u * step, y0 + v * step, z0 + w * step), i, S)[column]
    for u in range(edge - 1):
        for v in range(edge - 1):
            for w in range(edge - 1):
                for axis in range(3):
                    beside = values[u + (axis == 0), v + (axis == 1), w + (axis == 2)]
                    if (values[u, v, w] <= 0.0) != (beside <= 0.0):
                        p = (x0 + u * step, y0 + v * step, z0 + w * step)
                        found.append(_root(p, axis, step, column, i, S))


@njit(cache=True, error_model="numpy")
def surface_points(low: Any, count: Any, block: Any, step: Any, column: Any, i: Any, S: Any) -> Any:
    """Points on the zero set of one field column of vertebra i on the edges of a world lattice, shape (n, 3).

    The lattice starts at ``low`` with ``count`` blocks of ``block`` cells of size ``step`` along each axis; blocks
    that the surface cannot reach are left out.
    """
    found = [(0.0, 0.0, 0.0)]
    size = block * step
    half = 0.5 * size
    values = np.empty((block + 1, block + 1, block + 1))
    for a in range(count[0]):
        for b in range(count[1]):
            for c in range(count[2]):
                x0 = low[0] + a * size
                y0 = low[1] + b * size
                z0 = low[2] + c * size
                middle = vertebra_field((x0 + half, y0 + half, z0 + half), i, S)[column]
                if r.SAFE_SHARE * abs(middle) <= 1.8 * half:
                    _block_points(found, values, x0, y0, z0, step, column, i, S)
    points = np.empty((len(found) - 1, 3))
    for n in range(len(points)):
        points[n, 0], points[n, 1], points[n, 2] = found[n + 1]
    return points
