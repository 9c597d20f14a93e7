"""The flag rule on phantoms of normal variation with and without a fracture: who is found, who is called ill.

Two ways: on exact heights (the rule alone, thousands of spines in seconds) and on voxels (rule and measurement).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args
from unittest.mock import patch

import numpy as np

from endplate.anatomy.assessment import assess
from endplate.anatomy.expectation import HEIGHTS, expect_heights
from endplate.anatomy.grading import HeightEvidence, grade
from endplate.anatomy.model import Fracture, Shape
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.sources import value
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, random_spec
from endplate.synthetic.body import target_losses

REGIONS = (("T7", "T8", "T9", "T10", "T11"), ("T11", "T12", "L1", "L2", "L3"), ("L1", "L2", "L3", "L4", "L5"))
"""Five-level crops."""

SPACINGS = ((0.75, 0.75, 0.75), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (0.8, 0.8, 2.5))
"""Voxel sizes, the last one of thick axial slices."""

SHAPES: tuple[Shape, ...] = get_args(Shape)

INTACT_EVERY = 7
"""Every so many phantoms has no fracture at all."""

SEED_OFFSET = 1000
"""The studies draw phantoms that no test uses."""

BINS = (0.0, 0.15, 0.20, 0.25, 0.30, 0.40, 0.60)
"""Edges of the loss bins."""


@dataclass(frozen=True)
class Draw:
    """One phantom of the study: which people, where and how broken, on which grid."""

    index: int
    levels: tuple[str, ...]
    spacing_mm: tuple[float, float, float]
    fracture: FractureSpec | None
    fracture_level: str | None


@dataclass(frozen=True)
class Verdict:
    """One level of the study: its true greatest loss (0: intact) and what was said of it."""

    index: int
    level: str
    spacing_mm: tuple[float, float, float]
    shape: Shape | None
    true_loss: float
    flagged: bool | None
    grade: int | None
    found_shape: str | None
    loss: float | None
    distance: float | None


def draws(count: int, *, seed: int = 0) -> list[Draw]:
    """Draw the phantoms: regions, shapes and voxel sizes in turn, losses evenly over 0–60 %."""
    rng = np.random.default_rng([seed, 71])
    found = []
    for index in range(count):
        levels = REGIONS[index % len(REGIONS)]
        spacing = SPACINGS[(index // len(REGIONS)) % len(SPACINGS)]
        loss = float(rng.uniform(0.0, 0.6))
        where = levels[int(rng.integers(len(levels)))]
        both: Literal["superior", "both"] = "both" if rng.uniform() < 0.3 else "superior"
        shape = SHAPES[(index // (len(REGIONS) * len(SPACINGS))) % len(SHAPES)]
        intact = index % INTACT_EVERY == INTACT_EVERY - 1
        fracture = None if intact else FractureSpec(shape, loss, endplate=both)
        found.append(Draw(index, levels, spacing, fracture, None if intact else where))
    return found


def on_voxels(draw: Draw) -> list[Verdict]:
    """Build one phantom's labels, assess them and say what was found of each level.

    Nothing where no such body can be built: a great loss may leave no bone between deeply dished endplates.
    """
    spec = random_spec(
        SEED_OFFSET + draw.index, draw.levels, fracture=draw.fracture, fracture_level=draw.fracture_level
    )
    try:
        made = build_phantom(spec, GridSpec(draw.spacing_mm, margin_mm=6.0), ct=False)
    except UsageError as error:
        if error.code != "phantom-spec-invalid":
            raise
        return []
    # No verdict rests on the pedicles, which take half of the time.
    with patch("endplate.anatomy.describe.find_pedicle", return_value=None):
        spine = assess(made.labels, None, Calibration.uncalibrated())
    verdicts = []
    for vertebra in spine.levels:
        truth = made.truth.levels[vertebra.level].fracture
        losses = [] if truth is None else [getattr(truth.losses, name) for name in HEIGHTS]
        verdicts.append(
            _verdict(draw, vertebra.level, max(losses, default=0.0), vertebra.fracture, vertebra.height_loss)
        )
    return verdicts


def on_exact_heights(draw: Draw) -> list[Verdict]:
    """The rule on the phantom's specified heights, without any measurement."""
    spec = random_spec(SEED_OFFSET + draw.index, draw.levels)
    heights = np.array([[getattr(v, f"{name}_height_mm") for name in HEIGHTS] for v in spec.vertebrae])
    true = np.zeros(len(draw.levels))
    if draw.fracture is not None and draw.fracture_level is not None:
        broken = draw.levels.index(draw.fracture_level)
        lost = target_losses(draw.fracture)
        heights[broken] *= 1.0 - lost
        true[broken] = lost.max()
    expected = expect_heights(draw.levels, heights)
    other = expect_heights(draw.levels, heights, profile="alternative")
    verdicts = []
    for i, level in enumerate(draw.levels):
        evidence = HeightEvidence(
            measured_mm=heights[i],
            uncertainty_mm=np.zeros(3),
            expected_mm=expected.expected_mm[i],
            expected_sd_mm=expected.sd_mm[i],
            losses=expected.losses[i],
            own_scale=False,
            losses_alternative=other.losses[i],
        )
        loss = float(np.clip(np.nanmax(expected.losses[i]), 0.0, 1.0))
        verdicts.append(_verdict(draw, level, float(true[i]), grade(level, evidence), loss))
    return verdicts


def _verdict(draw: Draw, level: str, true_loss: float, found: Fracture, loss: float | None) -> Verdict:
    broken = level == draw.fracture_level and draw.fracture is not None
    return Verdict(
        index=draw.index,
        level=level,
        spacing_mm=draw.spacing_mm,
        shape=draw.fracture.shape if broken and draw.fracture is not None else None,
        true_loss=true_loss,
        flagged=found.flagged,
        grade=found.genant_grade,
        found_shape=found.shape,
        loss=loss,
        distance=found.distance_to_threshold,
    )


@dataclass(frozen=True)
class Share:
    """A share with its 95 % Wilson interval."""

    hits: int
    of: int

    @property
    def value(self) -> float:
        """The share; NaN of nothing."""
        return self.hits / self.of if self.of else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson score interval at 95 %."""
        if not self.of:
            return 0.0, 1.0
        z, n, p = 1.959964, self.of, self.value
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(centre - half, 0.0), min(centre + half, 1.0)


def flagged_share(verdicts: Iterable[Verdict]) -> Share:
    """How many of the levels were flagged; one that was not judged counts as not flagged."""
    chosen = list(verdicts)
    return Share(sum(bool(v.flagged) for v in chosen), len(chosen))


def fractured(verdicts: Iterable[Verdict], low: float, high: float = 1.0) -> list[Verdict]:
    """Levels whose true greatest loss lies in a range."""
    return [v for v in verdicts if v.shape is not None and low <= v.true_loss < high]


def intact(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Levels without a fracture."""
    return [v for v in verdicts if v.shape is None]


def specificity(verdicts: Iterable[Verdict]) -> Share:
    """Intact levels that were judged and not flagged, of all intact levels."""
    chosen = intact(verdicts)
    return Share(sum(v.flagged is False for v in chosen), len(chosen))


def true_grade(loss: float) -> int:
    """Genant grade of a true loss."""
    return int(np.searchsorted(value("genant.grade_losses"), loss, side="right"))


def grade_agreement(verdicts: Iterable[Verdict]) -> tuple[Share, Share]:
    """Fractured levels of at least grade 1 whose grade is exact, and within one."""
    chosen = [v for v in verdicts if v.shape is not None and true_grade(v.true_loss) >= 1]
    gaps = [abs((v.grade or 0) - true_grade(v.true_loss)) for v in chosen]
    return Share(sum(g == 0 for g in gaps), len(gaps)), Share(sum(g <= 1 for g in gaps), len(gaps))


def shape_agreement(verdicts: Iterable[Verdict]) -> Share:
    """Flagged fractured levels whose shape was named as it is."""
    chosen = [v for v in verdicts if v.shape is not None and v.flagged]
    return Share(sum(v.found_shape == v.shape for v in chosen), len(chosen))


def roc_area(verdicts: Sequence[Verdict], low: float) -> float:
    """Area under the curve of the distance to the threshold: losses from ``low`` on against intact levels."""
    ill = [v.distance for v in fractured(verdicts, low) if v.distance is not None]
    well = [v.distance for v in intact(verdicts) if v.distance is not None]
    order = np.argsort(np.argsort(np.array(ill + well), kind="stable"), kind="stable") + 1.0
    return float((order[: len(ill)].sum() - len(ill) * (len(ill) + 1) / 2) / (len(ill) * len(well)))
