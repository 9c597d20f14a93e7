"""How thick bone cement is: a power law that stiffens with age, faster where it is warm.

The age of a piece of cement is carried as its *equivalent age* in seconds: the time since mixing that would have
brought it as far at the reference temperature. Curing runs on the same clock, see :mod:`endplate.cement.curing`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, lru_cache
from math import exp, isfinite, log, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.cement.curing import Cure, age_rate, class_cure
from endplate.devices.cements import Cement, shipped_cements
from endplate.errors import UsageError
from endplate.sources import value
from endplate.units import S_PER_MIN

FloatArray = NDArray[Any]


KEPT = 32
"""Laws of site cements that are kept in memory."""


@dataclass(frozen=True)
class CementLaw:
    """The flow of one cement as a function of its equivalent age and the rate of shear.

    Consistency ``K = consistency·exp((age − ready_s)/thickening_s) + gel_consistency/(1 − α/α_set)²``, index
    ``n = max(index_least, index_at_mixing − index_fall_per_s·age)``, apparent viscosity ``K·γ^(n−1)`` held within the
    floor and the ceiling. α is the conversion of ``cure``, α_set that of the set cement.

    Parameters
    ----------
    name:
        Of the class or the site's cement.
    consistency_pas:
        Pa·sⁿ at ``ready_s``.
    ready_s, thickening_s:
        Equivalent age when mixing is over; time in which the consistency grows by e.
    index_at_mixing, index_fall_per_s, index_least:
        Power-law index.
    floor_pas, ceiling_pas, unjectable_pas:
        Limits of apparent viscosity, and that from which no operator injects, at 1/s.
    gel_consistency_pas:
        Pa·sⁿ, of the term that ends all flow when the cement sets.
    working_s:
        Time from ready to the end of the working window at the reference temperature.
    cure:
        Conversion and heat, on the same clock.
    yield_share:
        Yield stress for each unit of consistency, in Pa per Pa·sⁿ; 0 for none.

    Raises
    ------
    UsageError
        ``cement-law-impossible``: a figure that is not finite or has the wrong sign, cement that cannot be injected
        when it is ready, or that sets within its working window.
    """

    name: str
    consistency_pas: float
    ready_s: float
    thickening_s: float
    index_at_mixing: float
    index_fall_per_s: float
    index_least: float
    floor_pas: float
    ceiling_pas: float
    unjectable_pas: float
    gel_consistency_pas: float
    working_s: float
    cure: Cure
    yield_share: float = 0.0

    def __post_init__(self) -> None:
        positive = (
            "consistency_pas",
            "thickening_s",
            "index_least",
            "floor_pas",
            "unjectable_pas",
            "gel_consistency_pas",
            "working_s",
        )
        for name in (*positive, "ready_s", "index_fall_per_s", "yield_share"):
            figure = getattr(self, name)
            if not isfinite(figure) or figure < 0.0 or (figure == 0.0 and name in positive):
                raise _impossible(f"{name} is {figure:g}")
        if not self.index_least <= self.index_at_mixing <= 1.0:
            raise _impossible(f"the index at mixing is {self.index_at_mixing:g}")
        if not self.floor_pas < self.unjectable_pas <= self.ceiling_pas < float("inf"):
            raise _impossible("floor, injectable limit and ceiling of the viscosity do not rise")
        if self.consistency_pas + 2.0 * self.gel_consistency_pas >= self.unjectable_pas:
            raise _impossible("it is too thick to inject when it is ready")
        if self.ready_s + self.working_s > self.stiff_s:
            raise _impossible("it is set or too thick before its working window ends")

    def power_law(self, age_s: ArrayLike) -> tuple[FloatArray, FloatArray]:
        """Consistency K in Pa·sⁿ and index n at equivalent ages in s; arrays of the ages' shape.

        Raises ``UsageError`` (``cement-age-impossible``) for an age that is negative or not finite.
        """
        age = checked_ages(age_s)
        growth = np.minimum(
            (age - self.ready_s) / self.thickening_s, log(self.ceiling_pas / self.consistency_pas)
        )
        consistency = self.consistency_pas * np.exp(growth)
        left = 1.0 - self.cure.conversion(age) / self.cure.set_conversion
        least = sqrt(self.gel_consistency_pas / self.ceiling_pas)
        gel = self.gel_consistency_pas / np.square(np.maximum(left, least))
        index = np.maximum(self.index_least, self.index_at_mixing - self.index_fall_per_s * age)
        return np.minimum(consistency + gel, self.ceiling_pas), index

    def viscosity_pas(self, age_s: ArrayLike, shear_per_s: ArrayLike) -> FloatArray:
        """Apparent viscosity at equivalent ages and rates of shear, within the floor and the ceiling."""
        consistency, index = self.power_law(age_s)
        shear = np.asarray(shear_per_s, dtype=float)
        if not np.all(np.isfinite(shear)) or np.any(shear < 0.0):
            raise UsageError(
                "shear-impossible", "A rate of shear is negative or no number.", do="Give rates of 0 or more."
            )
        with np.errstate(divide="ignore"):
            found = consistency * np.power(shear, index - 1.0)
        clipped: FloatArray = np.clip(found, self.floor_pas, self.ceiling_pas)
        return clipped

    def yield_stress_pa(self, age_s: ArrayLike) -> FloatArray:
        """Stress below which the cement does not flow; 0 everywhere unless ``yield_share`` is given."""
        return self.yield_share * self.power_law(age_s)[0]

    def age_rate(self, temperature_c: ArrayLike) -> FloatArray:
        """Seconds of equivalent age in a second at some temperatures.

        Raises ``UsageError`` (``temperature-impossible``) outside the temperatures that cement can have.
        """
        return age_rate(temperature_c, self.cure.activation_kj_mol, self.cure.reference_k)

    def is_set(self, age_s: float) -> bool:
        """Whether cement of an equivalent age has set."""
        return float(checked_ages(age_s)) >= self.cure.set_s

    @property
    def stiff_s(self) -> float:
        """Equivalent age from which no operator injects it: as thick at 1/s as the unjectable one, or set."""
        low, high = 0.0, self.cure.set_s
        while high - low > 1e-3:
            middle = 0.5 * (low + high)
            if float(self.power_law(middle)[0]) < self.unjectable_pas:
                low = middle
            else:
                high = middle
        return high

    def scaled(self, factor: float) -> CementLaw:
        """The same cement with its consistency times a factor; its working window ends when it is too thick.

        Raises ``UsageError`` (``cement-law-impossible``) for a factor that is not above 0 or makes it too thick to
        inject at all.
        """
        if not isfinite(factor) or factor <= 0.0:
            raise _impossible(f"its consistency is multiplied by {factor:g}")
        thicker = replace(self, consistency_pas=self.consistency_pas * factor, working_s=1e-3)
        return replace(thicker, working_s=min(self.working_s, thicker.stiff_s - self.ready_s))


@dataclass(frozen=True)
class Window:
    """Ages since mixing, in s of the clock at one temperature: ready ≤ end ≤ stiff ≤ set.

    Parameters
    ----------
    ready_s, end_s:
        When injection can begin, and the end of the working time of the class.
    stiff_s:
        From when it is too thick for any operator.
    set_s:
        When it has set.
    """

    ready_s: float
    end_s: float
    stiff_s: float
    set_s: float


def cement_law(cement: str | Cement) -> CementLaw:
    """The law of a shipped class by name, or of a site's cement.

    A site's cement takes the law of the class of its name, else of the class nearest in viscosity; its consistency is
    moved by the ratio of the (geometric) mean start viscosities, and the time until it is too thick by the ratio of
    the working times.

    Raises
    ------
    UsageError
        ``cement-unknown``: no such class. ``cement-law-impossible``: figures that no cement has.
    """
    if isinstance(cement, Cement):
        return _law_of(cement)
    known = shipped_cements()
    if cement not in known:
        raise UsageError(
            "cement-unknown",
            f"There is no class of cement named {cement!r}.",
            do=f"Choose one of {', '.join(known)}.",
        )
    return _class_law(cement)


def working_window(law: CementLaw, room_c: float | None = None) -> Window:
    """When a cement can be injected at one temperature (the room's unless given)."""
    rate = float(law.age_rate(value("cement_law.room_c") if room_c is None else room_c))
    end = law.ready_s + law.working_s
    return Window(law.ready_s / rate, end / rate, law.stiff_s / rate, law.cure.set_s / rate)


def checked_ages(age_s: ArrayLike) -> FloatArray:
    """Equivalent ages as an array; ``UsageError`` (``cement-age-impossible``) for one negative or not finite."""
    age = np.asarray(age_s, dtype=float)
    if not np.all(np.isfinite(age)) or np.any(age < 0.0):
        raise UsageError(
            "cement-age-impossible",
            "An age of cement is negative or no number.",
            do="Give ages in seconds since mixing, 0 or more.",
        )
    return age


@cache
def _class_law(name: str) -> CementLaw:
    index = value("cement_law.index")
    floor, ceiling = value("cement_law.viscosity_limits_pas")
    return CementLaw(
        name=name,
        consistency_pas=value("cement_law.consistency_pas")[name],
        ready_s=S_PER_MIN * value("cement_law.ready_min"),
        thickening_s=S_PER_MIN * value("cement_law.thickening_min")[name],
        index_at_mixing=index["at_mixing"],
        index_fall_per_s=index["fall_per_min"] / S_PER_MIN,
        index_least=index["least"],
        floor_pas=floor,
        ceiling_pas=ceiling,
        unjectable_pas=value("cement_law.unjectable_pas"),
        gel_consistency_pas=value("cement_law.gel_consistency_pas"),
        working_s=S_PER_MIN * shipped_cements()[name].working_time_min,
        cure=class_cure(name),
        yield_share=value("cement_law.yield_share"),
    )


@lru_cache(maxsize=KEPT)
def _law_of(cement: Cement) -> CementLaw:
    known = shipped_cements()
    middle = _middle(cement)
    nearest = min(known, key=lambda name: abs(log(_middle(known[name]) / middle)))
    shipped = known[cement.name if cement.name in known else nearest]
    base = _class_law(shipped.name)
    consistency = base.consistency_pas * middle / _middle(shipped)
    if consistency >= base.unjectable_pas:
        raise _impossible("it is too thick to inject when it is ready")
    longer = cement.working_time_min / shipped.working_time_min
    way = log(base.unjectable_pas / base.consistency_pas) / log(base.unjectable_pas / consistency)
    working_s = base.working_s * longer
    later = max(1.0, (base.ready_s + working_s) / (base.ready_s + base.working_s))
    return replace(
        base,
        name=cement.name,
        consistency_pas=consistency,
        thickening_s=base.thickening_s * longer * way,
        working_s=working_s,
        cure=base.cure.set_at(base.cure.set_s * later) if later > 1.0 else base.cure,
    )


def _middle(cement: Cement) -> float:
    """Geometric mean of the range of start viscosities."""
    low, high = cement.start_viscosity_pas
    return exp(0.5 * (log(low) + log(high)))


def _impossible(what: str) -> UsageError:
    return UsageError(
        "cement-law-impossible",
        f"No cement is like this: {what}.",
        do="Correct the figures of the cement.",
    )
