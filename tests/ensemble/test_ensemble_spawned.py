"""The map over processes: in order, on one thread each, the same on any number of workers."""

from __future__ import annotations

import os

import numpy as np
import pytest

from endplate.ensemble.spawned import map_spawned
from endplate.errors import InternalError


def summed(shared: np.ndarray, seed: int) -> tuple[float, str, int]:
    """A sum whose rounding follows from the order of its parts, and where it ran."""
    values = np.random.default_rng(seed).random(1000) * shared
    return float(values.sum()), os.environ["NUMBA_NUM_THREADS"], os.getpid()


def broken(_shared: None, item: int) -> int:
    """Fails on one item."""
    if item == 1:
        raise ArithmeticError("one does not go")
    return item


def test_results_come_in_order_and_do_not_depend_on_the_workers() -> None:
    shared = np.linspace(0.1, 3.0, 1000)
    told: list[float] = []
    two = map_spawned(summed, shared, range(5), workers=2, progress=told.append)
    one = map_spawned(summed, shared, range(5), workers=1)
    assert [first for first, _, _ in two] == [first for first, _, _ in one]
    assert {threads for _, threads, _ in two} == {"1"}
    assert os.getpid() not in {pid for _, _, pid in one}
    assert told == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])


def killed(_shared: None, item: int) -> int:
    """Ends its process."""
    os._exit(item)


def test_a_process_that_is_killed_is_told() -> None:
    with pytest.raises(InternalError) as caught:
        map_spawned(killed, None, (3,), workers=1)
    assert caught.value.code == "workers-lost"


def test_what_fails_is_told_and_nothing_hangs() -> None:
    with pytest.raises(ArithmeticError, match="one does not go"):
        map_spawned(broken, None, range(4), workers=1)


def test_no_items_need_no_process_and_no_workers_are_refused() -> None:
    assert map_spawned(broken, None, ()) == []
    with pytest.raises(ValueError, match="one worker"):
        map_spawned(broken, None, (1,), workers=0)
