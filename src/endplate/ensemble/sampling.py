"""Sets of samples that cover what is uncertain evenly: Sobol' points, Latin hypercubes, plain random numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import special
from scipy.stats import qmc

FloatArray = NDArray[np.float64]
Plan = Literal["sobol", "latin", "random"]
"""How points are laid into the unit cube."""

BITS = 30
"""Of each coordinate of a Sobol' point."""

HALF = 0.5
"""Points lie in the middle of their finest cell, never on the edge of the cube."""


class Distribution(Protocol):
    """What is known of one uncertain number."""

    def quantile(self, share: FloatArray) -> FloatArray:
        """The number below which a share (0–1) of its values lies; any shape."""


@dataclass(frozen=True)
class Uniform:
    """Any number from ``low`` to ``high``, all alike.

    Raises
    ------
    ValueError
        The range is empty or not finite.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _ordered(self.low, self.high)

    def quantile(self, share: FloatArray) -> FloatArray:
        """See :class:`Distribution`."""
        return np.asarray(self.low + share * (self.high - self.low), dtype=np.float64)


@dataclass(frozen=True)
class LogUniform:
    """Any number from ``low`` to ``high``, all ratios alike.

    Raises
    ------
    ValueError
        The range is empty, not finite, or reaches down to zero.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        _ordered(self.low, self.high)
        if not self.low > 0.0:
            raise ValueError("a range of ratios lies above zero")

    def quantile(self, share: FloatArray) -> FloatArray:
        """See :class:`Distribution`."""
        return np.asarray(self.low * (self.high / self.low) ** share, dtype=np.float64)


@dataclass(frozen=True)
class Normal:
    """A normal distribution, cut off at ``reach`` standard deviations.

    Raises
    ------
    ValueError
        The standard deviation or the reach is not positive.
    """

    mean: float
    sd: float
    reach: float = 3.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.mean) and 0.0 < self.sd < math.inf and self.reach > 0.0):
            raise ValueError("a normal distribution has a mean, a positive standard deviation and a reach")

    def quantile(self, share: FloatArray) -> FloatArray:
        """See :class:`Distribution`."""
        tail = special.ndtr(-self.reach)
        inside = tail + share * (1.0 - 2.0 * tail)
        return np.asarray(self.mean + self.sd * special.ndtri(inside), dtype=np.float64)


@dataclass(frozen=True)
class LogNormal:
    """A number whose logarithm is normal: ``median`` times or divided by exp(``sigma``), cut off as above.

    Raises
    ------
    ValueError
        The median or sigma is not positive.
    """

    median: float
    sigma: float
    reach: float = 3.0

    def __post_init__(self) -> None:
        if not (0.0 < self.median < math.inf and 0.0 < self.sigma < math.inf and self.reach > 0.0):
            raise ValueError("a log-normal distribution has a positive median, sigma and reach")

    def quantile(self, share: FloatArray) -> FloatArray:
        """See :class:`Distribution`."""
        return np.asarray(np.exp(Normal(math.log(self.median), self.sigma, self.reach).quantile(share)))


def sample(
    spread: Mapping[str, Distribution], count: int, *, seed: int, plan: Plan = "sobol"
) -> tuple[dict[str, float], ...]:
    """Members of an ensemble.

    Parameters
    ----------
    spread:
        What is uncertain, by name.
    count:
        Members; Sobol' points cover best where it is a power of two.
    seed:
        The same seed gives the same members.
    plan:
        How they are laid.

    Returns
    -------
    For each member a number of every name. The first members of a Sobol' set do not change when more are asked for.

    Raises
    ------
    ValueError
        Nothing is uncertain, or fewer than one member.
    """
    if not spread or count < 1:
        raise ValueError("an ensemble has something uncertain and one member or more")
    cube = unit_points(count, len(spread), seed=seed, plan=plan)
    columns = {name: one.quantile(cube[:, at]) for at, (name, one) in enumerate(spread.items())}
    return tuple({name: float(column[member]) for name, column in columns.items()} for member in range(count))


def unit_points(count: int, axes: int, *, seed: int, plan: Plan = "sobol") -> FloatArray:
    """Points in the unit cube, shape (count, axes)."""
    rng = np.random.default_rng(seed)
    if plan == "random":
        return rng.random((count, axes))
    if plan == "latin":
        rows = np.argsort(rng.random((count, axes)), axis=0)
        return np.asarray((rows + rng.random((count, axes))) / count, dtype=np.float64)
    # The plain points, shifted bit by bit by one random number for each axis: as even as they were, and the seed tells
    # them apart whatever the version of the library.
    power = max(0, math.ceil(math.log2(count)))
    plain = qmc.Sobol(axes, scramble=False).random_base2(power)[:count]
    shift = rng.integers(0, 1 << BITS, size=axes)
    shifted = np.rint(plain * (1 << BITS)).astype(np.int64) ^ shift
    return np.asarray((shifted + HALF) / (1 << BITS), dtype=np.float64)


def member_seeds(seed: int, count: int) -> tuple[int, ...]:
    """A seed for the random numbers within each member, apart from each other and from those of the set."""
    return tuple(int(one.generate_state(1)[0]) for one in np.random.SeedSequence(seed).spawn(count))


def _ordered(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError("a range runs from a lower to a higher number")
