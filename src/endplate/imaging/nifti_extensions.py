"""What stands between a NIfTI header and its voxels, read directly: nibabel's loader repairs and prints."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path

LIMIT_BYTES = 4 << 20
"""Bytes in front of the voxels that are looked at; a table of all structures takes 15 kB."""

_NIFTI1_SIZE, _NIFTI2_SIZE = 348, 540
_MARK = 4
"""Bytes that say whether there are extensions."""

_HEAD, _LEAST = 8, 16
"""Bytes of size and code in front of an extension, and of the smallest one."""


@dataclass(frozen=True)
class ExtensionBlock:
    """All extensions of one file.

    Parameters
    ----------
    content:
        The bytes between header and voxels, with the mark in front.
    order:
        Byte order of its numbers, ``"<"`` or ``">"``.
    """

    content: bytes
    order: str

    def texts(self, code: int) -> list[str]:
        """The text of each extension of a code; those behind a broken one are left out."""
        found: list[str] = []
        at = _MARK
        if self.content[:1] != b"\x01":
            return found
        while at + _HEAD <= len(self.content):
            size, kind = struct.unpack(self.order + "ii", self.content[at : at + _HEAD])
            if size < _LEAST or at + size > len(self.content):
                break
            if kind == code:
                text = self.content[at + _HEAD : at + size]
                found.append(text.rstrip(b"\x00").decode("utf-8", "replace"))
            at += size
        return found


def read_extensions(path: Path) -> ExtensionBlock:
    """Read what stands between header and voxels, of a packed file too.

    Raises
    ------
    OSError, EOFError, ValueError, zlib.error, struct.error
        The file cannot be read or is no NIfTI file.
    """
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        start = file.read(_NIFTI2_SIZE)
        order = "<" if start[:4] in (b"\x5c\x01\x00\x00", b"\x1c\x02\x00\x00") else ">"
        if struct.unpack(order + "i", start[:4])[0] == _NIFTI2_SIZE:
            first, voxels = _NIFTI2_SIZE, struct.unpack(order + "q", start[168:176])[0]
        else:
            first, voxels = _NIFTI1_SIZE, int(struct.unpack(order + "f", start[108:112])[0])
        end = min(voxels, LIMIT_BYTES)
        return ExtensionBlock((start + file.read(max(0, end - len(start))))[first : max(0, end)], order)
