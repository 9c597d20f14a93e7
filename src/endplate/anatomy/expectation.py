"""Expected heights: a published level profile scaled to the patient's own unfractured levels.

Absolute norms differ between populations by a fifth, so only the profile's shape over levels is used. Each height of
each level is expected from the same height of the other levels, the nearer counting more; levels that themselves
stand out below are left out and the rest is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.imaging.levels import order
from endplate.sources import value

HEIGHTS = ("anterior", "middle", "posterior")
"""The three heights in the order of every array here."""


@dataclass(frozen=True, eq=False)
class Expectation:
    """Expected heights of several levels, arrays of shape (N, 3) in the order of ``HEIGHTS``; NaN where unknown.

    Parameters
    ----------
    expected_mm, sd_mm:
        Expected height and what is normal about it (one standard deviation).
    losses:
        1 − measured / expected (negative: taller).
    reference_levels:
        For each level, the names of the levels it was scaled from; its own name where nothing else was there.
    """

    expected_mm: FloatArray
    sd_mm: FloatArray
    losses: FloatArray
    reference_levels: tuple[tuple[str, ...], ...]


def expect_heights(levels: Sequence[str], heights_mm: FloatArray, *, profile: str = "profile") -> Expectation:
    """Scale the published profile to the patient.

    Parameters
    ----------
    levels:
        Level names.
    heights_mm:
        Shape (N, 3): anterior, middle, posterior; NaN where not measured.
    profile:
        ``"profile"`` (recommended) or ``"alternative"``, to see how much the verdict rests on the reference.
    """
    reference = _table(levels, {name: value(f"norms.{profile}.{name}") for name in HEIGHTS})
    spread = _table(levels, {name: value(f"norms.expected_height_sd.{name}") for name in HEIGHTS})
    ratios = np.log(np.where(heights_mm > 0, heights_mm, np.nan)) - np.log(reference)
    ranks = np.array([order(level) for level in levels], dtype=np.float64)
    usable = np.isfinite(ratios).all(axis=1)
    # A level taller or lower than its neighbours by more than any normal one serves nobody as a reference.
    sound = usable.copy()
    losses = np.full_like(ratios, np.nan)
    shift = np.full_like(ratios, np.nan)
    sources: list[tuple[str, ...]] = [()] * len(levels)
    exclude = float(value("expectation.exclude_loss"))
    for _ in range(4):
        for index in range(len(levels)):
            shift[index], sources[index] = _scale(index, ratios, ranks, sound, levels)
        # No bone at all (a body split by its crater) is the whole height lost, not an unknown one.
        losses = np.where(heights_mm == 0.0, 1.0, 1.0 - np.exp(ratios - shift))
        again = usable & ~(np.nanmax(np.where(np.isfinite(losses), losses, -np.inf), axis=1) > exclude)
        if (again == sound).all() or not again.any():
            break
        sound = again
    expected = reference * np.exp(shift)
    counts = np.array([max(len(names), 1) for names in sources], dtype=np.float64)
    within = np.array([_within_patient(name) for name in HEIGHTS])
    # The published spread is about a scale known from many levels; from few levels the scale itself is uncertain.
    relative = np.sqrt(spread**2 + within**2 / counts[:, None])
    return Expectation(expected, relative * expected, losses, tuple(sources))


def _scale(
    index: int, ratios: FloatArray, ranks: FloatArray, sound: np.ndarray, levels: Sequence[str]
) -> tuple[FloatArray, tuple[str, ...]]:
    """Log scale of the three heights at one level, and the levels it comes from."""
    others = np.flatnonzero(sound & (np.arange(len(ranks)) != index))
    if len(others) == 0:
        # Only its own posterior wall is left to scale by: wedge and biconcave can be seen, crush cannot.
        own = ratios[index, HEIGHTS.index("posterior")]
        return np.array([own, own, np.nan]), (levels[index],)
    distance = np.abs(ranks[others] - ranks[index])
    reach = float(value("expectation.reach_levels"))
    weight = 1.0 / (1.0 + (distance / reach) ** 2)
    names = tuple(levels[int(other)] for other in others)
    if len(others) >= int(value("expectation.separate_heights_from")):
        return np.array([_weighted_median(ratios[others, k], weight) for k in range(3)]), names
    pooled = _weighted_median(ratios[others].ravel(), np.repeat(weight, 3))
    return np.full(3, pooled), names


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Median with weights, interpolated between the two middle values."""
    rank = np.argsort(values, kind="stable")
    ordered, weight = values[rank], weights[rank]
    position = (np.cumsum(weight) - 0.5 * weight) / weight.sum()
    return float(np.interp(0.5, position, ordered))


def _within_patient(name: str) -> float:
    if name == "middle":
        return float(value("norms.within_patient_sd_middle"))
    return float(value("norms.within_patient_sd")[name])


def _table(levels: Sequence[str], columns: Mapping[str, Mapping[str, float]]) -> FloatArray:
    return np.array(
        [[columns[name].get(level, np.nan) for name in HEIGHTS] for level in levels], dtype=np.float64
    )
