"""A second language: the German draft covers the worked example, and is refused until somebody approves it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from endplate.care.case import parse_case
from endplate.care.evaluate import evaluate
from endplate.care.pack import load_pack
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.language import read_language
from endplate.care.papers.make import make_paper
from endplate.care.planview import parse_plan
from endplate.errors import InputError

CARE = Path(__file__).parents[2] / "docs/care"
DRAFT = CARE / "translations/de.yaml"
PAPERS = {
    "leaflet": "1-clinic",
    "consent": "1-clinic",
    "discharge-pack": "2-going-home",
    "sick-note": "2-going-home",
    "implant-card": "2-going-home",
}


def test_the_draft_is_refused_until_it_is_approved() -> None:
    with pytest.raises(InputError, match="nobody approved"):
        read_language(DRAFT)


@pytest.mark.parametrize("name", PAPERS)
def test_with_approval_the_papers_are_german_throughout(name: str, tmp_path: Path) -> None:
    path = tmp_path / "de.yaml"
    path.write_text(DRAFT.read_text("utf-8") + "approved: {by: the test, on: 2026-11-01}\n", "utf-8")
    content = json.loads((CARE / f"example/{PAPERS[name]}.json").read_text("utf-8"))
    case = parse_case({**content, "person": {**content["person"], "language": "de"}})
    plan = parse_plan(json.loads((CARE / "example/plan.json").read_text("utf-8")))
    pack = load_pack(CARE / "example/site.yaml")
    html = make_paper(name, Inputs(case, plan, pack, evaluate(case, plan, pack), read_language(path)))
    assert '<html lang="de" dir="ltr">' in html
    assert "translation approved by the test, 2026-11-01" in html
    running = re.sub(
        r'<style.*?</style>|<section class="fine.*?</section>|<[^>]+>', " ", html, flags=re.DOTALL
    )
    assert not re.search(r"\b(the|you|with|and|your|is|of)\b", running)
    if name == "sick-note":
        assert "vom 7. Dezember 2026 bis 9. Dezember 2026" in running
    if name == "leaflet":
        assert "Freitag, 4. Dezember 2026, 20:00" in running
