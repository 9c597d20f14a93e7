"""Technique, tools, access and approach: each rule alone, and each contradiction refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from vertebra_makers import vertebra

from endplate.anatomy.model import Vertebra
from endplate.devices.catalogue import load_catalogue
from endplate.errors import UsageError
from endplate.planning.access import Offer, Tried, approaches, decide_access, decide_approach
from endplate.planning.cement_class import decide_cement
from endplate.planning.options import PlanOptions
from endplate.planning.rules import Rules, load_rules
from endplate.planning.technique import decide_technique, fall_back_to_vertebroplasty, tools_for

RULES = load_rules()
FREE = PlanOptions()


def fractured(**more: object) -> Vertebra:
    wanted: dict[str, object] = {"height_mm": 17.0, "flagged": True, "grade": 2, "wedge_angle_deg": 8.0}
    return vertebra(**(wanted | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("level", "outcome", "rule"),
    [
        (fractured(), "kyphoplasty", "technique.genant_min"),
        (fractured(grade=1), "vertebroplasty", "technique.genant_min"),
        (fractured(grade=1, wedge_angle_deg=15.1), "kyphoplasty", "technique.wedge_deg"),
        (fractured(grade=1, wedge_angle_deg=15.0), "vertebroplasty", "technique.genant_min"),
        (fractured(flagged=False), "vertebroplasty", "technique.genant_min"),
        (fractured(flagged=None, grade=None), "vertebroplasty", "technique.genant_min"),
        (fractured(height_mm=7.4), "vertebroplasty", "technique.plana_loss"),
        (fractured(hu=301.0), "vertebroplasty", "technique.sclerotic_hu"),
        (fractured(hu=None), "kyphoplasty", "technique.genant_min"),
        # The slender access needs 3.5 mm and half a millimetre on each side.
        (fractured(pedicle_mm=4.5), "kyphoplasty", "technique.genant_min"),
        (fractured(pedicle_mm=4.49), "vertebroplasty", "search.margin_hard_mm"),
        (fractured(pedicle_mm=None), "vertebroplasty", "search.margin_hard_mm"),
    ],
)
def test_the_technique_follows_the_rules(level, outcome, rule):
    decision = decide_technique(level, FREE, RULES)
    assert (decision.outcome, decision.rule_id) == (outcome, rule)
    assert decision.inputs["Genant grade"] == level.fracture.genant_grade
    assert decision.source


def test_the_age_of_the_fracture_is_not_guessed():
    assert "does not tell the fracture's age" in decide_technique(fractured(), FREE, RULES).text
    assert decide_technique(fractured(), PlanOptions(fracture_weeks=10.0), RULES).outcome == "kyphoplasty"
    old = decide_technique(fractured(), PlanOptions(fracture_weeks=10.5), RULES)
    assert (old.outcome, old.rule_id) == ("vertebroplasty", "technique.recent_weeks")
    with pytest.raises(UsageError, match="not an age"):
        PlanOptions(fracture_weeks=-1.0)


def test_what_the_user_asks_for_stands_and_the_rules_are_told():
    decision = decide_technique(fractured(), PlanOptions(technique="vertebroplasty"), RULES)
    assert (decision.outcome, decision.source) == ("vertebroplasty", "user")
    assert "would propose kyphoplasty" in decision.text
    decision = decide_technique(fractured(grade=0), PlanOptions(balloon="15/3"), RULES)
    assert decision.outcome == "kyphoplasty"
    assert "would propose vertebroplasty" in decision.text


def test_a_thin_gauge_asked_for_means_vertebroplasty():
    decision = decide_technique(fractured(), PlanOptions(gauge="11g"), RULES)
    assert (decision.outcome, decision.rule_id) == ("vertebroplasty", "search.gauges")
    assert decide_technique(fractured(), PlanOptions(gauge="10G"), RULES).outcome == "kyphoplasty"


def test_a_site_rule_changes_the_decision(tmp_path):
    (tmp_path / "house.yaml").write_text("rules: {technique: {genant_min: 3}}\n", "utf-8")
    rules = load_rules(tmp_path / "house.yaml")
    assert decide_technique(fractured(), FREE, rules).outcome == "vertebroplasty"


def test_tools_in_their_order():
    def gauges(technique: str, options: PlanOptions) -> list[str]:
        return [tool.gauge for tool in tools_for(technique, options, RULES)[1]]

    assert gauges("vertebroplasty", FREE) == ["11G", "13G"]
    assert gauges("kyphoplasty", FREE) == ["8G", "10G"]
    assert gauges("vertebroplasty", PlanOptions(gauge="13")) == ["13G"]
    assert gauges("kyphoplasty", PlanOptions(balloon="15/2")) == ["8G", "10G"]
    assert gauges("kyphoplasty", PlanOptions(balloon="20/3")) == ["8G"]
    decision, tools = tools_for("kyphoplasty", FREE, RULES)
    assert tools[1].outer_diameter_mm == 3.5
    assert decision.inputs["circle needed for 10G, mm"] == pytest.approx(4.5)


@pytest.mark.parametrize(
    ("choices", "code"),
    [
        ({"technique": "glue"}, "technique-unknown"),
        ({"approach": "transoral"}, "approach-unknown"),
        ({"access": "both"}, "access-unknown"),
        ({"gauge": "9G"}, "gauge-unknown"),
        ({"balloon": "30/9"}, "balloon-unknown"),
        ({"technique": "vertebroplasty", "balloon": "15/3"}, "technique-balloon"),
        ({"technique": "kyphoplasty", "gauge": "13G"}, "gauge-too-thin"),
        ({"balloon": "15/3", "gauge": "11G"}, "gauge-too-thin"),
        ({"balloon": "15/3", "gauge": "10G"}, "gauge-too-thin"),
    ],
)
def test_contradictory_choices_are_refused_with_words(choices, code):
    with pytest.raises(UsageError) as caught:
        PlanOptions(**choices)
    assert caught.value.code == code
    assert caught.value.exit_code == 2
    assert caught.value.do


def test_what_goes_together_is_not_refused():
    assert PlanOptions(balloon="15/2", gauge="10").wants_kyphoplasty
    assert not PlanOptions(technique="vertebroplasty", gauge="8G").wants_kyphoplasty


def test_options_know_the_devices_of_the_site(tmp_path: Path):
    text = (
        "devices:\n  cannulas:\n    12G: {outer_diameter_mm: 2.7, inner_diameter_mm: 2.1, lengths_mm: [120]}\n"
        "rules:\n  search:\n    gauges: {vertebroplasty: [12G]}\n"
    )
    (tmp_path / "house.yaml").write_text(text, "utf-8")
    catalogue, rules = load_catalogue(tmp_path / "house.yaml"), load_rules(tmp_path / "house.yaml")
    options = PlanOptions(gauge="12G", catalogue=catalogue)
    assert tools_for("vertebroplasty", options, rules)[1][0].outer_diameter_mm == 2.7
    with pytest.raises(UsageError, match="12G"):
        tools_for("vertebroplasty", FREE, rules)


def offer(side: str, offset_mm: float = 12.0, clearance_mm: float = 1.5, depth: float = 0.7) -> Offer:
    return Offer(side, "11G", clearance_mm, clearance_mm, offset_mm, 20.0, depth)  # type: ignore[arg-type]


TWO = {"left": offer("left", -12.0), "right": offer("right", 12.0, 1.2)}
NEAR = {"left": offer("left", -2.0), "right": offer("right", 1.0, 1.8)}
FAR = {"left": offer("left", -4.0), "right": offer("right", 5.0)}
NONE = {"left": None, "right": None}


def one_needle_rule() -> Rules:
    access = RULES.access.model_copy(update={"when_one_suffices": "unipedicular"})
    return RULES.model_copy(update={"access": access})


@pytest.mark.parametrize(
    ("two", "one", "asked", "access", "sides", "kind", "off"),
    [
        (TWO, NONE, None, "bipedicular", ("left", "right"), "bipedicular", False),
        (TWO, NEAR, None, "bipedicular", ("left", "right"), "bipedicular", False),
        (TWO, NEAR, "unipedicular", "unipedicular", ("right",), "unipedicular", False),
        (TWO, FAR, "unipedicular", "unipedicular", ("left",), "unipedicular", True),
        (TWO, NONE, "unipedicular", "unipedicular", ("left",), "bipedicular", True),
        ({"left": TWO["left"], "right": None}, NEAR, None, "unipedicular", ("right",), "unipedicular", False),
        ({"left": TWO["left"], "right": None}, NONE, None, "unipedicular", ("left",), "bipedicular", True),
        (
            {"left": TWO["left"], "right": None},
            NONE,
            "bipedicular",
            "unipedicular",
            ("left",),
            "bipedicular",
            True,
        ),
        (NONE, NEAR, None, "unipedicular", ("right",), "unipedicular", False),
        (NONE, NONE, "unipedicular", "none", (), "bipedicular", False),
    ],
)
def test_one_needle_or_two(two, one, asked, access, sides, kind, off):
    choice = decide_access(two, one, "vertebroplasty", PlanOptions(access=asked), RULES)
    assert (choice.access, choice.sides, choice.kind, choice.off_centre) == (access, sides, kind, off)
    assert choice.decision.outcome == access
    assert choice.decision.inputs["asked for"] == asked


def test_what_was_not_searched_is_not_claimed():
    choice = decide_access(TWO, {}, "vertebroplasty", FREE, RULES)
    assert "was not searched" in choice.decision.text
    assert choice.decision.inputs["left, to the middle"] == "not searched"
    assert "no single one" in decide_access(TWO, FAR, "vertebroplasty", FREE, RULES).decision.text
    asked = decide_access(TWO, {}, "vertebroplasty", PlanOptions(access="bipedicular"), RULES)
    assert asked.decision.text == "Two needles, as asked for."


def test_the_rule_may_prefer_one_needle():
    assert decide_access(TWO, NEAR, "vertebroplasty", FREE, one_needle_rule()).sides == ("right",)
    assert decide_access(TWO, FAR, "vertebroplasty", FREE, one_needle_rule()).access == "bipedicular"
    asked = PlanOptions(access="bipedicular")
    assert decide_access(TWO, NEAR, "vertebroplasty", asked, one_needle_rule()).access == "bipedicular"


@pytest.mark.parametrize(
    ("offset", "depth", "technique", "enough"),
    [
        (3.0, 0.7, "vertebroplasty", True),
        (3.1, 0.7, "vertebroplasty", False),
        (-3.0, 0.59, "vertebroplasty", False),
        (3.0, 0.5, "kyphoplasty", True),
        (3.1, 0.7, "kyphoplasty", False),
    ],
)
def test_what_suffices(offset, depth, technique, enough):
    # Half the width is 20 mm, of which 15 % is 3 mm.
    one = {"left": offer("left", offset, depth=depth), "right": None}
    choice = decide_access(TWO, one, technique, PlanOptions(access="unipedicular"), RULES)
    assert choice.off_centre is not enough


def test_approaches_in_their_order():
    assert approaches(FREE, RULES) == ("transpedicular", "parapedicular", "extrapedicular")
    assert approaches(PlanOptions(approach="extrapedicular"), RULES) == ("extrapedicular",)


def test_the_approach_taken_names_what_failed_before():
    tried = [
        Tried("transpedicular", "11G", "pedicle-narrow"),
        Tried("parapedicular", "11G", None),
    ]
    decision = decide_approach("left", tried, FREE, RULES)
    assert decision.outcome == "parapedicular"
    assert "transpedicular with 11G: pedicle-narrow" in decision.text
    assert decide_approach("left", tried[:1], FREE, RULES).outcome == "refused"


def test_falling_back_names_the_refusals():
    decision = fall_back_to_vertebroplasty({"right": "margin-medial", "left": "pedicle-narrow"}, RULES)
    assert decision.outcome == "vertebroplasty"
    assert decision.inputs == {"kyphoplasty, left": "pedicle-narrow", "kyphoplasty, right": "margin-medial"}


@pytest.mark.parametrize(
    ("gauges", "technique", "outcome"),
    [
        (["11G", "11G"], "vertebroplasty", "high-viscosity"),
        (["11G", "13G"], "vertebroplasty", "medium-viscosity"),
        (["8G"], "kyphoplasty", "high-viscosity"),
        (["10G"], "kyphoplasty", "high-viscosity"),
    ],
)
def test_thick_cement_where_the_narrowest_bore_lets_it_through(gauges, technique, outcome):
    tools = [FREE.catalogue.tool(gauge, technique) for gauge in gauges]
    decision = decide_cement(tools, FREE.catalogue, RULES)
    assert decision.outcome == outcome
    assert decision.inputs["narrowest bore, mm"] == min(tool.inner_diameter_mm for tool in tools)


def test_the_site_may_have_one_cement_only(tmp_path):
    only = load_catalogue()
    only = type(only)(
        only.cannulas, only.access_systems, only.balloons, {"low-viscosity": only.cements["low-viscosity"]}
    )
    assert decide_cement([only.cannulas["11G"]], only, RULES).outcome == "low-viscosity"
