"""Faults of where slices stand, of phases mixed, and of how the patient lies."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from ct_maker import grid, sample, write_series
from dicom_maker import (
    save,
    secondary_capture,
    slices_of,
    write_enhanced,
)
from faults import AFFINE, AXIAL, DATA, ENHANCED, SHAPE, SPACING, fault, series
from scipy.spatial.transform import Rotation

# Where the slices stand


def _tilted(degrees: float) -> tuple[np.ndarray, np.ndarray]:
    shape = (40, 44, 30)
    affine = np.eye(4)
    affine[:3, :3] = (Rotation.from_euler("x", degrees, degrees=True).as_matrix() @ AXIAL) * SPACING
    affine[:3, 2] = np.array([0, 0, SPACING[2] / math.cos(math.radians(degrees))])
    affine[:3, 3] = -affine[:3, :3] @ ((np.array(shape) - 1) / 2)
    return sample(affine, shape), affine


@fault("gantry tilted by 17°", "volume", findings=("gantry-tilt-resampled",))
def gantry_tilt(folder: Path) -> Path:
    data, affine = _tilted(17.0)
    return series(folder, lambda ds, k: setattr(ds, "GantryDetectorTilt", "-17"), data, affine)


@fault("enhanced CT with a tilted gantry", "volume", findings=("gantry-tilt-resampled",))
def enhanced_tilt(folder: Path) -> Path:
    return write_enhanced(folder / "e.dcm", slices_of(*_tilted(-12.0)))


def _at_heights(folder: Path, heights_mm: np.ndarray, **how: Any) -> Path:
    planes = []
    for height in heights_mm:
        place = AFFINE.copy()
        place[2, 3] = height
        planes.append(sample(place, (*SHAPE[:2], 1))[:, :, 0])
    heights = iter(heights_mm)

    def edit(ds: Any, k: int) -> None:
        ds.ImagePositionPatient[2] = f"{next(heights):.4f}"

    return write_series(folder, np.stack(planes, axis=-1), AFFINE, edit=edit, **how)


@fault("slices at unequal distances (1.6 to 2.4 mm)", "volume", findings=("irregular-slices-resampled",))
def irregular(folder: Path) -> Path:
    heights = AFFINE[2, 3] + 2.0 * np.arange(30) + 0.3 * np.sin(1.3 * np.arange(30))
    return _at_heights(folder, heights)


@fault("distance changes from 1 to 3 mm", "irregular-slices", says=("1:longest",))
def spacing_changes(folder: Path) -> Path:
    return _at_heights(folder, np.concatenate([np.arange(-25.0, 16.0), np.arange(18.0, 40.0, 3.0)]))


@fault(
    "distance changes, longest part asked for", "volume", series="1:longest", findings=("longest-part-read",)
)
def spacing_changes_longest(folder: Path) -> Path:
    return spacing_changes(folder)


@fault("a slice is missing", "missing-slice", says=("after slice 5", "1:longest"))
def missing_slice(folder: Path) -> Path:
    return series(folder, skip=(5,))


@fault(
    "a slice is missing, longest part asked for",
    series="1:longest",
    findings=("longest-part-read",),
    truth=DATA[:, :, 6:],
)
def missing_slice_longest(folder: Path) -> Path:
    return series(folder, skip=(5,))


@fault("table shifted sideways in the middle", "irregular-slices", says=("shifted sideways",))
def sideways(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.ImagePositionPatient[0] = float(ds.ImagePositionPatient[0]) + 4.0 * (k > 20)

    return series(folder, edit)


@fault("slices sent twice under new numbers", findings=("duplicates-dropped",))
def duplicates(folder: Path) -> Path:
    series(folder)
    for n, path in enumerate(sorted(folder.iterdir())[:4]):
        ds = pydicom.dcmread(path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.{n}"
        save(ds, folder / f"copy{n}")
    return folder


@fault("different slices at one place, nothing tells them apart", "mixed-series")
def mixed(folder: Path) -> Path:
    series(folder / "a")
    return series(folder / "b", data=ENHANCED).parent


def _phases(folder: Path, mark: Callable[[Any, int, int], None], affine: Any = AFFINE) -> Path:
    """Two phases under one series number."""
    for phase, (data, place) in enumerate(((DATA, AFFINE), (ENHANCED, affine))):

        def edit(ds: Any, k: int, phase: int = phase) -> None:
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.{phase}"
            mark(ds, k, phase)

        write_series(folder / f"{phase}", data, place, edit=edit)
    return folder


def _by_acquisition(ds: Any, k: int, phase: int) -> None:
    ds.AcquisitionNumber, ds.AcquisitionTime = phase + 3, f"1030{10 + 35 * phase:02d}"


@fault(
    "two phases in one series (acquisition number)",
    "several-series",
    says=("acquisition 1 of 2", "acquisition 2 of 2, 35 s after the first", "--series KEY", "measures best"),
)
def two_acquisitions(folder: Path) -> Path:
    return _phases(folder, _by_acquisition)


@fault("two phases in one series, the first chosen", series="1", findings=("part-chosen",))
def acquisition_chosen(folder: Path) -> Path:
    return _phases(folder, _by_acquisition)


@fault(
    "two phases in one series, the second chosen",
    series="2",
    findings=("part-chosen",),
    truth=ENHANCED,
)
def second_acquisition_chosen(folder: Path) -> Path:
    return _phases(folder, _by_acquisition)


@fault("two phases in one series (trigger time)", "several-series", says=("heart phase 2 of 2",))
def two_trigger_times(folder: Path) -> Path:
    return _phases(folder, lambda ds, k, phase: setattr(ds, "TriggerTime", 100 + 400 * phase))


@fault("two phases in one series (contrast agent)", "several-series", says=("contrast 2 of 2", "no contrast"))
def two_contrasts(folder: Path) -> Path:
    return _phases(
        folder, lambda ds, k, phase: setattr(ds, "ContrastBolusAgent", ("NONE", "Iopromide")[phase])
    )


@fault("two phases in one series (number of image alone)", "several-series", says=("phase 2 of 2",))
def two_runs(folder: Path) -> Path:
    return _phases(folder, lambda ds, k, phase: setattr(ds, "InstanceNumber", 1 + k + 30 * phase))


@fault("two acquisitions whose slices alternate", "several-series", says=("acquisition 2 of 2",))
def alternating(folder: Path) -> Path:
    shifted = AFFINE.copy()
    shifted[2, 3] += 1.0
    return _phases(folder, _by_acquisition, shifted)


@fault(
    "two acquisitions with a gap between them",
    "several-series",
    says=("acquisition 1 of 2", "measures best"),
)
def two_parts(folder: Path) -> Path:
    return series(folder, lambda ds, k: setattr(ds, "AcquisitionNumber", 1 + (k > 18)), skip=(17, 18))


@fault("acquisition number counts each slice", findings=())
def acquisition_counts(folder: Path) -> Path:
    return series(folder, lambda ds, k: setattr(ds, "AcquisitionNumber", k + 1))


@fault("acquisition number counts blocks of the table, as sequential scans do")
def acquisition_blocks(folder: Path) -> Path:
    return series(folder, lambda ds, k: setattr(ds, "AcquisitionNumber", 1 + k // 8))


@fault("slices without a place among the others", "missing-slice", says=("1 of 30 slices", "after slice 12"))
def some_without_place(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k == 12:
            del ds.ImagePositionPatient

    return series(folder, edit)


# Other images among the slices


@fault("localizer inside the series", findings=("localizers-dropped", "series-chosen"), truth=DATA[:, :, 1:])
def localizer(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k == 0:
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"]
            ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]

    return series(folder, edit)


@fault("two reformatted slices inside the series", findings=("images-left-out", "series-chosen"))
def reformats(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.ImageType = ["DERIVED", "SECONDARY", "MPR"]
        ds.ImageOrientationPatient = [0, 1, 0, 0, 0, -1]
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID}.9"

    series(folder / "a")
    return series(folder / "b", edit, data=DATA[:, :, :2]).parent


@fault(
    "reformatted series beside the original", "several-series", says=("[1: CT, 2024-03-10, Spine 2.0 B30f",)
)
def reformatted_series(folder: Path) -> Path:
    sagittal = grid(np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float).T, SPACING, SHAPE)
    series(folder / "a")
    return series(
        folder / "b",
        lambda ds, k: setattr(ds, "ImageType", ["DERIVED", "SECONDARY", "MPR"]),
        sample(sagittal, SHAPE),
        sagittal,
        series=2,
    ).parent


@fault("screenshots and a dose page in the folder", findings=("pictures-skipped", "series-chosen"))
def screenshots(folder: Path) -> Path:
    series(folder / "ct")
    secondary_capture(folder / "shot.dcm")
    return secondary_capture(folder / "dose.dcm", series=91, modality="CT").parent


@fault("slices of another matrix size", findings=("images-left-out", "series-chosen"))
def matrix_sizes(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.Rows, ds.Columns = SHAPE[1] // 2, SHAPE[0] * 2

    series(folder / "a")
    return series(folder / "b", edit, data=DATA[:, :, :2]).parent


# How the patient lies


def _lying(position: str, roll_deg: float, feet_first: bool) -> None:
    """A patient on the table: the picture stays that of the scanner, the patient turns in it."""
    turned = Rotation.from_euler("z", roll_deg, degrees=True).as_matrix() @ AXIAL
    if feet_first:
        turned = np.diag([-1.0, 1.0, -1.0]) @ turned
    affine = grid(turned, SPACING, (40, 40, 34))

    def make(folder: Path) -> Path:
        return series(
            folder,
            lambda ds, k: setattr(ds, "PatientPosition", position),
            sample(affine, (40, 40, 34)),
            affine,
        )

    make.__name__ = f"position_{position.lower()}"
    fault(f"patient position {position}", "volume", position=position)(make)


for _position, _roll in (("S", 0.0), ("P", 180.0), ("DR", 90.0), ("DL", -90.0)):
    _lying(f"HF{_position}", _roll, False)
    _lying(f"FF{_position}", -_roll, True)


def _oriented(name: str, words: str, rotation: Any) -> None:
    affine = grid(rotation, (1.6, 1.8, 1.5), (50, 50, 48))

    def make(folder: Path) -> Path:
        return series(folder, None, sample(affine, (50, 50, 48)), affine)

    make.__name__ = name
    fault(words, "volume")(make)


_oriented(
    "rows_flipped", "rows run from left to right", np.array([[1, 0, 0], [0, -1, 0], [0, 0, -1]], float).T
)
_oriented(
    "columns_flipped",
    "columns run from back to front",
    np.array([[-1, 0, 0], [0, 1, 0], [0, 0, -1]], float).T,
)
_oriented("sagittal", "sagittal stack", np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float).T)
_oriented("coronal", "coronal stack", np.array([[-1, 0, 0], [0, 0, -1], [0, -1, 0]], float).T)
_oriented(
    "oblique",
    "oblique stack, pixels not square",
    Rotation.from_euler("xyz", [11, -7, 19], degrees=True).as_matrix() @ AXIAL,
)
