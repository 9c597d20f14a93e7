"""DICOM files in a folder or an archive: found, bounded in number and size, and parsed without a sound."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Protocol

import pydicom
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from endplate.errors import InputError
from endplate.imaging.dicom_headers import SliceHeader, slice_headers
from endplate.imaging.dicomdir import is_directory, listed_images
from endplate.imaging.refusals import file_unreadable, file_unsupported
from endplate.imaging.tags import HEADER_TAGS
from endplate.sources import value

DEFLATED_SYNTAX = b"1.2.840.10008.1.2.1.99"
"""The one transfer syntax in which the whole file behind its preamble is compressed."""

PREAMBLE_BYTES = 132

ITEMS = (b"\xfe\xff\x00\xe0", b"\xff\xfe\xe0\x00")
"""How an item of a sequence starts, little- and big-endian."""

ITEM_ENDS = (b"\xfe\xff\x0d\xe0", b"\xff\xfe\xe0\x0d")
"""How one that did not state its length ends."""

UNSTATED = b"\xff\xff\xff\xff"
"""The length of an item that ends where its end is marked."""

PIXEL_DATA = 0x7FE00010
"""Nothing behind the pixels is read: what stands there is no image, and often no DICOM."""


@dataclass(frozen=True)
class Found:
    """What a folder or archive holds.

    Parameters
    ----------
    headers:
        Of all DICOM images.
    damaged:
        Number of DICOM files that cannot be parsed.
    listed:
        Images that a DICOMDIR lists: series → images (only compared, never shown); empty without one.
    """

    headers: tuple[SliceHeader, ...]
    damaged: int = 0
    listed: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Store(Protocol):
    """Files by number, in one defined order."""

    def __len__(self) -> int:
        """Count the files."""
        ...

    def open(self, member: int) -> BinaryIO:
        """Open one file."""
        ...


class FolderStore:
    """All files of a folder, ordered by their path; links to folders are not followed."""

    def __init__(self, folder: Path, *, recursive: bool = True) -> None:
        limit = value("imaging.max_files")
        self.paths: list[Path] = []
        for base, folders, names in os.walk(folder, followlinks=False):
            folders[:] = sorted(folders) if recursive else []
            self.paths += [path for name in sorted(names) if (path := Path(base, name)).is_file()]
            if len(self.paths) > limit:
                raise _too_many(limit)

    def __len__(self) -> int:
        return len(self.paths)

    def open(self, member: int) -> BinaryIO:
        """Open one file."""
        return self.paths[member].open("rb")


class ZipStore:
    """The files of a zip archive, ordered by name, read in memory one at a time; nothing is unpacked to disk.

    Raises
    ------
    InputError
        ``archive-too-large`` for more files or bytes than a study has, ``file-unsupported`` for a locked
        archive.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        files = (info for info in archive.infolist() if not info.filename.endswith("/"))
        infos = sorted(files, key=lambda info: info.filename)
        if len(infos) > value("imaging.max_files"):
            raise _too_many(value("imaging.max_files"))
        if sum(info.file_size for info in infos) > value("imaging.max_unpacked_bytes"):
            raise InputError(
                "archive-too-large",
                "The files of the archive would unpack to more than any CT series has.",
                do="Check where the archive comes from; give one with this study only.",
            )
        if any(info.flag_bits & 1 for info in infos):
            raise file_unsupported(
                "archive", "it is locked with a password", "Unpack it and give the folder."
            )
        self._infos = infos

    def __len__(self) -> int:
        return len(self._infos)

    def open(self, member: int) -> BinaryIO:
        """Open one file; reading stops at its stated size, so that it cannot grow without bound."""
        return self._archive.open(self._infos[member])  # type: ignore[return-value]


@contextmanager
def open_store(path: Path) -> Iterator[Store]:
    """Open a folder, a zip archive, the disc of a DICOMDIR or the folder around a single file (that alone)."""
    if path.is_dir():
        yield FolderStore(path)
    elif is_disc(path):
        yield FolderStore(path.parent)
    elif path.name.lower().endswith(".zip") or zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                yield ZipStore(archive)
        except (zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, struct.error, UnicodeError):
            raise file_unreadable("zip archive", "it is damaged or packed in an unusual way") from None
    else:
        yield FolderStore(path.parent, recursive=False)


def is_disc(path: Path) -> bool:
    """Say whether a path names the list of a DICOM disc, which stands for all files beside and below it."""
    return path.name.upper() == "DICOMDIR"


@contextmanager
def quiet_pydicom() -> Iterator[None]:
    """Silence pydicom: its warnings quote the values of elements, which may name the patient."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def headers(store: Store) -> Found:
    """Return the headers of all DICOM images, the number of damaged files, and what a DICOMDIR lists.

    Files of other kinds, and DICOM files that hold no image, are passed over.
    """
    found: list[SliceHeader] = []
    listed: dict[str, frozenset[str]] = {}
    damaged = 0
    for member in range(len(store)):
        with store.open(member) as file:
            if not is_dicom(file):
                continue
            try:
                dataset = _parse(file, header_only=True)
                if is_directory(dataset):
                    for series, images in listed_images(dataset).items():
                        listed[series] = listed.get(series, frozenset()) | images
                else:
                    found.extend(slice_headers(dataset, member))
            except InputError:
                raise
            except Exception:  # pydicom answers damage with whatever its parsers raise; it is counted
                damaged += 1
    return Found(tuple(found), damaged, listed)


def read_dataset(content: bytes) -> Dataset:
    """Parse one whole DICOM file; raises whatever pydicom raises on damage."""
    return _parse(io.BytesIO(content), header_only=False)


def read_member(store: Store, member: int) -> bytes:
    """Return the bytes of one file.

    Raises
    ------
    InputError
        ``image-too-large``.
    """
    limit = value("imaging.max_file_bytes")
    with store.open(member) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise InputError(
            "image-too-large",
            "A DICOM file is larger than any CT slice.",
            do="Export the series as single CT images.",
        )
    return content


def is_dicom(file: BinaryIO) -> bool:
    """Say whether an open file is DICOM: by the mark behind the preamble, or an old file without one."""
    start = file.read(PREAMBLE_BYTES)
    file.seek(0)
    return start[128:] == b"DICM" or (
        len(start) == PREAMBLE_BYTES and start[:2] == b"\x08\x00" and start[3:4] == b"\x00"
    )


def _parse(file: BinaryIO, *, header_only: bool) -> Dataset:
    _refuse_deflate_bomb(file)
    if header_only:
        return pydicom.dcmread(
            _Head(file),
            stop_before_pixels=True,
            force=True,
            specific_tags=list(HEADER_TAGS),
        )
    return read_partial(file, stop_when=lambda tag, _vr, _length: tag > PIXEL_DATA, force=True)


class _Head:
    """The start of a file as all of it: a header whose elements claim more is damaged, not read.

    pydicom calls itself for each item of unstated length within another, so a tower of them is stopped here, before
    the interpreter's own limit is near and whatever it finalises there fails.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._limit = int(value("imaging.max_header_bytes"))
        self._deepest = int(value("imaging.max_sequence_depth"))
        self._depth = 0

    def read(self, count: int = -1) -> bytes:
        left = max(0, self._limit - self._file.tell())
        content = self._file.read(left if count < 0 else min(count, left))
        if len(content) == 8:
            self._note_item(content[:4], content[4:])
        return content

    def _note_item(self, tag: bytes, length: bytes) -> None:
        if tag in ITEMS and length == UNSTATED:
            self._depth += 1
        elif tag in ITEM_ENDS:
            self._depth -= 1
        if self._depth > self._deepest:
            raise ValueError("sequences nested deeper than those of any image")

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


def _refuse_deflate_bomb(file: BinaryIO) -> None:
    """pydicom inflates a deflated file without bound, so its size is found out first in small steps."""
    start = file.read(1024)
    if DEFLATED_SYNTAX not in start:
        file.seek(0)
        return
    group_length = int.from_bytes(start[140:144], "little")
    file.seek(PREAMBLE_BYTES + 12 + group_length)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    total, limit = 0, value("imaging.max_file_bytes")
    pending = file.read(1 << 20)
    while pending and not inflater.eof and total <= limit:
        total += len(inflater.decompress(pending, 1 << 20))
        pending = inflater.unconsumed_tail or file.read(1 << 20)
    if total > limit:
        raise file_unsupported(
            "DICOM file", "it unpacks to more than any CT slice has", "Export it uncompressed."
        )
    file.seek(0)


def _too_many(limit: int) -> InputError:
    return InputError(
        "too-many-files",
        f"There are more than {limit} files.",
        do="Give the folder or archive of this study only.",
    )
