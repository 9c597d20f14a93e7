"""The matrix of what is wrong with the files of hospitals: each fault is made here, with what must come of it."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from ct_maker import BALL_RAS_MM, MARKER_RAS_MM, found_centres, grid, make_slice, sample, write_series
from dicom_maker import (
    compress,
    save,
    secondary_capture,
    slices_of,
    with_coded,
    write_disc,
    write_enhanced,
    write_zip,
)
from pydicom.dataset import Dataset
from pydicom.uid import (
    MPEG2MPML,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from scipy.spatial.transform import Rotation

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


# Compression


@fault("implicit VR little endian")
def implicit(folder: Path) -> Path:
    return recoded(folder, ImplicitVRLittleEndian)


@fault("explicit VR big endian (retired)")
def big_endian(folder: Path) -> Path:
    return recoded(folder, ExplicitVRBigEndian)


@fault("deflated explicit VR")
def deflated(folder: Path) -> Path:
    return recoded(folder, DeflatedExplicitVRLittleEndian)


@fault("RLE lossless")
def rle(folder: Path) -> Path:
    return recoded(folder, RLELossless)


@fault("JPEG lossless, first-order prediction")
def jpeg_lossless_sv1(folder: Path) -> Path:
    return recoded(folder, JPEGLosslessSV1)


@fault("JPEG lossless process 14, predictor 7, 12 bits signed, restarts")
def jpeg_lossless_signed(folder: Path) -> Path:
    return recoded(folder, JPEGLossless, twelve_signed, restart_rows=10)


@fault("JPEG-LS lossless")
def jpeg_ls(folder: Path) -> Path:
    return recoded(folder, JPEGLSLossless)


@fault("JPEG-LS near-lossless", "volume", findings=("lossy-compression",))
def jpeg_ls_near(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.LossyImageCompression = "01"

    return recoded(folder, JPEGLSNearLossless, edit, jls_error=2)


@fault("JPEG 2000 lossless")
def jpeg_2000(folder: Path) -> Path:
    return recoded(folder, JPEG2000Lossless)


@fault("JPEG 2000 lossless, 12 bits signed")
def jpeg_2000_signed(folder: Path) -> Path:
    return recoded(folder, JPEG2000Lossless, twelve_signed)


@fault("JPEG baseline, 8 bits, with loss", "volume", findings=("lossy-compression",))
def jpeg_baseline(folder: Path) -> Path:
    return recoded(folder, JPEGBaseline8Bit)


@fault("MPEG-2 in a CT series", "unsupported-transfer-syntax", says=("Export the series uncompressed",))
def mpeg(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        with_coded(ds, MPEG2MPML, [b"\x00\x00\x01\xb3" + bytes(60)])

    return series(folder, edit)


@fault("code stream of another size than the header", "file-truncated")
def coded_size_differs(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        compress(ds, JPEG2000Lossless)
        ds.Rows, ds.Columns = ds.Rows * 2, ds.Columns * 2

    return series(folder, edit)


# Enhanced multi-frame


@fault("enhanced CT, one file")
def enhanced(folder: Path) -> Path:
    return write_enhanced(folder / "e.dcm", slices_of(DATA, AFFINE)).parent


@fault("enhanced CT, frames out of order, scaling per frame", truth=EVEN)
def enhanced_shuffled(folder: Path) -> Path:
    planes = slices_of(EVEN, AFFINE)
    order = np.random.default_rng(5).permutation(len(planes))
    scales = [(2.0, -1024.0 - 2 * n) for n in range(len(planes))]
    return write_enhanced(folder / "e.dcm", [planes[n] for n in order], rescales=scales)


@fault("enhanced CT, JPEG lossless")
def enhanced_jpeg(folder: Path) -> Path:
    return write_enhanced(folder / "e.dcm", slices_of(DATA, AFFINE), syntax=JPEGLosslessSV1)


@fault("enhanced CT, JPEG 2000")
def enhanced_jpeg_2000(folder: Path) -> Path:
    return write_enhanced(folder / "e.dcm", slices_of(DATA, AFFINE), syntax=JPEG2000Lossless)


def _two_stacks(folder: Path) -> Path:
    sagittal = grid(np.array([[0, -1, 0], [0, 0, -1], [1, 0, 0]], float).T, SPACING, SHAPE)
    planes = slices_of(DATA, AFFINE) + slices_of(sample(sagittal, SHAPE)[:, :, :8], sagittal)

    def edit(frame: Dataset, number: int) -> None:
        frame.FrameContentSequence[0].StackID = "1" if number < SHAPE[2] else "2"

    def own_orientation(ds: Any) -> None:
        for number, frame in enumerate(ds.PerFrameFunctionalGroupsSequence):
            item = Dataset()
            source = make_slice(planes[number][0], planes[number][1], 0)
            item.ImageOrientationPatient = source.ImageOrientationPatient
            frame.PlaneOrientationSequence = [item]

    return write_enhanced(folder / "e.dcm", planes, edit=own_orientation, edit_frame=edit)


@fault("enhanced CT of two stacks", "several-series", says=("--series KEY", "8 images"))
def enhanced_two_stacks(folder: Path) -> Path:
    return _two_stacks(folder)


@fault("enhanced CT of two stacks, one chosen", series="1", findings=("images-left-out",))
def enhanced_stack_chosen(folder: Path) -> Path:
    return _two_stacks(folder)


def _two_times(folder: Path) -> Path:
    planes = [
        plane
        for pair in zip(slices_of(DATA, AFFINE), slices_of(ENHANCED, AFFINE), strict=True)
        for plane in pair
    ]

    def edit(frame: Dataset, number: int) -> None:
        frame.FrameContentSequence[0].TemporalPositionIndex = number % 2 + 1
        frame.FrameContentSequence[0].FrameAcquisitionDateTime = f"2024031010{30 + number % 2:02d}00"

    return write_enhanced(folder / "e.dcm", planes, edit_frame=edit)


@fault(
    "enhanced CT of two time points",
    "several-series",
    says=("time point 1 of 2", "time point 2 of 2, 60 s after the first"),
)
def enhanced_two_times(folder: Path) -> Path:
    return _two_times(folder)


@fault("enhanced CT of two time points, one chosen", series="1", findings=("images-left-out",))
def enhanced_time_chosen(folder: Path) -> Path:
    return _two_times(folder)


@fault("enhanced CT whose frames have no place", "multi-frame-dicom")
def enhanced_without_groups(folder: Path) -> Path:
    def edit(ds: Any) -> None:
        del ds.PerFrameFunctionalGroupsSequence

    return write_enhanced(folder / "e.dcm", slices_of(DATA, AFFINE), edit=edit)


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


@fault("two phases in one series, the first chosen", series="1", findings=("images-left-out",))
def acquisition_chosen(folder: Path) -> Path:
    return _phases(folder, _by_acquisition)


@fault(
    "two phases in one series, the second chosen",
    series="2",
    findings=("images-left-out",),
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


# What the values mean


@fault("slope and intercept differ from slice to slice", truth=EVEN)
def rescale_per_slice(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k % 2:
            ds.RescaleSlope, ds.RescaleIntercept = 2, -2000
            ds.PixelData = ((EVEN[:, :, k].T.astype(int) + 2000) // 2).astype("<u2").tobytes()

    return series(folder, edit, EVEN)


HOLED = DATA.copy()
HOLED[-2:] = -1024


@fault("padding range above the scale", findings=("padding-to-air",), truth=HOLED)
def padding(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        stored = (DATA[:, :, k].T.astype(int) + 1024).astype("<u2")
        stored[:, -2], stored[:, -1] = 63536, 63000
        ds.PixelData = stored.tobytes()
        ds.add_new("PixelPaddingValue", "US", 63536)
        ds.add_new("PixelPaddingRangeLimit", "US", 63000)

    return series(folder, edit)


@fault("signed values, padding stated unsigned", findings=("padding-to-air",), truth=HOLED)
def signed(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        stored = DATA[:, :, k].T.astype("<i2")
        stored[:, -2:] = -2000
        ds.PixelRepresentation, ds.RescaleIntercept = 1, 0
        ds.PixelData = stored.tobytes()
        ds.add_new("PixelPaddingValue", "US", 65536 - 2000)

    return series(folder, edit)


@fault("overlay in the bits above the value")
def overlay_bits(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.BitsStored, ds.HighBit = 12, 11
        stored = DATA[:, :, k].T.astype(int) + 1024
        stored[::3] |= 0x9000
        ds.PixelData = stored.astype("<u2").tobytes()

    return series(folder, edit)


@fault("twelve bits, signed", truth=DATA)
def twelve_bits_signed(folder: Path) -> Path:
    return series(folder, twelve_signed)


@fault("no rescaling stated", "not-hounsfield")
def no_rescale(folder: Path) -> Path:
    return series(folder, lambda ds, k: delattr(ds, "RescaleSlope"))


# Oddities of the files


def _bytes_edited(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    series(folder)
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))
    return folder


@fault("private elements with a type that DICOM does not have")
def private_bad_type(folder: Path) -> Path:
    private = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x01\x10ZZ\x06\x00\x01\x02\x03\x04\x05\x06"
    mark = b"\x10\x00\x10\x00PN"
    return _bytes_edited(folder, lambda whole: whole.replace(mark, private + mark, 1))


@fault("a private element without a type")
def private_no_type(folder: Path) -> Path:
    private = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x02\x10\x04\x00\x00\x00\x07\x07\x07\x07"
    mark = b"\x10\x00\x10\x00PN"
    return _bytes_edited(folder, lambda whole: whole.replace(mark, private + mark, 1))


@fault("a character set that nobody knows")
def character_set(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.SpecificCharacterSet = "ISO_IR 999"

    return series(folder, edit)


@fault("optional elements left out, image type empty")
def sparse_header(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        for name in (
            "InstanceNumber SeriesNumber SeriesDescription KVP Manufacturer ConvolutionKernel PatientPosition "
            "SliceThickness FrameOfReferenceUID RescaleType SamplesPerPixel PhotometricInterpretation "
            "BitsStored HighBit PatientName PatientID PatientBirthDate PatientSex StudyDate StudyInstanceUID"
        ).split():
            delattr(ds, name)
        ds.ImageType = ""

    return series(folder, edit)


@fault("no series number and no series identifier")
def no_series_uid(folder: Path) -> Path:
    return series(folder, lambda ds, k: delattr(ds, "SeriesInstanceUID"))


@fault("frame of reference in some slices only")
def some_frames_of_reference(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k % 3 == 0:
            del ds.FrameOfReferenceUID

    return series(folder, edit)


@fault("pixel data longer than the image")
def long_pixels(folder: Path) -> Path:
    return series(folder, lambda ds, k: setattr(ds, "PixelData", ds.PixelData + bytes(38)))


@fault("pixel data shorter than the image", "file-truncated", says=("slice 8 of 30",))
def short_pixels(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k == 7:
            ds.PixelData = ds.PixelData[:-80]

    return series(folder, edit)


@fault("bytes behind the image")
def trailing_bytes(folder: Path) -> Path:
    return _bytes_edited(folder, lambda whole: whole + b"\x00" * 100 + b"\xff\x13junk" * 9)


@fault("no preamble")
def no_preamble(folder: Path) -> Path:
    series(folder)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        del ds.file_meta
        ds.preamble = None
        with path.open("wb") as file:
            pydicom.dcmwrite(file, ds, implicit_vr=True, little_endian=True)
    return folder


# Discs and archives


@fault("a disc with DICOMDIR, nested files without suffix")
def disc(folder: Path) -> Path:
    return write_disc(folder / "cd", series(folder / "src"))


@fault("path of the DICOMDIR itself")
def disc_by_its_list(folder: Path) -> Path:
    return disc(folder) / "DICOMDIR"


@fault("a disc whose last files are lost", findings=("disc-files-missing",), truth=DATA[:, :, :27])
def disc_cut(folder: Path) -> Path:
    cd = disc(folder)
    for path in [path for path in cd.rglob("*") if path.is_file() and path.name != "DICOMDIR"]:
        if pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber > 27:
            path.unlink()
    return cd


@fault("a DICOMDIR alone", "disc-incomplete", says=("lists 30 images", "whole disc"))
def disc_list_alone(folder: Path) -> Path:
    alone = folder / "alone" / "DICOMDIR"
    alone.parent.mkdir(parents=True)
    return (disc(folder) / "DICOMDIR").rename(alone)


def _export(folder: Path) -> Path:
    """A PACS export: two studies, a list, a viewer, junk."""
    series(folder / "a")
    series(
        folder / "b",
        lambda ds, k: (
            setattr(ds, "StudyInstanceUID", "1.2.3.4.5"),
            setattr(ds, "StudyDate", "20230110"),
            setattr(ds, "ConvolutionKernel", "B70f"),
        ),
        series=2,
    )
    cd = write_disc(folder / "cd", folder / "a", folder / "b")
    return write_zip(
        folder / "x.zip",
        cd,
        VIEWER__viewer_exe=b"MZ" + bytes(5000),
        AUTORUN_INF=b"[autorun]\r\nopen=viewer",
        **{"__MACOSX__._IM0": b"\x00\x05\x16\x07", "IHE_PDI__INDEX.HTM": b"<html>Mustermann</html>"},
    )


@fault(
    "zip of a PACS export with two studies",
    "several-series",
    says=("2024-03-10", "2023-01-10", "kernel B30f, ← measures best"),
)
def export_zip(folder: Path) -> Path:
    return _export(folder)


@fault("zip of a PACS export, one series chosen", series="1")
def export_chosen(folder: Path) -> Path:
    return _export(folder)


@fault("zip whose names lead out of the folder")
def traversal_zip(folder: Path) -> Path:
    source = series(folder / "src")
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.iterdir()):
            archive.write(file, f"../../../outside/{file.name}")
    return path


@fault("locked zip", "file-unsupported", says=("password", "give the folder"))
def locked_zip(folder: Path) -> Path:
    path = write_zip(folder / "x.zip", series(folder / "src"))
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            raw[at + offset] |= 1
    path.write_bytes(raw)
    return path


@fault("zip that claims to unpack to 20 GB", "archive-too-large")
def bomb_zip(folder: Path) -> Path:
    path = folder / "x.zip"
    series(folder / "src")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((folder / "src").iterdir()):
            archive.write(file, file.name)
        archive.filelist[3].file_size = 20_000_000_000
    return path


@fault("damaged zip", "file-unreadable")
def damaged_zip(folder: Path) -> Path:
    path = write_zip(folder / "x.zip", series(folder / "src"))
    path.write_bytes(path.read_bytes()[:-300])
    return path
