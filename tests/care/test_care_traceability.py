"""The traceability table is whole, true and current."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from endplate.care.traceability import pages, rows

ROOT = Path(__file__).parents[2]
COUNTS = {
    "P-REF": 10,
    "P-IND": 7,
    "P-RSK": 15,
    "P-PRE": 8,
    "P-ANA": 5,
    "P-POS": 4,
    "P-ACC": 3,
    "P-BAL": 3,
    "P-CEM": 3,
    "P-CLO": 2,
    "P-REC": 7,
    "P-DIS": 8,
    "P-ACT": 12,
    "P-WND": 3,
    "P-ANL": 5,
    "P-RED": 7,
    "P-DRV": 2,
    "P-WRK": 3,
    "P-FUP": 2,
    "P-AHR": 2,
}
EXAMPLES = {1: 7, 2: 12, 3: 21, 4: 6, 5: 8, 6: 6, 7: 15, 8: 7, 9: 10, 10: 8, 11: 5, 12: 5}


def wanted() -> set[str]:
    found = {f"{name}-{n:02d}" for name, count in COUNTS.items() for n in range(1, count + 1)}
    found |= {f"C{n}" for n in range(1, 28)} | {f"HAZ-{n}" for n in range(1, 16)}
    return found | {f"F{name}.{n}" for name, count in EXAMPLES.items() for n in range(1, count + 1)}


def names_there() -> set[str]:
    texts = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    return {name for text in texts for name in re.findall(r"^def (test_\w+)\(", text, re.MULTILINE)}


def test_every_requirement_example_and_hazard_has_a_row() -> None:
    assert {row.id for row in rows()} == wanted()


def test_every_row_has_tests_that_exist_or_a_reason() -> None:
    there = names_there()
    assert [row.id for row in rows() if bool(row.tests) == bool(row.reason)] == []
    assert {name for row in rows() for name in row.tests} - there == set()


def test_an_acceptance_example_is_shown_by_tests_that_carry_its_number() -> None:
    for row in rows():
        if row.id.startswith("F") and row.tests:
            number = row.id.lower().replace(".", "_")
            assert all(number in name for name in row.tests)


@pytest.mark.parametrize("name", sorted(pages()))
def test_the_pages_are_current(name: str) -> None:
    made = pages()[name]
    assert (ROOT / "docs/care" / name).read_text("utf-8") == made, (
        "python -m endplate.care.traceability docs/care"
    )


def test_the_pack_in_the_documents_loads(bench, judge) -> None:
    text = (ROOT / "docs/care/index.md").read_text("utf-8")
    pack = bench.load(text.split("```yaml\n")[1].split("```")[0], "documented")
    assert pack.missing("leaflet") == ()
    assert judge(pack=pack).gate("leaflet").open


def test_the_python_in_the_documents_runs(bench, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(bench.folder)
    (bench.folder / "case.json").write_text(json.dumps(bench.case_json()), "utf-8")
    (bench.folder / "plan.json").write_text(json.dumps(bench.plan_json()), "utf-8")
    (bench.folder / "site.yaml").write_text(bench.pack_text(), "utf-8")
    text = (ROOT / "docs/care/index.md").read_text("utf-8")
    exec(compile(text.split("```python\n")[1].split("```")[0], "index.md", "exec"), {})
    assert capsys.readouterr().out == "complete []\n"
