"""Where labels may be written: into folders that exist, over nothing that is read, each file once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from endplate.errors import UsageError
from endplate.imaging.dicom_files import is_dicom
from endplate.imaging.dicom_seg import holds_segmentation
from endplate.imaging.label_sidecar import sidecar_of

UNCHANGED = "It is unchanged; nothing was written."


def files_of(path: Path) -> tuple[Path, Path]:
    """The files that writing labels makes: the map and its sidecar."""
    return path, sidecar_of(path)


def check_free(
    paths: Iterable[Path],
    *,
    force: bool,
    ct: Path | None = None,
    inputs: Sequence[Path] = (),
    mended_in_place: Path | None = None,
) -> None:
    """Refuse to write over files, before anything long begins.

    Parameters
    ----------
    paths:
        All files that will be written.
    force:
        Files that are there may be replaced, but for those that are read.
    ct:
        The CT: a file, or a folder of DICOM files. Where it is DICOM, the images beside it count as its own.
    inputs:
        Other files or folders that are read.
    mended_in_place:
        One of ``paths`` that may replace an input: a label map that is mended.

    Raises
    ------
    UsageError
        ``outputs-same`` (two outputs are one file), ``output-not-writable`` (a folder of that name, or no folder to
        write into), ``output-is-input``, ``output-exists``.
    """
    targets = list(paths)
    for place, path in enumerate(targets):
        if any(_same(path, other) for other in targets[:place]):
            raise UsageError(
                "outputs-same",
                f"Two of the files to write would be the same: {path.name}.",
                do="Give --out, --subregions and --organs a name each.",
            )
        if path.is_dir() or not path.absolute().parent.is_dir():
            raise UsageError(
                "output-not-writable",
                f"{path.name} cannot be written there: it is a folder, or its folder does not exist.",
                do="Name a file in a folder that exists.",
            )
        if (ct is not None and _part_of_ct(path, ct)) or (
            path != mended_in_place and any(_part_of(path, given) for given in inputs)
        ):
            raise UsageError(
                "output-is-input",
                f"{path.name} is read by this command: writing would destroy it.",
                intact=UNCHANGED,
                do="Choose another name; --force does not replace what is read, but for a label map that is mended.",
            )
        if path.exists() and not force:
            raise UsageError(
                "output-exists",
                f"{path.name} is already there.",
                intact=UNCHANGED,
                do="Choose another name, or replace it with --force.",
            )


def _same(one: Path, other: Path) -> bool:
    """Say whether two paths are one file, also through links, and where the disc knows no capitals."""
    try:
        if one.exists() and other.exists():
            return one.samefile(other)
    except OSError:
        pass
    return str(one.resolve()).casefold() == str(other.resolve()).casefold()


def _part_of(path: Path, given: Path) -> bool:
    """Say whether a path is an input, or a file in a folder that is one."""
    if _same(path, given):
        return True
    return given.is_dir() and path.exists() and given.resolve() in path.resolve().parents


def _part_of_ct(path: Path, ct: Path) -> bool:
    """Say whether a path is the CT or one of its images; a segmentation among them is none."""
    if _same(path, ct):
        return True
    if not path.is_file():
        return False
    folder = ct if ct.is_dir() else ct.parent
    if folder.resolve() not in path.resolve().parents:
        return False
    try:
        with path.open("rb") as file:
            if not is_dicom(file):
                return False
        return not holds_segmentation(path)
    except OSError:
        return True
