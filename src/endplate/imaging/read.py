"""Reading an image, whatever its format."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from endplate.errors import InputError, UsageError
from endplate.imaging.dicom import read_dicom
from endplate.imaging.dicom_files import is_dicom
from endplate.imaging.metaimage import read_metaimage
from endplate.imaging.nifti import looks_like_nifti, read_nifti
from endplate.imaging.nrrd_file import read_nrrd
from endplate.imaging.quality import check_values, set_floor
from endplate.imaging.refusals import file_truncated, reading
from endplate.imaging.shear import rectify
from endplate.imaging.stored import StoredImage, to_hu
from endplate.imaging.volume import Volume
from endplate.sources import finding, value

READERS = {
    ".nii": read_nifti,
    ".nii.gz": read_nifti,
    ".nrrd": read_nrrd,
    ".nhdr": read_nrrd,
    ".mha": read_metaimage,
    ".mhd": read_metaimage,
}
"""Reader of a single-file format by suffix."""


def read_image(path: Path, *, series: str | None = None) -> Volume:
    """Read a CT in Hounsfield units: NIfTI, NRRD, MetaImage, or DICOM (folder, zip archive or one of its
    files).

    Data are in file voxel order, int16 where the file's scaling permits, else float32; the affine maps voxel
    indices to RAS mm. A sheared grid (tilted gantry) is resampled onto a rectangular one, and what lies below
    the Hounsfield scale becomes air; ``findings`` tell of both. Whether slices are thin enough
    ``quality.inspect`` judges.

    Parameters
    ----------
    path:
        File or folder.
    series:
        Key from ``dicom_series.list_series(path)``; needed where there are several CT series.

    Raises
    ------
    UsageError
        ``series-unknown``, ``series-not-applicable``.
    InputError
        The input is missing, damaged, of an unsupported kind, or not a CT (``wrong-modality``).
    QualityGateError
        ``not-finite``, ``constant-image``.
    """
    stored = _stored(path, series)
    scan = stored.scan
    data = to_hu(stored.data, stored.slope, stored.intercept, f"{scan.source_format} image")
    check_values(data, scan.modality)
    data, notes = set_floor(data)
    upright = rectify(data, stored.affine, fill=value("imaging.air_hu"))
    stated = scan.gantry_tilt_deg
    if stated is not None and abs(abs(stated) - upright.tilt_deg) > value("imaging.tilt_tag_tolerance_deg"):
        notes = (*notes, finding("gantry-tilt-inconsistent", stated=abs(stated), found=upright.tilt_deg))
    if upright.tilt_deg:
        notes = (*notes, finding("gantry-tilt-resampled", degrees=upright.tilt_deg))
    if upright.tilt_deg or stated is not None:
        scan = replace(scan, gantry_tilt_deg=round(upright.tilt_deg, 3))
    return Volume(upright.data, upright.affine, scan, (*stored.findings, *notes))


def read_grid(path: Path, *, nearest: bool = False) -> Volume:
    """Read a single-file 3-D image of any meaning (labels, density) with the values that it stores.

    A sheared grid becomes rectangular as in ``read_image``, so that a label map stays on the grid of its CT;
    with ``nearest`` (label maps) values are moved, not mixed. Values without scaling keep their type.

    Raises
    ------
    InputError
        The file is missing, damaged or of an unsupported kind (DICOM among them).
    """
    if path.is_dir():
        raise _unknown_format()
    stored = _stored(path, None, single_file=True)
    data = stored.data
    if (stored.slope, stored.intercept) != (1.0, 0.0):
        data = to_hu(data, stored.slope, stored.intercept, f"{stored.scan.source_format} image")
    upright = rectify(data, stored.affine, fill=0.0, nearest=nearest)
    notes = (finding("gantry-tilt-resampled", degrees=upright.tilt_deg),) if upright.tilt_deg else ()
    return Volume(upright.data, upright.affine, stored.scan, (*stored.findings, *notes))


def _stored(path: Path, series: str | None, *, single_file: bool = False) -> StoredImage:
    """Find the reader by suffix, else by content, and read."""
    with reading(path):
        reader = None if path.is_dir() else _reader(path)
        if reader is None:
            if single_file:
                raise _unknown_format()
            return read_dicom(path, series)
        if series is not None:
            raise UsageError(
                "series-not-applicable",
                "Only DICOM folders and archives have series.",
                do="Leave out --series.",
            )
        return reader(path)


def _reader(path: Path) -> Callable[[Path], StoredImage] | None:
    """Return the reader of a single-file format, ``None`` for DICOM."""
    name = path.name.lower()
    for suffix, reader in READERS.items():
        if name.endswith(suffix):
            return reader
    with path.open("rb") as file:
        dicom = is_dicom(file)
        start = file.read(512)
    if dicom or zipfile.is_zipfile(path) or name.endswith((".zip", ".dcm", ".ima")):
        if not start:
            raise file_truncated("file")
        return None
    if looks_like_nifti(start):
        return read_nifti
    if start.startswith(b"NRRD"):
        return read_nrrd
    if b"ElementDataFile" in start or start.startswith((b"ObjectType", b"NDims")):
        return read_metaimage
    raise _unknown_format()


def _unknown_format() -> InputError:
    return InputError(
        "format-unknown",
        "The file is none of NIfTI, NRRD, MetaImage or DICOM.",
        do="Give a .nii.gz, .nrrd, .mha or .mhd file; for DICOM the folder or zip archive of the series.",
    )
