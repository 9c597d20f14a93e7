"""F6: the procedure record."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.model import Evaluation
from endplate.care.udi import check_digit_holds, parse_udi

Judge = Callable[..., Evaluation]
GTIN = "09506000134352"
CEMENT = {
    "kind": "cement",
    "name": "Test cement",
    "model": "HV-1",
    "maker": "Maker",
    "udi": f"(01){GTIN}(17)280131(10)L1",
    "level": "L1",
}
RECORD: dict[str, Any] = {
    "start": "2026-12-07T09:00",
    "end": "2026-12-07T09:45",
    "sedation_end": "2026-12-07T09:45",
    "levels_treated": ["L1"],
    "leaks": [],
    "haematoma": "no",
    "antibiotic_given": "no",
    "dose_report": True,
    "delivered": [
        {"level": "L1", "side": "left", "cement_ml": 2.1},
        {"level": "L1", "side": "right", "cement_ml": 2.3},
    ],
    "devices": [CEMENT],
}


def test_f6_1_an_expired_device_is_stopped_before_use(judge: Judge) -> None:
    device = {**CEMENT, "udi": f"(01){GTIN}(17)141120(10)L1"}
    card = judge(record={"devices": [device]}).card("care-udi-expired")
    assert card is not None
    assert card.indicator == "critical"
    assert not card.overridable
    assert "2014-11-20" in card.detail + card.summary


def test_f6_2_two_expiry_dates_are_both_shown_and_block(judge: Judge) -> None:
    found = judge(record={"devices": [{**CEMENT, "expiry": "2027-01-01"}]})
    card = found.card("care-udi-mismatch:cement-1-expiry")
    assert card is not None
    assert "2028-01-31" in card.summary + card.detail
    assert "2027-01-01" in card.summary + card.detail
    assert not found.gate("procedure").open
    assert (
        judge(record={"devices": [{**CEMENT, "lot": "L2"}]}).card("care-udi-mismatch:cement-1-lot")
        is not None
    )


def test_f6_3_done_is_compared_with_planned_and_handed_on(judge: Judge) -> None:
    found = judge(record=RECORD)
    deltas = {(delta.side, delta.planned, delta.actual, delta.difference) for delta in found.deltas}
    assert deltas == {("left", 2.4, 2.1, -0.3), ("right", 2.4, 2.3, -0.1)}
    assert [(done["side"], done["cement_ml"]) for done in found.as_done] == [("left", 2.1), ("right", 2.3)]


def test_f6_4_too_much_cement_or_pressure_warns(judge: Judge) -> None:
    delivered = [
        {"level": "L1", "side": "left", "cement_ml": 3.2, "balloon_pressure_mpa": 3.0},
        {"level": "L1", "side": "right", "cement_ml": 3.0, "balloon_pressure_mpa": 2.0},
    ]
    found = judge(record={**RECORD, "delivered": delivered})
    assert found.card("care-cement-above:L1") is not None
    assert found.card("care-balloon-pressure:L1-left") is not None
    assert found.card("care-balloon-pressure:L1-right") is None
    assert judge(record=RECORD).card("care-cement-above") is None


def test_f6_5_a_posterior_leak_in_the_chest_brings_closer_observation_and_a_ct(bench, judge: Judge) -> None:
    record = {**RECORD, "levels_treated": ["T12"], "leaks": [{"level": "T12", "route": "cortical-posterior"}]}
    found = judge(plan=bench.plan_for("T12"), record=record, recovery={})
    card = found.card("care-leak-canal")
    assert card is not None
    assert "CT" in card.detail
    assert [due.at[11:16] for due in found.due] == [
        "10:00",
        "10:15",
        "10:30",
        "10:45",
        "11:00",
        "11:15",
        "11:30",
        "11:45",
    ]


def test_f6_6_complete_data_make_the_implant_card(judge: Judge) -> None:
    found = judge(record=RECORD)
    assert "implant-card" in found.papers
    implant = found.implants[0]
    assert (implant.lot, implant.level, implant.date) == ("L1", "L1", "2026-12-07")
    lacking = judge(record={**RECORD, "devices": [{**CEMENT, "maker": None}]})
    assert "implant-card" not in lacking.papers
    card = lacking.card("care-implant-incomplete")
    assert card is not None
    assert card.inputs["missing"] == ["maker"]
    assert judge(record={**RECORD, "devices": []}).card("care-implant-incomplete") is not None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"(01){GTIN}(17)280131(10)A1", None),
        (f"01{GTIN}1728013110A1\x1d21S9", None),
        (f"(01){GTIN[:-1]}9(17)280131(10)A1", "check digit"),
        (f"(01){GTIN}(17)281331(10)A1", "does not exist"),
        (f"(01){GTIN}(17)280230(10)A1", "does not exist"),
        ("(17)280131(10)A1", "no device number"),
        ("+A123BJC5D6E71G", "issuer"),
        ("hello", "cannot be read"),
        (f"(01){GTIN}(01){GTIN}", "twice"),
        ("(01)123", "14 digits"),
        ("", "no device number"),
    ],
)
def test_identifiers_are_read_or_the_problem_is_named(text: str, problem: str | None) -> None:
    found = parse_udi(text)
    if problem is None:
        assert found.problem is None
        assert (found.lot, str(found.expiry)) == ("A1", "2028-01-31")
    else:
        assert found.problem is not None
        assert problem in found.problem


def test_day_00_is_the_months_last() -> None:
    assert str(parse_udi(f"(01){GTIN}(17)280200").expiry) == "2028-02-29"


def test_a_check_digit_is_the_published_examples() -> None:
    assert check_digit_holds(GTIN)
    assert not check_digit_holds("09506000134353")


def test_an_unreadable_identifier_is_told(judge: Judge) -> None:
    assert judge(record={"devices": [{**CEMENT, "udi": "hello"}]}).card("care-udi-unreadable") is not None


def test_the_wrong_level_is_told_at_once(judge: Judge) -> None:
    card = judge(record={**RECORD, "levels_treated": ["L2"]}).card("care-wrong-level-done")
    assert card is not None
    assert not card.overridable


def test_an_incomplete_or_backward_record_is_told(judge: Judge) -> None:
    found = judge(record={"start": "2026-12-07T09:00", "end": "2026-12-07T08:00"})
    assert found.card("care-record-times") is not None
    card = found.card("care-record-incomplete")
    assert card is not None
    assert "antibiotic given or not" in card.inputs["missing"]
    assert "radiation-dose-documented" in card.verify


def test_stitches_get_their_date(bench, judge: Judge) -> None:
    procedure = {"closure": "sutures"}
    assert judge(record=RECORD, procedure=procedure).card("care-site-choice-missing") is not None
    pack = bench.pack(closure__suture_removal="{value: P10D, source: [{kind: local, ref: ward}]}")
    found = judge(record=RECORD, procedure=procedure, pack=pack)
    assert next(item.at for item in found.timeline if item.what == "wound.sutures_out").startswith(
        "2026-12-17"
    )
