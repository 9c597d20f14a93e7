"""Expected heights: the published profile scaled to the patient."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.anatomy.expectation import HEIGHTS, Expectation, expect_heights
from endplate.sources import value

LEVELS = ("T8", "T9", "T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5")
PROFILE = np.array([[value(f"norms.profile.{name}")[level] for name in HEIGHTS] for level in LEVELS])


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.floats(0.75, 1.3), st.integers(2, len(LEVELS)), st.integers(0, 7))
def test_a_scaled_profile_has_no_loss(scale: float, count: int, start: int) -> None:
    start = min(start, len(LEVELS) - count)
    chosen = slice(start, start + count)
    found = expect_heights(LEVELS[chosen], scale * PROFILE[chosen])
    np.testing.assert_allclose(found.expected_mm, scale * PROFILE[chosen], rtol=1e-12)
    np.testing.assert_allclose(found.losses, 0.0, atol=1e-12)


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.7, 1.4))
def test_losses_do_not_depend_on_the_size_of_the_patient(seed: int, scale: float) -> None:
    heights = PROFILE * np.random.default_rng(seed).uniform(0.85, 1.08, (10, 3))
    np.testing.assert_allclose(
        expect_heights(LEVELS, scale * heights).losses, expect_heights(LEVELS, heights).losses, atol=1e-12
    )


@pytest.mark.parametrize("loss", [0.2, 0.45])
@pytest.mark.parametrize("broken", [("L1",), ("T12", "L1"), ("T9", "T12", "L1", "L3")])
def test_fractured_levels_serve_nobody_as_reference(broken: tuple[str, ...], loss: float) -> None:
    heights = 1.1 * PROFILE
    for level in broken:
        heights[LEVELS.index(level), :2] *= 1.0 - loss
    found = expect_heights(LEVELS, heights)
    np.testing.assert_allclose(found.expected_mm, 1.1 * PROFILE, rtol=1e-9)
    for index, level in enumerate(LEVELS):
        expected = (loss, loss, 0.0) if level in broken else (0.0, 0.0, 0.0)
        np.testing.assert_allclose(found.losses[index], expected, atol=1e-9)
        assert not set(broken) & set(found.reference_levels[index])
        assert level not in found.reference_levels[index]


def test_a_patient_with_concave_bodies_throughout_is_not_fractured() -> None:
    heights = PROFILE * [1.0, 0.88, 1.0]
    np.testing.assert_allclose(expect_heights(LEVELS, heights).losses, 0.0, atol=1e-12)


def test_a_single_level_is_judged_by_its_own_posterior_wall() -> None:
    heights = 1.2 * PROFILE[5:6] * [0.7, 0.9, 1.0]
    found = expect_heights(("L1",), heights)
    assert found.reference_levels == (("L1",),)
    np.testing.assert_allclose(found.losses[0, :2], [0.3, 0.1], atol=1e-12)
    # A crush cannot be seen: nothing is claimed of the posterior height.
    assert np.isnan(found.losses[0, 2])
    assert np.isnan(found.expected_mm[0, 2])


def test_two_levels_are_scaled_by_each_other() -> None:
    heights = PROFILE[5:7] * [[0.6, 0.8, 1.0], [1.0, 1.0, 1.0]]
    found = expect_heights(("L1", "L2"), heights)
    np.testing.assert_allclose(found.losses[0], [0.4, 0.2, 0.0], atol=1e-9)
    # With L1 left out, nothing but L2 itself stands behind L2.
    assert found.reference_levels == (("L2",), ("L2",))


def test_few_reference_levels_make_the_expectation_vaguer() -> None:
    many = expect_heights(LEVELS, PROFILE)
    few = expect_heights(LEVELS[4:7], PROFILE[4:7])

    def relative(found: Expectation, index: int) -> np.ndarray:
        return found.sd_mm[index] / found.expected_mm[index]

    assert (relative(few, 1) > relative(many, 5)).all()
    own = value("norms.expected_height_sd.posterior")["L1"]
    within = value("norms.within_patient_sd")["posterior"]
    assert relative(few, 1)[2] == pytest.approx(np.hypot(own, within / np.sqrt(2.0)), rel=1e-9)


def test_levels_without_heights_are_left_alone() -> None:
    heights = PROFILE.copy()
    heights[3] = np.nan
    heights[4, 1] = 0.0
    found = expect_heights(LEVELS, heights)
    assert np.isnan(found.losses[3]).all()
    np.testing.assert_allclose(found.expected_mm[3], PROFILE[3], rtol=1e-12)
    # A height of nothing is lost altogether; it is not a height that was not measured.
    np.testing.assert_allclose(found.losses[4], [0.0, 1.0, 0.0], atol=1e-12)
    np.testing.assert_allclose(np.delete(found.losses, [3, 4], axis=0), 0.0, atol=1e-12)


def test_nothing_measured_expects_nothing() -> None:
    found = expect_heights(("T12", "L1"), np.full((2, 3), np.nan))
    assert np.isnan(found.losses).all()


def test_the_alternative_profile_is_another_one() -> None:
    found = expect_heights(LEVELS, PROFILE, profile="alternative")
    assert 0.01 < np.abs(found.losses).max() < 0.15
