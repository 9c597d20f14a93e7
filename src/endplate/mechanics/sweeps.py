"""Sweeps of the operator over the grid, each with the work on its result while the plane is still near.

Threads take slabs of node planes. A slab's lowest plane also needs the layer of elements below it, which is
computed again rather than handed over: no thread writes another's plane, and a sum never depends on the number of
threads. Levels too small for threads use the serial twins.

Rows of nodes that touch no bone, and the ends of others, are passed over: ``start`` and ``stop`` name the lanes of each
row that elements reach (:data:`endplate.mechanics.layout.Ranges`). Elsewhere all vectors stay 0.

Inner products are added in lanes, always in one order (:mod:`endplate.kernels`).
"""

from __future__ import annotations

from typing import Any

import numba

from endplate.mechanics.compiled import kernel, twins
from endplate.mechanics.lanes import add_up, fill, load, load_widened, store, where_positive
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


def _smooth(x: Any, before: Any, grid: Any, b: Any, inverse: Any, steps: Any, work: Any) -> None:
    """Steps of a polynomial smoother: next ← x + keep·(x − before) + gain·D⁻¹(b − A·x), written over ``before``.

    ``steps`` has a row (keep, gain) for each; after an odd number of them the answer is in ``before``.
    """
    modulus, c, first, last, start, stop, planes, rows, row = grid
    plane = rows * row
    component = planes * plane
    threads = work.shape[0]
    here, there = x, before
    for step in range(steps.shape[0]):
        for t in numba.prange(threads):
            below, above = work[t, 0], work[t, 1]
            low, high = planes * t // threads, planes * (t + 1) // threads
            _enter(here, grid, 16, low, below, above)
            keep, gain = fill(steps[step, 0]), fill(steps[step, 1])
            nothing = keep - keep
            for p in range(low, high):
                if p < planes - 1:
                    add_layer(here, modulus, c, p, planes, rows, row, 16, first, last, below, above)
                for q in range(3):
                    o = q * component + p * plane
                    s = q * plane
                    for j in range(rows):
                        for n in range(j * row + start[p, j], j * row + stop[p, j], 16):
                            at = o + n
                            now = load(here, at)
                            moved = gain * load(inverse, at) * (load(b, at) - load(below, s + n))
                            store(there, at, now + keep * (now - load(there, at)) + moved)
                            store(below, s + n, nothing)
                below, above = above, below
        here, there = there, here


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
        nothing = fill(c[0]) - fill(c[0])
        for p in range(low, high):
            if p < planes - 1:
                add_layer(x, modulus, c, p, planes, rows, row, 16, first, last, below, above)
            for q in range(3):
                o = q * component + p * plane
                s = q * plane
                for j in range(rows):
                    for n in range(j * row + start[p, j], j * row + stop[p, j], 16):
                        rest = load(b, o + n) - load(below, s + n)
                        store(out, o + n, where_positive(load(inverse, o + n), rest))
                        store(below, s + n, nothing)
            below, above = above, below


def _begin(b: Any, grid: Any, inverse: Any, gain: Any, x: Any, before: Any) -> None:
    """First step of the smoother from nothing: x ← gain·D⁻¹b, ``before`` ← 0."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    share = fill(gain)
    nothing = share - share
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        for j in range(rows):
            for n in range(o + j * row + start[k, j], o + j * row + stop[k, j], 16):
                store(x, n, share * load(inverse, n) * load(b, n))
                store(before, n, nothing)


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
            nothing = fill(0.0)
            total = nothing
            for q in range(3):
                o = q * component + k * plane
                s = q * plane
                for j in range(rows):
                    for n in range(j * row + start[k, j], j * row + stop[k, j], 8):
                        force = where_positive(load_widened(inverse, o + n), load(below, s + n))
                        store(out, o + n, force)
                        store(below, s + n, nothing)
                        total = total + force * load(p, o + n)
            dots[k] = add_up(total)
            below, above = above, below


def _advance(u: Any, grid: Any, r: Any, p: Any, ap: Any, step: Any, single: Any, sums: Any) -> None:
    """u ← u + step·p, r ← r − step·ap, ``single`` ← r; ``sums`` takes r·r of each plane of a component."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        total = fill(0.0)
        for j in range(rows):
            low, high = o + j * row + start[k, j], o + j * row + stop[k, j]
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
            for n in range(o + j * row + start[k, j], o + j * row + stop[k, j], 8):
                total = total + load(r, n) * load_widened(z, n)
        sums[t] = add_up(total)


def _turn(p: Any, grid: Any, z: Any, share: Any) -> None:
    """p ← z + share·p."""
    _modulus, _c, _first, _last, start, stop, planes, rows, row = grid
    for t in numba.prange(3 * planes):
        k, o = t % planes, t * rows * row
        for j in range(rows):
            for n in range(o + j * row + start[k, j], o + j * row + stop[k, j]):
                p[n] = z[n] + share * p[n]


smooth = twins(_smooth)
"""Steps of polynomial smoothing (threads, serial)."""

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
