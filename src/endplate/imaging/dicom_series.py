"""Which series a folder or archive of DICOM files holds, and which of them is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endplate.errors import InputError, UsageError
from endplate.imaging.dicom_files import headers, open_store, quiet_pydicom
from endplate.imaging.dicom_stack import SeriesStack, flaw, stacks
from endplate.imaging.refusals import reading
from endplate.imaging.slices import order_slices


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
    first, refusal = stack.first, flaw(stack)
    spacing = None
    if first.pixel_spacing is not None and first.placed:
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


def _listing(found: dict[str, SeriesStack]) -> str:
    return "; ".join(f"[{series_info(key, stack).line()}]" for key, stack in found.items())
