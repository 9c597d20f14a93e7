"""Needle paths on the phantom, whose exact surfaces say what margins they really have."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.planning import PlanOptions, plan_levels
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

GRIDS = {
    "1 mm": GridSpec(),
    "PIR": GridSpec(axes=("P", "I", "R"), phase=(0.6, 0.2, 0.9)),
    "oblique": GridSpec(oblique_deg=20.0, oblique_axis="S"),
    "0.7 x 0.7 x 2 mm": GridSpec(spacing=(0.7, 0.7, 2.0)),
}


@cache
def measured(name: str) -> tuple[Phantom, Spine]:
    phantom = build_phantom(default_spec(("T12", "L1", "L2")), GRIDS[name], ct=False)
    return phantom, assess(phantom.labels, None, Calibration.uncalibrated())


def planned(name: str, level: str = "L1", **options: str) -> tuple[Phantom, LevelPlan]:
    phantom, spine = measured(name)
    plan = plan_levels(phantom.labels, None, spine, [level], PlanOptions(reason="test", **options))
    return phantom, plan.plans[0]


def breaches(phantom: Phantom, level: str, path: NeedlePath, claimed_mm: float) -> int:
    """Points outside the analytic surface on a tube ``claimed_mm`` around the cannula, seated part to wall.

    Distances are taken across the needle, as margins are: near the entry the nearest bone surface is the one that
    the needle came through.
    """
    entry, wall = np.array(path.entry_ras_mm), np.array(path.posterior_wall_ras_mm)
    length = float(np.linalg.norm(wall - entry))
    along = (wall - entry) / length
    u = np.cross(along, [0.0, 0.0, 1.0])
    u /= np.linalg.norm(u)
    v = np.cross(u, along)
    angle = 2.0 * np.pi * np.arange(24) / 24.0
    rim = np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v
    stations = entry + np.arange(3.0, length, 1.0)[:, None] * along
    points = stations[:, None] + (0.5 * path.outer_diameter_mm + claimed_mm) * rim
    return int((phantom.signed_distance(level, points.reshape(-1, 3)) > 0.05).sum())


@pytest.mark.parametrize("name", GRIDS)
def test_claimed_clearance_holds_on_the_exact_surface(name):
    level = "L1"
    phantom, plan = planned(name, level)
    assert [path.side for path in plan.paths] == ["left", "right"]
    assert plan.access == "bipedicular"
    for path in plan.paths:
        # The voxels may hide up to their half width.
        assert breaches(phantom, level, path, path.clearance_mm - path.uncertainty_mm) == 0
        assert breaches(phantom, level, path, path.clearance_mm + 2.0) > 0, "the claim is not idle"
        assert path.clearance_mm == pytest.approx(min(path.margins_mm.model_dump().values()))


@pytest.mark.parametrize("name", GRIDS)
def test_the_needle_runs_where_it_should(name):
    phantom, plan = planned(name)
    truth = phantom.truth.levels["L1"]
    for path in plan.paths:
        tip = np.array([path.tip_ras_mm])
        assert phantom.signed_distance("L1", tip, "body")[0] < -2.0
        isthmus = np.array(truth.pedicles[path.side].isthmus_ras_mm)
        along = np.array(path.tip_ras_mm) - np.array(path.entry_ras_mm)
        along /= np.linalg.norm(along)
        offset = isthmus - np.array(path.entry_ras_mm)
        assert np.linalg.norm(offset - (offset @ along) * along) < 4.0
        side = 1.0 if path.side == "right" else -1.0
        assert side * path.entry_ras_mm[0] > side * path.tip_ras_mm[0] > 0.0, "converges on its own side"
        assert path.convergence_deg == pytest.approx(
            np.degrees(np.arctan2(-side * along[0], along[1])), abs=3.0
        )
        depths = path.depths_mm
        assert 0.0 < depths.bone_to_posterior_wall < depths.bone_to_tip < 70.0
        wall = np.array([path.posterior_wall_ras_mm])
        assert abs(phantom.signed_distance("L1", wall, "body")[0]) < 3.0, (
            "beside the canal the wall is a continuation"
        )


def test_derated_margins_take_off_the_half_voxel_of_their_direction():
    _, plan = planned("0.7 x 0.7 x 2 mm")
    for path in plan.paths:
        raw, derated = path.margins_mm, path.margins_derated_mm
        assert raw.medial - derated.medial == pytest.approx(0.35, abs=0.2)
        assert raw.superior - derated.superior == pytest.approx(1.0, abs=0.15)
        assert path.uncertainty_mm >= raw.superior - derated.superior - 1e-6


def test_labels_alone_give_no_skin_and_say_so():
    _, plan = planned("1 mm")
    assert all(path.skin_ras_mm is None and path.depths_mm.skin_to_bone is None for path in plan.paths)
    assert {finding.code for finding in plan.warnings} >= {"plan-skin-not-in-view", "plan-confirm-level"}


def test_skin_depth_is_that_of_the_phantom():
    phantom = build_phantom(default_spec(("L1", "L2")), GridSpec(spacing=(1.5, 1.5, 1.5), to_skin=True))
    spine = assess(phantom.labels, phantom.volume, Calibration.uncalibrated())
    plan = plan_levels(phantom.labels, phantom.volume, spine, ["L1"], PlanOptions(reason="test")).plans[0]
    assert plan.paths
    for path in plan.paths:
        assert path.skin_ras_mm is not None
        voxel = np.rint(phantom.volume.to_voxel(path.skin_ras_mm)).astype(int)
        around = phantom.volume.data[tuple(slice(v - 2, v + 3) for v in voxel)]
        assert around.max() > -300 > around.min(), "air on one side, the patient on the other"


def test_a_cannula_too_wide_is_refused_with_a_code_and_a_thinner_one_is_taken():
    spec = default_spec(("T12", "L1"))
    narrow = [
        replace(
            v,
            pedicle_left=replace(v.pedicle_left, inscribed_diameter_mm=4.0),
            pedicle_right=replace(v.pedicle_right, inscribed_diameter_mm=4.0),
        )
        if v.level == "L1"
        else v
        for v in spec.vertebrae
    ]
    phantom = build_phantom(
        replace(spec, vertebrae=tuple(narrow)), GridSpec(spacing=(0.6, 0.6, 0.6)), ct=False
    )
    spine = assess(phantom.labels, None, Calibration.uncalibrated())
    wide = plan_levels(phantom.labels, None, spine, ["L1"], PlanOptions(gauge="8G", reason="test")).plans[0]
    assert wide.refused is not None
    assert wide.access == "none"
    assert {side.code for side in wide.refused_sides} == {"pedicle-narrow"}
    assert all("8G" in reason.text for side in wide.refused_sides for reason in side.reasons)
    free = plan_levels(phantom.labels, None, spine, ["L1"], PlanOptions(reason="test")).plans[0]
    for path in free.paths:
        assert path.gauge == "13G"
        assert path.margins_mm.medial >= 1.0
    for side in free.refused_sides:
        assert side.code.startswith(("pedicle-narrow", "margin-"))


def test_one_needle_keeps_the_side_with_more_room():
    _, both = planned("1 mm")
    _, one = planned("1 mm", access="unipedicular")
    assert one.access == "unipedicular"
    assert one.paths[0].clearance_mm == max(path.clearance_mm for path in both.paths)


def test_same_input_same_bytes():
    _, first = planned("oblique")
    _, second = planned("oblique")
    assert first.model_dump_json() == second.model_dump_json()


def test_a_body_without_arch_is_refused():
    phantom, spine = measured("1 mm")
    labels = replace(phantom.labels, body_only=True)
    plan = plan_levels(labels, None, spine, ["L1"], PlanOptions(reason="test")).plans[0]
    assert plan.refused is not None
    assert plan.refused.code == "body-only"


def test_a_level_cut_by_the_scan_is_refused():
    phantom, _ = measured("1 mm")
    volume = phantom.labels.volume
    number = 20
    low = int(np.argwhere(volume.data == number)[:, 2].mean())
    labels = replace(phantom.labels, volume=volume.crop((0, 0, low), volume.shape))
    spine = assess(labels, None, Calibration.uncalibrated())
    plan = plan_levels(labels, None, spine, ["L1"], PlanOptions(reason="test")).plans[0]
    assert plan.refused is not None
    assert plan.refused.code == "level-cut"


def test_a_neighbour_in_the_way_is_refused():
    phantom, spine = measured("1 mm")
    _, plan = planned("1 mm")
    data = phantom.labels.data.copy()
    # A wall of the level above behind every possible entry.
    for path in plan.paths:
        entry = np.array(path.entry_ras_mm)
        voxel = np.rint(phantom.labels.volume.to_voxel(entry - np.array([0.0, 7.0, 0.0]))).astype(int)
        block = tuple(slice(max(v - w, 0), v + w) for v, w in zip(voxel, (25, 2, 25), strict=True))
        data[block] = np.where(data[block] == 0, 19, data[block])
    labels = replace(phantom.labels, volume=replace(phantom.labels.volume, data=data))
    refused = plan_levels(labels, None, spine, ["L1"], PlanOptions(reason="test")).plans[0]
    assert refused.refused is not None
    assert {side.code for side in refused.refused_sides} == {"neighbour-in-the-way"}


def test_unknown_levels_and_options_are_refused_in_words():
    phantom, spine = measured("1 mm")
    with pytest.raises(QualityGateError, match="L5 is not in the label map"):
        plan_levels(phantom.labels, None, spine, ["L5"], PlanOptions())
    with pytest.raises(UsageError, match="no cannula"):
        PlanOptions(gauge="9G")
    with pytest.raises(UsageError, match="not a known technique"):
        PlanOptions(technique="glue")
