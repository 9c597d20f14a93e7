"""Compiled inner loops of the search: surfaces as points, straight needles against them.

All arrays are float64 in the vertebra's own frame (right, anterior, superior mm) unless said otherwise. A needle is an
origin on its axis and a unit direction; places on it are lengths from the origin. One thread, interpreter released.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from endplate.anatomy.kernels import _trilinear

FAR_MM = 1e3
"""Stands for no surface at all."""


@numba.njit(cache=True, nogil=True)
def surface_points(values: Any, low: Any, step: Any) -> Any:
    """Points where a field on a cubic grid crosses one half along the grid's edges, shape (N, 3).

    Parameters
    ----------
    values:
        float32, shape (X, Y, Z); inside is at least one half.
    low, step:
        Place of the first node and the grid's step.
    """
    n_x, n_y, n_z = values.shape
    count = 0
    for fill in range(2):
        if fill == 1:
            out = np.empty((count, 3))
            count = 0
        for a in range(n_x - 1):
            for b in range(n_y - 1):
                for c in range(n_z - 1):
                    here = values[a, b, c]
                    for axis in range(3):
                        if axis == 0:
                            there = values[a + 1, b, c]
                        elif axis == 1:
                            there = values[a, b + 1, c]
                        else:
                            there = values[a, b, c + 1]
                        if (here >= 0.5) == (there >= 0.5):
                            continue
                        if fill == 1:
                            part = (0.5 - here) / (there - here)
                            out[count, 0] = low[0] + step * a
                            out[count, 1] = low[1] + step * b
                            out[count, 2] = low[2] + step * c
                            out[count, axis] += step * part
                        count += 1
    return out


@numba.njit(cache=True, nogil=True)
def last_inside(
    values: Any, low: Any, step: Any, origins: Any, directions: Any, starts: Any, reach: Any, pace: Any
) -> Any:
    """Follow axes while they stay inside a field and return where they leave it, shape (C,).

    Parameters
    ----------
    values, low, step:
        As in :func:`surface_points`.
    origins, directions:
        Shape (C, 3). ``pace`` negative walks backward.
    starts:
        Shape (C,): lengths from the origin at which to begin.
    reach, pace:
        How far to walk and by which signed step; the crossing is interpolated.

    Returns
    -------
    Length from the origin; NaN where the start lies outside or the end was not reached.
    """
    out = np.full(len(origins), np.nan)
    n_x, n_y, n_z = values.shape
    steps = math.ceil(reach / abs(pace))
    for row in range(len(origins)):
        before = 0.0
        for count in range(steps + 1):
            t = starts[row] + count * pace
            i = (origins[row, 0] + t * directions[row, 0] - low[0]) / step
            j = (origins[row, 1] + t * directions[row, 1] - low[1]) / step
            k = (origins[row, 2] + t * directions[row, 2] - low[2]) / step
            here = 0.0
            if 0.0 <= i <= n_x - 1 and 0.0 <= j <= n_y - 1 and 0.0 <= k <= n_z - 1:
                here = _trilinear(values, i, j, k)
            if here < 0.5:
                if count > 0:
                    out[row] = t - pace + pace * (before - 0.5) / max(before - here, 1e-6)
                break
            before = here
    return out


@numba.njit(cache=True, nogil=True)
def inside_share(
    values: Any, low: Any, step: Any, origins: Any, directions: Any, begin: Any, end: Any, pace: Any
) -> Any:
    """Share of each axis between two lengths that lies inside a field, shape (C,)."""
    out = np.zeros(len(origins))
    n_x, n_y, n_z = values.shape
    for row in range(len(origins)):
        count = max(math.ceil((end[row] - begin[row]) / pace), 1)
        met = 0
        for n in range(count):
            t = begin[row] + (n + 0.5) * (end[row] - begin[row]) / count
            i = (origins[row, 0] + t * directions[row, 0] - low[0]) / step
            j = (origins[row, 1] + t * directions[row, 1] - low[1]) / step
            k = (origins[row, 2] + t * directions[row, 2] - low[2]) / step
            if (
                0.0 <= i <= n_x - 1
                and 0.0 <= j <= n_y - 1
                and 0.0 <= k <= n_z - 1
                and _trilinear(values, i, j, k) >= 0.5
            ):
                met += 1
        out[row] = met / count
    return out


@numba.njit(cache=True, nogil=True)
def wall_crossings(
    wall: Any, low: Any, step: Any, origins: Any, directions: Any, begin: Any, end: Any, pace: Any
) -> Any:
    """Where axes first pass a surface y = wall(x, z) going forward, shape (C,); NaN where they do not.

    Parameters
    ----------
    wall:
        Shape (X, Z): y of the surface over the nodes of the grid.
    low, step:
        Place (x, z) of the first node and the grid's step.
    begin, end:
        Shape (C,): lengths between which it is looked for; an axis in front from the beginning crosses there.
    """
    n_x, n_z = wall.shape
    out = np.full(len(origins), np.nan)
    for row in range(len(origins)):
        count = max(math.ceil((end[row] - begin[row]) / pace), 1)
        before = 0.0
        for n in range(count + 1):
            t = begin[row] + n * (end[row] - begin[row]) / count
            i = min(max((origins[row, 0] + t * directions[row, 0] - low[0]) / step, 0.0), n_x - 1.001)
            k = min(max((origins[row, 2] + t * directions[row, 2] - low[1]) / step, 0.0), n_z - 1.001)
            a, c = int(i), int(k)
            u, w = i - a, k - c
            y = (1.0 - u) * ((1.0 - w) * wall[a, c] + w * wall[a, c + 1]) + u * (
                (1.0 - w) * wall[a + 1, c] + w * wall[a + 1, c + 1]
            )
            front = origins[row, 1] + t * directions[row, 1] - y
            if front >= 0.0:
                out[row] = t
                if n > 0 and front > before:
                    out[row] -= (end[row] - begin[row]) / count * front / (front - before)
                break
            before = front
    return out


@numba.njit(cache=True, nogil=True)
def sweep(
    points: Any,
    origins: Any,
    directions: Any,
    lateral: Any,
    head: Any,
    spans: Any,
    radius: Any,
    voxel: Any,
    error: Any,
) -> Any:
    """Distances from straight cannulas to surface points around them, by direction.

    Parameters
    ----------
    points:
        Shape (N, 3).
    origins, directions, lateral, head:
        Shape (C, 3): axis, and two unit vectors across it.
    spans:
        Shape (C, 3): seated, posterior wall and tip as lengths from the origin.
    radius:
        Of the cannula.
    voxel:
        Shape (3, 3): columns are the voxel's edges in the frame. Half its extent along the direction of a point is
        taken off the derated margin, and ``error``.

    Returns
    -------
    Shape (C, 9): raw margins lateral, superior, medial, inferior between seating and wall; the same derated; smallest
    raw distance between wall and tip, the tip's round end included.
    """
    out = np.full((len(origins), 9), FAR_MM)
    for row in range(len(origins)):
        ox, oy, oz = origins[row]
        dx, dy, dz = directions[row]
        lx, ly, lz = lateral[row]
        hx, hy, hz = head[row]
        seated, wall, tip = spans[row]
        q_ll = q_lh = q_hh = 0.0
        for axis in range(3):
            along_l = voxel[0, axis] * lx + voxel[1, axis] * ly + voxel[2, axis] * lz
            along_h = voxel[0, axis] * hx + voxel[1, axis] * hy + voxel[2, axis] * hz
            q_ll += along_l * along_l
            q_lh += along_l * along_h
            q_hh += along_h * along_h
        widest = 0.5 * math.sqrt(q_ll + q_hh)
        for n in range(len(points)):
            x, y, z = points[n, 0] - ox, points[n, 1] - oy, points[n, 2] - oz
            t = x * dx + y * dy + z * dz
            if t < seated:
                continue
            if t > wall:
                beyond = max(t - tip, 0.0)
                square = x * x + y * y + z * z - t * t + beyond * beyond
                if square < (out[row, 8] + radius) ** 2:
                    out[row, 8] = math.sqrt(max(square, 0.0)) - radius
                continue
            u = x * lx + y * ly + z * lz
            v = x * hx + y * hy + z * hz
            square = u * u + v * v
            sector = (0 if u > 0.0 else 2) if abs(u) >= abs(v) else 1 if v > 0.0 else 3
            limit = max(out[row, sector], out[row, sector + 4] + widest + error) + radius
            if square >= limit * limit:
                continue
            distance = math.sqrt(square)
            raw = distance - radius
            half = 0.5 * math.sqrt(u * u * q_ll + 2.0 * u * v * q_lh + v * v * q_hh) / max(distance, 1e-9)
            out[row, sector] = min(out[row, sector], raw)
            out[row, sector + 4] = min(out[row, sector + 4], raw - half - error)
    return out


@numba.njit(cache=True, nogil=True)
def nearest(points: Any, origins: Any, directions: Any, begin: Any, end: Any) -> Any:
    """Least distance from each axis between two lengths to any point, shape (C,)."""
    out = np.full(len(origins), FAR_MM)
    for row in range(len(origins)):
        best = FAR_MM * FAR_MM
        for n in range(len(points)):
            x, y, z = (
                points[n, 0] - origins[row, 0],
                points[n, 1] - origins[row, 1],
                points[n, 2] - origins[row, 2],
            )
            t = x * directions[row, 0] + y * directions[row, 1] + z * directions[row, 2]
            over = t - min(max(t, begin[row]), end[row])
            square = x * x + y * y + z * z - t * t + over * over
            best = min(best, square)
        out[row] = math.sqrt(max(best, 0.0))
    return out
