"""Settings of this process that must stand before the heavy libraries load."""

from __future__ import annotations

import os

ROOMS_WITH_KERNELS = ("imaging", "anatomy", "synthetic", "labelling", "planning", "fluoroscopy", "mechanics")
"""Rooms whose compiled code is cached between runs."""


def prepare() -> None:
    """Key the cache of compiled kernels by the code they come from, and keep pictures off any display.

    Numba looks only at a kernel's own file: after a change of a callee elsewhere it would run stale code.
    """
    os.environ.setdefault("MPLBACKEND", "Agg")
    if "NUMBA_CACHE_DIR" in os.environ:
        return
    from endplate.case.hashing import code_hash
    from endplate.imaging.cache import default_cache

    folder = default_cache() / "kernels" / code_hash(ROOMS_WITH_KERNELS)[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # nowhere to keep them: numba finds its own place or compiles each time
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
