"""The flag, the grade and the shape of a level, and the words for them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.anatomy.grading import HeightEvidence, grade, thresholds
from endplate.sources import finding_codes

EXPECTED = np.array([25.0, 25.0, 27.0])


def evidence(
    losses: tuple[float, float, float],
    *,
    sd: float = 0.05,
    alternative: tuple[float, float, float] | None = None,
    own_scale: bool = False,
) -> HeightEvidence:
    lost = np.array(losses)
    return HeightEvidence(
        measured_mm=EXPECTED * (1.0 - lost),
        uncertainty_mm=np.full(3, 0.3),
        expected_mm=EXPECTED,
        expected_sd_mm=sd * EXPECTED,
        losses=lost,
        own_scale=own_scale,
        losses_alternative=lost if alternative is None else np.array(alternative),
    )


@pytest.mark.parametrize(
    ("loss", "flagged", "genant"),
    [(0.0, False, 0), (0.199, False, 0), (0.2, True, 1), (0.249, True, 1), (0.25, True, 2), (0.399, True, 2),
     (0.4, True, 3), (1.0, True, 3)],
)  # fmt: skip
def test_genant_bounds(loss: float, flagged: bool, genant: int) -> None:
    found = grade("L1", evidence((loss, 0.0, 0.0)))
    assert (found.flagged, found.genant_grade) == (flagged, genant)
    assert found.loss_threshold == pytest.approx(0.2)
    assert found.distance_to_threshold == pytest.approx(loss - 0.2)


@pytest.mark.parametrize(
    ("losses", "shape"),
    [
        ((0.30, 0.15, 0.02), "wedge"),
        ((0.30, 0.30, 0.05), "wedge"),
        ((0.10, 0.30, 0.05), "biconcave"),
        ((0.26, 0.30, 0.05), "biconcave"),
        ((0.30, 0.30, 0.28), "crush"),
        ((0.50, 0.50, 0.21), "crush"),
        ((0.05, 0.05, 0.25), "crush"),
    ],
)
def test_shapes(losses: tuple[float, float, float], shape: str) -> None:
    assert grade("L1", evidence(losses)).shape == shape


@settings(derandomize=True, max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(-0.2, 0.8)] * 3), st.floats(0.02, 0.12), st.floats(0.0, 0.2))
def test_more_loss_never_unflags(losses: tuple[float, float, float], sd: float, more: float) -> None:
    before = grade("L1", evidence(losses, sd=sd))
    after = grade("L1", evidence(tuple(loss + more for loss in losses), sd=sd))  # type: ignore[arg-type]
    assert before.flagged is not None
    assert after.flagged or not before.flagged
    assert after.genant_grade >= before.genant_grade  # type: ignore[operator]
    assert before.flagged == (before.distance_to_threshold >= 0.0)  # type: ignore[operator]
    assert (before.shape is None) == (not before.flagged)
    assert bool(before.genant_grade) == before.flagged


def test_a_vague_norm_flags_nobody_early() -> None:
    vague = evidence((0.21, 0.0, 0.0), sd=0.09)
    np.testing.assert_allclose(thresholds(vague), 0.225)
    assert not grade("L5", vague).flagged
    assert grade("L5", evidence((0.23, 0.0, 0.0), sd=0.09)).flagged


@pytest.mark.parametrize("level", ["C7", "T1", "T3"])
def test_upper_levels_are_not_graded(level: str) -> None:
    found = grade(level, evidence((0.5, 0.5, 0.0)))
    assert (found.flagged, found.genant_grade, found.shape) == (None, None, None)
    assert [reason.code for reason in found.reasons] == ["level-not-graded"]
    assert grade("T4", evidence((0.5, 0.5, 0.0))).flagged


def test_unknown_heights_are_not_judged() -> None:
    found = grade("L1", evidence((np.nan, np.nan, np.nan)))
    assert found.flagged is None
    assert [reason.code for reason in found.reasons] == ["heights-unknown"]
    partly = grade("L1", evidence((0.3, np.nan, np.nan)))
    assert (partly.flagged, partly.genant_grade, partly.shape) == (True, 2, "wedge")


@pytest.mark.parametrize(
    ("given_evidence", "codes"),
    [
        (evidence((0.3, 0.1, 0.0)), ["height-lost", "ct-does-not-date"]),
        (evidence((0.02, 0.03, 0.0)), ["no-fracture-seen", "ct-does-not-date"]),
        (evidence((0.15, 0.0, 0.0)), ["no-fracture-seen", "height-borderline", "ct-does-not-date"]),
        (
            evidence((0.3, 0.0, 0.0), own_scale=True),
            ["height-lost", "scaled-by-own-wall", "ct-does-not-date"],
        ),
        (
            evidence((0.21, 0.0, 0.0), alternative=(0.15, 0.0, 0.0)),
            ["height-lost", "verdict-rests-on-reference", "ct-does-not-date"],
        ),
    ],
)
def test_reasons_are_registered_and_say_why(given_evidence: HeightEvidence, codes: list[str]) -> None:
    found = grade("L1", given_evidence)
    assert [reason.code for reason in found.reasons] == codes
    assert set(codes) <= set(finding_codes())
    assert all(reason.level == "L1" and reason.source and reason.text for reason in found.reasons)


def test_the_words_carry_the_numbers() -> None:
    text = grade("L1", evidence((0.0, 0.36, 0.0))).reasons[0].text
    for part in ("middle", "16.0 mm", "25.0", "36 %", "20 %"):
        assert part in text
    assert "does not date" in grade("L1", evidence((0.0, 0.0, 0.0))).reasons[-1].text
