"""How a voxel grid lies in memory for the kernels: flat, component by component, rows padded to whole registers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from endplate.mechanics.lanes import WIDTH

Real = TypeVar("Real", np.float32, np.float64)
"""Type of the numbers of a vector."""


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

    def blocks(self, filled: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Registers [first, last) of each row of elements that hold bone and the one after, shape (nz, ny) each.

        The right nodes of the last element may lie in the next register.
        """
        some = filled.any(axis=2)
        first = np.where(some, filled.argmax(axis=2) // WIDTH, 0)
        end = self.nx - 1 - filled[:, :, ::-1].argmax(axis=2)
        last = np.where(some, np.minimum((end + 1) // WIDTH + 1, self.row // WIDTH), 0)
        return first.astype(np.int32), last.astype(np.int32)

    def nodal_blocks(
        self, first: NDArray[np.int32], last: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """Registers [first, last) of each row of nodes that elements reach, shape (nz + 1, ny + 1) each.

        ``first`` and ``last`` are those of the elements (:meth:`blocks`). Elsewhere every vector stays 0.
        """
        start = np.full((self.planes, self.rows), self.row // WIDTH, dtype=np.int32)
        stop = np.zeros((self.planes, self.rows), dtype=np.int32)
        some = last > first
        for z in (0, 1):
            for y in (0, 1):
                near = slice(z, z + self.nz), slice(y, y + self.ny)
                start[near] = np.minimum(start[near], np.where(some, first, self.row // WIDTH))
                stop[near] = np.maximum(stop[near], np.where(some, last, 0))
        return np.minimum(start, stop), stop
