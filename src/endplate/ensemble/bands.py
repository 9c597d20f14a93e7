"""What an ensemble says of one number: quantiles, never one probability for one patient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

QUANTILES = (0.05, 0.50, 0.95)
"""Lower end, middle and upper end of a band."""


@dataclass(frozen=True)
class Band:
    """5th, 50th and 95th percentile of a number over the members of an ensemble.

    Parameters
    ----------
    low, median, high:
        In the number's own unit.
    members:
        How many members had the number.
    """

    low: float
    median: float
    high: float
    members: int


def band(values: Sequence[float | None]) -> Band | None:
    """The band of some values; ``None`` counts as unknown, and so does a band of unknowns only."""
    known = np.array([one for one in values if one is not None], dtype=np.float64)
    if known.size == 0 or not np.isfinite(known).all():
        return None
    low, median, high = (float(one) for one in np.quantile(known, QUANTILES))
    return Band(low, median, high, int(known.size))


def bands(members: Sequence[Mapping[str, float | None]]) -> dict[str, Band | None]:
    """The band of every name that any member has, in the order in which the names first come up."""
    names = dict.fromkeys(name for member in members for name in member)
    return {name: band([member.get(name) for member in members]) for name in names}
