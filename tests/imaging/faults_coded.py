"""Faults of compression and of enhanced multi-frame files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ct_maker import grid, make_slice, sample
from dicom_maker import (
    compress,
    slices_of,
    with_coded,
    write_enhanced,
)
from faults import AFFINE, DATA, ENHANCED, EVEN, SHAPE, SPACING, fault, recoded, series, twelve_signed
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


@fault("enhanced CT of two time points, one chosen", series="1", findings=("part-chosen",))
def enhanced_time_chosen(folder: Path) -> Path:
    return _two_times(folder)


@fault("enhanced CT whose frames have no place", "multi-frame-dicom")
def enhanced_without_groups(folder: Path) -> Path:
    def edit(ds: Any) -> None:
        del ds.PerFrameFunctionalGroupsSequence

    return write_enhanced(folder / "e.dcm", slices_of(DATA, AFFINE), edit=edit)
