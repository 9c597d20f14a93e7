"""The frames of a DICOM segmentation: where each lies, the grid of all, and the pixels of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

from endplate.errors import InputError
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray
from endplate.imaging.refusals import file_truncated, file_unreadable
from endplate.imaging.seg_segments import KIND
from endplate.imaging.stored import check_size
from endplate.imaging.volume import Volume
from endplate.sources import value

MOST_FRAMES = 200_000

STEP_ROUNDING_MM = 0.0006
"""A stated distance between slices may be rounded to three decimals; over many slices that adds up."""

STATED_FIT, FOUND_FIT = 0.2, 0.05
"""Part of a step by which positions may miss its multiples, for a step that was stated and for one found."""

PARALLEL = 0.9999
"""Cosine from which on an axis of the image runs along the stack of frames."""


@dataclass(frozen=True)
class SegFrame:
    """One frame: its place in the file, its segment, the centre of its first pixel, its place in the stack."""

    index: int
    segment: int
    position_lps_mm: tuple[float, float, float]
    slice_index: int = 0


@dataclass(frozen=True, eq=False)
class FrameGrid:
    """The grid of all frames: voxels along row, column and stack, and 4×4 index → LPS mm."""

    shape: tuple[int, int, int]
    affine_lps: FloatArray


def frames_of(dataset: Dataset) -> list[SegFrame]:
    """Return the frames with their segments and positions, in the file's order.

    Raises
    ------
    InputError
        ``file-unreadable``, ``file-truncated``.
    """
    count = int(dataset.get("NumberOfFrames", 1))
    groups = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    shared = _only(dataset.get("SharedFunctionalGroupsSequence"))
    if not 1 <= count <= MOST_FRAMES:
        raise file_unreadable(KIND, "its number of frames is damaged")
    if len(groups) < count:
        raise file_truncated(KIND)
    labelmap = str(dataset.get("SegmentationType", "")).upper() == "LABELMAP"
    frames = []
    for index, group in enumerate(groups[:count]):
        place = _part("PlanePositionSequence", group, shared)
        segment = 0
        if not labelmap:
            segment = int(_part("SegmentIdentificationSequence", group, shared).ReferencedSegmentNumber)
        frames.append(SegFrame(index, segment, _numbers(place, "ImagePositionPatient")))
    return frames


def frame_grid(dataset: Dataset, frames: list[SegFrame], image: Volume | None) -> FrameGrid:
    """Find the grid on which all frames lie and write each frame's place in the stack into ``frames``.

    Slices without a segment are not stored, so the gaps between frames do not tell the distance between slices. The
    first of these is taken that every position is a multiple of: the image's, the stated one, the slice thickness,
    the least gap and its simple fractions.

    Raises
    ------
    InputError
        ``seg-frames-irregular``, ``file-unreadable``, ``image-too-large``.
    """
    shared = _only(dataset.get("SharedFunctionalGroupsSequence"))
    groups = dataset.PerFrameFunctionalGroupsSequence
    ways = {_plane(groups[frame.index], shared) for frame in frames}
    if len(ways) != 1:
        raise _irregular("turned or scaled against each other")
    orientation, spacing, stated_mm = ways.pop()
    if image is not None:
        stated_mm = (*_image_steps_mm(image, np.cross(orientation[:3], orientation[3:])), *stated_mm)
    row, column = np.array(orientation[:3]), np.array(orientation[3:])
    if (
        abs(np.linalg.norm(row) - 1) > 0.01
        or abs(np.linalg.norm(column) - 1) > 0.01
        or abs(row @ column) > 0.01
    ):
        raise file_unreadable(KIND, "its orientation is damaged")
    normal = np.cross(row, column)
    positions = np.array([frame.position_lps_mm for frame in frames], dtype=np.float64)
    heights = positions @ normal
    tolerance = float(value("imaging.slice_position_tolerance_mm"))
    step_mm = _step_mm(heights, stated_mm, tolerance)
    low = int(np.argmin(heights))
    places = np.rint((heights - heights[low]) / step_mm).astype(int)
    step = _step_vector(positions, places, normal * step_mm)
    off = positions - (positions[low] + places[:, None] * step)
    if np.abs(off).max() > 2 * tolerance:
        raise _irregular("not at regular distances")
    shape = (int(dataset.Columns), int(dataset.Rows), int(places.max()) + 1)
    check_size(shape, KIND)
    affine = np.eye(4)
    affine[:3, 0], affine[:3, 1] = row * spacing[1], column * spacing[0]
    affine[:3, 2] = step
    affine[:3, 3] = positions[low] + off.mean(axis=0)
    frames[:] = [replace(frame, slice_index=int(at)) for frame, at in zip(frames, places, strict=True)]
    return FrameGrid(shape, affine)


def frame_pixels(dataset: Dataset, index: int) -> NDArray[Any]:
    """Decode one frame, shape (rows, columns).

    Raises
    ------
    InputError
        ``file-truncated``, ``unsupported-transfer-syntax``.
    """
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        try:
            frame: NDArray[Any] = pixel_array(dataset, index=index)
        # pydicom's: no installed decoder could read the frame (RuntimeError), or it knows none.
        except (RuntimeError, NotImplementedError):
            raise InputError(
                "unsupported-transfer-syntax",
                "The segmentation is compressed in a way that cannot be read here.",
                do="Export it uncompressed (Explicit VR Little Endian).",
            ) from None
        return frame.reshape(rows, columns)
    stored, bits = dataset.PixelData, int(dataset.BitsAllocated)
    size = rows * columns
    if bits == 1:
        # Frames follow each other bit by bit, the first pixel in the lowest bit.
        first, last = index * size, (index + 1) * size
        if last > len(stored) * 8:
            raise file_truncated(KIND)
        packed = np.frombuffer(stored, np.uint8)[first // 8 : -(-last // 8)]
        unpacked = np.unpackbits(packed, bitorder="little")[first % 8 : first % 8 + size]
        return unpacked.reshape(rows, columns)
    if bits not in (8, 16):
        raise file_unreadable(KIND, "its pixels are of an unknown size")
    order = "<" if dataset.original_encoding[1] else ">"
    width = bits // 8
    if (index + 1) * size * width > len(stored):
        raise file_truncated(KIND)
    pixels = np.frombuffer(stored, f"{order}u{width}", count=size, offset=index * size * width)
    return pixels.reshape(rows, columns)


def _step_mm(heights: FloatArray, stated_mm: Sequence[float], tolerance: float) -> float:
    """Distance between slices: the first of which all heights are multiples."""
    levels = np.sort(heights) - heights.min()
    gaps = np.diff(levels)
    gaps = gaps[gaps > tolerance]
    least = [float(gaps.min()) / n for n in (1, 2, 3, 4)] if len(gaps) else []
    # A step found from the gaps must fit closely: small steps come near to any height.
    candidates = [(step, STATED_FIT) for step in stated_mm] + [(step, FOUND_FIT) for step in least]
    for step, fit in candidates:
        counts = np.rint(levels / step)
        near = max(min(tolerance, fit * step), counts.max() * STEP_ROUNDING_MM)
        if np.abs(levels - counts * step).max() <= min(near, STATED_FIT * step):
            return float(levels[-1] / counts[-1]) if counts[-1] else step
    if not least:
        raise _irregular("all in one place, and the distance between slices is not stated")
    raise _irregular("not at regular distances")


def _image_steps_mm(image: Volume, normal_lps: FloatArray) -> tuple[float, ...]:
    """Spacing of the image along the normal of the frames, if one of its axes runs along it."""
    directions = image.affine[:3, :3] / image.spacing_mm
    along = np.abs((LPS_FROM_RAS[:3, :3] @ normal_lps) @ directions)
    axis = int(np.argmax(along))
    return (float(image.spacing_mm[axis]),) if along[axis] > PARALLEL else ()


def _step_vector(positions: FloatArray, places: NDArray[np.int_], straight: FloatArray) -> FloatArray:
    """From one slice to the next in LPS mm: fitted, so that the slices of a tilted gantry may drift sideways."""
    spread = places - places.mean()
    weight = float(spread @ spread)
    if not weight:
        return straight
    fitted: FloatArray = spread @ (positions - positions.mean(axis=0)) / weight
    return fitted


def _plane(group: Dataset, shared: Dataset) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]:
    """Direction cosines, pixel spacing, and the stated distances between slices of one frame."""
    measures = _part("PixelMeasuresSequence", group, shared)
    orientation = _numbers(_part("PlaneOrientationSequence", group, shared), "ImageOrientationPatient")
    stated = (abs(float(measures.get(word) or 0.0)) for word in ("SpacingBetweenSlices", "SliceThickness"))
    return (
        tuple(round(c, 6) for c in orientation),
        tuple(round(c, 6) for c in _numbers(measures, "PixelSpacing")),
        tuple(mm for mm in stated if 0.01 < mm < 100.0),
    )


def _part(keyword: str, group: Dataset, shared: Dataset) -> Dataset:
    """Return what holds for a frame: stated with it, else for all."""
    for place in (group, shared):
        items = place.get(keyword)
        if items:
            return _only(items)
    raise file_unreadable(KIND, "it does not say where its frames lie")


def _only(items: Any) -> Dataset:
    return items[0] if items else Dataset()


def _numbers(item: Dataset, keyword: str) -> Any:
    numbers = tuple(float(number) for number in item.get(keyword) or ())
    wanted = {"ImagePositionPatient": 3, "ImageOrientationPatient": 6, "PixelSpacing": 2}[keyword]
    if len(numbers) != wanted or not np.isfinite(numbers).all():
        raise file_unreadable(KIND, "it does not say where its frames lie")
    return numbers


def _irregular(how: str) -> InputError:
    return InputError(
        "seg-frames-irregular",
        f"The frames of the segmentation are {how}; they are not the slices of one CT.",
        do="Give the segmentation that was made on this CT series.",
    )
