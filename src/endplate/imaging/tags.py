"""What one DICOM header says, without anything that names the patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from endplate.imaging.volume import ScanInfo

IDENTIFYING = (
    "PatientName",
    "PatientID",
    "OtherPatientIDs",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientBirthDate",
    "AccessionNumber",
    "InstitutionName",
    "ReferringPhysicianName",
)
"""Read only to keep their words out of everything that is shown; never stored."""

GEOMETRY = (
    "Rows",
    "Columns",
    "PixelSpacing",
    "ImageOrientationPatient",
    "ImagePositionPatient",
    "FrameOfReferenceUID",
    "NumberOfFrames",
)

SCAN = (
    "Modality",
    "StudyDate",
    "PatientAge",
    "PatientSex",
    "PatientPosition",
    "KVP",
    "ConvolutionKernel",
    "Manufacturer",
    "ContrastBolusAgent",
    "SliceThickness",
    "GantryDetectorTilt",
)

IMAGE = (
    "SOPClassUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "SeriesDescription",
    "ImageType",
    "SamplesPerPixel",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "LossyImageCompression",
    "SOPInstanceUID",
    "InstanceNumber",
)

PHASE = (
    "AcquisitionNumber",
    "AcquisitionDateTime",
    "AcquisitionTime",
    "ContentTime",
    "TemporalPositionIdentifier",
    "NominalPercentageOfCardiacPhase",
    "TriggerTime",
    "ContrastBolusVolume",
    "ContrastBolusStartTime",
)
"""What tells the phases of one series apart."""

GROUPS = (
    "SharedFunctionalGroupsSequence",
    "PerFrameFunctionalGroupsSequence",
    "ContrastBolusAgentSequence",
    "DirectoryRecordSequence",
)
"""Where an enhanced CT keeps the same, and where a DICOMDIR keeps its list."""

HEADER_TAGS: list[int] = [
    tag
    for name in (*IDENTIFYING, *GEOMETRY, *SCAN, *IMAGE, *PHASE, *GROUPS)
    if (tag := tag_for_keyword(name)) is not None
]
"""All that is read of a header in the first pass."""

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
"""Transfer syntax of a file that does not state one (DICOM's default)."""

SHOWN_CHARACTERS = re.compile(r"[^A-Za-z0-9 .,:+/()%_-]")
"""Everything else is cut from free text; letters of other scripts can hold a name that is not recognised."""

SHOWN_LENGTH = 48
"""Free text is cut to this length."""

NO_CONTRAST = {"NO", "NONE", "N", "NO CONTRAST", "WITHOUT", "NON CONTRAST", "0"}
"""Contents of the contrast agent tag that scanners write when none was given."""

OLDEST_YEARS = 130

POSITIONS = re.compile(r"(HF|FF)(S|P|DL|DR)|(LF|RF)(S|P)|(AF|PF)(DL|DR)")
"""Defined terms of the patient position: which end goes in first, and on which side the patient lies."""

LARGEST = 1e9
"""No number of a CT header is larger; one that is (or is not finite) is damage."""


def scan_info(dataset: Dataset) -> ScanInfo:
    """Return what is known of the scan and may be shown."""
    study = day(text(dataset, "StudyDate"))
    agent = text(dataset, "ContrastBolusAgent").upper()
    sex = text(dataset, "PatientSex").upper()
    position = text(dataset, "PatientPosition").upper()
    return ScanInfo(
        source_format="DICOM",
        modality=shown(text(dataset, "Modality"))[:4].upper() or None,
        study_date=None if study is None else study.isoformat(),
        patient_age_years=age_years(
            study, day(text(dataset, "PatientBirthDate")), text(dataset, "PatientAge")
        ),
        patient_sex=sex if sex in ("M", "F", "O") else None,
        patient_position=position if POSITIONS.fullmatch(position) else None,
        kvp=number(dataset, "KVP"),
        kernel=shown(text(dataset, "ConvolutionKernel")) or None,
        manufacturer=shown(text(dataset, "Manufacturer")) or None,
        contrast_agent=None if not agent else agent not in NO_CONTRAST,
        slice_thickness_mm=number(dataset, "SliceThickness"),
        gantry_tilt_deg=number(dataset, "GantryDetectorTilt"),
    )


def age_years(study: date | None, birth: date | None, stated: str) -> int | None:
    """Return the age at the scan: from the dates where both are there, else as stated (``"060Y"``)."""
    if study is not None and birth is not None and birth <= study:
        years = study.year - birth.year - ((study.month, study.day) < (birth.month, birth.day))
        return years if years <= OLDEST_YEARS else None
    match = re.fullmatch(r"\s*(\d{1,3})([YMWD])\s*", stated.upper())
    if match is None:
        return None
    years = int(int(match[1]) / {"Y": 1.0, "M": 12.0, "W": 52.18, "D": 365.25}[match[2]])
    return years if years <= OLDEST_YEARS else None


def day(digits: str) -> date | None:
    """Return the date of a DICOM DA value (``"20240301"`` or, in old files, ``"2024.03.01"``)."""
    match = re.fullmatch(r"(\d{4})\.?(\d{2})\.?(\d{2})", digits.strip())
    try:
        return None if match is None else date(int(match[1]), int(match[2]), int(match[3]))
    except ValueError:
        return None


def description(dataset: Dataset) -> str:
    """Return the series description; empty where it holds a word of the patient, a date or a long number."""
    plain = shown(text(dataset, "SeriesDescription"))
    squeezed = _letters(plain)
    for name in IDENTIFYING:
        whole = text(dataset, name)
        words = [_letters(word) for word in (whole, *re.split(r"[\^=\\\s,;._-]+", whole))]
        if any(len(word) >= 2 and word in squeezed for word in words):
            return ""
    return "" if re.search(r"\d{5,}", squeezed) else plain


def _letters(words: str) -> str:
    return re.sub(r"[\W_]", "", words.casefold())


def shown(words: str) -> str:
    """Return free text cut to a plain character set and length."""
    return re.sub(r"\s+", " ", SHOWN_CHARACTERS.sub(" ", words)).strip()[:SHOWN_LENGTH].strip()


def raw(dataset: Dataset, keyword: str) -> Any:
    """Return the value of an element, ``None`` where it is absent or cannot be decoded."""
    try:
        return dataset.get(keyword)
    except Exception:  # a damaged element raises whatever its decoder does; it then says nothing
        return None


def text(dataset: Dataset, keyword: str) -> str:
    """Return an element as text, several values joined by ``/``; empty where it says nothing."""
    value = raw(dataset, keyword)
    if value is None:
        return ""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "/".join(str(item) for item in value).strip()
    return str(value).strip()


def items(dataset: Dataset, keyword: str) -> list[Dataset]:
    """Return the items of a sequence; none where it is absent or damaged."""
    value = raw(dataset, keyword)
    return list(value) if isinstance(value, DicomSequence) else []


def number(dataset: Dataset, keyword: str) -> float | None:
    """Return the (first) finite number of an element."""
    values = numbers(dataset, keyword, None)
    return values[0] if values else None


def integer(dataset: Dataset, keyword: str) -> int | None:
    """Return the (first) whole number of an element."""
    value = number(dataset, keyword)
    return None if value is None or abs(value) > 2**31 else int(value)


def numbers(dataset: Dataset, keyword: str, count: int | None) -> tuple[float, ...] | None:
    """Return the numbers of an element if there are ``count`` (any for ``None``) and all are plausible."""
    value = raw(dataset, keyword)
    if value is None:
        return None
    items = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
    try:
        found = tuple(float(item) for item in items)
    except (TypeError, ValueError, OverflowError):
        return None
    if (count is not None and len(found) != count) or not all(abs(item) < LARGEST for item in found):
        return None
    return found
