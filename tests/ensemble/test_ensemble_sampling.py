"""Members of an ensemble: even, repeatable, in their ranges; bands of what they give."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.ensemble.bands import band, bands
from endplate.ensemble.sampling import (
    LogNormal,
    LogUniform,
    Normal,
    Uniform,
    member_seeds,
    sample,
    unit_points,
)

SPREAD = {"scale": LogUniform(0.03, 1.0), "miss": Normal(0.0, 1.5)}


@pytest.mark.parametrize("plan", ["sobol", "latin", "random"])
def test_the_same_seed_gives_the_same_members_and_another_others(plan: str) -> None:
    assert sample(SPREAD, 6, seed=4, plan=plan) == sample(SPREAD, 6, seed=4, plan=plan)
    assert sample(SPREAD, 6, seed=4, plan=plan) != sample(SPREAD, 6, seed=5, plan=plan)


@pytest.mark.parametrize("plan", ["sobol", "latin"])
def test_each_axis_has_one_point_in_every_slice(plan: str) -> None:
    """What both are made for: 64 points leave no sixty-fourth of any axis empty."""
    points = unit_points(64, 5, seed=1, plan=plan)
    assert points.shape == (64, 5)
    for column in points.T:
        assert sorted(np.floor(64.0 * column).astype(int)) == list(range(64))


def test_sobol_points_also_fill_every_square_of_two_axes() -> None:
    """A Latin hypercube does not promise that: 16 points, one in each of the 4 by 4 squares."""
    points = unit_points(16, 2, seed=9)
    squares = {tuple(np.floor(4.0 * point).astype(int)) for point in points}
    assert len(squares) == 16


def test_more_members_keep_the_first_ones() -> None:
    assert sample(SPREAD, 5, seed=2) == sample(SPREAD, 12, seed=2)[:5]


def test_an_even_set_finds_a_mean_closer_than_chance() -> None:
    """Mean of exp(u) over 256 points of two axes; the truth is (e − 1)."""
    truth = np.e - 1.0
    errors = {
        plan: np.mean(
            [abs(np.exp(unit_points(256, 2, seed=seed, plan=plan)).mean() - truth) for seed in range(8)]
        )
        for plan in ("sobol", "random")
    }
    assert errors["sobol"] < 0.2 * errors["random"]


def test_quantiles_are_those_of_the_distributions() -> None:
    shares = np.array([0.0, 0.5, 1.0])
    assert Uniform(2.0, 4.0).quantile(shares) == pytest.approx([2.0, 3.0, 4.0])
    assert LogUniform(0.01, 1.0).quantile(shares) == pytest.approx([0.01, 0.1, 1.0])
    assert Normal(1.0, 2.0).quantile(shares) == pytest.approx([-5.0, 1.0, 7.0])
    assert LogNormal(10.0, 0.5).quantile(shares) == pytest.approx(10.0 * np.exp([-1.5, 0.0, 1.5]))
    # The quarter of a normal distribution lies 0.6745 standard deviations below its mean; the cut tails hardly matter.
    assert Normal(0.0, 1.0).quantile(np.array([0.25])) == pytest.approx([-0.6745], abs=3e-3)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Uniform(1.0, 1.0),
        lambda: LogUniform(0.0, 1.0),
        lambda: Normal(0.0, 0.0),
        lambda: LogNormal(0.0, 1.0),
        lambda: sample({}, 4, seed=0),
        lambda: sample(SPREAD, 0, seed=0),
    ],
)
def test_what_makes_no_distribution_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        wrong()  # type: ignore[operator]


def test_members_have_seeds_of_their_own() -> None:
    seeds = member_seeds(7, 100)
    assert len(set(seeds)) == 100
    assert seeds[:10] == member_seeds(7, 10)


def test_a_band_holds_nine_tenths_of_the_known_values() -> None:
    found = band([*map(float, range(101)), None])
    assert found is not None
    assert (found.low, found.median, found.high, found.members) == (5.0, 50.0, 95.0, 101)
    assert band([None, None]) is None
    told = bands([{"a": 1.0}, {"a": 3.0, "b": None}])
    assert list(told) == ["a", "b"]
    assert told["a"] is not None
    assert told["a"].median == 2.0
    assert told["b"] is None
