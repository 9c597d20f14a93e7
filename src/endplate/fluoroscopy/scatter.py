"""The veil of scattered radiation: a wide Gaussian of what comes through the patient, by an editable ratio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.fluoroscopy.compiled import kernel
from endplate.imaging.carm import CArmPose
from endplate.sources import value

Float32 = NDArray[np.float32]
ViewKind = Literal["ap", "oblique", "lateral"]

COARSE = 8
"""Pixels along a side of a block of the coarse picture on which slow things are computed."""

OPEN_AIR = 4.0
"""The beam beside the patient scatters nothing: signal above this many times the control region's does not count."""

OBLIQUE_FROM_DEG = 15.0
"""Tilt from straight up or down at which the path through the patient is no longer that of an AP view."""


@dataclass(frozen=True)
class Scatter:
    """How much scatter there is.

    Parameters
    ----------
    to_primary:
        Scatter over primary in the control region.
    sigma_mm:
        Width of the Gaussian on the detector.
    """

    to_primary: float
    sigma_mm: float

    def __post_init__(self) -> None:
        if not (0.0 <= self.to_primary < math.inf and 0.0 < self.sigma_mm < math.inf):
            raise ValueError("scatter is not negative and has a width")


def view_kind(pose: CArmPose) -> ViewKind:
    """Which of the scatter ratios holds for a pose."""
    if pose.lateral:
        return "lateral"
    upright = abs(float(pose.detector_ras[1]))
    return "ap" if upright >= math.cos(math.radians(OBLIQUE_FROM_DEG)) else "oblique"


def scatter_of(pose: CArmPose) -> Scatter:
    """The scatter of a pose by ``xray.scatter_to_primary``."""
    table = value("xray.scatter_to_primary")
    return Scatter(float(table[view_kind(pose)]), float(value("xray.scatter_sigma_mm")))


def veil(coarse_primary: Float32, scatter: Scatter, reference: float, pitch_mm: float) -> Float32:
    """Scatter on the coarse grid, in units of signal.

    Parameters
    ----------
    coarse_primary:
        Primary signal, means of blocks (:func:`coarse`).
    scatter:
        How much.
    reference:
        Mean primary signal of the control region.
    pitch_mm:
        Side of a whole pixel on the detector.
    """
    body = np.minimum(coarse_primary, np.float32(OPEN_AIR * reference))
    sigma = scatter.sigma_mm / (pitch_mm * COARSE)
    spread = ndimage.gaussian_filter(body, sigma, mode="nearest", truncate=3.0)
    return np.asarray(np.float32(scatter.to_primary) * spread, dtype=np.float32)


def coarse(picture: Float32, factor: int = COARSE) -> Float32:
    """Means of blocks of a picture; blocks at the right and lower edge hold what is left."""
    rows, columns = picture.shape
    out = np.empty((-(-rows // factor), -(-columns // factor)), dtype=np.float32)
    _block_means(picture, factor, out)
    return out


def widened(coarse_picture: Float32, columns: int, factor: int = COARSE) -> Float32:
    """A coarse picture with as many columns as the whole one, linear between the middles of its blocks."""
    low, share = _between(coarse_picture.shape[1], columns, factor)
    high = np.minimum(low + 1, coarse_picture.shape[1] - 1)
    left = coarse_picture[:, low]
    return np.asarray(left + share * (coarse_picture[:, high] - left), dtype=np.float32)


@lru_cache(maxsize=8)
def _between(blocks: int, columns: int, factor: int) -> tuple[NDArray[np.int64], Float32]:
    """For each column the block whose middle is left of it, and how far it is toward the next one."""
    at = np.clip((np.arange(columns) + 0.5) / factor - 0.5, 0.0, blocks - 1.0)
    low = at.astype(np.int64)
    return low, (at - low).astype(np.float32)


@kernel()
def _block_means(picture, factor, out):  # type: ignore[no-untyped-def]
    rows, columns = picture.shape
    for r in range(out.shape[0]):
        bottom = min((r + 1) * factor, rows)
        for c in range(out.shape[1]):
            right = min((c + 1) * factor, columns)
            total = np.float32(0.0)
            for row in range(r * factor, bottom):
                for column in range(c * factor, right):
                    total += picture[row, column]
            out[r, c] = total / np.float32((bottom - r * factor) * (right - c * factor))
