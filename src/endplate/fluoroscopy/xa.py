"""A frame as a DICOM X-ray angiography image, with the positioner's angles in the patient's terms.

The patient is not named. Angles are those of PS3.3 C.8.7.5: primary 0 with the detector in front of the chest, LAO and
CRAN positive, so that a prone patient with the tube under the table is primary 180. SIMULATED is burnt in and told in
the header too. The geometry that XA images leave out (where the isocentre lies in the patient) stands in the
image comments, in the frame of reference of the CT.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from endplate import __version__
from endplate.errors import UsageError
from endplate.fluoroscopy.dose import NGY_PER_UGY, Dose
from endplate.fluoroscopy.markers import SIMULATED, sides, view_name
from endplate.fluoroscopy.render import Frame
from endplate.imaging.dicom_reference import SourceSeries
from endplate.imaging.geometry import FloatArray

XA_STORAGE = "1.2.840.10008.5.1.4.1.1.12.1"
NO_DATE, NO_TIME = "19000101", "000000"
"""Where the study tells no date: a picture that is not of a moment still needs one."""

DGY_CM2_PER_GY_CM2 = 10.0
LENGTH_OF_DS = 16
"""Characters of a decimal string at most."""


@dataclass(frozen=True)
class Belonging:
    """What a picture belongs to.

    Parameters
    ----------
    key:
        Tells the scan from others, as its SHA-256: the same key gives the same UIDs.
    series:
        The DICOM series that the CT was read from; ``None``: the frame of reference is made from the key.
    """

    key: str
    series: SourceSeries | None = None


def xa_bytes(
    frame: Frame,
    belonging: Belonging,
    *,
    dose: Dose | None = None,
    instance: int = 1,
    description: str = "",
) -> bytes:
    """The frame as the bytes of a DICOM file; the same frame gives the same bytes.

    Parameters
    ----------
    frame:
        Shown as radiograph: DICOM has no word for a mirrored picture.
    belonging:
        Study and frame of reference.
    dose:
        The read-out; ``None``: that of one pulse.
    instance:
        Number in the series.
    description:
        Of the series; no names.

    Raises
    ------
    UsageError
        ``xa-mirrored``: the frame is shown from behind. ``xa-unmarked``: it does not say that it is simulated.
    """
    if frame.settings.shown != "radiograph" and not frame.view.pose.lateral:
        raise UsageError(
            "xa-mirrored",
            "A picture seen from behind cannot be kept as DICOM: its left and right would be taken for wrong.",
            do="Show it as radiograph, or write a PNG.",
        )
    if not frame.settings.marked:
        raise UsageError(
            "xa-unmarked",
            "A picture without its markers cannot be kept as DICOM.",
            do="Render it with its markers.",
        )
    given = dose or Dose().after_frame(frame.exposure, lateral=frame.view.pose.lateral)
    head = _head(frame, belonging, instance, description)
    _geometry(head, frame)
    _exposure(head, frame, given)
    _pixels(head, frame)
    out = io.BytesIO()
    head.save_as(out, enforce_file_format=True)
    return out.getvalue()


def _head(frame: Frame, belonging: Belonging, instance: int, description: str) -> FileDataset:
    series = belonging.series
    digest = hashlib.sha256(belonging.key.encode())
    own = digest.copy()
    own.update(frame.pixels.tobytes())
    own.update(
        repr((frame.view.pose, frame.view.isocentre_ras_mm.tolist(), frame.view.pitch_mm, instance)).encode()
    )

    def uid(what: str, of: str = digest.hexdigest()) -> UID:
        return generate_uid(entropy_srcs=["endplate xa", of, what])

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(XA_STORAGE)
    meta.MediaStorageSOPInstanceUID = uid("instance", own.hexdigest())
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    head.SpecificCharacterSet = "ISO_IR 100"
    head.SOPClassUID, head.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    for blank in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(head, blank, "")
    head.StudyTime = head.ReferringPhysicianName = ""
    head.PatientIdentityRemoved, head.DeidentificationMethod = "YES", "Made without patient data (Endplate)"
    date = "" if series is None else series.date
    head.StudyDate = date
    head.StudyInstanceUID = series.study_uid if series and series.study_uid else uid("study")
    head.SeriesInstanceUID = uid("series")
    stated = "" if series is None else series.frame_of_reference_uid
    head.FrameOfReferenceUID = stated or uid("frame of reference")
    head.PositionReferenceIndicator = ""
    head.Modality = "XA"
    head.SeriesNumber, head.InstanceNumber = 9001, instance
    head.SeriesDescription = (description or "Simulated fluoroscopy")[:64]
    head.Manufacturer = head.ManufacturerModelName = "Endplate"
    head.DeviceSerialNumber, head.SoftwareVersions = "0", __version__
    head.ContentDate, head.ContentTime = date or NO_DATE, NO_TIME
    head.ImageType = ["DERIVED", "SECONDARY", "SINGLE PLANE", "SIMULATED"]
    head.DerivationDescription = "Simulated X-ray from a CT; not an acquisition. Research use only."
    head.BurnedInAnnotation, head.LossyImageCompression = "YES", "00"
    head.RecognizableVisualFeatures = "NO"
    return head


def _geometry(head: FileDataset, frame: Frame) -> None:
    view = frame.view
    pose = view.pose
    at = sides(view)
    head.PatientOrientation = [at.right, at.bottom]
    head.PatientPosition = "HFP" if pose.position == "prone" else "HFS"
    head.PositionerType, head.PositionerMotion = "CARM", "STATIC"
    head.PositionerPrimaryAngle = _decimal(pose.primary_deg)
    head.PositionerSecondaryAngle = _decimal(pose.secondary_deg)
    head.DistanceSourceToDetector = _decimal(view.source_detector_mm)
    head.DistanceSourceToPatient = _decimal(view.source_isocentre_mm)
    head.EstimatedRadiographicMagnificationFactor = _decimal(view.magnification)
    head.ImagerPixelSpacing = [_decimal(view.pitch_mm)] * 2
    # A lateral view is named by the side that is nearer to the detector.
    lateral = "RL" if pose.detector_ras[0] > 0.0 else "LL"
    head.ViewPosition = {"LATERAL": lateral, "OBLIQUE": ""}.get(view_name(pose), view_name(pose))
    head.BodyPartExamined = "SPINE"
    isocentre = ", ".join(f"{number:.2f}" for number in _lps(view.isocentre_ras_mm))
    source = ", ".join(f"{number:.2f}" for number in _lps(view.source_ras_mm))
    posture = f"{SIMULATED}. {pose.console_text}. Patient {pose.position}."
    head.ImageComments = f"{posture} Isocentre LPS mm {isocentre}; source LPS mm {source}."
    rows = np.flatnonzero(frame.field.any(axis=1))
    columns = np.flatnonzero(frame.field.any(axis=0))
    if rows.size and columns.size:
        head.ShutterShape = "RECTANGULAR"
        head.ShutterUpperHorizontalEdge, head.ShutterLowerHorizontalEdge = int(rows[0]), int(rows[-1]) + 2
        head.ShutterLeftVerticalEdge, head.ShutterRightVerticalEdge = int(columns[0]), int(columns[-1]) + 2
        head.CollimatorShape = "RECTANGULAR"
        head.CollimatorUpperHorizontalEdge = head.ShutterUpperHorizontalEdge
        head.CollimatorLowerHorizontalEdge = head.ShutterLowerHorizontalEdge
        head.CollimatorLeftVerticalEdge = head.ShutterLeftVerticalEdge
        head.CollimatorRightVerticalEdge = head.ShutterRightVerticalEdge


def _exposure(head: FileDataset, frame: Frame, dose: Dose) -> None:
    exposure = frame.exposure
    head.KVP = _decimal(exposure.kvp)
    head.RadiationSetting = "SC"
    head.XRayTubeCurrent = head.ExposureTime = None
    head.ImageAndFluoroscopyAreaDoseProduct = _decimal(dose.area_product_gycm2 * DGY_CM2_PER_GY_CM2)
    head.EntranceDoseInmGy = _decimal(dose.air_kerma_mgy)
    head.CommentsOnRadiationDose = (
        f"Simulated: {dose.frames} pulses, air kerma at the reference point {dose.air_kerma_mgy:.3f} mGy, "
        f"{exposure.detector_kerma_ngy / NGY_PER_UGY:.3f} uGy a pulse at the detector."
    )


def _pixels(head: FileDataset, frame: Frame) -> None:
    rows, columns = frame.pixels.shape
    head.Rows, head.Columns = rows, columns
    head.SamplesPerPixel, head.PhotometricInterpretation, head.PixelRepresentation = 1, "MONOCHROME2", 0
    head.BitsAllocated = head.BitsStored = 8
    head.HighBit = 7
    head.PixelIntensityRelationship = "DISP"
    head.WindowCenter, head.WindowWidth = "128", "256"
    data = np.ascontiguousarray(frame.pixels).tobytes()
    head.PixelData = data + b"\0" * (len(data) % 2)
    head["PixelData"].VR = "OB"


def _lps(ras_mm: FloatArray) -> FloatArray:
    return np.asarray(ras_mm * np.array([-1.0, -1.0, 1.0]))


def _decimal(number: float) -> str:
    text = f"{float(number):.6g}"
    return text if len(text) <= LENGTH_OF_DS else text[:LENGTH_OF_DS]
