"""Quantum noise from a bank of numbers that is made once, and the recursive average of frames.

The loops of the picture (here and in the modules beside) run on one thread each: they are so short that waiting for a
second one costs more than it saves on a machine that has anything else to do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.scatter import COARSE, widened
from endplate.sources import value

Float32 = NDArray[np.float32]

BANK_SIDE = 1024
"""Side of the bank; a power of two, so that it can be walked around."""

FLOOR = 1e-9
"""Least signal: nothing that is shown comes near it, and its logarithm exists."""


@dataclass(frozen=True)
class Quanta:
    """How the picture is counted.

    Parameters
    ----------
    per_signal:
        Photons counted in a pixel of open beam (signal 1) in one frame; infinite: no noise.
    seed:
        Of the noise.
    frame:
        Number of the frame: the same seed and number give the same noise.
    """

    per_signal: float
    seed: int = 0
    frame: int = 0

    def __post_init__(self) -> None:
        if not self.per_signal > 0.0:
            raise ValueError("photons are counted")


@lru_cache(maxsize=4)
def bank(seed: int) -> Float32:
    """Normal numbers, correlated as the detector blurs, shape (1024, 2048), read-only.

    Its right half repeats the left one, so that a row can be read on from any place.
    """
    numbers = np.random.default_rng(seed).standard_normal((BANK_SIDE, BANK_SIDE), dtype=np.float32)
    weights = np.asarray(value("xray.detector_blur"), dtype=np.float64)
    for axis in (0, 1):
        numbers = ndimage.convolve1d(numbers, weights, axis=axis, mode="wrap")
    numbers = np.concatenate([numbers, numbers], axis=1)
    numbers.flags.writeable = False
    return numbers


def blur_share() -> float:
    """Standard deviation of a number of the bank (1 before the blur)."""
    weights = np.asarray(value("xray.detector_blur"), dtype=np.float64)
    return float((weights**2).sum())


def averaged_share(weight: float) -> float:
    """Noise of the recursive average over that of one frame, once it has settled."""
    return math.sqrt(weight / (2.0 - weight))


def detect(
    primary: Float32,
    coarse_scatter: Float32,
    quanta: Quanta,
    *,
    before: Float32 | None = None,
    weight: float = 1.0,
    settled: bool = False,
) -> Float32:
    """Signal of one frame with scatter and noise, averaged with the frames before.

    Parameters
    ----------
    primary:
        Signal without scatter, shape (rows, columns).
    coarse_scatter:
        Scatter on the coarse grid (:func:`endplate.fluoroscopy.scatter.veil`).
    quanta:
        How it is counted.
    before:
        The average so far, same shape; ``None``: this is the first frame.
    weight:
        Of this frame in the average.
    settled:
        Without ``before``: take the noise of an average that has settled (a still).
    """
    side = BANK_SIDE
    down, right = np.random.default_rng((quanta.seed, quanta.frame)).integers(0, side, 2)
    spread = 1.0 / math.sqrt(quanta.per_signal)
    if before is None:
        spread *= averaged_share(weight) if settled else 1.0
        before, weight = primary, 1.0
    out = np.empty_like(primary)
    numbers = bank(quanta.seed)
    if primary.shape[1] > side:
        numbers = np.tile(numbers, (1, 1 + primary.shape[1] // side))
    _detect(
        primary,
        widened(coarse_scatter, primary.shape[1]),
        numbers,
        int(down),
        int(right),
        np.float32(spread),
        before,
        np.float32(weight),
        out,
    )
    return out


@kernel()
def _detect(primary, scatter, numbers, down, right, spread, before, weight, out):  # type: ignore[no-untyped-def]
    rows, columns = primary.shape
    last = scatter.shape[0] - 1
    kept = np.float32(1.0) - weight
    for row in range(rows):
        r = min(max((row + 0.5) / COARSE - 0.5, 0.0), float(last))
        r0 = int(r)
        share = np.float32(r - r0)
        above, below = scatter[r0], scatter[min(r0 + 1, last)]
        line = numbers[(row + down) & (BANK_SIDE - 1)]
        here, then, target = primary[row], before[row], out[row]
        for column in range(columns):
            mean = here[column] + above[column] + share * (below[column] - above[column])
            seen = mean + spread * math.sqrt(mean) * line[column + right]
            target[column] = max(weight * seen + kept * then[column], np.float32(FLOOR))
