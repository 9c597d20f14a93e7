"""From the detector's signal to grey levels: logarithm, brightness by the middle, window, edges, shutter.

Dense is dark, as on a fluoroscopy monitor.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.scatter import COARSE, coarse, widened
from endplate.sources import value

Float32 = NDArray[np.float32]
Grey = NDArray[np.uint8]
Mask = NDArray[np.bool_]

HALF = 2
"""Pixels along a side of a block of the picture from which edges are enhanced."""

SHUT_GREY = 0
"""Grey of the closed part of the field."""

LN_2 = math.log(2.0)

REACH_NEPERS = 4.0
"""The slow picture is followed this far from the middle, so that open air does not lighten what is beside it."""


@dataclass(frozen=True)
class Display:
    """Settings of the monitor.

    Parameters
    ----------
    window_nepers:
        Range from black to white by the slope at middle grey; both ends bend softly.
    harmonisation:
        Share of the slow variation that is taken off (0: none).
    harmonisation_sigma_mm, edge_sigma_mm:
        Widths of the Gaussians on the detector.
    edge_gain:
        Gain of edge enhancement (0: none).
    control_region:
        Side of the central region over that of the field.
    """

    window_nepers: float
    harmonisation: float
    harmonisation_sigma_mm: float
    edge_gain: float
    edge_sigma_mm: float
    control_region: float

    def __post_init__(self) -> None:
        positive = (self.window_nepers, self.harmonisation_sigma_mm, self.edge_sigma_mm)
        if not all(0.0 < number < math.inf for number in positive):
            raise ValueError("window and widths are positive")
        if not (0.0 <= self.harmonisation < 1.0 and 0.0 <= self.edge_gain < math.inf):
            raise ValueError("gains are not negative, harmonisation is below 1")
        if not 0.0 < self.control_region <= 1.0:
            raise ValueError("the control region is part of the field")


def default_display() -> Display:
    """The settings that are used where none are given."""
    return Display(
        window_nepers=float(value("xray.window_nepers")),
        harmonisation=float(value("xray.harmonisation")),
        harmonisation_sigma_mm=float(value("xray.harmonisation_sigma_mm")),
        edge_gain=float(value("xray.edge_gain")),
        edge_sigma_mm=float(value("xray.edge_sigma_mm")),
        control_region=float(value("xray.control_region")),
    )


def control_region(field: Mask, share: float) -> tuple[slice, slice]:
    """Rows and columns of the central region of the open field; of the whole picture where nothing is open."""
    spans = []
    for axis in (0, 1):
        lit = np.flatnonzero(field.any(axis=1 - axis))
        low, high = (int(lit[0]), int(lit[-1]) + 1) if lit.size else (0, field.shape[axis])
        half = max(0.5 * share * (high - low), 0.5)
        middle = 0.5 * (low + high)
        spans.append(
            slice(math.floor(middle - half), max(math.ceil(middle + half), math.floor(middle - half) + 1))
        )
    return spans[0], spans[1]


def develop(signal: Float32, field: Mask, pitch_mm: float, display: Display) -> Grey:
    """Grey levels of a frame; see :func:`develop_alike`."""
    return develop_alike((signal,), field, pitch_mm, display)[0]


def develop_alike(
    signals: Sequence[Float32], field: Mask, pitch_mm: float, display: Display
) -> tuple[Grey, ...]:
    """Grey levels of frames of one view, all by the brightness and the slow picture of the first.

    Parameters
    ----------
    signals:
        What the detector counted, positive, shape (rows, columns) each.
    field:
        Open part of the field, same shape.
    pitch_mm:
        Side of a pixel on the detector.
    display:
        The monitor.
    """
    if not field.any():
        return tuple(np.full(signal.shape, SHUT_GREY, dtype=np.uint8) for signal in signals)
    depth, half = _depths(signals[0])
    middle = control_region(field, display.control_region)
    seen = field[middle]
    reference = float(depth[middle][seen].mean()) if seen.any() else float(depth[field].mean())
    inside = np.ones_like(half) if field.all() else coarse(field.view(np.uint8), HALF)
    slow = _slow(half, inside, reference, display.harmonisation_sigma_mm / pitch_mm)
    wide = widened(slow, depth.shape[1])
    frames = []
    for place, signal in enumerate(signals):
        if place > 0:
            depth, half = _depths(signal)
        soft = ndimage.gaussian_filter(
            half, display.edge_sigma_mm / (pitch_mm * HALF), mode="nearest", truncate=2.5
        )
        out = np.empty(depth.shape, dtype=np.uint8)
        _tone(
            depth,
            wide,
            soft,
            field,
            np.float32(reference),
            np.float32(display.harmonisation),
            np.float32(display.edge_gain),
            np.float32(2.0 / display.window_nepers),
            out,
        )
        frames.append(out)
    return tuple(frames)


def _depths(signal: Float32) -> tuple[Float32, Float32]:
    """−ln of what the detector counted, and the same at half size."""
    depth = np.empty_like(signal)
    half = np.empty(tuple(-(-size // HALF) for size in signal.shape), dtype=np.float32)
    _minus_log(np.ascontiguousarray(signal).view(np.int32), depth, half)
    return depth, half


def _slow(half: Float32, inside: Float32, reference: float, sigma_px: float) -> Float32:
    """The slow picture of the open field on the coarse grid, from the picture at half size."""
    bounded = np.clip(half, np.float32(reference - REACH_NEPERS), np.float32(reference + REACH_NEPERS))
    lit = (inside > 0.5).astype(np.float32)
    sigma = sigma_px / COARSE
    weight = ndimage.gaussian_filter(coarse(lit, COARSE // HALF), sigma, mode="constant", truncate=3.0)
    total = ndimage.gaussian_filter(
        coarse(bounded * lit, COARSE // HALF), sigma, mode="constant", truncate=3.0
    )
    return np.asarray(np.where(weight > 1e-3, total / np.maximum(weight, 1e-3), reference), dtype=np.float32)


@kernel()
def _minus_log(bits, out, half):  # type: ignore[no-untyped-def]
    """−ln of positive float32 numbers, given as the integers of their bits, within 3e-6; and its means of 2 × 2 pixels.

    ln(2ᵉ m) = e ln 2 + 2 artanh((m − 1) / (m + 1)), the latter as a series: plain arithmetic that runs in vectors.
    """
    rows, columns = bits.shape
    for pair in range(half.shape[0]):
        last = min(HALF * pair + 1, rows - 1)
        for row in range(HALF * pair, last + 1):
            for column in range(columns):
                word = bits[row, column]
                power = np.float32((word >> 23) - 127)
                rest = np.float32(word & 0x7FFFFF) * np.float32(2.0**-23)
                t = rest / (rest + np.float32(2.0))
                q = t * t
                series = np.float32(1.0 / 7.0) + q * (np.float32(1.0 / 9.0) + q * np.float32(1.0 / 11.0))
                series = np.float32(1.0) + q * (np.float32(1.0 / 3.0) + q * (np.float32(0.2) + q * series))
                out[row, column] = -(power * np.float32(LN_2) + np.float32(2.0) * t * series)
        upper, lower = out[HALF * pair], out[last]
        for column in range(columns // HALF):
            left = HALF * column
            half[pair, column] = np.float32(0.25) * (
                upper[left] + upper[left + 1] + lower[left] + lower[left + 1]
            )
        if columns % HALF:
            half[pair, columns // HALF] = np.float32(0.5) * (upper[columns - 1] + lower[columns - 1])


@kernel()
def _tone(depth, slow, soft, field, reference, harmonisation, gain, steep, out):  # type: ignore[no-untyped-def]
    rows, columns = depth.shape
    last_slow, last_soft, last_column = slow.shape[0] - 1, soft.shape[0] - 1, soft.shape[1] - 1
    near, far = np.float32(0.75), np.float32(0.25)  # of a block half a pixel and one and a half pixels away
    for row in range(rows):
        r = min(max((row + 0.5) / COARSE - 0.5, 0.0), float(last_slow))
        r0 = int(r)
        share = np.float32(r - r0)
        above, below = slow[r0], slow[min(r0 + 1, last_slow)]
        q0 = row // HALF
        q1 = min(max(q0 + (1 if row % HALF else -1), 0), last_soft)
        mine, next_to = soft[q0], soft[q1]
        for column in range(columns):
            p0 = column // HALF
            p1 = min(max(p0 + (1 if column % HALF else -1), 0), last_column)
            blurred = near * (near * mine[p0] + far * mine[p1]) + far * (
                near * next_to[p0] + far * next_to[p1]
            )
            wide = above[column] + share * (below[column] - above[column])
            here = depth[row, column]
            light = (reference - here) + harmonisation * (wide - reference) + gain * (blurred - here)
            bent = steep * light
            shown = np.float32(127.5) + np.float32(127.5) * bent / math.sqrt(np.float32(1.0) + bent * bent)
            out[row, column] = np.uint8(shown + np.float32(0.5)) if field[row, column] else SHUT_GREY
