"""A folder of masks, one structure a file, as TotalSegmentator writes it: into one map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.label_grid import onto_grid
from endplate.imaging.label_names import name_of_file
from endplate.imaging.label_paint import Canvas, IdOfName, LabelSource
from endplate.imaging.label_values import whole_numbers
from endplate.imaging.read import read_grid
from endplate.imaging.refusals import reading
from endplate.imaging.volume import Volume


def mask_files(folder: Path, id_of: IdOfName) -> list[tuple[int, str, Path]]:
    """Return id, structure name and path of every mask wanted, by id and name."""
    with reading(folder):
        named = [(name, path) for path in folder.iterdir() if (name := name_of_file(path)) and path.is_file()]
    return sorted((number, name, path) for name, path in named if (number := id_of(name)))


def read_mask_folder(folder: Path, id_of: IdOfName) -> LabelSource:
    """Join the masks wanted into one map; left and right, lobes and ribs may share an id.

    Raises
    ------
    InputError
        ``labels-no-masks``, ``labels-mask-not-binary`` (several values in one mask), ``label-grid-differs``
        (masks on different grids), and those of reading a mask, saying which.
    """
    files = mask_files(folder, id_of)
    if not files:
        raise InputError(
            "labels-no-masks",
            "The folder holds no vertebra masks (vertebrae_T12.nii.gz, vertebrae_L1.nii.gz, ...) and no DICOM "
            "segmentation.",
            do="Give a label map as one file, or the output folder of TotalSegmentator.",
        )
    first: Volume | None = None
    canvas = Canvas(())
    for number, name, path in files:
        try:
            mask = read_grid(path, nearest=True)
            if first is None:
                first, canvas = mask, Canvas(mask.shape)
            mask = onto_grid(mask, first)
            canvas.paint(..., _inside(mask), number)
        except InputError as error:
            raise InputError(
                error.code,
                f"The mask of {_shown(name)} cannot be used. {error.what}",
                do=f"{error.do} The other masks of the folder were not at fault.",
            ) from None
    assert first is not None
    volume = Volume(canvas.ids, first.affine, first.scan, first.findings)
    names = {number: name for number, name, _ in files}
    return LabelSource(volume, names, painted=True, overlaps=canvas.overlaps, structures=len(files))


def _inside(mask: Volume) -> NDArray[np.bool_]:
    """Voxels of a mask: those that are not zero, all of one value (1 or 255)."""
    ids = whole_numbers(mask.data)
    inside: NDArray[np.bool_] = ids > 0
    highest = ids.max()
    if highest and int(np.count_nonzero(ids == highest)) != int(np.count_nonzero(inside)):
        raise InputError(
            "labels-mask-not-binary",
            "It holds several values; a mask of one structure has one.",
            do="If it is a label map of several structures, give it alone as the label map.",
        )
    return inside


def _shown(name: str) -> str:
    """The structure: only names of known structures get here, so the file's name tells no patient."""
    return name.replace("_", " ")
