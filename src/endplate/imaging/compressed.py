"""Pixels of one DICOM image or frame as they are stored, whatever their transfer syntax."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from endplate.imaging.jpeg_lossless import decode_jpeg_lossless
from endplate.imaging.tags import integer, text

OWN = "endplate"
"""Name of the decoder in ``jpeg_lossless``."""

NATIVE = frozenset(
    (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian)
)
"""Transfer syntaxes whose pixels are not compressed each for itself."""

DECODERS: dict[str, str] = {
    RLELossless: "pydicom",
    JPEGLossless: OWN,
    JPEGLosslessSV1: OWN,
    JPEGLSLossless: "pyjpegls",
    JPEGLSNearLossless: "pyjpegls",
    JPEG2000Lossless: "pylibjpeg",
    JPEG2000: "pylibjpeg",
    HTJ2KLossless: "pylibjpeg",
    HTJ2KLosslessRPCL: "pylibjpeg",
    HTJ2K: "pylibjpeg",
    JPEGBaseline8Bit: "pillow",
    JPEGExtended12Bit: "gdcm",
}
"""One decoder for each compression, so that the same file gives the same voxels on every machine. All but the
last come with Endplate; ``gdcm`` is in the extra ``dicom``, being fifty times as large as the others."""

CODED_KINDS = {JPEGBaseline8Bit, JPEGExtended12Bit, JPEGLSLossless, JPEGLSNearLossless} | {
    syntax for syntax, decoder in DECODERS.items() if decoder == "pylibjpeg"
}
"""Compressions whose decoder takes the size of the image from the code stream and not from the header."""

JPEG_START, J2K_START = b"\xff\xd8", b"\xff\x4f\xff\x51"

FRAME_MARKERS = {0xC0, 0xC1, 0xC2, 0xC3, 0xF7}
"""JPEG markers that state the size: baseline, extended, progressive, lossless, JPEG-LS."""


@dataclass(frozen=True)
class CodedSize:
    """Size that a code stream states."""

    rows: int
    columns: int
    components: int


def is_native(transfer_syntax: str) -> bool:
    """Say whether pixels of a transfer syntax stand in the file as they are."""
    return transfer_syntax in NATIVE


def decodable(transfer_syntax: str) -> bool:
    """Say whether pixels of a transfer syntax can be decoded with what is installed."""
    if is_native(transfer_syntax) or DECODERS.get(transfer_syntax) == OWN:
        return True
    try:
        return DECODERS.get(transfer_syntax, "") in get_decoder(transfer_syntax).available_plugins
    # pydicom has no decoder object at all for a transfer syntax that it does not know.
    except NotImplementedError:
        return False


def known(transfer_syntax: str) -> bool:
    """Say whether some decoder, installed or not, reads pixels of a transfer syntax."""
    return is_native(transfer_syntax) or transfer_syntax in DECODERS


def stored_pixels(dataset: Dataset, shape: tuple[int, ...], frame: int | None) -> NDArray[Any]:
    """Return the stored values of one image or frame, shape (rows, columns), unused bits as they are.

    Raises
    ------
    Exception
        Whatever the decoders raise on damage; ``ValueError`` where the code stream is not of ``shape``.
    """
    complete(dataset)
    syntax = str(dataset.file_meta.TransferSyntaxUID)
    index = frame or 0
    frames = integer(dataset, "NumberOfFrames") or 1
    decoder = DECODERS.get(syntax, "")
    if decoder == OWN:
        content = get_frame(dataset.PixelData, index, number_of_frames=frames)
        _check_size(content, shape)
        return _typed(decode_jpeg_lossless(content), dataset)
    if syntax in CODED_KINDS:
        _check_size(get_frame(dataset.PixelData, index, number_of_frames=frames), shape)
    return pixel_array(
        dataset,
        index=None if frame is None and frames == 1 else index,
        decoding_plugin=decoder,
        correct_unused_bits=False,
    )


def complete(dataset: Dataset) -> None:
    """Add what old or cut-down files leave out and what can only be one thing."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None or not getattr(meta, "TransferSyntaxUID", None):
        implicit, little = dataset.original_encoding  # as it was just parsed
        dataset.file_meta = FileMetaDataset() if meta is None else meta
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    if not text(dataset, "SamplesPerPixel"):
        dataset.SamplesPerPixel = 1
    if not text(dataset, "PhotometricInterpretation"):
        dataset.PhotometricInterpretation = "MONOCHROME2"
    if not text(dataset, "BitsStored"):
        dataset.BitsStored = dataset.BitsAllocated


def coded_size(content: bytes) -> CodedSize | None:
    """Return the size that a JPEG, JPEG-LS or JPEG 2000 code stream states, ``None`` where it states none."""
    if content.startswith(J2K_START):
        if len(content) < 42:
            return None
        xsiz, ysiz, xo, yo, tile_x, tile_y = np.frombuffer(content[8:32], ">u4").astype(int).tolist()
        if not (xsiz > xo and ysiz > yo and tile_x and tile_y):
            return None
        return CodedSize(ysiz - yo, xsiz - xo, int.from_bytes(content[40:42], "big"))
    if not content.startswith(JPEG_START):
        return None
    at = 2
    while at + 9 < len(content) and content[at] == 0xFF:
        if content[at + 1] in FRAME_MARKERS:
            rows, columns = (int.from_bytes(content[n : n + 2], "big") for n in (at + 5, at + 7))
            return CodedSize(rows, columns, content[at + 9])
        at += 1 if content[at + 1] == 0xFF else 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return None


def _check_size(content: bytes, shape: tuple[int, ...]) -> None:
    """A decoder must not be asked for an image of another size than the header states, or for gigabytes."""
    if coded_size(content) != CodedSize(shape[0], shape[1], 1):
        raise ValueError("the code stream is of another size")


def _typed(samples: NDArray[np.uint16], dataset: Dataset) -> NDArray[Any]:
    """Give decoded samples the type that the header states."""
    size = {8: 1, 16: 2}[integer(dataset, "BitsAllocated") or 0]
    values = samples.astype(f"u{size}")
    return values.view(f"i{size}") if integer(dataset, "PixelRepresentation") else values
