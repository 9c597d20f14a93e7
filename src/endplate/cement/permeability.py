"""How easily fluid flows through bone, from its porosity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.sources import value
from endplate.units import M_PER_MM

HALF_LATTICE = 32
"""Cubes of random permeability on each side of the body's centre."""


def specific_surface_per_mm(porosity: FloatArray) -> FloatArray:
    """Surface of bone per volume, 1/mm, by porosity (Martin 1984)."""
    powers = [float(one) for one in value("porous.specific_surface")]
    result = np.zeros_like(porosity)
    for power in reversed(powers):
        result = (result + power) * porosity
    return result


def kozeny_carman_m2(porosity: FloatArray) -> FloatArray:
    """Mean permeability of bone, m², capped; 0 where the porosity is 0."""
    open_ = porosity > 0.0
    surface = np.where(open_, specific_surface_per_mm(porosity), 1.0)
    mm2 = porosity**3 / (float(value("porous.kozeny")) * surface**2)
    cap = float(value("porous.permeability_cap_m2"))
    result: FloatArray = np.where(open_, np.minimum(mm2 * M_PER_MM**2, cap), 0.0)
    return result


def along_axes(mean_m2: FloatArray, anisotropy: Sequence[float]) -> FloatArray:
    """Permeability along the three axes of the vertebra, shape (3, …), from its mean and the factors of each."""
    result: FloatArray = np.stack([float(factor) * mean_m2 for factor in anisotropy])
    return result


def random_factor(local_mm: FloatArray, sigma: float, seed: int) -> FloatArray:
    """Log-normal factors with median 1, one for each cube of bone of the representative size.

    Parameters
    ----------
    local_mm:
        Places in the vertebra's frame, shape (…, 3). The cubes lie fixed in that frame: another voxel size draws the
        same numbers.
    sigma:
        Standard deviation of the logarithm; 0 gives ones.
    seed:
        Of the draw.
    """
    if sigma == 0.0:
        return np.ones(local_mm.shape[:-1])
    edge = float(value("porous.noise_mm"))
    count = 2 * HALF_LATTICE
    cubes = np.clip(np.floor(local_mm / edge).astype(np.intp) + HALF_LATTICE, 0, count - 1)
    drawn = np.random.default_rng(seed).standard_normal((count,) * 3)
    factor: FloatArray = np.exp(sigma * drawn[tuple(np.moveaxis(cubes, -1, 0))])
    return factor


def tube_m2(radius_mm: float) -> float:
    """Permeability of a round channel, r²/8, capped."""
    return min((radius_mm * M_PER_MM) ** 2 / 8.0, float(value("porous.channel_cap_m2")))


def slit_m2(width_mm: float) -> float:
    """Permeability of a slit, w²/12, capped."""
    return min((width_mm * M_PER_MM) ** 2 / 12.0, float(value("porous.channel_cap_m2")))
