"""``endplate fluoro`` on a planned case."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import toy_spine
from xray_toy import write_case, xray_plan

from endplate.imaging.volume import Volume
from endplate.planning.model import Plan

SMALL = ("--pixels", "128", "--magnify", "1.5")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    image, labels = toy_spine.toy_volumes()
    return write_case(tmp_path_factory.mktemp("fluoro") / "case", image, labels, xray_plan())


def test_dicom_holds_the_angles_that_are_printed(cli: Any, case: Path, tmp_path: Path) -> None:
    out = tmp_path / "right.dcm"
    said = cli("fluoro", case, "--view", "bullseye-right", *SMALL, "--out", out, "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    found = pydicom.dcmread(out)
    assert float(found.PositionerPrimaryAngle) == pytest.approx(told["angles"]["primary_deg"], abs=1e-3)
    assert float(found.PositionerSecondaryAngle) == pytest.approx(told["angles"]["secondary_deg"], abs=1e-3)
    assert told["angles"]["console_text"] in found.ImageComments
    assert "patient's right" in told["angles"]["console_text"]
    assert told["angles"]["patient_position"] == "prone"
    assert told["dose"]["frames"] == 1
    assert float(found.EntranceDoseInmGy) == pytest.approx(told["dose"]["air_kerma_mgy"], abs=1e-4)
    assert (found.Rows, found.Columns) == (128, 128)


def test_one_view_one_picture_and_the_same_bytes_again(cli: Any, case: Path, tmp_path: Path) -> None:
    names = [tmp_path / "a.png", tmp_path / "b.png", tmp_path / "c.png"]
    before = sorted(path.name for path in case.rglob("*"))
    for name, more in zip(names, ((), (), ("--time", "3")), strict=True):
        assert cli("fluoro", case, "--view", "lateral", *SMALL, "--out", name, *more).code == 0
    a, b, c = (name.read_bytes() for name in names)
    assert a == b
    assert a != c
    assert sorted(path.name for path in case.rglob("*")) == before


def test_the_needles_way_in_as_frames_and_as_a_page(cli: Any, case: Path, tmp_path: Path) -> None:
    said = cli("fluoro", case, *SMALL, "--frames", "4", "--out", tmp_path / "way", "--json")
    told = json.loads(said.out)
    assert [Path(name).name for name in told["files"]] == [f"frame_{n:03d}.png" for n in range(4)]
    assert len({Path(name).read_bytes() for name in told["files"]}) == 4
    assert told["dose"]["frames"] == 4
    cli("fluoro", case, *SMALL, "--frames", "4", "--out", tmp_path / "way.html")
    page = (tmp_path / "way.html").read_text()
    assert page.count("data:image/png;base64,") == 5
    assert "Simulated" in page
    assert "http" not in page


def test_other_angles_and_the_time_of_the_tip(cli: Any, case: Path, tmp_path: Path) -> None:
    words = ("--primary", "168", "--secondary", "8", "--time", "30", "--out", tmp_path / "o.png", "--json")
    told = json.loads(cli("fluoro", case, *SMALL, *words).out)
    assert told["angles"]["console_text"] == "Console: 12° toward the patient's left, 8° toward the head"
    assert told["angles"]["patient_text"] == "LAO 168°, CRAN 8°"
    targets = {path.side: path.tip_ras_mm for path in xray_plan().plans[0].paths}
    for needle in told["needles"]:
        np.testing.assert_allclose(needle["tip_ras_mm"], targets[needle["side"]], atol=1e-3)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("--view", "sideways"), "view-unknown"),
        (("--primary", "170"), "angles-half"),
        (("--level", "T12"), "fluoro-level"),
        (("--time", "-1"), "fluoro-time"),
        (("--frames", "0"), "fluoro-frames"),
        (("--pixels", "0"), "detector-size"),
        (("--magnify", "0"), "magnification"),
        (("--kvp", "20"), "tube-voltage"),
    ],
)
def test_what_cannot_be_shown_is_said(
    cli: Any, case: Path, tmp_path: Path, words: tuple[str, ...], code: str
) -> None:
    said = cli("fluoro", case, *words, "--out", tmp_path / "x.png", "--json")
    assert said.code == 2
    assert json.loads(said.out)["error"]["code"] == code
    assert not (tmp_path / "x.png").exists()


def test_forms_and_cases_that_do_not_fit(cli: Any, case: Path, tmp_path: Path) -> None:
    assert json.loads(cli("fluoro", case, "--json").out)["error"]["code"] == "out-missing"
    said = cli("fluoro", case, "--out", tmp_path / "x.gif", "--json")
    assert json.loads(said.out)["error"]["code"] == "fluoro-form"
    said = cli("fluoro", case, *SMALL, "--behind", "--out", tmp_path / "x.dcm", "--json")
    assert json.loads(said.out)["error"]["code"] == "xa-mirrored"
    assert cli("fluoro", tmp_path, "--out", tmp_path / "x.png", "--json").code == 3


def test_the_frame_of_reference_of_the_ct_that_the_case_was_made_from(
    cli: Any, case: Path, tmp_path: Path
) -> None:
    image, _ = toy_spine.toy_volumes()
    for name, shift in (("own", 0.0), ("other", 7.0)):
        (tmp_path / name).mkdir()
        for k in (59, 60, 61):
            write_slice(tmp_path / name / f"{k}.dcm", image, k, shift)
    out = tmp_path / "x.dcm"
    said = cli("fluoro", case, *SMALL, "--ct", tmp_path / "own", "--out", out, "--json")
    assert said.code == 0, said.err
    assert pydicom.dcmread(out).FrameOfReferenceUID == "1.2.3.9"
    assert json.loads(said.out)["geometry"]["frame_of_reference_uid"] == "1.2.3.9"
    for wrong, code in (
        (tmp_path / "other", "fluoro-other-ct"),
        (case / "image.nii.gz", "fluoro-ct-not-dicom"),
    ):
        said = cli("fluoro", case, *SMALL, "--ct", wrong, "--out", tmp_path / "y.dcm", "--json")
        assert json.loads(said.out)["error"]["code"] == code


def write_slice(path: Path, image: Volume, k: int, shift_mm: float) -> None:
    """One classic CT slice, rows toward the patient's left and back, at slice k of a RAS volume."""
    columns, rows, _ = image.shape
    x, y, z = image.to_world((columns - 1, rows - 1, k))
    slice_ = pydicom.Dataset()
    slice_.file_meta = pydicom.dataset.FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    slice_.file_meta.MediaStorageSOPClassUID = slice_.SOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    slice_.file_meta.MediaStorageSOPInstanceUID = slice_.SOPInstanceUID = f"1.2.3.4.{k}"
    slice_.StudyInstanceUID, slice_.SeriesInstanceUID, slice_.FrameOfReferenceUID = (
        "1.2.3",
        "1.2.3.4",
        "1.2.3.9",
    )
    slice_.Modality, slice_.PatientName, slice_.PatientID = "CT", "", ""
    slice_.SeriesNumber, slice_.InstanceNumber = 1, k
    slice_.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    slice_.ImagePositionPatient = [-x + shift_mm, -y, z]
    slice_.PixelSpacing, slice_.SliceThickness = [1.0, 1.0], 1.25
    slice_.Rows, slice_.Columns = rows, columns
    slice_.SamplesPerPixel, slice_.PhotometricInterpretation, slice_.PixelRepresentation = 1, "MONOCHROME2", 1
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.HighBit = 15
    slice_.RescaleSlope, slice_.RescaleIntercept = 1, 0
    slice_.PixelData = np.ascontiguousarray(image.data[::-1, ::-1, k].T).astype("<i2").tobytes()
    pydicom.dcmwrite(path, slice_, enforce_file_format=True)


def test_a_level_without_a_needle_on_that_side(cli: Any, tmp_path: Path) -> None:
    level = xray_plan().plans[0]
    one = Plan(plans=(level.model_copy(update={"paths": level.paths[:1]}),))
    image, labels = toy_spine.toy_volumes()
    case = write_case(tmp_path / "case", image, labels, one)
    said = cli("fluoro", case, "--view", "bullseye-left", "--out", tmp_path / "x.png", "--json")
    assert json.loads(said.out)["error"]["code"] == "fluoro-no-needle"
