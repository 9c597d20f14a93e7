"""Pages for staff, the implant card, and the worked example."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from endplate.care.case import parse_case
from endplate.care.evaluate import evaluate
from endplate.care.pack import load_pack
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.make import called_for, make_paper
from endplate.care.planview import parse_plan
from endplate.errors import QualityGateError

EXAMPLE = Path(__file__).parents[2] / "docs/care/example"
STAGES = {
    "1-clinic": ("clinician", "consent", "leaflet"),
    "2-going-home": ("clinician", "recovery-chart", "discharge-pack", "sick-note", "implant-card"),
    "3-six-weeks": ("clinician", "recovery-chart", "discharge-pack", "sick-note", "implant-card"),
}


def example(stage: str, **change: object) -> Inputs:
    content = json.loads((EXAMPLE / f"{stage}.json").read_text("utf-8"))
    for key, value in change.items():
        content[key] = {**content[key], **value} if isinstance(value, dict) else value
    case = parse_case(content)
    plan = parse_plan(json.loads((EXAMPLE / "plan.json").read_text("utf-8")))
    pack = load_pack(EXAMPLE / "site.yaml")
    return Inputs(case, plan, pack, evaluate(case, plan, pack))


@pytest.mark.parametrize("stage", STAGES)
def test_the_worked_example_makes_its_papers(stage: str) -> None:
    inputs = example(stage)
    assert called_for(inputs) == STAGES[stage]
    for name in called_for(inputs):
        html = make_paper(name, inputs)
        assert html.startswith("\n<!doctype html>") or html.startswith("<!doctype html>")
        assert inputs.evaluation.instructions_hash in html


def test_haz_1_the_level_stands_large_in_the_head_of_every_page() -> None:
    for stage in STAGES:
        inputs = example(stage)
        for name in called_for(inputs):
            assert '<span class="level" data-meta>L1</span>' in make_paper(name, inputs)


def test_f6_6_the_implant_card_has_every_field_of_the_implant() -> None:
    inputs = example("2-going-home")
    html = make_paper("implant-card", inputs)
    entry = inputs.evaluation.implants[0]
    for text in (entry.name, entry.model, entry.maker, entry.udi, entry.lot, entry.level, "7 December 2026"):
        assert text in html
    with pytest.raises(QualityGateError):
        make_paper("implant-card", example("1-clinic"))


def test_f7_1_the_chart_has_a_row_for_each_due_time_and_what_was_seen() -> None:
    html = make_paper("recovery-chart", example("2-going-home"))
    rows = re.findall(r'<th scope="row">(\d\d:\d\d)</th><td>(\d\d:\d\d)', html)
    assert [due for due, _ in rows] == ["10:00", "10:15", "10:30", "10:45", "11:15", "11:45"]
    assert all(due == done for due, done in rows)


def test_f7_8_with_a_weaker_foot_there_is_no_discharge_pack_and_the_chart_says_why() -> None:
    state = json.loads((EXAMPLE / "2-going-home.json").read_text("utf-8"))["recovery"]
    state["observations"][-1]["left_leg"] = "worse"
    inputs = example("2-going-home", recovery=state)
    with pytest.raises(QualityGateError, match="left leg"):
        make_paper("discharge-pack", inputs)
    assert "New neurological deficit" in make_paper("recovery-chart", inputs)


def test_f7_13_a_referring_hospital_gets_the_handover_and_no_leaflet() -> None:
    inputs = example("2-going-home", procedure={"discharge_destination": "referring-hospital"})
    assert "handover" in called_for(inputs)
    assert "discharge-pack" not in called_for(inputs)
    html = make_paper("handover", inputs)
    assert "cement 2.1 ml" in html
    with pytest.raises(QualityGateError):
        make_paper("leaflet", inputs)


def test_f10_2_and_f10_6_the_course_and_the_angle_stand_on_the_clinicians_page() -> None:
    html = make_paper("clinician", example("3-six-weeks"))
    assert "both arms of trials" in html
    assert "within the error of the measurement" in html
    assert "success" not in html


def test_the_worked_example_says_what_its_page_says() -> None:
    page = (EXAMPLE.parent / "example.md").read_text("utf-8")
    clinic, home = example("1-clinic"), example("2-going-home")
    assert "Friday 4 December at 20:00" in page
    assert "Friday 4 December 2026, 20:00" in make_paper("leaflet", clinic)
    assert "Nine published rates" in page
    assert sum(len(risk.numbers) for risk in clinic.evaluation.risks) == 9
    assert clinic.evaluation.status == "complete"
    assert not clinic.evaluation.gate("procedure").open
    assert home.evaluation.gate("discharge").open
    assert "Thursday 10 December, 08:00" in page
    assert "Thursday 10 December 2026, 08:00" in make_paper("discharge-pack", home)
