"""Thermal dose: equivalent minutes at 43 °C."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.errors import UsageError
from endplate.sources import value
from endplate.units import S_PER_MIN

FloatArray = NDArray[Any]


@dataclass(frozen=True)
class Dose:
    """How temperatures count: a minute at T counts for ``factor^(43 − T)`` minutes at 43 °C, none below the least."""

    factor_above: float
    factor_below: float
    turning_c: float
    least_c: float


def shipped_dose() -> Dose:
    """Half as long for each degree above 43 °C, a quarter for each below, none below 39 °C."""
    return Dose(**value("cement_heat.cem43"))


def cem43_min(temperature_c: ArrayLike, duration_s: ArrayLike, dose: Dose | None = None) -> FloatArray:
    """Equivalent minutes at 43 °C of durations at constant temperatures; an array of their common shape.

    Raises ``UsageError`` (``duration-impossible``) for a duration that is negative or no number.
    """
    rule = shipped_dose() if dose is None else dose
    temperature = np.asarray(temperature_c, dtype=float)
    duration = np.asarray(duration_s, dtype=float)
    if not np.all(np.isfinite(duration) & (duration >= 0.0)) or not np.all(np.isfinite(temperature)):
        raise UsageError(
            "duration-impossible",
            "A duration or temperature of a thermal dose is negative or no number.",
            do="Give seconds of 0 or more and °C.",
        )
    factor = np.where(temperature >= rule.turning_c, rule.factor_above, rule.factor_below)
    minutes = duration / S_PER_MIN * factor ** (rule.turning_c - temperature)
    found: FloatArray = np.where(temperature < rule.least_c, 0.0, minutes)
    return found
