"""Simulated cement as files for other programs: shares of voxels as NIfTI, and a DICOM segmentation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, dcmwrite
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as Items
from scipy import ndimage

from endplate.errors import UsageError
from endplate.imaging.dicom_reference import SourceSeries
from endplate.imaging.dicom_seg_write import write_dicom_seg
from endplate.imaging.volume import LabelMap, Volume
from endplate.imaging.write import replacing, write_nifti

HALF = 0.5
"""Share of a voxel from which it belongs to the segment of the cement."""

CATEGORY = ("260787004", "SCT", "Physical object")
"""Category of the segments: cement is no anatomy. Source: DICOM PS3.16, context group 7150."""

TYPE = ("CEMENT", "99ENDPLATE", "Simulated bone cement")
"""Type of the segments, in a scheme of our own: it must not be taken for cement that was seen."""

TITLE = "Simulated bone cement (Endplate, research use)"


def write_cement_nifti(fraction: Volume, path: Path) -> None:
    """Write cement's share of each voxel (0–1, float32) as NIfTI.

    Raises
    ------
    UsageError
        ``export-no-cement``, and what :func:`endplate.imaging.write.write_nifti` raises.
    """
    _some(fraction, 0.0)
    data = np.clip(np.asarray(fraction.data, dtype=np.float32), 0.0, 1.0)
    write_nifti(Volume(data, fraction.affine), path)


def write_cement_seg(
    fraction: Volume,
    labels: LabelMap,
    levels: Sequence[tuple[str, int]],
    path: Path,
    source: SourceSeries | None = None,
) -> None:
    """Write voxels that are at least half cement as a DICOM segmentation, one segment for each treated level.

    Parameters
    ----------
    fraction:
        Cement's share of each voxel, on the CT's grid.
    labels:
        The CT's labels: cement belongs to the nearest treated level.
    levels:
        Names and VerSe ids of the treated levels.
    path:
        A .dcm file.
    source:
        The series of the CT, referenced where it is known.

    Raises
    ------
    UsageError
        ``export-no-cement``, and what :func:`endplate.imaging.dicom_seg_write.write_dicom_seg` raises.
    """
    _some(fraction, HALF)
    ids = _by_level(fraction, labels, [number for _, number in levels])
    write_dicom_seg(Volume(ids, fraction.affine), path, None, source)
    dataset = dcmread(path)
    dataset.SeriesDescription = TITLE
    dataset.ContentLabel, dataset.ContentDescription = "CEMENT", "Simulated bone cement"
    for segment in dataset.SegmentSequence:
        segment.SegmentLabel = f"Simulated cement {segment.SegmentLabel}"
        segment.SegmentAlgorithmType, segment.SegmentAlgorithmName = "AUTOMATIC", "Endplate simulation"
        segment.SegmentedPropertyCategoryCodeSequence = Items([_code(*CATEGORY)])
        segment.SegmentedPropertyTypeCodeSequence = Items([_code(*TYPE)])
    with replacing(path, "segmentation") as file:
        dcmwrite(file, dataset, enforce_file_format=True)


def _some(fraction: Volume, least: float) -> None:
    if not bool((np.asarray(fraction.data) > least).any()):
        raise UsageError(
            "export-no-cement",
            "The simulated treatment left no cement to export.",
            intact="The case is unchanged.",
            do="Read in the outcome why no cement was given.",
        )


def _by_level(fraction: Volume, labels: LabelMap, numbers: Sequence[int]) -> NDArray[np.uint8]:
    """The id of the nearest treated level where a voxel is at least half cement, 0 elsewhere."""
    there = np.asarray(fraction.data) >= HALF
    if len(numbers) == 1:
        return np.where(there, numbers[0], 0).astype(np.uint8)
    own = np.isin(labels.data, numbers)
    nearest = ndimage.distance_transform_edt(
        ~own, sampling=fraction.spacing_mm, return_distances=False, return_indices=True
    )
    return np.where(there, np.asarray(labels.data)[tuple(nearest)], 0).astype(np.uint8)


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item
