"""Which images may be measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ct_maker import grid, sample, write_nii, write_series

from endplate.errors import EndplateError
from endplate.imaging.quality import check_values, inspect
from endplate.imaging.read import read_image
from endplate.imaging.volume import ScanInfo, Volume

AXIAL = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], float).T
AFFINE = grid(AXIAL)
DATA = sample(AFFINE)


def refused(call, *args) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        call(*args)
    assert caught.value.do
    return caught.value


def thick(mm: float, thickness: float | None = None) -> Volume:
    affine = grid(AXIAL, spacing=(1.5, 1.5, mm))
    return Volume(sample(affine), affine, ScanInfo(slice_thickness_mm=thickness))


@pytest.mark.parametrize(
    ("mm", "found"), [(1.0, []), (3.0, []), (3.01, ["thick-slices"]), (4.0, ["thick-slices"])]
)
def test_slices_up_to_four_mm_are_measured(mm: float, found: list[str]) -> None:
    assert [finding.code for finding in inspect(thick(mm))] == found


@pytest.mark.parametrize(("mm", "thickness"), [(4.01, None), (5.0, 5.0), (2.5, 5.0)])
def test_thicker_slices_are_refused(mm: float, thickness: float | None) -> None:
    error = refused(inspect, thick(mm, thickness))
    assert (error.code, error.exit_code) == ("slices-too-thick", 4)
    assert "4.0 mm" in error.what
    assert "thin reconstruction" in error.do


def test_a_five_mm_dicom_ct_is_refused(tmp_path: Path) -> None:
    affine = grid(AXIAL, spacing=(1.5, 1.5, 5.0), shape=(56, 44, 12))
    volume = read_image(write_series(tmp_path, sample(affine, (56, 44, 12)), affine))
    assert volume.scan.slice_thickness_mm == 5.0
    assert refused(inspect, volume).code == "slices-too-thick"


def test_thickness_counts_however_the_grid_is_stored() -> None:
    affine = grid(np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float).T, spacing=(3.5, 1.0, 1.0))
    assert [found.code for found in inspect(Volume(sample(affine), affine))] == ["thick-slices"]


def test_gaps_between_slices_are_told() -> None:
    (found,) = inspect(thick(2.0, 1.0))
    assert found.code == "slice-gaps"
    assert "1.00 mm stand 2.00 mm apart" in found.text
    assert inspect(thick(2.0, 2.0)) == ()


@pytest.mark.parametrize("hole", [np.nan, np.inf, -np.inf])
def test_voxels_without_a_number_are_refused(hole: float, tmp_path: Path) -> None:
    data = DATA.astype(np.float32)
    data[3:5, 7, 9] = hole
    for call, given in (
        (read_image, write_nii(tmp_path / "x.nii", data, AFFINE)),
        (inspect, Volume(data, AFFINE)),
    ):
        error = refused(call, given)
        assert (error.code, error.exit_code) == ("not-finite", 4)
        assert error.what.startswith("2 voxels")


@pytest.mark.parametrize("level", [0, -1024, 40])
def test_an_empty_image_is_refused(level: int, tmp_path: Path) -> None:
    path = write_nii(tmp_path / "x.nii.gz", np.full((9, 9, 9), level, np.int16), AFFINE)
    error = refused(read_image, path)
    assert (error.code, error.exit_code) == ("constant-image", 4)


def mr_like() -> np.ndarray:
    rng = np.random.default_rng(5)
    return (np.abs(rng.normal(0, 15, DATA.shape)) + (DATA > -200) * rng.gamma(4, 90, DATA.shape)).astype(
        np.int16
    )


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (mr_like(), "without fat, air or noise"),
        ((DATA + 1024).astype(np.uint16), "without fat, air or noise"),
        (((DATA + 1024) / 3000).astype(np.float32), "without fat, air or noise"),
        (((DATA + 300) / 400).astype(np.float32), "without fat, air or noise"),
        (np.where(DATA > 100, 100, DATA), "without values of bone"),
        ((mr_like() * 30.0 - 500).astype(np.float32), "far above bone"),
        (np.where(DATA > 500, 2000, -1000).astype(np.int16), "without soft tissue"),
        ((DATA > 100).astype(np.uint8) * 20, "a label map or mask"),
        ((DATA > 100).astype(np.float64) * 20, "a label map or mask"),
    ],
    ids=["mr", "raw", "0-1", "scaled", "no-bone", "too-high", "no-tissue", "labels", "float-labels"],
)
def test_values_that_are_not_hounsfield_are_refused(data: np.ndarray, word: str, tmp_path: Path) -> None:
    error = refused(read_image, write_nii(tmp_path / "x.nii", data, AFFINE))
    assert (error.code, error.exit_code) == ("wrong-modality", 3)
    assert word in error.what


def test_a_stated_modality_other_than_ct_is_refused() -> None:
    volume = Volume(DATA, AFFINE, ScanInfo(modality="MR"))
    assert refused(inspect, volume).code == "wrong-modality"
    assert inspect(replace(volume, scan=ScanInfo(modality="CT"))) == ()


def test_a_tight_crop_of_a_ct_is_still_one() -> None:
    check_values(DATA[12:44, 10:34, 5:25])
    check_values(DATA[12:44, 10:34, 5:25].astype(np.float32))


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["tptbox_L3_ct.nii.gz"])
def test_a_real_ct_passes(name: str, data_dir: Path) -> None:
    volume = read_image(data_dir / name)
    assert inspect(volume) == ()
    assert volume.axis_codes == ("P", "I", "R")
    assert volume.spacing_mm == pytest.approx([1.5] * 3)
    assert volume.data.dtype == np.int16


@pytest.mark.real_data
def test_real_label_maps_are_not_taken_for_a_ct(data_dir: Path) -> None:
    for path in sorted(data_dir.glob("*labels*.nii.gz")):
        error = refused(read_image, path)
        assert error.code == "wrong-modality"
        assert "label map" in error.what
