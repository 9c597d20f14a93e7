"""Names that segmenters write beside the numbers: NIfTI header extension, Slicer segments, file names."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from pathlib import Path

import nrrd

from endplate.imaging.levels import VERSE_IDS

_XML_LABEL = re.compile(
    rb"<Label\b[^>]*?\bKey=\"(\d{1,5})\"[^>]*>\s*(?:<!\[CDATA\[)?\s*([^<\]]{1,120}?)\s*(?:\]\]>)?\s*</Label>"
)
"""One entry of the Caret label table that TotalSegmentator writes. Matched, not parsed as XML: a header is
foreign text, and nothing in it should be expanded or fetched."""

_LEVEL = re.compile(r"^(?:vertebrae?[ _-]*)?([CTL]\d{1,2}|S1)(?:[ _-]*vertebrae?)?$", re.IGNORECASE)
_MASK_FILE = re.compile(r"^(vertebrae_(?:[CTL]\d{1,2}|S1)|sacrum)\.nii(?:\.gz)?$", re.IGNORECASE)


_NIFTI1_SIZE, _NIFTI2_SIZE = 348, 540
_EXTENSION_LIMIT = 1 << 20
"""Bytes in front of the voxels that are looked at: a table of all structures takes 15 kB."""


def level_in_name(name: str) -> str | None:
    """Return the level that a structure is named after (``"vertebrae_L1"`` → ``"L1"``), else ``None``."""
    text = name.strip()
    if text.lower() == "sacrum":
        return "S1"
    match = _LEVEL.match(text)
    level = match.group(1).upper() if match else None
    return level if level in VERSE_IDS else None


def names_in_file(path: Path) -> dict[int, str]:
    """Return the structure names that a label file carries by id; empty where it carries none.

    A file that cannot be read has no names: reading its voxels says why, in words for the user.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            return _nifti_names(path)
        if path.name.endswith((".nrrd", ".nhdr")):
            return _nrrd_names(path)
    except (OSError, EOFError, ValueError, zlib.error, struct.error, nrrd.NRRDError):
        return {}
    return {}


def mask_files(folder: Path) -> dict[str, list[Path]]:
    """Return the one-vertebra masks of a folder by level: TotalSegmentator's output without ``--ml``."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()):
        match = _MASK_FILE.match(path.name)
        level = level_in_name(match.group(1)) if match else None
        if level is not None and path.is_file():
            found.setdefault(level, []).append(path)
    return found


def _nifti_names(path: Path) -> dict[int, str]:
    """Read the extension between header and voxels directly: nibabel's loader repairs and prints."""
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    with gzip.open(path, "rb") if packed else path.open("rb") as file:
        start = file.read(_NIFTI2_SIZE)
        order = "<" if start[:4] in (b"\x5c\x01\x00\x00", b"\x1c\x02\x00\x00") else ">"
        if struct.unpack(order + "i", start[:4])[0] == _NIFTI2_SIZE:
            first, voxels = _NIFTI2_SIZE, struct.unpack(order + "q", start[168:176])[0]
        else:
            first, voxels = _NIFTI1_SIZE, int(struct.unpack(order + "f", start[108:112])[0])
        extension = (start + file.read(max(0, min(voxels, _EXTENSION_LIMIT) - len(start))))[first:voxels]
    return {int(key): name.decode("utf-8", "replace") for key, name in _XML_LABEL.findall(extension)}


def _nrrd_names(path: Path) -> dict[int, str]:
    header = nrrd.read_header(str(path))
    names: dict[int, str] = {}
    for key, text in header.items():
        match = re.fullmatch(r"(Segment\d+)_LabelValue", key)
        if match and str(text).isdigit() and f"{match.group(1)}_Name" in header:
            names[int(text)] = str(header[f"{match.group(1)}_Name"])
    return names
