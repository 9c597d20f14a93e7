"""Work spread over two processes, one thread each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

PROCESSES = 2
"""The reference machine has two cores."""


def spread_over(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    """Results of ``work`` in the order of the items. Spawned: forks after a compiled parallel kernel hang."""
    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = "1"
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        return list(pool.map(work, items))
