"""Opening labels of any form: one map, a Slicer or DICOM segmentation, or a folder of masks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from endplate.errors import InputError
from endplate.imaging.dicom_files import is_dicom
from endplate.imaging.dicom_seg import holds_segmentation, read_dicom_seg
from endplate.imaging.label_folder import mask_files, read_mask_folder
from endplate.imaging.label_grid import onto_grid
from endplate.imaging.label_names import name_of_file, names_in_file
from endplate.imaging.label_paint import IdOfName, LabelSource
from endplate.imaging.read import read_grid
from endplate.imaging.refusals import reading
from endplate.imaging.seg_nrrd import is_segmentation, read_seg_nrrd
from endplate.imaging.volume import Volume

MASK_VALUES = (1, 255)
"""What programs write inside a mask."""


def open_labels(path: Path, id_of: IdOfName, image: Volume | None) -> LabelSource:
    """Read labels of any form, on the grid of the image where there is one.

    Masks and segments are painted with the id that ``id_of`` gives their name; a map keeps its own ids.

    Raises
    ------
    InputError
        ``label-grid-differs``, and those of the readers.
    """
    source = _read(path, id_of, image)
    if image is None:
        return source
    known = {found.code for found in image.findings}
    volume = source.volume
    volume = replace(volume, findings=tuple(f for f in volume.findings if f.code not in known))
    return replace(source, volume=onto_grid(volume, image, part=source.part))


def _read(path: Path, id_of: IdOfName, image: Volume | None) -> LabelSource:
    with reading(path):
        segmentation = not (path.is_dir() and mask_files(path, id_of)) and holds_segmentation(path)
        layered = path.is_file() and is_segmentation(path)
        other_dicom = not segmentation and path.is_file() and _is_dicom(path)
    if segmentation:
        return read_dicom_seg(path, id_of, image)
    if path.is_dir():
        return read_mask_folder(path, id_of)
    if layered:
        return read_seg_nrrd(path, id_of)
    if other_dicom:
        raise InputError(
            "labels-dicom-kind",
            "The DICOM file is no segmentation (SEG); images and contours (RTSTRUCT) are not read as labels.",
            do="Give the DICOM SEG, or convert the contours to a label map (3D Slicer does).",
        )
    volume = read_grid(path, nearest=True)
    names = names_in_file(path)
    own = name_of_file(path) or ""
    highest = volume.data.max()
    if not names and id_of(own) and highest in MASK_VALUES:
        names = {int(highest): own}  # one mask of the folder, given alone
    return LabelSource(volume, names)


def not_named(source: LabelSource, what: str) -> InputError:
    """The segmentation has structures, but none with a name that is wanted."""
    return InputError(
        "labels-no-levels",
        f"The segmentation has {source.structures} structure(s); none is named or coded as a {what}.",
        do="Name the segments after the levels (T12, L1, ...) and save again.",
    )


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return is_dicom(file)
