"""The rules of planning: shipped values, their sources, and what a site file may change."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from endplate.errors import InputError, InternalError
from endplate.planning.rules import SECTIONS, Rules, load_rules, shipped_table
from endplate.planning.site_cautions import site_findings
from endplate.sources import citations

ENTRIES = [
    (f"{section}.{key}", entry) for section, part in shipped_table().items() for key, entry in part.items()
]


def site(folder: Path, text: str) -> Path:
    path = folder / "house.yaml"
    path.write_text(text, "utf-8")
    return path


def refused(folder: Path, text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load_rules(site(folder, text))
    return caught.value


@pytest.mark.parametrize(("rule_id", "entry"), ENTRIES, ids=[rule_id for rule_id, _ in ENTRIES])
def test_every_rule_is_whole(rule_id, entry):
    assert set(entry) == {"value", "unit", "why", "status", "source"}
    assert entry["source"] in citations()
    assert entry["why"].endswith(".")
    section, key = rule_id.split(".")
    assert hasattr(getattr(load_rules(), section), key)


def test_every_typed_rule_stands_in_the_file():
    typed = {f"{name}.{key}" for name, kind in SECTIONS.items() for key in kind.model_fields}
    assert typed == {rule_id for rule_id, _ in ENTRIES}
    assert set(load_rules().notes) == typed


def test_the_hard_margins_are_those_of_the_facts():
    hard = load_rules().search.margin_hard_mm
    assert (hard.medial, hard.inferior, hard.lateral, hard.superior) == (1.0, 1.0, 0.5, 0.5)
    assert load_rules().provenance == "rules 1"


def test_rules_cannot_be_changed_in_place():
    with pytest.raises(ValidationError):
        load_rules().cement.min_ml = 1.0


def test_a_source_says_when_a_value_is_not_read():
    assert load_rules().source("session.cement_caution_ml") == "pce-volume"
    assert load_rules().source("technique.wedge_deg") == "cirse2017 (recalled)"
    with pytest.raises(InternalError):
        load_rules().note("technique.wedge")


@pytest.mark.parametrize(
    ("level", "cap"),
    [
        ("T1", 2.0),
        ("T4", 2.0),
        ("T5", 3.0),
        ("T9", 3.0),
        ("T10", 4.5),
        ("T13", 4.5),
        ("L1", 6.0),
        ("L6", 6.0),
    ],
)
def test_caps_by_level(level, cap):
    assert load_rules().cement.cap_ml.of(level) == cap


def test_convergence_is_wider_for_one_needle_at_l5_only():
    limits = load_rules().search.convergence_max_deg
    assert [limits.of(access, "L5") for access in ("bipedicular", "unipedicular")] == [40.0, 50.0]
    assert limits.of("unipedicular", "L4") == 40.0


def test_a_site_file_changes_single_entries_and_says_so(tmp_path):
    text = "name: Our house\nrules:\n  cement:\n    target_fraction: 0.15\n    cap_ml: {T5-T9: 2.5}\n"
    rules = load_rules(site(tmp_path, text))
    assert rules.cement.target_fraction == 0.15
    assert rules.cement.cap_ml.of("T7") == 2.5
    assert rules.cement.cap_ml.of("L1") == 6.0
    assert rules.cement.min_ml == load_rules().cement.min_ml
    assert rules.search == load_rules().search
    assert rules.provenance.startswith("rules 1 + site file Our house (sha256 ")
    assert [change.rule_id for change in rules.changes] == ["cement.target_fraction", "cement.cap_ml"]
    assert rules.changes[0].shipped == 0.20
    assert "Our house" in rules.source("cement.target_fraction")
    assert load_rules().cement.target_fraction == 0.20


def test_a_site_file_can_give_its_reason(tmp_path):
    text = "rules:\n  session:\n    levels_max:\n      value: 2\n      why: Our beds are short.\n      source: SOP 12\n"
    rules = load_rules(site(tmp_path, text))
    assert rules.session.levels_max == 2
    note = rules.note("session.levels_max")
    assert (note.why, note.source, note.unit) == ("Our beds are short.", "SOP 12", "levels")


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("rules:\n  cement:\n    target_fracton: 0.15\n", 3, "did you mean 'target_fraction'"),
        ("rules:\n  cemen:\n    min_ml: 1\n", 2, "did you mean 'cement'"),
        ("rules:\n  search:\n    min_ml: 1\n", 3, "stands in the section cement"),
        ("rules:\n  cement:\n    cap_ml:\n      T5-T8: 2\n", 4, "did you mean 'T5-T9'"),
        ("\nrule:\n", 2, "did you mean 'rules'"),
        ("rules:\n  cement:\n    min_ml: -1\n", 3, "greater than or equal to 0"),
        ("rules:\n  cement:\n    min_ml: two\n", 3, "valid number"),
        ("rules:\n  cement:\n    min_ml: '2'\n", 3, "valid number"),
        ("rules:\n  cement:\n    min_ml: true\n", 3, "valid number"),
        ("rules:\n  cement:\n    min_ml: .inf\n", 3, "finite"),
        ("rules:\n  cement:\n    min_ml: .nan\n", 3, "finite"),
        ("rules:\n  cement:\n    min_ml:\n      value: 2\n      unit: mm\n", 5, "is in ml, not mm"),
        ("rules:\n  cement:\n    min_ml:\n      value: 2\n      reason: x\n", 5, "not part of a rule"),
        ("rules:\n  cement:\n    min_ml:\n      value: -2\n", 4, "greater than or equal to 0"),
        ("rules:\n  search:\n    target_depth: [0.5, 2.0]\n", 3, "less than or equal to 1"),
        ("rules:\n  search:\n    margin_preferred_mm: {medial: 0.5}\n", 2, "below the hard one"),
        ("rules:\n  cautions:\n    highest_level: C7\n", 3, "match pattern"),
        ("rules:\n  access:\n    approaches: [transpedicular, sideways]\n", 3, "extrapedicular"),
        ("rules:\n  access:\n    approaches: [transpedicular, transpedicular]\n", 2, "stands twice"),
        ("rules:\n  cement:\n    min_ml: 1\n    min_ml: 2\n", 4, "duplicate key"),
        ("rules:\n  cement: &a {min_ml: 1}\n  session: *a\n", 3, "alias"),
        ("rules:\n  cement: [1, 2\n", 3, "expected"),
        ("rules: 5\n", 1, "not a table"),
    ],
)
def test_a_wrong_site_file_is_refused_with_its_line(tmp_path, text, line, words):
    error = refused(tmp_path, text)
    assert words in error.what
    assert f"house.yaml, line {line}:" in error.what
    assert error.exit_code == 3
    assert error.do


@pytest.mark.parametrize("text", ["", "- 1\n", "5\n", "\x00", "!!python/object:os.system x\n"])
def test_what_is_no_table_is_refused(tmp_path, text):
    assert "house.yaml" in refused(tmp_path, text).what


def test_a_site_file_that_is_not_there_or_too_large(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_rules(tmp_path / "none.yaml")
    assert "bytes" in refused(tmp_path, "# " + "x" * 1_000_001).what
    (tmp_path / "latin.yaml").write_bytes(b"name: \xe9\n")
    with pytest.raises(InputError, match="not a YAML text"):
        load_rules(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("search: {margin_hard_mm: {medial: 0.9}}", ["rule-less-safe"]),
        ("search: {margin_hard_mm: {medial: 1.1}}", ["rule-changed"]),
        ("cement: {cap_ml: {L1-L6: 6.5}}", ["rule-less-safe"]),
        ("cement: {cap_ml: {L1-L6: 5.5}, min_ml: 1.5}", ["rule-changed", "rule-changed"]),
        ("session: {levels_max: 3}", []),
        ("search: {target_depth: [0.7]}", ["rule-changed"]),
        ("access: {when_one_suffices: unipedicular}", ["rule-changed"]),
    ],
)
def test_the_plan_is_told_what_the_site_changed(tmp_path, text, codes):
    rules = load_rules(site(tmp_path, f"rules: {{{text}}}\n"))
    found = site_findings(rules)
    assert [item.code for item in found] == codes
    assert all("instead of" in item.text for item in found)
    assert site_findings(load_rules()) == ()


def test_rules_survive_their_own_json():
    rules = load_rules()
    assert Rules.model_validate(rules.model_dump()) == rules


def test_the_document_lists_every_rule_as_it_is():
    page = (Path(__file__).parents[2] / "docs/science/decisions.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if "`" in line
    ]
    listed = {row[0].strip("`"): row[1:] for row in rows if len(row) == 5}
    assert listed == {
        rule_id: [shown(entry["value"]), entry["unit"], entry["status"], entry["source"]]
        for rule_id, entry in ENTRIES
    }


def shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {shown(item)}" for key, item in value.items())
    return ", ".join(map(shown, value)) if isinstance(value, list) else str(value)
