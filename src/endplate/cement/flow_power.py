"""Darcy's law for a power law: τ = K·γⁿ in the pores becomes u = (k/H · |∇p|)^(1/n) at the scale of a voxel."""

from __future__ import annotations

from typing import Any

import numpy as np

from endplate.cement.model import PowerLaw
from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray


def upscaled(consistency: Any, index: Any, k_m2: Any, porosity: Any) -> Any:
    """H after Christopher and Middleman, numbers or arrays of one shape; Pa·sⁿ·m^(1−n)."""
    tortuous = (150.0 * k_m2 * porosity) ** (0.5 * (1.0 - index))
    return consistency / 12.0 * (9.0 + 3.0 / index) ** index * tortuous


def checked_law(law: PowerLaw, age_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Consistency and index at some ages.

    Raises ``InputError`` (``cement-law``) where they are no numbers above zero.
    """
    consistency, index = (np.asarray(one, dtype=np.float64) for one in law(age_s))
    valid = np.isfinite(consistency).all() and np.isfinite(index).all()
    if not (valid and (consistency > 0.0).all() and (index > 0.0).all()):
        raise InputError(
            "cement-law",
            "The law of viscosity gives no usable consistency or index at this age of the cement.",
            do="Correct the parameters of the cement, or stop injecting cement that has set.",
        )
    return consistency, index
