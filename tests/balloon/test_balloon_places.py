"""Bodies cut from a CT, and balloons taken from a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from balloon_blocks import drum, plain

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.balloon.bone import body_bone
from endplate.balloon.inflate import inflate_to, prepare, start
from endplate.balloon.model import WALLS, Bone, Tamp
from endplate.balloon.result import cavity_of, document
from endplate.balloon.tamps import tamps_of_plan
from endplate.devices.balloons import shipped_balloons
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.model import BalloonChoice, KyphoplastyPath, LevelPlan, NeedlePath
from endplate.synthetic import GridSpec, build_phantom, default_spec

Scan = tuple[Volume, LabelMap, Spine]

LINE = Calibration.line(0.45, 0.0)


@pytest.fixture(scope="module")
def cut() -> tuple[Bone, Scan]:
    """L1 of a small phantom at 2 mm, and its scan."""
    phantom = build_phantom(default_spec(("L1",)), GridSpec(spacing=(1.5, 1.5, 1.5), margin_mm=6.0))
    assert phantom.volume is not None
    spine = assess(phantom.labels, phantom.volume, LINE)
    scan = (phantom.volume, phantom.labels, spine)
    return body_bone(*scan, "L1", LINE, voxel_mm=2.0), scan


def plan() -> LevelPlan:
    """A plan of one path on the left with the markers of a 15 mm balloon."""
    markers = ((0.0, -7.5, 0.0), (0.0, 7.5, 0.0))
    points = KyphoplastyPath.model_construct(
        cannula_end_ras_mm=(0.0, -12.0, 0.0), balloon_markers_ras_mm=markers
    )
    path = NeedlePath.model_construct(side="left", kyphoplasty=points)
    choice = BalloonChoice.model_construct(name="15/3")
    return LevelPlan.model_construct(level="L1", paths=(path,), balloon=choice)


def test_a_body_is_cut_with_its_walls_and_heights(cut: tuple[Bone, Scan]) -> None:
    bone, _ = cut
    assert bone.heights_mm.middle is not None
    assert 20.0 < bone.heights_mm.middle < 32.0
    assert 15.0 < bone.volume_ml < 60.0
    high = bone.density_mgcc[bone.body & (bone.depth_mm < 2.0)].mean()
    assert high > 1.5 * bone.density_mgcc[bone.depth_mm > 6.0].mean() > 0.0
    middle = np.array([n // 2 for n in bone.body.shape])
    assert bone.body[tuple(middle)]
    column = np.flatnonzero(bone.body[middle[0], middle[1]])
    row = np.flatnonzero(bone.body[middle[0], :, middle[2]])
    ends = [(*middle[:2], column[-1]), (*middle[:2], column[0]), (middle[0], row[-1], middle[2])]
    assert [WALLS[bone.wall[end]] for end in ends] == ["superior", "inferior", "anterior"]
    assert bone.findings == ()


def test_a_body_must_be_measured_and_on_one_grid(cut: tuple[Bone, Scan]) -> None:
    image, labels, spine = cut[1]
    with pytest.raises(UsageError, match="was not measured"):
        body_bone(image, labels, spine, "L3", LINE)
    moved = image.affine.copy()
    moved[0, 3] += 3.0
    with pytest.raises(UsageError, match="grid of the CT"):
        body_bone(replace(image, affine=moved), labels, spine, "L1", LINE)


def test_a_balloon_is_inflated_in_a_body_of_the_scan(cut: tuple[Bone, Scan]) -> None:
    bone, _ = cut
    device = shipped_balloons()["15/3"]
    middle = bone.axes.to_world([0.0, 2.0, 0.0])
    way = bone.axes.anterior
    markers = np.stack([middle - 7.5 * way, middle + 7.5 * way])
    site = prepare(bone, (Tamp("right", device, markers, markers[0] - 2.0 * way),), plain())
    state = inflate_to(site, start(site), "right", 2.0)
    told = document(site, state)
    assert told.cavity_ml == pytest.approx(2.0, abs=bone.voxel_ml)
    assert told.bone_mineral_error < 1e-6
    left = cavity_of(site, state)
    centre = apply_affine(left.affine, np.argwhere(left.mask)).mean(axis=0)
    assert np.linalg.norm(centre - middle) < 2.0


def test_balloons_lie_on_the_planned_markers() -> None:
    found = tamps_of_plan(plan(), shipped_balloons())
    assert [one.side for one in found] == ["left"]
    assert found[0].markers_ras_mm.tolist() == [[0.0, -7.5, 0.0], [0.0, 7.5, 0.0]]
    other = tamps_of_plan(plan(), shipped_balloons(), {"left": "20/3"})[0]
    assert other.middle_ras_mm.tolist() == [0.0, 0.0, 0.0]
    assert np.linalg.norm(np.diff(other.markers_ras_mm, axis=0)) == pytest.approx(20.0)
    prepare(drum(), found, plain(crack=False))


def test_a_plan_without_balloons_or_an_unknown_one_is_refused() -> None:
    bare = plan().model_copy(update={"balloon": None})
    with pytest.raises(UsageError, match="has no balloon"):
        tamps_of_plan(bare, shipped_balloons())
    with pytest.raises(UsageError, match="no balloon named"):
        tamps_of_plan(plan(), shipped_balloons(), {"left": "99/9"})
