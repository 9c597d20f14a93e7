"""The four stages of a kyphoplasty on the toy: volumes kept, materials told apart, one figure of laterals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import toy_spine
from numpy.typing import NDArray

from endplate.errors import QualityGateError, UsageError
from endplate.imaging.volume import LabelMap, Volume
from endplate.outcome.stage_scans import STAGES, Contents, Stage, StageScans, stage_scans
from endplate.planning.views import level_views
from endplate.report.balloon_xrays import balloon_xrays, stage_view
from endplate.synthetic.restoration import Gain

LEVEL = toy_spine.FRACTURED
STEP_MM = 1.5
GAINS: dict[Stage, Gain] = {
    "inflated": (4.0, 3.0, 0.5),
    "deflated": (3.0, 2.0, 0.3),
    "filled": (3.0, 2.0, 0.3),
}


def contents() -> Contents:
    """Two balls in the body of L1, and cement in all but the top of them."""
    centre = toy_spine.body_centre(1) - np.array([0.0, 2.0, 3.0])
    affine = np.diag([STEP_MM, STEP_MM, STEP_MM, 1.0])
    affine[:3, 3] = centre - 18.0
    index = np.stack(np.meshgrid(*(np.arange(25),) * 3, indexing="ij"), axis=-1)
    local = index * STEP_MM - 18.0
    balls = [np.linalg.norm(local - [x, 0.0, 0.0], axis=-1) < 5.5 for x in (-9.0, 9.0)]
    balloons = balls[0] | balls[1]
    return Contents(affine, balloons, cement=(balloons & (local[..., 2] < 3.0)).astype(np.float32))


@pytest.fixture(scope="module")
def stages(toy: tuple[Volume, LabelMap]) -> StageScans:
    image, labels = toy
    return stage_scans(image, labels, toy_spine.toy_spine(), LEVEL, contents(), GAINS)


def volume_ml(image: Volume, before: Volume, full_hu: float) -> float:
    """Of what was laid into the bone, by its CT numbers."""
    share = (image.data.astype(float) - before.data) / (full_hu - 130.0)
    return float(share[share > 0.3].sum() * np.prod(image.spacing_mm) / 1000.0)


def test_each_stage_has_its_content_at_its_volume(stages: StageScans, toy: tuple[Volume, LabelMap]) -> None:
    assert tuple(stages.volumes) == STAGES
    before = stages.volumes["before"]
    assert np.array_equal(before.data, toy[0].data)
    given = contents()
    assert given.inflated is not None
    assert given.cement is not None
    contrast, cement = (int(stages.volumes[name].data.max()) for name in ("inflated", "filled"))
    assert 4000 < contrast < cement
    laid: tuple[tuple[Stage, NDArray[Any], int], ...] = (
        ("inflated", given.inflated, contrast),
        ("filled", given.cement, cement),
    )
    for name, share, hu in laid:
        wanted = float(share.sum()) * STEP_MM**3 / 1000.0
        assert volume_ml(stages.volumes[name], before, hu) == pytest.approx(wanted, rel=0.08)
    hollow = stages.volumes["deflated"]
    middle = hollow.to_voxel(toy_spine.body_centre(1) - np.array([9.0, 2.0, 3.0]))
    i, j, k = np.rint(middle).astype(int)
    assert hollow.data[i, j, k] == pytest.approx(42, abs=3)
    heights = [
        np.count_nonzero(stages.labels[name].data == 20) for name in ("before", "deflated", "inflated")
    ]
    assert heights[0] < heights[1] < heights[2]
    assert not stages.findings


def test_what_is_not_there_has_no_picture(toy: tuple[Volume, LabelMap]) -> None:
    image, labels = toy
    spine, nothing = toy_spine.toy_spine(), Contents(np.eye(4))
    only = stage_scans(image, labels, spine, LEVEL, nothing, {})
    assert tuple(only.volumes) == ("before",)
    assert balloon_xrays(toy_spine.toy_plan().plans[0], toy_spine.toy_vertebra(1), only.volumes) is None
    with pytest.raises(UsageError, match="no stage"):
        stage_scans(
            image,
            labels,
            spine,
            LEVEL,
            nothing,
            {"later": (1.0, 1.0, 1.0)},  # type: ignore[dict-item]
        )
    held = stage_scans(image, labels, spine, LEVEL, nothing, {"before": (60.0, 60.0, 60.0)})
    assert held.gains_mm["before"][0] < 60.0
    assert [one.code for one in held.findings] == ["stage-heights-held"]


def test_the_figure_shows_all_stages_in_one_window(stages: StageScans) -> None:
    plan, vertebra = toy_spine.toy_plan().plans[0], toy_spine.toy_vertebra(1)
    made = balloon_xrays(plan, vertebra, stages.volumes, pixels=64)
    assert made is not None
    assert made.names == ("before", "balloons inflated", "balloons deflated", "filled with cement")
    assert made.svg.count("<image") == len(STAGES)
    assert "neighbours stay" in made.caption
    again = balloon_xrays(plan, vertebra, stages.volumes, pixels=64)
    assert again == made


def test_the_view_is_the_plans_lateral_of_the_level() -> None:
    plan, vertebra = toy_spine.toy_plan().plans[0], toy_spine.toy_vertebra(1)
    assert vertebra.frame is not None
    view = stage_view(plan, vertebra, pixels=80)
    assert view.pose.lateral
    assert view.pixel_at_isocentre_mm * 80 == pytest.approx(84.0)
    assert np.allclose(view.isocentre_ras_mm, vertebra.frame.origin_ras_mm)
    views = level_views(vertebra.frame, vertebra.endplates, "supine")
    turned = stage_view(plan.model_copy(update={"views": views}), vertebra, pixels=80)
    assert turned.pose.position == "supine"
    with pytest.raises(QualityGateError, match="true lateral"):
        stage_view(plan, vertebra.model_copy(update={"frame": None}))
