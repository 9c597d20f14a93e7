"""F3: antithrombotics and laboratory values under the guideline sir-2019."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.model import Evaluation, TimelineEntry
from endplate.care.times import short

Judge = Callable[..., Evaluation]
APIXABAN = {"name": "apixaban", "dose_mg": 5, "times": ["08:00", "20:00"]}
TAKEN = "2026-12-05T09:00"


def labs(**values: Any) -> list[dict[str, Any]]:
    """INR, platelets and haemoglobin as normal, with changes; ``None`` leaves one out."""
    units = {
        "inr": "1",
        "platelets": "10^9/L",
        "haemoglobin": "g/L",
        "creatinine-clearance": "ml/min",
        "fibrinogen": "mg/dL",
    }
    found = {"inr": 1.1, "platelets": 210, "haemoglobin": 128}
    found |= {name.replace("_", "-"): value for name, value in values.items()}
    return [
        {"test": test, "value": value, "unit": units[test], "taken": TAKEN}
        for test, value in found.items()
        if value is not None
    ]


def hold(found: Evaluation, drug: str) -> TimelineEntry | None:
    return next((item for item in found.timeline if item.what == f"hold.{drug}"), None)


@pytest.mark.parametrize(
    ("clearance", "rule", "counted", "uncounted"),
    [
        (72, 4, ("2026-12-05T08:00+00:00", 49), ("2026-12-04T20:00+00:00", 61)),
        (41, 6, ("2026-12-04T08:00+00:00", 73), ("2026-12-03T20:00+00:00", 85)),
    ],
    ids=["f3.1", "f3.2"],
)
def test_f3_1_f3_2_doses_are_counted_both_ways_and_the_packs_way_is_used(
    bench, judge: Judge, clearance: int, rule: int, counted: tuple[str, int], uncounted: tuple[str, int]
) -> None:
    case = {"medicines": [APIXABAN], "labs": labs(creatinine_clearance=clearance)}
    mine = hold(judge(**case), "apixaban")
    assert mine is not None
    assert mine.inputs["withheld"] == rule
    assert (mine.at, mine.inputs["hours"]) == uncounted
    assert (mine.inputs["other_at"], mine.inputs["other_hours"]) == counted
    assert f"{uncounted[1]} hours" in mine.text
    assert f"{counted[1]} hours" in mine.text
    assert f"{short(dt.datetime.fromisoformat(counted[0]))} ({counted[1]} hours)" in mine.text
    key = "antithrombotic__count_procedure_morning_dose"
    source = "source: [{kind: guideline, ref: sir2019-transcription}]"
    text = f"{{value: true, override_reason: as the pharmacy reads it, {source}}}"
    other = hold(judge(**case, pack=bench.pack(**{key: text})), "apixaban")
    assert other is not None
    assert (other.at, other.inputs["hours"]) == counted


def test_moments_for_readers_are_written_in_english_whatever_the_locale() -> None:
    assert short(dt.datetime(2026, 12, 5, 8, 0)) == "Sat 05 Dec 08:00"


def test_f3_1_once_a_day_the_two_ways_are_49_and_73_hours(judge: Judge) -> None:
    medicines = [{"name": "rivaroxaban", "times": ["08:00"]}]
    found = hold(judge(medicines=medicines, labs=labs(creatinine_clearance=72)), "rivaroxaban")
    assert found is not None
    assert (found.inputs["other_hours"], found.inputs["hours"]) == (49, 73)


def test_f3_1_restart_is_a_day_after(judge: Judge) -> None:
    record = {"start": "2026-12-07T09:00", "end": "2026-12-07T09:45", "leaks": [], "haematoma": "no"}
    found = judge(medicines=[APIXABAN], record=record)
    restart = next(item for item in found.timeline if item.what == "restart.apixaban")
    assert restart.at == "2026-12-08T09:45+00:00"
    assert restart.bound == "not-before"


def test_f3_3_without_kidney_function_no_date_is_printed(judge: Judge) -> None:
    found = judge(medicines=[APIXABAN])
    card = found.card("care-hold-cannot-compute:apixaban")
    assert card is not None
    assert card.indicator == "critical"
    assert hold(found, "apixaban") is None
    assert not found.gate("leaflet").open


def test_f3_3_below_the_table_no_date_is_printed(judge: Judge) -> None:
    medicines = [{"name": "rivaroxaban", "times": ["08:00"]}]
    found = judge(medicines=medicines, labs=labs(creatinine_clearance=12))
    assert hold(found, "rivaroxaban") is None
    assert found.card("care-hold-cannot-compute:rivaroxaban") is not None


def test_f3_4_inr_2_6_on_warfarin_is_critical(judge: Judge) -> None:
    found = judge(medicines=[{"name": "warfarin", "times": ["18:00"]}], labs=labs(inr=2.6))
    card = found.card("care-inr-high")
    assert card is not None
    assert card.indicator == "critical"
    assert "1.8" in card.summary
    assert "again" in card.detail
    warfarin = hold(found, "warfarin")
    assert warfarin is not None
    assert warfarin.at == "2026-12-02T09:00+00:00"


def test_f3_5_normal_values_raise_no_card(judge: Judge) -> None:
    found = judge(labs=labs(inr=1.6, platelets=180))
    assert not [card for card in found.cards if card.rule_id.startswith("F3")]


def test_f3_6_liver_disease_has_its_own_row(judge: Judge) -> None:
    history = {"chronic_liver_disease": "yes"}
    card = judge(history=history, labs=labs(inr=2.2)).card("care-liver-row")
    assert card is not None
    assert "liver" in card.summary
    assert "2.5" in card.detail
    assert judge(history=history, labs=labs(inr=2.5)).card("care-inr-high-liver") is not None
    assert judge(history=history, labs=labs(platelets=40)).card("care-platelets-low") is None
    assert judge(history=history, labs=labs(fibrinogen=90)).card("care-fibrinogen-low") is not None


def test_f3_7_platelets_48_are_critical(judge: Judge) -> None:
    card = judge(labs=labs(platelets=48)).card("care-platelets-low")
    assert card is not None
    assert card.indicator == "critical"


@pytest.mark.parametrize(("typed", "unit"), [(48000, "10^9/L"), (0.048, "10^9/L"), (210, None), (210, "/uL")])
def test_f3_8_an_unclear_platelet_count_is_asked_back_never_scaled(
    judge: Judge, typed: float, unit: str | None
) -> None:
    values = [lab for lab in labs() if lab["test"] != "platelets"]
    found = judge(labs=[*values, {"test": "platelets", "value": typed, "unit": unit, "taken": TAKEN}])
    assert found.card("care-lab-problem:platelets") is not None
    assert found.card("care-platelets-low") is None


@pytest.mark.parametrize(
    ("typed", "comma", "problem"),
    [
        ("1,4", True, None),
        ("1,4", False, "locale"),
        ("1.4", True, "locale"),
        ("14", True, "implausible"),
        (0.2, False, "implausible"),
        ("1.4", False, None),
    ],
)
def test_f3_9_inr_is_read_by_the_locale_and_checked(
    judge: Judge, typed: Any, comma: bool, problem: str | None
) -> None:
    card = judge(labs=labs(inr=typed), decimal_comma=comma).card("care-lab-problem:inr")
    if problem is None:
        assert card is None
    else:
        assert card is not None
        assert problem in card.summary + card.detail


def test_f3_9_a_confirmed_value_is_used(judge: Judge) -> None:
    values = [lab for lab in labs() if lab["test"] != "inr"]
    found = judge(
        labs=[*values, {"test": "inr", "value": 14, "unit": "1", "taken": TAKEN, "confirmed": True}]
    )
    assert found.card("care-inr-high") is not None


def test_f3_10_after_a_recent_stent_no_date_and_cardiology_decides(judge: Judge) -> None:
    found = judge(
        medicines=[{"name": "aspirin", "times": ["08:00"]}], history={"coronary_stent_date": "2026-10-05"}
    )
    card = found.card("care-hold-specialist:aspirin")
    assert card is not None
    assert "cardiology decision" in card.summary
    assert hold(found, "aspirin") is None
    assert "never-auto-intervals" in card.verify


def test_f3_11_for_aspirin_the_clinician_picks(judge: Judge) -> None:
    aspirin = {"name": "aspirin", "times": ["08:00"]}
    found = judge(medicines=[aspirin])
    card = found.card("care-aspirin-choice")
    assert card is not None
    assert {"sir2019-transcription", "asra-imaging-network", "sir-older"} <= set(card.source)
    assert hold(found, "aspirin") is None
    chosen = judge(medicines=[{**aspirin, "chosen_last_dose": "2026-12-03T08:00"}])
    dose = hold(chosen, "aspirin")
    assert dose is not None
    assert dose.at.startswith("2026-12-03T08:00")


def test_f3_12_a_mechanical_valve_has_no_automatic_dates(judge: Judge) -> None:
    found = judge(medicines=[{"name": "warfarin", "times": ["18:00"]}], history={"mechanical_valve": "yes"})
    card = found.card("care-hold-specialist:warfarin")
    assert card is not None
    assert "bridging decision" in card.summary
    assert hold(found, "warfarin") is None


def test_f3_13_a_trade_name_is_the_same_drug(judge: Judge) -> None:
    medicines = [APIXABAN, {**APIXABAN, "name": "Eliquis 5 mg"}]
    found = judge(medicines=medicines, labs=labs(creatinine_clearance=72))
    assert found.card("care-drug-twice:apixaban") is not None
    assert [item.what for item in found.timeline if item.what.startswith("hold.")] == ["hold.apixaban"]
    assert found.card("care-hold-combined") is None


def test_f3_14_two_drugs_keep_their_own_dates_and_are_told_together(judge: Judge) -> None:
    medicines = [APIXABAN, {"name": "clopidogrel", "times": ["08:00"]}]
    found = judge(medicines=medicines, labs=labs(creatinine_clearance=72))
    apixaban, clopidogrel = hold(found, "apixaban"), hold(found, "clopidogrel")
    assert apixaban is not None
    assert clopidogrel is not None
    assert apixaban.at == "2026-12-04T20:00+00:00"
    assert clopidogrel.at == "2026-12-02T09:00+00:00"
    assert found.card("care-hold-combined") is not None


def test_f3_15_an_unknown_name_must_be_classed_by_a_human(judge: Judge) -> None:
    found = judge(medicines=[{"name": "NattoPlus"}])
    card = found.card("care-drug-unknown")
    assert card is not None
    assert card.indicator == "critical"
    assert "NattoPlus" in card.summary + card.detail
    assert (
        judge(medicines=[{"name": "NattoPlus", "human_class": "not-antithrombotic"}]).card(
            "care-drug-unknown"
        )
        is None
    )
    classed = judge(medicines=[{"name": "NattoPlus", "human_class": "antithrombotic"}])
    assert classed.card("care-hold-no-rule") is not None


def test_f3_15_a_disguised_name_is_shown_without_its_disguise(judge: Judge) -> None:
    card = judge(medicines=[{"name": "Natto\u202e\nPlus\x00"}]).card("care-drug-unknown")
    assert card is not None
    assert "Natto Plus" in card.summary + card.detail


@pytest.mark.parametrize("name", ["fish oil", "cilostazol", "Omega-3"])
def test_f3_16_no_hold_says_why(judge: Judge, name: str) -> None:
    found = judge(medicines=[{"name": name}])
    card = found.card("care-no-hold")
    assert card is not None
    assert card.detail
    assert not [item for item in found.timeline if item.what.startswith("hold.")]


def test_f3_17_a_moved_procedure_makes_the_old_instructions_wrong(judge: Judge) -> None:
    case = {"medicines": [APIXABAN], "labs": labs(creatinine_clearance=72)}
    before = judge(**case)
    printed = [{"kind": "leaflet", "at": "2026-12-01T10:00", "instructions_hash": before.instructions_hash}]
    same = judge(**case, printed=printed)
    assert same.card("care-instructions-outdated") is None
    moved = judge(**case, printed=printed, procedure={"start": "2026-12-06T09:00"})
    assert moved.card("care-instructions-outdated") is not None
    assert any(call.who == "patient" for call in moved.calls)
    assert moved.instructions_hash != before.instructions_hash


def test_f3_17_the_discharge_pack_replaces_the_leaflet_of_before(judge: Judge) -> None:
    printed = [{"kind": "leaflet", "at": "2026-12-01T10:00", "instructions_hash": judge().instructions_hash}]
    record = {"start": "2026-12-07T09:20", "end": "2026-12-07T10:00"}
    assert judge(printed=printed, record=record).card("care-instructions-outdated") is None
    late = [{**printed[0], "kind": "discharge", "at": "2026-12-07T11:00"}]
    assert judge(printed=late, record=record).card("care-instructions-outdated") is not None


def test_f3_18_a_dose_on_the_day_stops(judge: Judge) -> None:
    medicines = [{**APIXABAN, "taken_on_procedure_day": True}]
    card = judge(medicines=medicines, labs=labs(creatinine_clearance=72)).card("care-taken-today")
    assert card is not None
    assert not card.overridable


def test_f3_19_enoxaparin_without_its_purpose_is_asked_back(judge: Judge) -> None:
    medicine = {"name": "enoxaparin", "dose_mg": 80, "times": ["20:00"]}
    found = judge(medicines=[medicine], person={"weight_kg": None})
    assert found.card("care-hold-cannot-compute:enoxaparin") is not None
    assert hold(found, "enoxaparin") is None
    told = hold(judge(medicines=[{**medicine, "intent": "prophylactic"}]), "enoxaparin")
    assert told is not None
    assert told.inputs["withheld"] == 1


@pytest.mark.parametrize(
    "record",
    [
        {"leaks": [{"level": "L1", "route": "canal"}], "haematoma": "no"},
        {"leaks": [], "haematoma": "yes"},
        {"leaks": None, "haematoma": "no"},
    ],
)
def test_f3_20_after_a_leak_or_haematoma_the_clinician_sets_the_restart(
    judge: Judge, record: dict[str, Any]
) -> None:
    times = {"start": "2026-12-07T09:00", "end": "2026-12-07T09:45"}
    found = judge(medicines=[APIXABAN], record={**times, **record})
    assert found.card("care-restart-clinician:apixaban") is not None
    assert not [item for item in found.timeline if item.what.startswith("restart.")]


def test_f3_21_stopping_alone_is_flagged(judge: Judge) -> None:
    medicines = [{"name": "warfarin", "times": ["18:00"], "stopped_by_self": True}]
    card = judge(medicines=medicines).card("care-stopped-alone")
    assert card is not None
    assert card.indicator == "warning"


def test_medicines_that_were_not_asked_are_not_none(judge: Judge) -> None:
    assert judge(medicines=None).card("care-medicines-not-asked") is not None


def test_missing_and_old_values_are_asked_for(judge: Judge) -> None:
    assert judge(labs=labs(inr=None)).card("care-labs-missing") is not None
    old = [{**lab, "taken": "2026-11-20T09:00"} for lab in labs()]
    assert judge(labs=old).card("care-labs-missing") is not None
    early = judge(labs=[], as_of="2026-11-25T09:00")
    assert early.gate("leaflet").open
    assert early.gate("procedure").blocked_by == ("care-labs-due",)
    assert early.card("care-labs-missing") is None
    assert early.card("care-labs-due") is not None


def test_drugs_that_need_a_specialist_have_no_date(judge: Judge) -> None:
    found = judge(medicines=[{"name": "cangrelor"}, {"name": "ibuprofen"}])
    assert found.card("care-hold-decide:cangrelor") is not None
    assert found.card("care-hold-decide:ibuprofen") is not None


def test_a_loading_dose_of_clopidogrel_starts_later(judge: Judge) -> None:
    record = {"start": "2026-12-07T09:00", "end": "2026-12-07T09:45", "leaks": [], "haematoma": "no"}
    for loading, at in ((False, "2026-12-07T15:45+00:00"), (True, "2026-12-08T09:45+00:00")):
        found = judge(medicines=[{"name": "Plavix", "loading_dose": loading}], record=record)
        assert next(item.at for item in found.timeline if item.what == "restart.clopidogrel") == at
