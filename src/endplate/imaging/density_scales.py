"""Conversions between density scales: K2HPO4 and hydroxyapatite equivalent, ash, wet apparent."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from endplate.sources import value

Number = TypeVar("Number", float, NDArray[np.float64])
"""One density or an array of them."""


def ash_from_k2hpo4(density_mgcc: Number) -> Number:
    """Ash density from K2HPO4-equivalent density, mg/cm³ (Keyak 1994)."""
    return _along("density.ash_from_k2hpo4", density_mgcc)


def ash_from_cha(density_mgcc: Number) -> Number:
    """Ash density from hydroxyapatite-equivalent density, mg/cm³ (Kaneko 2004)."""
    return _along("density.ash_from_cha", density_mgcc)


def k2hpo4_from_ash(density_mgcc: Number) -> Number:
    """K2HPO4-equivalent density from ash density, mg/cm³ (Keyak 1994, solved for it)."""
    return _against("density.ash_from_k2hpo4", density_mgcc)


def cha_from_ash(density_mgcc: Number) -> Number:
    """Hydroxyapatite-equivalent density from ash density, mg/cm³ (Kaneko 2004, solved for it)."""
    return _against("density.ash_from_cha", density_mgcc)


def k2hpo4_from_cha(density_mgcc: Number) -> Number:
    """K2HPO4-equivalent density from hydroxyapatite-equivalent density, mg/cm³, by way of ash density."""
    return k2hpo4_from_ash(ash_from_cha(density_mgcc))


def cha_from_k2hpo4(density_mgcc: Number) -> Number:
    """Hydroxyapatite-equivalent density from K2HPO4-equivalent density, mg/cm³, by way of ash density."""
    return cha_from_ash(ash_from_k2hpo4(density_mgcc))


def apparent_from_ash(density_mgcc: Number) -> Number:
    """Wet apparent density from ash density, mg/cm³ (Schileo 2008)."""
    return density_mgcc / float(value("density.ash_per_apparent"))


def _along(key: str, density: Number) -> Number:
    """Follow a line of the sources from its x to its y."""
    slope, intercept = (float(number) for number in value(key))
    return slope * density + intercept


def _against(key: str, density: Number) -> Number:
    """Follow a line of the sources from its y to its x."""
    slope, intercept = (float(number) for number in value(key))
    return (density - intercept) / slope
