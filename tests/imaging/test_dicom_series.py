"""Which series are found, listed, chosen or refused; and that nothing personal comes out."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from ct_maker import grid, sample, write_series
from pydicom.uid import MPEG2MPML, EnhancedCTImageStorage

from endplate.errors import EndplateError, InputError
from endplate.imaging import dicom_files
from endplate.imaging.dicom_series import list_series
from endplate.imaging.read import read_image
from endplate.imaging.tags import age_years, day

AXIAL = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], float).T
AFFINE = grid(AXIAL, spacing=(2.0, 2.0, 2.0), shape=(40, 32, 12))
DATA = sample(AFFINE, (40, 32, 12))
SHARP = (DATA + 7).astype(np.int16)


def refusal(path: Path, **how) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        read_image(path, **how)
    return caught.value


def test_two_series_are_listed_and_must_be_chosen(tmp_path: Path) -> None:
    write_series(tmp_path / "a", DATA, AFFINE, series=3)

    def sharp(ds, k):
        ds.ConvolutionKernel, ds.SeriesDescription = "B70f", "Spine sharp"

    write_series(tmp_path / "b", SHARP, AFFINE, series=2, edit=sharp, skip=(5,))
    listed = list_series(tmp_path)
    assert [(s.key, s.number, s.kernel, s.slices, s.usable) for s in listed] == [
        ("1", 2, "B70f", 11, False),
        ("2", 3, "B30f", 12, True),
    ]
    assert listed[1].spacing_mm == (2.0, 2.0, 2.0)
    assert "1 of 12 slices are missing: after slice 5" in listed[0].note
    assert listed == list_series(tmp_path)
    error = refusal(tmp_path)
    assert (error.code, error.exit_code) == ("several-series", 3)
    assert "[1: CT, 2024-03-10, Spine sharp, 11 images" in error.what
    assert "kernel B30f, ← measures best]" in error.what
    assert [s.best for s in listed] == [False, True]
    assert "--series KEY" in error.do
    assert refusal(tmp_path, series="1").code == "missing-slice"
    np.testing.assert_array_equal(read_image(tmp_path, series="2").data, DATA)
    unknown = refusal(tmp_path, series="9")
    assert (unknown.code, unknown.exit_code) == ("series-unknown", 2)


def test_the_only_ct_beside_other_images_is_read_and_told(tmp_path: Path) -> None:
    write_series(tmp_path / "ct", DATA, AFFINE, series=4)

    def pet(ds, k):
        ds.Modality = "PT"

    def scout(ds, k):
        ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]

    write_series(tmp_path / "pet", DATA, AFFINE, series=5, edit=pet)
    write_series(tmp_path / "scout", DATA[:, :, :1], AFFINE, series=1, edit=scout)
    volume = read_image(tmp_path)
    assert [found.code for found in volume.findings] == ["series-chosen"]
    assert [(s.modality, s.usable) for s in list_series(tmp_path)] == [
        ("CT", False),
        ("CT", True),
        ("PT", False),
    ]
    assert "localizer" in list_series(tmp_path)[0].note
    assert refusal(tmp_path, series="3").code == "wrong-modality"


def test_a_localizer_inside_the_series_is_dropped(tmp_path: Path) -> None:
    def edit(ds, k):
        if k == 0:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    volume = read_image(write_series(tmp_path, DATA, AFFINE, edit=edit))
    assert "localizers-dropped" in {found.code for found in volume.findings}
    np.testing.assert_array_equal(volume.data, DATA[:, :, 1:])


@pytest.mark.parametrize("what", ["direction", "spacing", "size", "frame"])
def test_stacks_mixed_in_one_series_are_separated(what: str, tmp_path: Path) -> None:
    write_series(tmp_path / "a", DATA, AFFINE)

    def edit(ds, k):
        if what == "direction":
            ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        elif what == "spacing":
            ds.PixelSpacing = [1.0, 1.0]
        elif what == "size":
            ds.Rows, ds.Columns = 16, 80
        else:
            ds.FrameOfReferenceUID = "1.2.3.4"

    write_series(tmp_path / "b", DATA[:, :, :2], AFFINE, edit=edit)
    volume = read_image(tmp_path)
    np.testing.assert_array_equal(volume.data, DATA)
    assert "images-left-out" in {found.code for found in volume.findings}
    write_series(tmp_path / "b", DATA, AFFINE, edit=edit)
    assert refusal(tmp_path).code == "several-series"


@pytest.mark.parametrize(("modality", "word"), [("MR", "an MR image"), ("PT", "a PET image")])
def test_another_modality_is_refused(modality: str, word: str, tmp_path: Path) -> None:
    def edit(ds, k):
        ds.Modality = modality

    error = refusal(write_series(tmp_path, DATA, AFFINE, edit=edit))
    assert (error.code, error.exit_code) == ("wrong-modality", 3)
    assert word in error.what


def test_reasons_why_a_ct_cannot_be_read(tmp_path: Path) -> None:
    def packed(ds, k):
        ds.file_meta.TransferSyntaxUID = MPEG2MPML
        ds["PixelData"].VR = "OB"
        ds.PixelData = b"\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00\xff\xd8\xff\xf7"
        ds["PixelData"].is_undefined_length = True

    def frames(ds, k):
        ds.SOPClassUID = EnhancedCTImageStorage
        ds.NumberOfFrames, ds.Rows, ds.Columns = 4, 16, 20

    def screenshot(ds, k):
        del ds.ImagePositionPatient, ds.ImageOrientationPatient

    def no_scale(ds, k):
        del ds.RescaleSlope, ds.RescaleIntercept

    def map_of_iodine(ds, k):
        ds.RescaleType = "MGML"

    for name, edit, code in (
        ("packed", packed, "unsupported-transfer-syntax"),
        ("frames", frames, "multi-frame-dicom"),
        ("screenshot", screenshot, "no-orientation"),
        ("no-scale", no_scale, "not-hounsfield"),
        ("map", map_of_iodine, "not-hounsfield"),
    ):
        error = refusal(write_series(tmp_path / name, DATA, AFFINE, edit=edit))
        assert (name, error.code, error.exit_code) == (name, code, 3)
    assert refusal(tmp_path / "packed").do.startswith("Export the series uncompressed")
    assert refusal(write_series(tmp_path / "two", DATA[:, :, :2], AFFINE)).code == "too-few-slices"


def test_one_file_stands_for_its_series_in_its_folder(tmp_path: Path) -> None:
    write_series(tmp_path, DATA, AFFINE, series=1)
    write_series(tmp_path, SHARP, AFFINE, series=2)
    write_series(tmp_path / "deeper", DATA, AFFINE, series=1)
    file = next(path for path in tmp_path.iterdir() if path.name.startswith("s2_"))
    np.testing.assert_array_equal(read_image(file).data, SHARP)


def test_junk_in_the_folder_is_passed_over(tmp_path: Path) -> None:
    write_series(tmp_path / "a" / "b", DATA, AFFINE)
    (tmp_path / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"\0" * 40)
    (tmp_path / "notes.txt").write_text("Mustermann")
    (tmp_path / "empty.dcm").write_bytes(b"")
    (tmp_path / "a" / "picture.jpg").write_bytes(b"\xff\xd8\xff" * 100)
    assert read_image(tmp_path).shape == DATA.shape
    (tmp_path / "void").mkdir()
    assert refusal(tmp_path / "void").code == "no-dicom"


def test_a_damaged_archive_and_a_locked_one_are_refused(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "d", DATA, AFFINE)
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, file.name)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert refusal(path).code == "file-unreadable"
    spoilt = bytearray(whole)
    spoilt[2000:2100] = b"\x55" * 100
    path.write_bytes(spoilt)
    assert refusal(path).exit_code == 3
    locked = bytearray(whole)
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := locked.find(mark, at + 1)) >= 0:
            locked[at + offset] |= 1
    path.write_bytes(locked)
    assert "password" in refusal(path).what


def test_an_archive_is_never_unpacked_and_never_too_large(tmp_path: Path, monkeypatch) -> None:
    folder = write_series(tmp_path / "d", DATA, AFFINE)
    path = tmp_path / "inner" / "x.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in folder.iterdir():
            archive.write(file, f"../../{file.name}")
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_array_equal(read_image(path).data, DATA)
    assert sorted(tmp_path.rglob("*")) == before
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(5_000_000))
    limits = {"imaging.max_unpacked_bytes": 4_000_000, "imaging.max_files": 20}
    monkeypatch.setattr(dicom_files, "value", limits.__getitem__)
    assert refusal(path).code == "archive-too-large"
    limits["imaging.max_files"] = 5
    assert refusal(path).code == "too-many-files"
    assert refusal(folder).code == "too-many-files"


def test_what_is_known_of_the_scan(tmp_path: Path) -> None:
    def edit(ds, k):
        ds.ContrastBolusAgent, ds.PatientPosition = "Iopromide", "FFP"

    scan = read_image(write_series(tmp_path, DATA, AFFINE, edit=edit)).scan
    assert (scan.source_format, scan.modality, scan.study_date) == ("DICOM", "CT", "2024-03-10")
    assert (scan.patient_age_years, scan.patient_sex, scan.patient_position) == (75, "F", "FFP")
    assert (scan.kvp, scan.kernel, scan.manufacturer) == (120.0, "B30f", "ACME")
    assert (scan.contrast_agent, scan.slice_thickness_mm, scan.gantry_tilt_deg) == (True, 2.0, None)


def test_age_from_dates_and_as_stated() -> None:
    assert age_years(day("20240310"), day("19480311"), "") == 75
    assert age_years(day("20240311"), day("19480311"), "010Y") == 76
    assert age_years(None, day("19480311"), "061Y") == 61
    assert age_years(None, None, "018M") == 1
    assert age_years(day("20240310"), day("17000101"), "") is None
    assert age_years(None, None, "old") is None
    assert day("20241399") is None
    assert day("2024.03.10") == day("20240310")


@pytest.mark.parametrize(
    "text",
    [
        "Spine Mustermann",
        "ERIKA L-spine",
        "LWS mustermannerika",
        "Spine PAT4711",
        "Scan 15071948",
        "Dr. Sawbone",
    ],
)
def test_a_description_with_a_word_of_the_patient_is_left_out(text: str, tmp_path: Path) -> None:
    def edit(ds, k):
        ds.SeriesDescription, ds.ReferringPhysicianName = text, "Sawbone^Sam"

    (info,) = list_series(write_series(tmp_path, DATA, AFFINE, edit=edit))
    assert info.description == ""
    assert info.number == 1


def test_nothing_personal_comes_out_anywhere(tmp_path: Path, capfd, caplog, recwarn) -> None:
    def edit(ds, k):
        ds.SeriesDescription = "Wirbelsäule ✂ 1mm <b>"
        ds.InstitutionName, ds.AccessionNumber = "Klinik Sanssouci", "A998877"
        ds.StationName = "Mustermann"
        ds.KVP = "123456789.5"

    write_series(tmp_path / "a", DATA, AFFINE, edit=edit)
    write_series(tmp_path / "b", DATA, AFFINE, series=2, skip=(4,))
    for path in (tmp_path / "a").iterdir():  # values that pydicom would quote in a warning
        path.write_bytes(path.read_bytes().replace(b"123456789.5", b"Mustermann "))
    capfd.readouterr()
    caplog.clear()
    recwarn.clear()
    texts = [refusal(tmp_path).what, repr(list_series(tmp_path)), repr(read_image(tmp_path, series="1").scan)]
    texts += [refusal(tmp_path, series="2").what, refusal(tmp_path, series="7").what]
    out = capfd.readouterr()
    texts += [out.out, out.err, caplog.text, *(str(warning.message) for warning in recwarn.list)]
    for secret in ("Mustermann", "Erika", "4711", "Sanssouci", "998877", "1948", "1.2.826", "\\", "<b>"):
        assert all(secret.lower() not in text.lower() for text in texts), secret
    assert "Wirbels ule 1mm b" in texts[1]


def test_a_damaged_file_beside_a_whole_series_is_told(tmp_path: Path, monkeypatch) -> None:
    write_series(tmp_path, DATA, AFFINE)
    (tmp_path / "zz.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 300)
    parse = dicom_files.slice_headers

    def fragile(dataset, member):
        if "SeriesInstanceUID" not in dataset:
            raise ValueError
        return parse(dataset, member)

    monkeypatch.setattr(dicom_files, "slice_headers", fragile)
    volume = read_image(tmp_path)
    assert [found.code for found in volume.findings] == ["damaged-files-skipped"]


def test_input_errors_are_input_errors(tmp_path: Path) -> None:
    error = refusal(tmp_path / "nothing")
    assert isinstance(error, InputError)
    assert error.code == "file-not-found"
    (tmp_path / "x.dcm").write_bytes(b"hello")
    assert refusal(tmp_path / "x.dcm").code == "no-dicom"
    (tmp_path / "x.doc").write_bytes(b"hello")
    assert refusal(tmp_path / "x.doc").code == "format-unknown"
