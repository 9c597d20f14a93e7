"""Bad input, each through the real command: its exit code, its words, and nothing half-written."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

Cli = Callable[..., Any]


MIDDLE = slice(40, 52)
"""Slices of the phantom that show a vertebra."""


@dataclass(frozen=True)
class Bad:
    """A bad input and what must be said of it."""

    make: Callable[[Path, Any], tuple[Path, Path | None]]
    code: str
    exit_code: int


def _load(path: Path) -> tuple[np.ndarray, np.ndarray]:
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def _save(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    nibabel.save(nibabel.Nifti1Image(data, affine), path)
    return path


def truncated(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    raw = gzip.decompress(scan.ct.read_bytes())
    path = folder / "ct.nii"
    path.write_bytes(raw[: len(raw) // 2])
    return path, scan.labels


def truncated_gzip(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    path = folder / "ct.nii.gz"
    path.write_bytes(scan.ct.read_bytes()[:-5000])
    return path, scan.labels


def not_an_image(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    path = folder / "ct.nii.gz"
    path.write_bytes(b"hello" * 200)
    return path, scan.labels


def not_there(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    return folder / "nowhere.nii.gz", scan.labels


def all_zero(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    return _save(folder / "ct.nii.gz", np.zeros_like(data), affine), scan.labels


def holes(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    broken = data.astype(np.float32)
    broken[5, 5, 5] = np.nan
    return _save(folder / "ct.nii.gz", broken, affine), scan.labels


def thick(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    coarse = affine @ np.diag([1.0, 1.0, 5.0 / 1.5, 1.0])
    labels, _ = _load(scan.labels)
    step = np.rint(np.arange(0, data.shape[2], 5.0 / 1.5)).astype(int)
    step = step[step < data.shape[2]]
    _save(folder / "labels.nii.gz", labels[:, :, step], coarse)
    return _save(folder / "ct.nii.gz", data[:, :, step], coarse), folder / "labels.nii.gz"


def foreign_labels(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    labels, affine = _load(scan.labels)
    moved = affine.copy()
    moved[:3, 3] += 7.3
    return scan.ct, _save(folder / "labels.nii.gz", labels, moved)


def empty_labels(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    labels, affine = _load(scan.labels)
    return scan.ct, _save(folder / "labels.nii.gz", np.zeros_like(labels), affine)


def _write_series(
    folder: Path, data: np.ndarray, affine: np.ndarray, series: int, *, mr: bool = False, leave_out: int = -1
) -> None:
    """A regular axial series with a patient's name in every header."""
    folder.mkdir(exist_ok=True)
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    for k in range(data.shape[2]):
        if k == leave_out:
            continue
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = MRImageStorage if mr else CTImageStorage
        meta.MediaStorageSOPInstanceUID = f"1.2.3.{series}.{k + 1}"
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
        image.SOPClassUID, image.SOPInstanceUID = (
            meta.MediaStorageSOPClassUID,
            meta.MediaStorageSOPInstanceUID,
        )
        image.PatientName, image.PatientID, image.PatientBirthDate = "Doe^Jane", "ID0815X4711", "19500102"
        image.StudyInstanceUID, image.FrameOfReferenceUID = "1.2.3", "1.2.4"
        image.SeriesInstanceUID, image.SeriesNumber = f"1.2.3.{series}", series
        image.Modality = "MR" if mr else "CT"
        image.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        image.InstanceNumber = k + 1
        image.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        image.ImagePositionPatient = [0.0, 0.0, float(k * spacing[2])]
        image.PixelSpacing, image.SliceThickness = [float(spacing[1]), float(spacing[0])], float(spacing[2])
        image.RescaleIntercept, image.RescaleSlope, image.RescaleType = -1024, 1, "HU"
        image.Rows, image.Columns = data.shape[1], data.shape[0]
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, 0
        image.PixelData = (data[:, :, k].T.astype(np.int32) + 1024).clip(0).astype("<u2").tobytes()
        image.save_as(folder / f"s{series}_{k:03d}.dcm", enforce_file_format=True)


def two_series(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    for series in (1, 2):
        _write_series(folder / "dicom", data[:, :, MIDDLE], affine, series)
    return folder / "dicom", None


def missing_slice(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    _write_series(folder / "dicom", data[:, :, MIDDLE], affine, 1, leave_out=6)
    return folder / "dicom", None


def magnetic_resonance(folder: Path, scan: Any) -> tuple[Path, Path | None]:
    data, affine = _load(scan.ct)
    _write_series(folder / "dicom", data[:, :, MIDDLE], affine, 1, mr=True)
    return folder / "dicom", None


BAD = {
    "truncated": Bad(truncated, "file-truncated", 3),
    "truncated-gzip": Bad(truncated_gzip, "file-truncated", 3),
    "not-an-image": Bad(not_an_image, "file-unreadable", 3),
    "not-there": Bad(not_there, "file-not-found", 3),
    "all-zero": Bad(all_zero, "constant-image", 4),
    "nan": Bad(holes, "not-finite", 4),
    "5-mm": Bad(thick, "slices-too-thick", 4),
    "labels-of-another-grid": Bad(foreign_labels, "label-grid-differs", 3),
    "empty-label": Bad(empty_labels, "labels-empty", 3),
    "two-series": Bad(two_series, "several-series", 3),
    "missing-slice": Bad(missing_slice, "missing-slice", 3),
    "mr": Bad(magnetic_resonance, "wrong-modality", 3),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input(cli: Cli, tmp_path: Path, phantom_files: Any, name: str) -> None:
    bad = BAD[name]
    ct, labels = bad.make(tmp_path, phantom_files)
    words = ["--labels", labels, "--level", "L1"] if labels else []
    verb = "run" if labels else "assess"
    out = tmp_path / "case"
    human, machine = cli(verb, ct, *words, "--out", out), cli(verb, ct, *words, "--out", out, "--json")
    error = json.loads(machine.out)["error"]
    assert (error["code"], machine.code, human.code) == (bad.code, bad.exit_code, bad.exit_code)
    assert error["what"].split()[0] in human.err
    assert error["do"]
    assert "Traceback" not in human.err
    assert "Doe" not in human.err + machine.out + machine.err
    assert not out.exists()


def test_one_of_two_series_is_read(cli: Cli, tmp_path: Path, phantom_files: Any) -> None:
    folder, _ = two_series(tmp_path, phantom_files)
    listed = json.loads(cli("series", folder, "--json").out)
    assert [entry["usable"] for entry in listed["series"]] == [True, True]
    key = listed["series"][1]["key"]
    said = cli("assess", folder, "--series", key, "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["levels"] == []


def test_series_for_people(cli: Cli, tmp_path: Path, phantom_files: Any) -> None:
    folder, _ = two_series(tmp_path, phantom_files)
    said = cli("series", folder)
    assert said.code == 0
    assert "CT" in said.out
    assert "Doe" not in said.out


def test_nothing_personal_leaves_the_headers(cli: Cli, tmp_path: Path, phantom_files: Any) -> None:
    folder = tmp_path / "Doe^Jane_ID0815X4711"
    folder.mkdir()
    data, affine = _load(phantom_files.ct)
    _write_series(folder, data[:, :, MIDDLE], affine, 1)
    said = cli("assess", folder, "--out", tmp_path / "case", "-v")
    assert said.code == 0, said.err
    kept = b""
    for path in (tmp_path / "case").rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        kept += gzip.decompress(content) if path.suffix == ".gz" else content
    for secret in (b"Doe", b"ID0815X4711", b"19500102", b"1.2.3.1"):
        assert secret not in kept
    assert "Doe" not in said.out + said.err


@pytest.mark.parametrize(
    ("level", "code", "word"),
    [("L5", "level-absent", "T12"), ("T11", "level-cut", "L1"), ("L2", "level-not-flagged", "--reason")],
)
def test_levels_that_cannot_be_planned(
    cli: Cli, tmp_path: Path, phantom_files: Any, assessed_case: Path, level: str, code: str, word: str
) -> None:
    out = tmp_path / "case"
    shutil.copytree(assessed_case, out)
    words = ("run", phantom_files.ct, "--labels", phantom_files.labels, "--level", level, "--out", out)
    said = cli(*words, "--json")
    document = json.loads(said.out)
    assert said.code == 4, said.err
    assert document["error"]["code"] == code
    assert word in document["error"]["what"] + document["error"]["do"]
    assert document["plan"] is None
    assert [entry["level"] for entry in document["assess"]["levels"]] == ["T11", "T12", "L1", "L2"]
    assert all((out / name).is_file() for name in document["case"]["files"])
    human = cli(*words)
    assert human.code == 4
    assert "L1" in human.out


def test_plan_without_a_case_keeps_the_gates(cli: Cli, phantom_files: Any) -> None:
    said = cli("plan", phantom_files.ct, "--labels", phantom_files.labels, "--level", "L2", "--json")
    document = json.loads(said.out)
    assert said.code == 4
    assert document["error"]["code"] == "level-not-flagged"
    assert document["schema"] == "endplate/assess/1"


@pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "full"), (errno.EROFS, "written")])
def test_output_folder_that_cannot_be_written(
    cli: Cli, tmp_path: Path, phantom_files: Any, monkeypatch: pytest.MonkeyPatch, number: int, word: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    out = tmp_path / "case"
    said = cli("assess", phantom_files.ct, "--labels", phantom_files.labels, "--out", out, "--json")
    error = json.loads(said.out)["error"]
    assert (said.code, error["code"]) == (2, "output-not-writable")
    assert word in error["what"]
    assert not out.exists()


def test_output_folder_of_something_else(cli: Cli, tmp_path: Path, phantom_files: Any) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    said = cli("assess", phantom_files.ct, "--out", tmp_path, "--json")
    assert (said.code, json.loads(said.out)["error"]["code"]) == (2, "out-not-empty")
