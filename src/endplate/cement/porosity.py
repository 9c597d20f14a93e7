"""How much of bone is room for fluid, from its density or its CT number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.density_scales import apparent_from_ash, ash_from_k2hpo4
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

Mask = NDArray[np.bool_]


def bone_fraction_from_density(density_mgcc: FloatArray) -> FloatArray:
    """Bone volume fraction from K2HPO4-equivalent density, mg/cm³, by way of ash and wet apparent density.

    Sources: Keyak 1994, Schileo 2008; the density of bone tissue is recalled.
    """
    apparent: FloatArray = apparent_from_ash(ash_from_k2hpo4(density_mgcc))
    return apparent / float(value("porous.tissue_mgcc"))


def bone_fraction_from_hu(hu: FloatArray) -> FloatArray:
    """Bone volume fraction as the mixture of marrow and bone tissue that gives a CT number (both recalled)."""
    ends = value("porous.mixing_hu")
    fraction: FloatArray = (hu - float(ends["marrow"])) / (float(ends["tissue"]) - float(ends["marrow"]))
    return fraction


def porosity_from(bone_fraction: FloatArray) -> FloatArray:
    """Porosity of bone, held within its limits."""
    low, high = value("porous.porosity_limits")
    porosity: FloatArray = np.clip(1.0 - bone_fraction, float(low), float(high))
    return porosity


def over_representative_volume(values: Any, mask: Mask, step_mm: float) -> FloatArray:
    """Means over the representative volume of bone, taken within a mask only.

    A voxel is already a mean over its own edge. The Gaussian adds what is missing to the variance of a cube of the
    representative edge, so that the result hardly depends on the voxel size.

    Parameters
    ----------
    values:
        Shape (I, J, K).
    mask:
        Where they count; outside, the result is 0.
    step_mm:
        Edge of a voxel.
    """
    field = np.asarray(values, dtype=np.float64)
    missing = (float(value("porous.representative_mm")) ** 2 - step_mm**2) / 12.0
    if missing <= 0.0:
        return np.where(mask, field, 0.0)
    sigma = float(np.sqrt(missing)) / step_mm
    weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma, mode="constant")
    mean = ndimage.gaussian_filter(np.where(mask, field, 0.0), sigma, mode="constant")
    return np.where(mask, mean / np.maximum(weight, 1e-9), 0.0)
