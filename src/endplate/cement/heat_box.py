"""The part of the grid in which heat is computed: a box around the cement, in blocks of voxels where they are fine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.cement.heat_model import FloatArray, Mask

Index = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Box:
    """Voxels ``low`` to ``high`` − 1 of a grid, in blocks of ``block`` voxels; it may reach beyond the grid.

    ``shape`` is that of the grid.
    """

    shape: tuple[int, ...]
    low: Index
    high: Index
    block: Index

    def taken(self, volume: Any, outside: float | None = None) -> FloatArray:
        """Block means of a volume; beyond the grid's edge ``outside``, or as at the edge."""
        grid = np.array(self.shape)
        first, last = np.clip(self.low, 0, grid - 1), np.clip(self.high, 1, grid)
        part = np.asarray(volume[_slices(first, last)], dtype=float)
        pads = list(zip(first - self.low, self.high - last, strict=True))
        padded = (
            np.pad(part, pads, mode="edge")
            if outside is None
            else np.pad(part, pads, constant_values=outside)
        )
        for axis, size in enumerate(self.block):
            split = (*padded.shape[:axis], -1, int(size), *padded.shape[axis + 1 :])
            padded = padded.reshape(split).mean(axis=axis + 1)
        return np.ascontiguousarray(padded)

    def given_back(self, blocks: FloatArray, outside: float) -> FloatArray:
        """A volume of blocks (last three axes) on the grid, ``outside`` elsewhere."""
        fine = blocks
        for axis, size in enumerate(self.block):
            fine = np.repeat(fine, int(size), axis=blocks.ndim - 3 + axis)
        first, last = np.maximum(self.low, 0), np.minimum(self.high, self.shape)
        found = np.full((*blocks.shape[:-3], *self.shape), outside)
        leading = (slice(None),) * (blocks.ndim - 3)
        here = _slices(first, last)
        found[leading + here] = fine[leading + _slices(first - self.low, last - self.low)]
        return found


def box_around(inside: Mask, spacing_mm: FloatArray, margin_mm: float, finest_mm: float) -> Box:
    """The box of a mask with a margin; one block at the grid's corner where the mask is empty."""
    block = np.maximum(1, np.floor(finest_mm / spacing_mm * (1.0 + 1e-9))).astype(np.intp)
    found = ndimage.find_objects(inside.astype(np.int8))
    if not found:
        return Box(inside.shape, np.zeros(3, dtype=np.intp), block.copy(), block)
    margin = np.ceil(margin_mm / spacing_mm).astype(np.intp)
    low = np.array([part.start for part in found[0]], dtype=np.intp) - margin
    high = np.array([part.stop for part in found[0]], dtype=np.intp) + margin
    return Box(inside.shape, low, low + -(-(high - low) // block) * block, block)


def _slices(first: Index, last: Index) -> tuple[slice, ...]:
    return tuple(slice(int(a), int(b)) for a, b in zip(first, last, strict=True))
