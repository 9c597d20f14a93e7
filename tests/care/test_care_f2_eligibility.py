"""F2: the eligibility check never approves; it says complete, clarify or stop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from endplate.care.case import parse_case
from endplate.care.evaluate import evaluate
from endplate.care.model import Evaluation
from endplate.care.planview import parse_plan
from endplate.errors import InputError

Judge = Callable[..., Evaluation]


def test_f2_1_a_complete_case_names_the_criteria_it_fits(judge: Judge) -> None:
    found = judge()
    assert found.status == "complete"
    card = found.card("care-criteria-met")
    assert card is not None
    assert {"nice-ta279", "us-lcd-augmentation", "vapour2016"} <= set(card.source)
    assert "not an approval" in card.detail


def test_f2_2_a_level_mismatch_stops_everything_and_nobody_overrides_it(bench, judge: Judge) -> None:
    override = {"by_role": "lead-clinician", "by_id": "doc-1", "reason": "sure", "at": "2026-12-05T10:00"}
    found = judge(plan=bench.plan_for("T12"), overrides=[{"card_id": "care-level-mismatch:T12", **override}])
    card = found.card("care-level-mismatch")
    assert card is not None
    assert card.indicator == "critical"
    assert not card.overridable
    assert card.override_state == "denied"
    assert found.status == "stop"
    assert not found.gate("leaflet").open
    assert not found.gate("plan-final").open


def test_f2_2_tenderness_and_oedema_elsewhere_than_the_level_asked_for(bench, judge: Judge) -> None:
    found = judge(plan=bench.plan_for("T12"), referral={"levels": ["T12"]})
    assert found.card("care-level-mismatch:T12") is not None


def test_f2_3_uncertain_numbering_asks_for_a_second_person_and_the_way_of_counting(
    bench, judge: Judge
) -> None:
    plan = bench.plan_for("L1", warnings=[{"code": "lumbar-count"}])
    card = judge(plan=plan).card("care-numbering-uncertain")
    assert card is not None
    assert card.indicator == "warning"
    assert not judge(plan=plan).gate("plan-final").open
    settled = judge(plan=plan, referral={"level_confirmed_by": ["doc-1", "doc-2"]})
    assert settled.gate("plan-final").open
    assert settled.card("care-numbering-uncertain") is None
    assert settled.card("care-numbering-confirmed") is not None
    assert judge(plan=plan, referral={"level_confirmed_by": ["doc-1", "doc-1"]}).card(
        "care-numbering-uncertain"
    )


def test_f2_3_the_measured_spine_and_unusual_names_count_too(bench, site_pack, judge: Judge) -> None:
    spine = {"levels": [{"level": "L1", "findings": []}], "findings": [{"code": "lumbar-count"}]}
    case = parse_case(bench.case_json())
    found = evaluate(case, parse_plan(bench.plan_json(), spine), site_pack)
    assert found.card("care-numbering-uncertain") is not None
    assert judge(plan=bench.plan_for("L6")).card("care-numbering-uncertain") is not None
    with pytest.raises(InputError, match="plan cannot be used"):
        parse_plan(bench.plan_json(), {"levels": 3})


def test_a_plan_that_sees_no_fracture_is_told(bench, judge: Judge) -> None:
    plan = bench.plan_for("L1", warnings=[{"code": "plan-no-fracture-seen"}])
    assert judge(plan=plan).card("care-plan-no-fracture") is not None


def test_f2_4_no_oedema_warns_and_needs_a_reason(judge: Judge) -> None:
    imaging = [{"modality": "MRI", "date": "2026-11-30", "fracture_levels": ["L1"], "oedema_levels": []}]
    found = judge(imaging=imaging)
    card = found.card("care-unhealed-not-shown")
    assert card is not None
    assert card.indicator == "warning"
    assert found.status == "clarify"
    override = {
        "card_id": card.id,
        "by_role": "radiologist",
        "by_id": "doc-7",
        "reason": "bone scan positive",
    }
    done = judge(imaging=imaging, overrides=[{**override, "at": "2026-12-05T10:00"}])
    reasoned = done.card("care-unhealed-not-shown")
    assert reasoned is not None
    assert reasoned.override_state == "accepted"
    assert done.gate("procedure").open
    assert not found.gate("procedure").open


@pytest.mark.parametrize("change", [{"temperature_c": 38.4}, {"temperature_c": 38.0}, {"infection": "yes"}])
def test_f2_5_fever_or_infection_stops(judge: Judge, change: dict[str, Any]) -> None:
    found = judge(referral=change)
    assert found.card("care-infection") is not None
    assert found.status == "stop"


@pytest.mark.parametrize(
    ("person", "code"),
    [
        ({"pregnancy": "yes", "age_years": 34}, "care-pregnant"),
        ({"pregnancy": "unknown", "age_years": 34}, "care-pregnancy-unknown"),
        ({"pregnancy": None, "age_years": 55}, "care-pregnancy-unknown"),
        ({"pregnancy": "unknown", "age_years": None}, "care-pregnancy-unknown"),
        ({"pregnancy": "unknown", "age_years": 56}, None),
        ({"pregnancy": "unknown", "age_years": 34, "sex": "male"}, None),
    ],
)
def test_f2_6_pregnancy_is_asked_for(judge: Judge, person: dict[str, Any], code: str | None) -> None:
    found = judge(person=person)
    cards = {card.id for card in found.cards if card.id.startswith("care-pregnan")}
    assert cards == ({code} if code else set())


@pytest.mark.parametrize("sign", ["leg_weakness", "saddle_numbness", "bladder_bowel_change"])
def test_f2_7_a_neurological_sign_is_an_emergency_not_a_case(judge: Judge, sign: str) -> None:
    found = judge(referral={sign: "yes"})
    card = found.card("care-neuro-emergency")
    assert card is not None
    assert card.indicator == "critical"
    assert not card.overridable
    assert "Emergency" in card.summary
    assert found.status == "stop"


def test_f2_8_four_levels_warn(bench, judge: Judge) -> None:
    levels = ["T12", "L1", "L2", "L3"]
    imaging = [{"modality": "MRI", "date": "2026-11-30", "fracture_levels": levels, "oedema_levels": levels}]
    kwargs: dict[str, Any] = {"referral": {"levels": levels, "tender_levels": levels}, "imaging": imaging}
    assert judge(plan=bench.plan_for(*levels), **kwargs).card("care-many-levels") is not None
    assert judge(plan=bench.plan_for(*levels[:3]), **kwargs).card("care-many-levels") is None


@pytest.mark.parametrize("allergen", ["pmma", "contrast"])
def test_f2_9_an_allergy_is_overridden_only_with_the_alternative(judge: Judge, allergen: str) -> None:
    allergies = [
        {"to": kind, "present": "yes" if kind == allergen else "no"}
        for kind in ("pmma", "contrast", "antiseptic")
    ]
    override = {
        "card_id": f"care-allergy:{allergen}",
        "by_role": "radiologist",
        "by_id": "doc-7",
        "reason": "tested",
        "at": "2026-12-05T10:00",
    }
    history = {"allergies": allergies}
    for extra, state in (({}, "denied"), ({"alternative": "gadolinium"}, "accepted")):
        found = judge(history=history, overrides=[{**override, **extra}])
        card = found.card(f"care-allergy:{allergen}")
        assert card is not None
        assert card.indicator == "critical"
        assert card.override_state == state
        assert found.gate("leaflet").open is (state == "accepted")


def test_f2_10_the_packs_are_for_adults(judge: Judge) -> None:
    found = judge(person={"age_years": 17})
    assert found.card("care-age-outside") is not None
    assert found.status == "stop"
    assert judge(person={"age_years": 18}).card("care-age-outside") is None


def test_f2_11_a_single_t4_at_54_is_unusual(bench, judge: Judge) -> None:
    imaging = [{"modality": "MRI", "date": "2026-11-30", "fracture_levels": ["T4"], "oedema_levels": ["T4"]}]
    found = judge(
        plan=bench.plan_for("T4"),
        person={"age_years": 54},
        referral={"levels": ["T4"], "tender_levels": ["T4"]},
        imaging=imaging,
    )
    card = found.card("care-atypical")
    assert card is not None
    assert "malignancy" in card.detail


def test_f2_12_every_osteoporotic_case_has_its_bone_tasks(judge: Judge) -> None:
    assert judge().card("care-bone-task") is not None
    assert any(call.rule_id == "F2.12" for call in judge().calls)
    done = judge(referral={"bone_density_referred": True, "osteoporosis_education": True})
    assert done.card("care-bone-task") is None


def test_p_ref_01_no_imaging_blocks(judge: Judge) -> None:
    found = judge(imaging=[])
    card = found.card("care-imaging-missing")
    assert card is not None
    assert not card.overridable
    assert not found.gate("leaflet").open


def test_p_ref_05_a_cord_injury_is_flagged_not_an_indication(judge: Judge) -> None:
    assert judge(referral={"spinal_cord_injury": "yes"}).card("care-cord-injury") is not None


@pytest.mark.parametrize(
    "field",
    [
        "levels",
        "tender_levels",
        "aetiology",
        "onset_date",
        "pain_nrs",
        "tried",
        "goals",
        "leg_weakness",
        "attestation",
    ],
)
def test_p_ind_01_a_missing_answer_is_never_taken_as_normal(judge: Judge, field: str) -> None:
    empty: Any = [] if field in ("levels", "goals") else None
    found = judge(referral={field: empty})
    card = found.card("care-referral-incomplete")
    assert card is not None
    assert field in card.inputs["missing"]
    assert found.status != "complete"


def test_other_contraindications_are_told(judge: Judge) -> None:
    found = judge(referral={"other_pain_source": "yes", "canal_compromise": "yes", "aetiology": "neoplastic"})
    for code in ("care-other-pain", "care-canal-compromise", "care-tumour-team"):
        assert found.card(code) is not None
    assert judge(referral={"tender_levels": ["L4"]}).card("care-level-not-tender:L1") is not None


def test_a_case_that_fits_no_criteria_says_so(judge: Judge) -> None:
    assert judge(referral={"pain_nrs": 2}).card("care-criteria-not-met") is not None


def test_a_level_asked_for_but_not_planned_is_told(judge: Judge) -> None:
    assert judge(referral={"levels": ["L1", "L3"]}).card("care-level-not-planned") is not None


def test_a_plan_without_a_level_has_nothing_to_go_on(bench, judge: Judge) -> None:
    refused = {"code": "refused-body-only", "reasons": [{"code": "refused-body-only"}]}
    assert judge(plan=bench.plan_for("L1", refused=refused)).card("care-no-plan") is not None
