"""One map over processes that are started afresh, each on one thread: the same results on any number of workers."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import Any, TypeVar

from endplate.errors import InternalError

Shared = TypeVar("Shared")
Item = TypeVar("Item")
Result = TypeVar("Result")

THREAD_VARIABLES = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment by which libraries are held to one thread."""

_held: dict[str, Any] = {}
"""In a worker: the work and what its items share."""


def map_spawned(
    work: Callable[[Shared, Item], Result],
    shared: Shared,
    items: Sequence[Item],
    *,
    workers: int | None = None,
    progress: Callable[[float], None] = lambda _part: None,
) -> list[Result]:
    """Results of ``work(shared, item)`` in the order of the items.

    Every item runs in a spawned process on one thread, even with one worker, so that the number of workers changes no
    rounding; a fork would hang after a compiled loop has run on several threads.

    Parameters
    ----------
    work:
        A function of a module (it is looked up by name in the worker) that depends on its arguments alone.
    shared:
        What all items need; sent to each worker once.
    items:
        One for each call.
    workers:
        Processes; by default one for each core this process may use.
    progress:
        Told the share of items that are done.

    Raises
    ------
    ValueError
        Fewer than one worker.
    InternalError
        ``workers-lost``: a process was killed.
    Exception
        Whatever ``work`` raised, of the first item that did.
    """
    if workers is not None and workers < 1:
        raise ValueError("work needs one worker or more")
    if not items:
        return []
    count = min(len(items), workers or usable_cores())
    packed = pickle.dumps((work, shared), protocol=pickle.HIGHEST_PROTOCOL)
    done: list[Result] = []
    pool = ProcessPoolExecutor(count, mp_context=get_context("spawn"), initializer=_start, initargs=(packed,))
    try:
        # The first item runs alone: loops that are not compiled yet are compiled once and kept, and no two processes
        # write to the store of machine code at once.
        for part in (items[:1], items[1:]):
            for result in pool.map(_call, part):
                done.append(result)
                progress(len(done) / len(items))
    except BrokenProcessPool:
        pool.shutdown(wait=False, cancel_futures=True)
        raise InternalError(
            "workers-lost",
            "A process that was working ended without a word; memory may have run out.",
            intact="What was there before is unchanged.",
            do="Run it again with fewer processes, or with more memory.",
        ) from None
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return done


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _start(packed: bytes) -> None:
    """Hold a fresh worker to one thread, then unpack its work: that may load libraries which read this once."""
    for name in THREAD_VARIABLES:
        os.environ[name] = "1"
    numba = sys.modules.get("numba")
    if numba is not None:  # the program that started the worker loads it on its own
        numba.set_num_threads(1)
    _held["work"], _held["shared"] = pickle.loads(packed)


def _call(item: Any) -> Any:
    """Run one item in a worker."""
    return _held["work"](_held["shared"], item)
