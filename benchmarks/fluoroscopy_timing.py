"""How frames are timed: the median of many, after one that compiles and lays the volume out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.fluoroscopy_problems import Shot
from endplate.fluoroscopy.projector import Projector

FRAMES = 15


@dataclass(frozen=True, eq=False)
class Taken:
    """Seconds of the first frame beyond a warm one, of a warm one, and the frame."""

    first_s: float
    warm_s: float
    image: NDArray[np.float32]


def time_shots(projector: Projector, shots: Sequence[Shot]) -> list[Taken]:
    """Time each shot."""
    taken = []
    for shot in shots:
        image = np.empty(shot.view.shape, dtype=np.float32)
        first, warm = frames_s(lambda view=shot.view, out=image: projector.line_integrals(view, out=out))
        taken.append(Taken(first, warm, image))
    return taken


def frames_s(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the first call beyond a warm one, and the median of warm calls."""
    seconds = []
    for _ in range(FRAMES + 1):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    warm = float(np.median(seconds[1:]))
    return max(seconds[0] - warm, 0.0), warm
