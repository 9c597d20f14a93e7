"""Which series a folder or archive of DICOM files holds, and which of them is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.pixels.decoders.base import get_decoder

from endplate.errors import InputError, UsageError
from endplate.imaging.dicom_files import headers, open_store, quiet_pydicom
from endplate.imaging.geometry import FloatArray
from endplate.imaging.refusals import file_unreadable, reading, wrong_modality
from endplate.imaging.slices import order_slices
from endplate.imaging.tags import SliceHeader
from endplate.sources import value

DIRECTION_TOLERANCE = 1e-3
"""Two images lie in one direction when no direction cosine differs by more."""

DIRECTION_ROUNDING = 0.03
"""Direction cosines written to two decimals miss unit length and right angle by less."""

SPACING_TOLERANCE = 1e-3
"""Two images have one voxel size when the sizes differ by no more than this fraction."""

MODALITY_WORDS = {
    "MR": "an MR image",
    "PT": "a PET image",
    "NM": "a nuclear medicine image",
    "US": "an ultrasound image",
    "CR": "a radiograph",
    "DX": "a radiograph",
    "XA": "an angiogram or C-arm image",
    "RF": "a fluoroscopy image",
    "MG": "a mammogram",
    "SEG": "a segmentation",
}

HOUNSFIELD_TYPES = {"", "HU", "HU_MOD", "US"}
"""Rescale types of a CT in Hounsfield units (``US``: not specified; the values are checked all the same)."""


@dataclass(frozen=True)
class SeriesInfo:
    """One series (or one of several stacks of slices in a series), with nothing that names the patient.

    Parameters
    ----------
    key:
        What to pass as ``series``; the same for the same files.
    modality, number, description, kernel:
        As the files say; the description is left out where it holds a word of the patient.
    slices:
        Number of images.
    spacing_mm:
        Distance of columns, rows and slices (median); ``None`` where the files do not say.
    thickness_mm:
        Slice thickness.
    usable, note:
        Whether it can be read, and if not why.
    """

    key: str
    modality: str | None
    number: int | None
    description: str
    slices: int
    spacing_mm: tuple[float, float, float] | None
    kernel: str | None
    thickness_mm: float | None
    usable: bool
    note: str

    def line(self) -> str:
        """Return one line for a list shown to the user."""
        parts = [self.modality or "?", self.description, f"{self.slices} images"]
        if self.spacing_mm is not None:
            parts.append(" × ".join(f"{mm:.2f}" for mm in self.spacing_mm) + " mm")
        parts += [f"kernel {self.kernel}" if self.kernel else "", self.note]
        return f"{self.key}: " + ", ".join(part for part in parts if part)


@dataclass(frozen=True)
class SeriesStack:
    """Images of one series that share size, direction, voxel size, frame of reference and kernel."""

    headers: tuple[SliceHeader, ...]

    @property
    def first(self) -> SliceHeader:
        """The image that stands for all."""
        return self.headers[0]

    @property
    def axes_lps(self) -> FloatArray:
        """Unit vectors along the rows, down the columns and along the normal, LPS, shape (3, 3).

        Directions are rounded in files; they are made exactly perpendicular.
        """
        row, column = np.array(self.first.orientation, dtype=np.float64).reshape(2, 3)
        row /= np.linalg.norm(row)
        column -= (column @ row) * row
        column /= np.linalg.norm(column)
        return np.array([row, column, np.cross(row, column)])

    @property
    def normal_lps(self) -> FloatArray:
        """Unit normal of the slices, LPS, shape (3,)."""
        normal: FloatArray = self.axes_lps[2]
        return normal

    @property
    def positions_lps_mm(self) -> FloatArray:
        """Centre of the first voxel of each image, LPS mm, shape (n, 3)."""
        return np.array([header.position for header in self.headers], dtype=np.float64)

    def refusal(self) -> InputError | None:
        """Return why this stack cannot be read as a CT, or ``None``."""
        return next(self._objections(), None)

    def _objections(self) -> Iterator[InputError]:
        first = self.first
        if first.scan.modality != "CT":
            yield wrong_modality(MODALITY_WORDS.get(first.scan.modality or "", "another kind of image"))
        if first.localizer:
            yield _unusable("localizer-only", "a localizer (scout) image, not a scan", "Give the CT itself.")
        if first.frames > 1:
            yield _unusable(
                "multi-frame-dicom",
                "an enhanced (multi-frame) CT, all slices in one file",
                "Export it as classic CT images, one file a slice, or convert it to NIfTI.",
            )
        if first.samples != 1 or not _sound(first):
            yield _unusable(
                "no-orientation",
                "a picture without a place in the patient (a screenshot or report)",
                "Give the original CT series.",
            )
        if not all(decodable(syntax) for syntax in {header.transfer_syntax for header in self.headers}):
            yield _unusable(
                "unsupported-transfer-syntax",
                "compressed in a way that the installed packages cannot decode",
                "Install the extra for compressed DICOM (pip install 'endplate[dicom]'), or export the "
                "series uncompressed (Explicit VR Little Endian).",
            )
        if not all(header.rescaled and header.rescale_type in HOUNSFIELD_TYPES for header in self.headers):
            yield _unusable(
                "not-hounsfield",
                "not in Hounsfield units (the files give no rescaling to them)",
                "Give the original CT reconstruction, not a map derived from it.",
            )
        if len(self.headers) < value("imaging.min_slices"):
            yield _unusable(
                "too-few-slices",
                f"{len(self.headers)} slice(s), too few for a volume",
                "Give the whole series.",
            )


def list_series(path: Path) -> tuple[SeriesInfo, ...]:
    """Return all image series of a DICOM folder, archive or the folder around a DICOM file.

    Raises
    ------
    InputError
        ``no-dicom``, or the archive cannot be read.
    """
    with reading(path), quiet_pydicom(), open_store(path) as store:
        found, damaged = headers(store)
        return tuple(series_info(key, stack) for key, stack in stacks(found, damaged).items())


def stacks(found: tuple[SliceHeader, ...], damaged: int) -> dict[str, SeriesStack]:
    """Group image headers into stacks; the keys count them by series number.

    Raises
    ------
    InputError
        ``no-dicom`` where there is no image, ``file-unreadable`` where all are damaged.
    """
    if not found:
        if damaged:
            raise file_unreadable("DICOM series", f"all of its {damaged} files are damaged")
        raise InputError(
            "no-dicom",
            "There are no DICOM images here.",
            do="Give the folder or zip archive of the CT slices, or name the NIfTI, NRRD or MHA file itself.",
        )
    groups: list[list[SliceHeader]] = []
    by_series: dict[str, list[list[SliceHeader]]] = {}
    for header in found:
        mine = by_series.setdefault(header.series_uid, [])
        group = next((group for group in mine if _belong(group[0], header)), None)
        if group is None:
            group = []
            mine.append(group)
            groups.append(group)
        group.append(header)
    groups.sort(key=_rank)
    return {str(n): SeriesStack(tuple(group)) for n, group in enumerate(groups, start=1)}


def choose(found: dict[str, SeriesStack], series: str | None) -> str:
    """Return the key of the stack to read: the one asked for, or the only usable CT.

    Raises
    ------
    UsageError
        ``series-unknown``.
    InputError
        ``several-series``, or why the only candidate cannot be read (``wrong-modality``, ...).
    """
    if series is not None:
        if series not in found:
            raise UsageError(
                "series-unknown",
                f"There is no series {series!r}; there are {_listing(found)}.",
                do="Give one of these keys as --series KEY.",
            )
        refusal = found[series].refusal()
        if refusal is not None:
            raise refusal
        return series
    refusals = {key: stack.refusal() for key, stack in found.items()}
    usable = [key for key, refusal in refusals.items() if refusal is None]
    if len(usable) > 1:
        raise InputError(
            "several-series",
            f"There are {len(usable)} CT series: {_listing({key: found[key] for key in usable})}.",
            do="Choose one with --series KEY: thin slices and a soft-tissue or standard kernel measure best.",
        )
    if usable:
        return usable[0]
    # Nothing can be read: give the reason of the candidate that came closest to being a CT.
    causes = [refusal for refusal in refusals.values() if refusal is not None]
    raise max(causes, key=lambda cause: NEARNESS.get(cause.code, 1))


NEARNESS = {
    "wrong-modality": 0,
    "localizer-only": 1,
    "no-orientation": 2,
    "not-hounsfield": 3,
    "too-few-slices": 4,
    "multi-frame-dicom": 5,
    "unsupported-transfer-syntax": 6,
}
"""How near a refused stack came to a usable CT."""


def series_info(key: str, stack: SeriesStack) -> SeriesInfo:
    """Return what may be shown of a stack."""
    first, refusal = stack.first, stack.refusal()
    spacing = None
    if first.pixel_spacing is not None and _sound(first):
        places = order_slices(stack.positions_lps_mm, stack.normal_lps).along_mm
        if len(places) > 1:
            row_mm, column_mm = first.pixel_spacing
            spacing = (column_mm, row_mm, round(float(np.median(np.diff(places))), 4))
    return SeriesInfo(
        key=key,
        modality=first.scan.modality,
        number=first.series_number,
        description=first.description,
        slices=max(len(stack.headers), first.frames),
        spacing_mm=spacing,
        kernel=first.scan.kernel,
        thickness_mm=first.scan.slice_thickness_mm,
        usable=refusal is None,
        note="" if refusal is None else refusal.what.removeprefix("This is ").rstrip("."),
    )


def decodable(transfer_syntax: str) -> bool:
    """Say whether the installed packages can decode pixels of a transfer syntax."""
    try:
        return bool(get_decoder(transfer_syntax).is_available)
    except NotImplementedError:
        return False


def _belong(a: SliceHeader, b: SliceHeader) -> bool:
    """Say whether two images of a series can stand in one stack."""
    alike = ("rows", "columns", "frame_uid", "localizer", "samples", "placed")
    if any(getattr(a, name) != getattr(b, name) for name in alike):
        return False
    if (a.frames > 1) != (b.frames > 1) or (a.scan.modality, a.scan.kernel) != (
        b.scan.modality,
        b.scan.kernel,
    ):
        return False
    if a.orientation is None or b.orientation is None or a.pixel_spacing is None or b.pixel_spacing is None:
        return a.orientation == b.orientation and a.pixel_spacing == b.pixel_spacing
    turned = np.abs(np.subtract(a.orientation, b.orientation)).max() > DIRECTION_TOLERANCE
    scaled = np.abs(np.subtract(a.pixel_spacing, b.pixel_spacing)).max() > SPACING_TOLERANCE * max(
        a.pixel_spacing
    )
    return not turned and not scaled


def _sound(header: SliceHeader) -> bool:
    """Say whether the stated place is whole: perpendicular unit vectors, a position, a voxel size."""
    if header.orientation is None or header.pixel_spacing is None or header.position is None:
        return False
    row, column = np.array(header.orientation).reshape(2, 3)
    off = (row @ row - 1.0, column @ column - 1.0, row @ column)
    return bool(np.abs(off).max() < DIRECTION_ROUNDING and min(header.pixel_spacing) > 0)


def _rank(group: list[SliceHeader]) -> tuple[object, ...]:
    first = group[0]
    number = first.series_number
    return (
        number is None,
        number or 0,
        first.series_uid,
        -len(group),
        first.rows,
        first.columns,
        first.orientation or (),
        first.frame_uid,
        first.scan.kernel or "",
    )


def _listing(found: dict[str, SeriesStack]) -> str:
    return "; ".join(f"[{series_info(key, stack).line()}]" for key, stack in found.items())


def _unusable(code: str, what: str, do: str) -> InputError:
    return InputError(code, f"This is {what}.", do=do)
