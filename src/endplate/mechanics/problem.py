"""A voxel model, what holds and loads it, and the answer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.mechanics.element import Elasticity, FloatArray

SOFTEST_MPA, STIFFEST_MPA = 1e-6, 1e9
"""Moduli far from any tissue or metal; beyond them single precision would overflow or lose its digits."""


@dataclass(frozen=True, eq=False)
class VoxelModel:
    """A grid of elastic voxels.

    Parameters
    ----------
    modulus_mpa:
        Young's modulus of each element, 0 in voids, shape (nz, ny, nx).
    spacing_mm:
        Voxel size along x, y, z.
    elasticity:
        What multiplies the modulus.

    Raises
    ------
    UsageError
        Not a grid of non-negative moduli of a sane size on voxels of positive size, or nothing in it.
    """

    modulus_mpa: FloatArray
    spacing_mm: tuple[float, float, float]
    elasticity: Elasticity

    def __post_init__(self) -> None:
        modulus = np.ascontiguousarray(self.modulus_mpa, dtype=np.float64)
        if modulus.ndim != 3 or modulus.size == 0:
            raise unusable("the moduli are no 3-D grid")
        if not np.isfinite(modulus).all() or modulus.min() < 0.0:
            raise unusable("a modulus is negative or no number")
        if not modulus.max() > 0.0:
            raise unusable("every voxel is void")
        if modulus.max() > STIFFEST_MPA or modulus[modulus > 0.0].min() < SOFTEST_MPA:
            raise unusable(f"a modulus is outside {SOFTEST_MPA:g} to {STIFFEST_MPA:g} MPa")
        spacing = np.asarray(self.spacing_mm, dtype=np.float64)
        if spacing.shape != (3,) or not np.isfinite(spacing).all() or spacing.min() <= 0.0:
            raise unusable("the voxel size is not three positive lengths")
        object.__setattr__(self, "modulus_mpa", modulus)

    @property
    def node_shape(self) -> tuple[int, int, int, int]:
        """Shape of nodal values: component x, y, z; nodes along z, y, x."""
        nz, ny, nx = self.modulus_mpa.shape
        return 3, nz + 1, ny + 1, nx + 1


@dataclass(frozen=True, eq=False)
class Loading:
    """What holds and moves a model; all of shape :attr:`VoxelModel.node_shape`.

    Parameters
    ----------
    fixed:
        Freedoms whose displacement is prescribed.
    displacement_mm:
        Prescribed displacements (read where ``fixed``).
    force_n:
        Forces on the nodes, or ``None``; those on fixed freedoms go straight to what holds them.
    """

    fixed: NDArray[np.bool_]
    displacement_mm: FloatArray
    force_n: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """Displacements of a loaded model.

    Parameters
    ----------
    displacement_mm:
        Shape :attr:`VoxelModel.node_shape`; 0 on nodes that touch no bone or only loose bone.
    reaction_n:
        Forces that hold the prescribed freedoms, same shape, 0 on others: with the given ones they add up to 0.
    iterations, relative_residual:
        Of the solver: norm of the unbalanced forces over that of the start, measured on the answer itself.
    freedoms:
        Unknowns of the grid, three a node.
    loose_elements:
        Elements in pieces that nothing holds; they were left out.
    """

    displacement_mm: FloatArray
    reaction_n: FloatArray
    iterations: int
    relative_residual: float
    freedoms: int
    loose_elements: int


def unusable(what: str) -> UsageError:
    """The error for a model that makes no sense."""
    return UsageError(
        "model-unusable",
        f"The mechanical model cannot be used: {what}.",
        do="Check the density and the mask.",
    )
