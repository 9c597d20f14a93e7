"""A made-up body with exact truth, sampled on any grid and written in every format that is read."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import nrrd
import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

BALL_RAS_MM = np.array([9.0, -6.0, 4.0])
"""Centre of a ball of bone, on the patient's right, at the back."""

MARKER_RAS_MM = np.array([-14.0, 8.0, -10.0])
"""Centre of a small dense ball, on the patient's left, in front, toward the feet."""

LPS = np.diag([-1.0, -1.0, 1.0, 1.0])

ROOT_UID = "1.2.826.0.1.3680043.10.999"


def body_hu(points_ras_mm: np.ndarray) -> np.ndarray:
    """Hounsfield units of the body at points, shape (..., 3)."""

    def inside(centre: np.ndarray, radii: Any) -> np.ndarray:
        radii = np.broadcast_to(np.asarray(radii, float), (3,))
        distance = np.linalg.norm((points_ras_mm - centre) / radii, axis=-1)
        return np.clip(0.5 + (1.0 - distance) * radii.min(), 0.0, 1.0)

    hu = np.full(points_ras_mm.shape[:-1], -1000.0)
    for centre, radii, level in (
        (np.zeros(3), (40.0, 30.0, 60.0), -100.0),
        (np.zeros(3), (34.0, 25.0, 55.0), 40.0),
        (BALL_RAS_MM, 9.0, 400.0),
        (MARKER_RAS_MM, 4.0, 1500.0),
    ):
        part = inside(centre, radii)
        hu = hu * (1.0 - part) + level * part
    return hu


def grid(rotation: Any = None, spacing: Any = (1.5, 1.5, 2.0), shape: Any = (56, 44, 30)) -> np.ndarray:
    """Affine to RAS of a grid around the origin; columns of ``rotation`` are the voxel axes in RAS."""
    affine = np.eye(4)
    affine[:3, :3] = (np.eye(3) if rotation is None else np.asarray(rotation, float)) * np.asarray(spacing)
    affine[:3, 3] = -affine[:3, :3] @ ((np.asarray(shape) - 1.0) / 2.0) + [0.3, -0.2, 0.1]
    return affine


def sample(affine: np.ndarray, shape: Any = (56, 44, 30)) -> np.ndarray:
    """The body on a grid, int16."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    return np.rint(body_hu(index @ affine[:3, :3].T + affine[:3, 3])).astype(np.int16)


def found_centres(volume: Any) -> tuple[np.ndarray, np.ndarray]:
    """Centres of ball and marker in RAS mm as the volume has them."""
    index = np.stack(np.meshgrid(*(np.arange(n) for n in volume.shape), indexing="ij"), axis=-1)
    points = volume.to_world(index)
    values = volume.data.astype(float)
    found = []
    for centre, radius, floor in ((BALL_RAS_MM, 12.0, 60.0), (MARKER_RAS_MM, 7.0, 60.0)):
        near = np.linalg.norm(points - centre, axis=-1) < radius
        weight = np.clip(values - floor, 0.0, None) * near
        found.append((points * weight[..., None]).sum(axis=(0, 1, 2)) / weight.sum())
    return found[0], found[1]


def make_slice(
    plane: np.ndarray, affine: np.ndarray, k: int, *, series: int = 1, intercept: int = -1024
) -> FileDataset:
    """One CT slice (columns, rows) of a grid as a DICOM dataset."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = f"{ROOT_UID}.{series}.{k + 1}"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds = FileDataset("", Dataset(), file_meta=meta, preamble=b"\0" * 128)
    lps = LPS @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    ds.SOPClassUID, ds.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    ds.SeriesInstanceUID, ds.SeriesNumber = f"{ROOT_UID}.{series}", series
    ds.StudyInstanceUID, ds.FrameOfReferenceUID = f"{ROOT_UID}.77", f"{ROOT_UID}.88"
    ds.Modality, ds.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.PatientName, ds.PatientID = "Mustermann^Erika", "PAT-4711"
    ds.PatientBirthDate, ds.PatientSex, ds.StudyDate = "19480715", "F", "20240310"
    ds.PatientPosition, ds.KVP, ds.Manufacturer = "HFS", 120, "ACME"
    ds.ConvolutionKernel, ds.SeriesDescription = "B30f", "Spine 2.0 B30f"
    ds.SliceThickness = f"{sizes[2]:.6g}"
    ds.Rows, ds.Columns = plane.shape[1], plane.shape[0]
    ds.PixelSpacing = [f"{sizes[1]:.9g}", f"{sizes[0]:.9g}"]
    axes = lps[:3, :3] / sizes
    ds.ImageOrientationPatient = [f"{x:.9f}" for x in (*axes[:, 0], *axes[:, 1])]
    ds.ImagePositionPatient = [f"{x:.6f}" for x in lps[:3, :3] @ [0, 0, k] + lps[:3, 3]]
    ds.InstanceNumber = k + 1
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated = ds.BitsStored = 16
    ds.HighBit, ds.PixelRepresentation = 15, 0
    ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType = 1, intercept, "HU"
    ds.PixelData = (plane.T.astype(np.int32) - intercept).astype("<u2").tobytes()
    return ds


def write_series(
    folder: Path,
    data: np.ndarray,
    affine: np.ndarray,
    *,
    series: int = 1,
    skip: tuple[int, ...] = (),
    edit: Callable[[FileDataset, int], None] | None = None,
) -> Path:
    """Write a volume as one DICOM file a slice, with names that do not follow the slice order."""
    folder.mkdir(parents=True, exist_ok=True)
    for k in range(data.shape[2]):
        if k in skip:
            continue
        ds = make_slice(data[:, :, k], affine, k, series=series)
        if edit is not None:
            edit(ds, k)
        ds.save_as(folder / f"s{series}_{(k * 7919) % 1000:03d}_{k}.dcm", enforce_file_format=True)
    return folder


def write_nii(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    """Write a NIfTI file with sform alone."""
    image = nibabel.Nifti1Image(data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, 1)
    image.set_qform(None, 0)
    nibabel.save(image, path)
    return path


def write_nrrd(path: Path, data: np.ndarray, affine: np.ndarray, *, space: str = "LPS", **extra: Any) -> Path:
    """Write an NRRD file in one of the anatomical spaces."""
    signs = {"LPS": (-1, -1, 1), "RAS": (1, 1, 1), "LAS": (-1, 1, 1)}[space]
    names = {"L": "left", "R": "right", "P": "posterior", "A": "anterior", "S": "superior"}
    placed = np.diag([*signs, 1]) @ affine
    header = {
        "space": "-".join(names[letter] for letter in space),
        "space directions": placed[:3, :3].T,
        "space origin": placed[:3, 3],
        "kinds": ["domain"] * 3,
        **extra,
    }
    nrrd.write(str(path), data, header)
    return path


def write_meta(
    path: Path, data: np.ndarray, affine: np.ndarray, *, packed: bool = True, **extra: str
) -> Path:
    """Write a MetaImage file: .mha with the voxels inside, .mhd with them beside it."""
    lps = LPS @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    axes = (lps[:3, :3] / sizes).T
    raw = data.tobytes(order="F")
    body = zlib.compress(raw) if packed else raw
    local = path.suffix == ".mha"
    beside = path.with_suffix(".zraw" if packed else ".raw")
    fields = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "CompressedData": str(packed),
        "TransformMatrix": " ".join(f"{x:.12g}" for x in axes.ravel()),
        "Offset": " ".join(f"{x:.12g}" for x in lps[:3, 3]),
        "CenterOfRotation": "0 0 0",
        "ElementSpacing": " ".join(f"{x:.12g}" for x in sizes),
        "DimSize": " ".join(str(n) for n in data.shape),
        "ElementType": {"int16": "MET_SHORT", "uint8": "MET_UCHAR", "float32": "MET_FLOAT"}[data.dtype.name],
        **extra,
        "ElementDataFile": "LOCAL" if local else beside.name,
    }
    head = "".join(f"{key} = {text}\n" for key, text in fields.items() if text).encode()
    path.write_bytes(head + body if local else head)
    if not local:
        beside.write_bytes(body)
    return path
