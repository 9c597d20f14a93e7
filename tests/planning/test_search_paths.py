"""The search on phantoms, whose exact surfaces say what its paths really leave, and on a collapsed real vertebra."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.devices.cannulas import cannula
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.volume import Volume
from endplate.planning.evaluate import evaluate
from endplate.planning.path import Path, SearchResult, Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import LevelScene, level_scene
from endplate.planning.search import search
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec

GRIDS = {
    "1 mm": GridSpec(margin_mm=4.0),
    "oblique": GridSpec(
        spacing=(0.8, 1.0, 1.5), axes=("P", "I", "R"), oblique_deg=20.0, oblique_axis="S", margin_mm=4.0
    ),
}
RULES = load_rules()


@cache
def measured(name: str) -> tuple[Phantom, Spine, LevelScene]:
    phantom = build_phantom(default_spec(("T12", "L1", "L2")), GRIDS[name], ct=False)
    if name != "1 mm":
        return phantom, Spine(levels=()), alone(phantom, "L1")
    spine = assess(phantom.labels, None, Calibration.uncalibrated())
    return phantom, spine, level_scene(phantom.labels, None, None, None, spine, spine.find("L1"))


def alone(phantom: Phantom, level: str) -> LevelScene:
    """The scene of one level measured without its neighbours, which are still in its way."""
    number = phantom.spec.vertebra(level).label_id
    data = np.where(phantom.labels.data == number, phantom.labels.data, 0).astype(np.uint8)
    only = replace(phantom.labels, volume=replace(phantom.labels.volume, data=data))
    spine = assess(only, None, Calibration.uncalibrated())
    return level_scene(phantom.labels, None, None, None, spine, spine.levels[0])


def narrow(diameter_mm: float) -> tuple[Phantom, LevelScene]:
    spec = default_spec(("L1",))
    pedicle = replace(spec.vertebrae[0].pedicle_left, inscribed_diameter_mm=diameter_mm)
    spec = spec.with_vertebra("L1", pedicle_left=pedicle, pedicle_right=pedicle)
    phantom = build_phantom(spec, GridSpec(spacing=(0.6, 0.6, 0.6), margin_mm=4.0), ct=False)
    return phantom, alone(phantom, "L1")


@cache
def found(
    name: str, side: str, approach: str = "transpedicular", access: str = "bipedicular"
) -> SearchResult:
    return search(measured(name)[2], Wish(side, approach, cannula("11G"), access), RULES)


def tube(path: Path, beyond_mm: float) -> np.ndarray:
    """Points on a tube around the cannula from the seated stretch to the posterior wall, shape (N, 3)."""
    along = path.direction_ras
    u = np.cross(along, [0.0, 0.0, 1.0])
    u /= np.linalg.norm(u)
    v = np.cross(u, along)
    angle = 2.0 * np.pi * np.arange(48) / 48.0
    rim = (path.radius_mm + beyond_mm) * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
    depths = np.arange(RULES.search.seating_mm, path.bone_to_posterior_wall_mm, 0.4)
    return ((path.entry_ras_mm + depths[:, None] * along)[:, None] + rim).reshape(-1, 3)


@pytest.mark.parametrize("name", GRIDS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_claims_hold_on_the_exact_surface(name, side):
    phantom, _, scene = measured(name)
    path = found(name, side).best
    assert path is not None
    assert path.safe
    hidden = path.uncertainty_mm
    assert phantom.inside("L1", tube(path, path.clearance_mm - hidden)).all(), (
        "no breach within the stated bound"
    )
    assert not phantom.inside("L1", tube(path, path.clearance_mm + hidden)).all(), "the claim is not idle"
    margins = path.margins_mm.model_dump()
    assert path.clearance_mm == pytest.approx(min(margins.values()))
    assert margins["medial"] >= 2.0
    assert min(margins.values()) >= 1.0
    # A point at the whole distance inward of the canal's wall is the canal.
    to_canal = {row.structure: row for row in path.keep_out}["canal"]
    assert to_canal.distance_mm >= margins["medial"] - 0.2
    assert 600 <= found(name, side).candidates <= 2000
    tip = phantom.signed_distance("L1", path.tip_ras_mm[None], "body")[0]
    assert tip <= -RULES.search.tip_clearance_mm.endplate + 0.3
    sign = 1.0 if side == "right" else -1.0
    local = scene.axes.to_local(path.tip_ras_mm)
    assert sign * (local[0] - scene.geometry.x_mid_mm) > 2.0, "a tip on its own side"


def test_the_two_needles_end_at_like_places():
    _, _, scene = measured("1 mm")
    tips = [scene.axes.to_local(found("1 mm", side).best.tip_ras_mm) for side in ("left", "right")]
    middle = scene.geometry.x_mid_mm
    assert tips[0][0] - middle == pytest.approx(middle - tips[1][0], abs=2.0)
    assert tips[0][1:] == pytest.approx(tips[1][1:], abs=3.0)


def test_one_needle_reaches_the_middle_or_says_what_stops_it():
    _, _, scene = measured("1 mm")
    result = found("1 mm", "left", "transpedicular", "unipedicular")
    path = result.best or result.nearest
    half = 0.5 * scene.vertebra.body_width_mm
    local = scene.axes.to_local(path.tip_ras_mm)
    assert abs(local[0] - scene.geometry.x_mid_mm) <= 0.15 * half + 1.1
    if result.best is None:
        assert path.breaches


def test_every_term_of_the_score_is_told():
    path = found("1 mm", "left").best
    assert path.score == pytest.approx(sum(term.weight * term.value for term in path.score_terms), abs=1e-5)
    assert all(0.0 <= term.value <= 1.0 and term.text for term in path.score_terms)
    assert path.robustness.perturbations == 81
    assert path.robustness.grade in "AB"
    assert 0.0 < path.robustness.tolerance_deg <= 10.0
    assert path.robustness.worst_margin_mm < path.clearance_mm
    assert {"aorta", "lung", "spinal cord"} <= set(path.unchecked)


def test_same_input_same_path():
    _, _, scene = measured("oblique")
    again = search(scene, Wish("left", "transpedicular", cannula("11G")), RULES)
    first = found("oblique", "left")
    assert again.rejected == first.rejected
    assert (again.best.entry_ras_mm == first.best.entry_ras_mm).all()
    assert (again.best.tip_ras_mm == first.best.tip_ras_mm).all()


def test_a_found_path_given_by_hand_has_the_same_margins():
    _, _, scene = measured("oblique")
    path = found("oblique", "right").best
    behind = path.entry_ras_mm - 30.0 * path.direction_ras
    for start in (path.entry_ras_mm, behind):
        again = evaluate(scene, cannula("11G"), start, path.tip_ras_mm)
        assert again.safe
        assert (again.side, again.approach) == ("right", "transpedicular")
        assert again.margins_mm.model_dump() == pytest.approx(path.margins_mm.model_dump(), abs=0.02)
        assert again.entry_ras_mm == pytest.approx(path.entry_ras_mm, abs=0.1)
        assert again.posterior_wall_ras_mm == pytest.approx(path.posterior_wall_ras_mm, abs=0.3)


def test_a_path_moved_toward_the_canal_loses_that_margin_and_breaches():
    phantom, _, scene = measured("1 mm")
    path = found("1 mm", "left").best
    medial = scene.axes.right  # of a left needle
    margins = []
    for shift in (0.0, 0.8, 2.4, 4.4):
        moved = evaluate(
            scene,
            cannula("11G"),
            path.entry_ras_mm + shift * medial,
            path.tip_ras_mm + shift * medial,
            approach="transpedicular",
        )
        margins.append(moved.margins_mm.medial)
    assert np.diff(margins) == pytest.approx([-0.8, -1.6, -2.0], abs=0.55)
    assert moved.margins_mm.medial < -1.0
    assert {"margin-medial", "bound-medial"} <= {breach.code for breach in moved.breaches}
    assert not phantom.inside("L1", tube(moved, 0.0)).all()
    canal = {row.structure: row.distance_mm for row in moved.keep_out}["canal"]
    assert canal < -0.5


def test_paths_that_are_none_are_refused_in_words():
    _, _, scene = measured("1 mm")
    path = found("1 mm", "left").best
    turned = np.array([-1.0, -1.0, 1.0])
    with pytest.raises(UsageError, match="does not lie in L1"):
        evaluate(
            scene, cannula("11G"), turned * path.entry_ras_mm, turned * path.tip_ras_mm + [0.0, 90.0, 0.0]
        )
    with pytest.raises(UsageError, match="less than 1 mm apart"):
        evaluate(scene, cannula("11G"), path.tip_ras_mm, path.tip_ras_mm)
    with pytest.raises(UsageError, match="not three finite"):
        evaluate(scene, cannula("11G"), [np.nan, 0.0, 0.0], path.tip_ras_mm)


def test_a_narrow_pedicle_refuses_8g_and_offers_another_way():
    phantom, scene = narrow(4.0)
    others = {}
    for side in ("left", "right"):
        wide = search(scene, Wish(side, "transpedicular", cannula("8G")), RULES)
        assert wide.best is None
        assert wide.refusal == "pedicle-narrow"
        assert wide.nearest is not None
        assert all(breach.lack > 0.0 for breach in wide.nearest.breaches)
        thin = search(scene, Wish(side, "transpedicular", cannula("13G")), RULES).best
        beside = search(scene, Wish(side, "extrapedicular", cannula("8G")), RULES).best
        others[side] = [path for path in (thin, beside) if path is not None]
        for path in others[side]:
            assert path.margins_mm.medial >= 1.0
        if beside is not None:
            canal = phantom.signed_distance("L1", needle_points(beside), "canal")
            assert canal.min() >= beside.radius_mm + beside.margins_mm.medial - beside.uncertainty_mm
    assert all(others.values())


def needle_points(path: Path) -> np.ndarray:
    """Points along the axis from 30 mm behind the entry to the tip, shape (N, 3)."""
    depths = np.arange(-30.0, path.bone_to_tip_mm, 0.5)
    return path.entry_ras_mm + depths[:, None] * path.direction_ras


def test_a_path_beside_the_pedicle_keeps_canal_foramina_and_artery():
    phantom, _, scene = measured("1 mm")
    result = found("1 mm", "right", "extrapedicular")
    path = result.best
    assert path is not None
    assert path.bounds["medial"] == "canal"
    canal = phantom.signed_distance("L1", needle_points(path), "canal")
    assert canal.min() - path.radius_mm >= path.margins_mm.medial - path.uncertainty_mm
    limits = {row.structure: row for row in path.keep_out}
    for name in (
        "canal",
        "foramen above",
        "foramen below",
        "segmental artery",
        "vertebra T12",
        "vertebra L2",
    ):
        assert limits[name].distance_mm >= limits[name].limit_mm, name
    local = scene.axes.to_local(np.array([path.entry_ras_mm, path.isthmus_ras_mm]))
    pedicle = scene.axes.to_local(np.array(scene.pedicle("right").isthmus_ras_mm))
    assert local[1, 0] > pedicle[0] + 0.5 * scene.pedicle("right").width_mm, "beside, not through"


def test_a_neighbour_in_the_way_is_avoided_or_named():
    phantom, spine, _ = measured("1 mm")
    paths = [found("1 mm", side).best for side in ("left", "right")]
    data = phantom.labels.data.copy()
    for path in paths:
        voxel = np.rint(phantom.labels.volume.to_voxel(path.entry_ras_mm - [0.0, 7.0, 0.0])).astype(int)
        block = tuple(slice(max(v - w, 0), v + w) for v, w in zip(voxel, (25, 2, 25), strict=True))
        data[block] = np.where(data[block] == 0, 19, data[block])
    labels = replace(phantom.labels, volume=replace(phantom.labels.volume, data=data))
    scene = level_scene(labels, None, None, None, spine, spine.find("L1"))
    wish = Wish("left", "transpedicular", cannula("11G"))
    result = search(scene, wish, RULES)
    assert result.best is None
    assert result.refusal in ("neighbour-in-the-way", "facet")
    assert result.rejected["neighbour-in-the-way"] > 0
    worst = max(result.nearest.breaches, key=lambda breach: breach.lack)
    assert worst.code in ("neighbour-in-the-way", "facet")
    assert worst.found < worst.limit


def test_an_organ_in_the_way_turns_the_path_or_refuses_it():
    phantom, spine, _ = measured("1 mm")
    free = found("1 mm", "right", "extrapedicular").best
    volume = phantom.labels.volume
    ids = np.zeros(volume.shape, dtype=np.uint8)
    voxel = np.rint(volume.to_voxel(free.entry_ras_mm - 8.0 * free.direction_ras)).astype(int)
    ids[tuple(slice(max(v - 3, 0), v + 3) for v in voxel)] = ORGAN_IDS["kidney"]
    organs = OrganMap(Volume(ids, volume.affine, volume.scan))
    scene = level_scene(phantom.labels, None, organs, None, spine, spine.find("L1"))
    blocked = evaluate(scene, cannula("11G"), free.entry_ras_mm, free.tip_ras_mm, approach="extrapedicular")
    assert "keep-out-kidney" in {breach.code for breach in blocked.breaches}
    assert "kidney" not in blocked.unchecked
    other = search(scene, Wish("right", "extrapedicular", cannula("11G")), RULES).best
    if other is not None:
        row = {one.structure: one for one in other.keep_out}["kidney"]
        assert row.source == "organ labels"
        assert row.distance_mm >= row.limit_mm


def test_a_channel_that_does_not_fit_is_refused_with_what_is_free():
    _, _, scene = measured("1 mm")
    path = found("1 mm", "left").best
    fits = search(scene, Wish("left", "transpedicular", cannula("11G"), channel_mm=20.0), RULES).best
    assert fits is not None
    assert fits.available_depth_mm >= 20.0
    wish = Wish("left", "transpedicular", cannula("11G"), channel_mm=path.available_depth_mm + 15.0)
    result = search(scene, wish, RULES)
    assert result.refusal == "channel"
    missed = {breach.code: breach for breach in result.nearest.breaches}["channel"]
    assert missed.found == pytest.approx(result.nearest.available_depth_mm, abs=1e-3)
    assert missed.limit == pytest.approx(wish.channel_mm)


def test_a_collapsed_body_is_aimed_at_where_it_still_is():
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("biconcave", 0.55)})
    phantom = build_phantom(spec, GRIDS["1 mm"], ct=False)
    scene = alone(phantom, "L1")
    path = search(scene, Wish("left", "transpedicular", cannula("11G")), RULES).best
    assert path is not None
    body = path.posterior_wall_ras_mm + np.linspace(0.25, 1.0, 30)[:, None] * (
        path.tip_ras_mm - path.posterior_wall_ras_mm
    )
    assert (phantom.signed_distance("L1", body, "body") < -path.radius_mm).all()
    flat = scene.vertebra.model_copy(update={"height_loss": 0.9})
    plana = replace(scene, vertebra=flat)
    lateral = search(plana, Wish("left", "transpedicular", cannula("11G")), RULES)
    if lateral.best is None:
        assert lateral.refusal == "vertebra-plana"
    else:
        x = abs(scene.axes.to_local(lateral.best.tip_ras_mm)[0] - scene.geometry.x_mid_mm)
        assert x > 0.2 * scene.vertebra.body_width_mm


def test_levels_that_cannot_be_judged_are_refused():
    phantom, spine, _ = measured("1 mm")
    level = spine.find("L1")
    with pytest.raises(QualityGateError, match="without its arch"):
        level_scene(replace(phantom.labels, body_only=True), None, None, None, spine, level)
    with pytest.raises(QualityGateError, match="cut by the edge"):
        level_scene(phantom.labels, None, None, None, spine, level.model_copy(update={"complete": False}))


@pytest.mark.real_data
def test_the_collapsed_l1_of_a_real_spine_is_planned_or_refused_with_reasons(data_dir):
    labels = read_labels(data_dir / "verse004_T9-L5_vert_labels_L1fracture.nii.gz")
    data = np.where(labels.data == 20, labels.data, 0).astype(np.uint8)
    near = replace(labels, volume=replace(labels.volume, data=data))
    spine = assess(near, None, Calibration.uncalibrated())
    scene = level_scene(labels, None, None, None, spine, spine.find("L1"))
    left, right = (
        search(scene, Wish(side, "transpedicular", cannula("11G")), RULES) for side in ("left", "right")
    )
    assert left.best is not None
    assert left.best.margins_mm.medial >= 2.0
    assert left.best.clearance_mm >= 1.0
    if right.best is None:
        assert right.nearest.breaches
    else:
        assert right.best.margins_mm.medial >= 1.0
