"""F9: the form of warning signs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.model import Evaluation, RedFlagResult
from endplate.care.redflags import next_question, questions
from endplate.errors import InputError

Judge = Callable[..., Evaluation]
NO = dict.fromkeys(questions(), False)


def answer(judge: Judge, answers: dict[str, bool], **change: Any) -> tuple[Evaluation, RedFlagResult]:
    form = {
        "submitted": "2026-12-09T10:00",
        "complete": True,
        "answered_by": "patient",
        "language": "en",
        "answers": answers,
        **change,
    }
    found = judge(red_flags=[form])
    return found, found.red_flags[0]


def test_f9_1_numb_between_the_legs_alone_is_an_emergency_before_any_other_question(judge: Judge) -> None:
    assert next_question({}) == "saddle_numbness"
    assert next_question({"saddle_numbness": True}) is None
    found, result = answer(judge, {"saddle_numbness": True}, complete=False)
    assert result.action == "emergency"
    assert result.contact == "emergency-number"
    card = found.card("care-red-flag-emergency")
    assert card is not None
    assert card.indicator == "critical"


def test_f9_2_a_tight_chest_is_an_emergency(judge: Judge) -> None:
    assert answer(judge, {**NO, "chest": True})[1].action == "emergency"


def test_f9_3_fever_alone_is_enough_from_38_0(judge: Judge) -> None:
    assert answer(judge, NO, temperature_c=38.0)[1].action == "same-day"
    assert answer(judge, NO, temperature_c=37.9)[1].action == "none-reported"


def test_f9_4_pus_without_fever_is_enough(judge: Judge) -> None:
    assert answer(judge, {**NO, "wound": True}, temperature_c=37.6)[1].action == "same-day"


def test_f9_5_worse_pain_brings_a_clinician_and_the_work_up(judge: Judge) -> None:
    found, result = answer(judge, {**NO, "pain_worse": True})
    assert result.action == "same-day"
    assert any("new fracture" in call.why for call in found.calls)
    assert answer(judge, NO, pain_nrs=9)[1].flags == ("pain_worse",)


def test_f9_6_a_contradiction_counts_as_yes(judge: Judge) -> None:
    assert answer(judge, {**NO, "leg_weakness": False, "foot_drop": True})[1].action == "emergency"


def test_f9_7_a_form_left_half_way_still_shows_the_emergency_page(judge: Judge) -> None:
    found, result = answer(judge, {"saddle_numbness": False}, complete=False)
    assert result.show_emergency
    assert "emergency number" in result.text
    assert found.card("care-red-flag-unfinished") is not None
    assert any(call.who == "clinician" for call in found.calls)


def test_f9_8_all_no_is_no_reassurance(judge: Judge) -> None:
    found, result = answer(judge, NO)
    assert result.action == "none-reported"
    assert result.text.startswith("You reported no warning sign today")
    assert "Call at once" in result.text
    assert "fine" not in result.text
    card = found.card("care-red-flag-none")
    assert card is not None
    assert "no examination" in card.detail


def test_f9_9_who_answered_and_in_which_language_is_kept(judge: Judge) -> None:
    result = answer(judge, NO, answered_by="carer", language="ar")[1]
    assert (result.answered_by, result.language) == ("carer", "ar")


@pytest.mark.parametrize(
    ("submitted", "contact"),
    [
        ("2026-12-09T03:00", "after-hours"),
        ("2026-12-09T10:00", "site-phone"),
        ("2026-12-09T17:00", "after-hours"),
        ("2026-12-12T10:00", "after-hours"),
    ],
)
def test_f9_10_at_night_the_telephone_that_is_answered_is_named(
    judge: Judge, submitted: str, contact: str
) -> None:
    assert answer(judge, {**NO, "wound": True}, submitted=submitted)[1].contact == contact


@pytest.mark.parametrize("question", sorted(questions()))
def test_every_single_sign_escalates(judge: Judge, question: str) -> None:
    result = answer(judge, {**NO, question: True})[1]
    assert result.action == questions()[question]["action"]
    assert result.action != "none-reported"


@pytest.mark.parametrize(
    "question", ["leg_weakness", "foot_drop", "walking", "bladder_bowel", "saddle_numbness", "both_legs"]
)
def test_weakness_walking_and_bladder_or_bowel_are_emergencies(question: str) -> None:
    assert questions()[question]["action"] == "emergency"


def test_an_unknown_question_is_refused(judge: Judge) -> None:
    with pytest.raises(InputError, match="does not exist"):
        answer(judge, {"feeling": True})


def test_every_red_flag_row_of_the_leaflets_has_a_question() -> None:
    assert {entry["row"] for entry in questions().values()} == {f"P-RED-{n:02d}" for n in range(1, 8)}
