"""A row of named vertebrae against what a spine can be: order, spacing and size."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from endplate.imaging.label_stats import LabelStat
from endplate.imaging.levels import CRANIOCAUDAL, order
from endplate.sources import value

_OPTIONAL = frozenset({"T13", "L6"})

CUT_TOLERANCE_MM = 10.0
"""A label cut by the volume shows only a part, whose middle may lie this much out of order."""


@dataclass(frozen=True)
class Step:
    """Two named vertebrae that follow each other in the map.

    Parameters
    ----------
    upper, lower:
        Level names.
    distance_mm:
        Between their middles.
    usual_mm:
        What a usual adult spine has between these levels, missing ones included.
    missing:
        Levels between them that the map does not have.
    whole:
        Neither is cut by the volume.
    falls_mm:
        How far the lower one lies below the upper one.
    """

    upper: str
    lower: str
    distance_mm: float
    usual_mm: float
    missing: tuple[str, ...]
    whole: bool
    falls_mm: float


@dataclass(frozen=True)
class Chain:
    """Measurements of a row of named vertebrae, from head to foot."""

    levels: Mapping[str, LabelStat]
    steps: tuple[Step, ...]

    @property
    def inversions(self) -> tuple[Step, ...]:
        """Neighbours that lie in the wrong order."""
        return tuple(s for s in self.steps if s.falls_mm <= (0.0 if s.whole else -CUT_TOLERANCE_MM))

    @property
    def impossible(self) -> tuple[Step, ...]:
        """Neighbours nearer than any spine has them, or farther (only of whole ones; the sacrum is long)."""
        low, high = value("labels.step_limits_mm")
        found = []
        for step in self.steps:
            spacing = step.distance_mm / (len(step.missing) + 1)
            if spacing < low or (spacing > high and step.whole and step.lower != "S1"):
                found.append(step)
        return tuple(found)

    def extra_vertebrae(self, step: Step) -> float | None:
        """How many more vertebrae fit between two neighbours than are named; ``None`` where unknown.

        Negative where the names skip levels for which there is no room. In this patient's own spacing.
        """
        if not step.whole or step.lower == "S1":
            return None
        named = len(step.missing) + 1
        return named * (step.distance_mm / (step.usual_mm * (self.pitch_ratio or 1.0)) - 1.0)

    @property
    def pitch_ratio(self) -> float | None:
        """Distance between neighbours over the usual one, median; ``None`` with fewer than two of them.

        One distance alone says little: a collapsed vertebra shortens it by a quarter.
        """
        ratios = [s.distance_mm / s.usual_mm for s in self.steps if s.whole and s.lower != "S1"]
        return float(np.median(ratios)) if len(ratios) > 1 else None

    @property
    def volume_ratio(self) -> float | None:
        """Volume over the usual one, median of whole presacral vertebrae; ``None`` without one."""
        usual = value("labels.whole_volume_ml")
        ratios = [
            stat.volume_ml / usual["C" if level[0] == "C" else level]
            for level, stat in self.levels.items()
            if not stat.cut and level not in {"C1", "C2", "S1"}
        ]
        return float(np.median(ratios)) if ratios else None

    def size_score(self, *, with_volume: bool) -> float | None:
        """How badly the sizes fit an adult spine: squared Mahalanobis distance, ``None`` where unknown.

        Notes
        -----
        The logarithms of pitch and volume ratio share the person's size s (ln volume has 3 ln s), and each
        has a spread of its own: covariance [[σs² + σp², 3σs²], [3σs², 9σs² + σv²]].
        """
        person = float(value("labels.person_log_sd")) ** 2
        covariance = person * np.array([[1.0, 3.0], [3.0, 9.0]])
        covariance[0, 0] += float(value("labels.pitch_log_sd")) ** 2
        covariance[1, 1] += float(value("labels.volume_log_sd")) ** 2
        ratios = (self.pitch_ratio, self.volume_ratio if with_volume else None)
        known = [n for n, ratio in enumerate(ratios) if ratio is not None]
        if not known:
            return None
        logs = np.array([math.log(ratio) for ratio in ratios if ratio is not None])
        return float(logs @ np.linalg.solve(covariance[np.ix_(known, known)], logs))


def chain_of(levels: Mapping[str, LabelStat]) -> Chain:
    """Order named vertebrae and measure their steps; fragments are left out."""
    least = float(value("labels.fragment_ml"))
    names = sorted((name for name, stat in levels.items() if stat.volume_ml >= least), key=order)
    steps = [_step(upper, lower, levels) for upper, lower in pairwise(names)]
    return Chain({name: levels[name] for name in names}, tuple(steps))


def missing_between(upper: str, lower: str) -> tuple[str, ...]:
    """Levels of a usual spine between two levels (T13 and L6 are nowhere missing)."""
    between = CRANIOCAUDAL[order(upper) + 1 : order(lower)]
    return tuple(level for level in between if level not in _OPTIONAL)


def _step(upper: str, lower: str, levels: Mapping[str, LabelStat]) -> Step:
    gap = levels[upper].centre_ras_mm - levels[lower].centre_ras_mm
    missing = missing_between(upper, lower)
    pitch = value("labels.pitch_mm")
    return Step(
        upper=upper,
        lower=lower,
        distance_mm=float(np.linalg.norm(gap)),
        usual_mm=sum(float(pitch["C" if level[0] == "C" else level]) for level in (upper, *missing)),
        missing=missing,
        whole=not (levels[upper].cut or levels[lower].cut),
        falls_mm=float(gap[2]),
    )
