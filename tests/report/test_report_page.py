"""The whole report: complete, self-contained, without a person in it, and the same every time."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
import toy_spine

from endplate.anatomy.model import Spine, Vertebra
from endplate.errors import UsageError
from endplate.papers.page import DISCLAIMER
from endplate.planning.model import LevelPlan, Plan, Refusal, RefusedSide
from endplate.report import ReportInputs, build_report
from endplate.report.losses import greatest_loss
from endplate.report.summary import ranked, verdict
from endplate.report.tables import NOT_GRADED
from endplate.sources import Finding, finding

VOID = {
    "meta",
    "br",
    "link",
    "img",
    "input",
    "hr",
    "rect",
    "line",
    "circle",
    "path",
    "polygon",
    "polyline",
    "image",
}


class Outline(HTMLParser):
    """Collects headings, text, references and unbalanced tags."""

    def __init__(self) -> None:
        super().__init__()
        self.headings: list[tuple[int, str]] = []
        self.references: list[str] = []
        self.words: list[str] = []
        self.svgs: list[dict[str, str | None]] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.broken: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.references += [
            value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")
        ]
        if "id" in named:
            self.ids.append(named["id"] or "")
        if tag == "svg" and named.get("aria-hidden") != "true":
            self.svgs.append(named)
        if tag in ("h1", "h2", "h3", "h4"):
            self.headings.append((int(tag[1]), ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.broken.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "script"):
            self.words.append(data)
        if self.open and self.open[-1] in ("h1", "h2", "h3", "h4"):
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)


def read(html: str) -> Outline:
    outline = Outline()
    outline.feed(html)
    return outline


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", " ".join(read(html).words))


@pytest.fixture(scope="module")
def html(inputs: ReportInputs) -> str:
    return build_report(inputs)


def test_same_inputs_same_bytes(inputs: ReportInputs, html: str) -> None:
    image = replace(inputs.image, data=inputs.image.data.copy(), affine=inputs.image.affine.copy())
    labels = replace(inputs.labels, volume=replace(inputs.labels.volume, data=inputs.labels.data.copy()))
    again = replace(
        inputs, image=image, labels=labels, spine=toy_spine.toy_spine(), plan=toy_spine.toy_plan()
    )
    assert build_report(again).encode() == html.encode()


def test_rounded_documents_are_drawn(inputs: ReportInputs) -> None:
    """A saved spine holds directions with few digits; they are not exactly square any more."""
    lean = np.radians(7.0)
    c, s = round(float(np.cos(lean)), 3), round(float(np.sin(lean)), 3)
    levels = []
    for vertebra in inputs.spine.levels:
        tilted = {"anterior_ras": (0.0, c, -s), "superior_ras": (0.0, s, c), "right_ras": (0.999, 0.0, 0.0)}
        levels.append(vertebra.model_copy(update={"frame": vertebra.frame.model_copy(update=tilted)}))
    spine = inputs.spine.model_copy(update={"levels": tuple(levels)})
    assert "L1 close up" in text_of(build_report(replace(inputs, spine=spine)))


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    outline = read(html)
    assert outline.references
    assert all(ref.startswith(("data:image/png;base64,", "#")) for ref in outline.references)
    assert not re.search(r"https?://|@import|url\(|<script|<link|<iframe|javascript:", html)
    assert "default-src 'none'" in unescape(html)


def test_markup_is_sound_and_readable_aloud(html: str) -> None:
    outline = read(html)
    assert html.startswith("<!doctype html>")
    assert '<html lang="en">' in html
    assert outline.broken == []
    assert outline.open == []
    levels = [level for level, _ in outline.headings]
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels)), "no heading level is skipped"
    assert len(outline.ids) == len(set(outline.ids))
    assert all(svg.get("role") == "img" and len(svg.get("aria-label") or "") > 20 for svg in outline.svgs)


def test_disclaimer_is_at_the_top_and_the_foot_of_every_page(html: str) -> None:
    assert html.count(DISCLAIMER) == 2
    style = html[html.index("<style>") : html.index("</style>")]
    assert "position: fixed" in style
    assert "@page { size: A4" in style


def test_order_of_reading(html: str) -> None:
    words = text_of(html)
    order = [
        "not a medical device",
        "L1",
        "CT of",
        "Days since CT on the day of use",
        "Fracture, grade 2 (moderate)",
    ]
    order += [
        "Warnings",
        "The spine at a glance",
        "Heights against expectation",
        "L1 close up",
        "Why this grade",
    ]
    order += ["L1 needle path", "RIGHT", "LEFT", "Margins around the cannula", "All levels"]
    order += ["How the levels were counted", "Scan quality", "Where this comes from", "Sources"]
    body = words[words.index("Toy spine") :]
    places = [words.index("not a medical device")] + [body.index(each) for each in order[1:]]
    assert places[1:] == sorted(places[1:])


def test_every_level_finding_and_number_is_there(inputs: ReportInputs, html: str) -> None:
    words = text_of(html)
    for vertebra in inputs.spine.levels:
        assert vertebra.level in words
        assert f"{vertebra.heights_mm.anterior:.1f} ± 0.3" in words
    for expected in (
        "A toy & its warning.",
        "L1: loss 38 % <of expectation>.",
        "From the run.",
        finding("ct-does-not-date").text,
        "1 March 2024",
        "74 years",
        "RAO 12°, CRAN 0°",
        "25\u202fmm right",
        "ab" * 32,
        "Genant HK",
        "doi:10.1002/jbmr.5650080915",
    ):
        assert re.sub(r"\s+", " ", expected) in words


def test_text_is_escaped(inputs: ReportInputs) -> None:
    nasty = Finding(
        code="n", severity="critical", level="L1", text="<img src=x onerror=alert(1)>", source="<b>"
    )
    spine = inputs.spine.model_copy(update={"findings": (nasty,)})
    html = build_report(replace(inputs, spine=spine, title="</title><script>alert(1)</script>"))
    assert "<script" not in html
    assert "<img" not in html
    assert "<img src=x onerror=alert(1)>" in text_of(html)


def test_nothing_personal_and_no_place_or_time(html: str) -> None:
    for secret in ("DOE_JANE", "secret.nii", "jane", "ward-pc-7", "2031"):
        assert secret not in html


def test_a_report_without_a_title_gets_one(inputs: ReportInputs) -> None:
    assert "<h1>Needle plan</h1>" in build_report(replace(inputs, title=""))
    assert "<h1>Spine assessment</h1>" in build_report(replace(inputs, title=" ", plan=None))


def test_label_box_is_empty_and_optional(inputs: ReportInputs, html: str) -> None:
    assert 'class="patient-label"' in html
    assert 'class="patient-label"' not in build_report(replace(inputs, show_patient_label=False))


def test_unknown_is_a_dash_with_its_reason(inputs: ReportInputs) -> None:
    cut = Vertebra(level="L3", label_id=22, complete=False)
    spine = inputs.spine.model_copy(update={"levels": (*inputs.spine.levels, cut)})
    html = build_report(replace(inputs, spine=spine, requested_levels=("L3",), plan=None))
    assert "None" not in text_of(html)
    assert "nan" not in text_of(html).split()
    rows = re.findall(r"<tr[^>]*><th scope=\"row\">L3</th>(.*?)</tr>", html, flags=re.S)
    assert len(rows) == 3
    for row in rows:
        assert set(re.findall(r"<td>([^<]*)", row)) == {"–"}
    assert "The level is cut by the edge of the scan." in text_of(html)
    assert "Cannot be judged: The level is cut by the edge of the scan." in text_of(html)
    assert "There is no close-up: the level could not be measured." in text_of(html)


def test_a_level_without_a_fracture_says_so_with_the_reason(inputs: ReportInputs) -> None:
    level = LevelPlan(
        level="L2",
        technique="vertebroplasty",
        access="none",
        fracture_seen=False,
        reason="Oedema on MRI",
        refused=Refusal(
            code="x",
            reasons=(
                Finding(code="x", severity="critical", level="L2", text="Too narrow.", source="endplate"),
            ),
        ),
    )
    html = build_report(replace(inputs, plan=Plan(plans=(level,)), requested_levels=("L2",)))
    words = text_of(html)
    first = words[: words.index("The spine at a glance")]
    assert "No fracture seen: " in first
    assert "No fracture seen here: L2 was chosen although" in first
    assert "Reason given: “Oedema on MRI”" in first
    assert "Too narrow." in first
    assert "L1 close up" in words, "the other flagged level has its close-up too"


def test_one_refused_side_is_told(inputs: ReportInputs) -> None:
    why = Finding(
        code="narrow", severity="warning", level="L1", text="Pedicle too narrow.", source="endplate"
    )
    level = LevelPlan(
        level="L1",
        technique="vertebroplasty",
        access="unipedicular",
        fracture_seen=True,
        paths=(toy_spine.toy_path("left"),),
        refused_sides=(RefusedSide(side="right", code="narrow", reasons=(why,)),),
    )
    words = text_of(build_report(replace(inputs, plan=Plan(plans=(level,)))))
    assert "RIGHT: no safe path" in words
    assert "L1 right: no path" in words
    assert words.count("Pedicle too narrow.") >= 2


def test_geometry_only_and_no_labels(inputs: ReportInputs) -> None:
    geometry = build_report(
        replace(inputs, image=None, spine=inputs.spine.model_copy(update={"geometry_only": True}))
    )
    assert "No CT was given" in text_of(geometry)
    assert "data:image/png" not in geometry
    bare = replace(inputs, labels=None, plan=None, spine=Spine(levels=()), requested_levels=())
    words = text_of(build_report(bare))
    assert "No label map was given" in words
    assert "No level chosen" in words
    assert "Coronal cut where the scan holds most bone" in words
    assert "All levels" not in words
    nothing = build_report(replace(bare, image=None))
    assert "No label map was given" in text_of(nothing)


def test_a_level_that_is_not_there_is_critical(inputs: ReportInputs) -> None:
    words = text_of(build_report(replace(inputs, requested_levels=("T9",), plan=None)))
    assert words.count("this scan has no vertebra labelled T9") >= 2


def test_requested_levels_are_checked_and_named_canonically(inputs: ReportInputs) -> None:
    assert replace(inputs, requested_levels=(" l1", "L1", "th12")).requested_levels == ("L1", "T12")
    with pytest.raises(UsageError):
        replace(inputs, requested_levels=("LWK1",))


def test_loss_interval_is_that_of_a_ratio() -> None:
    """First-order error of 1 − h/e against 200 000 draws from normal errors."""
    loss = greatest_loss(toy_spine.toy_vertebra(1))
    assert loss is not None
    assert loss.part == "anterior"
    rng = np.random.default_rng(11)
    drawn = 1.0 - rng.normal(loss.measured_mm, 0.3, 200_000) / rng.normal(loss.expected_mm, 1.2, 200_000)
    low, high = loss.interval or (0.0, 0.0)
    assert low == pytest.approx(np.quantile(drawn, 0.025), abs=0.006)
    assert high == pytest.approx(np.quantile(drawn, 0.975), abs=0.006)


def test_verdict_words() -> None:
    assert verdict(toy_spine.toy_vertebra(1)).startswith(
        "Fracture, grade 2 (moderate), wedge shape: anterior height loss 38"
    )
    assert verdict(toy_spine.toy_vertebra(0)).startswith("No fracture seen: ")
    assert verdict(Vertebra(level="L1", label_id=20, complete=True)) == "Cannot be judged: " + NOT_GRADED


def test_findings_are_ranked_and_told_once() -> None:
    def one(severity: str, level: str | None) -> Finding:
        return Finding(
            code=severity, severity=severity, level=level, text=f"{severity} {level}", source="endplate"
        )

    mixed = [
        one("info", None),
        one("warning", "T9"),
        one("warning", "L1"),
        one("critical", None),
        one("info", None),
    ]
    assert [(f.severity, f.level) for f in ranked(mixed, ("L1",))] == [
        ("critical", None),
        ("warning", "L1"),
        ("warning", "T9"),
        ("info", None),
    ]
