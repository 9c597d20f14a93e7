"""Conductance of faces between voxels, two points a face.

``harmonic`` puts the half voxels on both sides in series, each with its own total mobility: right for a front that
stands in a voxel. ``upstream`` takes the geometric conductance times the mobility of the voxel that the fluid comes
from, as reservoir simulators do; it is consistent with fluxes that depend on the upstream saturation alone.
"""

from __future__ import annotations

from typing import Any

from endplate.cement.compiled import kernel


@kernel()
def harmonic(half: Any, mobility: Any, stride: int, low: int, high: int, out: Any) -> None:
    """``out[n]`` ← conductance of the face between voxels n − stride and n, m³/(Pa·s)."""
    for n in range(low, high):
        a, b = mobility[n - stride], mobility[n]
        out[n] = a * b / (half[n - stride] * b + half[n] * a)


@kernel()
def upstream(half: Any, mobility: Any, p: Any, stride: int, low: int, high: int, out: Any) -> None:
    """``out[n]`` ← as :func:`harmonic`, with the mobility on the side of the greater pressure."""
    for n in range(low, high):
        a, b = mobility[n - stride], mobility[n]
        out[n] = (a if p[n - stride] > p[n] else b) / (half[n - stride] + half[n])


@kernel()
def close_ends(ty: Any, tz: Any, shape: Any, first: int) -> None:
    """No face between the end of one row, or one plane, and the start of the next."""
    nx, ny, nz = shape
    for i in range(nx + 1):
        start = first + i * ny * nz
        for k in range(nz):
            ty[start + k] = 0.0
        for j in range(ny if i < nx else 1):
            tz[start + j * nz] = 0.0


@kernel()
def diagonal(
    tx: Any, ty: Any, tz: Any, exit_m3: Any, mobility: Any, shape: Any, first: int, out: Any
) -> None:
    """``out`` ← sum of the conductances around each voxel, exits included."""
    nx, ny, nz = shape
    plane = ny * nz
    for n in range(first, first + nx * plane):
        out[n] = tx[n] + tx[n + plane] + ty[n] + ty[n + nz] + tz[n] + tz[n + 1] + exit_m3[n] * mobility[n]


@kernel()
def speed(cells: Any, p: Any, tx: Any, ty: Any, tz: Any, area: Any, nz: int, plane: int, out: Any) -> None:
    """``out`` ← Darcy velocity in each of some voxels, m/s: mean of opposite faces along each axis."""
    for m in range(cells.size):
        c = cells[m]
        here = p[c]
        u = (tx[c] * (p[c - plane] - here) + tx[c + plane] * (here - p[c + plane])) / (2.0 * area[0])
        v = (ty[c] * (p[c - nz] - here) + ty[c + nz] * (here - p[c + nz])) / (2.0 * area[1])
        w = (tz[c] * (p[c - 1] - here) + tz[c + 1] * (here - p[c + 1])) / (2.0 * area[2])
        out[m] = (u * u + v * v + w * w) ** 0.5
