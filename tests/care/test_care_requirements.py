"""Requirements of the leaflets that have no acceptance example of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from endplate.care.model import Evaluation

Judge = Callable[..., Evaluation]


def test_p_ref_02_days_since_onset_are_information(judge: Judge) -> None:
    card = judge().card("care-criteria-met")
    assert card is not None
    assert card.indicator == "info"
    assert card.inputs["days_since_onset"] == 21
    assert not any("urgent" in found.summary.lower() for found in judge().cards)


def test_p_ref_03_a_decline_is_told(judge: Judge) -> None:
    card = judge(referral={"declines": ["walking", "eating"]}).card("care-decline")
    assert card is not None
    assert "walking and eating" in card.summary


@pytest.mark.parametrize("technique", ["balloon vertebroplasty", "kyphoplasty", "Balloon kyphoplasty"])
def test_p_ind_05_balloon_vertebroplasty_is_kyphoplasty(bench, judge: Judge, technique: str) -> None:
    found = judge(plan=bench.plan_for("L1", technique=technique), procedure={"type": None})
    leaks = next(risk for risk in found.risks if risk.id == "P-RSK-02")
    assert {number.technique for number in leaks.numbers} == {"kyphoplasty"}


@pytest.mark.parametrize("gone", ["pmma", "contrast", "antiseptic"])
def test_p_pos_03_allergies_not_asked_are_missing(judge: Judge, gone: str) -> None:
    kinds = [kind for kind in ("pmma", "contrast", "antiseptic") if kind != gone]
    found = judge(history={"allergies": [{"to": kind, "present": "no"} for kind in kinds]})
    card = found.card("care-referral-incomplete")
    assert card is not None
    assert card.inputs["missing"] == [f"allergy to {gone}"]


def test_p_cem_03_the_sites_estimate_of_time(bench, judge: Judge) -> None:
    assert "duration" not in judge().texts
    pack = bench.pack(duration__per_level="{value: PT40M, source: [{kind: guideline, ref: kaviar2014}]}")
    assert "40 minutes" in judge(pack=pack).texts["duration"].text


def test_p_act_the_texts_on_moving_are_there(judge: Judge) -> None:
    texts = judge().texts
    assert "short walks" in texts["walking"].text
    assert "bend or twist" in texts["walking"].text
    assert "stairs" in texts["stairs"].text
    assert "sore" in texts["soreness"].text
    assert "mild pain" in texts["pain-medicine"].text
    assert "bath" in texts["bath"].text


def test_p_ahr_the_emergency_number_stands_first(bench, judge: Judge) -> None:
    pack = bench.pack(
        after_hours__online="{value: third-party app, source: [{kind: leaflet, ref: leaflet-003}]}"
    )
    contacts = judge(pack=pack).texts["contacts"].text
    assert contacts.startswith("In an emergency call 999.")
    assert contacts.index("020 7946 0123") < contacts.index("third-party app")
    assert "contacts" not in judge(pack=bench.pack(emergency__number=None)).texts
