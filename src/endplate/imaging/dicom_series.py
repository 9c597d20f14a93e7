"""Which series a folder or archive of DICOM files holds, and which of them is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endplate.errors import InputError, UsageError
from endplate.imaging.dicom_files import headers, open_store, quiet_pydicom
from endplate.imaging.dicom_stack import SeriesStack, flaw, stacks
from endplate.imaging.refusals import reading
from endplate.imaging.series_rank import best_of

LONGEST = ":longest"
"""Behind a key: read the longest part of the series without a gap."""


LINE_UNITS = {"voxel mm": "mm", "length mm": "mm long", "thick mm": "mm thick"}
"""Lengths in a line of text: column of the table and the words behind its number."""


@dataclass(frozen=True)
class SeriesInfo:
    """One series (or one of several stacks of slices in a series), with nothing that names the patient.

    Parameters
    ----------
    key:
        What to pass as ``series``; the same for the same files.
    modality, number, study_date, description, kernel:
        As the files say; the description is left out where it holds a word of the patient.
    part:
        Which phase or acquisition of a series that holds several.
    slices:
        Number of images.
    spacing_mm:
        Distance of columns, rows and slices (median); ``None`` where the files do not say.
    length_mm:
        How far the slices reach.
    thickness_mm:
        Slice thickness.
    contrast:
        Whether the files name a contrast agent; ``None`` where they say nothing.
    best:
        Of several series the usable one that measures best (original, long, soft kernel, thin).
    usable, note:
        Whether it can be read, and if not why.
    """

    key: str
    modality: str | None
    number: int | None
    study_date: str | None
    description: str
    part: str
    slices: int
    spacing_mm: tuple[float, float, float] | None
    length_mm: float | None
    thickness_mm: float | None
    kernel: str | None
    contrast: bool | None
    best: bool
    usable: bool
    note: str

    def cells(self) -> dict[str, str]:
        """Return the row of a table shown to the user, by column."""
        return {
            "key": self.key + (" ←" if self.best else ""),
            "date": self.study_date or "",
            "series": ", ".join(part for part in (self.modality or "?", self.description, self.part) if part),
            "images": str(self.slices),
            "voxel mm": "" if self.spacing_mm is None else " × ".join(f"{mm:.2f}" for mm in self.spacing_mm),
            "thick mm": f"{self.thickness_mm:.4g}" if self.thickness_mm else "",
            "length mm": f"{self.length_mm:.0f}" if self.length_mm else "",
            "kernel": self.kernel or "",
            "contrast": "" if self.contrast is None else "yes" if self.contrast else "no",
            "remark": self.note,
        }

    def line(self) -> str:
        """Return one line for a list shown to the user."""
        cells = self.cells()
        contrast = {"yes": "contrast", "no": "no contrast"}.get(cells["contrast"], "")
        parts = [self.modality or "?", cells["date"], self.description, self.part, f"{self.slices} images"]
        parts += [f"{cells[name]} {unit}" for name, unit in LINE_UNITS.items() if cells[name]]
        parts += [f"kernel {self.kernel}" if self.kernel else "", contrast, self.note]
        parts.append("← measures best" if self.best else "")
        return f"{self.key}: " + ", ".join(part for part in parts if part)


def list_series(path: Path) -> tuple[SeriesInfo, ...]:
    """Return all image series of a DICOM folder, archive or the folder around a DICOM file.

    Raises
    ------
    InputError
        ``no-dicom``, or the archive cannot be read.
    """
    with reading(path), quiet_pydicom(), open_store(path) as store:
        return described(stacks(headers(store)))


def described(found: Mapping[str, SeriesStack]) -> tuple[SeriesInfo, ...]:
    """Return what may be shown of each stack; the best of several usable ones is marked."""
    usable = {key: stack for key, stack in found.items() if flaw(stack) is None}
    best = best_of(usable) if len(found) > 1 else None
    return tuple(series_info(key, stack, best=key == best) for key, stack in found.items())


def choose(found: Mapping[str, SeriesStack], series: str | None) -> tuple[str, SeriesStack]:
    """Return key and stack to read: the one asked for, or the only usable CT.

    A key with ``LONGEST`` behind it stands for the longest part of its stack without a gap.

    Raises
    ------
    UsageError
        ``series-unknown``.
    InputError
        ``several-series``, or why the only candidate cannot be read (``wrong-modality``, ...).
    """
    if series is not None:
        key = series.removesuffix(LONGEST)
        if key not in found:
            raise UsageError(
                "series-unknown",
                f"There is no series {series!r}; there are {_listing(found)}.",
                do="Give one of these keys as --series KEY.",
            )
        refusal = found[key].refusal()
        if refusal is not None:
            raise refusal
        part = found[key].longest() if series.endswith(LONGEST) else None
        return key, found[key] if part is None else part
    refusals = {key: stack.refusal() for key, stack in found.items()}
    usable = [key for key, refusal in refusals.items() if refusal is None]
    if len(usable) > 1:
        raise InputError(
            "several-series",
            f"There are {len(usable)} CT series: {_listing({key: found[key] for key in usable})}.",
            do="Choose one with --series KEY: thin slices and a soft-tissue or standard kernel measure best.",
        )
    if usable:
        return usable[0], found[usable[0]]
    # Nothing can be read: give the reason of the candidate that came closest to being a CT.
    causes = [refusal for refusal in refusals.values() if refusal is not None]
    raise max(causes, key=lambda cause: NEARNESS.get(cause.code, 1))


def offer_part(error: InputError, key: str, stack: SeriesStack) -> InputError:
    """Return the refusal of a stack with gaps, its remedy naming the longest part that can be read."""
    part = stack.longest()
    if part is None:
        return error
    return InputError(
        error.code,
        error.what,
        intact=error.intact,
        do=f"{error.do} Or read the longest part without a gap ({len(part.headers)} slices, "
        f"{part.length_mm:.0f} mm) with --series {key}{LONGEST}.",
    )


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


def series_info(key: str, stack: SeriesStack, *, best: bool = False) -> SeriesInfo:
    """Return what may be shown of a stack."""
    first, refusal = stack.first, flaw(stack)
    spacing = length = None
    if first.pixel_spacing is not None and first.placed:
        places = stack.order.along_mm
        if len(places) > 1:
            row_mm, column_mm = first.pixel_spacing
            spacing = (column_mm, row_mm, round(float(np.median(np.diff(places))), 4))
            length = round(places[-1] - places[0], 1)
    return SeriesInfo(
        key=key,
        modality=first.scan.modality,
        number=first.series_number,
        study_date=first.scan.study_date,
        description=first.description,
        part=stack.part,
        slices=max(len(stack.headers), first.frames),
        spacing_mm=spacing,
        length_mm=length,
        thickness_mm=first.scan.slice_thickness_mm,
        kernel=first.scan.kernel,
        contrast=first.scan.contrast_agent,
        best=best,
        usable=refusal is None,
        note="" if refusal is None else refusal.what.removeprefix("This is ").rstrip("."),
    )


def _listing(found: Mapping[str, SeriesStack]) -> str:
    return "; ".join(f"[{info.line()}]" for info in described(found))
