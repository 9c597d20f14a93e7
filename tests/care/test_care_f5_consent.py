"""F5: risks and benefit from the plan."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from endplate.care.case import parse_case
from endplate.care.consent import NO_NUMBER
from endplate.care.evaluate import evaluate
from endplate.care.model import Evaluation, Risk
from endplate.care.planview import parse_plan
from endplate.care.wording import forbidden_claims
from endplate.errors import InputError
from endplate.sources import citations, constants, value
from endplate.sources.registry import load_tables

Judge = Callable[..., Evaluation]


def risk(found: Evaluation, name: str) -> Risk:
    return next(item for item in found.risks if item.id == name)


def test_f5_1_one_level_of_kyphoplasty(judge: Judge) -> None:
    found = judge()
    leaks = {(number.per_1000, number.source) for number in risk(found, "P-RSK-02").numbers}
    assert (184, "leak-meta2017") in leaks
    canal = risk(found, "P-RSK-01")
    assert [number.per_1000 for number in canal.numbers] == [8, 1]
    assert "comes from vertebroplasty" in canal.text
    assert all(number.time_frame and number.population for item in found.risks for number in item.numbers)
    assert "sham procedure mostly found no extra benefit" in found.texts["benefit"].text


def test_f5_1_all_fourteen_risks_are_printed_and_without_a_rate_they_say_so(judge: Judge) -> None:
    found = judge()
    assert [item.id for item in found.risks] == [f"P-RSK-{n:02d}" for n in range(1, 15)]
    for item in found.risks:
        assert bool(item.numbers) is (NO_NUMBER not in item.text)


def test_f5_1_leak_rates_name_ct_or_x_ray(judge: Judge) -> None:
    for technique in ("kyphoplasty", "vertebroplasty"):
        found = judge(procedure={"type": technique})
        for number in (*risk(found, "P-RSK-02").numbers, risk(found, "P-RSK-01").numbers[0]):
            assert number.imaging is not None
            assert "CT" in number.imaging or "X-ray" in number.imaging


@pytest.mark.parametrize(
    ("key", "part", "whole"),
    [
        ("care.rate.canal-leak", 26, 3175),
        ("care.rate.decompression", 4, 3175),
        ("care.rate.leak-ct-kyphoplasty", 157, 214),
        ("care.rate.leak-ct-vertebroplasty", 164, 201),
        ("care.rate.embolus-ct", 34, 1782),
        ("care.rate.new-fracture", 15, 91),
    ],
)
def test_every_computed_rate_is_the_division_it_claims(key: str, part: int, whole: int) -> None:
    assert value(key)["per_1000"] == math.floor(1000 * part / whole + 0.5)
    assert str(whole) in value(key)["population"]


@pytest.mark.parametrize(("volume", "per_1000"), [(3.0, 0), (3.5, 1.1), (7.0, 1.1), (7.1, 9), (9.0, 9)])
def test_f5_2_the_embolus_rate_follows_the_plans_volume(
    bench, judge: Judge, volume: float, per_1000: float
) -> None:
    found = judge(plan=bench.plan_for("L1", cement={"volume_ml": volume}))
    item = risk(found, "P-RSK-03")
    assert item.numbers[-1].per_1000 == per_1000
    assert item.from_plan
    assert (found.card("care-large-volume") is not None) is (volume > 7.0)


def test_f5_2_an_unknown_volume_gives_no_rate_by_volume(bench, judge: Judge) -> None:
    plan = bench.plan_for("L1")
    plan["plans"][0]["cement"] = {}
    plan["session"] = {"cement_total_ml": None}
    item = risk(judge(plan=plan), "P-RSK-03")
    assert "not known" in item.text
    assert len(item.numbers) == 1


def test_f5_3_a_wall_defect_adds_its_sentence_and_a_warning(bench, judge: Judge) -> None:
    found = judge(plan=bench.plan_for("L1", warnings=[{"code": "caution-wall-destroyed"}]))
    assert "5.56" in risk(found, "P-RSK-01").text
    assert "leak-meta2017" in risk(found, "P-RSK-01").source
    card = found.card("care-defect-leak:L1")
    assert card is not None
    assert card.indicator == "warning"
    assert "5.56" not in risk(judge(), "P-RSK-01").text


@pytest.mark.parametrize("gone", ["per_1000", "population", "time_frame", "source"])
def test_f5_4_a_number_that_is_not_whole_fails(bench, gone: str) -> None:
    entry = {
        "per_1000": "3",
        "population": "1200 of our patients",
        "time_frame": "30 days",
        "source": "local audit",
        "technique": "both",
        "what": "people with a wound infection",
    }
    whole = ", ".join(f"{key}: {text}" for key, text in entry.items())
    part = ", ".join(f"{key}: {text}" for key, text in entry.items() if key != gone)
    extra = "risk_numbers:\n  P-RSK-04:\n    - {{{}}}\n"
    assert bench.pack(extra=extra.format(whole)).risk_numbers["P-RSK-04"][0].per_1000 == 3
    with pytest.raises(InputError, match="not whole"):
        bench.pack(extra=extra.format(part))


@pytest.mark.parametrize(
    "text",
    [
        "This prevents fractures.",
        "It stops the pain at once.",
        "Success is guaranteed.",
        "Leaks are rare.",
        "You are fine.",
        "There is no risk.",
        "It restores your natural posture.",
    ],
)
def test_f5_5_forbidden_claims_are_found(text: str) -> None:
    assert forbidden_claims(text)


@pytest.mark.parametrize("text", ["Rare: 8 of 1000 people.", "Pain may get less.", "The nurse stops by."])
def test_f5_5_sober_words_pass(text: str) -> None:
    assert forbidden_claims(text) == ()


def test_f5_5_a_packs_text_is_read_for_claims(bench) -> None:
    with pytest.raises(InputError, match="guaranteed"):
        bench.pack(operator__role="{value: guaranteed expert, source: [{kind: local, ref: us}]}")


def test_f5_5_no_text_of_ours_makes_such_a_claim() -> None:
    texts = load_tables("findings")
    assert {
        code: forbidden_claims(entry["text"])
        for code, entry in texts.items()
        if code.startswith("care-") and forbidden_claims(entry["text"])
    } == {}


def test_f5_7_a_changed_plan_makes_the_consent_invalid(bench, judge: Judge) -> None:
    printed = [{"kind": "consent", "at": "2026-12-01T10:00", "consent_hash": judge().consent_hash}]
    assert judge(printed=printed).card("care-consent-outdated") is None
    changed = judge(printed=printed, plan=bench.plan_for("L1", cement={"volume_ml": 5.2}))
    assert changed.card("care-consent-outdated") is not None
    assert not changed.gate("consent").open


@pytest.mark.parametrize(
    "answer", [{"understood": False}, {"understood": True, "answer": "It cannot fail, you said."}]
)
def test_f5_8_teach_back_is_not_closed_by_the_program(judge: Judge, answer: dict[str, object]) -> None:
    found = judge(consent={"teach_back": [{"question": "What can go wrong?", **answer}]})
    card = found.card("care-teach-back:1")
    assert card is not None
    assert card.open
    assert not found.gate("consent").open


def test_p_rsk_15_undiscussed_alternatives_are_told(judge: Judge) -> None:
    assert judge(consent={"alternatives_discussed": None}).card("care-consent-incomplete") is not None


def test_every_rate_has_a_registered_source() -> None:
    rates = {key: entry for key, entry in constants().items() if key.startswith("care.rate.")}
    assert rates
    assert all(entry.source in citations() and entry.source != "endplate" for entry in rates.values())


def test_a_plan_for_another_technique_than_the_case_is_told(bench, judge: Judge) -> None:
    found = judge(plan=bench.plan_for("L1", technique="vertebroplasty"))
    card = found.card("care-technique-differs:L1")
    assert card is not None
    assert card.indicator == "critical"
    assert not found.gate("consent").open


def test_f5_3_a_hole_that_refused_one_side_is_a_defect_too(bench, judge: Judge) -> None:
    sides = [{"side": "left", "code": "x", "reasons": [{"code": "refused-limit-defect"}]}]
    assert judge(plan=bench.plan_for("L1", refused_sides=sides)).card("care-defect-leak:L1") is not None


OUTCOME = {
    "levels": [
        {"level": "L1", "cement": {"leaks_ml": {"disc_superior": 0.2, "tract": 0.0}, "in_canal_ml": 0.0}}
    ]
}


def test_f5_3_a_simulated_leak_is_told_as_simulated(bench, site_pack) -> None:
    def cards(outcome: dict[str, object]) -> Evaluation:
        return evaluate(
            parse_case(bench.case_json()), parse_plan(bench.plan_json()), site_pack, outcome=outcome
        )

    leak = cards(OUTCOME).card("care-predicted-leak:L1")
    assert leak is not None
    assert leak.summary.startswith("SIMULATED")
    assert "disc superior" in leak.summary
    canal = {"levels": [{"level": "L1", "cement": {"leaks_ml": {"foramen": 0.1}, "in_canal_ml": 0.1}}]}
    assert cards(canal).card("care-predicted-canal:L1") is not None
    with pytest.raises(InputError, match="outcome cannot be used"):
        cards({"levels": [{"level": "L1"}]})


def test_three_levels_in_the_chest_are_told(bench, judge: Judge) -> None:
    found = judge(plan=bench.plan_for("T11", "T12", "L1"))
    assert found.card("care-embolus-levels") is not None
    assert "3 of the 4" in risk(found, "P-RSK-01").text
