"""The whole way from labels to the document: frames, orders of voxels, traps and what cannot be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from accuracy import HEIGHTS, SIDES, angle_deg
from ct_maker import write_series

from endplate.anatomy.assessment import assess
from endplate.anatomy.model import Spine, Vertebra
from endplate.imaging.calibration import Calibration
from endplate.imaging.labels import read_labels
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.read import read_image
from endplate.imaging.volume import LabelMap, Volume
from endplate.imaging.write import write_nifti
from endplate.sources import finding_codes
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec

UNCALIBRATED = Calibration.uncalibrated()


@pytest.fixture(scope="module")
def small() -> Phantom:
    """T12–L2 at 1.3 × 1.3 × 1.8 mm, L1 biconcave."""
    spec = default_spec(("T12", "L1", "L2"), fracture={"L1": FractureSpec("biconcave", 0.4)})
    return build_phantom(spec, GridSpec((1.3, 1.3, 1.8), margin_mm=6.0), ct=False)


@pytest.fixture(scope="module")
def small_spine(small: Phantom) -> Spine:
    return assess(small.labels, None, UNCALIBRATED)


def turned(volume: Volume, order: tuple[int, int, int], flips: tuple[int, ...]) -> Volume:
    """The same voxels with their axes in another order and direction."""
    data, affine = volume.data, np.array(volume.affine)
    for axis in flips:
        last = data.shape[axis] - 1
        data = np.flip(data, axis)
        affine[:3, 3] += last * affine[:3, axis]
        affine[:3, axis] *= -1.0
    affine[:, :3] = affine[:, :3][:, list(order)]
    return Volume(np.ascontiguousarray(data.transpose(order)), affine, volume.scan)


def map_of(volume: Volume, like: LabelMap) -> LabelMap:
    return replace(like, volume=volume)


def _assert_same(a: Spine, b: Spine, tolerance_mm: float, tolerance_deg: float) -> None:
    assert [v.level for v in a.levels] == [v.level for v in b.levels]
    for one, other in zip(a.levels, b.levels, strict=True):
        for name in HEIGHTS:
            assert getattr(one.heights_mm, name) == pytest.approx(
                getattr(other.heights_mm, name), abs=tolerance_mm
            )
        assert one.wedge_angle_deg == pytest.approx(other.wedge_angle_deg, abs=tolerance_deg)
        assert (one.canal.ap_mm, one.canal.width_mm) == pytest.approx(
            (other.canal.ap_mm, other.canal.width_mm), abs=tolerance_mm
        )
        assert one.frame is not None
        assert other.frame is not None
        for axis in ("right_ras", "anterior_ras", "superior_ras"):
            assert angle_deg(getattr(one.frame, axis), getattr(other.frame, axis)) < tolerance_deg
        np.testing.assert_allclose(one.frame.origin_ras_mm, other.frame.origin_ras_mm, atol=tolerance_mm)
        for side in SIDES:
            p, q = getattr(one.pedicles, side), getattr(other.pedicles, side)
            assert (p is None) == (q is None)
            if p is None:
                continue
            assert p.inscribed_diameter_mm == pytest.approx(q.inscribed_diameter_mm, abs=tolerance_mm)
            assert p.width_mm == pytest.approx(q.width_mm, abs=tolerance_mm)
            assert angle_deg(p.axis_ras, q.axis_ras) < tolerance_deg
            np.testing.assert_allclose(p.isthmus_ras_mm, q.isthmus_ras_mm, atol=tolerance_mm)
        assert one.fracture.flagged == other.fracture.flagged
        assert one.fracture.genant_grade == other.fracture.genant_grade


@pytest.mark.parametrize(
    ("order", "flips"),
    [((0, 1, 2), (0, 1)), ((1, 2, 0), (1, 2))],
    ids=["LPS", "PIR"],
)
def test_the_order_of_the_voxels_does_not_matter(
    order: tuple[int, int, int], flips: tuple[int, ...], small: Phantom, small_spine: Spine
) -> None:
    labels = map_of(turned(small.labels.volume, order, flips), small.labels)
    # The same voxels: only the rounding of sums may differ, far below the 0.1 mm and 0.1° asked for.
    _assert_same(assess(labels, None, UNCALIBRATED), small_spine, 2e-5, 2e-4)


def test_the_same_input_gives_the_same_bytes(small: Phantom, small_spine: Spine) -> None:
    again = assess(small.labels, None, UNCALIBRATED)
    assert again.model_dump_json(by_alias=True) == small_spine.model_dump_json(by_alias=True)


def test_dicom_and_nifti_agree(broken_spine: Phantom, broken_assessed: Spine, tmp_path: Path) -> None:
    assert broken_spine.volume is not None
    data = np.rint(broken_spine.volume.data).astype(np.int16)
    folder = write_series(tmp_path / "dicom", data, np.array(broken_spine.volume.affine))
    write_nifti(broken_spine.labels.volume, tmp_path / "labels.nii.gz")
    image = read_image(folder)
    labels = read_labels(tmp_path / "labels.nii.gz", image=image)
    found = assess(labels, image, Calibration.line(0.8, -4.0))
    _assert_same(found, broken_assessed, 0.1, 0.1)
    for one, other in zip(found.levels, broken_assessed.levels, strict=True):
        assert one.density.mean_hu == pytest.approx(other.density.mean_hu, abs=0.6)


def test_every_finding_is_registered(small_spine: Spine, broken_assessed: Spine) -> None:
    for spine in (small_spine, broken_assessed):
        found = [*spine.findings, *(f for v in spine.levels for f in (*v.findings, *v.fracture.reasons))]
        assert {f.code for f in found} <= set(finding_codes())
        assert {f.level for v in spine.levels for f in v.findings} <= {v.level for v in spine.levels}


def test_the_fracture_is_graded_and_the_document_hangs_together(small: Phantom, small_spine: Spine) -> None:
    assert [v.level for v in small_spine.levels] == ["T12", "L1", "L2"]
    broken = small_spine.find("L1")
    assert broken is not None
    assert (broken.fracture.flagged, broken.fracture.shape) == (True, "biconcave")
    assert broken.fracture.genant_grade in {2, 3}
    assert [small_spine.find(level).fracture.flagged for level in ("T12", "L2")] == [False, False]  # type: ignore[union-attr]
    for vertebra in small_spine.levels:
        losses = [getattr(vertebra.height_losses, name) for name in HEIGHTS]
        assert vertebra.height_loss == pytest.approx(min(max(*losses, 0.0), 1.0))
        heights = [getattr(vertebra.heights_mm, name) for name in HEIGHTS]
        assert vertebra.within_vertebra_loss == pytest.approx(1.0 - min(heights) / max(heights), abs=1e-5)
        for name, height in zip(HEIGHTS, heights, strict=True):
            line = getattr(vertebra.height_lines, name)
            ends = np.subtract(line.superior_ras_mm, line.inferior_ras_mm)
            assert np.linalg.norm(ends) == pytest.approx(height, abs=1e-4)
        true = small.truth.levels[vertebra.level]
        assert vertebra.body_volume_ml == pytest.approx(true.body_volume_ml, rel=0.08)
        assert vertebra.body_depth_mm == pytest.approx(true.body_depth_mm, abs=1.5)
        # At T12 the roots of the transverse processes are still part of the outline.
        wide = 6.0 if vertebra.level == "T12" else 2.0
        assert vertebra.body_width_mm == pytest.approx(true.body_width_mm, abs=wide)
    assert small_spine.geometry_only
    assert all(v.density.mean_hu is None and v.cleft_ml is None for v in small_spine.levels)
    assert "geometry-only" in [f.code for f in small_spine.findings]


def _drilled(small: Phantom, radius_mm: float) -> LabelMap:
    """A hole through the body of L1 from endplate to endplate."""
    frame = small.truth.levels["L1"].frame
    labels = np.array(small.labels.data)
    voxels = np.argwhere(labels == VERSE_IDS["L1"])
    offset = small.labels.volume.to_world(voxels) - frame.origin_ras_mm
    across = np.hypot(offset @ frame.right_ras, offset @ frame.anterior_ras)
    labels[tuple(voxels[across < radius_mm].T)] = 0
    return map_of(replace(small.labels.volume, data=labels), small.labels)


def test_a_hole_through_the_body_is_a_fracture_and_not_the_canal(small: Phantom) -> None:
    drilled = assess(_drilled(small, 8.0), None, UNCALIBRATED).find("L1")
    assert drilled is not None
    assert drilled.canal.centre_ras_mm is not None
    true = small.truth.levels["L1"]
    off = np.subtract(drilled.canal.centre_ras_mm, true.canal.centre_ras_mm)
    across = off - (off @ np.array(true.frame.superior_ras)) * np.array(true.frame.superior_ras)
    assert np.linalg.norm(across) < 2.0
    assert drilled.canal.ap_mm == pytest.approx(true.canal.ap_mm, abs=1.0)
    # No bone at all between the endplates is the greatest loss there is, not a missing number.
    assert drilled.fracture.flagged is True
    assert drilled.fracture.genant_grade == 3
    assert drilled.frame is not None
    assert angle_deg(drilled.frame.superior_ras, true.frame.superior_ras) < 3.0


def test_a_level_cut_by_the_scan_says_so(small: Phantom) -> None:
    top = np.argwhere(small.labels.data == VERSE_IDS["T12"])[:, 2]
    through_body = int(np.percentile(top, 60))
    cut = small.labels.volume.crop((0, 0, 0), (*small.labels.volume.shape[:2], through_body))
    found = assess(map_of(cut, small.labels), None, UNCALIBRATED)
    level = found.find("T12")
    assert level is not None
    assert not level.complete
    assert level.heights_mm.anterior is None
    assert level.fracture.flagged is None
    assert "body-cut" in [f.code for f in level.findings]
    assert [v.complete for v in found.levels] == [False, True, True]
    assert found.find("L1").fracture.flagged is True  # type: ignore[union-attr]


def test_a_map_of_bodies_alone_is_measured_and_has_no_pedicles(small: Phantom) -> None:
    data = np.where(small.subregions.data == 49, small.labels.data, 0).astype(np.uint8)
    bodies = replace(small.labels, volume=replace(small.labels.volume, data=data), body_only=True)
    found = assess(bodies, None, UNCALIBRATED)
    for vertebra in found.levels:
        assert (vertebra.pedicles.left, vertebra.pedicles.right, vertebra.canal.ap_mm) == (None, None, None)
        true = small.truth.levels[vertebra.level].heights_mm
        for name in HEIGHTS:
            assert getattr(vertebra.heights_mm, name) == pytest.approx(getattr(true, name), abs=1.5)
    assert [v.fracture.flagged for v in found.levels] == [False, True, False]


def test_no_labels_no_levels(broken_spine: Phantom) -> None:
    found = assess(None, broken_spine.volume, UNCALIBRATED)
    assert found.levels == ()
    assert "no-labels" in [f.code for f in found.findings]


def test_progress_is_told_by_level(small: Phantom) -> None:
    told: list[tuple[str, float]] = []
    one = replace(small.labels.volume, data=np.where(small.labels.data == 20, 20, 0).astype(np.uint8))
    spine = assess(map_of(one, small.labels), None, UNCALIBRATED, progress=lambda *now: told.append(now))
    assert [v.level for v in spine.levels] == ["L1"]
    assert told[0][0] == "L1"
    assert told[-1] == ("", 1.0)
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    alone: Vertebra = spine.levels[0]
    assert "scaled-by-own-wall" in [f.code for f in alone.fracture.reasons]
