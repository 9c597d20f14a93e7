"""The version of an installed program, and whether it starts at all.

The version is asked of the program's Python where it has one: importing its networks takes half a minute.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from endplate.labelling.segmenters.child import run_child

ANSWER_S = 20.0
"""An interpreter that takes longer than this to name a package's version has other troubles."""

START_S = 5.0
"""A program that only has to name its version and gives no answer in this time is waited for no longer."""

QUESTIONS = ("--version", "--help", "-h")
"""What a program that can be used answers without an error; not all know the first."""

LONGEST_VERSION = 40

_NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)+[\w.+-]*|(?<![\w.])\d{8}(?![\w.])")

_ASK = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))"


def version_of(program: Path, distribution: str) -> str | None:
    """Ask the interpreter that a console script names in its first line; ``None`` where that does not work."""
    try:
        with program.open("rb") as file:
            first = file.readline(500)
    except OSError:
        return None
    if not first.startswith(b"#!"):
        return None
    interpreter = first[2:].decode("utf-8", "replace").split()
    if not interpreter or "python" not in Path(interpreter[-1]).name:
        return None
    try:
        asked = subprocess.run(
            [*interpreter, "-c", _ASK, distribution],
            capture_output=True,
            text=True,
            timeout=ANSWER_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = asked.stdout.strip()
    return version[:LONGEST_VERSION] if asked.returncode == 0 and version else None


@dataclass(frozen=True)
class Health:
    """What is known of an installed program.

    Parameters
    ----------
    version:
        ``None`` where it does not say.
    starts:
        ``False``: it ended with an error whatever it was asked, or gave no sign of life in time. ``None``: its version
        is known, but it took longer to answer than was waited for, as programs that load networks first do.
    """

    version: str | None
    starts: bool | None


def health_of(program: Path, distribution: str, *, limit_s: float = START_S) -> Health:
    """Return version and whether the program starts, asking it the simplest questions.

    Parameters
    ----------
    program:
        The command.
    distribution:
        The Python package that holds it.
    limit_s:
        It is stopped after so many seconds without an answer.
    """
    version = version_of(program, distribution)
    with tempfile.TemporaryDirectory(prefix="endplate-ask-", ignore_cleanup_errors=True) as folder:
        for question in QUESTIONS:
            try:
                ended = run_child(
                    [str(program), question], Path(folder), limit_s=limit_s, say=lambda _line, _whole: None
                )
            except OSError:
                return Health(version, False)
            if ended.code is None:
                return Health(version, False if version is None else None)
            if ended.code == 0:
                said = version_in(ended.lines) if question == QUESTIONS[0] else None
                return Health(version or said, True)
    return Health(version, False)


def version_in(lines: Sequence[str]) -> str | None:
    """Return the version that a program's answer names: a line that is nothing else, or else the last number."""
    found = [(line, match.group()) for line in lines for match in [_NUMBER.search(line)] if match]
    bare = [number for line, number in found if line.strip() == number]
    numbers = bare or [number for _, number in found]
    return numbers[-1][:LONGEST_VERSION] if numbers else None
