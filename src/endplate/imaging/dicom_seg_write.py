"""Label maps as DICOM segmentations: one binary, coded segment a level, pointing at the CT they were made on.

Source of the format: DICOM PS3.3, A.51 (Segmentation IOD), C.8.20 (Segmentation modules), C.7.6.16 and C.7.6.17.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from endplate import __version__
from endplate.errors import UsageError
from endplate.imaging.dicom_reference import SourceSeries
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray
from endplate.imaging.label_origin import LabelOrigin
from endplate.imaging.label_terms import ANATOMICAL_STRUCTURE, Term, term_of_level
from endplate.imaging.label_write import label_names
from endplate.imaging.seg_origin import MANUFACTURER, put_origin
from endplate.imaging.volume import Volume
from endplate.imaging.write import replacing

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"

PLACE_TOLERANCE_MM = 0.05
"""A frame shows a CT slice when their first voxels lie no further apart."""

NO_DATE, NO_TIME = "19000101", "000000"
"""Date of the content where the CT states none: DICOM demands one, and ours must not change with the day."""

ALGORITHM_TYPES = {"clicks": "SEMIAUTOMATIC", "segmenter": "AUTOMATIC", "given": "SEMIAUTOMATIC"}
"""DICOM's word for how the segments were made."""

_SEGMENT_INDEX, _POSITION_INDEX = 0x0062000B, 0x00200032
_SEGMENT_GROUP, _POSITION_GROUP = 0x0062000A, 0x00209113

Plane = tuple[int, int, int]
"""Segment number, VerSe id, slice."""


def write_dicom_seg(
    volume: Volume, path: Path, origin: LabelOrigin | None = None, source: SourceSeries | None = None
) -> None:
    """Write VerSe ids as a DICOM segmentation; the bytes depend on the arguments alone.

    Parameters
    ----------
    volume:
        Labels on the CT's grid; slices are planes of the third voxel axis.
    source:
        The series of the CT. Study, frame of reference and images are referenced by UID. Name, number and birth date
        of the patient are left empty; the archive fills them in from the study.

    Raises
    ------
    UsageError
        ``output-format`` for another suffix, ``output-not-writable``.
    ValueError
        No level in the map.
    """
    if not path.name.lower().endswith(".dcm"):
        raise UsageError("output-format", "A DICOM segmentation is a .dcm file.", do="End the name in .dcm.")
    names = label_names(volume)
    if not names:
        raise ValueError("a segmentation needs a segment")
    planes = _planes(volume.data, names)
    dataset = _head(volume, origin, source)
    if origin is not None:
        put_origin(dataset, origin.to_text())
    affine = LPS_FROM_RAS @ volume.affine
    dataset.SegmentSequence = Sequence(
        [_segment(number, name, origin) for number, name in enumerate(names.values(), start=1)]
    )
    dataset.SharedFunctionalGroupsSequence = Sequence([_shared(volume, affine)])
    places = sorted({k for _, _, k in planes})
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [_frame(plane, places.index(plane[2]) + 1, affine, source) for plane in planes]
    )
    dataset.NumberOfFrames = len(planes)
    dataset.PixelData = _pixels(volume.data, planes)
    with replacing(path, "segmentation") as file:
        dcmwrite(file, dataset, enforce_file_format=True)


def _planes(ids: NDArray[Any], names: dict[int, str]) -> list[Plane]:
    """Frames that are not empty, by segment, then by slice."""
    return [
        (segment, number, int(k))
        for segment, number in enumerate(names, start=1)
        for k in np.flatnonzero((ids == number).any(axis=(0, 1)))
    ]


def _pixels(ids: NDArray[Any], planes: list[Plane]) -> bytes:
    """All frames bit by bit, the first pixel in the lowest bit, filled to whole words."""
    bits = np.concatenate([(ids[:, :, k] == number).T.ravel() for _, number, k in planes])
    packed = np.packbits(bits, bitorder="little").tobytes()
    return packed + b"\x00" * (len(packed) % 2)


def _head(volume: Volume, origin: LabelOrigin | None, source: SourceSeries | None) -> FileDataset:
    """Everything that stands once: patient (empty), study, series, equipment, image, dimensions."""
    digest = hashlib.sha256(np.ascontiguousarray(volume.data).tobytes())
    digest.update(np.round(volume.affine, 6).tobytes() + str(volume.shape).encode())
    digest.update(b"" if source is None else f"{source.series_uid}{source.study_uid}".encode())
    digest.update(b"" if origin is None else origin.to_text().encode())

    def uid(what: str) -> UID:
        return generate_uid(entropy_srcs=[digest.hexdigest(), what])

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = UID(SEGMENTATION_STORAGE)
    meta.MediaStorageSOPInstanceUID = uid("instance")
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    head = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    head.SOPClassUID, head.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    for blank in ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyID"):
        setattr(head, blank, "")
    head.StudyTime = head.ReferringPhysicianName = ""
    head.StudyDate = "" if source is None else source.date
    head.StudyInstanceUID = source.study_uid if source and source.study_uid else uid("study")
    head.SeriesInstanceUID = uid("series")
    head.SeriesNumber, head.InstanceNumber = 1, 1
    stated_frame = "" if source is None else source.frame_of_reference_uid
    head.FrameOfReferenceUID = stated_frame or uid("frame of reference")
    head.PositionReferenceIndicator = ""
    head.Modality = "SEG"
    head.SeriesDescription = "Vertebra labels (Endplate, research use)"
    head.Manufacturer = head.ManufacturerModelName = MANUFACTURER
    head.DeviceSerialNumber, head.SoftwareVersions = "0", __version__
    head.ContentDate = (source.date if source is not None else "") or NO_DATE
    head.ContentTime = NO_TIME
    head.ContentLabel, head.ContentDescription, head.ContentCreatorName = "VERTEBRAE", "Vertebra labels", ""
    head.ImageType = ["DERIVED", "PRIMARY"]
    head.SegmentationType, head.LossyImageCompression = "BINARY", "00"
    head.SegmentsOverlap = "NO"
    head.Rows, head.Columns = volume.shape[1], volume.shape[0]
    head.SamplesPerPixel, head.PhotometricInterpretation, head.PixelRepresentation = 1, "MONOCHROME2", 0
    head.BitsAllocated = head.BitsStored = 1
    head.HighBit = 0
    organization = uid("dimensions")
    head.DimensionOrganizationType = "3D"
    head.DimensionOrganizationSequence = Sequence([_item(DimensionOrganizationUID=organization)])
    head.DimensionIndexSequence = Sequence(
        [
            _item(
                DimensionOrganizationUID=organization,
                DimensionIndexPointer=pointer,
                FunctionalGroupPointer=group,
                DimensionDescriptionLabel=label,
            )
            for pointer, group, label in (
                (_SEGMENT_INDEX, _SEGMENT_GROUP, "ReferencedSegmentNumber"),
                (_POSITION_INDEX, _POSITION_GROUP, "ImagePositionPatient"),
            )
        ]
    )
    if source is not None and source.images:
        uids = dict.fromkeys(image.sop_uid for image in source.images)
        instances = [
            _item(ReferencedSOPClassUID=source.sop_class_uid, ReferencedSOPInstanceUID=sop) for sop in uids
        ]
        head.ReferencedSeriesSequence = Sequence(
            [_item(SeriesInstanceUID=source.series_uid, ReferencedInstanceSequence=Sequence(instances))]
        )
    return head


def _segment(number: int, name: str, origin: LabelOrigin | None) -> Dataset:
    segment = _item(
        SegmentNumber=number,
        SegmentLabel=name,
        SegmentAlgorithmType=ALGORITHM_TYPES["given" if origin is None else origin.made_by],
        SegmentAlgorithmName="Endplate" if origin is None or origin.tool is None else origin.tool.name,
    )
    segment.SegmentedPropertyCategoryCodeSequence = Sequence([_code(ANATOMICAL_STRUCTURE)])
    segment.SegmentedPropertyTypeCodeSequence = Sequence([_code(term_of_level(name))])
    return segment


def _shared(volume: Volume, affine_lps: FloatArray) -> Dataset:
    sizes = volume.spacing_mm
    row, column = affine_lps[:3, 0] / sizes[0], affine_lps[:3, 1] / sizes[1]
    measures = _item(
        PixelSpacing=[_decimal(sizes[1]), _decimal(sizes[0])],
        SliceThickness=_decimal(sizes[2]),
        SpacingBetweenSlices=_decimal(sizes[2]),
    )
    orientation = _item(ImageOrientationPatient=[_decimal(c) for c in (*row, *column)])
    return _item(PixelMeasuresSequence=Sequence([measures]), PlaneOrientationSequence=Sequence([orientation]))


def _frame(plane: Plane, place: int, affine_lps: FloatArray, source: SourceSeries | None) -> Dataset:
    segment, _, k = plane
    x, y, z = (float(c) for c in affine_lps[:3, 3] + k * affine_lps[:3, 2])
    frame = _item(
        FrameContentSequence=Sequence([_item(DimensionIndexValues=[segment, place])]),
        PlanePositionSequence=Sequence([_item(ImagePositionPatient=[_decimal(c) for c in (x, y, z)])]),
        SegmentIdentificationSequence=Sequence([_item(ReferencedSegmentNumber=segment)]),
    )
    shown = None if source is None else source.nearest((x, y, z), PLACE_TOLERANCE_MM)
    if shown is not None and source is not None:
        image = _item(
            ReferencedSOPClassUID=source.sop_class_uid,
            ReferencedSOPInstanceUID=shown.sop_uid,
            PurposeOfReferenceCodeSequence=Sequence(
                [_code(Term("121322", "Source image for image processing operation"), "DCM")]
            ),
        )
        if shown.frame is not None:
            image.ReferencedFrameNumber = shown.frame + 1
        derivation = _item(
            SourceImageSequence=Sequence([image]),
            DerivationCodeSequence=Sequence([_code(Term("113076", "Segmentation"), "DCM")]),
        )
        frame.DerivationImageSequence = Sequence([derivation])
    return frame


def _item(**elements: Any) -> Dataset:
    item = Dataset()
    for keyword, content in elements.items():
        setattr(item, keyword, content)
    return item


def _code(term: Term, scheme: str = "SCT") -> Dataset:
    return _item(CodeValue=term.code, CodingSchemeDesignator=scheme, CodeMeaning=term.meaning)


def _decimal(number: float) -> str:
    """A number in the sixteen characters that DICOM gives it."""
    return next(text for digits in range(14, 3, -1) if len(text := f"{float(number) + 0.0:.{digits}g}") <= 16)
