"""One run at a time in a case folder."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from endplate.case.files import clear_write_errors
from endplate.errors import UsageError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_NAME = ".lock"


@contextmanager
def case_lock(folder: Path) -> Iterator[bool]:
    """Hold the case folder; yields whether the lock of a run that died was taken over.

    The operating system lets go of the lock when its process ends, however that happens, so a lock that can
    be taken while its file is still there is a stale one.

    Raises
    ------
    UsageError
        Another run is at work in this folder, or the folder cannot be written.
    """
    path = folder / LOCK_NAME
    with clear_write_errors(folder):
        stream, stale = _take(path)
    try:
        yield stale
    finally:
        path.unlink(missing_ok=True)
        os.close(stream)


def _take(path: Path) -> tuple[int, bool]:
    while True:
        stream = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(stream)
        except OSError:
            owner = _owner(path)
            os.close(stream)
            raise UsageError(
                "case-busy",
                f"Another run{owner} is at work in {path.parent}.",
                intact="That run goes on; nothing was changed.",
                do="Wait for it to end, or name another --out.",
            ) from None
        # The holder before us may have removed the file between our open and our lock: then it is no lock.
        if path.exists() and os.path.samestat(os.fstat(stream), path.stat()):
            stale = os.fstat(stream).st_size > 0
            os.ftruncate(stream, 0)
            os.write(stream, json.dumps({"pid": os.getpid()}).encode())
            return stream, stale
        os.close(stream)


def _owner(path: Path) -> str:
    try:
        return f" (process {json.loads(path.read_text())['pid']})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _lock(stream: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(stream, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
