"""Label maps to NIfTI with the names of their labels, and with how they were made, inside the file."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from xml.sax.saxutils import escape

import numpy as np

from endplate.errors import UsageError
from endplate.imaging.label_origin import COMMENT_CODE, LabelOrigin
from endplate.imaging.levels import LEVEL_OF_ID
from endplate.imaging.shear import is_rectangular
from endplate.imaging.volume import Volume
from endplate.imaging.write import COMPRESSION_LEVEL, NIFTI1, SCANNER_SPACE, replacing

SUBREGION_NAMES: Mapping[int, str] = {
    41: "Arcus_Vertebrae",
    49: "Vertebra_Corpus_border",
    50: "Vertebra_Corpus",
    61: "Spinal_Canal",
    26: "Sacrum",
}
"""Names of TPTBox's subregion ids that Endplate writes. Source: TPTBox, vert_constants.py."""

TABLE_CODE = 0
"""Code of the extension with the label table, as TotalSegmentator writes it ('unknown' in the standard)."""

_HEADER_BYTES = 348
_ALIGN = 16


def label_names(volume: Volume) -> dict[int, str]:
    """Level names of the VerSe ids in a label map, ids rising."""
    return {int(n): LEVEL_OF_ID[int(n)] for n in np.unique(volume.data) if int(n) in LEVEL_OF_ID}


def write_label_nifti(
    volume: Volume, path: Path, names: Mapping[int, str], origin: LabelOrigin | None = None
) -> None:
    """Write a label map as ``.nii`` or ``.nii.gz``; the bytes depend on the arguments alone.

    Parameters
    ----------
    volume:
        Labels, whole numbers from 0 to 255.
    path:
        A file of that name is replaced only once the new one is whole.
    names:
        Name of each label, written as the label table that TotalSegmentator, our own reader and others look for.
    origin:
        How the labels were made; a text extension of its own.

    Raises
    ------
    UsageError
        ``output-format`` for another suffix, ``output-not-writable``.
    ValueError
        A label below 0 or above 255.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise UsageError(
            "output-format", "These labels are written as NIfTI.", do="End the name in .nii.gz or .nii."
        )
    if int(volume.data.min()) < 0 or int(volume.data.max()) > 255:
        raise ValueError("labels are whole numbers from 0 to 255")
    extensions = [_extension(TABLE_CODE, _table(names))]
    if origin is not None:
        extensions.append(_extension(COMMENT_CODE, origin.to_text()))
    with replacing(path, "label map") as raw:
        if path.name.endswith(".gz"):
            with gzip.GzipFile("", "wb", COMPRESSION_LEVEL, raw, mtime=0) as packed:
                _write(volume, b"".join(extensions), packed)
        else:
            _write(volume, b"".join(extensions), raw)


def _write(volume: Volume, extensions: bytes, file: BinaryIO | gzip.GzipFile) -> None:
    header: Any = NIFTI1()
    header.set_data_dtype(np.dtype("<u1"))
    header.set_data_shape(volume.shape)
    header.set_xyzt_units("mm")
    header.set_sform(volume.affine, code=SCANNER_SPACE)
    if is_rectangular(volume.affine, volume.shape):  # a quaternion cannot hold a shear
        header.set_qform(volume.affine, code=SCANNER_SPACE)
    header["intent_code"] = 1002  # NIFTI_INTENT_LABEL
    header["vox_offset"] = _HEADER_BYTES + 4 + len(extensions)
    header["scl_slope"], header["scl_inter"] = 1, 0
    file.write(header.binaryblock[:_HEADER_BYTES] + b"\x01\x00\x00\x00" + extensions)
    for k in range(volume.shape[2]):  # i fastest, as NIfTI has it
        file.write(np.ascontiguousarray(volume.data[:, :, k].T.astype(np.uint8)).tobytes())


def _extension(code: int, text: str) -> bytes:
    content = text.encode("utf-8")
    size = -(-(len(content) + 8) // _ALIGN) * _ALIGN
    return struct.pack("<ii", size, code) + content.ljust(size - 8, b"\x00")


def _table(names: Mapping[int, str]) -> str:
    """The label table as Caret has it, which segmenters write into NIfTI headers."""
    rows = "".join(
        f'<Label Key="{number}" Red="1" Green="1" Blue="1" Alpha="1"><![CDATA[{escape(name)}]]></Label>'
        for number, name in sorted(names.items())
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><CaretExtension><VolumeInformation Index="0">'
        f"<LabelTable>{rows}</LabelTable><StudyMetaDataLinkSet></StudyMetaDataLinkSet>"
        "<VolumeType><![CDATA[Label]]></VolumeType></VolumeInformation></CaretExtension>"
    )
