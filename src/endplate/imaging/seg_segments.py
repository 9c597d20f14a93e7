"""What a DICOM segmentation says of its segments: label, coded type, anatomic region."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset

from endplate.imaging.label_codes import GENERAL_CODES, NAME_OF_CODE
from endplate.imaging.refusals import file_unreadable

KIND = "DICOM segmentation"

LONGEST_NAME = 200


@dataclass(frozen=True)
class Segment:
    """One segment: its number, and its names in the order in which they are believed."""

    number: int
    names: tuple[str, ...]


def segments_of(dataset: Dataset) -> tuple[Segment, ...]:
    """Return the segments of a segmentation.

    A segment is named by its label, then its description, then its coded type; the region beside the type counts
    only where the type is as general as "vertebra" or "bone" (a lesion of L1 is not L1).

    Raises
    ------
    InputError
        ``file-unreadable``.
    """
    items = dataset.get("SegmentSequence") or []
    segments: list[Segment] = []
    for item in items:
        number = int(item.get("SegmentNumber", -1))
        if number == 0:  # the background of a label map has an entry of its own
            continue
        if number < 0 or any(number == other.number for other in segments):
            raise file_unreadable(KIND, "its list of segments is damaged")
        kinds = list(item.get("SegmentedPropertyTypeCodeSequence") or [])
        names = [_text(item, "SegmentLabel"), _text(item, "SegmentDescription"), *_coded(kinds)]
        if not kinds or _code(kinds[0]) in GENERAL_CODES:
            names += _coded(list(item.get("AnatomicRegionSequence") or []))
        segments.append(Segment(number, tuple(name for name in names if name)))
    return tuple(segments)


def _coded(items: list[Any]) -> list[str]:
    """What the code stands for, then its words."""
    names: list[str] = []
    for item in items[:1]:
        known = NAME_OF_CODE.get(_code(item))
        names += [known] if known else []
        names.append(_text(item, "CodeMeaning"))
    return names


def _code(item: Any) -> str:
    for keyword in ("CodeValue", "LongCodeValue"):
        code = _text(item, keyword)
        if code:
            return code
    return ""


def _text(item: Any, keyword: str) -> str:
    return str(item.get(keyword) or "").strip()[:LONGEST_NAME]
