"""Files written whole or not at all, and volumes to NIfTI: the same bytes each time."""

from __future__ import annotations

import errno
import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import nibabel
import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.imaging.shear import is_rectangular
from endplate.imaging.stored import INT16, slabs
from endplate.imaging.volume import Volume

COMPRESSION_LEVEL = 3
"""Half again as large as the best, five times as fast."""

NIFTI1: Any = nibabel.Nifti1Header

SCANNER_SPACE = 1
"""NIfTI code of an orientation in the space of the scanner."""

DATA_OFFSET = 352
"""First voxel of a NIfTI-1 file without extensions."""

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as ``.nii`` or ``.nii.gz``.

    A file of that name is replaced only once the new one is whole. Whole numbers are stored as uint8 (labels)
    or int16 where they fit, all else as float32. The bytes depend on the volume alone.

    Raises
    ------
    UsageError
        ``output-format`` for another suffix, ``output-not-writable`` for a read-only, missing or full folder.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UsageError(
            "output-format", "Images are written as NIfTI.", do="End the name in .nii.gz or .nii."
        )
    dtype = _stored_type(volume.data)
    with replacing(path, "image") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed:
                _write(volume, dtype, packed)
        else:
            _write(volume, dtype, raw)


def _write(volume: Volume, dtype: np.dtype[Any], file: Any) -> None:
    header = NIFTI1()
    header.set_data_dtype(dtype)
    header.set_data_shape(volume.shape)
    header.set_xyzt_units("mm")
    header.set_sform(volume.affine, code=SCANNER_SPACE)
    if is_rectangular(volume.affine, volume.shape):  # a quaternion cannot hold a shear
        header.set_qform(volume.affine, code=SCANNER_SPACE)
    header["vox_offset"] = DATA_OFFSET
    header["scl_slope"], header["scl_inter"] = 1, 0
    file.write(header.binaryblock.ljust(DATA_OFFSET, b"\x00"))
    for k in range(volume.shape[2]):  # i fastest, as NIfTI has it, one slice in memory at a time
        file.write(np.ascontiguousarray(volume.data[:, :, k].T.astype(dtype)).tobytes())


def _stored_type(data: NDArray[Any]) -> np.dtype[Any]:
    """Return the smallest of uint8, int16, int32 and float32 that holds the values (float64 loses digits)."""
    if data.dtype in (np.bool_, np.uint8):
        return np.dtype("<u1")
    if data.dtype in (np.int8, np.int16):
        return np.dtype("<i2")
    low, high = float(data.min()), float(data.max())
    if data.dtype.kind in "iu":
        for code in ("<u1", "<i2", "<i4"):
            limits = np.iinfo(code)
            if limits.min <= low and high <= limits.max:
                return np.dtype(code)
        return np.dtype("<f4")
    whole = (
        INT16.min <= low
        and high <= INT16.max
        and all(bool((slab == np.rint(slab)).all()) for slab in slabs(data))
    )
    return np.dtype("<i2" if whole else "<f4")


@contextmanager
def replacing(path: Path, what: str = "file") -> Iterator[BinaryIO]:
    """Open a file beside ``path`` that takes its place when all went well and else leaves no trace.

    ``what`` names the thing written, for the user: ``"image"``.

    Raises
    ------
    UsageError
        ``output-not-writable``.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with draft.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in DISK_FULL
        raise UsageError(
            "output-not-writable",
            f"The disk is full; the {what} could not be written."
            if full
            else f"The {what} cannot be written there: the folder is missing, read-only or not yours.",
            intact="What stood there before is unchanged; nothing half-written was left.",
            do="Free some space and run the same command again."
            if full
            else "Choose another output folder, or change its permissions.",
        ) from None
