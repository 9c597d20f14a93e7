"""Lesions of the phantom: exactly where and what the truth says, and nothing else changed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.synthetic import ArchBreakSpec, GridSpec, LesionSpec, Phantom, build_phantom, default_spec

GRID = GridSpec((1.0, 1.0, 1.0), margin_mm=3.0)
LEVELS = ("L1", "L2")


def _spec(**changes: object):  # type: ignore[no-untyped-def]
    spec = replace(default_spec(LEVELS), texture_cv=0.0)
    return spec.with_vertebra("L1", **changes) if changes else spec


@pytest.fixture(scope="module")
def whole() -> Phantom:
    return build_phantom(_spec(), GRID)


@pytest.fixture(scope="module")
def ill() -> Phantom:
    lesions = (
        LesionSpec("lytic", 10.0, at=(0.35, 0.65, 0.5)),
        LesionSpec("lytic", 9.0, "pedicle", "left"),
        LesionSpec("lytic", 11.0, "posterior wall", at=(-0.35, 0.0, 0.5)),
        LesionSpec("blastic", 8.0, at=(-0.4, 0.6, 0.5), hu=700.0),
    )
    return build_phantom(_spec(lesions=lesions, arch_breaks=(ArchBreakSpec("spinous process"),)), GRID)


def _points(phantom: Phantom) -> np.ndarray:
    assert phantom.volume is not None
    index = np.stack(np.meshgrid(*(np.arange(n) for n in phantom.volume.shape), indexing="ij"), axis=-1)
    return phantom.volume.to_world(index)


def test_nothing_changes_beyond_the_lesions(whole: Phantom, ill: Phantom) -> None:
    assert whole.volume is not None
    assert ill.volume is not None
    assert np.array_equal(whole.labels.data, ill.labels.data)
    points = _points(ill)
    near = np.zeros(ill.volume.shape, bool)
    truth = ill.truth.levels["L1"]
    for lesion in truth.lesions:
        away = np.linalg.norm(points - lesion.centre_ras_mm, axis=-1)
        near |= away < 0.5 * lesion.diameter_mm + 1.5
    for gap in truth.arch_breaks:
        near |= np.linalg.norm(points - gap.centre_ras_mm, axis=-1) < 24.0
    changed = whole.volume.data != ill.volume.data
    assert changed.any()
    assert not (changed & ~near).any()
    assert whole.truth.levels["L1"].lesions == ()
    assert whole.truth.levels["L1"].border_bulge_mm == 0.0


def test_the_hu_inside_is_the_truths(ill: Phantom) -> None:
    assert ill.volume is not None
    points = _points(ill)
    for lesion in ill.truth.levels["L1"].lesions:
        core = np.linalg.norm(points - lesion.centre_ras_mm, axis=-1) < 0.5 * lesion.diameter_mm - 1.5
        core &= ill.labels.data > 0
        assert core.sum() > 30
        assert ill.volume.data[core].mean() == pytest.approx(lesion.hu, abs=4.0)


def test_truth_of_a_ball_wholly_inside(ill: Phantom) -> None:
    ball, pedicle, wall, dense = ill.truth.levels["L1"].lesions
    assert ball.volume_ml == pytest.approx(math.pi / 6.0 * 10.0**3 / 1000.0, rel=0.03)
    assert ball.destroyed == dense.destroyed == ()
    assert (ball.side, dense.side) == ("right", "left")
    assert ball.contrast_hu == pytest.approx(45.0 - 150.0)
    assert pedicle.destroyed == ("pedicle",)
    assert pedicle.side == "left"
    assert wall.destroyed == ("posterior",)
    assert wall.volume_ml < math.pi / 6.0 * 11.0**3 / 1000.0
    assert pedicle.centre_ras_mm == ill.truth.levels["L1"].pedicles["left"].isthmus_ras_mm


def test_the_gap_goes_through_the_spinous_process(whole: Phantom, ill: Phantom) -> None:
    assert whole.volume is not None
    assert ill.volume is not None
    gap = ill.truth.levels["L1"].arch_breaks[0]
    voxel = tuple(np.rint(ill.volume.to_voxel(gap.centre_ras_mm)).astype(int))
    assert ill.volume.data[voxel] < 150 < whole.volume.data[voxel]
    assert ill.labels.data[voxel] > 0


def test_a_bulging_border_moves_the_wall_back() -> None:
    flat = build_phantom(_spec(), GRID, ct=False)
    bulging = build_phantom(_spec(border_bulge_mm=4.0), GRID, ct=False)
    truth = bulging.truth.levels["L1"]
    assert truth.border_bulge_mm == 4.0
    assert truth.canal.ap_mm == pytest.approx(flat.truth.levels["L1"].canal.ap_mm - 4.0, abs=0.4)
    assert truth.fracture is None


def test_a_soft_border_is_half_way_at_the_radius() -> None:
    lesion = LesionSpec("lytic", 12.0, at=(0.0, 0.65, 0.5), border_mm=4.0, hu=30.0)
    made = build_phantom(_spec(lesions=(lesion,)), GRID)
    assert made.volume is not None
    away = np.linalg.norm(_points(made) - made.truth.levels["L1"].lesions[0].centre_ras_mm, axis=-1)
    rim = np.abs(away - 6.0) < 0.3
    assert made.volume.data[rim].mean() == pytest.approx(0.5 * (30.0 + 150.0), abs=8.0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "cystic", "diameter_mm": 8.0},
        {"kind": "lytic", "diameter_mm": 90.0},
        {"kind": "lytic", "diameter_mm": 8.0, "place": "pedicle"},
        {"kind": "lytic", "diameter_mm": 8.0, "hu": 500.0},
        {"kind": "blastic", "diameter_mm": 8.0, "at": (0.0, 2.0, 0.5)},
    ],
)
def test_what_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError) as refused:
        LesionSpec(**wrong)  # type: ignore[arg-type]
    assert refused.value.code == "phantom-spec-invalid"
    with pytest.raises(UsageError):
        ArchBreakSpec("rib")  # type: ignore[arg-type]
