"""What this machine can do at most: stream bandwidth and multiply-adds of single precision, all threads."""

from __future__ import annotations

import time
from typing import Any

import numba
import numpy as np

from endplate.mechanics.compiled import kernel
from endplate.mechanics.lanes import WIDTH, fill, load, store

STREAM_FLOATS = 1 << 25
ROUNDS = 2_000_000
CHAINS = 12
"""Independent multiply-adds in flight."""


@kernel(parallel=True)
def _triad(a: Any, b: Any, c: Any, parts: Any) -> None:
    part = a.size // parts
    for t in numba.prange(parts):
        for n in range(t * part, (t + 1) * part):
            a[n] = b[n] + np.float32(0.5) * c[n]


@kernel(parallel=True)
def _multiply_add(out: Any, threads: Any, rounds: Any) -> None:
    for t in numba.prange(threads):
        at = t * 16
        k, g = fill(out[0]), fill(out[1])
        a, b, c, d = load(out, at), load(out, at + 1), load(out, at + 2), load(out, at + 3)
        e, f, h, i = load(out, at + 4), load(out, at + 5), load(out, at + 6), load(out, at + 7)
        j, m, n, o = load(out, at + 8), load(out, at + 9), load(out, at + 10), load(out, at + 11)
        for _ in range(rounds):
            a, b, c, d = a * k + g, b * k + g, c * k + g, d * k + g
            e, f, h, i = e * k + g, f * k + g, h * k + g, i * k + g
            j, m, n, o = j * k + g, m * k + g, n * k + g, o * k + g
        store(out, at, a + b + c + d + e + f + h + i + j + m + n + o)


def stream_gb_s() -> float:
    """Bytes read and written by a triad a second, without those that a write fetches first."""
    a, b, c = (np.ones(STREAM_FLOATS, np.float32) for _ in range(3))
    seconds = _fastest(lambda: _triad(a, b, c, numba.get_num_threads()))
    return 12.0 * STREAM_FLOATS / seconds / 1e9


def gflop_s() -> float:
    """Multiply-adds a second, two operations each."""
    threads = numba.get_num_threads()
    out = np.full(16 * threads + 64, 1e-3, np.float32)
    seconds = _fastest(lambda: _multiply_add(out, threads, ROUNDS))
    return 2.0 * CHAINS * WIDTH * threads * ROUNDS / seconds / 1e9


def _fastest(work: Any) -> float:
    work()
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
