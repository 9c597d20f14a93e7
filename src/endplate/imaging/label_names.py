"""Names of structures: levels and organs in words, NIfTI header extensions, file names."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path

from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.nifti_extensions import read_extensions

_XML_LABEL = re.compile(
    rb"<Label\b[^>]*?\bKey=\"(\d{1,5})\"[^>]*>\s*(?:<!\[CDATA\[)?\s*([^<\]]{1,120}?)\s*(?:\]\]>)?\s*</Label>"
)
"""One entry of the Caret label table that TotalSegmentator writes. Matched, not parsed as XML: a header is
foreign text, and nothing in it should be expanded or fetched."""

_LEVEL = re.compile(
    r"^(?:(?:vertebrae?|vert)[ _.-]*)?(C|TH?|D|L|S)(\d{1,2})(?:[ _.-]*(?:vertebrae?|vert))?$", re.IGNORECASE
)

_ORDINALS = {
    "first": 1,
    "second": 2,
    "third": 3,
    "fourth": 4,
    "fifth": 5,
    "sixth": 6,
    "seventh": 7,
    "eighth": 8,
    "ninth": 9,
    "tenth": 10,
    "eleventh": 11,
    "twelfth": 12,
}
_REGIONS = {"cervical": "C", "thoracic": "T", "dorsal": "T", "lumbar": "L", "sacral": "S"}
_WORDS = re.compile(rf"^({'|'.join(_ORDINALS)}) ({'|'.join(_REGIONS)}) vertebrae?$")
_OWN_NAMES = {"sacrum": "S1", "atlas": "C1", "axis": "C2"}

_ORGAN_NAMES = (
    (
        "aorta",
        r"(?:(?:abdominal|thoracic|descending|ascending) )?aorta|aorta (?:abdominal|thoracic|descending)",
    ),
    ("inferior_vena_cava", r"inferior vena cava|vena cava inferior|ivc"),
    ("lung", r"(?:(?:left|right) )?lungs?(?: (?:upper|middle|lower) lobe)?(?: (?:left|right))?"),
    ("lung", r"(?:upper|middle|lower) lobe of (?:(?:left|right) )?lung"),
    ("kidney", r"(?:(?:left|right) )?kidneys?(?: (?:left|right))?"),
    ("oesophagus", r"o?esophagus"),
    ("spinal_cord", r"(?:spinal )?cord"),
    ("spinal_canal", r"(?:spinal|vertebral) canal"),
    ("rib", r"(?:(?:left|right) )?ribs?(?: (?:left|right))?(?: \d{1,2})?"),
    ("sacrum", r"sacrum"),
)
"""Canonical organ by the names that segmenters and readers give it, words apart by one space."""

IMAGE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
"""Ends of the names of files that hold one image."""


def level_in_name(name: str) -> str | None:
    """Return the level that a structure is named after (``"vertebrae_L1"`` → ``"L1"``), else ``None``."""
    text = name.strip()
    words = " ".join(re.split(r"[\s_]+", text.lower()))
    if words in _OWN_NAMES:
        return _OWN_NAMES[words]
    match, said = _LEVEL.match(text), _WORDS.match(words)
    if match:
        level = f"{match.group(1).upper().replace('TH', 'T').replace('D', 'T')}{int(match.group(2))}"
    elif said:
        level = f"{_REGIONS[said.group(2)]}{_ORDINALS[said.group(1)]}"
    else:
        return None
    return level if level in VERSE_IDS else None


def organ_in_name(name: str) -> str | None:
    """Return the canonical organ that a structure is named after (``"kidney_left"`` → ``"kidney"``)."""
    words = " ".join(re.split(r"[\s_.-]+", name.strip().lower()))
    return next((organ for organ, pattern in _ORGAN_NAMES if re.fullmatch(pattern, words)), None)


def name_of_file(path: Path) -> str | None:
    """Return the name of an image file without its suffix, ``None`` for a file of another kind."""
    name = path.name
    suffix = next((end for end in IMAGE_SUFFIXES if name.lower().endswith(end)), None)
    return None if suffix is None else name[: -len(suffix)]


def names_in_file(path: Path) -> dict[int, str]:
    """Return the structure names that a NIfTI label file carries by id; empty where it carries none.

    A file that cannot be read has no names: reading its voxels says why, in words for the user.
    """
    try:
        if path.name.endswith((".nii", ".nii.gz")):
            table = _XML_LABEL.findall(read_extensions(path).content)
            return {int(key): name.decode("utf-8", "replace") for key, name in table}
    except (OSError, EOFError, ValueError, zlib.error, struct.error):
        return {}
    return {}
