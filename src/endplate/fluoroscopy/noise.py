"""Quantum noise from a bank of numbers that is made once, and the recursive average of frames."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.scatter import COARSE
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
    """Normal numbers, correlated as the detector blurs, shape (1024, 1024), read-only."""
    numbers = np.random.default_rng(seed).standard_normal((BANK_SIDE, BANK_SIDE), dtype=np.float32)
    weights = np.asarray(value("xray.detector_blur"), dtype=np.float64)
    for axis in (0, 1):
        numbers = ndimage.convolve1d(numbers, weights, axis=axis, mode="wrap")
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
    _detect(
        primary,
        coarse_scatter,
        bank(quanta.seed),
        int(down),
        int(right),
        np.float32(spread),
        before,
        np.float32(weight),
        out,
    )
    return out


@kernel(parallel=True)
def _detect(primary, scatter, numbers, down, right, spread, before, weight, out):  # type: ignore[no-untyped-def]
    rows, columns = primary.shape
    last_r, last_c = scatter.shape[0] - 1, scatter.shape[1] - 1
    for row in numba.prange(rows):
        r = min(
            max((np.float32(row) + np.float32(0.5)) / COARSE - np.float32(0.5), np.float32(0.0)),
            np.float32(last_r),
        )
        r0 = int(r)
        r1 = min(r0 + 1, last_r)
        fr = r - np.float32(r0)
        upper, lower = scatter[r0], scatter[r1]
        line = numbers[(row + down) & (BANK_SIDE - 1)]
        for column in range(columns):
            c = min(
                max((np.float32(column) + np.float32(0.5)) / COARSE - np.float32(0.5), np.float32(0.0)),
                np.float32(last_c),
            )
            c0 = int(c)
            c1 = min(c0 + 1, last_c)
            fc = c - np.float32(c0)
            above = upper[c0] + fc * (upper[c1] - upper[c0])
            below = lower[c0] + fc * (lower[c1] - lower[c0])
            mean = primary[row, column] + above + fr * (below - above)
            seen = mean + spread * math.sqrt(mean) * line[(column + right) & (BANK_SIDE - 1)]
            if weight < np.float32(1.0):
                seen = weight * seen + (np.float32(1.0) - weight) * before[row, column]
            out[row, column] = max(seen, np.float32(FLOOR))
