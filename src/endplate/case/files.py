"""Writing a case's files whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from endplate.errors import UsageError

TEMPORARY_PREFIX = ".part-"
"""Names of files still being written hold this; a leftover of a killed run is removed at the next one."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, then put it in place in one step.

    A stop at any moment leaves either the old file or the new one. The temporary name is always the same,
    because some formats keep the name of their file; a case has one writer.

    Raises
    ------
    UsageError
        The folder cannot be written, or the disk is full.
    """
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    with clear_write_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(temporary)
            with temporary.open("rb+") as stream:
                os.fsync(stream.fileno())
            os.replace(temporary, path)  # noqa: PTH105 - the one atomic step, named so that tests can make it fail
        finally:
            temporary.unlink(missing_ok=True)
        _sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed run left half-written."""
    for leftover in folder.rglob(f"*{TEMPORARY_PREFIX}*"):
        leftover.unlink(missing_ok=True)


@contextmanager
def clear_write_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's write errors into ones that say what to do.

    Raises
    ------
    UsageError
        ``output-not-writable``: the disk is full, the folder is not ours to write, or the disk failed.
    """
    try:
        yield
    except OSError as error:
        kept = "Finished stages in the case folder are whole; nothing half-written was kept."
        if error.errno in _FULL:
            raise UsageError(
                "output-not-writable",
                f"The disk of {folder} is full.",
                intact=kept,
                do="Free some space, or name another --out, and run the same command again: it resumes.",
            ) from error
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST}:
            raise UsageError(
                "output-not-writable",
                f"{folder} cannot be written ({error.strerror}).",
                intact=kept,
                do="Name an --out folder that you may write to.",
            ) from error
        raise UsageError(
            "output-not-writable",
            f"Writing to {folder} failed ({error.strerror or type(error).__name__}).",
            intact=kept,
            do="Check the disk, or name another --out, and run the same command again: it resumes.",
        ) from error


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
