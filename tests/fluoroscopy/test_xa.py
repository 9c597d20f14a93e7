"""DICOM X-ray images, read back by pydicom."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from xray_maker import body_ct, view

from endplate.errors import UsageError
from endplate.fluoroscopy.dose import Dose
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.render import Frame, Settings, render
from endplate.fluoroscopy.xa import XA_STORAGE, Belonging, xa_bytes
from endplate.imaging.carm import CArmPose
from endplate.imaging.dicom_reference import SourceSeries

KEY = Belonging("ab" * 32)


@pytest.fixture(scope="module")
def patient() -> Patient:
    return Patient(body_ct(step=8.0))


def taken(patient: Patient, pose: CArmPose, **more) -> Frame:
    return render(view(pose, pixels=64), patient, None, Settings(**more))


def read(content: bytes) -> pydicom.Dataset:
    return pydicom.dcmread(io.BytesIO(content))


@pytest.mark.parametrize(
    ("primary", "secondary", "position", "words"),
    [
        (180.0, 0.0, "prone", "Console: 0°, straight up"),
        (168.0, 8.0, "prone", "Console: 12° toward the patient's left, 8° toward the head"),
        (-170.0, -5.0, "prone", "Console: 10° toward the patient's right, 5° toward the feet"),
        (-90.0, 0.0, "prone", "Console: 90° toward the patient's right"),
        (25.0, 10.0, "supine", "Console: 25° toward the patient's left, 10° toward the head"),
    ],
)
def test_angles_go_out_in_patient_terms(
    patient: Patient, primary: float, secondary: float, position: str, words: str
) -> None:
    found = read(xa_bytes(taken(patient, CArmPose(primary, secondary, position)), KEY))
    assert float(found.PositionerPrimaryAngle) == pytest.approx(primary)
    assert float(found.PositionerSecondaryAngle) == pytest.approx(secondary)
    assert found.PositionerType == "CARM"
    assert words in found.ImageComments
    assert found.PatientPosition == ("HFP" if position == "prone" else "HFS")


def test_geometry_pixels_and_orientation(patient: Patient) -> None:
    frame = taken(patient, CArmPose(180.0, 0.0))
    found = read(xa_bytes(frame, KEY))
    assert found.SOPClassUID == XA_STORAGE
    assert float(found.DistanceSourceToDetector) == 1020.0
    assert float(found.DistanceSourceToPatient) == 530.0
    assert float(found.EstimatedRadiographicMagnificationFactor) == pytest.approx(1020.0 / 530.0, rel=1e-5)
    assert [float(mm) for mm in found.ImagerPixelSpacing] == pytest.approx([200.0 / 64.0] * 2)
    assert list(found.PatientOrientation) == ["L", "F"]
    np.testing.assert_array_equal(found.pixel_array, frame.pixels)
    lateral = read(xa_bytes(taken(patient, CArmPose(-90.0, 0.0)), KEY))
    assert list(lateral.PatientOrientation) == ["P", "F"]
    assert lateral.ViewPosition == "RL"


def test_nobody_is_named_and_everything_says_simulated(patient: Patient) -> None:
    found = read(xa_bytes(taken(patient, CArmPose(180.0, 0.0)), KEY))
    for tag in ("PatientName", "PatientID", "PatientBirthDate", "ReferringPhysicianName", "AccessionNumber"):
        assert str(found.get(tag, "")) == ""
    assert found.PatientIdentityRemoved == "YES"
    assert found.BurnedInAnnotation == "YES"
    assert "SIMULATED" in found.ImageType
    assert found.ImageType[0] == "DERIVED"
    assert "not an acquisition" in found.DerivationDescription


def test_the_frame_of_reference_is_the_patients(patient: Patient) -> None:
    frame = taken(patient, CArmPose(180.0, 0.0))
    series = SourceSeries("1.2.3", "1.2.3.4", "1.2.3.9", "1.2.840.10008.5.1.4.1.1.2", "20240301", ())
    found = read(xa_bytes(frame, Belonging("ab" * 32, series)))
    assert found.FrameOfReferenceUID == "1.2.3.9"
    assert found.StudyInstanceUID == "1.2.3"
    assert found.SeriesInstanceUID != "1.2.3.4"
    one, other = (read(xa_bytes(frame, Belonging(key))) for key in ("ab" * 32, "cd" * 32))
    assert one.FrameOfReferenceUID != other.FrameOfReferenceUID


def test_the_same_frame_is_the_same_bytes(patient: Patient) -> None:
    frame = taken(patient, CArmPose(180.0, 0.0))
    assert xa_bytes(frame, KEY) == xa_bytes(taken(patient, CArmPose(180.0, 0.0)), KEY)
    first, second = (read(xa_bytes(frame, KEY, instance=number)) for number in (1, 2))
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert first.SeriesInstanceUID == second.SeriesInstanceUID


def test_the_read_out_goes_along(patient: Patient) -> None:
    frame = taken(patient, CArmPose(180.0, 0.0))
    dose = Dose(air_kerma_mgy=12.5, area_product_gycm2=0.8, frames=75)
    found = read(xa_bytes(frame, KEY, dose=dose))
    assert float(found.ImageAndFluoroscopyAreaDoseProduct) == pytest.approx(8.0)  # dGy·cm²
    assert float(found.KVP) == frame.exposure.kvp
    assert "75 pulses" in found.CommentsOnRadiationDose


def test_mirrored_and_unmarked_pictures_are_refused(patient: Patient) -> None:
    with pytest.raises(UsageError, match="left and right"):
        xa_bytes(taken(patient, CArmPose(180.0, 0.0), shown="behind"), KEY)
    with pytest.raises(UsageError, match="markers"):
        xa_bytes(taken(patient, CArmPose(180.0, 0.0), marked=False), KEY)
    lateral = taken(patient, CArmPose(-90.0, 0.0), shown="behind")
    assert read(xa_bytes(replace(lateral), KEY)).Modality == "XA"
