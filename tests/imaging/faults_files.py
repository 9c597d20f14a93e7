"""Faults of values, of single files, of discs and archives."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
from dicom_maker import (
    write_disc,
    write_zip,
)
from faults import DATA, EVEN, fault, series, twelve_signed

# What the values mean


@fault("slope and intercept differ from slice to slice", truth=EVEN)
def rescale_per_slice(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k % 2:
            ds.RescaleSlope, ds.RescaleIntercept = 2, -2000
            ds.PixelData = ((EVEN[:, :, k].T.astype(int) + 2000) // 2).astype("<u2").tobytes()

    return series(folder, edit, EVEN)


HOLED = DATA.copy()
HOLED[-2:] = -1024


@fault("padding range above the scale", findings=("padding-to-air",), truth=HOLED)
def padding(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        stored = (DATA[:, :, k].T.astype(int) + 1024).astype("<u2")
        stored[:, -2], stored[:, -1] = 63536, 63000
        ds.PixelData = stored.tobytes()
        ds.add_new("PixelPaddingValue", "US", 63536)
        ds.add_new("PixelPaddingRangeLimit", "US", 63000)

    return series(folder, edit)


@fault("signed values, padding stated unsigned", findings=("padding-to-air",), truth=HOLED)
def signed(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        stored = DATA[:, :, k].T.astype("<i2")
        stored[:, -2:] = -2000
        ds.PixelRepresentation, ds.RescaleIntercept = 1, 0
        ds.PixelData = stored.tobytes()
        ds.add_new("PixelPaddingValue", "US", 65536 - 2000)

    return series(folder, edit)


@fault("overlay in the bits above the value")
def overlay_bits(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.BitsStored, ds.HighBit = 12, 11
        stored = DATA[:, :, k].T.astype(int) + 1024
        stored[::3] |= 0x9000
        ds.PixelData = stored.astype("<u2").tobytes()

    return series(folder, edit)


@fault("twelve bits, signed", truth=DATA)
def twelve_bits_signed(folder: Path) -> Path:
    return series(folder, twelve_signed)


@fault("no rescaling stated", "not-hounsfield")
def no_rescale(folder: Path) -> Path:
    return series(folder, lambda ds, k: delattr(ds, "RescaleSlope"))


# Oddities of the files


def _bytes_edited(folder: Path, change: Callable[[bytes], bytes]) -> Path:
    series(folder)
    for path in folder.iterdir():
        path.write_bytes(change(path.read_bytes()))
    return folder


@fault("private elements with a type that DICOM does not have")
def private_bad_type(folder: Path) -> Path:
    private = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x01\x10ZZ\x06\x00\x01\x02\x03\x04\x05\x06"
    mark = b"\x10\x00\x10\x00PN"
    return _bytes_edited(folder, lambda whole: whole.replace(mark, private + mark, 1))


@fault("a private element without a type")
def private_no_type(folder: Path) -> Path:
    private = b"\x09\x00\x10\x00LO\x04\x00ACME" + b"\x09\x00\x02\x10\x04\x00\x00\x00\x07\x07\x07\x07"
    mark = b"\x10\x00\x10\x00PN"
    return _bytes_edited(folder, lambda whole: whole.replace(mark, private + mark, 1))


@fault("a character set that nobody knows")
def character_set(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        ds.SpecificCharacterSet = "ISO_IR 999"

    return series(folder, edit)


@fault("optional elements left out, image type empty")
def sparse_header(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        for name in [
            "InstanceNumber",
            "SeriesNumber",
            "SeriesDescription",
            "KVP",
            "Manufacturer",
            "ConvolutionKernel",
            "PatientPosition",
            "SliceThickness",
            "FrameOfReferenceUID",
            "RescaleType",
            "SamplesPerPixel",
            "PhotometricInterpretation",
            "BitsStored",
            "HighBit",
            "PatientName",
            "PatientID",
            "PatientBirthDate",
            "PatientSex",
            "StudyDate",
            "StudyInstanceUID",
        ]:
            delattr(ds, name)
        ds.ImageType = ""

    return series(folder, edit)


@fault("no series number and no series identifier")
def no_series_uid(folder: Path) -> Path:
    return series(folder, lambda ds, k: delattr(ds, "SeriesInstanceUID"))


@fault("frame of reference in some slices only")
def some_frames_of_reference(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k % 3 == 0:
            del ds.FrameOfReferenceUID

    return series(folder, edit)


@fault("pixel data longer than the image")
def long_pixels(folder: Path) -> Path:
    return series(folder, lambda ds, k: setattr(ds, "PixelData", ds.PixelData + bytes(38)))


@fault("pixel data shorter than the image", "file-truncated", says=("slice 8 of 30",))
def short_pixels(folder: Path) -> Path:
    def edit(ds: Any, k: int) -> None:
        if k == 7:
            ds.PixelData = ds.PixelData[:-80]

    return series(folder, edit)


@fault("bytes behind the image")
def trailing_bytes(folder: Path) -> Path:
    return _bytes_edited(folder, lambda whole: whole + b"\x00" * 100 + b"\xff\x13junk" * 9)


@fault("explicit files that call themselves implicit")
def syntax_misstated(folder: Path) -> Path:
    stated, told = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0"
    return _bytes_edited(folder, lambda whole: whole.replace(stated, told, 1))


@fault("no preamble")
def no_preamble(folder: Path) -> Path:
    series(folder)
    for path in folder.iterdir():
        ds = pydicom.dcmread(path)
        del ds.file_meta
        ds.preamble = None
        with path.open("wb") as file:
            pydicom.dcmwrite(file, ds, implicit_vr=True, little_endian=True)
    return folder


# Discs and archives


@fault("a disc with DICOMDIR, nested files without suffix")
def disc(folder: Path) -> Path:
    return write_disc(folder / "cd", series(folder / "src"))


@fault("path of the DICOMDIR itself")
def disc_by_its_list(folder: Path) -> Path:
    return disc(folder) / "DICOMDIR"


@fault("a disc whose last files are lost", findings=("disc-files-missing",), truth=DATA[:, :, :27])
def disc_cut(folder: Path) -> Path:
    cd = disc(folder)
    for path in [path for path in cd.rglob("*") if path.is_file() and path.name != "DICOMDIR"]:
        if pydicom.dcmread(path, stop_before_pixels=True).InstanceNumber > 27:
            path.unlink()
    return cd


@fault("a DICOMDIR alone", "disc-incomplete", says=("lists 30 images", "whole disc"))
def disc_list_alone(folder: Path) -> Path:
    alone = folder / "alone" / "DICOMDIR"
    alone.parent.mkdir(parents=True)
    return (disc(folder) / "DICOMDIR").rename(alone)


def _export(folder: Path) -> Path:
    """A PACS export: two studies, a list, a viewer, junk."""
    series(folder / "a")
    series(
        folder / "b",
        lambda ds, k: (
            setattr(ds, "StudyInstanceUID", "1.2.3.4.5"),
            setattr(ds, "StudyDate", "20230110"),
            setattr(ds, "ConvolutionKernel", "B70f"),
        ),
        series=2,
    )
    cd = write_disc(folder / "cd", folder / "a", folder / "b")
    return write_zip(
        folder / "x.zip",
        cd,
        VIEWER__viewer_exe=b"MZ" + bytes(5000),
        AUTORUN_INF=b"[autorun]\r\nopen=viewer",
        **{"__MACOSX__._IM0": b"\x00\x05\x16\x07", "IHE_PDI__INDEX.HTM": b"<html>Mustermann</html>"},
    )


@fault(
    "zip of a PACS export with two studies",
    "several-series",
    says=("2024-03-10", "2023-01-10", "kernel B30f, ← measures best"),
)
def export_zip(folder: Path) -> Path:
    return _export(folder)


@fault("zip of a PACS export, one series chosen", series="1")
def export_chosen(folder: Path) -> Path:
    return _export(folder)


@fault("zip whose names lead out of the folder")
def traversal_zip(folder: Path) -> Path:
    source = series(folder / "src")
    path = folder / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(source.iterdir()):
            archive.write(file, f"../../../outside/{file.name}")
    return path


@fault("locked zip", "file-unsupported", says=("password", "give the folder"))
def locked_zip(folder: Path) -> Path:
    path = write_zip(folder / "x.zip", series(folder / "src"))
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = -1
        while (at := raw.find(mark, at + 1)) >= 0:
            raw[at + offset] |= 1
    path.write_bytes(raw)
    return path


@fault("zip that claims to unpack to 20 GB", "archive-too-large")
def bomb_zip(folder: Path) -> Path:
    path = folder / "x.zip"
    series(folder / "src")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted((folder / "src").iterdir()):
            archive.write(file, file.name)
        archive.filelist[3].file_size = 20_000_000_000
    return path


@fault("damaged zip", "file-unreadable")
def damaged_zip(folder: Path) -> Path:
    path = write_zip(folder / "x.zip", series(folder / "src"))
    path.write_bytes(path.read_bytes()[:-300])
    return path
