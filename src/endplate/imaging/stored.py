"""Voxels as a file stores them: reading them lean and safely, and turning them into Hounsfield units."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray, as_affine, voxel_sizes_mm
from endplate.imaging.refusals import file_truncated, file_unreadable, file_unsupported
from endplate.imaging.volume import ScanInfo
from endplate.sources import Finding, value

CHUNK_BYTES = 1 << 22
"""Bytes read at a time; keeps the second copy of compressed data small."""

DEFLATE_RATIO = 1100
"""Deflate shrinks data 1032-fold at most, so a file that claims more ends too early (or is a bomb)."""

BZIP2_RATIO = 50000
"""The same for bzip2 (a run of zeros shrinks about 45 000-fold)."""

INT16 = np.iinfo(np.int16)


@dataclass(frozen=True, eq=False)
class StoredImage:
    """A 3-D image as its file holds it.

    Parameters
    ----------
    data:
        Stored values, shape (I, J, K), native byte order.
    affine:
        4×4, voxel index → RAS mm; may be oblique, not yet checked for shear.
    slope, intercept:
        Real value = slope · stored + intercept.
    scan:
        Format, hash of the bytes read, and what else the file says.
    findings:
        What reading found.
    """

    data: NDArray[Any]
    affine: FloatArray
    slope: float
    intercept: float
    scan: ScanInfo
    findings: tuple[Finding, ...] = ()


def slabs(data: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Views of ``data`` along its slowest axis in memory, so that work on them needs little extra memory."""
    slowest = int(np.argmax(np.abs(data.strides)))
    yield from np.moveaxis(data, slowest, 0)


def sha256_of(*paths: Path) -> str:
    """Hash of the bytes of the files, one after the other."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    return digest.hexdigest()


def placed(matrix: Any, kind: str) -> FloatArray:
    """Return the affine of a file once it is sure to be one of a patient.

    Raises
    ------
    InputError
        ``singular-affine`` for a grid without extent, ``spacing-implausible`` for voxel sizes of a wrong
        unit.
    """
    try:
        affine = as_affine(matrix)
    except ValueError:
        raise InputError(
            "singular-affine",
            f"The orientation in the {kind} is broken: the voxels have no place in space.",
            do="Convert the original DICOM series again, or give the DICOM.",
        ) from None
    sizes = voxel_sizes_mm(affine)
    low, high = value("imaging.spacing_range_mm")
    if sizes.min() < low or sizes.max() > high or np.abs(affine[:3, 3]).max() > 1e5:
        raise InputError(
            "spacing-implausible",
            f"The {kind} states voxels of {' × '.join(f'{size:.4g}' for size in sizes)} mm.",
            do="The unit of length in the file is probably wrong. Convert the original DICOM series again.",
        )
    return affine


def read_voxels(
    file: BinaryIO,
    dtype: np.dtype[Any],
    shape: tuple[int, int, int],
    *,
    kind: str,
    bytes_left: int,
    encoding: str = "raw",
    skip: int = 0,
) -> NDArray[Any]:
    """Read a Fortran-ordered (i fastest) array from an open file into memory once.

    ``encoding`` is ``raw``, ``deflate`` (gzip or zlib, told by its first bytes) or ``bzip2``; ``bytes_left``
    counts what the file still holds; ``skip`` decoded bytes stand before the array. The result has native
    byte order.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable`` (damaged compression), ``image-too-large``.
    """
    check_size(shape, kind)
    wanted = math.prod(shape) * dtype.itemsize
    ratio = {"raw": 1, "deflate": DEFLATE_RATIO, "bzip2": BZIP2_RATIO}[encoding]
    if wanted + skip > bytes_left * ratio:
        raise file_truncated(kind)
    array = np.empty(shape[::-1], dtype=dtype)
    target: Any = memoryview(array.reshape(-1).view(np.uint8).data)
    try:
        stream = _decoded(file, encoding)
        for start in range(0, skip, CHUNK_BYTES):
            stream.read(min(CHUNK_BYTES, skip - start))
        done = 0
        while done < wanted:
            count = stream.readinto(target[done : done + CHUNK_BYTES])
            if not count:
                raise file_truncated(kind)
            done += count
        if encoding != "raw":
            stream.read(CHUNK_BYTES)  # reach the end of the stream: only there is its checksum compared
    except EOFError:
        raise file_truncated(kind) from None
    except (OSError, zlib.error, ValueError):
        raise file_unreadable(kind, "its compressed data are damaged") from None
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    return array.transpose()


def check_size(shape: tuple[int, ...], kind: str) -> None:
    """Refuse a grid of more voxels than any CT has (``image-too-large``) or of none."""
    if min(shape) < 1:
        raise file_unreadable(kind, "it states an image without voxels")
    if math.prod(shape) > value("imaging.max_voxels"):
        raise InputError(
            "image-too-large",
            f"The {kind} states an image of {' × '.join(str(n) for n in shape)} voxels.",
            do="Check that the export is not damaged, or crop the image to the spine.",
        )


def to_hu(stored: NDArray[Any], slope: float, intercept: float, kind: str) -> NDArray[Any]:
    """Apply the scaling: int16 where that is exact, else float32; no copy where none is needed.

    Raises
    ------
    InputError
        ``file-unsupported`` for complex or colour voxels.
    """
    if stored.dtype.kind not in "iufb":
        raise file_unsupported(
            kind, "its voxels are colours or complex numbers", "Export the CT as integers."
        )
    if stored.dtype.kind != "f" and float(slope).is_integer() and float(intercept).is_integer():
        edges = [
            int(stored.min()) * int(slope) + int(intercept),
            int(stored.max()) * int(slope) + int(intercept),
        ]
        if min(edges) >= INT16.min and max(edges) <= INT16.max:
            if stored.dtype == np.int16 and (slope, intercept) == (1, 0):
                return stored
            return _scaled(stored, np.int16, np.int64, slope, intercept)
    if stored.dtype == np.float32 and (slope, intercept) == (1, 0):
        return stored
    return _scaled(stored, np.float32, np.float64, slope, intercept)


def _scaled(stored: NDArray[Any], to: Any, through: Any, slope: float, intercept: float) -> NDArray[Any]:
    result = np.empty_like(stored, dtype=to)
    for source, target in zip(slabs(stored), slabs(result), strict=True):
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # beyond float32 becomes infinite; the gates refuse it
            target[...] = source.astype(through) * through(slope) + through(intercept)
    return result


def _decoded(file: BinaryIO, encoding: str) -> Any:
    """Return a readable stream of the decoded bytes."""
    if encoding == "raw":
        return file
    if encoding == "bzip2":
        return bz2.BZ2File(file)
    start = file.tell()
    magic = file.read(2)
    file.seek(start)
    return (
        gzip.GzipFile(fileobj=file, mode="rb")
        if magic == b"\x1f\x8b"
        else io.BufferedReader(_ZlibReader(file))
    )


class _ZlibReader(io.RawIOBase):
    """The decoded bytes of a bare zlib stream."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._inflater = zlib.decompressobj()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._inflater.eof:
            chunk = self._inflater.unconsumed_tail or self._file.read(CHUNK_BYTES)
            if not chunk:
                raise EOFError
            plain = self._inflater.decompress(chunk, len(buffer))
            if plain:
                buffer[: len(plain)] = plain
                return len(plain)
        return 0
