"""NIfTI: orientation, units, scaling, damage."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from ct_maker import grid, sample, write_nii

from endplate.errors import EndplateError
from endplate.imaging.read import read_grid, read_image

AFFINE = grid(np.diag([-1.0, -1.0, 1.0]))
DATA = sample(AFFINE)


def refusal(path: Path) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        read_image(path)
    assert caught.value.what
    assert caught.value.do
    return caught.value


def write(
    path: Path, data: Any = DATA, sform: Any = None, qform: Any = None, kind: Any = None, **fields: Any
) -> Path:
    """Write with chosen orientations (None: code 0) and raw header fields."""
    image = (kind or nibabel.Nifti1Image)(data, None)  # no affine: the header stays as it is set here
    image.header.set_sform(np.zeros((4, 4)) if sform is None else sform, 0 if sform is None else 1)
    image.header.set_qform(AFFINE if qform is None else qform, 0 if qform is None else 1)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    raw = bytearray(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
    offsets = {
        "xyzt_units": (123, "<B"),
        "scl_slope": (112, "<f"),
        "scl_inter": (116, "<f"),
        "pixdim1": (80, "<f"),
    }
    offsets |= {"qfac": (76, "<f"), "vox_offset": (108, "<f"), "datatype": (70, "<h"), "dim4": (48, "<h")}
    for name, number in fields.items():
        at, code = offsets[name]
        struct.pack_into(code, raw, at, number)
    path.write_bytes(gzip.compress(bytes(raw)) if path.suffix == ".gz" else bytes(raw))
    return path


def codes(volume) -> list[str]:
    return [found.code for found in volume.findings]


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_qform_alone_places_the_image(kind: Any, tmp_path: Path) -> None:
    volume = read_image(write(tmp_path / "x.nii", qform=AFFINE, kind=kind))
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    np.testing.assert_array_equal(volume.data, DATA)


def test_a_qform_without_handedness_flag_is_right_handed(tmp_path: Path) -> None:
    volume = read_image(write(tmp_path / "x.nii", qform=AFFINE, qfac=0.0))
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)


def test_no_orientation_is_never_guessed(tmp_path: Path) -> None:
    error = refusal(write(tmp_path / "x.nii.gz"))
    assert (error.code, error.exit_code) == ("no-orientation", 3)
    assert "left and right" in error.what


def test_two_orientations_that_differ_are_told_or_refused(tmp_path: Path) -> None:
    moved = AFFINE.copy()
    moved[:3, 3] += [0.0, 3.0, 4.0]
    volume = read_image(write(tmp_path / "x.nii", sform=AFFINE, qform=moved))
    assert codes(volume) == ["nifti-forms-differ"]
    assert "5.0 mm" in volume.findings[0].text
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-4)
    close = AFFINE.copy()
    close[:3, 3] += 0.1
    assert codes(read_image(write(tmp_path / "z.nii", sform=AFFINE, qform=close))) == []
    mirrored = AFFINE @ np.diag([-1, 1, 1, 1])
    assert refusal(write(tmp_path / "y.nii", sform=AFFINE, qform=mirrored)).code == "orientation-conflict"


def test_voxel_sizes_that_differ_from_the_sform_are_told(tmp_path: Path) -> None:
    volume = read_image(write(tmp_path / "x.nii", sform=AFFINE, pixdim1=1.0))
    assert codes(volume) == ["nifti-spacing-differs"]
    assert "1 × 1.5 × 2 mm" in volume.findings[0].text


@pytest.mark.parametrize(("code", "factor"), [(1, 1e-3), (3, 1e3), (0, 1.0)])
def test_units_are_honoured(code: int, factor: float, tmp_path: Path) -> None:
    scaled = AFFINE.copy()
    scaled[:3] *= factor
    volume = read_image(write(tmp_path / "x.nii", sform=scaled, qform=scaled, xyzt_units=code))
    np.testing.assert_allclose(volume.affine, AFFINE, atol=1e-3)


def test_a_wrong_unit_is_refused(tmp_path: Path) -> None:
    assert refusal(write(tmp_path / "x.nii", sform=AFFINE, xyzt_units=1)).code == "spacing-implausible"
    assert refusal(write(tmp_path / "x.nii", sform=AFFINE, xyzt_units=7)).code == "file-unreadable"


def test_a_singular_orientation_is_refused(tmp_path: Path) -> None:
    flat = AFFINE.copy()
    flat[:, 2] = 0
    assert refusal(write(tmp_path / "x.nii", sform=flat)).code == "singular-affine"
    broken = AFFINE.copy()
    broken[1, 2] = np.nan
    assert refusal(write(tmp_path / "y.nii", sform=broken)).code == "singular-affine"


def test_one_frame_is_squeezed_and_more_are_refused(tmp_path: Path) -> None:
    assert read_image(write_nii(tmp_path / "x.nii", DATA[..., None], AFFINE)).shape == DATA.shape
    error = refusal(write_nii(tmp_path / "y.nii", np.stack([DATA, DATA], -1), AFFINE))
    assert error.code == "not-three-dimensional"
    assert "56 × 44 × 30 × 2" in error.what
    assert refusal(write_nii(tmp_path / "z.nii", DATA[:, :, 0], AFFINE)).code == "not-three-dimensional"


@pytest.mark.parametrize(
    ("dtype", "slope", "inter", "expected"),
    [
        (np.int16, 1, 0, np.int16),
        (np.int32, 1, 0, np.int16),
        (np.uint16, 1, -1024, np.int16),
        (np.int16, 2, 0, np.int16),
        (np.int16, 0.5, 0, np.float32),
        (np.float32, 1, 0, np.float32),
        (np.float64, 1, 0, np.float32),
        (np.int16, 0, 5, np.int16),
        (np.int16, float("nan"), 0, np.int16),
    ],
)
def test_scaling_and_types(dtype: Any, slope: float, inter: float, expected: Any, tmp_path: Path) -> None:
    plain = not np.isfinite(slope) or slope == 0
    stored = DATA if plain else np.rint((DATA - inter) / slope)
    path = write(tmp_path / "x.nii.gz", stored.astype(dtype), sform=AFFINE, scl_slope=slope, scl_inter=inter)
    volume = read_image(path)
    assert volume.data.dtype == expected
    assert np.abs(volume.data - DATA).max() <= max(0.0, abs(slope) - 1 if not plain else 0.0)


def test_byte_order_and_header_size_of_the_other_end(tmp_path: Path) -> None:
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    image = nibabel.Nifti1Image(DATA, AFFINE, header)
    nibabel.save(image, tmp_path / "x.nii")
    assert (tmp_path / "x.nii").read_bytes()[:4] == b"\0\0\x01\x5c"
    volume = read_image(tmp_path / "x.nii")
    np.testing.assert_array_equal(volume.data, DATA)
    assert volume.data.dtype.isnative


@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
@pytest.mark.parametrize("keep", [0.0, 0.0005, 0.004, 0.5, 0.999])
def test_truncated_files_are_refused(suffix: str, keep: float, tmp_path: Path) -> None:
    path = write_nii(tmp_path / f"x{suffix}", DATA, AFFINE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    error = refusal(path)
    assert (error.code, error.exit_code) == ("file-truncated", 3)
    assert "Export or copy the image again" in error.do


def test_damage_inside_the_compression_is_found(tmp_path: Path) -> None:
    path = write_nii(tmp_path / "x.nii.gz", DATA, AFFINE)
    whole = bytearray(path.read_bytes())
    whole[-8] ^= 0xFF  # the checksum at the very end
    path.write_bytes(whole)
    assert refusal(path).code == "file-unreadable"
    whole[len(whole) // 2] ^= 0xFF
    path.write_bytes(whole)
    assert refusal(path).code in ("file-unreadable", "file-truncated")


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.nii").write_bytes(b"not an image" * 100)
    assert refusal(tmp_path / "x.nii").code == "file-unreadable"
    nibabel.save(nibabel.Nifti1Pair(DATA, AFFINE), tmp_path / "p.img")
    (tmp_path / "p.hdr").rename(tmp_path / "p.nii")
    assert refusal(tmp_path / "p.nii").code == "file-unsupported"
    colour = np.zeros((4, 4, 4), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nibabel.save(nibabel.Nifti1Image(colour, AFFINE), tmp_path / "c.nii")
    assert refusal(tmp_path / "c.nii").code == "file-unsupported"
    assert refusal(write(tmp_path / "t.nii", sform=AFFINE, datatype=7)).code == "file-unreadable"
    assert refusal(write(tmp_path / "o.nii", sform=AFFINE, vox_offset=-5)).code == "file-unreadable"


def test_a_header_that_claims_too_much_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    path = write_nii(tmp_path / "x.nii", DATA, AFFINE)
    raw = bytearray(path.read_bytes())
    struct.pack_into("<3h", raw, 42, 30000, 30000, 30000)
    path.write_bytes(raw)
    assert refusal(path).code == "image-too-large"
    struct.pack_into("<3h", raw, 42, 900, 900, 900)
    path.write_bytes(gzip.compress(bytes(raw)))
    assert refusal(path.rename(tmp_path / "x.nii.gz")).code == "file-truncated"


def test_labels_keep_their_type(tmp_path: Path) -> None:
    labels = np.where(DATA > 300, 20, 0).astype(np.uint8)
    volume = read_grid(write_nii(tmp_path / "x.nii.gz", labels, AFFINE), nearest=True)
    assert volume.data.dtype == np.uint8
    np.testing.assert_array_equal(volume.data, labels)


def test_voxels_outside_the_scale_become_air_and_are_told(tmp_path: Path) -> None:
    data = DATA.copy()
    data[:4] = -3024
    volume = read_image(write_nii(tmp_path / "x.nii", data, AFFINE))
    assert volume.data.min() == -1024
    assert codes(volume) == ["padding-to-air"]
    np.testing.assert_array_equal(volume.data[4:], DATA[4:])


def test_hash_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    path = write_nii(tmp_path / "x.nii.gz", DATA, AFFINE)
    assert read_image(path).scan.source_sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
