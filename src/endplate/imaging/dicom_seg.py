"""DICOM segmentations (SEG): frames in any order, empty ones left out, several segments in one file.

Source of the format: DICOM PS3.3, A.51 (Segmentation IOD) and C.8.20 (Segmentation modules).
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from endplate.errors import EndplateError, InputError
from endplate.imaging.dicom_files import is_dicom, open_store, quiet_pydicom, read_dataset, read_member
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray
from endplate.imaging.label_paint import Canvas, IdOfName, LabelSource, first_id
from endplate.imaging.label_tilt import onto_straightened
from endplate.imaging.refusals import EXPORT_AGAIN, file_truncated, file_unreadable, reading
from endplate.imaging.seg_frames import FrameGrid, SegFrame, frame_grid, frame_pixels, frames_of
from endplate.imaging.seg_segments import KIND, Segment, segments_of
from endplate.imaging.shear import rectify
from endplate.imaging.stored import check_size
from endplate.imaging.volume import ScanInfo, Volume
from endplate.sources import value

SEGMENTATION_STORAGE = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
"""SOP classes: segmentation, and label map segmentation."""

HEADER_BYTES = 1024
"""The file's own class stands within so many bytes of its start."""

MEDIA_CLASS_TAG = b"\x02\x00\x02\x00UI"
"""Tag (0002,0002), the class of what the file holds; this part of a file is never compressed."""


def holds_segmentation(path: Path) -> bool:
    """Say whether a file, or any file in a folder or archive, is a DICOM segmentation."""
    if path.is_file() and not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            return _is_segmentation(file)
    return bool(_members(path))


def read_dicom_seg(path: Path, id_of: IdOfName, image: Volume | None = None) -> LabelSource:
    """Read one DICOM segmentation and paint the segments wanted.

    Parameters
    ----------
    path:
        The file, or a folder or archive that holds one segmentation among other files.
    id_of:
        Id to paint a segment with, by its label, its codes and their meanings, in this order.
    image:
        The CT: tells the distance between slices where empty frames are left out.

    Raises
    ------
    InputError
        ``several-segmentations``, ``no-dicom``, ``file-unreadable``, ``file-truncated``,
        ``unsupported-transfer-syntax``, ``seg-frames-irregular``, ``image-too-large``, ``singular-affine``, ...
    """
    with reading(path), quiet_pydicom():
        content = content_of(path)
        try:
            return _read(content, id_of, image)
        except (EndplateError, MemoryError):
            raise
        except Exception:  # pydicom answers damage with whatever its code raises; our own words went on above
            raise file_unreadable(KIND, "it is damaged") from None


def _read(content: bytes, id_of: IdOfName, image: Volume | None) -> LabelSource:
    dataset = read_dataset(content)
    if str(dataset.get("SOPClassUID", "")) not in SEGMENTATION_STORAGE:
        raise InputError(
            "no-dicom", "The DICOM file is no segmentation.", do="Give the segmentation (modality SEG)."
        )
    segments = segments_of(dataset)
    numbers = {segment.number: first_id(segment.names, id_of) for segment in segments}
    frames = frames_of(dataset)
    grid = frame_grid(dataset, frames, image)
    check_size(grid.shape, KIND)
    canvas = _painted(dataset, frames, grid, numbers)
    scan = ScanInfo("DICOM", hashlib.sha256(content).hexdigest(), modality="SEG")
    volume = _upright(canvas, LPS_FROM_RAS @ grid.affine_lps, scan, image)
    wanted = [segment for segment in segments if numbers[segment.number]]
    return LabelSource(
        volume,
        {numbers[s.number]: next(name for name in s.names if id_of(name)) for s in wanted},
        painted=True,
        part=True,
        overlaps=canvas.overlaps,
        structures=len(segments),
        conflicts=tuple(sorted({numbers[s.number] for s in wanted if _contradicts(s, id_of)})),
    )


def _upright(canvas: Canvas, affine: FloatArray, scan: ScanInfo, image: Volume | None) -> Volume:
    """The painted slices on a rectangular grid: that of the CT where they are the slices of its tilted gantry."""
    upright = rectify(canvas.ids, affine, fill=0.0, nearest=True)
    if upright.tilt_deg and image is not None:
        placed = onto_straightened(canvas.ids, affine, image)
        if placed is not None:
            return Volume(placed, image.affine, scan)
    return Volume(upright.data.astype(np.uint8, copy=False), upright.affine, scan)


def _painted(
    dataset: Dataset, frames: Sequence[SegFrame], grid: FrameGrid, numbers: dict[int, int]
) -> Canvas:
    """Paint the frames of the segments wanted, in the order of their ids: the file's order means nothing."""
    canvas = Canvas(grid.shape)
    kind = str(dataset.get("SegmentationType", "")).upper()
    if kind == "LABELMAP":
        highest = max(numbers, default=0)
        table = np.array([numbers.get(n, 0) for n in range(highest + 1)], dtype=np.uint8)
        for frame in sorted(frames, key=lambda f: f.slice_index):
            stored = frame_pixels(dataset, frame.index)
            ids = table[np.where(stored <= highest, stored, 0)]
            for number in sorted(set(np.unique(ids).tolist()) - {0}):
                canvas.paint((..., frame.slice_index), (ids == number).T, number)
        return canvas
    threshold = 1.0
    if kind == "FRACTIONAL":
        whole = int(dataset.get("MaximumFractionalValue", 255))
        threshold = float(value("labels.fraction_limit")) * whole
    elif kind != "BINARY":
        raise file_unreadable(KIND, "it does not say of which type it is")
    ordered = sorted(
        (numbers.get(frame.segment, 0), frame.segment, frame.slice_index, frame.index) for frame in frames
    )
    for number, _, place, index in ordered:
        if number:
            inside = frame_pixels(dataset, index) >= threshold
            canvas.paint((..., place), inside.T, number)
    return canvas


def _contradicts(segment: Segment, id_of: IdOfName) -> bool:
    """Say whether label and code of a segment name two different wanted structures."""
    stated = {id_of(name) for name in segment.names} - {0}
    return len(stated) > 1


def content_of(path: Path) -> bytes:
    """Bytes of the segmentation at a path: the file, or the only one in a folder or archive.

    Raises
    ------
    InputError
        ``several-segmentations``, ``file-truncated``, ``image-too-large``.
    """
    limit = value("imaging.max_file_bytes")
    if path.is_file() and not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            content = file.read(limit + 1)
        if len(content) > limit:
            raise InputError(
                "image-too-large", "The segmentation is larger than any of a CT.", do=EXPORT_AGAIN
            )
        if not content:
            raise file_truncated(KIND)
        return content
    members = _members(path)
    if len(members) != 1:
        raise InputError(
            "several-segmentations",
            f"There are {len(members)} DICOM segmentations here.",
            do="Name the file of the segmentation that is meant.",
        )
    with open_store(path) as store:
        return read_member(store, members[0])


def _members(path: Path) -> list[int]:
    """Which files of a folder or archive are segmentations."""
    found = []
    with open_store(path) as store:
        for member in range(len(store)):
            with store.open(member) as file:
                if _is_segmentation(file):
                    found.append(member)
    return found


def _is_segmentation(file: Any) -> bool:
    if not is_dicom(file):
        return False
    start = file.read(HEADER_BYTES)
    file.seek(0)
    at = start.find(MEDIA_CLASS_TAG)
    length = int.from_bytes(start[at + 6 : at + 8], "little")
    uid = start[at + 8 : at + 8 + length].rstrip(b"\x00 ").decode("ascii", "replace")
    return at >= 0 and uid in SEGMENTATION_STORAGE
