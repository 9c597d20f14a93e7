"""The trilinear hexahedron of one voxel: elasticity and stiffness, per unit modulus.

Orthotropic along the grid's axes, exact (2 × 2 × 2 Gauss) integration. Voxels need not be cubes: with unknowns
u·h along each axis the element of a box is that of a cube with other constants, so one kernel serves all.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Elasticity:
    """Stiffness per unit modulus, orthotropic along x, y, z.

    Parameters
    ----------
    normal:
        Shape (3, 3): stress per strain of the normal components, symmetric, positive definite.
    shear:
        Shear moduli xy, xz, yz (engineering strain).
    name:
        For reports.

    Raises
    ------
    UsageError
        Not the stiffness of a stable material.
    """

    normal: tuple[tuple[float, float, float], ...]
    shear: tuple[float, float, float]
    name: str

    def __post_init__(self) -> None:
        normal = np.array(self.normal, dtype=np.float64)
        stable = normal.shape == (3, 3) and np.isfinite(normal).all() and np.allclose(normal, normal.T)
        shear = len(self.shear) == 3 and all(0.0 < g < np.inf for g in self.shear)
        if not (stable and shear) or np.linalg.eigvalsh(normal)[0] <= 0.0:
            raise _unstable(self.name)

    @classmethod
    def isotropic(cls, poisson: float) -> Elasticity:
        """Isotropic with a Poisson ratio; the voxel's modulus is Young's."""
        if not -1.0 < poisson < 0.5:
            raise UsageError(
                "poisson-impossible",
                f"A Poisson ratio of {poisson:g} is not possible.",
                do="Give one above -1 and below 0.5; bone is near 0.3.",
            )
        return cls.orthotropic(
            (1.0, 1.0, 1.0), (poisson,) * 3, (0.5 / (1.0 + poisson),) * 3, f"isotropic, ν {poisson:g}"
        )

    @classmethod
    def orthotropic(
        cls,
        young: tuple[float, float, float],
        poisson: tuple[float, float, float],
        shear: tuple[float, float, float],
        name: str,
    ) -> Elasticity:
        """From engineering constants.

        Parameters
        ----------
        young:
            Young's moduli along x, y, z as multiples of the voxel's modulus.
        poisson:
            ν_xy, ν_xz, ν_yz (second axis shortens when the first is pulled).
        shear:
            Shear moduli xy, xz, yz as multiples.
        name:
            For reports.

        Raises
        ------
        UsageError
            Not the constants of a stable material.
        """
        if not all(0.0 < e < np.inf for e in young) or not np.isfinite(poisson).all():
            raise _unstable(name)
        compliance = np.diag([1.0 / e for e in young])
        for (a, b), ratio in zip(((0, 1), (0, 2), (1, 2)), poisson, strict=True):
            compliance[a, b] = compliance[b, a] = -ratio / young[a]
        if np.linalg.eigvalsh(compliance)[0] <= 0.0:
            raise _unstable(name)
        normal = np.linalg.inv(compliance)
        normal = 0.5 * (normal + normal.T)
        rows = tuple((float(r[0]), float(r[1]), float(r[2])) for r in normal)
        return cls(rows, shear, name)

    def matrix(self) -> FloatArray:
        """Shape (6, 6): stress xx, yy, zz, xy, xz, yz per engineering strain."""
        full = np.zeros((6, 6))
        full[:3, :3] = self.normal
        full[3, 3], full[4, 4], full[5, 5] = self.shear
        return full


def _unstable(name: str) -> UsageError:
    return UsageError(
        "elasticity-unstable",
        f"The elastic constants of {name} are not those of a stable material.",
        do="Give a Poisson ratio between -1 and 0.5 and positive moduli.",
    )


def mode_constants(elasticity: Elasticity, spacing_mm: FloatArray) -> FloatArray:
    """The 24 constants of an element in the Walsh modes, for unknowns u·h (see the module).

    Parameters
    ----------
    elasticity:
        Stiffness per unit modulus.
    spacing_mm:
        Voxel size along x, y, z.

    Notes
    -----
    With a_m the mean of the corner values times the mode's signs, the strains are polynomials in the element's
    coordinates ξ, η, ζ in [-1, 1] with coefficients 2·a_m/h; products of different parity integrate to nothing,
    squares to 1/3 (one coordinate) and 1/9 (two).
    """
    h = np.asarray(spacing_mm, dtype=np.float64)
    normal = np.array(elasticity.normal) / np.outer(h**2, h**2)
    g = np.array(elasticity.shear) / np.array([h[0] * h[1], h[0] * h[2], h[1] * h[2]]) ** 2
    gxy, gxz, gyz = g
    cxx, cyy, czz = np.diag(normal)
    cxy, cxz, cyz = normal[0, 1], normal[0, 2], normal[1, 2]
    whole = [cxx, cyy, czz, cxy, cxz, cyz, gxy, gxz, gyz]
    bent = [cxx + gxy, czz + gyz, cxz, cxx + gxz, cyy + gyz, cxy, cyy + gxy, czz + gxz, cyz, gxy, gxz, gyz]
    twisted = [cxx + gxy + gxz, cyy + gxy + gyz, czz + gxz + gyz]
    constants = np.array([*whole, *(v / 3.0 for v in bent), *(v / 9.0 for v in twisted)])
    # Volume times (2/h)² with a = sum / 8 on both sides: V · 4 / 64.
    scaled: FloatArray = constants * float(np.prod(h)) / 16.0
    return scaled


def element_matrix(elasticity: Elasticity, spacing_mm: FloatArray) -> FloatArray:
    """Stiffness of one voxel of unit modulus by Gauss quadrature, shape (24, 24).

    Freedoms are ordered corner by corner (z, y, x with x fastest), x, y, z within a corner.
    """
    h = np.asarray(spacing_mm, dtype=np.float64)
    stiffness = elasticity.matrix()
    total = np.zeros((24, 24))
    for point in product((-1.0 / np.sqrt(3.0), 1.0 / np.sqrt(3.0)), repeat=3):
        strain = strain_matrix(np.array(point[::-1]), h)
        total += strain.T @ stiffness @ strain * float(np.prod(h)) / 8.0
    return total


def strain_matrix(place: FloatArray, spacing_mm: FloatArray) -> FloatArray:
    """Strain xx, yy, zz, xy, xz, yz (engineering) per corner displacement at ξ, η, ζ, shape (6, 24)."""
    rows = np.zeros((6, 24))
    for corner, signs in enumerate(product((-1.0, 1.0), repeat=3)):
        sign: Any = np.array(signs[::-1])
        terms = 1.0 + sign * place
        slope = [sign[a] * np.prod(np.delete(terms, a)) / 4.0 / spacing_mm[a] for a in range(3)]
        column = 3 * corner
        for a in range(3):
            rows[a, column + a] = slope[a]
        for shear, (a, b) in enumerate(((0, 1), (0, 2), (1, 2))):
            rows[3 + shear, column + a] = slope[b]
            rows[3 + shear, column + b] = slope[a]
    return rows
