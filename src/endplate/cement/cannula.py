"""Bone cement in a cannula: the pressure it takes, and the rate that an operator's pressure limit leaves."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, pi
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.cement.rheology import CementLaw, checked_ages
from endplate.devices.cannulas import cannulas, pick_gauge
from endplate.errors import UsageError
from endplate.sources import value
from endplate.units import M_PER_MM, MM3_PER_ML, PA_PER_MPA

FloatArray = NDArray[Any]

M3_S_PER_ML_MIN = 1e-6 / 60.0


@dataclass(frozen=True)
class Cannula:
    """A row of tubes.

    Parameters
    ----------
    segments:
        Length and inner diameter of each in mm, from the injector to the tip.

    Raises
    ------
    UsageError
        ``cannula-impossible``: no segment, or a length or diameter that is not above 0.
    """

    segments: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        figures = [figure for segment in self.segments for figure in segment]
        if not figures or not all(isfinite(figure) and figure > 0.0 for figure in figures):
            raise UsageError(
                "cannula-impossible",
                "A cannula has no segment, or one whose length or diameter is not above 0 mm.",
                do="Give each segment its length and inner diameter in mm.",
            )

    @property
    def length_mm(self) -> float:
        """From the injector to the tip."""
        return sum(length for length, _ in self.segments)

    @property
    def tip_inner_diameter_mm(self) -> float:
        """Where cement leaves it."""
        return self.segments[-1][1]

    @property
    def volume_ml(self) -> float:
        """Cement that it holds."""
        return sum(0.25 * pi * bore**2 * length for length, bore in self.segments) / MM3_PER_ML

    @property
    def volumes_ml(self) -> tuple[float, ...]:
        """Cement in each segment."""
        return tuple(0.25 * pi * bore**2 * length / MM3_PER_ML for length, bore in self.segments)

    def cut(self, pieces: int) -> Cannula:
        """The same cannula with every segment in equal pieces, so that ages can differ along it."""
        return Cannula(
            tuple((length / pieces, bore) for length, bore in self.segments for _ in range(pieces))
        )


@dataclass(frozen=True)
class Injector:
    """What pushes the cement.

    Parameters
    ----------
    name:
        ``"syringe"`` (1 mL, by thumb) or ``"screw"`` for those shipped.
    limit_pa:
        Greatest pressure.
    greatest_rate_ml_min:
        Fastest injection.
    """

    name: str
    limit_pa: float
    greatest_rate_ml_min: float

    def __post_init__(self) -> None:
        if not (isfinite(self.limit_pa) and self.limit_pa > 0.0 and self.greatest_rate_ml_min > 0.0):
            raise UsageError(
                "injector-impossible",
                f"The injector {self.name!r} has a limit of pressure or rate that is not above 0.",
                do="Give both above 0.",
            )


@dataclass(frozen=True)
class Delivery:
    """What an injector brings about.

    Parameters
    ----------
    rate_ml_min:
        Cement that leaves the tip.
    pressure_pa, cannula_pa:
        At the injector, and the part of it that is lost in the cannula.
    limited:
        The rate asked for would take more than the injector's pressure or rate.
    stalled:
        A rate was asked for and the cement stands still.
    """

    rate_ml_min: float
    pressure_pa: float
    cannula_pa: float
    limited: bool
    stalled: bool


def of_gauge(gauge: str, *, length_mm: float | None = None) -> Cannula:
    """The straight cannula of a shipped gauge; its longest length unless given.

    Raises ``UsageError``: ``gauge-unknown``, or ``cannula-impossible`` for a length that is not above 0.
    """
    tool = pick_gauge(gauge, cannulas())
    length = tool.longest_mm if length_mm is None else length_mm
    return Cannula(((length, tool.inner_diameter_mm),))


def injector(name: str) -> Injector:
    """A shipped injector; ``UsageError`` (``injector-unknown``) for another name."""
    limits = value("injector.limit_mpa")
    if name not in limits:
        raise UsageError(
            "injector-unknown",
            f"There is no injector named {name!r}.",
            do=f"Choose one of {', '.join(limits)}.",
        )
    return Injector(name, PA_PER_MPA * limits[name], value("injector.greatest_rate_ml_min")[name])


def pressure_drop_pa(cannula: Cannula, law: CementLaw, ages_s: ArrayLike, rate_ml_min: float) -> float:
    """Pressure lost in a cannula.

    Parameters
    ----------
    ages_s:
        Equivalent age of the cement: one for all, or one for each segment.
    rate_ml_min:
        0 takes no pressure, unless the cement has a yield stress.

    Raises
    ------
    UsageError
        ``rate-impossible``: negative or no number. ``cement-age-impossible``: so is an age, or their count is not that
        of the segments.

    Notes
    -----
    In a tube of radius R and length L the wall shears at ``γ = (3n+1)/(nπR³)·Q`` (as felt by a power law) under
    ``τ = μ(γ)·γ``, and the drop is ``2Lτ/R``; for ``μ = K·γ^(n−1)`` that is ``(2KL/R)·((3n+1)Q/(nπR³))^n``. The
    viscosity is held within the law's limits. A yield stress is added to τ.
    """
    return float(_drops_pa(cannula, law, _ages(cannula, ages_s), _rate(rate_ml_min)).sum())


def greatest_rate_ml_min(
    cannula: Cannula, law: CementLaw, ages_s: ArrayLike, limit_pa: float, *, back_pa: float = 0.0
) -> float:
    """Fastest flow that a pressure drives through a cannula against the pressure at its tip.

    0 when cement anywhere in it has set or when its yield stress or the pressure at the tip takes all of the limit.

    Raises
    ------
    UsageError
        ``pressure-impossible``: a pressure that is no number. ``cement-age-impossible`` as for the drop.
    """
    ages = _ages(cannula, ages_s)
    if not (isfinite(limit_pa) and isfinite(back_pa)):
        raise UsageError("pressure-impossible", "A pressure is no number.", do="Give pressures in Pa.")
    left = limit_pa - back_pa
    if np.any(ages >= law.cure.set_s) or left <= float(_drops_pa(cannula, law, ages, 0.0).sum()):
        return 0.0
    low, high = 0.0, 1.0
    while float(_drops_pa(cannula, law, ages, high).sum()) < left:
        low, high = high, 2.0 * high
    while high - low > 1e-10 * high:
        middle = 0.5 * (low + high)
        if float(_drops_pa(cannula, law, ages, middle).sum()) < left:
            low = middle
        else:
            high = middle
    return low


def deliver(
    cannula: Cannula,
    law: CementLaw,
    ages_s: ArrayLike,
    rate_ml_min: float,
    tool: Injector,
    *,
    back_pa: float = 0.0,
) -> Delivery:
    """What leaves the tip when an operator asks for a rate: that rate, or what the injector can do.

    Parameters
    ----------
    back_pa:
        Pressure of the bone at the tip.

    Raises
    ------
    UsageError
        As :func:`pressure_drop_pa` and :func:`greatest_rate_ml_min`.
    """
    asked = _rate(rate_ml_min)
    able = min(
        greatest_rate_ml_min(cannula, law, ages_s, tool.limit_pa, back_pa=back_pa), tool.greatest_rate_ml_min
    )
    if asked == 0.0:
        return Delivery(0.0, max(back_pa, 0.0), 0.0, limited=False, stalled=False)
    if able < min(asked, value("injector.stall_ml_min")):
        return Delivery(0.0, tool.limit_pa, max(tool.limit_pa - back_pa, 0.0), limited=True, stalled=True)
    rate = min(asked, able)
    lost = pressure_drop_pa(cannula, law, ages_s, rate)
    return Delivery(rate, lost + back_pa, lost, limited=asked > able, stalled=False)


def _drops_pa(cannula: Cannula, law: CementLaw, ages: FloatArray, rate_ml_min: float) -> FloatArray:
    """Of each segment."""
    length, bore = M_PER_MM * np.array(cannula.segments).T
    radius = 0.5 * bore
    consistency, index = law.power_law(ages)
    shear = (3.0 * index + 1.0) / (index * pi * radius**3) * (rate_ml_min * M3_S_PER_ML_MIN)
    stress = law.yield_stress_pa(ages)
    if rate_ml_min > 0.0:
        viscosity = np.clip(consistency * shear ** (index - 1.0), law.floor_pas, law.ceiling_pas)
        stress = stress + viscosity * shear
    found: FloatArray = 2.0 * length * stress / radius
    return found


def _ages(cannula: Cannula, ages_s: ArrayLike) -> FloatArray:
    ages = checked_ages(ages_s)
    count = len(cannula.segments)
    if ages.ndim > 1 or (ages.ndim == 1 and ages.size != count):
        raise UsageError(
            "cement-age-impossible",
            f"The cannula has {count} segments, not {ages.size}.",
            do="Give one age, or one for each segment.",
        )
    return np.broadcast_to(ages, (count,))


def _rate(rate_ml_min: float) -> float:
    if not isfinite(rate_ml_min) or rate_ml_min < 0.0:
        raise UsageError(
            "rate-impossible",
            "A rate of injection is negative or no number.",
            do="Give mL/min, 0 to stop.",
        )
    return float(rate_ml_min)
