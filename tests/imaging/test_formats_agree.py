"""The same anatomy through every format and orientation lies at the same place with the same values."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from ct_maker import (
    BALL_RAS_MM,
    MARKER_RAS_MM,
    found_centres,
    grid,
    sample,
    write_meta,
    write_nii,
    write_nrrd,
    write_series,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from endplate.imaging.quality import inspect
from endplate.imaging.read import read_grid, read_image

# Voxel axes in RAS: rows of each list are the directions of i, j and k.
ORIENTATIONS = {
    "supine, head first (LPS)": [[-1, 0, 0], [0, -1, 0], [0, 0, 1]],
    "prone (RAS)": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "right decubitus": [[0, 1, 0], [-1, 0, 0], [0, 0, 1]],
    "left decubitus": [[0, -1, 0], [1, 0, 0], [0, 0, 1]],
    "sagittal (PIR)": [[0, -1, 0], [0, 0, -1], [1, 0, 0]],
    "mirrored rows (LAS)": [[-1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "coronal": [[-1, 0, 0], [0, 0, -1], [0, 1, 0]],
    "oblique": Rotation.from_euler("xyz", [17, -9, 24], degrees=True).as_matrix().T.tolist(),
}


@pytest.mark.parametrize("name", ORIENTATIONS)
def test_every_format_gives_the_same_place_and_values(name: str, tmp_path: Path) -> None:
    rotation = np.array(ORIENTATIONS[name], float).T
    affine = grid(rotation)
    data = sample(affine)
    folder = write_series(tmp_path / "dicom", data, affine)
    archive = Path(shutil.make_archive(str(tmp_path / "study"), "zip", folder))
    paths = [
        folder,
        archive,
        next(folder.iterdir()),
        write_nii(tmp_path / "a.nii.gz", data, affine),
        write_nii(tmp_path / "b.nii", data, affine),
        write_nrrd(tmp_path / "c.nrrd", data, affine),
        write_nrrd(tmp_path / "d.nhdr", data, affine, space="RAS", encoding="raw"),
        write_nrrd(tmp_path / "e.nrrd", data, affine, space="LAS", encoding="bzip2"),
        write_meta(tmp_path / "f.mha", data, affine),
        write_meta(tmp_path / "g.mhd", data, affine, packed=False),
    ]
    for path in paths:
        volume = read_image(path)
        # DICOM stacks along the normal of its slices; a left-handed file order comes out reversed in k.
        flipped = np.linalg.det(rotation) < 0 and volume.scan.source_format == "DICOM"
        expected, truth = (data[:, :, ::-1], reversed_k(affine, data)) if flipped else (data, affine)
        np.testing.assert_allclose(volume.affine, truth, atol=1e-3, err_msg=path.name)
        np.testing.assert_array_equal(volume.data, expected, err_msg=path.name)
        assert volume.data.dtype == np.int16
        assert inspect(volume) == ()
    ball, marker = found_centres(read_image(folder))
    assert np.linalg.norm(ball - BALL_RAS_MM) < 0.1
    assert np.linalg.norm(marker - MARKER_RAS_MM) < 0.1


def reversed_k(affine: np.ndarray, data: np.ndarray) -> np.ndarray:
    turned = affine.copy()
    turned[:3, 3] += affine[:3, 2] * (data.shape[2] - 1)
    turned[:3, 2] *= -1
    return turned


def test_folder_and_archive_have_one_hash_whatever_the_file_names(tmp_path: Path) -> None:
    affine = grid()
    data = sample(affine)
    folder = write_series(tmp_path / "dicom", data, affine)
    with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
        for n, path in enumerate(sorted(folder.iterdir(), reverse=True)):
            archive.write(path, f"deep/er/{n:04d}")
    first, second = read_image(folder), read_image(tmp_path / "study.zip")
    assert first.scan.source_sha256 == second.scan.source_sha256
    assert len(first.scan.source_sha256) == 64


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    spacing=st.tuples(*[st.floats(0.3, 2.5)] * 3),
    origin=st.tuples(*[st.floats(-500, 500)] * 3),
    mirrored=st.booleans(),
)
def test_any_grid_survives_nifti_nrrd_and_metaimage(tmp_path, angles, spacing, origin, mirrored) -> None:
    affine = np.eye(4)
    affine[:3, :3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix() * spacing
    affine[:3, 0] *= -1 if mirrored else 1
    affine[:3, 3] = origin
    data = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    for path in (
        write_nii(tmp_path / "x.nii", data, affine),
        write_nrrd(tmp_path / "x.nrrd", data, affine),
        write_meta(tmp_path / "x.mha", data, affine),
    ):
        volume = read_grid(path)
        np.testing.assert_allclose(volume.affine, affine, atol=1e-3)
        np.testing.assert_array_equal(volume.data, data)


def test_a_file_without_suffix_is_known_by_its_content(tmp_path: Path) -> None:
    affine = grid()
    data = sample(affine)
    for path in (
        write_nii(tmp_path / "a.nii.gz", data, affine),
        write_nii(tmp_path / "b.nii", data, affine),
        write_nrrd(tmp_path / "c.nrrd", data, affine),
        write_meta(tmp_path / "d.mha", data, affine),
    ):
        plain = path.rename(path.with_name(path.name.split(".")[0]))
        assert read_image(plain).shape == data.shape
