"""DICOM files as hospitals have them: compressed, enhanced multi-frame, on discs and in archives."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pydicom
from ct_maker import LPS, ROOT_UID, make_slice
from jpeg_encoder import encode_jpeg_lossless
from PIL import Image
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import encapsulate
from pydicom.fileset import FileSet
from pydicom.uid import (
    EnhancedCTImageStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
    JPEGLossless,
    JPEGLosslessSV1,
)

Edit = Callable[[FileDataset, int], None]


def with_coded(ds: Dataset, syntax: str, frames: Sequence[bytes]) -> None:
    """Put code streams into a dataset as its pixels."""
    ds.file_meta.TransferSyntaxUID = syntax
    ds.PixelData = encapsulate(list(frames))
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True


def compress(ds: FileDataset, syntax: str, **how: int) -> None:
    """Compress the pixels of a classic 16-bit slice as a scanner or archive would."""
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
        bits = int(ds.BitsStored)
        predictor = 7 if syntax == JPEGLossless else 1
        stream = encode_jpeg_lossless(stored & ((1 << bits) - 1), predictor=predictor, precision=bits, **how)
        with_coded(ds, syntax, [stream])
    elif syntax == JPEGBaseline8Bit:
        stored = np.frombuffer(ds.PixelData, "<u2").reshape(ds.Rows, ds.Columns)
        eight, buffer = np.rint(stored / 12.0).clip(0, 255).astype(np.uint8), io.BytesIO()
        Image.fromarray(eight).save(buffer, "jpeg", quality=98)
        ds.BitsAllocated = ds.BitsStored = 8
        ds.HighBit, ds.RescaleSlope, ds.LossyImageCompression = 7, 12, "01"
        with_coded(ds, syntax, [buffer.getvalue()])
    else:
        ds.compress(syntax, generate_instance_uid=False, **how)


def save(ds: FileDataset, path: Path) -> Path:
    """Write a dataset in the transfer syntax that it states."""
    path.parent.mkdir(parents=True, exist_ok=True)
    syntax = ds.file_meta.TransferSyntaxUID
    pydicom.dcmwrite(
        path,
        ds,
        implicit_vr=syntax == ImplicitVRLittleEndian,
        little_endian=syntax != ExplicitVRBigEndian,
        enforce_file_format=True,
    )
    return path


def write_enhanced(
    path: Path,
    planes: Sequence[tuple[np.ndarray, np.ndarray]],
    *,
    edit: Callable[[FileDataset], None] | None = None,
    edit_frame: Callable[[Dataset, int], None] | None = None,
    rescales: Sequence[tuple[float, float]] | None = None,
    syntax: str | None = None,
) -> Path:
    """Write an enhanced CT: each plane is (pixels in HU, affine of which it is slice 0), in the order given."""
    first, affine = planes[0]
    ds = make_slice(first, affine, 0)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EnhancedCTImageStorage
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ROOT_UID}.1.900"
    ds.NumberOfFrames = len(planes)
    frames, pixels = [], []
    for number, (plane, place) in enumerate(planes):
        slope, intercept = (1, -1024) if rescales is None else rescales[number]
        frames.append(_frame(plane, place, slope, intercept))
        if edit_frame is not None:
            edit_frame(frames[-1], number)
        pixels.append(np.rint((plane.T.astype(float) - intercept) / slope).astype("<u2"))
    ds.PerFrameFunctionalGroupsSequence = frames
    shared = Dataset()
    for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"):
        shared[name] = frames[0][name]
        for frame in frames:
            del frame[name]
    kind, kernel = Dataset(), Dataset()
    kind.FrameType, kernel.ConvolutionKernel = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"], "B30f"
    shared.CTImageFrameTypeSequence, shared.CTReconstructionSequence = [kind], [kernel]
    ds.SharedFunctionalGroupsSequence = [shared]
    for name in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "SliceThickness"):
        delattr(ds, name)
    del ds.RescaleSlope, ds.RescaleIntercept, ds.RescaleType, ds.ConvolutionKernel
    if syntax in (JPEGLossless, JPEGLosslessSV1):
        with_coded(ds, syntax, [encode_jpeg_lossless(plane) for plane in pixels])
    else:
        ds.PixelData = b"".join(plane.tobytes() for plane in pixels)
        if syntax is not None:
            ds.compress(syntax, generate_instance_uid=False)
    if edit is not None:
        edit(ds)
    return save(ds, path)


def _frame(plane: np.ndarray, affine: np.ndarray, slope: float, intercept: float) -> Dataset:
    classic = make_slice(plane, affine, 0)
    frame = Dataset()
    for name, keywords in (
        ("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness")),
        ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
        ("PlanePositionSequence", ("ImagePositionPatient",)),
    ):
        item = Dataset()
        for keyword in keywords:
            setattr(item, keyword, getattr(classic, keyword))
        setattr(frame, name, [item])
    scale = Dataset()
    scale.RescaleSlope, scale.RescaleIntercept, scale.RescaleType = slope, intercept, "HU"
    frame.PixelValueTransformationSequence = [scale]
    frame.FrameContentSequence = [Dataset()]
    return frame


def slices_of(data: np.ndarray, affine: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """The planes of a volume, each with the affine that begins at it."""
    made = []
    for k in range(data.shape[2]):
        place = affine.copy()
        place[:3, 3] = affine[:3] @ [0, 0, k, 1]
        made.append((data[:, :, k], place))
    return made


def secondary_capture(path: Path, *, series: int = 90, modality: str = "OT") -> Path:
    """Write a screenshot (dose page): colour pixels without a place in the patient."""
    ds = make_slice(np.full((30, 20), 40), LPS, 0, series=series)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.Modality, ds.ImageType = modality, ["DERIVED", "SECONDARY", "SCREEN SAVE"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 3, "RGB", 0
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit = 7
    ds.PixelData = bytes(30 * 20 * 3)
    for name in ("PixelSpacing", "ImageOrientationPatient", "ImagePositionPatient", "RescaleSlope"):
        delattr(ds, name)
    return save(ds, path)


def write_disc(folder: Path, *sources: Path) -> Path:
    """Write the files of folders as a disc: a DICOMDIR and nested files without suffix."""
    disc = FileSet()
    for source in sources:
        for path in sorted(source.rglob("*.dcm")):
            ds = pydicom.dcmread(path)
            ds.StudyTime, ds.StudyID, ds.AccessionNumber = "120000", "1", "A1"
            ds.StudyDescription = "CT"
            disc.add(ds)
    folder.mkdir(parents=True, exist_ok=True)
    disc.write(folder)
    return folder


def write_zip(path: Path, source: Path, **extra: bytes) -> Path:
    """Write a folder and some more members (name with ``__`` for ``/``) as a zip archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(source.rglob("*")):
            if file.is_file():
                archive.write(file, file.relative_to(source))
        for name, content in extra.items():
            archive.writestr(name.replace("__", "/"), content)
    return path
