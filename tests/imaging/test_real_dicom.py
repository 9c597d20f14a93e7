"""A real DICOM series in a zip archive."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from endplate.errors import InputError
from endplate.imaging.dicom_series import list_series
from endplate.imaging.quality import inspect
from endplate.imaging.read import read_image
from endplate.imaging.write import write_nifti

NAME = "rider_pilot_0117_chest_thin_dicom.zip"


@pytest.mark.real_data
def test_the_rider_series(data_dir: Path, tmp_path: Path) -> None:
    (info,) = list_series(data_dir / NAME)
    assert (info.slices, info.modality, info.kernel, info.usable) == (95, "CT", "STANDARD", True)
    volume = read_image(data_dir / NAME)
    assert volume.shape == (512, 512, 95)
    assert volume.data.dtype == np.int16
    assert volume.spacing_mm == pytest.approx([0.644531, 0.644531, 0.8], abs=1e-4)
    assert volume.axis_codes == ("L", "P", "S")
    # First voxel of the lowest slice, from the files: LPS (-169.4, -165.0, -280.0) mm.
    np.testing.assert_allclose(volume.to_world([0, 0, 0]), [169.4, 165.0, -280.0], atol=1e-3)
    assert (volume.scan.patient_age_years, volume.scan.patient_position) == (60, "FFS")
    assert (volume.scan.kvp, volume.scan.contrast_agent) == (120.0, True)
    assert [found.code for found in (*volume.findings, *inspect(volume))] == ["padding-to-air"]
    assert volume.data.min() == -1024
    write_nifti(volume, tmp_path / "x.nii.gz")
    back = read_image(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(back.data, volume.data)
    assert back.same_grid_as(volume)


@pytest.mark.real_data
def test_front_back_left_and_right_are_those_of_the_patient(data_dir: Path) -> None:
    """At the level of the liver most lung is on the left, and most bone (spine, ribs) lies at the back."""
    volume = read_image(data_dir / NAME)
    bone = volume.to_world(np.argwhere(volume.data > 350)[::50])
    assert np.median(bone[:, 1]) < -20.0
    lung = volume.to_world(np.argwhere((volume.data[:, :, :1] > -950) & (volume.data[:, :, :1] < -700)))
    middle = float(np.median(bone[:, 0]))
    assert (lung[:, 0] < middle).sum() > 2 * (lung[:, 0] > middle).sum()


@pytest.mark.real_data
def test_a_missing_file_in_the_rider_archive_is_noticed(data_dir: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(data_dir / NAME) as whole, zipfile.ZipFile(tmp_path / "x.zip", "w") as cut:
        for name in whole.namelist():
            if "-040" not in name:
                cut.writestr(name, whole.read(name))
    with pytest.raises(InputError) as caught:
        read_image(tmp_path / "x.zip")
    assert caught.value.code == "missing-slice"
    assert "1 of 95 slices" in caught.value.what
