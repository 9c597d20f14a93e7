"""The matrix of what is wrong with the files of hospitals: each fault is made here, with what must come of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ct_maker import BALL_RAS_MM, MARKER_RAS_MM, found_centres, grid, make_slice, sample, write_series
from dicom_maker import (
    compress,
    save,
)
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from endplate.errors import EndplateError
from endplate.imaging.read import read_image

SHAPE = (40, 34, 30)
SPACING = (2.0, 2.0, 2.0)
AXIAL = np.array([[-1, 0, 0], [0, -1, 0], [0, 0, 1]], float).T
AFFINE = grid(AXIAL, SPACING, SHAPE)
DATA = sample(AFFINE, SHAPE)
EVEN = (DATA // 2 * 2).astype(np.int16)
ENHANCED = np.where(DATA > 20, DATA + 60, DATA).astype(np.int16)
"""The same body in another phase."""


@dataclass(frozen=True)
class Fault:
    """One kind of dirty input.

    ``result`` is ``"exact"`` (every voxel), ``"volume"`` (right in place to 0.1 mm) or the code of a refusal;
    ``findings`` and ``says`` (words of the refusal) must be among what is told.
    """

    name: str
    words: str
    make: Callable[[Path], Path]
    result: str
    series: str | None = None
    findings: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    position: str | None = None
    truth: Any = None

    @property
    def refused(self) -> bool:
        return self.result not in ("exact", "volume")


@dataclass(frozen=True)
class Outcome:
    """What came of a fault: error in mm, or the refusal; ``wrong`` says in what it misses."""

    what: str
    error_mm: float | None
    wrong: str


FAULTS: dict[str, Fault] = {}


def fault(words: str, result: str = "exact", **how: Any) -> Callable[[Any], Any]:
    """Register a maker under its own name."""

    def register(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        FAULTS[make.__name__] = Fault(make.__name__, words, make, result, **how)
        return make

    return register


def meet(fault: Fault, folder: Path) -> Outcome:
    """Make the files, read them, and compare with what must come of it."""
    path = fault.make(folder)
    try:
        volume = read_image(path, series=fault.series)
    except EndplateError as error:
        wrong = [] if error.code == fault.result else [f"refused with {error.code}: {error.what}"]
        told = f"{error.what} {error.do}"
        wrong += [f"does not say {words!r}" for words in fault.says if words not in told]
        wrong += [] if error.what and error.do and error.intact else ["no remedy"]
        return Outcome(f"refused: {error.code}", None, "; ".join(wrong))
    wrong = [f"read instead of {fault.result}"] if fault.refused else []
    ball, marker = found_centres(volume)
    error_mm = max(float(np.linalg.norm(ball - BALL_RAS_MM)), float(np.linalg.norm(marker - MARKER_RAS_MM)))
    if error_mm > 0.1:
        wrong.append(f"{error_mm:.3f} mm off")
    truth = DATA if fault.truth is None else fault.truth
    if fault.result == "exact" and not (volume.shape == truth.shape and np.array_equal(volume.data, truth)):
        wrong.append("voxels differ")
    codes = tuple(found.code for found in volume.findings)
    if set(codes) != set(fault.findings):
        wrong.append(f"findings {codes}")
    if fault.position is not None and volume.scan.patient_position != fault.position:
        wrong.append(f"position {volume.scan.patient_position}")
    what = "every voxel" if fault.result == "exact" else "right volume"
    return Outcome(what + (f", told: {', '.join(codes)}" if codes else ""), error_mm, "; ".join(wrong))


def series(folder: Path, edit: Any = None, data: Any = DATA, affine: Any = AFFINE, **how: Any) -> Path:
    return write_series(folder, data, affine, edit=edit, **how)


def recoded(folder: Path, syntax: str, edit: Any = None, **how: int) -> Path:
    """The series in another transfer syntax."""
    for k in range(SHAPE[2]):
        ds = make_slice(DATA[:, :, k], AFFINE, k)
        if edit is not None:
            edit(ds, k)
        if syntax == ExplicitVRBigEndian:
            ds.PixelData = np.frombuffer(ds.PixelData, "<u2").astype(">u2").tobytes()
            ds["PixelData"].VR = "OW"
        if syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian):
            ds.file_meta.TransferSyntaxUID = syntax
        else:
            compress(ds, syntax, **how)
        save(ds, folder / f"{k}")
    return folder


def twelve_signed(ds: Any, k: int) -> None:
    """Twelve bits, signed, as some scanners store Hounsfield units themselves."""
    ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.RescaleIntercept = 12, 11, 1, 0
    ds.PixelData = DATA[:, :, k].T.astype("<i2").tobytes()
