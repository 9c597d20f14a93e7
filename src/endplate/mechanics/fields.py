"""Strain and stress at the centres of voxels, and the surfaces that one asks about: cortex, ends, interfaces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.mechanics.element import FloatArray
from endplate.mechanics.problem import VoxelModel

Mask = NDArray[np.bool_]


def strain_at_centres(displacement_mm: FloatArray, spacing_mm: tuple[float, float, float]) -> FloatArray:
    """Strain xx, yy, zz, xy, xz, yz (engineering) of every voxel, shape (6, nz, ny, nx).

    ``displacement_mm`` has the shape of the nodes (3, nz + 1, ny + 1, nx + 1).
    """
    slopes = np.stack(
        [np.stack([_slope(part, axis) / spacing_mm[axis] for axis in range(3)]) for part in displacement_mm]
    )
    shear = [slopes[a, b] + slopes[b, a] for a, b in ((0, 1), (0, 2), (1, 2))]
    strain: FloatArray = np.stack([slopes[0, 0], slopes[1, 1], slopes[2, 2], *shear])
    return strain


def stress_at_centres(
    model: VoxelModel, displacement_mm: FloatArray, plastic_strain: FloatArray | None = None
) -> FloatArray:
    """Stress xx, yy, zz, xy, xz, yz of every voxel in MPa, shape (6, nz, ny, nx); 0 in voids.

    ``plastic_strain`` has the shape of the result.
    """
    strain = strain_at_centres(displacement_mm, model.spacing_mm)
    if plastic_strain is not None:
        strain = strain - plastic_strain
    stress: FloatArray = np.einsum("ab,bkji->akji", model.elasticity.matrix(), strain) * model.modulus_mpa
    return stress


def von_mises(stress_mpa: FloatArray) -> FloatArray:
    """Equivalent stress after von Mises, shape without the first axis."""
    x, y, z, xy, xz, yz = stress_mpa
    squares = 0.5 * ((x - y) ** 2 + (y - z) ** 2 + (z - x) ** 2) + 3.0 * (xy**2 + xz**2 + yz**2)
    root: FloatArray = np.sqrt(squares)
    return root


def shell(mask: Mask, voxels: int = 1) -> Mask:
    """Outermost voxels of a mask: the cortex of a bone, the rind of a cement fill."""
    result: Mask = mask & ~ndimage.binary_erosion(mask, iterations=voxels)
    return result


def interface(first: Mask, second: Mask) -> Mask:
    """Voxels of the first mask that share a face with the second: bone at cement, an endplate at its cap."""
    result: Mask = first & ndimage.binary_dilation(second)
    return result


def _slope(values: FloatArray, axis: int) -> FloatArray:
    """Difference of nodal values along x (0), y (1) or z (2), averaged over the other two."""
    along = 2 - axis
    result = np.diff(values, axis=along)
    for other in range(3):
        if other != along:
            low = [slice(None)] * 3
            high = [slice(None)] * 3
            low[other], high[other] = slice(None, -1), slice(1, None)
            result = 0.5 * (result[tuple(low)] + result[tuple(high)])
    return result
