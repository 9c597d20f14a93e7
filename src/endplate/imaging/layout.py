"""Voxels behind a text header or in a file that the header names: what NRRD and MetaImage share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.refusals import file_truncated, file_unreadable, file_unsupported
from endplate.imaging.stored import read_voxels, sha256_of

HEADER_LIMIT_BYTES = 1 << 20
"""A text header longer than this is none."""

MM_PER_UNIT = {
    **dict.fromkeys(("", "?", "mm", "millimeter", "millimeters"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 10.0),
    **dict.fromkeys(("m", "meter", "meters"), 1000.0),
    **dict.fromkeys(("um", "µm", "micron", "microns", "micrometer", "micrometers"), 0.001),
}
"""Unit of length → mm; not stated is mm, as both formats have it."""

SAVE_AGAIN = "Save the image again as one .nrrd or .nii.gz file."
"""The remedy for a variety of a format that is not read."""


@dataclass(frozen=True)
class VoxelLayout:
    """Where and how the voxels stand.

    ``encoding`` is one of ``read_voxels``; ``data_file`` is ``None`` where they follow the header; ``skip``
    counts decoded bytes before them, -1 meaning that they are the last bytes of the file.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, int, int]
    encoding: str
    data_file: str | None
    skip: int


def header_bytes(path: Path) -> bytes:
    """Return the start of the file, long enough for any header."""
    with path.open("rb") as file:
        return file.read(HEADER_LIMIT_BYTES)


def layout_voxels(path: Path, layout: VoxelLayout, data_at: int, kind: str) -> tuple[NDArray[Any], str]:
    """Read the voxels and the hash of all bytes of the image (header file, then voxel file).

    ``data_at`` is the place of the first byte behind the header.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``, ``file-unsupported`` (the voxel file is missing or lies
        outside).
    """
    source, start = path, data_at
    if layout.data_file is not None:
        source, start = _detached(path, layout.data_file, kind), 0
    skip = layout.skip
    with source.open("rb") as file:
        size = file.seek(0, 2)
        if skip == -1 and layout.encoding == "raw":
            start, skip = size - math.prod(layout.shape) * layout.dtype.itemsize, 0
        if start < 0:
            raise file_truncated(kind)
        if skip < 0:
            raise file_unreadable(kind, "its header is damaged")
        file.seek(start)
        data = read_voxels(
            file,
            layout.dtype,
            layout.shape,
            kind=kind,
            bytes_left=size - start,
            encoding=layout.encoding,
            skip=skip,
        )
    return data, sha256_of(path) if source is path else sha256_of(path, source)


def _detached(path: Path, name: str, kind: str) -> Path:
    """Find the voxel file beside the header; a header must not reach out of its own folder."""
    folder = path.parent.resolve()
    try:
        target = (folder / name.replace("\\", "/")).resolve()
    except (ValueError, RuntimeError):  # a null byte in the name, links in a circle
        raise file_unreadable(kind, "the name of its voxel file is damaged") from None
    if target == path.resolve() or not target.is_relative_to(folder):
        raise file_unsupported(
            kind, "it names a voxel file outside its own folder", "Put the voxel file beside the header file."
        )
    if not target.is_file():
        raise file_unsupported(
            kind,
            "the voxel file that it names is not there",
            "Put the voxel file beside the header file, under its original name.",
        )
    return target
