"""What of a folder or disc is not in the volume that was read, and what of it the user must know."""

from __future__ import annotations

from endplate.imaging.dicom_files import Found
from endplate.imaging.dicom_stack import SeriesStack
from endplate.sources import Finding, finding


def left_out(found: Found, whole: SeriesStack, read: SeriesStack) -> list[Finding]:
    """Return findings on images that share the series but not the stack, pictures, and files that are lost.

    ``read`` is ``whole`` or the longest part of it.
    """
    series = whole.first.series_uid
    stacked = {(header.member, header.frame) for header in whole.headers}
    rest = [
        header
        for header in found.headers
        if header.series_uid == series and (header.member, header.frame) not in stacked
    ]
    scouts = sum(header.localizer for header in rest)
    pictures = sum(
        not header.placed and not header.localizer and header.scan.modality in ("CT", "OT", "SC", None)
        for header in found.headers
        if header.series_uid != series
    )
    notes = []
    if scouts:
        notes.append(finding("localizers-dropped", count=scouts))
    if whole.part and len(rest) > scouts:
        notes.append(finding("part-chosen", part=whole.part, count=len(rest) - scouts))
    elif len(rest) > scouts:
        notes.append(finding("images-left-out", count=len(rest) - scouts))
    if pictures:
        notes.append(finding("pictures-skipped", count=pictures))
    if len(read.headers) < len(whole.headers):
        notes.append(
            finding("longest-part-read", kept=len(read.headers), all=len(whole.headers), mm=read.length_mm)
        )
    there = {header.sop_uid.rsplit("/", 1)[0] for header in found.headers}
    lost = len(found.listed.get(series, frozenset()) - there)
    if lost:
        notes.append(finding("disc-files-missing", count=lost))
    return notes
