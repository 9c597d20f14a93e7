"""DICOM pixels into Hounsfield units, in every encoding that core packages decode."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from ct_maker import grid, make_slice, sample, write_series
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from endplate.errors import InputError
from endplate.imaging import dicom_files
from endplate.imaging.dicom import slice_hu
from endplate.imaging.read import read_image

AXIAL = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], float).T
AFFINE = grid(AXIAL, spacing=(2.0, 2.0, 2.0), shape=(40, 32, 6))
DATA = sample(AFFINE, (40, 32, 6))


def codes(volume) -> list[str]:
    return [found.code for found in volume.findings]


def test_slope_and_intercept_are_taken_slice_by_slice(tmp_path: Path) -> None:
    even = (DATA // 2 * 2).astype(np.int16)

    def edit(ds, k):
        if k % 2:
            plane = even[:, :, k]
            ds.RescaleSlope, ds.RescaleIntercept = 2, -2000
            ds.PixelData = ((plane.T.astype(int) + 2000) // 2).astype("<u2").tobytes()

    volume = read_image(write_series(tmp_path, even, AFFINE, edit=edit))
    np.testing.assert_array_equal(volume.data, even)
    assert volume.data.dtype == np.int16


def test_a_fractional_slope_gives_float32(tmp_path: Path) -> None:
    def edit(ds, k):
        if k >= 3:
            ds.RescaleSlope = "1.25"

    volume = read_image(write_series(tmp_path, DATA, AFFINE, edit=edit))
    assert volume.data.dtype == np.float32
    np.testing.assert_allclose(volume.data[:, :, 2], DATA[:, :, 2])
    wanted = np.maximum((DATA[:, :, 4] + 1024.0) * 1.25 - 1024.0, -1024)
    np.testing.assert_allclose(volume.data[:, :, 4], wanted, atol=1e-3)


def test_signed_pixels_with_padding_stated_unsigned(tmp_path: Path) -> None:
    holed = DATA.copy()
    holed[:3] = -1024
    stored = (holed + 24).astype(np.int16)
    stored[:3] = -2000

    def edit(ds, k):
        ds.PixelRepresentation, ds.RescaleIntercept = 1, -24
        ds.add_new("PixelPaddingValue", "US", 65536 - 2000)
        ds.PixelData = stored[:, :, k].T.astype("<i2").tobytes()

    volume = read_image(write_series(tmp_path, holed, AFFINE, edit=edit))
    np.testing.assert_array_equal(volume.data, holed)
    assert codes(volume) == ["padding-to-air"]
    assert volume.findings[0].text.startswith("7.5 % of the voxels")


def test_padding_above_the_scale_and_a_padding_range(tmp_path: Path) -> None:
    holed = DATA.copy()
    holed[-2:] = -1024
    stored = (DATA + 1024).astype(np.uint16)
    stored[-2], stored[-1] = 63536, 63000

    def edit(ds, k):
        ds.add_new("PixelPaddingValue", "US", 63536)
        ds.add_new("PixelPaddingRangeLimit", "US", 63000)
        ds.PixelData = stored[:, :, k].T.astype("<u2").tobytes()

    volume = read_image(write_series(tmp_path, holed, AFFINE, edit=edit))
    np.testing.assert_array_equal(volume.data, holed)
    assert volume.data.dtype == np.int16


def test_padding_that_could_be_water_is_kept_and_told(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.add_new("PixelPaddingValue", "US", 1064)

    volume = read_image(write_series(tmp_path, DATA, AFFINE, edit=edit))
    np.testing.assert_array_equal(volume.data, DATA)
    assert codes(volume) == ["padding-kept"]


def test_bits_outside_the_stored_ones_are_ignored(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.BitsStored, ds.HighBit = 12, 11
        stored = (DATA[:, :, k].T.astype(int) + 1024) | (0xA000 if k == 2 else 0)
        ds.PixelData = stored.astype("<u2").tobytes()

    np.testing.assert_array_equal(read_image(write_series(tmp_path, DATA, AFFINE, edit=edit)).data, DATA)


def test_monochrome1_changes_the_display_not_the_values(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.PhotometricInterpretation = "MONOCHROME1"

    np.testing.assert_array_equal(read_image(write_series(tmp_path, DATA, AFFINE, edit=edit)).data, DATA)


@pytest.mark.parametrize(
    "syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless]
)
def test_encodings_that_core_packages_decode(syntax: str, tmp_path: Path) -> None:
    write_series(tmp_path, DATA, AFFINE)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        if syntax == RLELossless:
            ds.compress(RLELossless)
        else:
            if syntax == ExplicitVRBigEndian:
                ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
                ds["PixelData"].VR = "OW"
            ds.file_meta.TransferSyntaxUID = syntax
        pydicom.dcmwrite(
            path,
            ds,
            implicit_vr=syntax == ImplicitVRLittleEndian,
            little_endian=syntax != ExplicitVRBigEndian,
            enforce_file_format=True,
        )
    np.testing.assert_array_equal(read_image(tmp_path).data, DATA)


def test_old_files_without_preamble_are_read(tmp_path: Path) -> None:
    for k in range(DATA.shape[2]):
        ds = make_slice(DATA[:, :, k], AFFINE, k)
        del ds.file_meta
        ds.preamble = None
        with (tmp_path / f"{k}").open("wb") as file:
            pydicom.dcmwrite(file, ds, implicit_vr=True, little_endian=True)
        assert (tmp_path / f"{k}").read_bytes()[:2] == b"\x08\x00"
    np.testing.assert_array_equal(read_image(tmp_path).data, DATA)


def test_loss_in_compression_is_told(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.LossyImageCompression = "01"

    assert codes(read_image(write_series(tmp_path, DATA, AFFINE, edit=edit))) == ["lossy-compression"]


@pytest.mark.parametrize("keep", [0.5, 0.97])
def test_a_truncated_slice_is_named_by_its_place(keep: float, tmp_path: Path) -> None:
    write_series(tmp_path, DATA, AFFINE)
    path = next(path for path in tmp_path.iterdir() if path.name.endswith("_3.dcm"))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(InputError) as caught:
        read_image(tmp_path)
    assert caught.value.code == "file-truncated"
    assert "slice 4 of 6, counted from the foot end" in caught.value.what


def test_damaged_compressed_pixels_are_refused(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.file_meta.TransferSyntaxUID = JPEG2000Lossless if k < 9 else ""
        ds.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00\xff\x4f\xff\x51"
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True

    with pytest.raises(InputError) as caught:
        read_image(write_series(tmp_path, DATA, AFFINE, edit=edit))
    assert caught.value.code in ("file-truncated", "unsupported-transfer-syntax")


def test_a_deflated_bomb_is_refused_before_it_unfolds(tmp_path: Path, monkeypatch) -> None:
    write_series(tmp_path, DATA, AFFINE)
    for path in tmp_path.iterdir():
        ds = pydicom.dcmread(path)
        ds.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
        ds.add_new(0x00420011, "OB", bytes(3_000_000))
        pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=True, enforce_file_format=True)
    real = dicom_files.value
    monkeypatch.setattr(
        dicom_files, "value", lambda key: 1_000_000 if key == "imaging.max_file_bytes" else real(key)
    )
    with pytest.raises(InputError) as caught:
        read_image(tmp_path)
    assert caught.value.code == "file-unsupported"


def test_a_slice_without_scale_in_the_second_reading_is_damaged() -> None:
    ds = make_slice(DATA[:, :, 0], AFFINE, 0)
    ds.RescaleSlope = 0
    buffer = pydicom.filebase.DicomBytesIO()
    ds.save_as(buffer, enforce_file_format=True)
    with pytest.raises(InputError):
        slice_hu(buffer.getvalue(), (32, 40), "slice 1")
