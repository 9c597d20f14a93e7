"""A DICOM CT series into one volume in Hounsfield units."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels.utils import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from endplate.errors import EndplateError, InputError
from endplate.imaging.dicom_files import (
    FolderStore,
    Store,
    headers,
    open_store,
    quiet_pydicom,
    read_dataset,
    read_member,
)
from endplate.imaging.dicom_series import choose
from endplate.imaging.dicom_stack import SeriesStack, stacks
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray
from endplate.imaging.refusals import EXPORT_AGAIN
from endplate.imaging.slices import order_slices, regular_step, start_of_stack
from endplate.imaging.stored import INT16, StoredImage, check_size, placed
from endplate.imaging.tags import integer, number
from endplate.sources import Finding, finding, value

KIND = "DICOM series"

FILLING_HU = float(INT16.min)
"""Mark of filling until the reader sets all below the Hounsfield scale to air, and counts it."""


@dataclass(frozen=True, eq=False)
class SliceHu:
    """One decoded slice, shape (rows, columns): int16 where that is exact, else float32.

    ``kept_padding_hu`` is a filling value that was left alone because tissue can have it.
    """

    data: NDArray[Any]
    kept_padding_hu: float | None


def read_dicom(path: Path, series: str | None = None) -> StoredImage:
    """Read one CT series of a folder, a zip archive, or the folder around a single file.

    Slices are stacked along the normal of their planes by their stated positions. Data are Hounsfield units
    in file order (i along a row, j down the rows, k along the stack); the affine of a tilted stack is
    sheared, and filling outside the scanned field lies below the Hounsfield scale.

    Raises
    ------
    UsageError
        ``series-unknown``.
    InputError
        ``no-dicom``, ``several-series``, ``wrong-modality``, ``missing-slice``, ``irregular-slices``,
        ``mixed-series``, ``unsupported-transfer-syntax``, ``multi-frame-dicom``, ``file-truncated``, ...
    """
    with quiet_pydicom(), open_store(path) as store:
        found, damaged = headers(store)
        if not path.is_dir() and isinstance(store, FolderStore):
            found = _around(store, path, found)
        all_stacks = stacks(found, damaged)
        key = choose(all_stacks, series)
        notes = [finding("damaged-files-skipped", count=damaged)] if damaged else []
        if series is None and len(all_stacks) > 1:
            notes.append(
                finding("series-chosen", key=key, slices=len(all_stacks[key].headers), count=len(all_stacks))
            )
        notes += _siblings(all_stacks, key)
        return _image(store, all_stacks[key], notes)


def _around(store: FolderStore, path: Path, found: Sequence[Any]) -> tuple[Any, ...]:
    """Keep the series to which the single file belongs."""
    own = next((header.series_uid for header in found if store.paths[header.member].samefile(path)), None)
    if own is None:
        raise InputError("no-dicom", "The file is not a DICOM image.", do="Name a CT slice or its folder.")
    return tuple(header for header in found if header.series_uid == own)


def _siblings(all_stacks: dict[str, SeriesStack], key: str) -> list[Finding]:
    """Tell of images that share the series but not the stack."""
    chosen = all_stacks[key].first
    rest = [
        header
        for other, stack in all_stacks.items()
        if other != key and stack.first.series_uid == chosen.series_uid
        for header in stack.headers
    ]
    scouts = sum(header.localizer for header in rest)
    notes = [finding("localizers-dropped", count=scouts)] if scouts else []
    if len(rest) > scouts:
        notes.append(finding("images-left-out", count=len(rest) - scouts))
    return notes


def _image(store: Store, stack: SeriesStack, notes: list[Finding]) -> StoredImage:
    first, normal = stack.first, stack.normal_lps
    positions = stack.positions_lps_mm
    order = order_slices(positions, normal)
    if len(order.groups) < value("imaging.min_slices"):
        raise InputError("too-few-slices", "All slices stand at one place.", do="Give the whole CT series.")
    sideways = value("imaging.slice_position_tolerance_mm")
    if any(np.ptp(positions[list(group)], axis=0).max() > sideways for group in order.groups):
        raise _mixed()
    origin, step = regular_step(positions[[group[0] for group in order.groups]], normal)
    affine = _affine(stack, origin, step)
    data, sha256, kept_padding_hu = _pixels(store, stack, order.groups)
    doubles = len(stack.headers) - len(order.groups)
    if doubles:
        notes.append(finding("duplicates-dropped", count=doubles))
    if any(header.lossy for header in stack.headers):
        notes.append(finding("lossy-compression"))
    if kept_padding_hu is not None:
        notes.append(finding("padding-kept", hu=kept_padding_hu))
    thickest = max(header.scan.slice_thickness_mm or 0.0 for header in stack.headers)
    scan = replace(first.scan, source_sha256=sha256, slice_thickness_mm=thickest or None)
    return StoredImage(data, affine, 1.0, 0.0, scan, tuple(notes))


def _affine(stack: SeriesStack, origin_lps_mm: FloatArray, step_lps_mm: FloatArray) -> FloatArray:
    """Voxel (column, row, slice) → RAS mm."""
    row, column, _ = stack.axes_lps
    between_rows, between_columns = np.array(stack.first.pixel_spacing, dtype=np.float64)
    affine = np.eye(4)
    affine[:3, 0] = row * between_columns
    affine[:3, 1] = column * between_rows
    affine[:3, 2] = step_lps_mm
    affine[:3, 3] = origin_lps_mm
    return placed(LPS_FROM_RAS @ affine, KIND)


def _pixels(
    store: Store, stack: SeriesStack, groups: tuple[tuple[int, ...], ...]
) -> tuple[NDArray[Any], str, float | None]:
    """Decode all slices into one array (columns, rows, slices); hash the bytes of the files in that order.

    The third result is a filling value that tissue can have and that was therefore kept.
    """
    first = stack.first
    shape = (len(groups), first.rows, first.columns)
    check_size(shape, KIND)
    volume: NDArray[Any] = np.empty(shape, dtype=np.int16)
    digest = hashlib.sha256()
    kept_padding = None
    for place, group in enumerate(groups):
        where = f"slice {place + 1} of {len(groups)}, counted from the {start_of_stack(stack.normal_lps)}"
        contents = [read_member(store, stack.headers[index].member) for index in group]
        digest.update(hashlib.sha256(contents[0]).digest())
        decoded = [slice_hu(content, shape[1:], where) for content in contents]
        if any(not np.array_equal(decoded[0].data, other.data) for other in decoded[1:]):
            raise _mixed()
        one = decoded[0]
        if one.data.dtype != volume.dtype and volume.dtype == np.int16:
            volume = volume.astype(np.float32)
        volume[place] = one.data
        kept_padding = one.kept_padding_hu if kept_padding is None else kept_padding
    return volume.transpose(), digest.hexdigest(), kept_padding


def slice_hu(content: bytes, shape: tuple[int, ...], where: str) -> SliceHu:
    """Decode one DICOM file into Hounsfield units; ``where`` names the slice in messages.

    The photometric interpretation only says how to show the values, so MONOCHROME1 changes nothing here.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``.
    """
    try:
        dataset = read_dataset(content)
        _state_syntax(dataset)
        stored = pixel_array(dataset, correct_unused_bits=False)
    except EndplateError:
        raise
    except Exception:  # pydicom and its decoders answer damage with whatever their code raises
        raise _damaged(where) from None
    if stored.shape != shape or stored.dtype.kind not in "iu":
        raise _damaged(where)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        raise _damaged(where)
    filled, kept_padding = _padding(dataset, stored, slope, intercept)
    real = _used_bits(dataset, stored, where).astype(np.float64) * slope + intercept
    if filled is not None:
        real[filled] = FILLING_HU
    whole = (
        slope.is_integer() and intercept.is_integer() and INT16.min <= real.min() and real.max() <= INT16.max
    )
    return SliceHu(real.astype(np.int16 if whole else np.float32), kept_padding)


def _padding(
    dataset: Dataset, stored: NDArray[Any], slope: float, intercept: float
) -> tuple[NDArray[np.bool_] | None, float | None]:
    """Return the voxels that the file marks as filling, or the value of a filling that could be tissue."""
    low = integer(dataset, "PixelPaddingValue")
    if low is None:
        return None, None
    high = integer(dataset, "PixelPaddingRangeLimit")
    # Files state the value signed or unsigned as they please; bring it to the type of the stored values.
    values = sorted(_as_stored(item, stored.dtype) for item in (low, low if high is None else high))
    filled = (stored >= values[0]) & (stored <= values[1])
    body_low, body_high = value("imaging.padding_body_range_hu")
    hu = [item * slope + intercept for item in values]
    if max(hu) >= body_low and min(hu) <= body_high:
        return None, (min(hu) if filled.any() else None)
    return (filled, None) if filled.any() else (None, None)


def _as_stored(item: int, dtype: np.dtype[Any]) -> int:
    span = 1 << (8 * dtype.itemsize)
    limits = np.iinfo(dtype)
    return item - span if item > limits.max else item + span if item < limits.min else item


def _used_bits(dataset: Dataset, stored: NDArray[Any], where: str) -> NDArray[Any]:
    """Keep the bits that hold the value: old files put overlays into the others."""
    allocated = 8 * stored.dtype.itemsize
    used = integer(dataset, "BitsStored") or allocated
    highest = integer(dataset, "HighBit")
    highest = used - 1 if highest is None else highest
    if not (1 <= used <= allocated and used - 1 <= highest < allocated):
        raise _damaged(where)
    if used == allocated:
        return stored
    return (stored << (allocated - 1 - highest)) >> (allocated - used)


def _state_syntax(dataset: Dataset) -> None:
    """Give a file without its own statement the transfer syntax in which it was just parsed."""
    meta = getattr(dataset, "file_meta", None)
    if meta is not None and getattr(meta, "TransferSyntaxUID", None):
        return
    implicit, little = dataset.original_encoding
    dataset.file_meta = FileMetaDataset() if meta is None else meta
    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit


def _damaged(where: str) -> InputError:
    return InputError(
        "file-truncated", f"A DICOM file is damaged or ends too early ({where}).", do=EXPORT_AGAIN
    )


def _mixed() -> InputError:
    return InputError(
        "mixed-series",
        "The series holds different slices at the same place: several phases, kernels or scans were mixed.",
        do="Export each phase or reconstruction as its own series.",
    )
