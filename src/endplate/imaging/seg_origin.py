"""How a DICOM segmentation of ours was made: a private element of the file itself, which every copy keeps.

Source of the format: DICOM PS3.5, 7.8 (private data elements).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from endplate.imaging.dicom_files import is_dicom, quiet_pydicom, read_dataset
from endplate.imaging.dicom_seg import content_of, holds_segmentation
from endplate.imaging.label_folder import mask_files
from endplate.imaging.label_paint import level_id
from endplate.imaging.tags import raw, text

PRIVATE_GROUP = 0x0099
PRIVATE_CREATOR = "ENDPLATE LABEL ORIGIN"
PRIVATE_ELEMENT = 0x01
"""Block and element that hold the origin as text (VR UT, of any length)."""

MANUFACTURER = "Endplate"
"""What a segmentation that Endplate wrote states as its manufacturer."""

OTHER_FORMS = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class SegClaim:
    """What a segmentation says of its making.

    Parameters
    ----------
    text:
        The origin as written; ``None`` where it has none.
    ours:
        It names Endplate as its maker.
    automatic:
        Every segment is said to be a program's, without a person's points.
    """

    text: str | None
    ours: bool
    automatic: bool


def put_origin(dataset: Dataset, text: str) -> None:
    """Write an origin (ASCII) into a dataset."""
    block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(PRIVATE_ELEMENT, "UT", text)


def claim_of(path: Path) -> SegClaim | None:
    """Return what the DICOM segmentation at a path says of its making; ``None`` where there is no readable one.

    Parameters
    ----------
    path:
        A file, or a folder or archive that holds one segmentation, as :func:`~endplate.imaging.labels.read_labels`
        takes them.

    Whoever asks has read the voxels: that a file can be parsed is known, and what of it is odd must not make a map that
    says how it was made look like one that does not.

    Raises
    ------
    OSError
        The file cannot be opened.
    """
    if path.name.lower().endswith(OTHER_FORMS) or (path.is_dir() and mask_files(path, level_id)):
        return None
    if path.is_file() and path.suffix.lower() not in (".zip", ""):
        with path.open("rb") as file:
            if not is_dicom(file):
                return None
    if not holds_segmentation(path):
        return None
    with quiet_pydicom():
        return _claim(read_dataset(content_of(path)))


def _claim(dataset: Dataset) -> SegClaim:
    stored = None
    with suppress(KeyError):  # no such block
        tag = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR).get_tag(PRIVATE_ELEMENT)
        stored = dataset.get_item(tag)
    # As stored, not decoded: an archive that changed the transfer syntax leaves bytes of an element it does not know.
    content = None if stored is None else stored.value
    found = content.decode("ascii", "replace") if isinstance(content, bytes) else content
    kinds = {text(item, "SegmentAlgorithmType") for item in raw(dataset, "SegmentSequence") or []}
    return SegClaim(
        None if found is None else str(found).rstrip(" \0"),
        text(dataset, "Manufacturer") == MANUFACTURER,
        kinds == {"AUTOMATIC"},
    )
