"""Broken posterior elements: whether laminae and spinous process hang together by bone.

Between a pedicle and the midline, and between the laminae and the spine's tip, the strongest bridge is sought: the
greatest HU at which the bone above it still connects both ends. A whole arch is bridged by cortex; a gap is not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.lesion_field import BoneField
from endplate.anatomy.model import ArchPlace
from endplate.sources import value

LEVELS_HU = np.arange(-50.0, 701.0, 25.0)
"""Thresholds at which the connection is tried."""

_FULL = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class Bridge:
    """The strongest bridge of one part of the arch: its HU, and where bone ends just above it (local mm)."""

    place: ArchPlace
    hu: float
    centre_mm: NDArray[np.float64]


def arch_bridges(field: BoneField) -> list[Bridge]:
    """The bridges of both laminae and of the spinous process; parts that are not labelled are left out."""
    vertebra, grid = field.vertebra, field.grid
    canal = vertebra.canal
    if canal is None:
        return []
    reach = max(1, round(float(value("lesion.arch_closing_mm")) / grid.step_mm))
    closed = ndimage.binary_closing(np.pad(grid.inside, reach), iterations=reach)
    arch = closed[reach:-reach, reach:-reach, reach:-reach] & ~vertebra.body.mask
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    centre = canal.centre_at(z)
    across = x[:, None] - centre[None, :, 0]
    along = y[:, None] - centre[None, :, 1]
    ring = canal.typical_mm
    half_width = float(0.5 * (ring[0] + ring[len(ring) // 2]))
    back = float(ring[3 * len(ring) // 4])
    arch &= (along < 0.0)[None, :, :]
    if (arch & ~field.known).any():
        return []
    # A voxel of blur less: the walls of a gap must not lean into it.
    hu = ndimage.gaussian_filter(field.hu, 0.4 / grid.step_mm)
    middle = (np.abs(across) <= 2.5)[:, None, :]
    behind = (along < -back + 0.5)[None, :, :]
    bridges: list[Bridge] = []
    places: tuple[tuple[float, ArchPlace], ...] = ((1.0, "right lamina"), (-1.0, "left lamina"))
    for sign, place in places:
        domain = arch & (sign * across > -2.5)[:, None, :]
        start = domain & (sign * across > half_width + 1.0)[:, None, :]
        end = domain & middle & behind
        bridges += _bridge(place, hu, domain, start, end, grid.low_mm, grid.step_mm)
    domain = arch & behind
    tail = (along < -back)[None, :, :] & domain & (np.abs(across) <= 6.0)[:, None, :]
    rows = np.flatnonzero(tail.any(axis=(0, 2)))
    if len(rows) * grid.step_mm > 14.0:
        tip = np.zeros_like(domain)
        last = rows[0] + max(1, round(4.0 / grid.step_mm))
        tip[:, rows[0] : last] = tail[:, rows[0] : last]
        root = domain & (along > -back - 3.5)[None, :, :]
        bridges += _bridge("spinous process", hu, domain, root, tip, grid.low_mm, grid.step_mm)
    return bridges


def _bridge(
    place: ArchPlace,
    hu: NDArray[np.float32],
    domain: NDArray[np.bool_],
    start: NDArray[np.bool_],
    end: NDArray[np.bool_],
    low_mm: NDArray[np.float64],
    step_mm: float,
) -> list[Bridge]:
    """The strongest bridge from start to end within the domain, as a list of one or none."""
    least = 20.0 / step_mm**3
    if start.sum() < least or end.sum() < least:
        return []
    box = ndimage.find_objects(domain.astype(np.uint8))[0]
    hu, domain, start, end = hu[box], domain[box], start[box], end[box]
    low, high = 0, len(LEVELS_HU)
    # Connection can only be lost as the threshold rises: halve the interval.
    while high - low > 1:
        half = (low + high) // 2
        if _connected(domain & (hu >= LEVELS_HU[half]), start, end) is not None:
            low = half
        else:
            high = half
    joined = _connected(domain & (hu >= LEVELS_HU[low]), start, end)
    if joined is None:
        return [Bridge(place, float(LEVELS_HU[0]), low_mm + step_mm * _middle(domain, start, end, box))]
    return [Bridge(place, float(LEVELS_HU[low]), low_mm + step_mm * _middle(joined, start, end, box))]


def _connected(
    bone: NDArray[np.bool_], start: NDArray[np.bool_], end: NDArray[np.bool_]
) -> NDArray[np.bool_] | None:
    """The pieces of bone that join start and end, or ``None``."""
    pieces, _ = ndimage.label(bone, structure=_FULL)
    both = np.intersect1d(pieces[start & bone], pieces[end & bone])
    both = both[both > 0]
    if not len(both):
        return None
    joined: NDArray[np.bool_] = np.isin(pieces, both)
    return joined


def _middle(
    joined: NDArray[np.bool_], start: NDArray[np.bool_], end: NDArray[np.bool_], box: tuple[slice, ...]
) -> NDArray[np.float64]:
    """Grid index half way between both ends."""
    between = joined & ~start & ~end
    chosen = between if between.any() else joined
    centre: NDArray[np.float64] = np.argwhere(chosen).mean(axis=0) + np.array([s.start for s in box])
    return centre
