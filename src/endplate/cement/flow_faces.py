"""Conductance of faces between voxels, two points a face.

``harmonic`` puts the half voxels on both sides in series, each with its own total mobility: right for a front that
stands in a voxel. ``upstream`` takes the geometric conductance times the mobility of the voxel that the fluid comes
from, as reservoir simulators do; it is consistent with fluxes that depend on the upstream saturation alone.
"""

from __future__ import annotations

from typing import Any

from endplate.cement.compiled import kernel


@kernel()
def conductances(
    half: Any, mobility: Any, p: Any, upstream: bool, shape: Any, first: int, faces: Any
) -> None:
    """``faces[axis][n]`` ← conductance between voxel n and the one before it along each axis, m³/(Pa·s)."""
    nx, ny, nz = shape
    plane = ny * nz
    high = first + nx * plane
    tx, ty, tz = faces
    if upstream:
        _upstream(half[0], mobility, p, plane, first, high, tx)
        _upstream(half[1], mobility, p, nz, first, high, ty)
        _upstream(half[2], mobility, p, 1, first, high, tz)
    else:
        _harmonic(half[0], mobility, plane, first, high, tx)
        _harmonic(half[1], mobility, nz, first, high, ty)
        _harmonic(half[2], mobility, 1, first, high, tz)
    for i in range(nx):
        start = first + i * plane
        ty[start : start + nz] = 0.0
        for j in range(ny):
            tz[start + j * nz] = 0.0


@kernel()
def _harmonic(half: Any, mobility: Any, stride: int, low: int, high: int, out: Any) -> None:
    for n in range(low, high):
        a, b = mobility[n - stride], mobility[n]
        out[n] = a * b / (half[n - stride] * b + half[n] * a)


@kernel()
def _upstream(half: Any, mobility: Any, p: Any, stride: int, low: int, high: int, out: Any) -> None:
    for n in range(low, high):
        a, b = mobility[n - stride], mobility[n]
        out[n] = (a if p[n - stride] > p[n] else b) / (half[n - stride] + half[n])


@kernel()
def diagonal(faces: Any, exit_m3: Any, mobility: Any, shape: Any, first: int, out: Any) -> None:
    """``out`` ← sum of the conductances around each voxel, exits included."""
    tx, ty, tz = faces
    nx, ny, nz = shape
    plane = ny * nz
    for n in range(first, first + nx * plane):
        out[n] = tx[n] + tx[n + plane] + ty[n] + ty[n + nz] + tz[n] + tz[n + 1] + exit_m3[n] * mobility[n]


@kernel()
def speed(cells: Any, p: Any, faces: Any, area: Any, nz: int, plane: int, out: Any) -> None:
    """``out`` ← Darcy velocity in each of some voxels, m/s.

    Along each axis the mean of opposite faces, each without its sign: what a source pushes out to both sides counts.
    """
    tx, ty, tz = faces
    for m in range(cells.size):
        c = cells[m]
        here = p[c]
        u = abs(tx[c] * (p[c - plane] - here)) + abs(tx[c + plane] * (here - p[c + plane]))
        v = abs(ty[c] * (p[c - nz] - here)) + abs(ty[c + nz] * (here - p[c + nz]))
        w = abs(tz[c] * (p[c - 1] - here)) + abs(tz[c + 1] * (here - p[c + 1]))
        out[m] = 0.5 * ((u / area[0]) ** 2 + (v / area[1]) ** 2 + (w / area[2]) ** 2) ** 0.5
