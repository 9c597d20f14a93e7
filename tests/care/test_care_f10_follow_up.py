"""F10: follow-up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.model import Evaluation

Judge = Callable[..., Evaluation]
VISIT = {"at": "2027-01-18T10:00", "kind": "visit"}


def seen(judge: Judge, **review: Any) -> Evaluation:
    return judge(
        as_of="2027-01-18T12:00", referral={"rmdq": 18}, follow_up={"reviews": [{**VISIT, **review}]}
    )


def test_f10_1_the_dates(judge: Judge) -> None:
    found = {item.what: item for item in judge().timeline}
    call = found["followup.call"]
    assert (call.at[:10], (call.until or "")[:10]) == ("2026-12-08", "2026-12-10")
    assert found["followup.visit"].at[:10] == "2027-01-18"
    assert found["followup.3-months"].at[:10] == "2027-03-07"
    assert found["followup.12-months"].at[:10] == "2027-12-07"


def test_f10_2_the_course_stands_beside_the_trial_and_is_no_success(judge: Judge) -> None:
    found = seen(judge, pain=3, pain_scale="NRS", rmdq_yes=9, rmdq_answered=24)
    trend = found.trend
    assert trend is not None
    assert [(point.nrs, point.rmdq) for point in trend.points] == [(8, 18), (3, 9)]
    assert "both arms of trials" in trend.text
    assert "success" not in trend.text
    assert {step["source"] for step in trend.trial} == {"vertos4"}
    assert all(step["low"] < 0 < step["high"] for step in trend.trial)


def test_f10_3_twenty_of_24_items_are_not_scored(bench, judge: Judge) -> None:
    found = seen(judge, rmdq_yes=9, rmdq_answered=20)
    card = found.card("care-rmdq-incomplete")
    assert card is not None
    assert card.summary == "20/24, not scored."
    assert found.trend is not None
    assert found.trend.points[-1].rmdq is None
    assert next(score for score in found.scores if score.name == "RMDQ").total is None
    ruled = bench.pack(
        rmdq__min_answered="{value: 20, override_reason: our rule, source: [{kind: local, ref: us}]}"
    )
    review = {**VISIT, "rmdq_yes": 9, "rmdq_answered": 20}
    assert judge(pack=ruled, follow_up={"reviews": [review]}).card("care-rmdq-incomplete") is None


@pytest.mark.parametrize(("pain", "scale"), [(45, "NRS"), (45, "VAS-100"), (4.5, "NRS"), (4, None)])
def test_f10_4_a_value_of_another_scale_is_asked_back(judge: Judge, pain: float, scale: str | None) -> None:
    found = seen(judge, pain=pain, pain_scale=scale)
    assert found.card("care-pain-scale") is not None
    assert found.trend is not None
    assert found.trend.points[-1].nrs is None


def test_f10_5_a_new_wedge_is_recorded_and_the_bone_treated(judge: Judge) -> None:
    found = seen(judge, new_fractures=[{"level": "L2", "shape": "wedge", "seen_on": "2027-01-18"}])
    card = found.card("care-new-fracture")
    assert card is not None
    assert card.inputs["levels"] == ["L2"]
    assert any("adverse event" in call.why for call in found.calls)


@pytest.mark.parametrize(("error", "words"), [(4.0, "within"), (2.0, "differs"), (None, "not known")])
def test_f10_6_planned_and_achieved_angle_with_the_error(
    judge: Judge, error: float | None, words: str
) -> None:
    angle = {"level": "L1", "planned_deg": 8, "achieved_deg": 5, "error_deg": error}
    delta = next(delta for delta in seen(judge, angles=[angle]).deltas if delta.what == "kyphosis")
    assert (delta.planned, delta.actual, delta.difference, delta.unit) == (8, 5, -3, "°")
    assert words in delta.text


def test_f10_6_heights_too(judge: Judge) -> None:
    angle = {"level": "L1", "planned_height_mm": 24, "achieved_height_mm": 23, "error_mm": 1.5}
    assert [delta.what for delta in seen(judge, angles=[angle]).deltas] == ["height"]


def test_f10_7_two_contacts_without_reply_go_to_the_coordinator(judge: Judge) -> None:
    tries = ["2026-12-08T10:00", "2026-12-09T10:00"]
    found = judge(follow_up={"unanswered": tries})
    assert found.card("care-no-reply") is not None
    assert any(call.who == "coordinator" for call in found.calls)
    assert judge(follow_up={"unanswered": tries[:1]}).card("care-no-reply") is None
    answered = judge(follow_up={"unanswered": tries, "reviews": [{**VISIT, "kind": "call"}]})
    assert answered.card("care-no-reply") is None


@pytest.mark.parametrize("ended", ["died", "withdrew"])
def test_f10_8_after_death_or_withdrawal_all_messages_stop(judge: Judge, ended: str) -> None:
    found = judge(
        follow_up={"ended": ended, "unanswered": ["2026-12-08T10:00", "2026-12-09T10:00"]},
        printed=[{"kind": "leaflet", "at": "2026-12-01T10:00", "instructions_hash": "0" * 64}],
    )
    assert found.card(f"care-ended-{ended}") is not None
    assert found.calls == ()
    assert found.papers == ()
    assert not [item for item in found.timeline if item.what.startswith("followup.")]
