"""Multigrid on the cells of the pressure equation, as preconditioner: one symmetric V-cycle in single precision.

A coarse voxel is two by two by two finer ones. Its faces conduct half of what the fine faces between the two coarse
voxels do together: the same medium seen over twice the distance. Exits keep their conductance. Corrections are the
same for all eight. Smoothing is by polynomials of Chebyshev on the band of rough errors; no eigenvalue of the scaled
five-, seven-, or fewer-point operator exceeds 2 (Gershgorin), so that the band needs no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.cement.compiled import kernel
from endplate.cement.flow_grid import SLACK, Grid
from endplate.mechanics.lanes import fill, load, store

COARSEST = 64
"""Voxels of the coarsest level at most; it is solved directly."""

BAND = 6.0
"""Upper over lower end of the band of eigenvalues that is smoothed."""

Single = NDArray[np.float32]


@dataclass(eq=False)
class Levels:
    """All levels one after the other in flat arrays; ``table`` holds nx, ny, nz and the first voxel of each."""

    grid: Grid
    table: NDArray[np.int64] = field(init=False)
    tx: Single = field(init=False)
    ty: Single = field(init=False)
    tz: Single = field(init=False)
    drain: Single = field(init=False)
    diagonal: Single = field(init=False)
    inverse: Single = field(init=False)
    b: Single = field(init=False)
    x: Single = field(init=False)
    y: Single = field(init=False)
    d: Single = field(init=False)
    direct: NDArray[np.float64] = field(init=False)

    def __post_init__(self) -> None:
        rows, start = [], 0
        shape = self.grid.shape
        while True:
            plane = shape[1] * shape[2]
            rows.append((*shape, start + plane))
            start += (shape[0] + 2) * plane + SLACK
            if shape[0] * plane <= COARSEST:
                break
            shape = ((shape[0] + 1) // 2, (shape[1] + 1) // 2, (shape[2] + 1) // 2)
        self.table = np.array(rows, dtype=np.int64)
        for name in ("tx", "ty", "tz", "drain", "diagonal", "inverse", "b", "x", "y", "d"):
            setattr(self, name, np.zeros(start, np.float32))
        last = int(np.prod(self.table[-1, :3]))
        self.direct = np.zeros((last, last))

    @property
    def operator(self) -> tuple[Any, ...]:
        """Arrays of the operator."""
        return self.tx, self.ty, self.tz, self.drain, self.diagonal, self.inverse

    @property
    def vectors(self) -> tuple[Any, ...]:
        """Working memory of a cycle."""
        return self.b, self.x, self.y, self.d


@kernel()
def set_up(
    tx: Any, ty: Any, tz: Any, exit_m3: Any, mobility: Any, held: Any, table: Any, operator: Any, direct: Any
) -> None:
    """The operator on all levels from the conductances of the finest."""
    sx, sy, sz, drain, diagonal, inverse = operator
    nx, ny, nz, first = table[0]
    plane = ny * nz
    for n in range(first, first + nx * plane + plane):
        sx[n], sy[n], sz[n] = tx[n], ty[n], tz[n]
    for n in range(first, first + nx * plane):
        drain[n] = exit_m3[n] * mobility[n]
    for m in range(held.size):
        c = held[m]
        drain[c - plane] += sx[c]
        drain[c + plane] += sx[c + plane]
        drain[c - nz] += sy[c]
        drain[c + nz] += sy[c + nz]
        drain[c - 1] += sz[c]
        drain[c + 1] += sz[c + 1]
        sx[c] = sx[c + plane] = sy[c] = sy[c + nz] = sz[c] = sz[c + 1] = 0.0
    for m in range(held.size):
        drain[held[m]] = 0.0
    for level in range(table.shape[0]):
        if level > 0:
            _coarsen(sx, sy, sz, drain, table[level - 1], table[level])
        nx, ny, nz, first = table[level]
        plane = ny * nz
        for n in range(first, first + nx * plane):
            total = sx[n] + sx[n + plane] + sy[n] + sy[n + nz] + sz[n] + sz[n + 1] + drain[n]
            diagonal[n] = total
            inverse[n] = np.float32(1.0) / total if total > np.float32(0.0) else np.float32(0.0)
    _factor(sx, sy, sz, drain, table[table.shape[0] - 1], direct)


@kernel()
def _coarsen(sx: Any, sy: Any, sz: Any, drain: Any, fine: Any, coarse: Any) -> None:
    fx, fy, fz, f0 = fine
    nx, ny, nz, c0 = coarse
    plane = fy * fz
    half = np.float32(0.5)
    nothing = np.float32(0.0)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                n = f0 + 2 * i * plane + 2 * j * fz + 2 * k
                di = 1 if 2 * i + 1 < fx else 0
                dj = 1 if 2 * j + 1 < fy else 0
                dk = 1 if 2 * k + 1 < fz else 0
                x = y = z = e = nothing
                for b in range(dj + 1):
                    for c in range(dk + 1):
                        x += sx[n + b * fz + c]
                for a in range(di + 1):
                    for c in range(dk + 1):
                        y += sy[n + a * plane + c]
                for a in range(di + 1):
                    for b in range(dj + 1):
                        z += sz[n + a * plane + b * fz]
                        for c in range(dk + 1):
                            e += drain[n + a * plane + b * fz + c]
                at = c0 + (i * ny + j) * nz + k
                sx[at], sy[at], sz[at], drain[at] = half * x, half * y, half * z, e


@kernel()
def _factor(sx: Any, sy: Any, sz: Any, drain: Any, level: Any, a: Any) -> None:
    """Cholesky factor of the coarsest operator in the lower half of ``a``."""
    nx, ny, nz, first = level
    plane = ny * nz
    count = nx * plane
    a[:] = 0.0
    for m in range(count):
        n = first + m
        total = float(drain[n])
        for stride, lower, upper in (
            (plane, sx[n], sx[n + plane]),
            (nz, sy[n], sy[n + nz]),
            (1, sz[n], sz[n + 1]),
        ):
            if lower > 0:
                a[m, m - stride] -= lower
            total += float(lower) + float(upper)
        a[m, m] += total if total > 0.0 else 1.0
    for m in range(count):
        whole = a[m, m]
        pivot = whole
        for j in range(m):
            pivot -= a[m, j] * a[m, j]
        # Rounding may eat up the last pivot of a body that hardly drains.
        a[m, m] = np.sqrt(max(pivot, 1e-14 * whole))
        for i in range(m + 1, count):
            rest = a[i, m]
            for j in range(m):
                rest -= a[i, j] * a[m, j]
            a[i, m] = rest / a[m, m]


@kernel()
def _direct(a: Any, b: Any, x: Any, first: int, solved: Any) -> None:
    count = a.shape[0]
    for m in range(count):
        rest = float(b[first + m])
        for j in range(m):
            rest -= a[m, j] * solved[j]
        solved[m] = rest / a[m, m]
    for m in range(count - 1, -1, -1):
        rest = solved[m]
        for j in range(m + 1, count):
            rest -= a[j, m] * solved[j]
        solved[m] = rest / a[m, m]
    for m in range(count):
        x[first + m] = solved[m]


@kernel()
def _begin(b: Any, inverse: Any, gain: Any, d: Any, x: Any, low: int, high: int) -> None:
    g = fill(gain)
    for n in range(low, high, 16):
        first = g * load(inverse, n) * load(b, n)
        store(d, n, first)
        store(x, n, first)


@kernel()
def _smooth(
    x: Any,
    operator: Any,
    b: Any,
    keep: Any,
    gain: Any,
    d: Any,
    out: Any,
    low: int,
    high: int,
    plane: int,
    row: int,
) -> None:
    """d ← keep·d + gain·D⁻¹(b − A·x), out ← x + d."""
    tx, ty, tz, _drain, diagonal, inverse = operator
    k, g = fill(keep), fill(gain)
    for n in range(low, high, 16):
        here = load(x, n)
        a = load(diagonal, n) * here
        a = a - load(tx, n) * load(x, n - plane)
        a = a - load(tx, n + plane) * load(x, n + plane)
        a = a - load(ty, n) * load(x, n - row)
        a = a - load(ty, n + row) * load(x, n + row)
        a = a - load(tz, n) * load(x, n - 1)
        a = a - load(tz, n + 1) * load(x, n + 1)
        new = k * load(d, n) + g * load(inverse, n) * (load(b, n) - a)
        store(d, n, new)
        store(out, n, here + new)


@kernel()
def _residual(x: Any, operator: Any, b: Any, out: Any, low: int, high: int, plane: int, row: int) -> None:
    """out ← b − A·x."""
    tx, ty, tz, _drain, diagonal, _inverse = operator
    for n in range(low, high, 16):
        a = load(b, n) - load(diagonal, n) * load(x, n)
        a = a + load(tx, n) * load(x, n - plane)
        a = a + load(tx, n + plane) * load(x, n + plane)
        a = a + load(ty, n) * load(x, n - row)
        a = a + load(ty, n + row) * load(x, n + row)
        a = a + load(tz, n) * load(x, n - 1)
        a = a + load(tz, n + 1) * load(x, n + 1)
        store(out, n, a)


@kernel()
def _restrict(r: Any, b: Any, fine: Any, coarse: Any) -> None:
    """Coarse right side ← sums of the fine residual over each coarse voxel."""
    fx, fy, fz, f0 = fine
    nx, ny, nz, c0 = coarse
    plane = fy * fz
    whole = fz // 2
    for i in range(nx):
        for j in range(ny):
            at = c0 + (i * ny + j) * nz
            for k in range(nz):
                b[at + k] = 0
            for a in range(2 if 2 * i + 1 < fx else 1):
                for c in range(2 if 2 * j + 1 < fy else 1):
                    n = f0 + (2 * i + a) * plane + (2 * j + c) * fz
                    for k in range(whole):
                        b[at + k] += r[n + 2 * k] + r[n + 2 * k + 1]
                    if whole < nz:
                        b[at + whole] += r[n + 2 * whole]


@kernel()
def _prolong(x: Any, y: Any, inverse: Any, fine: Any, coarse: Any) -> None:
    """Fine y ← y + the coarse x of each voxel; voxels that take no part stay 0."""
    fx, fy, fz, f0 = fine
    _nx, ny, nz, c0 = coarse
    for i in range(fx):
        for j in range(fy):
            n = f0 + (i * fy + j) * fz
            at = c0 + ((i // 2) * ny + j // 2) * nz
            for k in range(fz):
                y[n + k] += x[at + k // 2] if inverse[n + k] > 0 else np.float32(0.0)


@kernel()
def cycle(table: Any, operator: Any, vectors: Any, direct: Any, solved: Any, steps: Any) -> None:
    """One V-cycle on ``b`` of the finest level; the answer is in ``y`` there."""
    b, x, y, d = vectors
    inverse = operator[5]
    last = table.shape[0] - 1
    nothing = np.float32(0.0)
    for level in range(last):
        nx, ny, nz, low = table[level]
        plane = ny * nz
        high = low + nx * plane
        _begin(b, inverse, steps[0, 1], d, x, low, high)
        _smooth(x, operator, b, steps[1, 0], steps[1, 1], d, y, low, high, plane, nz)
        _residual(y, operator, b, x, low, high, plane, nz)
        _restrict(x, b, table[level], table[level + 1])
    _direct(direct, b, y, table[last, 3], solved)
    for level in range(last - 1, -1, -1):
        nx, ny, nz, low = table[level]
        plane = ny * nz
        high = low + nx * plane
        _prolong(y, y, inverse, table[level], table[level + 1])
        _smooth(y, operator, b, nothing, steps[0, 1], d, x, low, high, plane, nz)
        _smooth(x, operator, b, steps[1, 0], steps[1, 1], d, y, low, high, plane, nz)
