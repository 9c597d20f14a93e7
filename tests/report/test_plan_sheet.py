"""The plan sheet and the time-out: what they say, that the pictures are to scale, and that each is one page."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import numpy as np
import pytest
import toy_spine

from endplate.papers.page import DISCLAIMER
from endplate.planning.checkpoints import checkpoints, sight
from endplate.planning.model import (
    BalloonChoice,
    CementDose,
    Decision,
    LadderStep,
    LevelPlan,
    NeedlePath,
    Plan,
    Refusal,
    RefusedSide,
    Robustness,
    ScoreTerm,
    Session,
)
from endplate.planning.room_geometry import PathPoints
from endplate.planning.skin import skin_entry
from endplate.planning.views import bulls_eye, level_views
from endplate.report import ReportInputs
from endplate.report.needle_across import across_figure
from endplate.report.pedicle_section import SIZE_MM, WIDTH_PX, pedicle_section
from endplate.report.plan_sheet import plan_sheets
from endplate.report.scene import Scene
from endplate.report.sheet_tables import console
from endplate.report.sheets import build_sheets
from endplate.sources import Finding

PX_PER_MM = WIDTH_PX / SIZE_MM[0]


def full_path(side: str) -> NeedlePath:
    """The toy's needle with everything that a plan for the room holds."""
    path, vertebra = toy_spine.toy_path(side), toy_spine.toy_vertebra(1)
    points = PathPoints.of(path)
    pedicle = getattr(vertebra.pedicles, side)
    assert vertebra.frame is not None
    stops = checkpoints(points, sight(points, vertebra.frame, pedicle), vertebra.body_depth_mm)
    return path.model_copy(
        update={
            "carm": bulls_eye(path.entry_ras_mm, path.tip_ras_mm),
            "checkpoints": stops,
            "skin": skin_entry(points, vertebra.frame, pedicle),
            "robustness": Robustness(breach_fraction=0.04, worst_margin_mm=0.7, grade="A", tolerance_deg=2.5),
            "score": (ScoreTerm(name="medial margin", weight=1.0, value=0.92, text=""),),
        }
    )


def full_plan(levels: tuple[str, ...] = ("L1",)) -> Plan:
    vertebra = toy_spine.toy_vertebra(1)
    assert vertebra.frame is not None
    warning = Finding(
        code="toy", severity="warning", level="L1", text="Look out: a toy. " * 16, source="endplate"
    )
    plans = tuple(
        LevelPlan(
            level=level,
            technique="kyphoplasty",
            access="bipedicular",
            fracture_seen=True,
            paths=(full_path("left"), full_path("right")),
            views=level_views(vertebra.frame, vertebra.endplates),
            decisions=tuple(
                Decision(rule_id=f"rule-{i}", outcome="bipedicular", text="Because.", source="endplate")
                for i in range(11)
            ),
            cement=CementDose(
                volume_ml=5.2,
                per_needle_ml=(2.6, 2.6),
                cap_ml=6.0,
                ladder=tuple(LadderStep(fraction=f, volume_ml=26.0 * f) for f in (0.15, 0.2, 0.25, 0.3)),
            ),
            balloon=BalloonChoice(
                name="IBT 15",
                length_mm=15.0,
                volume_ml=3.5,
                max_volume_ml=4.0,
                rated_pressure_mpa=2.7,
                inflated_diameter_mm=15.0,
                contrast_ml=12.0,
                recalled=True,
            ),
            warnings=(warning,) * 6,
        )
        for level in levels
    )
    return Plan(plans=plans, session=Session(cement_total_ml=5.2 * len(levels)))


@pytest.fixture(scope="module")
def sheet(inputs: ReportInputs) -> str:
    return build_sheets(replace(inputs, plan=full_plan()), time_out=False)


def text_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


def test_the_sheet_says_what_the_room_needs(sheet):
    text = text_of(sheet)
    for words in (
        "11G, Ø 3.05 mm",
        "12° toward the patient's right",
        "12° toward the patient's left",
        "90° toward the patient's right",
        "2.9 (2.1) / 3.0 (2.2) mm",
        "A, 0.7 mm, 4 %, ±2.5°",
        "medial margin 1.0 × 0.92",
        "rule-0",
        "and 2 more in the report",
        "5.2 ml (2.6 and 2.6 by needle), cap 6.0 ml",
        "20 % 5.2",
        "IBT 15, 15 mm, to 3.5 ml",
        "Never past the ring's medial border on AP before the posterior wall is crossed on lateral",
        "Tip at the posterior wall; only now past the ring on AP.",
        "25 mm right (",
        "prone",
    ):
        assert words in text, words
    assert text.count(DISCLAIMER) >= 2
    assert "http" not in sheet.replace("http-equiv", ""), "self-contained"
    assert sheet.index("RIGHT</p>") < sheet.index("LEFT</p>"), "the patient's right on the left of the page"


def test_every_picture_is_there_with_its_letters(sheet):
    alts = re.findall(r'aria-label="([^"]*Edges[^"]*)"', sheet)
    assert len(alts) == 2 + 2 * 4
    assert "left L, right R, top S, bottom I" in alts[0], "from behind"
    assert "left A, right P, top S, bottom I" in alts[1], "from the left side"
    for alt in alts[2:]:
        left, right = re.findall(r"left (\w+), right (\w+)", alt)[0]
        assert (left[0], right[0]) in (("R", "L"), ("A", "P"))


@pytest.mark.parametrize(("side", "medial_way"), [("right", 1.0), ("left", -1.0)])
def test_margins_are_drawn_to_scale_on_their_own_side(inputs, side, medial_way):
    path = toy_spine.toy_path(side)
    path = path.model_copy(update={"margins_mm": path.margins_mm.model_copy(update={"medial": 4.0})})
    svg = str(pedicle_section(Scene(inputs.image, inputs.labels), toy_spine.toy_vertebra(1), path).svg)
    (radius,) = re.findall(r'<circle [^>]* r="([\d.]+)"', svg)
    assert float(radius) == pytest.approx(0.5 * 3.05 * PX_PER_MM, abs=0.01)
    lines = [
        tuple(float(x) for x in found)
        for found in re.findall(r'<line x1="([\d.]+)" y1="([\d.]+)" x2="([\d.]+)" y2="([\d.]+)"', svg)
    ]
    lateral, medial, superior, inferior = lines[0::2]
    # Screen right is the patient's left: medial for the right needle.
    assert medial_way * (medial[2] - medial[0]) == pytest.approx(4.0 * PX_PER_MM, abs=0.02)
    assert -medial_way * (lateral[2] - lateral[0]) == pytest.approx(3.0 * PX_PER_MM, abs=0.02)
    assert superior[1] - superior[3] == pytest.approx(2.9 * PX_PER_MM, abs=0.02)
    assert inferior[3] - inferior[1] == pytest.approx(2.8 * PX_PER_MM, abs=0.02)


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_cannula_lies_inside_the_pedicles_outline(inputs, side):
    svg = str(
        across_figure(
            Scene(inputs.image, inputs.labels),
            inputs.spine,
            toy_spine.toy_vertebra(1),
            toy_spine.toy_path(side),
        ).svg
    )
    ring = np.array(
        [
            [float(v) for v in pair.split(",")]
            for pair in re.findall(r'<polygon points="([^"]+)"', svg)[0].split()
        ]
    )
    outlines = [
        np.array([[float(v) for v in pair.split(" ")] for pair in part.strip("Z").split("L")])
        for part in re.findall(r'<path d="M([^"]+)"', svg)[-1].split("M")
    ]
    assert any(
        (outline.min(axis=0) < ring.min(axis=0)).all() and (ring.max(axis=0) < outline.max(axis=0)).all()
        for outline in outlines
    )


def test_unknown_stays_unknown(inputs):
    bare = toy_spine.toy_plan()
    path = bare.plans[0].paths[0].model_copy(update={"skin_ras_mm": None})
    plan = bare.model_copy(update={"plans": (bare.plans[0].model_copy(update={"paths": (path,)}),)})
    (section,) = plan_sheets(replace(inputs, plan=plan))
    text = text_of(section)
    assert "The skin is not in view of the scan." in text
    assert "Small errors were not tried" in text
    assert "None" not in text
    assert "nan" not in text.lower().split()


def test_without_pictures_there_are_numbers(inputs):
    (no_ct,) = plan_sheets(replace(inputs, plan=full_plan(), image=None))
    assert no_ct.count("<svg") > 8
    (neither,) = plan_sheets(replace(inputs, plan=full_plan(), image=None, labels=None))
    assert 'class="picture"' not in neither
    assert "2.9 (2.1)" in neither
    assert plan_sheets(replace(inputs, plan=None)) == []


def test_a_refusal_has_its_reasons(inputs):
    why = Finding(
        code="x", severity="critical", level="L1", text="The pedicle is too narrow.", source="endplate"
    )
    one = LevelPlan(level="L1", technique="vertebroplasty", access="unipedicular", fracture_seen=True)
    sided = one.model_copy(
        update={
            "paths": (full_path("right"),),
            "refused_sides": (RefusedSide(side="left", code="pedicle-narrow", reasons=(why,)),),
        }
    )
    whole = one.model_copy(update={"access": "none", "refused": Refusal(code="body-only", reasons=(why,))})
    first, second = plan_sheets(replace(inputs, plan=Plan(plans=(sided, whole))))
    assert "Left: no path. The pedicle is too narrow." in text_of(first)
    assert "No plan. The pedicle is too narrow." in text_of(second)


def test_the_time_out_asks_everything_and_knows_nobody(inputs):
    page = build_sheets(replace(inputs, plan=full_plan()), plans=False)
    text = text_of(page)
    for words in (
        "right transpedicular, 42 mm in bone and left transpedicular",
        "11G right, 11G left and balloon IBT 15 to 3.5 ml",
        "Cement of all levels together: 5.2 ml",
        "The labels were given with names: T12, L1, L2.",
        "Allergy",
        "Antithrombotics",
        "Implants",
        "Consent",
        "Pregnancy",
        "Blood pressure",
        "O₂ saturation",
        "Before cement",
        "3 minutes after cement",
        "Mixing began",
        "Signatures",
    ):
        assert words in text, words
    assert text.count(DISCLAIMER) >= 2
    assert "74" not in text, "the patient's age is known to the scan and has no place here"
    assert "DOE" not in page
    empty = text_of(build_sheets(replace(inputs, plan=None), plans=False))
    assert "Allergy" in empty


def test_the_same_bytes_each_time(inputs, sheet):
    assert build_sheets(replace(inputs, plan=full_plan()), time_out=False) == sheet


def test_an_angle_out_of_reach_is_said():
    assert "OUT OF REACH" in console(bulls_eye([0, 0, 0], [-2.0, 1.0, 0.0]))
    assert console(bulls_eye([0, 0, 0], [0.001, 1.0, 0.0])).endswith("[180°, 0°]")
    assert console(toy_spine.toy_path("left").carm.model_copy(update={"console_text": ""})) == "–"


@pytest.mark.skipif(shutil.which("chromium") is None, reason="no browser to print with")
@pytest.mark.parametrize("kind", ["plan sheet", "time-out of 5 levels"])
def test_each_sheet_prints_on_one_page(inputs, tmp_path: Path, kind):
    if kind == "plan sheet":
        html = build_sheets(replace(inputs, plan=full_plan()), time_out=False)
    else:
        html = build_sheets(replace(inputs, plan=full_plan(("T11", "T12", "L1", "L2", "L3"))), plans=False)
    page, pdf = tmp_path / "sheet.html", tmp_path / "sheet.pdf"
    page.write_text(html, "utf-8")
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--print-to-pdf={pdf}", page.as_uri()],
        check=True,
        capture_output=True,
        timeout=120,
    )
    assert len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf.read_bytes())) == 1
