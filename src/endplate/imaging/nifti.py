"""NIfTI files (.nii, .nii.gz) into stored images."""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError

from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray, corner_points_mm, voxel_sizes_mm
from endplate.imaging.refusals import (
    file_truncated,
    file_unreadable,
    file_unsupported,
    no_orientation,
    not_three_dimensional,
)
from endplate.imaging.stored import StoredImage, placed, read_voxels, sha256_of
from endplate.imaging.volume import ScanInfo
from endplate.sources import Finding, finding, value

KIND = "NIfTI file"

HEADER_CLASSES: dict[int, Any] = {348: nibabel.Nifti1Header, 540: nibabel.Nifti2Header}
"""Header class by the size that the first four bytes state."""

GZIP_MAGIC = b"\x1f\x8b"

SINGLE_FILE_MAGICS = ("n+1", "n+2")

MM_PER_UNIT = {0: 1.0, 1: 1000.0, 2: 1.0, 3: 0.001}
"""Unit code of space → mm; 0 (not stated) is mm, the custom of every tool that leaves it out."""

SPACING_AGREEMENT = 0.01
"""Relative difference between the two statements of voxel size from which on the user is told."""


def read_nifti(path: Path) -> StoredImage:
    """Read one NIfTI file of one 3-D image.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``, ``file-unsupported``, ``not-three-dimensional``,
        ``no-orientation`` (neither sform nor qform), ``orientation-conflict`` (they mirror each other),
        ``singular-affine``, ``spacing-implausible``, ``image-too-large``.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        header = _header(file, packed)
        shape = _shape(header)
        dtype, slope, intercept, offset = _layout(header)
        affine, found = _affine(header, shape)
        file.seek(0)
        encoding = "deflate" if packed else "raw"
        data = read_voxels(file, dtype, shape, kind=KIND, bytes_left=size, encoding=encoding, skip=offset)
    return StoredImage(data, affine, slope, intercept, ScanInfo("NIfTI", sha256_of(path)), found)


def looks_like_nifti(start: bytes) -> bool:
    """Say whether a file begins as NIfTI does, packed or not."""
    sizes = {int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")}
    return start[:2] == GZIP_MAGIC or bool(sizes & set(HEADER_CLASSES))


def _header(file: BinaryIO, packed: bool) -> Any:
    """Parse the header without nibabel's repairs: they print, and they guess."""
    try:
        start = gzip.GzipFile(fileobj=file).read(540) if packed else file.read(540)
    except EOFError:
        raise file_truncated(KIND) from None
    except (OSError, zlib.error):
        raise file_unreadable(KIND, "its compression is damaged") from None
    if len(start) < 348:
        raise file_truncated(KIND)
    for order in ("<", ">"):
        kind = HEADER_CLASSES.get(int(np.frombuffer(start[:4], order + "i4")[0]))
        if kind is None:
            continue
        block = start[: kind.template_dtype.itemsize]
        if len(block) < kind.template_dtype.itemsize:
            raise file_truncated(KIND)
        header = kind(block, endianness=order, check=False)
        if header["magic"].item().rstrip(b"\x00")[:3].decode("latin-1") not in SINGLE_FILE_MAGICS:
            raise file_unsupported(
                KIND,
                "it is an Analyze file or half of a .hdr/.img pair",
                "Save the image as one .nii.gz file.",
            )
        return header
    raise file_unreadable(KIND, "it does not begin as a NIfTI file does")


def _shape(header: Any) -> tuple[int, int, int]:
    """Return (I, J, K); trailing axes of one are dropped, other shapes refused."""
    count = int(header["dim"][0])
    if not 1 <= count <= 7:
        raise file_unreadable(KIND, "its header is damaged")
    sizes = tuple(int(n) for n in header["dim"][1 : count + 1])
    if len(sizes) < 3 or any(n != 1 for n in sizes[3:]):
        raise not_three_dimensional(KIND, sizes)
    if min(sizes) < 1:
        raise file_unreadable(KIND, "it states an image without voxels")
    return sizes[0], sizes[1], sizes[2]


def _layout(header: Any) -> tuple[np.dtype[Any], float, float, int]:
    """Return voxel type, slope, intercept and the place of the first voxel."""
    try:
        dtype = header.get_data_dtype()
    except (HeaderDataError, KeyError):
        raise file_unreadable(KIND, "its voxel type is unknown") from None
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise file_unsupported(
            KIND, "its voxels are colours or complex numbers", "Export the CT as integers."
        )
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):
        slope, intercept = 1.0, 0.0  # the standard's way to say: not scaled
    elif not math.isfinite(intercept):
        raise file_unreadable(KIND, "its scaling is damaged")
    offset = float(header["vox_offset"])
    if not header.template_dtype.itemsize <= offset < 1e9:
        raise file_unreadable(KIND, "its header is damaged")
    return dtype, slope, intercept, int(offset)


def _affine(header: Any, shape: tuple[int, int, int]) -> tuple[FloatArray, tuple[Finding, ...]]:
    """Return voxel → RAS mm: the sform where the file has one, else the qform; never a guess."""
    if float(header["pixdim"][0]) not in (-1.0, 1.0):
        header["pixdim"][0] = 1.0  # the standard: any other handedness flag means right-handed
    try:
        with np.errstate(all="ignore"):  # damaged numbers are refused below
            sform, qform = header.get_sform(coded=True)[0], header.get_qform(coded=True)[0]
    except (HeaderDataError, ValueError, np.linalg.LinAlgError):
        raise file_unreadable(KIND, "its orientation is damaged") from None
    unit = MM_PER_UNIT.get(int(header["xyzt_units"]) & 7)
    if unit is None:
        raise file_unreadable(KIND, "its unit of length is unknown")
    chosen = sform if sform is not None else qform
    if chosen is None:
        raise no_orientation(KIND)
    affine = placed(_in_mm(chosen, unit), KIND)
    found = []
    if sform is not None and qform is not None:
        other = placed(_in_mm(qform, unit), KIND)
        if np.linalg.det(other[:3, :3]) * np.linalg.det(affine[:3, :3]) < 0:
            raise InputError(
                "orientation-conflict",
                "The two orientations in the NIfTI file (sform and qform) mirror each other: left and right "
                "are uncertain.",
                do="Give the original DICOM series, or convert it again.",
            )
        gap_mm = float(
            np.linalg.norm(corner_points_mm(shape, affine) - corner_points_mm(shape, other), axis=1).max()
        )
        if gap_mm > value("imaging.forms_tolerance_mm"):
            found.append(finding("nifti-forms-differ", mm=gap_mm))
    stated = np.abs(np.asarray(header["pixdim"][1:4], dtype=np.float64)) * unit
    measured = voxel_sizes_mm(affine)
    if not found and np.abs(stated / measured - 1.0).max() > SPACING_AGREEMENT:
        found.append(finding("nifti-spacing-differs", header=_sizes(stated), affine=_sizes(measured)))
    return affine, tuple(found)


def _in_mm(matrix: Any, unit: float) -> FloatArray:
    affine = np.array(matrix, dtype=np.float64)
    affine[:3] *= unit
    return affine


def _sizes(sizes: FloatArray) -> str:
    return " × ".join(f"{size:.3g}" for size in sizes)
