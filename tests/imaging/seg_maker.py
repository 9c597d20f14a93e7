"""DICOM segmentations and Slicer segmentations for tests, written from label maps without any reader's help."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nrrd
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

SEG_CLASS = "1.2.840.10008.5.1.4.1.1.66.4"


def code(value: str, meaning: str, scheme: str = "SCT") -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def segment(number: int, label: str, kind: Dataset | None = None, region: Dataset | None = None) -> Dataset:
    item = Dataset()
    item.SegmentNumber, item.SegmentLabel = number, label
    item.SegmentedPropertyTypeCodeSequence = Items([kind or code("51282000", "Vertebra")])
    if region is not None:
        item.AnatomicRegionSequence = Items([region])
    return item


def seg_bytes(
    masks: Sequence[np.ndarray],
    affine: np.ndarray,
    segments: Sequence[Dataset],
    *,
    kind: str = "BINARY",
    order: Iterable[int] | None = None,
    empty: bool = False,
    spacing: float | None = None,
    labelmap: np.ndarray | None = None,
) -> bytes:
    """One SEG file: mask n (shape I, J, K; booleans or fractions) is segment n + 1, a frame a slice along k.

    ``order`` permutes the frames, ``empty`` keeps frames without a voxel, ``spacing`` is what the file states of the
    distance between slices (0 for nothing).
    """
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    sizes = np.linalg.norm(affine[:3, :3], axis=0)
    row, column = lps[:3, 0] / sizes[0], lps[:3, 1] / sizes[1]
    shape = masks[0].shape if masks else labelmap.shape
    frames: list[tuple[int, int, np.ndarray]] = []
    if labelmap is not None:
        frames = [(0, k, labelmap[:, :, k].T) for k in range(shape[2]) if empty or labelmap[:, :, k].any()]
    for number, mask in enumerate(masks, start=1):
        frames += [(number, k, mask[:, :, k].T) for k in range(shape[2]) if empty or mask[:, :, k].any()]
    frames = [frames[n] for n in (order(len(frames)) if callable(order) else range(len(frames)))]

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = SEG_CLASS
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["endplate"])
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    ds.SOPClassUID, ds.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    ds.Modality, ds.SegmentationType = "SEG", kind
    ds.Rows, ds.Columns, ds.NumberOfFrames = shape[1], shape[0], len(frames)
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    bits = 1 if kind == "BINARY" else 8
    ds.BitsAllocated = ds.BitsStored = bits
    ds.HighBit = bits - 1
    if kind == "FRACTIONAL":
        ds.SegmentationFractionalType, ds.MaximumFractionalValue = "OCCUPANCY", 200
    measures, orientation, shared = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = [float(sizes[1]), float(sizes[0])]
    if spacing != 0:
        measures.SpacingBetweenSlices = float(sizes[2]) if spacing is None else spacing
    orientation.ImageOrientationPatient = [*map(float, np.round(row, 12)), *map(float, np.round(column, 12))]
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = Items([measures]), Items([orientation])
    ds.SharedFunctionalGroupsSequence = Items([shared])
    groups = []
    for number, k, _ in frames:
        group, place, identity = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = [float(f"{c:.10g}") for c in lps[:3, 3] + k * lps[:3, 2]]
        group.PlanePositionSequence = Items([place])
        if number:
            identity.ReferencedSegmentNumber = number
            group.SegmentIdentificationSequence = Items([identity])
        groups.append(group)
    ds.PerFrameFunctionalGroupsSequence = Items(groups)
    ds.SegmentSequence = Items(list(segments))
    pixels = np.stack([frame for _, _, frame in frames])
    if kind == "BINARY":
        stored = np.packbits(pixels.astype(bool).ravel(), bitorder="little").tobytes()
    elif kind == "FRACTIONAL":
        stored = np.rint(pixels.astype(float) * 200).astype(np.uint8).tobytes()
    else:
        stored = pixels.astype(np.uint8).tobytes()
    ds.PixelData = stored + b"\0" * (len(stored) % 2)
    file = io.BytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def seg_nrrd(
    path: Path,
    data: np.ndarray,
    affine: np.ndarray,
    segments: Sequence[dict[str, Any]],
    *,
    offset: Sequence[int] = (0, 0, 0),
) -> Path:
    """A Slicer segmentation in LPS: ``data`` (I, J, K), or (layers, I, J, K); ``offset`` moves its origin in voxels."""
    lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine
    directions = [list(lps[:3, axis]) for axis in range(3)]
    layered = data.ndim == 4
    header: dict[str, Any] = {
        "type": "unsigned char",
        "dimension": data.ndim,
        "space": "left-posterior-superior",
        "kinds": (["list"] if layered else []) + ["domain"] * 3,
        "space directions": np.array(([[np.nan] * 3] if layered else []) + directions),
        "space origin": lps[:3, 3] + lps[:3, :3] @ np.array(offset),
        "encoding": "gzip",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": " ".join(map(str, offset)),
    }
    for number, one in enumerate(segments):
        header |= {f"Segment{number}_{key}": str(value) for key, value in one.items()}
    nrrd.write(str(path), data.astype(np.uint8), header, index_order="F")
    return path
