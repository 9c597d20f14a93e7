"""The pages of balloons: what was gained and lost, the cavity where it is, curves within their bounds."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import balloon_toy
import numpy as np
import pytest
from test_treat_pages import cement_at, level, treatment

from endplate.anatomy.model import HeightTriple
from endplate.imaging.volume import LabelMap, Volume
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import HeightGain, LevelOutcome
from endplate.papers.words import DASH
from endplate.report import ReportInputs, build_report
from endplate.report.balloon_charts import heights_figure, pressure_figures
from endplate.report.balloon_cuts import CAVITY, LEGEND, MARKER, cavity_cuts, cavity_reliefs, legend
from endplate.report.balloon_pages import BalloonPart
from endplate.report.balloon_stages import stage_xrays
from endplate.report.balloon_tables import heights_table, steps_table, tamps_table
from endplate.report.balloon_words import balloon_facts, balloon_verdict, rated_mpa
from endplate.report.scene import Scene
from endplate.report.treat import treat_sections

SPACE = "\u202f"


def filled(**changed: object) -> LevelOutcome:
    """The toy's level after balloons, 2.4 of its 3 ml in their cavity."""
    made = level(balloon=balloon_toy.toy_balloons(**changed))
    assert made.cement is not None
    return made.model_copy(
        update={"cement": made.cement.model_copy(update={"in_bone_ml": 0.6, "in_cavity_ml": 2.4})}
    )


@pytest.fixture(scope="module")
def maps(toy: tuple[Volume, LabelMap]) -> CementMaps:
    middles = [balloon_toy.markers(side).mean(axis=0) for side in ("right", "left")]
    return balloon_toy.with_cavity(cement_at(toy[0], *((one, 5.0) for one in middles)), "right", "left")


@pytest.fixture(scope="module")
def planned(inputs: ReportInputs) -> ReportInputs:
    return replace(inputs, plan=balloon_toy.balloon_plan())


def part_of(inputs: ReportInputs, one: LevelOutcome, maps: CementMaps | None) -> BalloonPart:
    scene = Scene(inputs.image, inputs.labels)
    (section,) = treat_sections(scene, inputs.spine, inputs.plan, treatment(one), maps)
    assert section.balloon is not None
    return section.balloon


def plain(text: str) -> str:
    return text.replace(SPACE, " ")


def test_the_page_shows_every_part_of_the_balloons(planned: ReportInputs, maps: CementMaps) -> None:
    page = unescape(build_report(replace(planned, treatment=treatment(filled()), cement=maps)))
    for heading in (
        "L1 simulated kyphoplasty",
        "Axial: cavity",
        "Coronal: cavity",
        "Sagittal, right: cavity",
        "Sagittal, left: cavity",
        "L1 cavity through the bone",
        "L1 under simulated X-ray, stage by stage",
        "Right balloon 15/3: pressure and volume",
        "Left balloon 15/3: pressure and volume",
        "Simulated balloons of L1",
        "Heights, step by step",
        "Simulated heights of L1",
        "Simulated inflation of L1, step by step",
        "L1 cement in the end",
        *(words for _, words in LEGEND),
    ):
        assert heading in page
    cover = plain(re.sub(r"<[^>]+>", " ", page[: page.index("simulated kyphoplasty</h2>")]))
    assert (
        "6.6 mm: 5.5 mm by posture (an input), 2.2 mm by the balloons, less 1.1 mm lost on deflation" in cover
    )
    assert "5.5 ml, 2.4 ml of cement in it (44 %)" in cover
    assert "1.50 MPa (218 psi), 54 % of the rated 2.76 MPa" in cover
    assert "0.6 ml in the bone and 2.4 ml in the cavity" in cover


def test_a_level_without_balloons_has_none_of_it(inputs: ReportInputs) -> None:
    page = build_report(replace(inputs, treatment=treatment(level())))
    assert "L1 simulated cement" in page
    for word in ("kyphoplasty", "cavity of the balloons", "Simulated balloons", "step by step"):
        assert word not in page


def test_curves_and_tables_stand_without_the_ct(planned: ReportInputs) -> None:
    part = part_of(planned, filled(), None)
    assert part.cuts == part.reliefs == []
    assert len(part.pressures) == 2
    assert len(part.heights) == 1
    assert part.stages is not None
    assert part.steps is not None
    bare = part_of(planned, filled(steps=(), stages=(), pressure_band_mpa=None, stopped={}), None)
    assert bare.pressures == bare.heights == []
    assert bare.stages is None
    assert bare.steps is None
    cells = bare.tamps.rows[0].cells
    assert [cells[1].text, cells[4].text] == [DASH, "not known"]


def ring_centres(svg: str, colour: str, width_mm: float) -> list[np.ndarray]:
    """Centres of the outlines filled with a colour, mm right of and below the picture's middle."""
    size = re.search(r'viewBox="0 0 (\S+) (\S+)"', svg)
    assert size is not None
    middle = 0.5 * np.array([float(one) for one in size.groups()])
    (path,) = re.findall(rf'<path d="([^"]+)"[^>]*fill="{colour}"', svg)
    found = []
    for ring in path.strip("MZ").split("ZM"):
        points = np.array([[float(c) for c in pair.split()] for pair in ring.split("L")])
        centre = 0.5 * (points.max(axis=0) + points.min(axis=0))
        found.append((centre - middle) * width_mm / (2.0 * middle[0]))
    return sorted(found, key=lambda at: float(at[0]))


def test_the_cavity_is_drawn_where_it_is_and_each_side_has_its_own_cut(
    planned: ReportInputs, maps: CementMaps
) -> None:
    assert planned.plan is not None
    assert maps.cavity is not None
    scene = Scene(planned.image, planned.labels)
    vertebra = planned.spine.find("L1")
    assert vertebra is not None
    assert vertebra.frame is not None
    paths = planned.plan.plans[0].paths
    axial, coronal, right, left = cavity_cuts(scene, vertebra, maps.cavity, maps.fraction, paths)
    middles = {side: balloon_toy.markers(side).mean(axis=0) for side in ("right", "left")}
    aside = middles["right"][0] - vertebra.frame.origin_ras_mm[0]
    # The patient's right is on the left; the left sagittal cut lies as far to the other side.
    seen = ring_centres(str(axial.svg), CAVITY, 92.0)
    assert [float(at[0]) for at in seen] == pytest.approx([-aside, aside], abs=0.8)
    assert len(ring_centres(str(coronal.svg), CAVITY, 92.0)) == 2
    for cut, side in ((right, "right"), (left, "left")):
        found = re.match(r"([\d.]+) mm (\w+) of the middle", plain(cut.caption))
        assert found is not None
        assert found.group(2) == side
        assert float(found.group(1)) == pytest.approx(aside, abs=1.1)
        assert str(cut.svg).count(f'fill="{MARKER}" stroke="#000000" stroke-width="1"') == 4
    one_side = cavity_cuts(scene, vertebra, balloon_toy.with_cavity(maps, "left").cavity, None, paths)  # type: ignore[arg-type]
    assert [cut.heading for cut in one_side] == ["Axial: cavity", "Coronal: cavity", "Sagittal: cavity"]
    assert "left of the middle" in one_side[2].caption
    empty = Volume(np.zeros(maps.cavity.shape, np.float32), maps.cavity.affine)
    assert cavity_cuts(scene, vertebra, empty, None, paths) == []
    assert cavity_reliefs(scene, vertebra, empty, paths) == []


def test_the_cavity_shines_through_the_bone(planned: ReportInputs, maps: CementMaps) -> None:
    assert planned.plan is not None
    assert maps.cavity is not None
    vertebra = planned.spine.find("L1")
    assert vertebra is not None
    paths = planned.plan.plans[0].paths
    scene = Scene(planned.image, planned.labels)
    both = cavity_reliefs(scene, vertebra, maps.cavity, paths)
    assert [one.heading for one in both] == ["From the front", "From the left side", "From below"]
    alone = balloon_toy.with_cavity(maps, "left").cavity
    assert alone is not None
    front = cavity_reliefs(scene, vertebra, alone, paths)[0]
    assert str(front.svg) != str(both[0].svg)
    assert cavity_reliefs(Scene(planned.image, None), vertebra, maps.cavity, paths) == []


def test_legends_name_only_what_is_drawn(planned: ReportInputs, inputs: ReportInputs) -> None:
    assert planned.plan is not None
    assert inputs.plan is not None
    assert legend(planned.plan.plans[0].paths, filled=True) == LEGEND
    words = [text for _, text in legend(inputs.plan.plans[0].paths, filled=False)]
    assert "– – cement in the end" not in words
    assert "balloon's markers as planned" not in words
    assert len(words) == len(LEGEND) - 2


def points_of(svg: str, tag: str, colour: str) -> np.ndarray:
    (text,) = re.findall(rf'<{tag} points="([^"]+)"[^>]*(?:fill|stroke)="{colour}"', svg)
    return np.array([[float(c) for c in pair.split(",")] for pair in text.split()])


def test_the_curve_lies_in_its_band_and_ends_at_the_volume_held() -> None:
    found = balloon_toy.toy_balloons()
    right, left = pressure_figures("L1", found, balloon_toy.balloon_plan().plans[0])
    for figure, count in ((right, 6), (left, 5)):
        line = points_of(str(figure.svg), "polyline", "#212529")
        band = points_of(str(figure.svg), "polygon", "#9ec5e8")
        assert len(line) == count
        upper, lower = band[:count], band[count:][::-1]
        assert (upper[:, 1] < line[:, 1]).all()
        assert (line[:, 1] < lower[:, 1]).all()
        assert upper[:, 0] == pytest.approx(line[:, 0])
    assert "up to 3.0 ml and 1.50 MPa" in plain(str(right.svg))
    assert "up to 2.5 ml and 1.16 MPa" in plain(str(left.svg))
    # Both have one scale: a volume of 2.5 ml stands in the same place.
    line = points_of(str(right.svg), "polyline", "#212529")
    assert line[4, 0] == points_of(str(left.svg), "polyline", "#212529")[-1, 0]


def test_a_balloon_let_off_and_inflated_again_has_two_curves() -> None:
    steps = [one for one in balloon_toy.toy_steps() if one.side == "right"]
    found = balloon_toy.toy_balloons(steps=(*steps, *steps))
    (figure,) = pressure_figures("L1", found, None)
    assert len(re.findall(r"<polyline", str(figure.svg))) == 2
    assert pressure_figures("L1", balloon_toy.toy_balloons(steps=tuple(steps[:1])), None) == []


def test_the_rated_pressure_comes_from_the_plan_or_the_list_or_is_not_drawn() -> None:
    plan = balloon_toy.balloon_plan().plans[0]
    assert rated_mpa("15/3", plan) == balloon_toy.RATED_MPA
    assert rated_mpa("15/3", None) == pytest.approx(2.758, abs=0.01)
    assert rated_mpa("of my own", plan) is None
    found = balloon_toy.toy_balloons(balloons={"right": "of my own", "left": "of my own"})
    assert all("rated" not in str(one.svg) for one in pressure_figures("L1", found, plan))
    (right, _) = tamps_table("L1", found, plan).rows
    assert right.cells[3].text == DASH
    assert "the rated pressure is not known" in balloon_facts(found, None, plan)[2][1]


def test_heights_pass_every_stage_and_stand_beside_what_is_expected() -> None:
    found = balloon_toy.toy_balloons()
    figure = heights_figure("L1", found)
    assert figure is not None
    svg = str(figure.svg)
    assert "anterior 16.2 to 22.8 mm, expected 26.0 mm" in svg
    for words in ("scan", "posture", "inflated", "deflated", "end"):
        assert svg.count(f">{words}</text>") == 1
    anterior = re.findall(r'<polyline points="([^"]+)"', svg)[0].split()
    heights = np.array([float(pair.split(",")[1]) for pair in anterior])
    # Scan, posture, 13 steps, end; the greatest height is that of the last inflation.
    assert len(heights) == 16
    assert int(heights.argmin()) == 12
    assert heights[0] == heights.max()
    silent = balloon_toy.toy_balloons(expected_heights_mm=HeightTriple(), uncertainty_mm=HeightTriple())
    figure = heights_figure("L1", silent)
    assert figure is not None
    assert "expected" not in str(figure.svg)
    assert len(figure.legend) == 1


def test_the_table_of_heights_tells_gains_and_what_is_an_input() -> None:
    table = heights_table("L1", balloon_toy.toy_balloons())
    assert table is not None
    rows = [(row.heading, *(cell.text for cell in row.cells)) for row in table.rows]
    assert rows[0] == ("On the scan", "16.2", "20.1", "24.0", "21.0")
    assert rows[1][0] == "By posture (input)"
    assert rows[2] == ("against the scan", "+5.5", "+4.3", "0.0", "−10.4")
    assert rows[-1][1] == "26.0\u00a0±\u00a02.4"
    assert "put in, no prediction" in table.note
    assert "Deflation takes 1.1 mm of the anterior height, 6.8 % of it on the scan" in plain(table.note)
    steps = steps_table("L1", balloon_toy.toy_balloons())
    assert steps is not None
    assert [row.heading for row in steps.rows][-2:] == ["12 right", "13 left"]
    assert steps.rows[-1].cells[0].text == "deflated"


def test_words_say_why_a_balloon_stopped_and_what_it_still_holds() -> None:
    found = balloon_toy.toy_balloons(stopped={"right": "rupture", "left": "wall contact"})
    assert "took 3.0 ml: it burst; the left one (15/3) took 2.5 ml: it touched a wall" in plain(
        balloon_verdict(found, None, None)[3]
    )
    assert [row.mark for row in tamps_table("L1", found, None).rows] == ["flagged", ""]
    held = balloon_toy.toy_balloons(
        height_gain_mm=HeightGain(posture=5.5, inflated=7.7), stages=balloon_toy.toy_balloons().stages[:3]
    )
    words = plain(balloon_verdict(held, None, None)[0])
    assert (
        "7.7 mm with the balloons inflated: 5.5 mm by posture (an input) and 2.2 mm by the balloons." in words
    )
    unknown = balloon_toy.toy_balloons(height_gain_mm=HeightGain(), peak_pressure_mpa=None, stages=())
    told = balloon_verdict(unknown, None, None)
    assert told[0] == "Gain of the anterior height: not known."
    assert "no cement was given" in told[1]
    assert told[2].startswith("Peak pressure in a balloon: not known")


def test_laterals_of_the_stages_need_the_level_and_its_own_cavity(
    planned: ReportInputs, maps: CementMaps
) -> None:
    assert planned.plan is not None
    scene, level_plan = Scene(planned.image, planned.labels), planned.plan.plans[0]
    found, vertebra = balloon_toy.toy_balloons(), planned.spine.find("L1")
    assert vertebra is not None
    for without in (Scene(None, planned.labels), Scene(planned.image, None)):
        assert stage_xrays(without, planned.spine, vertebra, level_plan, found, maps).figures == []
    assert stage_xrays(scene, planned.spine, vertebra, level_plan, found, None).figures == []
    # The cavity lies in L1 alone: for its neighbour there is nothing to show.
    neighbour = planned.spine.find("T12")
    assert stage_xrays(scene, planned.spine, neighbour, level_plan, found, maps).figures == []
    unmeasured = vertebra.model_copy(update={"frame": None})
    spine = planned.spine.model_copy(update={"levels": (planned.spine.levels[0], unmeasured)})
    told = stage_xrays(scene, spine, unmeasured, level_plan, found, maps)
    assert told.figures == []
    assert told.why_not.startswith("There are no simulated X-rays of the stages: ")
