"""The pictures of the toy spine: lines on the bone they measure, the needle at true width, letters, names."""

from __future__ import annotations

import base64
import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import toy_spine
from PIL import Image
from scipy.ndimage import uniform_filter

from endplate.anatomy.model import Spine
from endplate.imaging.volume import LabelMap, Volume
from endplate.report import ReportInputs, closeup, needle, style
from endplate.report.overview import overview_figures, overview_views
from endplate.report.picture import Figure
from endplate.report.plain_views import plain_figures
from endplate.report.scene import Scene
from endplate.report.slicing import Plane

TURN = np.array([[np.cos(0.3), -np.sin(0.3), 0.0], [np.sin(0.3), np.cos(0.3), 0.0], [0.0, 0.0, 1.0]])


def _grid(linear: np.ndarray, shape: tuple[int, int, int]) -> tuple[np.ndarray, tuple[int, int, int]]:
    """A grid about the toy's middle."""
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = np.array([0.0, -20.0, 0.0]) - linear @ (np.array(shape) - 1.0) / 2.0
    return affine, shape


OTHER_GRIDS = {
    "LPS": _grid(np.diag([-1.4, -1.4, 1.25]), (81, 101, 111)),
    "PIR": _grid(np.array([[0, 0, 1.3], [-1.2, 0, 0], [0, -1.2, 0]]), (119, 115, 85)),
    "oblique": _grid(TURN @ np.diag([1.3, 1.3, 1.2]), (108, 123, 115)),
}


def tree_of(figure: Figure) -> ET.Element:
    return ET.fromstring(str(figure.svg))


def words_of(tree: ET.Element, css_class: str | None = None) -> list[str]:
    return [t.text or "" for t in tree.findall("text") if css_class in (None, t.attrib.get("class"))]


def pixels_of(tree: ET.Element) -> np.ndarray:
    data = tree.find("image").attrib["href"].split(",", 1)[1]
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def polygon_of(element: ET.Element) -> np.ndarray:
    return np.array([[float(v) for v in pair.split(",")] for pair in element.attrib["points"].split()])


@pytest.fixture(scope="module")
def scene(toy: tuple[Volume, LabelMap]) -> Scene:
    return Scene(*toy)


def test_overview_names_every_level_and_marks_the_chosen_one(scene: Scene) -> None:
    sagittal, coronal = overview_figures(scene, toy_spine.toy_spine(), ("L1",))
    assert words_of(tree_of(sagittal), "orientation") == ["A", "P", "S", "I"]
    assert words_of(tree_of(coronal), "orientation") == ["R", "L", "S", "I"]
    for figure in (sagittal, coronal):
        tree = tree_of(figure)
        assert words_of(tree, "level") == ["T12", "L1 ▼ G2", "L2"]
        assert any(r.attrib.get("fill") == style.REQUESTED for r in tree.findall("rect"))
        assert words_of(tree, "scale") == ["20 mm"]
        for letter in "SI":
            assert re.search(rf"(top|bottom) {letter}", tree.attrib["aria-label"])


def test_level_names_stand_on_their_bodies(scene: Scene) -> None:
    """The CT under each name is bone marrow in cortex, not the soft tissue between, on both views."""
    for figure in overview_figures(scene, toy_spine.toy_spine(), ()):
        tree = tree_of(figure)
        pixels = pixels_of(tree)[..., 0].astype(float)
        to_pixel = np.array([pixels.shape[1], pixels.shape[0]]) / [
            float(tree.attrib["width"]),
            float(tree.attrib["height"]),
        ]
        soft = np.median(pixels)
        for text in tree.findall("text"):
            if text.attrib.get("class") != "level":
                continue
            x, y = np.array([float(text.attrib["x"]), float(text.attrib["y"]) - 5.0]) * to_pixel
            around = pixels[int(y) - 4 : int(y) + 5, int(x) - 4 : int(x) + 5]
            assert around.mean() > soft + 8.0


@pytest.mark.parametrize("bend", [1.0, 8.0, -8.0])
def test_overview_of_a_bent_column_loses_no_body(bend: float) -> None:
    """Bodies up to 90 mm aside and in front of each other: the surface still runs through each, to 1.5 mm."""
    spine = toy_spine.toy_spine()
    levels = []
    for i, vertebra in enumerate(spine.levels):
        centre = toy_spine.body_centre(i) * np.array([bend, bend, 1.0])
        frame = vertebra.frame.model_copy(update={"origin_ras_mm": toy_spine.vec(centre)})
        levels.append(vertebra.model_copy(update={"frame": frame}))
    bent = spine.model_copy(update={"levels": tuple(levels)})
    for view in overview_views(Scene(None, None), bent):
        points = view.points(0.5)
        for vertebra in bent.levels:
            centre = np.array(vertebra.frame.origin_ras_mm)
            x, y = view.project(centre) / 0.5
            assert np.linalg.norm(points[int(y), int(x)] - centre) < 1.5


def test_overview_of_one_body_follows_its_own_axis() -> None:
    """With one level there is no curve to follow: the surface runs along the body's tilted upright axis."""
    vertebra = toy_spine.toy_spine().levels[0]
    lean = np.radians(20.0)
    upright = np.array([np.sin(lean), 0.0, np.cos(lean)])
    right = np.array([np.cos(lean), 0.0, -np.sin(lean)])
    frame = vertebra.frame.model_copy(
        update={"right_ras": toy_spine.vec(right), "superior_ras": toy_spine.vec(upright)}
    )
    stoop = np.array([0.0, np.sin(lean), np.cos(lean)])
    bowed = vertebra.frame.model_copy(
        update={"anterior_ras": (0.0, np.cos(lean), -np.sin(lean)), "superior_ras": toy_spine.vec(stoop)}
    )
    for changed, axis in ((frame, upright), (bowed, stoop)):
        spine = Spine(levels=(vertebra.model_copy(update={"frame": changed}),))
        for view in overview_views(Scene(None, None), spine):
            point = np.array(changed.origin_ras_mm) + 12.0 * axis
            x, y = view.project(point) / 0.5
            assert np.linalg.norm(view.points(0.5)[int(y), int(x)] - point) < 0.8


def test_height_lines_span_bone_of_the_measured_length(scene: Scene) -> None:
    spine = toy_spine.toy_spine()
    vertebra = spine.levels[1]
    figure = closeup.closeup_figures(scene, spine, vertebra)[0]
    tree = tree_of(figure)
    scale = closeup.WIDTH_PX / closeup.SAGITTAL_MM[0]
    lines = [e for e in tree.findall("line") if e.attrib["stroke"] == style.HEIGHT]
    assert len(lines) == 3
    heights = [abs(float(e.attrib["y1"]) - float(e.attrib["y2"])) / scale for e in lines]
    measured = vertebra.heights_mm
    assert heights == pytest.approx([measured.anterior, measured.middle, measured.posterior], abs=0.02)
    assert float(lines[0].attrib["x1"]) < float(lines[2].attrib["x1"]), "anterior is on screen left"
    for height in (measured.anterior, measured.middle, measured.posterior):
        assert f"{height:.1f}" in words_of(tree)
    pixels = pixels_of(tree)[..., 0].astype(float)
    k = pixels.shape[1] / closeup.WIDTH_PX
    soft = np.median(pixels)
    for line in lines:
        column = round(float(line.attrib["x1"]) * k)
        top, foot = sorted((float(line.attrib["y1"]) * k, float(line.attrib["y2"]) * k))
        beyond = pixels[[round(top - 2.5 / 0.3), round(foot + 2.5 / 0.3)], column]
        within = pixels[round(top + 1.2 / 0.3) : round(foot - 1.2 / 0.3), column]
        assert within.mean() > beyond.mean() + 10.0
        assert beyond.mean() == pytest.approx(soft, abs=15.0)


def test_wedge_lines_meet_at_the_wedge_angle(scene: Scene) -> None:
    spine = toy_spine.toy_spine()
    vertebra = spine.levels[1]
    tree = tree_of(closeup.closeup_figures(scene, spine, vertebra)[0])
    solid = [
        e
        for e in tree.findall("line")
        if e.attrib["stroke"] == style.ENDPLATE and "stroke-dasharray" not in e.attrib
    ]
    assert len(solid) == 2
    slopes = []
    for e in solid:
        dx, dy = (float(e.attrib[f"{c}2"]) - float(e.attrib[f"{c}1"]) for c in "xy")
        slopes.append(np.degrees(np.arctan2(-dy, -dx)))
    assert abs(slopes[0] - slopes[1]) == pytest.approx(vertebra.wedge_angle_deg, abs=0.1)
    assert f"{vertebra.wedge_angle_deg:.1f}°" in words_of(tree)


def test_pedicle_circles_have_their_diameter_and_side(scene: Scene) -> None:
    spine = toy_spine.toy_spine()
    _, axial, coronal = closeup.closeup_figures(scene, spine, spine.levels[0])
    for figure, width_mm in ((axial, closeup.AXIAL_MM[0]), (coronal, closeup.CORONAL_MM[0])):
        tree = tree_of(figure)
        assert words_of(tree, "orientation")[:2] == ["R", "L"]
        scale = closeup.WIDTH_PX / width_mm
        rings = [polygon_of(e) for e in tree.findall("polyline") if e.attrib.get("stroke") == style.PEDICLE]
        assert len(rings) == 2
        heights = [np.ptp(ring[:, 1]) / scale for ring in rings]
        assert heights == pytest.approx([toy_spine.PEDICLE_D_MM] * 2, abs=0.1)
        centres = [ring[:-1].mean(axis=0)[0] for ring in rings]
        assert centres[0] < closeup.WIDTH_PX / 2 < centres[1], "the right pedicle is on screen left"


@pytest.mark.parametrize("side", ["right", "left"])
def test_cannula_has_its_true_diameter_and_lies_in_both_cuts(scene: Scene, side: str) -> None:
    spine = toy_spine.toy_spine()
    path = toy_spine.toy_path(side)
    figures = needle.needle_figures(scene, spine, spine.levels[1], path)
    scale = needle.WIDTH_PX / needle.SIZE_MM[0]
    assert [words_of(tree_of(f), "orientation") for f in figures] == [
        ["R", "L", "A", "P"],
        ["A", "P", "S", "I"],
    ]
    for figure in figures:
        tree = tree_of(figure)
        corners = next(polygon_of(e) for e in tree.findall("polygon") if e.attrib.get("class") == "cannula")
        assert np.linalg.norm(corners[1] - corners[2]) / scale == pytest.approx(
            path.outer_diameter_mm, abs=0.02
        )
        length = np.linalg.norm(np.array(path.tip_ras_mm) - np.array(path.skin_ras_mm))
        assert np.linalg.norm(corners[0] - corners[1]) / scale == pytest.approx(length, abs=0.05)
        assert {"entry", "isthmus", "posterior wall", "tip"} <= set(words_of(tree))
        assert side in figure.heading
    entry_x = float(tree_of(figures[0]).findall("circle")[0].attrib["cx"])
    assert (entry_x < needle.WIDTH_PX / 2) == (side == "right")


def test_words_beside_the_needle_do_not_cover_each_other(scene: Scene) -> None:
    spine = toy_spine.toy_spine()
    for figure in needle.needle_figures(scene, spine, spine.levels[1], toy_spine.toy_path("left")):
        boxes = []
        for text in tree_of(figure).findall("text"):
            if text.text in {"entry", "isthmus", "posterior wall", "tip"}:
                half = 0.27 * needle.LABEL_SIZE * len(text.text)
                x, y = float(text.attrib["x"]), float(text.attrib["y"])
                boxes.append((x - half, y - needle.LABEL_SIZE + 1, x + half, y))
        assert len(boxes) == 4
        for i, a in enumerate(boxes):
            for b in boxes[i + 1 :]:
                assert a[2] <= b[0] or b[2] <= a[0] or a[3] <= b[1] or b[3] <= a[1]


def test_geometry_alone_is_drawn_from_the_labels(toy: tuple[Volume, LabelMap]) -> None:
    scene = Scene(None, toy[1])
    spine = toy_spine.toy_spine()
    figures = overview_figures(scene, spine, ("L1",)) + closeup.closeup_figures(scene, spine, spine.levels[1])
    for figure in figures:
        tree = tree_of(figure)
        assert tree.find("image") is None
        assert any(e.attrib.get("fill") == style.LABEL_FILL for e in tree.findall("path"))
        assert "window" not in " ".join(words_of(tree))


def test_outline_encloses_the_area_of_the_label(scene: Scene) -> None:
    """Traced through the body of T12 in the coronal plane: 42 × 26 mm, exact to the voxel."""
    centre = toy_spine.body_centre(0)
    plane = Plane(centre, np.array([-1.0, 0, 0]), np.array([0, 0, -1.0]), 70.0, 50.0)
    (ring,) = scene.outlines(plane, 19)
    x, y = ring[:, 0], ring[:, 1]
    area = 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))
    assert area == pytest.approx(42.0 * 26.0, rel=0.05)
    assert ring.mean(axis=0) == pytest.approx([35.0, 25.0], abs=1.0)


def test_plain_views_without_labels_have_letters(toy: tuple[Volume, LabelMap]) -> None:
    figures = plain_figures(Scene(toy[0], None))
    assert [words_of(tree_of(f), "orientation") for f in figures] == [
        ["A", "P", "S", "I"],
        ["R", "L", "S", "I"],
        ["R", "L", "A", "P"],
    ]


def test_nothing_to_draw_gives_no_pictures(inputs: ReportInputs) -> None:
    spine = toy_spine.toy_spine()
    empty = Scene(None, None)
    assert overview_figures(empty, spine, ()) == []
    assert closeup.closeup_figures(empty, spine, spine.levels[0]) == []
    assert plain_figures(empty) == []


@pytest.mark.parametrize("grid", ["PIR", "LPS", "oblique"])
def test_the_same_patient_on_another_grid_gives_the_same_pictures(scene: Scene, grid: str) -> None:
    """Same anatomy on turned and oblique voxels: the words are identical, grey levels differ by noise."""
    spine = toy_spine.toy_spine()
    turned = Scene(*toy_spine.toy_volumes(*OTHER_GRIDS[grid]))
    assert turned.image.axis_codes != scene.image.axis_codes or grid == "oblique"
    path = toy_spine.toy_path("right")
    before, after = (
        closeup.closeup_figures(each, spine, spine.levels[1])
        + needle.needle_figures(each, spine, spine.levels[1], path)
        for each in (scene, turned)
    )
    for one, other in zip(before, after, strict=True):
        trees = tree_of(one), tree_of(other)
        assert words_of(trees[0]) == words_of(trees[1])
        smooth = [uniform_filter(pixels_of(t)[..., 0].astype(float), 9)[10:-10, 10:-10] for t in trees]
        assert np.percentile(np.abs(smooth[0] - smooth[1]), 90) < 8.0
        assert np.corrcoef(smooth[0].ravel(), smooth[1].ravel())[0, 1] > 0.95
