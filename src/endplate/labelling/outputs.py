"""Labels to files: the form by the end of the name, names and origin inside, a sidecar beside."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from endplate.errors import UsageError
from endplate.imaging.dicom_reference import SourceSeries
from endplate.imaging.dicom_seg_write import write_dicom_seg
from endplate.imaging.label_origin import LabelOrigin, write_sidecar
from endplate.imaging.label_write import SUBREGION_NAMES, label_names, write_label_nifti
from endplate.imaging.organ_map import ORGAN_OF_ID, OrganMap
from endplate.imaging.seg_nrrd_write import write_seg_nrrd
from endplate.imaging.volume import Volume
from endplate.labelling.outputs_document import Labelled

Part = Literal["subregions", "organs"]
"""What may be written beside labels."""

NIFTI = (".nii.gz", ".nii")
FORMS = (*NIFTI, ".seg.nrrd", ".dcm")
"""Ends of names that say the form: NIfTI, a Slicer segmentation, a DICOM segmentation."""


def form_of(path: Path) -> str:
    """Return the form that a name asks for.

    Raises
    ------
    UsageError
        ``output-format``.
    """
    form = next((end for end in FORMS if path.name.lower().endswith(end)), None)
    if form is None:
        raise UsageError(
            "output-format",
            "The end of the name says in which form labels are written, and this is none of them.",
            do="End it in .nii.gz (NIfTI), .seg.nrrd (3D Slicer) or .dcm (DICOM SEG).",
        )
    return form


def nifti_only(path: Path) -> None:
    """Refuse a name that is no NIfTI's, for maps that have no other form.

    Raises
    ------
    UsageError
        ``output-format``.
    """
    if form_of(path) not in NIFTI:
        raise UsageError(
            "output-format", "Subregions and organs are written as NIfTI.", do="End the name in .nii.gz."
        )


def check_parts(made: Labelled, *, subregions: bool, organs: bool) -> None:
    """Refuse to write parts that these labels do not have.

    Raises
    ------
    UsageError
        ``subregions-none``, ``organs-none``.
    """
    if subregions and made.subregions is None:
        raise no_part("subregions")
    if organs and made.organs is None:
        raise no_part("organs")


def no_part(part: Part) -> UsageError:
    """The labels do not have a part that is to be written."""
    if part == "subregions":
        return UsageError(
            "subregions-none",
            "These labels do not tell body and arch apart.",
            do="Leave out --subregions; labels from points and from SPINEPS have them.",
        )
    return UsageError(
        "organs-none",
        "These labels name no organs.",
        do="Leave out --organs; TotalSegmentator labels the organs that a needle keeps away from.",
    )


def write_labels(
    path: Path, labels: Volume, origin: LabelOrigin, source: SourceSeries | None = None
) -> tuple[Path, ...]:
    """Write VerSe ids in the form of the name; return the files written.

    Parameters
    ----------
    path:
        A file of that name is replaced.
    labels:
        VerSe ids on the CT's grid.
    origin:
        How they were made.
    source:
        The DICOM series of the CT, for a DICOM segmentation.

    Raises
    ------
    UsageError
        ``output-format``, ``output-not-writable``.
    """
    form = form_of(path)
    if form in NIFTI:
        write_label_nifti(labels, path, label_names(labels), origin)
    elif form == ".seg.nrrd":
        write_seg_nrrd(labels, path, origin)
    else:
        write_dicom_seg(labels, path, origin, source)
    return path, write_sidecar(path, origin)


def write_subregions(path: Path, subregions: Volume) -> Path:
    """Write TPTBox subregion ids (49 body, 41 arch, 61 canal) as NIfTI with their names.

    Raises
    ------
    UsageError
        ``output-format``, ``output-not-writable``.
    """
    present = np.unique(subregions.data).tolist()
    names = {int(n): SUBREGION_NAMES[int(n)] for n in present if int(n) in SUBREGION_NAMES}
    write_label_nifti(subregions, path, names)
    return path


def write_organs(path: Path, organs: OrganMap) -> Path:
    """Write organs as NIfTI with their names, as ``--organs`` of a plan reads them.

    Raises
    ------
    UsageError
        ``output-format``, ``output-not-writable``.
    """
    present = np.unique(organs.volume.data).tolist()
    names = {int(n): ORGAN_OF_ID[int(n)].replace("_", " ") for n in present if int(n) in ORGAN_OF_ID}
    write_label_nifti(organs.volume, path, names)
    return path
