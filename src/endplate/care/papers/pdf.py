"""A paper as PDF, printed by a browser that is installed on this machine; no network is used."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from endplate.errors import InputError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
"""Names under which a browser that prints without a window is looked for."""

TIMEOUT_S = 120
"""Longer means that the browser hangs."""

_DATE = re.compile(rb"/(CreationDate|ModDate) \(D:[^)]*\)")
_FIXED = b"20000101000000+00'00'"


def find_browser() -> str | None:
    """Path of a browser, or ``None``."""
    return next((found for name in BROWSERS if (found := shutil.which(name)) is not None), None)


def pdf_of(html: str) -> bytes:
    """Print one page to a tagged PDF; its dates are set to a fixed day, so that the same page is the same file.

    Raises
    ------
    InputError
        No browser is installed, or it did not print.
    """
    browser = find_browser()
    if browser is None:
        raise InputError(
            "care-no-browser",
            "PDF needs a browser on this machine (Chromium, Chrome or Edge); none was found.",
            do="Install one, or print the HTML page from any browser.",
        )
    with tempfile.TemporaryDirectory() as folder:
        page, printed = Path(folder) / "page.html", Path(folder) / "page.pdf"
        page.write_bytes(html.encode("utf-8"))
        words = [
            browser,
            "--headless",
            "--disable-gpu",
            "--no-first-run",
            f"--user-data-dir={folder}/profile",
            "--no-pdf-header-footer",
            f"--print-to-pdf={printed}",
            page.as_uri(),
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            words.insert(1, "--no-sandbox")  # its sandbox does not start for the superuser
        try:
            subprocess.run(words, check=True, timeout=TIMEOUT_S, capture_output=True)
            content = printed.read_bytes()
        except (OSError, subprocess.SubprocessError) as error:
            raise InputError(
                "care-pdf-failed",
                "The browser did not print the page.",
                do="Print the HTML page from a browser by hand.",
            ) from error
    return _DATE.sub(_fixed_date, content)


def _fixed_date(found: re.Match[bytes]) -> bytes:
    """The same entry with a fixed date and the same length: places in the file must not move."""
    room = len(found[0]) - len(b"/ (D:)") - len(found[1])
    return b"/" + found[1] + b" (D:" + _FIXED[:room].ljust(room, b"0") + b")"
