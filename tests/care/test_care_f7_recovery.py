"""F7: recovery and discharge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.course import Aldrete, Observation, Padss
from endplate.care.discharge_scores import aldrete, padss
from endplate.care.model import Evaluation
from endplate.care.news2 import news2
from endplate.errors import InputError

Judge = Callable[..., Evaluation]

RECORD: dict[str, Any] = {
    "start": "2026-12-07T09:00",
    "end": "2026-12-07T09:45",
    "sedation_end": "2026-12-07T09:45",
    "levels_treated": ["L1"],
    "leaks": [],
    "haematoma": "no",
}


def observed(at: str, **change: Any) -> dict[str, Any]:
    return {
        "at": f"2026-12-07T{at}",
        "respiration_per_min": 16,
        "spo2_percent": 97,
        "oxygen": False,
        "systolic_mmhg": 128,
        "diastolic_mmhg": 75,
        "pulse_per_min": 72,
        "consciousness": "A",
        "temperature_c": 36.8,
        "left_leg": "as-before",
        "right_leg": "as-before",
        "pain_nrs": 3,
        **change,
    }


WELL: dict[str, Any] = {
    "baseline_pain_nrs": 7,
    "baseline_systolic_mmhg": 130,
    "baseline_pulse_per_min": 75,
    "observations": [observed(at) for at in ("10:00", "10:15", "10:30", "10:45", "11:15", "11:45")],
    "aldrete": [
        {
            "at": "2026-12-07T11:45",
            "limbs_moved": 4,
            "breathing": "deep-and-cough",
            "systolic_mmhg": 128,
            "consciousness": "awake",
            "spo2_percent": 97,
            "oxygen": False,
        }
    ],
    "padss": [
        {
            "at": "2026-12-07T11:45",
            "systolic_mmhg": 128,
            "pulse_per_min": 76,
            "walking": "steady",
            "nausea": "minimal",
            "pain_nrs": 4,
            "bleeding": "minimal",
            "drank": True,
            "voided": True,
            "oriented": True,
        }
    ],
    "escort": {"kind": "responsible-adult", "stays_overnight": True},
    "voided": True,
    "specialist_checked": True,
    "patient_agrees": True,
    "nurse_agrees": True,
    "medicines_home": [],
}


def ward(judge: Judge, at: str = "11:50", record: dict[str, Any] | None = None, **change: Any) -> Evaluation:
    return judge(as_of=f"2026-12-07T{at}", record=record or RECORD, recovery={**WELL, **change})


def test_f7_1_the_schedule_from_an_end_at_0945(judge: Judge) -> None:
    found = ward(judge)
    assert [due.at[11:16] for due in found.due] == ["10:00", "10:15", "10:30", "10:45", "11:15", "11:45"]
    at = {item.what: item.at[11:16] for item in found.timeline}
    assert at["recovery.bed_rest"] == "10:45"
    assert at["recovery.review"] == "11:45"


VECTORS = [
    ((16, 97, 1, False, 128, 72, "A", 36.8), 0, "low"),
    ((9, 95, 1, True, 104, 58, "V", 36.2), 8, "high"),
    ((26, 90, 1, True, 98, 124, "A", 37.4), 12, "high"),
    ((20, 94, 1, True, 88, 112, "A", 36.5), 8, "high"),
    ((18, 89, 2, False, 130, 88, "A", 36.9), 0, "low"),
    ((18, 89, 1, False, 130, 88, "A", 36.9), 3, "low-medium"),
    ((18, 97, 2, True, 130, 88, "A", 36.9), 5, "medium"),
    ((18, 97, 1, False, 130, 80, "C", 36.9), 3, "low-medium"),
    ((18, 97, 1, False, 126, 92, "A", 38.1), 2, "low"),
]


@pytest.mark.parametrize(("vitals", "total", "band"), VECTORS)
def test_f7_2_published_vectors_give_their_totals(vitals: tuple[Any, ...], total: int, band: str) -> None:
    respiration, spo2, scale, oxygen, systolic, pulse, alert, temperature = vitals
    score = news2(
        Observation(
            at="2026-12-07T10:00",
            respiration_per_min=respiration,
            spo2_percent=spo2,
            spo2_scale=scale,
            scale2_prescriber="doc-1",
            oxygen=oxygen,
            systolic_mmhg=systolic,
            pulse_per_min=pulse,
            consciousness=alert,
            temperature_c=temperature,
        )
    )
    assert (score.total, score.band) == (total, band)


EDGES: dict[str, tuple[tuple[float, int], ...]] = {
    "respiration_per_min": ((8, 3), (9, 1), (11, 1), (12, 0), (20, 0), (21, 2), (24, 2), (25, 3)),
    "spo2_percent": ((91, 3), (92, 2), (93, 2), (94, 1), (95, 1), (96, 0)),
    "systolic_mmhg": ((90, 3), (91, 2), (100, 2), (101, 1), (110, 1), (111, 0), (219, 0), (220, 3)),
    "pulse_per_min": (
        *((40, 3), (41, 1), (50, 1), (51, 0), (90, 0)),
        *((91, 1), (110, 1), (111, 2), (130, 2), (131, 3)),
    ),
    "temperature_c": (
        *((35.0, 3), (35.1, 1), (36.0, 1), (36.1, 0)),
        *((38.0, 0), (38.1, 1), (39.0, 1), (39.1, 2)),
    ),
}
"""Both sides of every step of the chart, with their points."""


@pytest.mark.parametrize(
    ("field", "value", "points"),
    [
        *((field, number, points) for field, steps in EDGES.items() for number, points in steps),
        ("oxygen", True, 2),
        *(("consciousness", state, 3) for state in "CVPU"),
    ],
)
def test_f7_2_every_edge_of_the_chart(field: str, value: Any, points: int) -> None:
    assert news2(Observation(**{**observed("10:00"), field: value})).total == points


@pytest.mark.parametrize(
    "field", ["respiration_per_min", "spo2_percent", "oxygen", "systolic_mmhg", "pulse_per_min"]
)
def test_f7_3_a_missing_item_leaves_no_total(judge: Judge, field: str) -> None:
    found = ward(judge, observations=[observed("11:45", **{field: None})])
    score = next(score for score in found.scores if score.name == "NEWS2")
    assert score.total is None
    assert score.band is None
    assert len(score.missing) >= 1
    assert found.card("care-news2-incomplete") is not None


def test_f7_4_items_more_than_30_minutes_apart_are_not_combined(judge: Judge) -> None:
    far = observed("11:45", item_times={"temperature_c": "2026-12-07T11:10"})
    score = next(score for score in ward(judge, observations=[far]).scores if score.name == "NEWS2")
    assert score.total is None
    assert score.stale == ("temperature",)
    near = observed("11:45", item_times={"temperature_c": "2026-12-07T11:15"})
    score = next(score for score in ward(judge, observations=[near]).scores if score.name == "NEWS2")
    assert score.total == 0


def test_f7_5_an_overdue_observation_shows_the_age_of_the_last(judge: Judge) -> None:
    found = ward(judge, at="10:40", observations=[observed("10:00")])
    card = found.card("care-observation-overdue")
    assert card is not None
    assert card.inputs["age_min"] == 40
    assert "40 minutes" in card.summary
    assert next(score for score in found.scores if score.name == "NEWS2").age_min == 40
    assert [due.overdue_min for due in found.due][:3] == [None, 25, 10]


def test_f7_6_scale_2_without_a_prescriber_is_asked_and_scale_1_is_used(judge: Judge) -> None:
    nurse = observed("11:45", spo2_percent=89, spo2_scale=2)
    found = ward(judge, observations=[nurse])
    assert found.card("care-scale2") is not None
    score = next(score for score in found.scores if score.name == "NEWS2")
    assert (score.total, score.variant) == (3, "SpO2 scale 1")
    ordered = ward(judge, observations=[{**nurse, "scale2_prescriber": "doc-1"}])
    assert next(score for score in ordered.scores if score.name == "NEWS2").total == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spo2_percent": 9}, "typing error"),
        ({"pulse_per_min": 0}, "typing error"),
        ({"temperature_c": 100.4}, "Fahrenheit"),
        ({"systolic_mmhg": 60, "diastolic_mmhg": 128}, "swapped"),
    ],
)
def test_f7_7_an_implausible_value_is_asked_back_and_not_scored(
    judge: Judge, change: Any, words: str
) -> None:
    found = ward(judge, observations=[observed("11:45", **change)])
    card = found.card("care-observation-doubtful")
    assert card is not None
    assert words in card.summary
    assert next(score for score in found.scores if score.name == "NEWS2").total is None
    confirmed = observed("11:45", **change, confirmed=[next(iter(change))])
    kept = ward(judge, observations=[confirmed])
    assert next(score for score in kept.scores if score.name == "NEWS2").total is not None


def test_all_conditions_met_opens_the_gate(judge: Judge) -> None:
    found = ward(judge)
    assert found.card("care-discharge-gates-met") is not None
    assert found.gate("discharge").open


def test_f7_8_a_weaker_foot_stops_discharge_whatever_the_scores(judge: Judge) -> None:
    seen = [*WELL["observations"][:-1], observed("11:45", left_leg="worse")]
    override = {
        "card_id": "care-new-deficit",
        "by_role": "lead-clinician",
        "by_id": "doc-1",
        "reason": "known",
    }
    case = {"as_of": "2026-12-07T11:50", "record": RECORD, "recovery": {**WELL, "observations": seen}}
    found = judge(**case, overrides=[{**override, "at": "2026-12-07T11:48"}])
    card = found.card("care-new-deficit")
    assert card is not None
    assert card.indicator == "critical"
    assert not card.overridable
    assert card.override_state == "denied"
    assert "surgeon now" in card.detail
    assert "urgent CT" in card.detail
    assert not found.gate("discharge").open
    totals = {score.name: score.total for score in found.scores if score.name != "NEWS2"}
    assert totals == {"Aldrete": 10, "PADSS": 9}


def test_f7_8_a_deficit_is_told_at_once_also_before_the_review_and_if_it_passed(judge: Judge) -> None:
    seen = [observed("10:00", saddle_sensation="worse"), observed("10:15", saddle_sensation="as-before")]
    assert ward(judge, at="10:16", observations=seen).card("care-new-deficit") is not None
    none = judge(
        as_of="2026-12-07T09:20", record={"start": "2026-12-07T09:00"}, recovery={"observations": seen}
    )
    assert none.card("care-new-deficit") is not None


def test_f7_9_not_voided_waits_or_needs_a_clinicians_reason(judge: Judge) -> None:
    dry = {"voided": False, "padss": [{**WELL["padss"][0], "voided": False}]}
    found = ward(judge, **dry)
    assert found.card("care-not-voided") is not None
    assert not found.gate("discharge").open
    override = {"card_id": "care-not-voided", "by_id": "p-1", "reason": "catheter", "at": "2026-12-07T11:48"}
    case = {"as_of": "2026-12-07T11:50", "record": RECORD, "recovery": {**WELL, **dry}}
    for role, open_ in (("nurse", False), ("physician", True)):
        assert judge(**case, overrides=[{**override, "by_role": role}]).gate("discharge").open is open_


def test_an_override_before_the_review_does_not_open_the_gate(judge: Judge) -> None:
    seen = [observed("10:00", pain_nrs=9)]
    override = {"card_id": "care-pain-above", "by_role": "physician", "by_id": "p-1", "reason": "seen"}
    found = judge(
        as_of="2026-12-07T10:05",
        record=RECORD,
        recovery={**WELL, "observations": seen},
        overrides=[{**override, "at": "2026-12-07T10:04"}],
    )
    assert not [card for card in found.cards if card.open]
    assert not found.gate("discharge").open


def test_news2_in_pregnancy_carries_its_mark(judge: Judge) -> None:
    case = {"as_of": "2026-12-07T11:50", "record": RECORD, "recovery": WELL}
    card = judge(**case, person={"pregnancy": "yes"}).card("care-news2-pregnant")
    assert card is not None
    assert card.verify == ("news2-pregnancy",)


@pytest.mark.parametrize("escort", [None, {"kind": "taxi-driver"}, {"kind": "responsible-adult"}])
def test_f7_10_a_taxi_driver_is_no_escort(judge: Judge, escort: Any) -> None:
    found = ward(judge, escort=escort)
    assert found.card("care-escort") is not None
    assert not found.gate("discharge").open


def test_f7_11_pain_above_before_calls_the_physician(judge: Judge) -> None:
    seen = [*WELL["observations"][:-1], observed("11:45", pain_nrs=8)]
    card = ward(judge, observations=seen).card("care-pain-above")
    assert card is not None
    assert "physician" in card.detail
    assert "imaging" in card.detail


@pytest.mark.parametrize(("variant", "points"), [("modified", 2), ("original", 1)])
def test_f7_12_walking_as_before_counts_in_the_modified_score(variant: str, points: int) -> None:
    seen = Padss(at="2026-12-07T11:45", walking="as-before", oriented=True)
    items = padss(seen, baseline_systolic_mmhg=None, baseline_pulse_per_min=None, variant=variant).items
    assert items["walking" if variant == "modified" else "activity and mind"] == points


def test_f7_13_to_a_referring_hospital_goes_a_handover(judge: Judge) -> None:
    case = {"as_of": "2026-12-07T11:50", "record": RECORD, "recovery": {**WELL, "escort": None}}
    found = judge(**case, procedure={"discharge_destination": "referring-hospital"})
    assert "handover" in found.papers
    assert "leaflet" not in found.papers
    assert found.card("care-escort") is None


def test_f7_14_a_pack_names_its_aldrete_variant(bench) -> None:
    with pytest.raises(InputError, match=r"aldrete\.variant"):
        bench.load(bench.pack_text().replace("  extends: safest\n", ""))


def test_f7_15_a_high_score_points_to_the_hospitals_own_response(judge: Judge) -> None:
    sick = observed("11:45", respiration_per_min=26, spo2_percent=90, pulse_per_min=124)
    found = ward(judge, observations=[sick])
    card = found.card("care-news2-high")
    assert card is not None
    assert "your hospital's emergency response" in card.summary
    raised = ward(judge, observations=[observed("11:45", consciousness="C")])
    assert raised.card("care-news2-raised") is not None


@pytest.mark.parametrize(
    ("variant", "change", "item", "points"),
    [
        ("mmhg-92", {"systolic_mmhg": 90}, "circulation", 1),
        ("percent-92", {"systolic_mmhg": 90}, "circulation", 1),
        ("mmhg-92", {"systolic_mmhg": 175}, "circulation", 1),
        ("percent-92", {"systolic_mmhg": 155}, "circulation", 2),
        ("mmhg-92", {"systolic_mmhg": 155}, "circulation", 1),
        ("mmhg-92", {"spo2_percent": 92}, "saturation", 1),
        ("mmhg-90", {"spo2_percent": 92}, "saturation", 2),
        ("mmhg-92", {"spo2_percent": 97, "oxygen": True}, "saturation", 1),
        ("mmhg-92", {"spo2_percent": 89, "oxygen": True}, "saturation", 0),
        ("mmhg-92", {"limbs_moved": 2}, "activity", 1),
        ("mmhg-92", {"consciousness": None}, "consciousness", None),
    ],
)
def test_aldrete_variants_differ_where_they_say(
    variant: str, change: Any, item: str, points: int | None
) -> None:
    seen = Aldrete(**{**WELL["aldrete"][0], **change})
    score = aldrete(seen, 130, variant)
    assert score.items[item] == points
    assert (score.total is None) is (points is None)


def test_before_the_review_nothing_is_overdue_and_the_gate_is_shut(judge: Judge) -> None:
    found = ward(judge, at="10:50", observations=WELL["observations"][:4])
    assert found.card("care-discharge-not-yet") is not None
    assert not found.gate("discharge").open
    assert not [card for card in found.cards if card.indicator == "critical"]


@pytest.mark.parametrize(
    "change",
    [
        {"observations": WELL["observations"][:-1]},
        {"observations": [observed("11:45", pain_nrs=None)]},
        {"observations": [observed("11:45", consciousness="C")]},
        {"observations": [observed("11:45", temperature_c=None)]},
        {"specialist_checked": None},
        {"nurse_agrees": False},
        {"aldrete": []},
        {"observations": [observed("11:45", left_leg="not-tested")]},
    ],
)
def test_each_open_condition_holds_the_gate(judge: Judge, change: Any) -> None:
    found = ward(judge, **change)
    assert found.card("care-not-dischargeable") is not None
    assert not found.gate("discharge").open


def test_p_rec_05_up_before_the_end_of_bed_rest_is_told(judge: Judge) -> None:
    assert ward(judge, first_out_of_bed="2026-12-07T10:20").card("care-up-early") is not None
    assert ward(judge, first_out_of_bed="2026-12-07T10:50").card("care-up-early") is None
