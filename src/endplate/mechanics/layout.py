"""How a voxel grid lies in memory for the kernels: flat, component by component, rows padded to whole registers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from endplate.mechanics.lanes import WIDTH

Real = TypeVar("Real", np.float32, np.float64)
"""Type of the numbers of a vector."""

Ranges = tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]
"""Lanes [first, last) of each row of elements, shape (nz, ny) each, and [start, stop) of each row of nodes that they
reach, shape (nz + 1, ny + 1) each; 0 and 0 in rows without any. Elsewhere every vector stays 0."""


LINE = 64
"""Bytes of a line of memory; a register that straddles two takes longer."""


def cleared(shape: tuple[int, ...], kind: type[Real]) -> NDArray[Real]:
    """An array of zeros that begins with a line of memory."""
    size = np.dtype(kind).itemsize
    flat = np.zeros(math.prod(shape) + LINE // size, kind)
    begin = -flat.ctypes.data % LINE // size
    return flat[begin : begin + math.prod(shape)].reshape(shape)


@dataclass(frozen=True)
class Layout:
    """Sizes of a grid of elements and of its padded arrays.

    Parameters
    ----------
    nz, ny, nx:
        Elements along z, y, x.
    """

    nz: int
    ny: int
    nx: int

    @property
    def row(self) -> int:
        """Padded nodes of a row; the last element of it is always padding."""
        return -(-(self.nx + 1) // WIDTH) * WIDTH

    @property
    def planes(self) -> int:
        """Nodes along z."""
        return self.nz + 1

    @property
    def rows(self) -> int:
        """Nodes along y."""
        return self.ny + 1

    @property
    def plane(self) -> int:
        """Padded nodes of one plane."""
        return self.rows * self.row

    @property
    def shape(self) -> tuple[int, int, int]:
        """Nodes along z and y, padded nodes along x."""
        return self.planes, self.rows, self.row

    @property
    def freedoms(self) -> int:
        """True unknowns, three a node."""
        return 3 * self.planes * self.rows * (self.nx + 1)

    @property
    def nodal_size(self) -> int:
        """Length of a nodal vector; a register may be read one lane beyond the last row."""
        return 3 * self.planes * self.plane + WIDTH

    @property
    def element_size(self) -> int:
        """Length of an element vector."""
        return self.nz * self.ny * self.row + WIDTH

    def coarser(self) -> Layout:
        """Half as many elements along each axis; an odd one gets a void neighbour."""
        return Layout(-(-self.nz // 2), -(-self.ny // 2), -(-self.nx // 2))

    def nodal(self, flat: NDArray[Real]) -> NDArray[Real]:
        """View of a nodal vector, shape (3, nz + 1, ny + 1, nx + 1)."""
        whole = flat[: flat.size - WIDTH].reshape(3, self.planes, self.rows, self.row)
        return whole[..., : self.nx + 1]

    def elements(self, flat: NDArray[Real]) -> NDArray[Real]:
        """View of an element vector, shape (nz, ny, nx)."""
        return flat[: flat.size - WIDTH].reshape(self.nz, self.ny, self.row)[..., : self.nx]

    def ranges(self, filled: NDArray[np.bool_], width: int) -> Ranges:
        """Which lanes of each row the sweeps take, in whole registers of ``width`` lanes.

        A row's registers begin at its first bone wherever that lies, so that ragged bodies fill them; those of a row
        that would reach beyond its end are moved back.
        """
        some = filled.any(axis=2)
        low = np.where(some, filled.argmax(axis=2), self.row)
        high = np.where(some, self.nx - filled[:, :, ::-1].argmax(axis=2), 0)
        left = np.full((self.planes, self.rows), self.row)
        right = np.zeros((self.planes, self.rows), dtype=np.int64)
        for z in (0, 1):
            for y in (0, 1):
                near = slice(z, z + self.nz), slice(y, y + self.ny)
                left[near] = np.minimum(left[near], low)
                right[near] = np.maximum(right[near], np.where(some, high + 1, 0))
        return *self._whole(low, high, width), *self._whole(left, right, width)

    def _whole(
        self, low: NDArray[np.int64], high: NDArray[np.int64], width: int
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """[low, high) made whole registers, within the row; 0 and 0 where it is empty."""
        lanes = np.maximum(-(-(high - low) // width), 0) * width
        begin = np.where(lanes > 0, np.minimum(low, self.row - lanes), 0)
        for step in (2, 4, 8, 16):  # as even as it can be for nothing
            even = begin // step * step
            begin = np.where(even + lanes >= high, even, begin)
        return begin.astype(np.int32), (begin + lanes).astype(np.int32)
