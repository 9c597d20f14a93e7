"""How compiled loops are made, and by what name their machine code is kept between runs."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba

# Threads that spin while they wait take the time of those that work wherever the machine is not idle; threads that
# sleep at once are woken so late that a second one brings nothing between loops of a millisecond. So they spin for
# about a tenth of a millisecond, then sleep. The library that runs them reads this once, before the first loop.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "30000")

OPTIONS: dict[str, Any] = {
    "fastmath": False,
    "boundscheck": False,
    "nogil": True,
    "error_model": "numpy",
    "cache": True,
}
"""Of every kernel. Sums are added up as they are written: with leave to reorder them, the machine code asks at run time
whether its arrays lie well apart and rounds otherwise where they do not, so that the last bit of a result would depend
on where memory happened to be given out. Loops that need wider registers for a sum say so themselves, in lanes."""


class Compiler:
    """Compiles the loops of one room.

    Parameters
    ----------
    *shared:
        Files whose code is compiled into that of other files.

    Kept machine code is found again by a function's name and bytecode. Neither tells the code for all threads from
    that for one, nor notices a change in a function that was compiled into it. So each function is compiled under a
    name that carries its kind and a digest of the shared files.
    """

    def __init__(self, *shared: Path) -> None:
        texts = (file.read_bytes() for file in (Path(__file__), *shared))
        self._digest = hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]

    def kernel(self, *, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
        """Decorator: compile a loop, for all threads or for one."""

        def compile_it(body: Callable[..., Any]) -> Any:
            renamed = self._renamed(body, "threads" if parallel else "serial")
            return numba.njit(parallel=parallel, **OPTIONS)(renamed)

        return compile_it

    def twins(self, body: Callable[..., Any]) -> tuple[Any, Any]:
        """The same kernel on all threads and on one."""
        return self.kernel(parallel=True)(body), self.kernel()(body)

    def _renamed(self, body: Callable[..., Any], kind: str) -> FunctionType:
        if not isinstance(body, FunctionType):
            raise TypeError(f"{body!r} is no plain function")
        copy = FunctionType(
            body.__code__, body.__globals__, body.__name__, body.__defaults__, body.__closure__
        )
        copy.__qualname__ = f"{body.__qualname__}-{kind}-{self._digest}"
        copy.__module__ = body.__module__
        copy.__doc__ = body.__doc__
        return copy


def inlined(body: Callable[..., Any]) -> Any:
    """Decorator: part of a kernel, put in its place wherever it is called."""
    return numba.njit(inline="always")(body)
