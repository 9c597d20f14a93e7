"""F5, F8 and F1: the papers that a patient reads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from endplate.care.case import parse_case
from endplate.care.consent import NO_NUMBER
from endplate.care.evaluate import evaluate
from endplate.care.pack import Pack, load_pack
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.language import ENGLISH, Collector, Language, read_language
from endplate.care.papers.make import PAPERS, called_for, make_paper, write_papers
from endplate.care.papers.readability import measure, measure_page, syllables
from endplate.care.planview import parse_plan
from endplate.care.wording import forbidden_claims
from endplate.errors import InputError, QualityGateError

Build = Callable[..., Inputs]
PATIENT = ("leaflet", "consent", "discharge-pack")
EXAMPLE = Path(__file__).parents[2] / "docs/care/example"
MADE_UP = re.compile(r"\d")


@pytest.fixture
def build(bench, site_pack: Pack) -> Build:
    def run(
        plan: Any = None,
        pack: Pack | None = None,
        language: Language = ENGLISH,
        large_print: bool = False,
        **change: Any,
    ) -> Inputs:
        case, seen = parse_case(bench.case_json(**change)), parse_plan(plan or bench.plan_json())
        rules = pack or site_pack
        return Inputs(case, seen, rules, evaluate(case, seen, rules), language, large_print)

    return run


@pytest.fixture(scope="module")
def home() -> Inputs:
    """The worked example on the day of going home."""
    import json

    case = parse_case(json.loads((EXAMPLE / "2-going-home.json").read_text("utf-8")))
    plan = parse_plan(json.loads((EXAMPLE / "plan.json").read_text("utf-8")))
    pack = load_pack(EXAMPLE / "site.yaml")
    return Inputs(case, plan, pack, evaluate(case, plan, pack))


class Numbers(HTMLParser):
    """Text with digits that stands in no element with a source, and is no id of the paper."""

    def __init__(self) -> None:
        super().__init__()
        self.covered: list[bool] = []
        self.bare: list[str] = []
        self.sourced = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("meta", "br", "line", "rect", "circle", "path", "polyline", "polygon"):
            return
        names = dict(attrs)
        own = bool(names.get("data-source")) or "data-meta" in names or "data-personal" in names
        self.sourced += bool(names.get("data-source"))
        self.covered.append(own or tag in ("style", "title") or (bool(self.covered) and self.covered[-1]))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Elements without content."""

    def handle_endtag(self, tag: str) -> None:
        self.covered.pop()

    def handle_data(self, data: str) -> None:
        if MADE_UP.search(data) and not self.covered[-1]:
            self.bare.append(data.strip())


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<sup.*?</sup>|<style.*?</style>|<[^>]+>", " ", html, flags=re.DOTALL))


def test_f1_1_the_leaflet_has_the_driving_date_with_its_footnote(build: Build) -> None:
    html = make_paper("leaflet", build())
    row = next(part for part in html.split("<li ") if "No driving before then" in part)
    assert "Wednesday 9 December 2026, 09:00" in row
    assert "leaflet-004" in row.split(">")[0]
    number = re.search(r"\[(\d+)", row)
    assert number is not None
    sources = re.findall(r'<li data-source="([^"]+)"', html.split("sources")[-1])
    assert sources[int(number[1]) - 1] == "leaflet-004"


def test_f1_3_without_a_driving_rule_there_is_no_leaflet(bench, build: Build) -> None:
    with pytest.raises(QualityGateError, match=r"Site choice missing: driving.no_drive") as held:
        make_paper("leaflet", build(pack=bench.pack(driving__no_drive=None)))
    assert held.value.exit_code == 4


def test_f1_6_an_expired_review_warns_on_every_page(build: Build) -> None:
    late = build(as_of="2027-11-25T12:00", procedure={"start": "2027-12-07T09:00"})
    assert late.evaluation.card("care-pack-review-due") is not None
    for name in ("clinician", "consent"):
        assert 'class="banner"' in PAPERS[name].make(late)


def test_f5_1_the_consent_page_has_every_risk_per_1000_with_dots_population_and_source(build: Build) -> None:
    html = make_paper("consent", build())
    text = text_of(html)
    for words in (
        "184 of 1000",
        "8 of 1000",
        "1 of 1000",
        "3175 people",
        "comes from vertebroplasty",
        "sham",
    ):
        assert words in text
    found = build().evaluation
    assert all(risk.name in text for risk in found.risks)
    assert text.count(NO_NUMBER) == sum(not risk.numbers for risk in found.risks)
    assert len(re.findall(r'class="dots" role="img" aria-label="[^"]+"', html)) == sum(
        1 + (number.comparison_per_1000 is not None) for risk in found.risks for number in risk.numbers
    )
    assert not re.search(r"\b1 in \d", text)


def test_f5_1_leaks_say_how_they_were_looked_for(build: Build) -> None:
    leaks = [
        part for part in make_paper("consent", build()).split("<figure")[1:] if "any cement outside" in part
    ]
    assert leaks
    assert all("seen by" in part and "CT" in part for part in leaks)


def test_f5_1_icon_arrays_have_as_many_dots_as_the_rate() -> None:
    from endplate.care.papers.icons import dots_of, icon_array

    assert [dots_of(rate) for rate in (0, 0.2, 1.1, 8, 184, 1000)] == [0, 1, 1, 8, 184, 1000]
    for rate, drawn in ((8, 8 + 8 + 992), (0, 1000), (1000, 2000)):
        assert icon_array(rate, alt="x").markup().count("h0") == drawn


def test_f5_2_nine_ml_adds_the_sentence_on_oxygen(bench, build: Build) -> None:
    plan = bench.plan_json(session={"cement_total_ml": 9.0})
    text = text_of(make_paper("consent", build(plan=plan)))
    assert "9 ml of cement" in text
    assert "9 of 1000" in text


def test_f5_3_a_wall_defect_is_told_on_the_consent_page(bench, build: Build) -> None:
    code = {"code": "plan-endplate-and-wall", "severity": "warning", "level": "L1", "text": "", "source": "x"}
    from endplate.sources import value

    code["code"] = value("care.plan.defect_codes")[0]
    text = text_of(make_paper("consent", build(plan=bench.plan_for("L1", warnings=[code]))))
    assert "5.56" in text


def test_f5_5_no_page_promises_or_reassures(build: Build, home: Inputs) -> None:
    pages = [
        make_paper("leaflet", build()),
        make_paper("consent", build()),
        make_paper("discharge-pack", home),
    ]
    for html in pages:
        running = re.sub(r'<section class="fine.*?</section>', "", html, flags=re.DOTALL)
        assert forbidden_claims(text_of(running)) == ()


def translated(direction: str, *, leave_out: str = "", inputs: list[Inputs]) -> Language:
    """A made-up language that turns every sentence the papers need."""
    from dataclasses import replace

    wanted = Collector("en")
    for one in inputs:
        for name in ("leaflet", "consent"):
            PAPERS[name].make(replace(one, language=wanted))
    sentences = {
        key: key if key.startswith("{weekday}") else f"⟦{key}⟧" for key in wanted.wanted if key != leave_out
    }
    return Language("ar", "rtl" if direction == "rtl" else "ltr", sentences, "a person", "2026-11-01")


def test_f5_6_a_language_that_lacks_one_string_is_refused(build: Build) -> None:
    plain = build(person={"language": "ar"})
    whole = translated("rtl", inputs=[plain])
    assert "⟦" in make_paper("consent", build(person={"language": "ar"}, language=whole))
    lacking = translated("rtl", leave_out="I want more time.", inputs=[plain])
    with pytest.raises(QualityGateError, match="I want more time") as held:
        make_paper("consent", build(person={"language": "ar"}, language=lacking))
    assert held.value.code == "care-language-incomplete"


def test_haz_11_a_person_who_reads_another_language_gets_no_english_page(build: Build) -> None:
    with pytest.raises(QualityGateError) as held:
        make_paper("leaflet", build(person={"language": "pt"}))
    assert held.value.code == "care-language-missing"


def test_right_to_left_pages_say_so_and_keep_their_numbers(build: Build) -> None:
    plain = build(person={"language": "ar"})
    html = make_paper("leaflet", build(person={"language": "ar"}, language=translated("rtl", inputs=[plain])))
    assert '<html lang="ar" dir="rtl">' in html
    assert "38.0" in html
    assert "⟦Monday⟧ 7 ⟦December⟧ 2026" in html
    body = html.split("<main>")[1].split('<section class="fine')[0]
    assert "Call now" not in body.replace("⟦Call now if you have any one of these:⟧", "")


def test_a_translation_is_approved_and_keeps_the_numbers(tmp_path: Path) -> None:
    path = tmp_path / "xx.yaml"
    head = "language: xx\ndirection: rtl\napproved: {by: someone, on: 2026-11-01}\nsentences:\n"
    path.write_text(head + '  "{1} of 1000": "1000 / {1}"\n', "utf-8")
    assert read_language(path).sentences == {"{1} of 1000": "1000 / {1}"}
    path.write_text(head + '  "{1} of {2}": "{1}"\n', "utf-8")
    with pytest.raises(InputError, match="same numbers"):
        read_language(path)
    path.write_text("language: xx\nsentences: {a: b}\n", "utf-8")
    with pytest.raises(InputError, match="nobody approved"):
        read_language(path)


def test_f5_7_after_a_change_the_consent_page_carries_a_banner_and_a_new_hash(bench, build: Build) -> None:
    before = build()
    printed = [{"kind": "consent", "at": "2026-12-02T10:00", "consent_hash": before.evaluation.consent_hash}]
    after = build(plan=bench.plan_json(session={"cement_total_ml": 6.0}), printed=printed)
    assert "no longer valid" not in PAPERS["consent"].make(before)
    html = PAPERS["consent"].make(after)
    assert "no longer valid" in html
    assert after.evaluation.consent_hash in html
    assert before.evaluation.consent_hash not in html


def test_f8_1_the_discharge_pack_has_dates_limits_and_the_log_roll(home: Inputs) -> None:
    html = make_paper("discharge-pack", home)
    text = text_of(html)
    for words in ("Tuesday 8 December 2026, 09:45", "Lift no more than 5 kg", "30 minutes at a time"):
        assert words in text
    assert re.search(r'aria-label="How to get out of bed: [^"]+"', html)


def test_f8_2_an_opioid_adds_its_advice_stop_date_and_later_driving(home: Inputs) -> None:
    text = text_of(make_paper("discharge-pack", home))
    assert "oxycodone" in text
    assert "laxative" in text
    assert "Stop this medicine on 9 December 2026" in text
    row = next(entry for entry in home.evaluation.timeline if entry.what == "driving.no_drive")
    assert row.at.startswith("2026-12-10T08:00")
    assert "Thursday 10 December 2026, 08:00" in text


def test_f8_3_the_sick_note_names_days_and_no_diagnosis(home: Inputs, build: Build) -> None:
    body = make_paper("sick-note", home).split("<main>")[1].split('<section class="fine')[0]
    assert "7 December 2026 to 9 December 2026" in body
    assert "L1" not in body
    with pytest.raises(QualityGateError):
        make_paper("sick-note", build())


def test_f8_4_without_an_after_hours_telephone_there_is_no_leaflet(bench, build: Build) -> None:
    with pytest.raises(QualityGateError, match=r"after_hours\.phone"):
        make_paper("leaflet", build(pack=bench.pack(after_hours__phone=None)))


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "اسم طويل", "n" * 200, '"><img src=x onerror=1>']
)
def test_f8_5_a_hostile_name_is_escaped_and_set_apart(build: Build, name: str, tmp_path: Path) -> None:
    inputs = build(person={"name": name})
    for paper in ("leaflet", "consent", "clinician"):
        html = make_paper(paper, inputs)
        assert "<script" not in html
        assert "<img" not in html
        assert '<dd dir="auto">' in html
    written = write_papers(inputs, tmp_path)
    assert {file for _, file, _ in written.files} == {"leaflet.html", "consent.html", "clinician.html"}
    assert name not in str(written.document())


def test_f8_6_large_print_is_large_and_keeps_the_warning_signs(build: Build) -> None:
    html = make_paper("leaflet", build(large_print=True))
    size = re.search(r"html \{ font-size: ([\d.]+)pt", html)
    assert size is not None
    assert float(size[1]) >= 16
    assert html.count('class="urgent"') == make_paper("leaflet", build()).count('class="urgent"') == 2


def test_f8_7_our_own_text_is_easy_to_read(build: Build, home: Inputs) -> None:
    for html in (
        make_paper("leaflet", build()),
        make_paper("consent", build()),
        make_paper("discharge-pack", home),
    ):
        found = measure_page(html)
        assert found.words > 300
        assert found.passes, found


def test_f8_7_hard_text_does_not_pass() -> None:
    hard = (
        "Percutaneous vertebral augmentation necessitates periprocedural discontinuation of anticoagulation "
        "in accordance with institutional recommendations regarding haemorrhagic complications."
    )
    assert not measure([hard]).passes
    assert [syllables(word) for word in ("bone", "needle", "emergency", "cement", "procedure")] == [
        1,
        2,
        4,
        2,
        3,
    ]


def test_f8_7_at_a_site_a_hard_page_is_told_as_a_warning(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert write_papers(build(), tmp_path).hard_to_read == ()
    monkeypatch.setattr("endplate.care.papers.readability.value", lambda key: [1.0, 3.0])
    written = write_papers(build(), tmp_path)
    assert [paper for paper, _, _ in written.hard_to_read] == ["consent", "leaflet"]
    assert any(line.startswith("warning") for line in written.lines())


def test_warning_signs_stand_first_and_last_with_the_emergency_number(build: Build) -> None:
    html = make_paper("leaflet", build())
    main = html.split("<main>")[1]
    assert main.index('class="urgent"') < main.index("What it is, and why")
    assert main.rindex('class="urgent"') > main.index("Where this comes from")
    assert main.index("999") < main.index("020 7946 0123")


@pytest.mark.parametrize("name", ["leaflet", "consent", "clinician"])
def test_every_printed_number_has_a_source(build: Build, name: str) -> None:
    reader = Numbers()
    reader.feed(make_paper(name, build()))
    assert reader.sourced > 20
    assert reader.bare == []


@pytest.mark.parametrize("name", ["discharge-pack", "implant-card", "sick-note"])
def test_every_printed_number_after_the_procedure_has_a_source(home: Inputs, name: str) -> None:
    reader = Numbers()
    reader.feed(make_paper(name, home))
    assert reader.bare == []


def test_an_unverified_fact_carries_its_mark(build: Build) -> None:
    medicine = {"name": "apixaban", "dose_mg": 5, "times": ["08:00", "20:00"]}
    clearance = {"test": "creatinine-clearance", "value": 72, "unit": "mL/min", "taken": "2026-12-05T09:00"}
    inputs = build(medicines=[medicine], labs=[*build().case.model_dump(mode="json")["labs"], clearance])
    held = [entry for entry in inputs.evaluation.timeline if entry.what == "hold.apixaban"]
    assert held[0].verify
    html = make_paper("leaflet", inputs)
    row = next(part for part in html.split("<li ") if "apixaban" in part)
    assert "VERIFY" in row
    assert "not counted" not in row
    assert len(re.findall(r"\d\d:\d\d", row.split("</li>")[0])) == 1
    assert "Do not act on this date yet" in row


def test_pages_have_language_headings_in_order_and_texts_for_pictures(build: Build) -> None:
    for name in ("leaflet", "consent", "clinician"):
        html = make_paper(name, build())
        assert '<html lang="en" dir="ltr">' in html
        ranks = [int(rank) for rank in re.findall(r"<h([1-6])", html)]
        assert ranks[0] == 1
        assert ranks.count(1) == 1
        assert all(after - before <= 1 for before, after in itertools.pairwise(ranks))
        assert all("aria-label" in tag for tag in re.findall(r"<svg[^>]*>", html))
        assert "http" not in html.split("<main>")[1].split('class="fine sources"')[0]


def test_the_same_inputs_give_the_same_bytes(build: Build) -> None:
    assert make_paper("leaflet", build()) == make_paper("leaflet", build())
    assert make_paper("consent", build()) == make_paper("consent", build())


def test_a_missing_field_gives_no_leaflet_and_names_it(build: Build) -> None:
    with pytest.raises(QualityGateError, match="type of procedure"):
        make_paper("leaflet", build(procedure={"type": None}))


def test_after_the_end_only_the_clinicians_page_is_left(build: Build) -> None:
    assert called_for(build(follow_up={"ended": "died"})) == ("clinician",)
