"""The version of an installed program, without running it: importing its networks takes half a minute."""

from __future__ import annotations

import subprocess
from pathlib import Path

ANSWER_S = 20.0
"""An interpreter that takes longer than this to name a package's version has other troubles."""

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
    return version[:40] if asked.returncode == 0 and version else None
