"""Which DICOM images a CT was read from, so that a segmentation made on it can point at them."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from endplate.imaging.dicom_files import (
    FolderStore,
    headers,
    is_dicom,
    open_store,
    quiet_pydicom,
    read_dataset,
    read_member,
)
from endplate.imaging.dicom_series import choose
from endplate.imaging.dicom_stack import stacks
from endplate.imaging.refusals import reading
from endplate.imaging.tags import text

_NO_DICOM = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class SourceImage:
    """One referenced image: its UID, its frame in an enhanced file (``None`` for a classic one), its first voxel."""

    sop_uid: str
    frame: int | None
    position_lps_mm: tuple[float, float, float]


@dataclass(frozen=True)
class SourceSeries:
    """The series that a CT was read from.

    UIDs tell nothing of the patient but that two files belong together; they are what DICOM references are made of.
    ``date`` is that of the study, as DICOM writes it, empty where it is not stated.
    """

    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    sop_class_uid: str
    date: str
    images: tuple[SourceImage, ...]

    def nearest(self, position_lps_mm: tuple[float, float, float], within_mm: float) -> SourceImage | None:
        """The image whose first voxel stands at a position, ``None`` where none does."""
        places = np.array([image.position_lps_mm for image in self.images])
        gaps = np.abs(places - np.array(position_lps_mm)).max(axis=1)
        best = int(np.argmin(gaps))
        return self.images[best] if gaps[best] <= within_mm else None


def source_series(path: Path, series: str | None = None) -> SourceSeries | None:
    """Return the series that ``read.read_image`` reads from a place, ``None`` where that is no DICOM.

    Raises
    ------
    InputError, UsageError
        As reading the series does.
    """
    with reading(path), quiet_pydicom():
        if not _may_be_dicom(path):
            return None
        with open_store(path) as store:
            found = headers(store)
            if isinstance(store, FolderStore) and path.is_file():
                own = {h.series_uid for h in found.headers if store.paths[h.member].samefile(path)}
                kept = tuple(h for h in found.headers if h.series_uid in own) if own else found.headers
                found = type(found)(kept, found.damaged)
            _, stack = choose(stacks(found), series)
            first = read_dataset(read_member(store, stack.first.member))
    images = tuple(
        SourceImage(header.sop_uid.rpartition("/")[0], header.frame, header.position)
        for header in stack.headers
        if header.position is not None
    )
    return SourceSeries(
        study_uid=text(first, "StudyInstanceUID"),
        series_uid=stack.first.series_uid,
        frame_of_reference_uid=stack.first.frame_uid,
        sop_class_uid=text(first, "SOPClassUID"),
        date=text(first, "StudyDate"),
        images=images,
    )


def _may_be_dicom(path: Path) -> bool:
    if path.is_dir():
        return True
    if path.name.lower().endswith(_NO_DICOM):
        return False
    if zipfile.is_zipfile(path):
        return True
    with path.open("rb") as file:
        return is_dicom(file)
