"""Hashes of inputs, files, parameters and of the code itself."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from endplate import __version__
from endplate.case.manifest import InputRecord
from endplate.errors import InputError, InternalError
from endplate.imaging.label_sidecar import sidecar_of

RESULT_LIBRARIES = (
    "numpy",
    "scipy",
    "numba",
    "nibabel",
    "pydicom",
    "pynrrd",
    "connected-components-3d",
    "edt",
    "matplotlib",
    "jinja2",
    "pydantic",
)
"""Libraries whose version can change a result or a picture; part of every stage's key."""

SHARED_CODE = ("__init__.py", "units.py", "errors.py", "kernels.py", "sources")
"""Code and data below every room; part of every stage's key."""

CODE_SUFFIXES = frozenset({".py", ".toml", ".yaml", ".html", ".css", ".js"})
"""Files of the package that shape a result; caches of tools lie beside them in a checkout."""

_KIND_OF_SUFFIX = (
    (".nii.gz", "nifti"),
    (".nii", "nifti"),
    (".nrrd", "nrrd"),
    (".nhdr", "nrrd"),
    (".mha", "metaimage"),
    (".mhd", "metaimage"),
    (".zip", "zip"),
    (".dcm", "dicom"),
)


def sha256_bytes(content: bytes) -> str:
    """SHA-256 of bytes, hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def canonical_json(value: Any) -> bytes:
    """JSON with sorted keys and no spaces: equal values give equal bytes.

    Raises
    ------
    InternalError
        The value holds something that JSON has no word for (NaN, a path, ...).
    """
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InternalError(
            "value-not-json", f"A result cannot be written as JSON: {error}.", do="Please report this."
        ) from error
    return text.encode("utf-8")


def input_record(path: Path) -> InputRecord:
    """Hash an input file, or every file of a folder whatever its name or order.

    Raises
    ------
    InputError
        There is nothing at that place, or it cannot be read.
    """
    try:
        if path.is_dir():
            files = sorted(item for item in path.rglob("*") if item.is_file())
            hashes = sorted(sha256_file(item) for item in files)
            return InputRecord(
                kind="folder", sha256=sha256_bytes("\n".join(hashes).encode()), files=len(hashes)
            )
        parts = [path, *_detached_data(path), *_rest_of_series(path), *_label_sidecar(path)]
        digest = sha256_file(path) if len(parts) == 1 else _joint_hash(parts)
        return InputRecord(kind=_kind_of(path), sha256=digest, files=len(parts))
    except FileNotFoundError as error:
        raise InputError(
            "file-not-found", "There is no such file or folder.", do="Check the path."
        ) from error
    except OSError as error:
        raise InputError(
            "file-not-readable",
            "The file or folder cannot be opened.",
            do="Check that you may read it and that the drive is still connected.",
        ) from error


def code_hash(rooms: Iterable[str]) -> str:
    """Hash of the source of some rooms, of what lies below all rooms, and of the libraries' versions."""
    return _code_hash(tuple(sorted({*rooms, *SHARED_CODE})))


def versions() -> dict[str, str]:
    """Versions of Endplate, Python and every library that can change a result."""
    found = {"endplate": __version__, "python": platform.python_version()}
    return {**found, **{name: metadata.version(name) for name in RESULT_LIBRARIES}}


@cache
def _code_hash(parts: tuple[str, ...]) -> str:
    root = Path(str(resources.files("endplate")))
    digest = hashlib.sha256(canonical_json(versions()))
    for part in parts:
        place = root / part
        for file in [place] if place.is_file() else sorted(place.rglob("*")):
            if file.is_file() and file.suffix in CODE_SUFFIXES:
                digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _kind_of(path: Path) -> str:
    name = path.name.lower()
    return next((kind for suffix, kind in _KIND_OF_SUFFIX if name.endswith(suffix)), "file")


def _label_sidecar(path: Path) -> list[Path]:
    """The file beside a label map that says how it was made, if there is one."""
    beside = sidecar_of(path)
    return [beside] if beside.is_file() else []


def _detached_data(path: Path) -> list[Path]:
    """Data file that a MetaImage or NRRD header points to, if it stands apart."""
    if path.suffix.lower() not in {".mhd", ".nhdr"}:
        return []
    for line in path.read_text("latin-1").splitlines():
        name, _, value = line.replace("=", ":", 1).partition(":")
        if name.strip().lower() in {"elementdatafile", "data file", "datafile"}:
            data = path.parent / value.strip()
            return [data] if data.is_file() else []
    return []


def _rest_of_series(path: Path) -> list[Path]:
    """The other files of the folder of a DICOM file or DICOMDIR: the series lies in them too."""
    from endplate.imaging.dicom_files import is_dicom

    with path.open("rb") as stream:
        if path.name.upper() != "DICOMDIR" and (
            _kind_of(path) in ("nifti", "nrrd", "zip") or not is_dicom(stream)
        ):
            return []
    return [item for item in sorted(path.parent.rglob("*")) if item.is_file() and item != path]


def _joint_hash(parts: list[Path]) -> str:
    return sha256_bytes("\n".join(sha256_file(part) for part in parts).encode())
