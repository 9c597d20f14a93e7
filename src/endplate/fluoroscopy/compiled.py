"""How the loops of the projector are compiled, and by what name their machine code is kept between runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

import numba

OPTIONS: dict[str, Any] = {
    "fastmath": True,
    "boundscheck": False,
    "nogil": True,
    "error_model": "numpy",
    "cache": True,
}
"""Of every kernel."""


def _digest() -> str:
    """Of the modules whose code is compiled into that of others."""
    here = Path(__file__)
    texts = (here.with_name(name).read_bytes() for name in ("compiled.py", "lanes.py"))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


_SHARED = _digest()


def kernel(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile a loop, for all threads or for one.

    Kept machine code is found again by the function's name and bytecode. Neither notices a change in the vector
    instructions that were compiled into it, so the name carries their digest.
    """

    def compile_it(body: Callable[..., Any]) -> Any:
        if not isinstance(body, FunctionType):
            raise TypeError(f"{body!r} is no plain function")
        copy = FunctionType(
            body.__code__, body.__globals__, body.__name__, body.__defaults__, body.__closure__
        )
        copy.__qualname__ = f"{body.__qualname__}-{'threads' if parallel else 'serial'}-{_SHARED}"
        copy.__module__ = body.__module__
        copy.__doc__ = body.__doc__
        return numba.njit(parallel=parallel, **OPTIONS)(copy)

    return compile_it
