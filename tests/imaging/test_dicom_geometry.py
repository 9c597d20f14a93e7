"""Where DICOM slices stand: order, gaps, duplicates, tilt."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from ct_maker import BALL_RAS_MM, LPS, MARKER_RAS_MM, found_centres, grid, sample, write_nii, write_series
from scipy.spatial.transform import Rotation

from endplate.errors import EndplateError, InputError
from endplate.imaging.geometry import voxel_sizes_mm
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.shear import is_rectangular, rectify
from endplate.imaging.slices import regular_step

AXIAL = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], float).T


def codes(volume) -> set[str]:
    return {found.code for found in volume.findings}


def refusal(path: Path, **how) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        read_image(path, **how)
    assert caught.value.do
    return caught.value


def tilted(degrees: float, spacing=(1.5, 1.5, 2.0), shape=(56, 60, 30)) -> np.ndarray:
    """Slices tilted about the left-right axis while the table moves along the body."""
    rotation = Rotation.from_euler("x", degrees, degrees=True).as_matrix() @ AXIAL
    affine = np.eye(4)
    affine[:3, :3] = rotation * spacing
    # The table moves along the body, and the slices stay `spacing` apart along their normal.
    affine[:3, 2] = np.array([0, 0, spacing[2] / math.cos(math.radians(degrees))])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return affine


@pytest.mark.parametrize("degrees", [-25.0, 8.0, 20.0])
@pytest.mark.parametrize("form", ["dicom", "nifti"])
def test_gantry_tilt_is_resampled_to_the_right_place(degrees: float, form: str, tmp_path: Path) -> None:
    affine = tilted(degrees)
    data = sample(affine, (56, 60, 30))
    made = write_series if form == "dicom" else write_nii
    volume = read_image(made(tmp_path / ("d" if form == "dicom" else "n.nii.gz"), data, affine))
    assert "gantry-tilt-resampled" in codes(volume)
    assert volume.scan.gantry_tilt_deg == pytest.approx(abs(degrees), abs=0.01)
    assert is_rectangular(volume.affine, volume.shape)
    assert volume.spacing_mm == pytest.approx([1.5, 1.5, 2.0], abs=1e-4)
    ball, marker = found_centres(volume)
    assert np.linalg.norm(ball - BALL_RAS_MM) < 0.1
    assert np.linalg.norm(marker - MARKER_RAS_MM) < 0.1
    truth = sample(volume.affine, volume.shape)
    inside = (volume.data > -1000) & (truth > -1000)
    assert np.abs(volume.data.astype(int) - truth)[inside].mean() < 12.0
    assert volume.data.dtype == np.int16


def test_the_shear_loses_no_voxel() -> None:
    affine = tilted(20.0, shape=(6, 7, 12))
    data = np.full((6, 7, 12), 100, dtype=np.int16)
    upright = rectify(data, affine, fill=-1024)
    corners = np.array([[i, j, k] for i in (0, 5) for j in (0, 6) for k in (0, 11)], float)
    world = corners @ affine[:3, :3].T + affine[:3, 3]
    index = (world - upright.affine[:3, 3]) @ np.linalg.inv(upright.affine[:3, :3]).T
    assert index.min() > -1e-6
    assert (index <= np.array(upright.data.shape) - 1 + 1e-6).all()
    # Between two neighbours everything is interpolated, so 100 stays 100; at most one row a slice is lost.
    assert (upright.data == 100).sum() >= 6 * 6 * 12
    assert set(np.unique(upright.data)) == {-1024, 100}


def test_labels_on_a_tilted_grid_stay_on_the_grid_of_their_ct(tmp_path: Path) -> None:
    affine = tilted(15.0)
    data = sample(affine, (56, 60, 30))
    labels = np.where(data > 300, 20, 0).astype(np.uint8)
    ct = read_image(write_nii(tmp_path / "ct.nii", data, affine))
    read = read_grid(write_nii(tmp_path / "labels.nii", labels, affine), nearest=True)
    assert read.same_grid_as(ct)
    assert set(np.unique(read.data)) == {0, 20}
    assert read.data.sum() == labels.sum(dtype=int)
    points = read.to_world(np.argwhere(read.data == 20))
    near = np.linalg.norm(points - BALL_RAS_MM, axis=1) < 12
    assert np.linalg.norm(points[near].mean(axis=0) - BALL_RAS_MM) < 0.3


def test_a_shear_that_no_gantry_makes_is_refused(tmp_path: Path) -> None:
    affine = grid()
    affine[0, 1] = affine[1, 2] = affine[0, 2] = 0.6
    assert refusal(write_nii(tmp_path / "x.nii", sample(affine), affine)).code == "sheared-grid"
    steep = tilted(60.0)
    assert refusal(write_nii(tmp_path / "y.nii", sample(steep, (56, 60, 30)), steep)).code == "sheared-grid"


def test_stated_tilt_that_the_positions_do_not_show_is_told(tmp_path: Path) -> None:
    affine = grid(AXIAL)

    def edit(ds, k):
        ds.GantryDetectorTilt = "12.5"

    volume = read_image(write_series(tmp_path, sample(affine), affine, edit=edit))
    assert codes(volume) == {"gantry-tilt-inconsistent"}
    assert "12.5" in volume.findings[0].text


def test_one_missing_slice_is_named_by_its_place(tmp_path: Path) -> None:
    affine = grid(AXIAL)
    error = refusal(write_series(tmp_path, sample(affine), affine, skip=(11,)))
    assert (error.code, error.exit_code) == ("missing-slice", 3)
    assert "1 of 30 slices are missing: after slice 11, counted from the foot end" in error.what
    assert "Send the whole series again" in error.do


def test_several_gaps_are_counted_from_the_right_end(tmp_path: Path) -> None:
    affine = grid(np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float).T)  # sagittal, left to right
    error = refusal(write_series(tmp_path, sample(affine), affine, skip=(3, 4, 20)))
    assert error.code == "missing-slice"
    assert (
        "3 of 30 slices are missing: after slice 3, after slice 18, counted from the left end" in error.what
    )


def test_slices_at_unequal_distance_are_refused(tmp_path: Path) -> None:
    affine = grid(AXIAL)

    def edit(ds, k):
        ds.ImagePositionPatient[2] = float(ds.ImagePositionPatient[2]) + 0.13 * k * (k > 15)

    assert refusal(write_series(tmp_path, sample(affine), affine, edit=edit)).code == "irregular-slices"


def test_slices_shifted_sideways_are_refused(tmp_path: Path) -> None:
    affine = grid(AXIAL)

    def edit(ds, k):
        ds.ImagePositionPatient[0] = float(ds.ImagePositionPatient[0]) + 3.0 * (k > 15)

    assert refusal(write_series(tmp_path, sample(affine), affine, edit=edit)).code == "irregular-slices"


def test_positions_rounded_to_one_decimal_are_regular(tmp_path: Path) -> None:
    affine = grid(AXIAL, spacing=(1.5, 1.5, 0.625), shape=(56, 44, 60))

    def edit(ds, k):
        ds.ImagePositionPatient = [f"{float(x):.1f}" for x in ds.ImagePositionPatient]

    data = sample(affine, (56, 44, 60))
    volume = read_image(write_series(tmp_path, data, affine, edit=edit))
    assert volume.spacing_mm[2] == pytest.approx(0.625, abs=5e-4)
    ball, _ = found_centres(volume)
    assert np.linalg.norm(ball - BALL_RAS_MM) < 0.1


def test_same_slice_twice_is_dropped_and_told(tmp_path: Path) -> None:
    affine = grid(AXIAL)
    data = sample(affine)
    write_series(tmp_path, data, affine)
    for n, path in enumerate(sorted(tmp_path.iterdir())[:3]):
        (tmp_path / f"copy{n}.dcm").write_bytes(path.read_bytes())
    volume = read_image(tmp_path)
    assert codes(volume) == {"duplicates-dropped"}
    assert volume.findings[0].text.startswith("3 slices")
    np.testing.assert_array_equal(volume.data, data)


@pytest.mark.parametrize("shift_mm", [0.0, 5.0])
def test_two_phases_in_one_series_are_refused(shift_mm: float, tmp_path: Path) -> None:
    affine = grid(AXIAL)
    data = sample(affine)
    write_series(tmp_path / "a", data, affine)
    other = affine.copy()
    other[0, 3] += shift_mm
    write_series(tmp_path / "b", data + np.int16(0 if shift_mm else 30), other)
    assert refusal(tmp_path).code == "mixed-series"


def test_slices_all_at_one_place_are_refused(tmp_path: Path) -> None:
    affine = grid(AXIAL)

    def edit(ds, k):
        ds.ImagePositionPatient = [0, 0, 0]

    assert refusal(write_series(tmp_path, sample(affine), affine, edit=edit)).code == "too-few-slices"


def test_regular_step_averages_rounding_and_keeps_the_tilt() -> None:
    step = np.array([0.0, 0.3, 1.0])
    exact = np.array([5.0, -3.0, 7.0]) + np.outer(np.arange(200), step)
    origin, found = regular_step(np.round(exact, 1), np.array([0.0, 0.0, 1.0]))
    assert found == pytest.approx(step, abs=1e-3)
    assert origin == pytest.approx(exact[0], abs=0.05)
    with pytest.raises(InputError):
        regular_step(exact[[0, 1, 2, 4]], np.array([0.0, 0.0, 1.0]))


def test_spacing_of_rows_and_columns_is_not_swapped(tmp_path: Path) -> None:
    affine = grid(AXIAL, spacing=(1.2, 1.6, 2.0))
    volume = read_image(write_series(tmp_path, sample(affine), affine))
    assert volume.spacing_mm == pytest.approx([1.2, 1.6, 2.0], abs=1e-6)
    ball, marker = found_centres(volume)
    assert np.linalg.norm(ball - BALL_RAS_MM) < 0.1
    assert np.linalg.norm(marker - MARKER_RAS_MM) < 0.1
    assert voxel_sizes_mm(LPS @ affine) == pytest.approx([1.2, 1.6, 2.0])


def test_rounded_directions_are_not_taken_for_a_tilt(tmp_path: Path) -> None:
    affine = grid(Rotation.from_euler("xyz", [4, -3, 6], degrees=True).as_matrix() @ AXIAL)

    def edit(ds, k):
        ds.ImageOrientationPatient = [f"{float(x):.4f}" for x in ds.ImageOrientationPatient]

    data = sample(affine)
    volume = read_image(write_series(tmp_path, data, affine, edit=edit))
    assert codes(volume) == set()
    np.testing.assert_array_equal(volume.data, data)
    np.testing.assert_allclose(volume.to_world([55, 43, 29]), affine[:3] @ [55, 43, 29, 1], atol=0.02)
