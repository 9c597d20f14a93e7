"""How the loops of the solver are compiled, and where their machine code is kept between runs."""

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
"""Of every kernel: no two of them differ in how they round."""


def _digest() -> str:
    """Of the modules whose code is compiled into that of others."""
    here = Path(__file__)
    texts = (here.with_name(name).read_bytes() for name in ("compiled.py", "lanes.py", "layer.py"))
    return hashlib.sha256(b"\0".join(texts)).hexdigest()[:12]


_SHARED = _digest()


def _renamed(body: Callable[..., Any], kind: str) -> FunctionType:
    """The same function under a name of its own.

    Kept machine code is found again by the function's name and bytecode. Neither tells the code for all threads from
    that for one, nor notices a change in a function that was compiled into it.
    """
    if not isinstance(body, FunctionType):
        raise TypeError(f"{body!r} is no plain function")
    copy = FunctionType(body.__code__, body.__globals__, body.__name__, body.__defaults__, body.__closure__)
    copy.__qualname__ = f"{body.__qualname__}-{kind}-{_SHARED}"
    copy.__module__ = body.__module__
    copy.__doc__ = body.__doc__
    return copy


def kernel(*, parallel: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Decorator: compile a loop, for all threads or for one."""

    def compile_it(body: Callable[..., Any]) -> Any:
        return numba.njit(parallel=parallel, **OPTIONS)(_renamed(body, "threads" if parallel else "serial"))

    return compile_it


def twins(body: Callable[..., Any]) -> tuple[Any, Any]:
    """The same kernel on all threads and on one."""
    return kernel(parallel=True)(body), kernel()(body)


def inlined(body: Callable[..., Any]) -> Any:
    """Decorator: part of a kernel, put in its place wherever it is called."""
    return numba.njit(inline="always")(body)
