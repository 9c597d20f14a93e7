"""``endplate series``: the DICOM series in a folder or zip."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def series(
    path: Annotated[
        Path, typer.Argument(metavar="PATH", help="A DICOM folder, file or zip.", show_default=False)
    ],
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """List DICOM series with the key that --series takes."""
    from endplate.cli.show import show_series
    from endplate.imaging.dicom_series import list_series

    show_series(list_series(path), Manner(json, quiet, verbose))
