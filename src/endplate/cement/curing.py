"""How bone cement cures: autocatalytic kinetics after Kamal and Sourour, scaled to a set time.

``dα/dt = a(T)·(k1 + k2·α^m)·(α_final − α)^n`` with ``a(T) = exp(E/R·(1/T_ref − 1/T))``. As every rate has the one
factor ``a``, the conversion depends on ``∫a dt`` alone: the *equivalent age* that flow carries with the cement. So
conversion is a function of that age, computed once per cement, and neither can run ahead of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import exp, isfinite
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.errors import UsageError
from endplate.sources import value

FloatArray = NDArray[Any]

GAS_CONSTANT = 8.314462618
"""J/(mol·K)."""

KELVIN_AT_ZERO_C = 273.15

STEPS_PER_SET_TIME = 1000
"""Steps of the table of conversions up to the set time; it goes on for three more set times."""

KEPT = 32
"""Tables that are kept in memory."""

SET_SHARE = 0.5
"""Share of the final conversion at which cement counts as set."""


@dataclass(frozen=True)
class Cure:
    """The kinetics of one cement on its equivalent age.

    Parameters
    ----------
    start_rate_per_s, rate_per_s:
        k1 and k2 at the reference temperature.
    autocatalysis, order:
        m and n.
    seed, final:
        Conversion at age 0 and at the end.
    activation_kj_mol, reference_k:
        Of the clock; equal to those of the thickening.
    heat_j_kg:
        Heat per kg of cement from none to the final conversion.

    Raises
    ------
    UsageError
        ``cure-impossible``: a figure that is not finite or outside its range, or cement that would never set.
    """

    start_rate_per_s: float
    rate_per_s: float
    autocatalysis: float
    order: float
    seed: float
    final: float
    activation_kj_mol: float
    reference_k: float
    heat_j_kg: float

    def __post_init__(self) -> None:
        figures = [getattr(self, name) for name in self.__dataclass_fields__]
        if not all(isfinite(figure) and figure >= 0.0 for figure in figures):
            raise _impossible("a figure is negative or no number")
        if not 0.0 < self.final <= 1.0 or not self.seed < SET_SHARE * self.final:
            raise _impossible(
                "its conversions do not rise from the seed over half of the final one to at most 1"
            )
        if self.order <= 0.0 or self.reference_k == 0.0:
            raise _impossible("its order or reference temperature is 0")
        if self.start_rate_per_s == 0.0 and self.rate_per_s * self.seed == 0.0:
            raise _impossible("nothing starts the reaction")

    def rate(self, conversion: ArrayLike) -> FloatArray:
        """dα/d(age) in 1/s at conversions."""
        found: FloatArray = _rate(np.asarray(conversion, dtype=float), self)
        return found

    @property
    def table(self) -> tuple[FloatArray, FloatArray]:
        """Equivalent ages in s, evenly spaced from 0, and the conversions there; both of one length, read-only."""
        return _table(self)

    @property
    def set_conversion(self) -> float:
        """Conversion of cement that has just set."""
        return SET_SHARE * self.final

    @property
    def set_s(self) -> float:
        """Equivalent age at which it sets."""
        return _set_s(self)

    def conversion(self, age_s: ArrayLike) -> FloatArray:
        """Conversion at equivalent ages in s; an array of their shape."""
        ages, conversions = self.table
        found: FloatArray = np.interp(np.asarray(age_s, dtype=float), ages, conversions)
        return found

    def age_of(self, conversion: ArrayLike) -> FloatArray:
        """Equivalent age in s at which conversions are reached; those beyond the table give its end."""
        ages, conversions = self.table
        found: FloatArray = np.interp(np.asarray(conversion, dtype=float), conversions, ages)
        return found

    def set_at(self, set_s: float) -> Cure:
        """The same kinetics, faster or slower, so that the cement sets at an equivalent age.

        Raises ``UsageError`` (``cure-impossible``) for an age that is not above 0.
        """
        if not isfinite(set_s) or set_s <= 0.0:
            raise _impossible(f"it sets after {set_s:g} s")
        faster = self.set_s / set_s
        return replace(
            self, start_rate_per_s=self.start_rate_per_s * faster, rate_per_s=self.rate_per_s * faster
        )

    def adiabatic_rise_k(self, specific_heat_j_kgk: float, from_conversion: float = 0.0) -> float:
        """Warming of cement that loses no heat, from a conversion to the final one."""
        return self.heat_j_kg * (self.final - from_conversion) / self.final / specific_heat_j_kgk


def age_rate(temperature_c: ArrayLike, activation_kj_mol: float, reference_k: float) -> FloatArray:
    """Seconds of equivalent age in a second, ``exp(E/R·(1/T_ref − 1/T))``; an array of the temperatures' shape.

    Raises ``UsageError`` (``temperature-impossible``) outside the temperatures that cement can have.
    """
    temperature = np.asarray(temperature_c, dtype=float)
    low, high = value("cement_law.temperature_range_c")
    if not np.all((temperature >= low) & (temperature <= high)):
        raise UsageError(
            "temperature-impossible",
            f"A temperature of cement lies outside {low:g} to {high:g} °C.",
            do="Give temperatures in °C.",
        )
    kelvin = temperature + KELVIN_AT_ZERO_C
    found: FloatArray = np.exp(1000.0 * activation_kj_mol / GAS_CONSTANT * (1.0 / reference_k - 1.0 / kelvin))
    return found


def recalled_kinetics(temperature_c: float) -> Cure:
    """The recalled set of kinetics as it stands, with its own activation energy, its rate taken at a temperature."""
    set_ = value("cement_cure.kamal")
    kelvin = temperature_c + KELVIN_AT_ZERO_C
    return Cure(
        start_rate_per_s=0.0,
        rate_per_s=exp(set_["ln_rate"] - 1000.0 * set_["activation_kj_mol"] / GAS_CONSTANT / kelvin),
        autocatalysis=set_["autocatalysis"],
        order=set_["order"],
        seed=set_["seed"],
        final=set_["final"],
        activation_kj_mol=set_["activation_kj_mol"],
        reference_k=kelvin,
        heat_j_kg=value("cement_heat.heat_j_kg"),
    )


@cache
def class_cure(name: str) -> Cure:
    """The cure of a shipped class: the recalled shape on the clock of the thickening, scaled to the set time."""
    reference_k = value("cement_law.reference_k")
    shape = recalled_kinetics(reference_k - KELVIN_AT_ZERO_C)
    clocked = replace(shape, activation_kj_mol=value("cement_law.activation_kj_mol"), reference_k=reference_k)
    return clocked.set_at(60.0 * value("cement_cure.set_min")[name])


def _rate(conversion: Any, cure: Cure) -> Any:
    left = cure.final - conversion
    left = left * (left > 0.0)
    return (cure.start_rate_per_s + cure.rate_per_s * conversion**cure.autocatalysis) * left**cure.order


def _step(conversion: float, cure: Cure, step: float) -> float:
    first = _rate(conversion, cure)
    second = _rate(conversion + 0.5 * step * first, cure)
    third = _rate(conversion + 0.5 * step * second, cure)
    fourth = _rate(conversion + step * third, cure)
    return float(conversion + step / 6.0 * (first + 2.0 * second + 2.0 * third + fourth))


@lru_cache(maxsize=KEPT)
def _set_s(cure: Cure) -> float:
    """∫ dα / rate from the seed to the set conversion, by Gauss-Legendre in ln α."""
    points, weights = np.polynomial.legendre.leggauss(200)
    low, high = np.log(max(cure.seed, 1e-12)), np.log(cure.set_conversion)
    conversion = np.exp(0.5 * (high - low) * points + 0.5 * (high + low))
    return float(0.5 * (high - low) * np.sum(weights * conversion / _rate(conversion, cure)))


@lru_cache(maxsize=KEPT)
def _table(cure: Cure) -> tuple[FloatArray, FloatArray]:
    step = cure.set_s / STEPS_PER_SET_TIME
    count = 4 * STEPS_PER_SET_TIME
    conversions = np.empty(count + 1)
    conversions[0] = cure.seed
    for index in range(count):
        conversions[index + 1] = min(_step(float(conversions[index]), cure, step), cure.final)
    ages = step * np.arange(count + 1)
    ages.setflags(write=False)
    conversions.setflags(write=False)
    return ages, conversions


def _impossible(what: str) -> UsageError:
    return UsageError(
        "cure-impossible", f"No cement cures like this: {what}.", do="Correct the figures of the cure."
    )
