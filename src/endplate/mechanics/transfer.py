"""Between a grid and the next coarser one: residuals down, corrections up, moduli and diagonals."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from endplate.mechanics.compiled import twins
from endplate.mechanics.lanes import fill, load, store, where_positive


def _restrict(r: Any, fine: Any, b: Any, coarse: Any, inverse: Any) -> None:
    """Coarse forces from fine ones: the transpose of trilinear interpolation; 0 on nodes that are not free.

    ``fine`` and ``coarse`` are what :attr:`endplate.mechanics.multigrid.Level.nodes` tells.
    """
    start, stop, planes, rows, row = fine
    coarse_start, coarse_stop, coarse_planes, coarse_rows, coarse_row = coarse
    plane, coarse_plane = rows * row, coarse_rows * coarse_row
    for task in numba.prange(3 * coarse_planes):
        q = task // coarse_planes
        up = task - q * coarse_planes
        line = np.zeros(2 * coarse_row + row + 2, np.float32)  # a margin on both sides
        for along in range(coarse_rows):
            if coarse_stop[up, along] == 0:
                continue
            line[:] = 0
            for dz in range(-1, 2):
                k = 2 * up + dz
                if k < 0 or k >= planes:
                    continue
                for dy in range(-1, 2):
                    j = 2 * along + dy
                    if j < 0 or j >= rows:
                        continue
                    share = fill(np.float32(1.0 / ((1 + abs(dz)) * (1 + abs(dy)))))
                    o = (q * planes + k) * plane + j * row
                    for i in range(start[k, j], stop[k, j], 16):
                        store(line, i + 1, load(line, i + 1) + share * load(r, o + i))
            o = (q * coarse_planes + up) * coarse_plane + along * coarse_row
            for i in range(coarse_start[up, along], coarse_stop[up, along]):
                force = line[2 * i + 1] + np.float32(0.5) * (line[2 * i] + line[2 * i + 2])
                b[o + i] = force if inverse[o + i] > 0 else np.float32(0.0)


def _prolong(x: Any, fine: Any, e: Any, coarse: Any, inverse: Any) -> None:
    """Add coarse corrections, interpolated, to free fine nodes.

    ``fine`` and ``coarse`` are what :attr:`endplate.mechanics.multigrid.Level.nodes` tells.
    """
    start, stop, planes, rows, row = fine
    _start, _stop, coarse_planes, coarse_rows, coarse_row = coarse
    plane, coarse_plane = rows * row, coarse_rows * coarse_row
    for task in numba.prange(3 * planes):
        q = task // planes
        k = task - q * planes
        line = np.zeros(2 * coarse_row + 1, np.float32)
        wide = np.zeros(4 * coarse_row, np.float32)
        low = (q * coarse_planes + k // 2) * coarse_plane
        high = (q * coarse_planes + (k + 1) // 2) * coarse_plane
        for j in range(rows):
            if stop[k, j] == 0:
                continue
            near, far = (j // 2) * coarse_row, ((j + 1) // 2) * coarse_row
            first, last = start[k, j] // 2, (stop[k, j] + 1) // 2
            for i in range(first, min(last + 1, coarse_row)):
                below = e[low + near + i] + e[low + far + i]
                line[i] = np.float32(0.25) * (below + e[high + near + i] + e[high + far + i])
            for i in range(first, last):
                wide[2 * i] = line[i]
                wide[2 * i + 1] = np.float32(0.5) * (line[i] + line[i + 1])
            o = (q * planes + k) * plane + j * row
            for i in range(start[k, j], stop[k, j], 16):
                free = where_positive(load(inverse, o + i), load(wide, i))
                store(x, o + i, load(x, o + i) + free)


def _coarse_modulus(
    fine: Any, nz: Any, ny: Any, nx: Any, row: Any, held: Any, out: Any, coarse_row: Any
) -> None:
    """Modulus of the coarse elements: half way between arithmetic and harmonic mean of their eight children.

    With the harmonic mean alone a thin shell would vanish beside a void, with the arithmetic mean alone a crack would
    close; where a child is void only the arithmetic mean is left. Beyond an odd end of the grid children are
    missing: the coarse element reaches twice as far as the bone. ``held`` (z, y, x) tells whether that end is held; it
    then has twice the modulus, so that it holds as firmly, and else the share of the children that are there.
    """
    coarse_ny = (ny + 1) // 2
    for up in numba.prange((nz + 1) // 2):
        for along in range(coarse_ny):
            for across in range((nx + 1) // 2):
                total = 0.0
                softness = 0.0
                inside = 0
                bone = 0
                for child in range(8):
                    k = 2 * up + child // 4
                    j = 2 * along + child // 2 % 2
                    i = 2 * across + child % 2
                    if k < nz and j < ny and i < nx:
                        inside += 1
                        e = fine[(k * ny + j) * row + i]
                        if e > 0:
                            total += e
                            softness += 1.0 / e
                            bone += 1
                mean = 0.0
                if bone > 0:
                    mean = total / inside
                    if bone == inside:
                        mean = 0.5 * (mean + bone / softness)
                if 2 * up + 1 == nz:
                    mean *= 2.0 if held[0] else 0.5
                if 2 * along + 1 == ny:
                    mean *= 2.0 if held[1] else 0.5
                if 2 * across + 1 == nx:
                    mean *= 2.0 if held[2] else 0.5
                out[(up * coarse_ny + along) * coarse_row + across] = mean


def _inverse_diagonal(
    modulus: Any, nz: Any, ny: Any, nx: Any, row: Any, free: Any, diagonal: Any, out: Any
) -> None:
    """One over the operator's diagonal on free nodes that touch bone, else 0; ``free`` has shape (3, z, y, x)."""
    planes, rows = nz + 1, ny + 1
    for k in numba.prange(planes):
        for j in range(rows):
            for i in range(nx + 1):
                total = 0.0
                for corner in range(8):
                    a, b, c = k - corner // 4, j - corner // 2 % 2, i - corner % 2
                    if 0 <= a < nz and 0 <= b < ny and 0 <= c < nx:
                        total += modulus[(a * ny + b) * row + c]
                for q in range(3):
                    at = ((q * planes + k) * rows + j) * row + i
                    out[at] = 1.0 / (diagonal[q] * total) if total > 0.0 and free[q, k, j, i] else 0.0


restrict = twins(_restrict)
"""Fine forces → coarse forces (threads, serial)."""

prolong = twins(_prolong)
"""Coarse corrections → fine displacements (threads, serial)."""

coarse_modulus = twins(_coarse_modulus)
"""Moduli of the next coarser grid (threads, serial)."""

inverse_diagonal = twins(_inverse_diagonal)
"""One over the diagonal (threads, serial)."""
