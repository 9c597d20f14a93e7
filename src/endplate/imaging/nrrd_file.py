"""NRRD files (.nrrd, .nhdr) into stored images."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nrrd
import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.imaging.layout import MM_PER_UNIT, SAVE_AGAIN, VoxelLayout, header_bytes, layout_voxels
from endplate.imaging.refusals import (
    file_truncated,
    file_unreadable,
    file_unsupported,
    no_orientation,
    not_three_dimensional,
)
from endplate.imaging.stored import StoredImage, placed
from endplate.imaging.volume import ScanInfo

KIND = "NRRD file"

SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
"""Signs that bring the coordinates of an NRRD space to RAS (all anatomical spaces that the format knows)."""

TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    **dict.fromkeys(("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"), "i8"),
    **dict.fromkeys(
        ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"), "u8"
    ),
    "float": "f4",
    "double": "f8",
}

ENCODINGS = {"raw": "raw", "gz": "deflate", "gzip": "deflate", "bz2": "bzip2", "bzip2": "bzip2"}


@dataclass(frozen=True)
class NrrdHeader:
    """The fields of an NRRD file, the place of the first byte behind them, and whether their end was found."""

    fields: dict[str, Any]
    data_at: int
    ended: bool


def nrrd_header(path: Path) -> NrrdHeader:
    """Parse the header of an NRRD file.

    Raises
    ------
    InputError
        ``file-unreadable``.
    """
    start = header_bytes(path)
    if not start.startswith(b"NRRD"):
        raise file_unreadable(KIND, "it does not begin as an NRRD file does")
    end = min((n for n in (start.find(b"\n\n"), start.find(b"\n\r\n")) if n >= 0), default=-1)
    text, data_at = (start, len(start)) if end < 0 else (start[:end], start.index(b"\n", end + 1) + 1)
    with damaged_header(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fields = dict(nrrd.read_header(text.splitlines(keepends=True)))
    return NrrdHeader(fields, data_at, end >= 0)


@contextmanager
def damaged_header() -> Iterator[None]:
    """Turn whatever the conversion of a damaged field raises into ``file-unreadable``."""
    try:
        yield
    except (nrrd.NRRDError, ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError):
        raise file_unreadable(KIND, "its header is damaged") from None


def read_nrrd(path: Path) -> StoredImage:
    """Read one NRRD file with attached or detached data.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``, ``file-unsupported``, ``not-three-dimensional``,
        ``no-orientation`` (no anatomical space, directions or origin), ``singular-affine``,
        ``spacing-implausible``.
    """
    header = nrrd_header(path)
    with damaged_header():
        shape, spatial = _shape(header.fields)
        layout = voxel_layout(header.fields, shape)
        affine = world_affine(header.fields, spatial)
    if layout.data_file is None and not header.ended:
        raise file_truncated(KIND)
    data, sha256 = layout_voxels(path, layout, header.data_at, KIND)
    return StoredImage(data, affine, 1.0, 0.0, ScanInfo("NRRD", sha256))


def space_axes(header: dict[str, Any]) -> tuple[tuple[int, ...], list[int]]:
    """Return the sizes of all axes and which of these are axes in space.

    Raises
    ------
    InputError
        ``no-orientation``.
    ValueError
        The header contradicts itself.
    """
    sizes = tuple(int(n) for n in header["sizes"])
    if int(header["dimension"]) != len(sizes):
        raise ValueError("sizes and dimension differ")
    if len(sizes) < 3:
        raise not_three_dimensional(KIND, sizes)
    directions = header.get("space directions")
    if directions is None:
        raise no_orientation(KIND)
    rows = [None if row is None or np.isnan(np.asarray(row, float)).all() else row for row in directions]
    if len(rows) != len(sizes):
        raise ValueError("one direction an axis is needed")
    return sizes, [axis for axis, row in enumerate(rows) if row is not None]


def _shape(header: dict[str, Any]) -> tuple[tuple[int, int, int], list[int]]:
    """Return the three sizes in space and which axes they are; other axes must have one value."""
    sizes, spatial = space_axes(header)
    if len(spatial) != 3 or any(n != 1 for axis, n in enumerate(sizes) if axis not in spatial):
        raise not_three_dimensional(KIND, sizes)
    i, j, k = (sizes[axis] for axis in spatial)
    return (i, j, k), spatial


def voxel_layout(header: dict[str, Any], shape: tuple[int, int, int]) -> VoxelLayout:
    """Return where and how the voxels stand.

    Raises
    ------
    InputError
        ``file-unsupported``.
    ValueError
        The header contradicts itself.
    """
    code = TYPES.get(str(header["type"]).lower())
    encoding = ENCODINGS.get(str(header["encoding"]).lower())
    if code is None:
        raise file_unsupported(KIND, "its voxel type is not a number", SAVE_AGAIN)
    if encoding is None:
        raise file_unsupported(KIND, "its voxels are written as text", SAVE_AGAIN)
    order = {"little": "<", "big": ">"}.get(str(header.get("endian", "")).lower())
    if order is None:
        if code[1] != "1":
            raise ValueError("the byte order is not stated")
        order = "|"
    skip = int(header.get("byte skip", header.get("byteskip", 0)))
    lines = int(header.get("line skip", header.get("lineskip", 0)))
    if lines:
        raise file_unsupported(KIND, "it skips lines before the voxels", SAVE_AGAIN)
    name = header.get("data file", header.get("datafile"))
    return VoxelLayout(np.dtype(order + code), shape, encoding, None if name is None else str(name), skip)


def world_affine(header: dict[str, Any], spatial: list[int]) -> FloatArray:
    """Return the affine from the three axes in space to RAS mm.

    Raises
    ------
    InputError
        ``no-orientation``, ``file-unsupported`` (unit of length), ``singular-affine``, ``spacing-implausible``.
    """
    signs = SPACES.get(str(header.get("space", "")).lower())
    origin = header.get("space origin")
    if signs is None or origin is None:
        raise no_orientation(KIND)
    units = {str(unit).strip(' "').lower() for unit in header.get("space units", [])} or {""}
    if len(units) != 1 or not units <= set(MM_PER_UNIT):
        raise file_unsupported(KIND, "its unit of length is not mm", "Save the image in mm.")
    affine = np.eye(4)
    affine[:3, :3] = np.array([header["space directions"][axis] for axis in spatial], dtype=np.float64).T
    affine[:3, 3] = np.asarray(origin, dtype=np.float64)
    affine[:3] *= np.array(signs)[:, None] * MM_PER_UNIT[units.pop()]
    return placed(affine, KIND)
