"""A program run to its end: its words passed on, its time limited, nothing of it left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str, bool], None]
"""Takes a line of the program, and whether it is a whole one (progress bars overwrite theirs)."""

KEPT_LINES = 60
LONGEST_LINE = 300
POLL_S = 0.05
GRACE_S = 3.0
"""Between asking a program to stop and stopping it."""

_PATH = re.compile(r"(?:[A-Za-z]:[\\/]|~?/|\\\\)[^\s'\",;:()<>|]*[\\/][^\s'\",;:()<>|]*")
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_ENDS = re.compile(rb"[\r\n]")


@dataclass(frozen=True)
class Ended:
    """How a program ended.

    Parameters
    ----------
    code:
        Its exit status; negative for a signal. ``None``: it was stopped at the time limit.
    lines:
        Its last lines, without paths.
    seconds:
        Wall time.
    """

    code: int | None
    lines: tuple[str, ...]
    seconds: float


def run_child(command: Sequence[str], folder: Path, *, limit_s: float, say: Say) -> Ended:
    """Run a program in a folder, in a group of its own, until it ends or its time is up.

    Whatever it started is stopped with it, also when this program is interrupted.

    Raises
    ------
    OSError
        It cannot be started.
    """
    start = time.monotonic()
    own_group = {"start_new_session": True} if os.name == "posix" else {}
    child = subprocess.Popen(
        list(command),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        **own_group,  # type: ignore[call-overload]
    )
    listener = _Listener(child, say)
    listener.start()
    code: int | None = None
    try:
        while time.monotonic() - start < limit_s:
            with suppress(subprocess.TimeoutExpired):
                code = child.wait(POLL_S)
                break
    finally:
        _stop(child)
        listener.join(GRACE_S)
    return Ended(code, tuple(listener.lines), time.monotonic() - start)


def without_paths(text: str) -> str:
    """A line that names no folder of this machine and carries no control codes."""
    plain = _ESCAPES.sub("", text)
    plain = "".join(character if character.isprintable() else " " for character in plain)
    return _PATH.sub("…", plain).strip()[:LONGEST_LINE]


class _Listener(threading.Thread):
    """Reads what a program says; also progress bars, which end a line with a carriage return."""

    def __init__(self, child: subprocess.Popen[bytes], say: Say) -> None:
        super().__init__(daemon=True)
        self._child = child
        self._say = say
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def run(self) -> None:
        """Read until the pipe is closed."""
        assert self._child.stdout is not None
        rest = b""
        with suppress(ValueError, OSError):  # the pipe is closed under us when the program is stopped
            while piece := os.read(self._child.stdout.fileno(), 8192):
                rest += piece
                while end := _ENDS.search(rest):
                    self._tell(rest[: end.start()], whole=end.group() == b"\n")
                    rest = rest[end.end() :]
                if len(rest) > 10 * LONGEST_LINE:
                    rest = rest[-LONGEST_LINE:]
        self._tell(rest, whole=True)

    def _tell(self, raw: bytes, *, whole: bool) -> None:
        line = without_paths(raw.decode("utf-8", "replace"))
        if line:
            if whole:
                self.lines.append(line)
            self._say(line, whole)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Stop the program and all that it started: asked first, then without asking."""
    _signal(child, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        child.wait(GRACE_S)
    _signal(child, getattr(signal, "SIGKILL", signal.SIGTERM))
    child.wait()


def _signal(child: subprocess.Popen[bytes], number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(child.pid, number)
        elif child.poll() is None:
            child.send_signal(number)
