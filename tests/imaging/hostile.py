"""Mutated DICOM, NIfTI and NRRD files by number: the same number gives the same file on every machine."""

from __future__ import annotations

import gzip
import io
import shutil
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from ct_maker import grid, make_slice, sample, write_nii, write_nrrd
from dicom_maker import compress, save, slices_of, write_disc, write_enhanced
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from endplate.errors import EndplateError, InternalError
from endplate.imaging.dicom_series import list_series
from endplate.imaging.quality import inspect
from endplate.imaging.read import read_grid, read_image

SHAPE = (36, 34, 4)
AFFINE = grid(np.diag([-1.0, -1.0, 1.0]), spacing=(2.5, 2.5, 4.0), shape=SHAPE)
DATA = sample(AFFINE, SHAPE)

SYNTAXES = {
    "explicit": ExplicitVRLittleEndian,
    "implicit": ImplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg-lossless": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg-2000": JPEG2000Lossless,
    "jpeg": JPEGBaseline8Bit,
}

WORDS = [
    b"\xff\xff\xff\x7f",
    b"\x00\x00\x00\x80",
    b"\xff\xff\xff\xff",
    b"nan ",
    b"-1 9",
    b"1e39",
    b"\x00" * 4,
]

NUMBERS = [
    "0",
    "-1",
    "1e308",
    "nan",
    "65535",
    "4294967295",
    "-32768",
    "1e-30",
    "",
    "\\",
    "1\\2\\3\\4\\5\\6\\7",
    "x",
]

KEYWORDS = (
    "Rows Columns NumberOfFrames BitsAllocated BitsStored HighBit PixelRepresentation SamplesPerPixel "
    "PixelSpacing ImagePositionPatient ImageOrientationPatient RescaleSlope RescaleIntercept SliceThickness "
    "PhotometricInterpretation Modality ImageType InstanceNumber AcquisitionNumber PatientPosition KVP "
    "SpecificCharacterSet SeriesInstanceUID SOPInstanceUID PixelData StudyDate PatientAge"
)
"""Elements that are edited by name."""

Case = tuple[str, Path]


@dataclass(frozen=True)
class Seeds:
    """Whole files to start from: folders and single files by kind."""

    folders: dict[str, dict[str, bytes]]
    singles: dict[str, bytes]

    @property
    def kinds(self) -> list[str]:
        """All kinds in a fixed order."""
        return [*self.folders, *self.singles]


def make_seeds(work: Path) -> Seeds:
    """Write one whole image of each kind."""
    for name, syntax in SYNTAXES.items():
        for k in range(SHAPE[2]):
            ds = make_slice(DATA[:, :, k], AFFINE, k)
            if syntax in list(SYNTAXES.values())[:3]:
                ds.file_meta.TransferSyntaxUID = syntax
            else:
                compress(ds, syntax)
            save(ds, work / name / f"{k}.dcm")
    write_enhanced(work / "enhanced" / "e.dcm", slices_of(DATA, AFFINE))
    write_enhanced(work / "enhanced-jpeg" / "e.dcm", slices_of(DATA, AFFINE), syntax=JPEGLosslessSV1)
    write_disc(work / "disc", work / "explicit")
    folders = {}
    for name in (*SYNTAXES, "enhanced", "enhanced-jpeg", "disc"):
        files = sorted(path for path in (work / name).rglob("*") if path.is_file())
        folders[name] = {path.relative_to(work / name).as_posix(): path.read_bytes() for path in files}
    singles = {
        "x.nii": write_nii(work / "x.nii", DATA, AFFINE).read_bytes(),
        "x.nii.gz": write_nii(work / "x.nii.gz", DATA, AFFINE).read_bytes(),
        "raw.nrrd": write_nrrd(work / "raw.nrrd", DATA, AFFINE, encoding="raw").read_bytes(),
        "gz.nrrd": write_nrrd(work / "gz.nrrd", DATA, AFFINE, encoding="gzip").read_bytes(),
    }
    return Seeds(folders, singles)


def hostile(seeds: Seeds, number: int, work: Path) -> Path:
    """Write mutated file ``number`` with what it needs around it; return what to read."""
    rng = np.random.default_rng([20240310, number])
    kind = seeds.kinds[number % len(seeds.kinds)]
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    if kind in seeds.singles:
        whole = seeds.singles[kind]
        packed = kind == "x.nii.gz" and rng.random() < 0.7
        raw = gzip.decompress(whole) if packed else whole
        raw = _text(raw, rng) if kind.endswith("nrrd") and rng.random() < 0.5 else _bytes(raw, rng)
        (work / kind).write_bytes(gzip.compress(raw, 1) if packed else raw)
        return work / kind
    files = seeds.folders[kind]
    victims = set(files) if rng.random() < 0.3 else {sorted(files)[int(rng.integers(len(files)))]}
    if kind == "disc" and rng.random() < 0.6:
        victims = {"DICOMDIR"}
    ways: list[Callable[[bytes, np.random.Generator], bytes]] = [_bytes, _elements, _nested, _start]
    way = ways[int(rng.choice(4, p=[0.45, 0.3, 0.1, 0.15]))]
    for name, content in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(way(content, rng) if name in victims else content)
    return work / "DICOMDIR" if kind == "disc" and number % 2 else work


def attempt(path: Path) -> str:
    """Read a file in every way; return what came of it. Anything but an error with a remedy is raised."""
    said = "read"
    calls = [lambda: inspect(read_image(path))]
    calls.append((lambda: list_series(path)) if path.is_dir() else (lambda: read_grid(path, nearest=True)))
    for call in calls:
        try:
            call()
        except InternalError:
            raise
        except EndplateError as error:
            if not (error.code and error.what and error.intact and error.do):
                raise AssertionError("an error without words") from error
            said = error.code
    return said


def _bytes(whole: bytes, rng: np.random.Generator) -> bytes:
    """Bit flips, overwritten and doubled stretches, insertions, cuts; most of them in the header."""
    raw = bytearray(whole)
    for _ in range(int(rng.integers(1, 7))):
        reach = len(raw) if rng.random() < 0.4 else min(len(raw), 1500)
        at, kind = int(rng.integers(0, max(1, reach))), int(rng.integers(0, 7))
        if kind <= 1 and raw:
            raw[at % len(raw)] ^= 1 << int(rng.integers(0, 8))
        elif kind == 2:
            length = int(rng.integers(1, 9))
            raw[at : at + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
        elif kind == 3:
            raw[at : at + 4] = WORDS[int(rng.integers(len(WORDS)))]
        elif kind == 4 and rng.random() < 0.3:
            del raw[at:]
        elif kind == 5:
            raw[at:at] = rng.integers(0, 256, int(rng.integers(1, 40)), dtype=np.uint8).tobytes()
        else:
            other = int(rng.integers(0, max(1, len(raw))))
            raw[at : at + 24] = raw[other : other + 24]
    return bytes(raw)


def _text(whole: bytes, rng: np.random.Generator) -> bytes:
    """Edit the numbers and lines of a text header."""
    head, split, body = whole.partition(b"\n\n")
    lines = head.split(b"\n")
    for _ in range(int(rng.integers(1, 4))):
        n = int(rng.integers(1, len(lines)))
        way = int(rng.integers(0, 4))
        if way == 0:
            lines.pop(n) if len(lines) > 2 else None
        elif way == 1:
            lines.insert(n, lines[n])
        else:
            parts = lines[n].split(b" ")
            parts[int(rng.integers(len(parts)))] = NUMBERS[int(rng.integers(len(NUMBERS)))].encode()
            lines[n] = b" ".join(parts)
    return b"\n".join(lines) + split + body


def _elements(whole: bytes, rng: np.random.Generator) -> bytes:
    """Remove elements or give them absurd values, also inside the groups of an enhanced CT."""
    ds = pydicom.dcmread(io.BytesIO(whole), force=True)
    names = [name for name in KEYWORDS.split() if name in ds]
    for name in rng.permutation(names)[: int(rng.integers(1, 4))]:
        if rng.random() < 0.3:
            del ds[name]
        else:
            _absurd(ds, name, rng)
    for item in _items(ds):
        if rng.random() < 0.05:
            for element in list(item):
                if element.VR != "SQ" and rng.random() < 0.3:
                    _absurd(item, element.tag, rng)
    return _written(ds, whole)


def _absurd(ds: Dataset, name: object, rng: np.random.Generator) -> None:
    element = ds[name]  # type: ignore[index]
    text = NUMBERS[int(rng.integers(len(NUMBERS)))].encode()
    if element.VR in ("US", "SS", "UL"):
        text = struct.pack("<I", int(rng.integers(0, 2**32)))[: 4 if element.VR == "UL" else 2]
    elif element.VR == "AT":
        text = b"\xff" * 4
    raw = pydicom.dataelem.RawDataElement(
        element.tag, "OB", len(text), text + b" " * (len(text) % 2), 0, False, True
    )
    ds._dict[element.tag] = raw._replace(VR=element.VR if element.VR not in ("OB or OW",) else "OW")


def _items(ds: Dataset) -> Iterator[Dataset]:
    for element in ds:
        if element.VR == "SQ":
            for item in element.value:
                yield item
                yield from _items(item)


def _nested(whole: bytes, rng: np.random.Generator) -> bytes:
    """Put a tower of sequences before the pixels."""
    depth = int(rng.choice([3, 200, 5000, 60000]))
    mark = b"\x08\x00\x60\x00CS"
    open_, close = b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\x00\x00\x00\x00"
    head = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff"
    name = [head, b"\x00\x52\x29\x92SQ\x00\x00\xff\xff\xff\xff"][int(rng.integers(2))]
    end = b"\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    tower = (name + open_) * depth + ((close + end) * depth if rng.random() < 0.5 else b"")
    return whole.replace(mark, tower + mark, 1)


def _start(whole: bytes, rng: np.random.Generator) -> bytes:
    """Spoil the first bytes of the pixels: the headers of code streams stand there."""
    at = whole.rfind(b"\xe0\x7f\x10\x00")
    if at < 0:
        return _bytes(whole, rng)
    tail = bytearray(whole[at:])
    for _ in range(int(rng.integers(1, 5))):
        place = int(rng.integers(8, min(len(tail), 130)))
        if rng.random() < 0.5:
            tail[place] ^= 1 << int(rng.integers(0, 8))
        else:
            tail[place : place + 2] = rng.integers(0, 256, 2, dtype=np.uint8).tobytes()
    return whole[:at] + bytes(tail)


def _written(ds: Dataset, whole: bytes) -> bytes:
    """Write a spoilt dataset; what pydicom will not write stays as it was but for one byte."""
    buffer = io.BytesIO()
    try:
        pydicom.dcmwrite(buffer, ds, enforce_file_format=False)
    except Exception:  # pydicom refuses a value spoilt at random with any error; another way is then taken
        return whole[:140] + bytes([whole[140] ^ 1]) + whole[141:]
    return buffer.getvalue()
