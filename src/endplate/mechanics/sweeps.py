"""Sweeps of the operator over the grid, each with the work on its result while the plane is still near.

Threads take slabs of node planes. A slab's lowest plane also needs the layer of elements below it, which is
computed again rather than handed over: no thread writes another's plane, and a sum never depends on the number of
threads. Levels too small for threads use the serial twins.

Rows of nodes that touch no bone, and the ends of others, are passed over: ``start`` and ``stop`` name the registers of
each row that elements reach (:meth:`endplate.mechanics.layout.Layout.nodal_blocks`). Elsewhere all vectors stay 0.

Inner products are added in lanes, always in one order (:mod:`endplate.kernels`).
"""

from __future__ import annotations

from typing import Any

import numba

from endplate.mechanics.compiled import kernel, twins
from endplate.mechanics.lanes import add_up, fill, load, load_widened, store
from endplate.mechanics.layer import add_layer


@kernel()
def _enter(x: Any, grid: Any, width: Any, low: Any, below: Any, above: Any) -> None:
    """Begin a slab at its plane ``low``: ``below`` takes what the layer under it adds, ``above`` nothing."""
    modulus, c, first, last, _start, _stop, planes, rows, row = grid
    below[:] = 0
    above[:] = 0
    if low > 0:
        add_layer(x, modulus, c, low - 1, planes, rows, row, width, first, last, above, below)
        above[:] = 0


def _smooth(
    x: Any, grid: Any, b: Any, inverse: Any, d: Any, keep: Any, gain: Any, out: Any, work: Any
) -> None:
    """One step of a polynomial smoother: d ← keep·d + gain·D⁻¹(b − A·x), out ← x + d."""
    modulus, c, first, last, start, stop, planes, rows, row = grid
    plane = rows * row
    component = planes * plane
    threads = work.shape[0]
    for t in numba.prange(threads):
        below, above = work[t, 0], work[t, 1]
        low, high = planes * t // threads, planes * (t + 1) // threads
        _enter(x, grid, 16, low, below, above)
        k, g = fill(keep), fill(gain)
        nothing = k - k
        for p in range(low, high):
            if p < planes - 1:
                add_layer(x, modulus, c, p, planes, rows, row, 16, first, last, below, above)
            for q in range(3):
                o = q * component + p * plane
                s = q * plane
                for j in range(rows):
                    for n in range(j * row + 16 * start[p, j], j * row + 16 * stop[p, j], 16):
                        at = o + n
                        new = k * load(d, at) + g * load(inverse, at) * (load(b, at) - load(below, s + n))
                        store(d, at, new)
                        store(out, at, load(x, at) + new)
                        store(below, s + n, nothing)
            below, above = above, below


def _residual(x: Any, grid: Any, b: Any, inverse: Any, out: Any, work: Any) -> None:
    """out ← b − A·x on free nodes, 0 on others."""
    modulus, c, first, last, start, stop, planes, rows, row = grid
    plane = rows * row
    component = planes * plane
    threads = work.shape[0]
    for t in numba.prange(threads):
        below, above = work[t, 0], work[t, 1]
        low, high = planes * t // threads, planes * (t + 1) // threads
        _enter(x, grid, 16, low, below, above)
        for p in range(low, high):
            if p < planes - 1:
                add_layer(x, modulus, c, p, planes, rows, row, 16, first, last, below, above)
            for q in range(3):
                o = q * component + p * plane
                s = q * plane
                for j in range(rows):
                    for n in range(j * row + 16 * start[p, j], j * row + 16 * stop[p, j]):
                        rest = b[o + n] - below[s + n]
                        out[o + n] = rest if inverse[o + n] > 0 else rest * 0
                        below[s + n] = 0
            below, above = above, below


def _begin(b: Any, grid: Any, inverse: Any, gain: Any, d: Any, x: Any) -> None:
    """First step of the smoother from nothing: d ← x ← gain·D⁻¹b."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        for j in range(rows):
            for n in range(o + j * row + 16 * start[k, j], o + j * row + 16 * stop[k, j]):
                first = gain * inverse[n] * b[n]
                d[n] = first
                x[n] = first


def _apply(p: Any, grid: Any, inverse: Any, out: Any, work: Any, dots: Any) -> None:
    """out ← A·p in double precision on free nodes, 0 on others; ``dots`` takes p·out of each plane."""
    modulus, c, first, last, start, stop, planes, rows, row = grid
    plane = rows * row
    component = planes * plane
    threads = work.shape[0]
    for t in numba.prange(threads):
        below, above = work[t, 0], work[t, 1]
        low, high = planes * t // threads, planes * (t + 1) // threads
        _enter(p, grid, 8, low, below, above)
        for k in range(low, high):
            if k < planes - 1:
                add_layer(p, modulus, c, k, planes, rows, row, 8, first, last, below, above)
            total = fill(0.0)
            for q in range(3):
                o = q * component + k * plane
                s = q * plane
                for j in range(rows):
                    for n in range(j * row + 8 * start[k, j], j * row + 8 * stop[k, j]):
                        out[o + n] = below[s + n] if inverse[o + n] > 0 else 0.0
                        below[s + n] = 0
                    for n in range(o + j * row + 8 * start[k, j], o + j * row + 8 * stop[k, j], 8):
                        total = total + load(out, n) * load(p, n)
            dots[k] = add_up(total)
            below, above = above, below


def _advance(u: Any, grid: Any, r: Any, p: Any, ap: Any, step: Any, single: Any, sums: Any) -> None:
    """u ← u + step·p, r ← r − step·ap, ``single`` ← r; ``sums`` takes r·r of each plane of a component."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        total = fill(0.0)
        for j in range(rows):
            low, high = o + j * row + 8 * start[k, j], o + j * row + 8 * stop[k, j]
            for n in range(low, high):
                u[n] += step * p[n]
                rest = r[n] - step * ap[n]
                r[n] = rest
                single[n] = rest
            for n in range(low, high, 8):
                total = total + load(r, n) * load(r, n)
        sums[t] = add_up(total)


def _product(r: Any, grid: Any, z: Any, sums: Any) -> None:
    """``sums`` takes r·z of each plane of a component; z is in single precision."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        total = fill(0.0)
        for j in range(rows):
            for n in range(o + j * row + 8 * start[k, j], o + j * row + 8 * stop[k, j], 8):
                total = total + load(r, n) * load_widened(z, n)
        sums[t] = add_up(total)


def _turn(p: Any, grid: Any, z: Any, share: Any) -> None:
    """p ← z + share·p."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        for j in range(rows):
            for n in range(o + j * row + 8 * start[k, j], o + j * row + 8 * stop[k, j]):
                p[n] = z[n] + share * p[n]


smooth = twins(_smooth)
"""Polynomial smoothing step (threads, serial)."""

residual = twins(_residual)
"""Residual (threads, serial)."""

begin = twins(_begin)
"""First smoothing step (threads, serial)."""

apply = twins(_apply)
"""The operator in double precision (threads, serial)."""

advance = twins(_advance)
"""Step of conjugate gradients (threads, serial)."""

product = twins(_product)
"""Inner product (threads, serial)."""

turn = twins(_turn)
"""Next direction (threads, serial)."""
