"""The list of a DICOM disc (DICOMDIR): which images of which series should be there."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from endplate.imaging.tags import integer, items, text

DIRECTORY_CLASS = "1.2.840.10008.1.3.10"
"""Media Storage Directory."""


def is_directory(dataset: Dataset) -> bool:
    """Say whether a parsed header is that of a DICOMDIR."""
    meta = getattr(dataset, "file_meta", None)
    return str(getattr(meta, "MediaStorageSOPClassUID", "")) == DIRECTORY_CLASS


def listed_images(dataset: Dataset) -> dict[str, frozenset[str]]:
    """Return the images that a DICOMDIR lists by series, both as identifiers to compare.

    The records form a tree by their places in the file (PS3.3 F.2); damaged links end a branch.
    """
    records = {
        int(place): record
        for record in items(dataset, "DirectoryRecordSequence")
        if (place := getattr(record, "seq_item_tell", None)) is not None
    }
    listed: dict[str, frozenset[str]] = {}
    for record in records.values():
        if text(record, "DirectoryRecordType") != "SERIES":
            continue
        below = _chain(records, integer(record, "OffsetOfReferencedLowerLevelDirectoryEntity"))
        images = {
            text(image, "ReferencedSOPInstanceUIDInFile")
            for image in below
            if text(image, "DirectoryRecordType") == "IMAGE"
        } - {""}
        if images:
            series = text(record, "SeriesInstanceUID")
            listed[series] = listed.get(series, frozenset()) | images
    return listed


def _chain(records: dict[int, Dataset], place: int | None) -> Iterator[Dataset]:
    """Follow the records of one branch; each is met once, so that a ring ends."""
    met: set[int] = set()
    while place in records and place not in met:
        met.add(place)
        yield records[place]
        place = integer(records[place], "OffsetOfTheNextDirectoryRecord")
