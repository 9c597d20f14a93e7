"""Writing NIfTI: the same bytes, exact types, whole or not at all."""

from __future__ import annotations

import errno
import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
from ct_maker import grid, sample
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.spatial.transform import Rotation

from endplate.errors import UsageError
from endplate.imaging import write
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti

AFFINE = grid(Rotation.from_euler("xyz", [10, -20, 30], degrees=True).as_matrix() * [-1, -1, 1])
VOLUME = Volume(sample(AFFINE), AFFINE)


@pytest.mark.parametrize("name", ["x.nii", "x.nii.gz"])
def test_what_is_written_is_read_back(name: str, tmp_path: Path) -> None:
    write_nifti(VOLUME, tmp_path / name)
    back = read_image(tmp_path / name)
    np.testing.assert_array_equal(back.data, VOLUME.data)
    np.testing.assert_allclose(back.affine, AFFINE, atol=1e-4)
    image = nibabel.load(tmp_path / name)
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.get_qform(), AFFINE, atol=1e-4)
    np.testing.assert_allclose(image.get_sform(), AFFINE, atol=1e-4)
    assert (int(image.header["qform_code"]), int(image.header["sform_code"])) == (1, 1)
    assert image.header.get_xyzt_units()[0] == "mm"
    assert back.findings == ()


def test_bytes_depend_on_the_volume_alone(tmp_path: Path) -> None:
    write_nifti(VOLUME, tmp_path / "first.nii.gz")
    copied = Volume(np.asfortranarray(VOLUME.data), AFFINE.copy())
    write_nifti(copied, tmp_path / "another_name.nii.gz")
    first, second = (tmp_path / "first.nii.gz").read_bytes(), (tmp_path / "another_name.nii.gz").read_bytes()
    assert first == second
    assert first[3:8] == bytes(5)  # no file name, no time
    write_nifti(VOLUME, tmp_path / "x.nii")
    assert gzip.decompress(first) == (tmp_path / "x.nii").read_bytes()


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        (np.array([0, 1], bool), np.uint8),
        (np.array([0, 200], np.uint8), np.uint8),
        (np.array([0, 28], np.int64), np.uint8),
        (np.array([-5, 5], np.int8), np.int16),
        (np.array([-1024, 3000], np.int32), np.int16),
        (np.array([0, 70000], np.uint32), np.int32),
        (np.array([-1024.0, 3071.0], np.float32), np.int16),
        (np.array([-0.5, 3071.0], np.float32), np.float32),
        (np.array([0.0, 1e6], np.float64), np.float32),
        (np.array([np.nan, 1.0], np.float32), np.float32),
        (np.array([0, 2**40], np.int64), np.float32),
    ],
)
def test_the_smallest_exact_type_is_stored(values: np.ndarray, dtype: type, tmp_path: Path) -> None:
    write_nifti(Volume(values.reshape(2, 1, 1), np.eye(4)), tmp_path / "x.nii")
    assert nibabel.load(tmp_path / "x.nii").get_data_dtype() == dtype
    np.testing.assert_allclose(read_grid(tmp_path / "x.nii").data.ravel(), values.astype(float), rtol=1e-6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=hnp.arrays(np.int16, hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)),
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    mirrored=st.booleans(),
)
def test_round_trip(tmp_path: Path, data: np.ndarray, angles: tuple[float, ...], mirrored: bool) -> None:
    affine = grid(
        Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * [-1 if mirrored else 1, 1, 1]
    )
    write_nifti(Volume(data, affine), tmp_path / "x.nii.gz")
    back = read_grid(tmp_path / "x.nii.gz")
    np.testing.assert_array_equal(back.data, data)
    np.testing.assert_allclose(back.affine, affine, atol=1e-3)
    assert back.findings == ()


def test_a_sheared_grid_has_no_qform(tmp_path: Path) -> None:
    sheared = AFFINE.copy()
    sheared[:3, 2] += sheared[:3, 1] * 0.3
    write_nifti(Volume(VOLUME.data, sheared), tmp_path / "x.nii")
    image = nibabel.load(tmp_path / "x.nii")
    assert int(image.header["qform_code"]) == 0
    np.testing.assert_allclose(image.affine, sheared, atol=1e-4)


def test_a_missing_folder_and_a_folder_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "taken.nii.gz").mkdir()
    for path in (tmp_path / "missing" / "x.nii.gz", tmp_path / "taken.nii.gz", Path("/proc/x.nii.gz")):
        with pytest.raises(UsageError) as caught:
            write_nifti(VOLUME, path)
        assert caught.value.code == "output-not-writable"
        assert "Choose another output folder" in caught.value.do
    assert [path.name for path in tmp_path.iterdir()] == ["taken.nii.gz"]


def test_another_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        write_nifti(VOLUME, tmp_path / "x.mha")
    assert caught.value.code == "output-format"


@pytest.mark.parametrize("stop", [OSError(errno.ENOSPC, "full"), KeyboardInterrupt()])
def test_a_full_disk_or_ctrl_c_leaves_the_old_file_and_nothing_else(
    stop, tmp_path: Path, monkeypatch
) -> None:
    path = tmp_path / "x.nii.gz"
    path.write_bytes(b"the old one")

    def failing(volume, dtype, file):
        file.write(b"half")
        raise stop

    monkeypatch.setattr(write, "_write", failing)
    with pytest.raises(KeyboardInterrupt if isinstance(stop, KeyboardInterrupt) else UsageError) as caught:
        write_nifti(VOLUME, path)
    if not isinstance(stop, KeyboardInterrupt):
        assert "disk is full" in caught.value.what
        assert "half-written" in caught.value.intact
    assert path.read_bytes() == b"the old one"
    assert [found.name for found in tmp_path.iterdir()] == ["x.nii.gz"]
