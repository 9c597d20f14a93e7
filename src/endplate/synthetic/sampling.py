"""The surfaces of one vertebra at many points at once, in its local coordinates."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from endplate.synthetic import rows as r
from endplate.synthetic import surfaces as s


@njit(cache=True, error_model="numpy")
def body_at(points: Any, B: Any) -> Any:
    """``body_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = s.body_field(points[n, 0], points[n, 1], points[n, 2], B)
    return out


@njit(cache=True, error_model="numpy")
def endplates_at(xy: Any, B: Any) -> Any:
    """``endplates`` at many (x, y), shape (n, 2) → (n, 3)."""
    out = np.empty((len(xy), 3))
    for n in range(len(xy)):
        out[n, 0], out[n, 1], out[n, 2] = s.endplates(xy[n, 0], xy[n, 1], B)
    return out


@njit(cache=True, error_model="numpy")
def outline_at(xy: Any, B: Any) -> Any:
    """Distance to the rim's outline at many (x, y), shape (n, 2) → (n,)."""
    out = np.empty(len(xy))
    half_depth = 0.5 * B[r.B_DEPTH]
    for n in range(len(xy)):
        out[n], _ = s.outline(xy[n, 0], xy[n, 1], B, B[r.B_HALF_WIDTH], half_depth, -half_depth)
    return out


@njit(cache=True, error_model="numpy")
def canal_clearance(points: Any, B: Any) -> Any:
    """Smallest canal field over local points, shape (n, 3)."""
    least = np.inf
    for n in range(len(points)):
        least = min(least, s.canal_field(points[n, 0], points[n, 1], B))
    return least


@njit(cache=True, error_model="numpy")
def canal_at_local(points: Any, B: Any) -> Any:
    """``canal_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = s.canal_field(points[n, 0], points[n, 1], B)
    return out


@njit(cache=True, error_model="numpy")
def impaction_at(points: Any, both: Any, B: Any) -> Any:
    """``impaction`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = s.impaction(points[n, 0], points[n, 1], points[n, 2], both, B)
    return out


@njit(cache=True, error_model="numpy")
def body_volume(xs: Any, ys: Any, zs: Any, step: Any, B: Any) -> Any:
    """Volume in mm³ and first moments in y and z of the body over a lattice.

    A voxel on the surface counts by its first-order coverage.
    """
    total = np.zeros(3)
    h = 0.25 * step
    for x in xs:
        for y in ys:
            for z in zs:
                d = s.body_field(x, y, z, B)
                if d > step:
                    continue
                if d < -1.6 * step:
                    total[0] += 1.0
                    total[1] += y
                    total[2] += z
                    continue
                gx = s.body_field(x + h, y, z, B) - s.body_field(x - h, y, z, B)
                gy = s.body_field(x, y + h, z, B) - s.body_field(x, y - h, z, B)
                gz = s.body_field(x, y, z + h, B) - s.body_field(x, y, z - h, B)
                slope = math.sqrt(gx * gx + gy * gy + gz * gz) / (2.0 * h)
                # Width of a cube seen along the normal; exact to first order for a plane cut.
                width = (abs(gx) + abs(gy) + abs(gz)) / (2.0 * h) / max(slope, 1e-9)
                share = min(max(0.5 - d / max(slope, 1e-9) / (step * width), 0.0), 1.0)
                total[0] += share
                total[1] += share * y
                total[2] += share * z
    return total * step * step * step
