"""MetaImage files (.mha, .mhd) into stored images."""

from __future__ import annotations

import math
from pathlib import Path

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

KIND = "MetaImage file"

RAS_SIGNS = np.array([[-1.0], [-1.0], [1.0]])
"""Signs that bring the format's LPS coordinates to RAS."""

TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}


def read_metaimage(path: Path) -> StoredImage:
    """Read one MetaImage file with attached (.mha) or detached (.mhd) data, raw or compressed.

    World coordinates of the format are LPS; row *n* of its matrix is the direction of voxel axis *n*.

    Raises
    ------
    InputError
        ``file-truncated``, ``file-unreadable``, ``file-unsupported``, ``not-three-dimensional``,
        ``no-orientation`` (no matrix or offset), ``singular-affine``, ``spacing-implausible``.
    """
    start = header_bytes(path)
    fields: dict[str, str] = {}
    data_at = 0
    while "ElementDataFile" not in fields:
        end = start.find(b"\n", data_at)
        if end < 0 and data_at >= len(start):
            raise file_truncated(KIND) if fields else file_unreadable(KIND, "it has no header")
        line = start[data_at : end if end >= 0 else None]
        key, equals, text = line.decode("latin-1").partition("=")
        if not equals:
            raise file_unreadable(KIND, "it does not begin as a MetaImage file does")
        fields[key.strip()] = text.strip()
        data_at = end + 1 if end >= 0 else len(start)
    try:
        layout = _layout(fields)
        affine = _affine(fields)
        slope = float(fields.get("ElementToIntensityFunctionSlope", 1.0))
        intercept = float(fields.get("ElementToIntensityFunctionOffset", 0.0))
    except (ValueError, KeyError, OverflowError):
        raise file_unreadable(KIND, "its header is damaged") from None
    if not math.isfinite(slope) or not math.isfinite(intercept) or slope == 0:
        raise file_unreadable(KIND, "its scaling is damaged")
    data, sha256 = layout_voxels(path, layout, data_at, KIND)
    return StoredImage(data, affine, slope, intercept, ScanInfo("MetaImage", sha256))


def _layout(fields: dict[str, str]) -> VoxelLayout:
    sizes = tuple(int(n) for n in fields["DimSize"].split())
    if int(fields["NDims"]) != len(sizes):
        raise ValueError("NDims and DimSize differ")
    if len(sizes) < 3 or any(n != 1 for n in sizes[3:]) or int(fields.get("ElementNumberOfChannels", 1)) != 1:
        raise not_three_dimensional(KIND, sizes)
    code = TYPES.get(fields["ElementType"])
    if code is None:
        raise file_unsupported(KIND, "its voxel type is not a number", SAVE_AGAIN)
    if not _true(fields.get("BinaryData", "True")):
        raise file_unsupported(KIND, "its voxels are written as text", SAVE_AGAIN)
    name = fields["ElementDataFile"]
    if name.upper().startswith("LIST") or "%" in name:
        raise file_unsupported(KIND, "its voxels are spread over several files", SAVE_AGAIN)
    big = _true(fields.get("BinaryDataByteOrderMSB", fields.get("ElementByteOrderMSB", "False")))
    return VoxelLayout(
        np.dtype((">" if big else "<") + code),
        (sizes[0], sizes[1], sizes[2]),
        "deflate" if _true(fields.get("CompressedData", "False")) else "raw",
        None if name.upper() == "LOCAL" else name,
        int(fields.get("HeaderSize", 0)),
    )


def _affine(fields: dict[str, str]) -> FloatArray:
    def first(*names: str) -> list[float] | None:
        text = next((fields[name] for name in names if name in fields), None)
        return None if text is None else [float(word) for word in text.split()]

    matrix = first("TransformMatrix", "Rotation", "Orientation")
    offset = first("Offset", "Position", "Origin")
    spacing = first("ElementSpacing", "ElementSize")
    if matrix is None or offset is None:
        raise no_orientation(KIND)
    if spacing is None:
        raise file_unreadable(KIND, "it does not state the voxel size")
    count = len(offset)
    unit = MM_PER_UNIT[fields.get("DistanceUnits", "mm").lower()]
    affine = np.eye(4)
    directions = np.array(matrix).reshape(count, count)[:3, :3]
    with np.errstate(invalid="ignore"):  # infinity times zero; not finite is refused next
        affine[:3, :3] = directions.T * np.array(spacing[:3])
    affine[:3, 3] = offset[:3]
    affine[:3] *= RAS_SIGNS * unit
    return placed(affine, KIND)


def _true(text: str) -> bool:
    return text.strip().lower() in ("true", "1")
