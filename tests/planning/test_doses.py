"""Cement for a level and for a sitting, against values worked out by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vertebra_makers import vertebra

from endplate.planning.doses import (
    balloon_limit_ml,
    cancellous_volume_ml,
    cement_bounds,
    cement_dose,
    expected_volume_ml,
)
from endplate.planning.model import BalloonChoice, CementDose, LevelPlan
from endplate.planning.rules import load_rules
from endplate.planning.session import session_of

RULES = load_rules()


def test_volumes_behind_the_dose():
    body = vertebra(height_mm=15.0, volume_ml=18.0)
    assert expected_volume_ml(body) == pytest.approx(30.0)
    # 18 ml, less half a millimetre of shell on each side of 40 x 30 x 15 mm.
    assert cancellous_volume_ml(body, 0.5) == pytest.approx(18.0 * (39 / 40) * (29 / 30) * (14 / 15))
    assert expected_volume_ml(vertebra(expected_mm=None)) is None
    assert cancellous_volume_ml(vertebra(volume_ml=None), 0.5) is None


def test_a_fractured_body_gets_a_fifth_of_its_cancellous_volume():
    dose, decision = cement_dose(vertebra(height_mm=15.0, volume_ml=18.0), 2, RULES)
    # 0.20 x 15.83 ml = 3.17 ml, below 0.30 x 18 = 5.4 and the cap of 6 ml.
    assert dose.volume_ml == pytest.approx(3.1)
    assert dose.per_needle_ml == (1.6, 1.5)
    assert dose.limited_by == "target"
    assert decision.rule_id == "cement.target_fraction"
    assert decision.inputs["bound by lost volume, ml"] == pytest.approx(12.0 + 2.7)
    assert "posterior quarter" in dose.text


def test_a_whole_body_has_room_for_fifteen_percent_only():
    dose, _ = cement_dose(vertebra(), 1, RULES)
    assert (dose.volume_ml, dose.limited_by, dose.per_needle_ml) == (4.5, "regain", (4.5,))


def test_a_body_taller_than_expected_loses_no_room():
    bounds = cement_bounds(vertebra(height_mm=30.0, volume_ml=36.0), RULES)
    assert bounds.regain_ml == pytest.approx(0.15 * 36.0)


def test_the_cap_of_the_level():
    dose, _ = cement_dose(vertebra("T8", height_mm=20.0, volume_ml=24.0), 2, RULES)
    assert (dose.volume_ml, dose.limited_by, dose.cap_ml) == (3.0, "cap", 3.0)


def test_a_small_body_gets_the_least_dose_unless_a_bound_is_lower():
    dose, _ = cement_dose(vertebra(height_mm=12.0, volume_ml=9.0), 2, RULES)
    assert (dose.volume_ml, dose.limited_by) == (2.0, "minimum")
    dose, _ = cement_dose(vertebra(height_mm=8.0, volume_ml=6.0), 2, RULES)
    assert (dose.volume_ml, dose.limited_by) == (1.8, "fill")


def test_a_cleft_sets_the_dose():
    dose, decision = cement_dose(vertebra(height_mm=15.0, volume_ml=18.0, cleft_ml=1.2), 2, RULES)
    assert (dose.volume_ml, dose.limited_by) == (2.7, "cleft")
    assert "border" in dose.text
    assert decision.source.startswith("cleft-pairs2021")
    tiny, _ = cement_dose(vertebra(height_mm=15.0, volume_ml=18.0, cleft_ml=0.09), 2, RULES)
    assert tiny.limited_by == "target"


def test_cavities_are_filled_with_a_little_more():
    dose, _ = cement_dose(vertebra(height_mm=15.0, volume_ml=18.0), 2, RULES, balloons_ml=(2.0, 1.5))
    # 3.5 ml of cavities and 0.5 ml for each.
    assert (dose.volume_ml, dose.limited_by) == (4.5, "cavity")
    assert dose.per_needle_ml == (2.6, 1.9)


def test_a_balloon_takes_no_more_than_cement_may_fill():
    body = vertebra("T12", height_mm=15.0, volume_ml=18.0)
    assert balloon_limit_ml(body, 2, RULES) == pytest.approx(4.5 / 2 - 0.5)
    assert balloon_limit_ml(body, 1, RULES) == pytest.approx(4.0)
    limit = balloon_limit_ml(body, 2, RULES)
    dose, _ = cement_dose(body, 2, RULES, balloons_ml=(limit, limit))
    assert dose.volume_ml == 4.5
    assert balloon_limit_ml(vertebra("T2", volume_ml=2.0), 2, RULES) == 0.0


def test_an_unknown_volume_gives_no_dose_but_the_cap():
    dose, decision = cement_dose(vertebra("T6", volume_ml=None), 2, RULES)
    assert (dose.volume_ml, dose.ladder, dose.cap_ml, dose.limited_by) == (None, None, 3.0, None)
    assert decision.outcome == "unknown"
    assert "not known" in dose.text


def test_an_unknown_expectation_sets_no_bound_and_says_so():
    dose, _ = cement_dose(vertebra(expected_mm=None), 2, RULES)
    assert (dose.volume_ml, dose.limited_by) == (5.4, "target")
    assert "sets no bound" in dose.text


def test_the_ladder_is_capped_where_it_passes_the_cap():
    dose, _ = cement_dose(vertebra(), 2, RULES)
    steps = [(step.fraction, step.volume_ml, step.capped) for step in dose.ladder or ()]
    assert steps == [(0.15, 4.5, False), (0.20, 6.0, False), (0.25, 6.0, True), (0.30, 6.0, True)]


@given(
    level=st.sampled_from(["T2", "T5", "T9", "T10", "T12", "L1", "L5"]),
    height=st.floats(5.0, 35.0),
    volume=st.floats(2.0, 60.0),
    cleft=st.one_of(st.none(), st.floats(0.0, 10.0)),
    needles=st.integers(1, 2),
    balloon=st.one_of(st.none(), st.floats(1.0, 6.0)),
)
def test_no_dose_passes_a_bound_and_the_parts_add_up(level, height, volume, cleft, needles, balloon):
    body = vertebra(level, height_mm=height, volume_ml=volume, cleft_ml=cleft)
    filled = () if balloon is None else (balloon,) * needles
    dose, _ = cement_dose(body, needles, RULES, balloons_ml=filled)
    bounds = cement_bounds(body, RULES)
    assert dose.volume_ml is not None
    assert dose.volume_ml <= min(bounds.cap_ml, bounds.fill_ml) + 1e-9
    if balloon is None:
        assert dose.volume_ml <= bounds.upper_ml + 1e-9
    assert sum(dose.per_needle_ml) == pytest.approx(dose.volume_ml, abs=1e-9)
    assert len(dose.per_needle_ml) == needles


def level_plan(level: str, volume_ml: float | None, contrast_ml: float | None = None) -> LevelPlan:
    """A plan whose paths matter only by being there."""
    balloon = None
    if contrast_ml is not None:
        balloon = BalloonChoice(
            name="15/3",
            length_mm=15.0,
            volume_ml=2.0,
            max_volume_ml=4.0,
            rated_pressure_mpa=2.758,
            inflated_diameter_mm=15.0,
            contrast_ml=contrast_ml,
            recalled=True,
        )
    plan = LevelPlan(
        level=level, technique="vertebroplasty", access="bipedicular", fracture_seen=True, balloon=balloon
    )
    return plan.model_copy(update={"paths": ("needle",), "cement": CementDose(volume_ml=volume_ml)})


def codes(*plans: LevelPlan) -> list[str]:
    return [item.code for item in session_of(plans, RULES).warnings]


def test_a_sitting_is_summed_up():
    session = session_of([level_plan("T12", 3.0, 12.0), level_plan("L1", 4.0, 14.0)], RULES)
    assert (session.cement_total_ml, session.contrast_total_ml, session.warnings) == (7.0, 26.0, ())
    assert codes(level_plan("T12", 3.0), level_plan("L1", 4.1)) == ["session-cement-caution"]
    assert session_of([], RULES).cement_total_ml is None


def test_a_refused_level_adds_nothing():
    refused = level_plan("L2", 5.0).model_copy(update={"paths": ()})
    session = session_of([level_plan("L1", 4.0), refused], RULES)
    assert (session.cement_total_ml, session.contrast_total_ml) == (4.0, None)


def test_too_much_for_one_sitting():
    four = [level_plan(level, 1.5) for level in ("T11", "T12", "L1", "L2")]
    assert codes(*four[:3]) == []
    assert codes(*four) == ["session-levels"]
    assert codes(*[level_plan(level, 6.0) for level in ("L1", "L2", "L3", "L4", "L5")]) == [
        "session-cement-max",
        "session-levels",
    ]
    assert codes(level_plan("T12", 3.0), level_plan("L1", None)) == ["session-dose-unknown"]
