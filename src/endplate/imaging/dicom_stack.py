"""Images of one series that can stand in one stack, and why some of them cannot be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from endplate.errors import InputError
from endplate.imaging.compressed import decodable, known
from endplate.imaging.dicom_files import Found
from endplate.imaging.dicom_headers import SliceHeader
from endplate.imaging.dicom_phases import split_phases
from endplate.imaging.geometry import FloatArray
from endplate.imaging.refusals import file_unreadable, wrong_modality
from endplate.imaging.slices import Stack, longest_run, order_slices, place_slices
from endplate.sources import value

DIRECTION_TOLERANCE = 1e-3
"""Two images lie in one direction when no direction cosine differs by more."""

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
class SeriesStack:
    """Images of one series that share size, direction, voxel size, frame of reference and kernel.

    ``part`` says which phase or acquisition of the series they are, empty where it has one only.
    """

    headers: tuple[SliceHeader, ...]
    part: str = ""

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

    @property
    def order(self) -> Stack:
        """The images in order along their normal."""
        return order_slices(self.positions_lps_mm, self.normal_lps)

    @property
    def length_mm(self) -> float:
        """Distance of the first slice from the last."""
        along = self.order.along_mm
        return along[-1] - along[0]

    def longest(self) -> SeriesStack | None:
        """Return the longest part without a gap or a change of distance; ``None`` where there is none."""
        groups = self.order.groups
        run = longest_run(self.positions_lps_mm[[group[0] for group in groups]], self.normal_lps)
        if run is None:
            return None
        kept = sorted(index for group in groups[slice(*run)] for index in group)
        return SeriesStack(tuple(self.headers[index] for index in kept), self.part)

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
        if first.samples != 1 or not first.placed:
            yield _unusable(
                "no-orientation",
                "a picture without a place in the patient (a screenshot or report)",
                "Give the original CT series.",
            )
        syntaxes = {header.transfer_syntax for header in self.headers}
        if not all(decodable(syntax) for syntax in syntaxes):
            export = "xport the series uncompressed (Explicit VR Little Endian)."
            install = "Install the decoders (pip install 'endplate[dicom]'), or e"
            yield _unusable(
                "unsupported-transfer-syntax",
                "compressed in a way that the installed packages cannot decode",
                (install if all(known(syntax) for syntax in syntaxes) else "E") + export,
            )
        if not all(
            header.rescale is not None and header.rescale_type in HOUNSFIELD_TYPES for header in self.headers
        ):
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


def flaw(stack: SeriesStack) -> InputError | None:
    """Return why reading this stack would fail before a pixel is decoded: its kind, or where its slices stand."""
    refusal = stack.refusal()
    if refusal is not None:
        return refusal
    groups = stack.order.groups
    if len(groups) < value("imaging.min_slices"):
        return _unusable("too-few-slices", "a stack of slices at one place", "Give the whole CT series.")
    try:
        place_slices(stack.positions_lps_mm[[group[0] for group in groups]], stack.normal_lps)
    except InputError as irregular:
        return irregular
    return None


def stacks(found: Found) -> dict[str, SeriesStack]:
    """Group image headers into stacks; the keys count them by series number.

    Raises
    ------
    InputError
        ``no-dicom`` where there is no image, ``file-unreadable`` where all are damaged, ``disc-incomplete``
        where a DICOMDIR lists images and none is there.
    """
    if not found.headers:
        raise _nothing(found)
    groups: list[list[SliceHeader]] = []
    by_series: dict[str, list[list[SliceHeader]]] = {}
    for header in found.headers:
        mine = by_series.setdefault(header.series_uid, [])
        group = next((group for group in mine if _belong(group[0], header)), None)
        if group is None:
            group = []
            mine.append(group)
            groups.append(group)
        group.append(header)
    groups.sort(key=_rank)
    parts = [part for group in groups for part in split_phases(group)]
    return {str(n): SeriesStack(tuple(part), words) for n, (part, words) in enumerate(parts, start=1)}


def _nothing(found: Found) -> InputError:
    if found.damaged:
        return file_unreadable("DICOM series", f"all of its {found.damaged} files are damaged")
    if found.listed:
        count = sum(len(images) for images in found.listed.values())
        return InputError(
            "disc-incomplete",
            f"The DICOMDIR lists {count} images, and none of them is there.",
            do="Copy the whole disc with all its folders, not the DICOMDIR alone.",
        )
    return InputError(
        "no-dicom",
        "There are no DICOM images here.",
        do="Give the folder or zip archive of the CT slices, or name the NIfTI, NRRD or MHA file itself.",
    )


def _belong(a: SliceHeader, b: SliceHeader) -> bool:
    """Say whether two images of a series can stand in one stack."""
    alike = ("rows", "columns", "localizer", "samples", "placed")
    if any(getattr(a, name) != getattr(b, name) for name in alike):
        return False
    if a.frame_uid and b.frame_uid and a.frame_uid != b.frame_uid:
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


def _unusable(code: str, what: str, do: str) -> InputError:
    return InputError(code, f"This is {what}.", do=do)
