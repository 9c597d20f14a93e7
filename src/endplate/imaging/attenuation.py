"""Mass attenuation of tissues, and the internal calibration as published (Michalski 2020)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.imaging.scan_records import PublishedFit
from endplate.sources import value

FloatArray = NDArray[np.float64]
Between = Literal["linear", "log"]

ENERGY_STEP_KEV = 0.5
"""Step of the published search for the effective energy."""

REFERENCES = ("adipose", "air", "blood", "cortical_bone", "muscle")
"""Tissues of the published fit."""


def mass_attenuation(material: str, energy_kev: ArrayLike, between: Between = "log") -> FloatArray:
    """Mass attenuation coefficient in cm²/g at some energies in keV.

    ``"log"`` interpolates both axes logarithmically (true to the physics); ``"linear"`` joins the tabulated values by
    straight lines, as the published internal calibration does.

    Raises
    ------
    ValueError
        An energy outside the table.
    KeyError
        A material that is not in the table.
    """
    known = np.asarray(value("attenuation.energy_kev"), dtype=np.float64)
    table = np.asarray(value("attenuation.mass_cm2_g")[material], dtype=np.float64)
    energy = np.asarray(energy_kev, dtype=np.float64)
    if energy.min() < known[0] or energy.max() > known[-1]:
        raise ValueError(f"energies lie between {known[0]:g} and {known[-1]:g} keV")
    result: FloatArray = np.interp(energy, known, table)
    if between == "log":
        result = np.exp(np.interp(np.log(energy), np.log(known), np.log(table)))
    return result


def mineral_hu_per_mgcc(energy_kev: float) -> float:
    """HU that 1 mg/cm³ of K2HPO4 in water adds at an energy."""
    ratio = float(mass_attenuation("k2hpo4", energy_kev) / mass_attenuation("water", energy_kev))
    return ratio - float(value("attenuation.k2hpo4_displacement"))


def tissue_hu(tissue: str, energy_kev: float) -> float:
    """HU of a tissue of ICRU-44 composition and density at an energy."""
    density = float(value("attenuation.tissue_g_cm3")[tissue])
    ratio = float(mass_attenuation(tissue, energy_kev) / mass_attenuation("water", energy_kev))
    return 1000.0 * (density * ratio - 1.0)


def effective_energy_kev(kvp: float) -> float:
    """Effective energy of a tube voltage; voltages outside the table take its end."""
    return by_kvp("attenuation.effective_energy_kev", kvp)


def by_kvp(key: str, kvp: float) -> float:
    """A constant tabulated by tube voltage, interpolated; outside the table its end."""
    table = {float(k): float(v) for k, v in value(key).items()}
    known = sorted(table)
    return float(np.interp(kvp, known, [table[k] for k in known]))


def published_fit(mean_hu: Mapping[str, float]) -> PublishedFit:
    """Fit the internal calibration as published.

    Parameters
    ----------
    mean_hu:
        Mean HU of at least three of ``REFERENCES``.

    Raises
    ------
    ValueError
        Fewer than three references, or all with the same HU.

    Notes
    -----
    For each energy a line is fitted from HU to mass attenuation; the energy with the greatest R² is kept. There the
    mass density (HU/1000 + 1) μ_w / (μ/ρ) is fitted against HU too.
    """
    tissues = [tissue for tissue in REFERENCES if tissue in mean_hu]
    hu = np.array([mean_hu[tissue] for tissue in tissues])
    if len(tissues) < 3 or np.ptp(hu) < 1.0:
        raise ValueError("the published fit needs three references with different HU")
    low, high = value("internal.energy_limits_kev")
    energies = np.arange(float(low), float(high) + ENERGY_STEP_KEV, ENERGY_STEP_KEV)
    table = np.stack([mass_attenuation(tissue, energies, "linear") for tissue in tissues])
    x, y = hu - hu.mean(), table - table.mean(axis=0)
    r_squared = (x @ y) ** 2 / ((x @ x) * (y**2).sum(axis=0))
    best = int(np.argmax(r_squared))
    energy = float(energies[best])
    at = {name: float(mass_attenuation(name, energy, "linear")) for name in value("attenuation.mass_cm2_g")}
    slope, intercept = (float(number) for number in np.polyfit(hu, table[:, best], 1))
    mass_density = (hu / 1000.0 + 1.0) * at["water"] / table[:, best]
    density_slope, density_intercept = (float(number) for number in np.polyfit(hu, mass_density, 1))
    fit = PublishedFit(
        energy_kev=energy,
        r_squared=float(r_squared[best]),
        attenuation_slope=slope,
        attenuation_intercept=intercept,
        mass_density_slope=density_slope,
        mass_density_intercept=density_intercept,
        mass_attenuation_cm2_g=at,
        line_slope=1.0,
        line_intercept=0.0,
        accepted=bool(
            "cortical_bone" in tissues
            and 0 < best < len(energies) - 1
            and r_squared[best] >= value("internal.least_r_squared")
            and slope > 0
        ),
    )
    first, last = value("internal.linear_range_hu")
    points = np.linspace(float(first), float(last), 36)
    line_slope, line_intercept = np.polyfit(points, two_component_mgcc(points, fit), 1)
    return fit.model_copy(update={"line_slope": float(line_slope), "line_intercept": float(line_intercept)})


def two_component_mgcc(hu: ArrayLike, fit: PublishedFit) -> FloatArray:
    """K2HPO4 of every voxel in mg/cm³ by the published fit, taking each voxel as K2HPO4 mixed with triglyceride.

    This is mineral in *fat*: water shows about 30 mg/cm³ by it. Density by a phantom is mineral in water.
    """
    values = np.asarray(hu, dtype=np.float64)
    mixture = fit.attenuation_slope * values + fit.attenuation_intercept
    mass_density = fit.mass_density_slope * values + fit.mass_density_intercept
    fat = fit.mass_attenuation_cm2_g["triglyceride"]
    mineral = fit.mass_attenuation_cm2_g["k2hpo4"]
    result: FloatArray = 1000.0 * mass_density * (mixture - fat) / (mineral - fat)
    return result
