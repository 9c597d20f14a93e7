"""Problems of two-phase Darcy flow: a thick fluid pushes a thin one out of a heterogeneous cube.

Log-normal permeability (σ of ln k 1, white noise blurred with σ 1.5 voxels), porosity 0.8, relative permeabilities
S², no capillarity or gravity; a source in the centre voxel until a share of the inner pores is filled, the outer layer
of voxels at constant pressure. Arrays are in z, y, x.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.ndimage import gaussian_filter

MEDIAN_K_M2 = 1e-8
BLUR_VOXELS = 1.5
POROSITY = 0.8
MARROW_PAS = 0.1
FRACTION = 0.2
RATE_ML_MIN = 4.0
ANISOTROPY = (1.18, 0.92, 0.92)
"""Permeability along z, y and x over that of the isotropic field."""


@dataclass(frozen=True, eq=False)
class Problem:
    """One problem; ``k_m2`` along z, y and x has the shape (3, z, y, x)."""

    name: str
    k_m2: np.ndarray
    porosity: np.ndarray
    cement_pas: float
    marrow_pas: float
    source: tuple[int, int, int]
    fraction: float
    spacing_mm: tuple[float, float, float]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        z, y, x = self.porosity.shape
        return z, y, x

    @property
    def inner(self) -> np.ndarray:
        """Voxels inside the outer layer."""
        found = np.zeros(self.shape, dtype=bool)
        found[1:-1, 1:-1, 1:-1] = True
        return found

    @property
    def volume_ml(self) -> float:
        """To inject."""
        pores = float(self.porosity[self.inner].sum()) * float(np.prod(self.spacing_mm)) / 1000.0
        return self.fraction * pores


def cube(n: int, ratio: float, seed: int, *, anisotropic: bool = False) -> Problem:
    """The problem above with n³ voxels and a ratio of viscosities."""
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((n, n, n)), BLUR_VOXELS, mode="wrap")
    k = MEDIAN_K_M2 * np.exp((noise - noise.mean()) / noise.std())
    along = ANISOTROPY if anisotropic else (1.0, 1.0, 1.0)
    return Problem(
        name=f"{n} cube, {ratio:g}:1{', anisotropic' if anisotropic else ''}",
        k_m2=np.stack([share * k for share in along]),
        porosity=np.full((n, n, n), POROSITY),
        cement_pas=ratio * MARROW_PAS,
        marrow_pas=MARROW_PAS,
        source=(n // 2, n // 2, n // 2),
        fraction=FRACTION,
        spacing_mm=(1.0, 1.0, 1.0),
    )


def from_file(file: Path) -> Problem:
    """A problem of one's own: ``k_m2`` (z, y, x; or three of these along z, y, x), ``phi``, ``mu_c``, ``mu_m``,
    ``source`` (z, y, x), ``fraction`` and ``spacing`` (z, y, x in mm)."""
    with np.load(file) as held:
        k = np.asarray(held["k_m2"], dtype=float)
        shape = k.shape[-3:]
        z, y, x = (int(i) for i in held["source"])
        dz, dy, dx = (float(h) for h in np.broadcast_to(held["spacing"], 3))
        return Problem(
            name=file.stem,
            k_m2=np.broadcast_to(k, (3, *shape)),
            porosity=np.broadcast_to(np.asarray(held["phi"], dtype=float), shape),
            cement_pas=float(held["mu_c"]),
            marrow_pas=float(held["mu_m"]),
            source=(z, y, x),
            fraction=float(held["fraction"]),
            spacing_mm=(dz, dy, dx),
        )


def save(problem: Problem, file: Path) -> None:
    """Write a problem so that :func:`from_file` reads it."""
    np.savez(
        file,
        k_m2=problem.k_m2,
        phi=problem.porosity,
        mu_c=problem.cement_pas,
        mu_m=problem.marrow_pas,
        source=np.array(problem.source),
        fraction=problem.fraction,
        spacing=np.array(problem.spacing_mm),
    )
