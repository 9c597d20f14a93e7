"""The header of one DICOM image: of a file, or of one frame of an enhanced multi-frame CT."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset

from endplate.imaging.tags import (
    IMPLICIT_LITTLE_ENDIAN,
    description,
    integer,
    items,
    number,
    numbers,
    scan_info,
    text,
)
from endplate.imaging.volume import ScanInfo

DIRECTION_ROUNDING = 0.03
"""Direction cosines written to two decimals miss unit length and right angle by less."""

MACROS = (
    "PixelMeasuresSequence",
    "PlaneOrientationSequence",
    "PlanePositionSequence",
    "PixelValueTransformationSequence",
    "FrameContentSequence",
    "CTImageFrameTypeSequence",
    "CTReconstructionSequence",
    "CTXRayDetailsSequence",
    "CTAcquisitionDetailsSequence",
    "CardiacSynchronizationSequence",
    "TemporalPositionSequence",
)
"""Functional groups of an enhanced CT that say what a classic header says (PS3.3 C.7.6.16, C.8.15.3)."""

GROUP_TAGS = (0x52009229, 0x52009230)
"""The shared and the per-frame groups themselves."""

REFORMATTED = re.compile(r"MPR|REFORMAT|PROJECTION|\bMIP\b|MAX_IP|MIN_IP|VOLUME|VRT|SCREEN")
"""Words of an image type that no original axial slice carries."""

MARKS = {
    "stack": ("StackID",),
    "acquisition": ("FrameAcquisitionNumber", "AcquisitionNumber"),
    "time point": ("TemporalPositionIndex", "TemporalPositionIdentifier"),
    "heart phase": ("NominalPercentageOfCardiacPhase", "NominalCardiacTriggerDelayTime", "TriggerTime"),
    "contrast": ("ContrastBolusAgent", "ContrastBolusVolume", "ContrastBolusStartTime"),
    "energy": ("KVP", "MonoenergeticEnergyEquivalent"),
    "image type": ("FrameType", "ImageType"),
}
"""What tells phases and acquisitions within one series apart, in the order in which it is trusted."""


@dataclass(frozen=True)
class SliceHeader:
    """One DICOM image.

    Parameters
    ----------
    member, frame:
        Number of the file in its folder or archive; number of the frame in it, ``None`` for a classic image.
    sop_uid, series_uid, frame_uid:
        Only compared, never shown.
    frames:
        Number of images in a file that does not say where each lies; 1 otherwise.
    orientation, position:
        Direction cosines of rows and columns, and centre of the first voxel; LPS, mm. ``None``: not stated.
    pixel_spacing:
        Distance between rows, then between columns, mm.
    rescale:
        Slope and intercept to Hounsfield units, ``None`` where they are not stated.
    description:
        De-identified series description, may be empty.
    marks:
        What the image says for each of ``MARKS``; compared, never shown.
    time_s, instance:
        Seconds of the day of the acquisition, and the number in the series.
    """

    member: int
    frame: int | None
    sop_uid: str
    series_uid: str
    frame_uid: str
    series_number: int | None
    description: str
    transfer_syntax: str
    frames: int
    samples: int
    rows: int
    columns: int
    pixel_spacing: tuple[float, float] | None
    orientation: tuple[float, ...] | None
    position: tuple[float, float, float] | None
    localizer: bool
    reformatted: bool
    rescale: tuple[float, float] | None
    rescale_type: str
    lossy: bool
    marks: tuple[str, ...]
    time_s: float | None
    instance: int | None
    scan: ScanInfo

    @property
    def placed(self) -> bool:
        """Say whether its place is whole: a position, two perpendicular unit vectors and a voxel size."""
        if self.pixel_spacing is None or self.orientation is None or self.position is None:
            return False
        row, column = np.array(self.orientation).reshape(2, 3)
        off = (row @ row - 1.0, column @ column - 1.0, row @ column)
        return bool(np.abs(off).max() < DIRECTION_ROUNDING and min(self.pixel_spacing) > 0)


def slice_headers(dataset: Dataset, member: int) -> Iterator[SliceHeader]:
    """Return the headers of all images of a file: one, or one a frame; none where the file holds no image."""
    count = integer(dataset, "NumberOfFrames") or 1
    frames = items(dataset, "PerFrameFunctionalGroupsSequence")
    if not frames or len(frames) != count:
        header = slice_header(dataset, member)
        if header is not None:
            yield header
        return
    shared = (items(dataset, "SharedFunctionalGroupsSequence") or [Dataset()])[0]
    for number_of_frame, own in enumerate(frames):
        header = slice_header(_flat(dataset, shared, own), member, number_of_frame)
        if header is not None:
            yield header


def _flat(dataset: Dataset, shared: Dataset, own: Dataset) -> Dataset:
    """Return the header that a classic image would have: the frame's own groups before the shared ones."""
    flat = Dataset()
    flat.file_meta = getattr(dataset, "file_meta", FileMetaDataset())
    flat.update({tag: element for tag, element in dataset.items() if tag not in GROUP_TAGS})
    for macro in MACROS:
        for group in (items(shared, macro), items(own, macro)):
            if group:
                flat.update(dict(group[0].items()))
    if items(dataset, "ContrastBolusAgentSequence"):
        flat.ContrastBolusAgent = "stated"
    return flat


def slice_header(dataset: Dataset, member: int, frame: int | None = None) -> SliceHeader | None:
    """Return what the header says, or ``None`` when it is not that of an image."""
    rows, columns = integer(dataset, "Rows"), integer(dataset, "Columns")
    if not rows or not columns or rows < 1 or columns < 1:
        return None
    spacing = numbers(dataset, "PixelSpacing", 2)
    position = numbers(dataset, "ImagePositionPatient", 3)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    syntax = str(
        getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", "") or IMPLICIT_LITTLE_ENDIAN
    )
    kind = f"{text(dataset, 'FrameType')}/{text(dataset, 'ImageType')}".upper()
    return SliceHeader(
        member=member,
        frame=frame,
        sop_uid=f"{text(dataset, 'SOPInstanceUID')}/{frame}",
        series_uid=text(dataset, "SeriesInstanceUID"),
        frame_uid=text(dataset, "FrameOfReferenceUID"),
        series_number=integer(dataset, "SeriesNumber"),
        description=description(dataset),
        transfer_syntax=syntax,
        frames=1 if frame is not None else integer(dataset, "NumberOfFrames") or 1,
        samples=integer(dataset, "SamplesPerPixel") or 1,
        rows=rows,
        columns=columns,
        pixel_spacing=None if spacing is None else (spacing[0], spacing[1]),
        orientation=numbers(dataset, "ImageOrientationPatient", 6),
        position=None if position is None else (position[0], position[1], position[2]),
        localizer="LOCALIZER" in kind,
        reformatted=REFORMATTED.search(kind) is not None,
        rescale=None if slope is None or intercept is None or slope == 0 else (slope, intercept),
        rescale_type=text(dataset, "RescaleType").upper(),
        lossy=text(dataset, "LossyImageCompression") == "01",
        marks=tuple("/".join(text(dataset, name) for name in names) for names in MARKS.values()),
        time_s=_time_s(dataset),
        instance=integer(dataset, "InstanceNumber") if frame is None else frame,
        scan=scan_info(dataset),
    )


def _time_s(dataset: Dataset) -> float | None:
    """Seconds of the day at which the image was acquired."""
    for name, start in (
        ("FrameAcquisitionDateTime", 8),
        ("AcquisitionDateTime", 8),
        ("AcquisitionTime", 0),
        ("ContentTime", 0),
    ):
        match = re.match(r"(\d{2}):?(\d{2}):?(\d{2}(?:\.\d{1,6})?)", text(dataset, name)[start:])
        if match is not None:
            return 3600.0 * int(match[1]) + 60.0 * int(match[2]) + float(match[3])
    return None
