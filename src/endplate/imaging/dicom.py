"""A DICOM CT series into one volume in Hounsfield units."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from endplate.errors import EndplateError, InputError
from endplate.imaging.compressed import stored_pixels
from endplate.imaging.dicom_files import (
    FolderStore,
    Found,
    Store,
    headers,
    is_disc,
    open_store,
    quiet_pydicom,
    read_dataset,
    read_member,
)
from endplate.imaging.dicom_headers import SliceHeader
from endplate.imaging.dicom_left_out import left_out
from endplate.imaging.dicom_series import choose, offer_part
from endplate.imaging.dicom_stack import SeriesStack, stacks
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray
from endplate.imaging.refusals import EXPORT_AGAIN
from endplate.imaging.slices import Placement, interpolated, order_slices, place_slices, start_of_stack
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
    """Read one CT series of a folder, a zip archive, a DICOM disc, or the folder around a single file.

    Slices are stacked along the normal of their planes by their stated positions. Data are Hounsfield units
    in file order (i along a row, j down the rows, k along the stack); the affine of a tilted stack is
    sheared, and filling outside the scanned field lies below the Hounsfield scale. Slices at slightly
    unequal distances are interpolated onto equal ones.

    Raises
    ------
    UsageError
        ``series-unknown``.
    InputError
        ``no-dicom``, ``several-series``, ``wrong-modality``, ``missing-slice``, ``irregular-slices``,
        ``mixed-series``, ``unsupported-transfer-syntax``, ``multi-frame-dicom``, ``file-truncated``,
        ``disc-incomplete``, ...
    """
    with quiet_pydicom(), open_store(path) as store:
        found = headers(store)
        if isinstance(store, FolderStore) and not path.is_dir() and not is_disc(path):
            found = _around(store, path, found)
        all_stacks = stacks(found)
        key, stack = choose(all_stacks, series)
        notes = [finding("damaged-files-skipped", count=found.damaged)] if found.damaged else []
        if series is None and len(all_stacks) > 1:
            notes.append(finding("series-chosen", key=key, slices=len(stack.headers), count=len(all_stacks)))
        notes += left_out(found, all_stacks[key], stack)
        try:
            return _image(store, stack, notes)
        except InputError as error:
            if error.code not in ("missing-slice", "irregular-slices"):
                raise
            raise offer_part(error, key, stack) from None


def _around(store: FolderStore, path: Path, found: Found) -> Found:
    """Keep the series to which the single file belongs."""
    own = next(
        (header.series_uid for header in found.headers if store.paths[header.member].samefile(path)), None
    )
    if own is None:
        raise InputError("no-dicom", "The file is not a DICOM image.", do="Name a CT slice or its folder.")
    return replace(found, headers=tuple(header for header in found.headers if header.series_uid == own))


def _image(store: Store, stack: SeriesStack, notes: list[Finding]) -> StoredImage:
    first, normal = stack.first, stack.normal_lps
    positions = stack.positions_lps_mm
    order = order_slices(positions, normal)
    if len(order.groups) < value("imaging.min_slices"):
        raise InputError("too-few-slices", "All slices stand at one place.", do="Give the whole CT series.")
    sideways = value("imaging.slice_position_tolerance_mm")
    if any(np.ptp(positions[list(group)], axis=0).max() > sideways for group in order.groups):
        raise _mixed()
    placement = place_slices(positions[[group[0] for group in order.groups]], normal)
    affine = _affine(stack, placement)
    data, sha256, kept_padding_hu = _pixels(store, stack, order.groups)
    doubles = len(stack.headers) - len(order.groups)
    if doubles:
        notes.append(finding("duplicates-dropped", count=doubles))
    if any(header.lossy for header in stack.headers):
        notes.append(finding("lossy-compression"))
    if kept_padding_hu is not None:
        notes.append(finding("padding-kept", hu=kept_padding_hu))
    if placement.sources is not None:
        data = interpolated(data, placement.sources)
        low, high = placement.gaps_mm
        step = float(placement.step_mm @ normal)
        notes.append(finding("irregular-slices-resampled", low=low, high=high, step=step))
    thickest = max(header.scan.slice_thickness_mm or 0.0 for header in stack.headers)
    scan = replace(first.scan, source_sha256=sha256, slice_thickness_mm=thickest or None)
    return StoredImage(data, affine, 1.0, 0.0, scan, tuple(notes))


def _affine(stack: SeriesStack, placement: Placement) -> FloatArray:
    """Voxel (column, row, slice) → RAS mm."""
    row, column, _ = stack.axes_lps
    between_rows, between_columns = np.array(stack.first.pixel_spacing, dtype=np.float64)
    affine = np.eye(4)
    affine[:3, 0] = row * between_columns
    affine[:3, 1] = column * between_rows
    affine[:3, 2] = placement.step_mm
    affine[:3, 3] = placement.origin_mm
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
    files = _Files(store)
    kept_padding = None
    for place, group in enumerate(groups):
        where = f"slice {place + 1} of {len(groups)}, counted from the {start_of_stack(stack.normal_lps)}"
        one, *others = (files.slice_hu(stack.headers[index], shape[1:], where) for index in group)
        if any(not np.array_equal(one.data, other.data) for other in others):
            raise _mixed()
        if one.data.dtype != volume.dtype and volume.dtype == np.int16:
            volume = volume.astype(np.float32)
        volume[place] = one.data
        kept_padding = one.kept_padding_hu if kept_padding is None else kept_padding
    return volume.transpose(), files.sha256(groups, stack), kept_padding


class _Files:
    """The files of a stack, each parsed once however many frames it holds, and hashed."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._hashes: dict[int, bytes] = {}
        self._open: tuple[int, Dataset] | None = None

    def slice_hu(self, header: SliceHeader, shape: tuple[int, ...], where: str) -> SliceHu:
        """Decode one image into Hounsfield units."""
        if self._open is None or self._open[0] != header.member:
            content = read_member(self._store, header.member)
            self._hashes[header.member] = hashlib.sha256(content).digest()
            self._open = header.member, _parsed(content, where)
        return _decoded(self._open[1], shape, where, header.frame, header.rescale)

    def sha256(self, groups: tuple[tuple[int, ...], ...], stack: SeriesStack) -> str:
        """Hash the files in the order of their slices; of duplicates the first counts."""
        members = dict.fromkeys(stack.headers[group[0]].member for group in groups)
        digest = hashlib.sha256()
        for member in members:
            digest.update(self._hashes[member])
        return digest.hexdigest()


def slice_hu(content: bytes, shape: tuple[int, ...], where: str) -> SliceHu:
    """Decode one classic DICOM file into Hounsfield units; ``where`` names the slice in messages.

    The photometric interpretation only says how to show the values, so MONOCHROME1 changes nothing here.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``.
    """
    dataset = _parsed(content, where)
    slope, intercept = number(dataset, "RescaleSlope"), number(dataset, "RescaleIntercept")
    if slope is None or intercept is None or slope == 0:
        raise _damaged(where)
    return _decoded(dataset, shape, where, None, (slope, intercept))


def _parsed(content: bytes, where: str) -> Dataset:
    try:
        return read_dataset(content)
    except EndplateError:
        raise
    # A damaged file makes pydicom raise errors of many kinds; all mean the same to the user.
    except Exception:  # pydicom answers damage with whatever its code raises
        raise _damaged(where) from None


def _decoded(
    dataset: Dataset,
    shape: tuple[int, ...],
    where: str,
    frame: int | None,
    rescale: tuple[float, float] | None,
) -> SliceHu:
    if rescale is None:
        raise _damaged(where)
    slope, intercept = rescale
    try:
        stored = stored_pixels(dataset, shape, frame)
    except EndplateError:
        raise
    except Exception:  # pydicom and its decoders answer damage with whatever their code raises
        raise _damaged(where) from None
    if stored.shape != shape or stored.dtype.kind not in "iu":
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
