"""The flag rule on people of published normal variation. The whole study on voxels runs with `make validate`."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from flag_study import (
    BINS,
    Share,
    Verdict,
    draws,
    flagged_share,
    fractured,
    grade_agreement,
    intact,
    on_exact_heights,
    on_voxels,
    roc_area,
    shape_agreement,
    specificity,
)


@pytest.fixture(scope="module")
def exact() -> list[Verdict]:
    return [verdict for draw in draws(1200) for verdict in on_exact_heights(draw)]


def test_the_rule_finds_the_fractured_and_leaves_the_normal(exact: list[Verdict]) -> None:
    found = flagged_share(fractured(exact, 0.25))
    spared = specificity(exact)
    assert found.of > 500
    assert spared.of > 4500
    assert found.interval[0] >= 0.90
    assert spared.interval[0] >= 0.95


def test_every_shape_is_found(exact: list[Verdict]) -> None:
    for shape in ("wedge", "biconcave", "crush"):
        chosen = [v for v in fractured(exact, 0.25) if v.shape == shape]
        assert flagged_share(chosen).value >= 0.85, shape
    assert shape_agreement(exact).value >= 0.75


def test_more_loss_is_found_more_often(exact: list[Verdict]) -> None:
    shares = [flagged_share(fractured(exact, low, high)).value for low, high in pairwise(BINS)]
    assert shares == sorted(shares)
    assert shares[0] < 0.15
    assert shares[-1] == 1.0


def test_grades_agree_with_what_was_lost(exact: list[Verdict]) -> None:
    same, near = grade_agreement(exact)
    assert same.value >= 0.65
    assert near.value >= 0.95
    assert roc_area(exact, 0.25) >= 0.97


def test_levels_of_voxels_are_judged_as_their_heights_are() -> None:
    # Four phantoms at 2 mm, one of each shape and an intact one.
    chosen = [d for d in draws(300) if d.spacing_mm == (2.0, 2.0, 2.0)]
    sample = [next(d for d in chosen if d.fracture and d.fracture.shape == s and d.fracture.loss > 0.3)
              for s in ("wedge", "biconcave", "crush")]  # fmt: skip
    sample.append(next(d for d in chosen if d.fracture is None))
    verdicts = [v for draw in sample for v in on_voxels(draw)]
    assert len(verdicts) == 20
    assert flagged_share(fractured(verdicts, 0.25)).value == 1.0
    assert flagged_share(intact(verdicts)).hits <= 1
    exact = {(v.index, v.level): v for draw in sample for v in on_exact_heights(draw)}
    # Three standard deviations of a height between two endplates each known to half of 2 mm: 2.4 mm of 20 mm.
    for v in verdicts:
        assert v.loss == pytest.approx(exact[v.index, v.level].loss, abs=0.12)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"), [(9, 10, 0.5958, 0.9821), (0, 10, 0.0, 0.2775), (50, 100, 0.4038, 0.5962)]
)
def test_wilson_interval(hits: int, of: int, low: float, high: float) -> None:
    # Wilson 1927; values of the closed form at 95 %.
    assert Share(hits, of).interval == pytest.approx((low, high), abs=5e-4)
    assert math.isnan(Share(0, 0).value)
