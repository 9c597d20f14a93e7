"""``endplate export``: a case's plan for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def export(
    case: options.CaseArgument,
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="KIND",
            help="slicer (line markups, simulated cement as NIfTI), dicom (that cement as a segmentation), "
            "stl (cannulas) or tptbox (points 90-93).",
        ),
    ] = "slicer",
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FOLDER", help="Folder to write into.", show_default=False),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the needle paths and the simulated cement of a case for other programs.

    Coordinates follow each program's own convention (Slicer and STL: LPS, said in the file).
    """
    from endplate.case.export import export_case
    from endplate.cli.show import show_files
    from endplate.errors import UsageError

    if out is None:
        raise UsageError("out-missing", "No folder was named.", do="Name a folder with --out FOLDER.")
    show_files("endplate/export/1", export_case(case, to, out), Manner(json, quiet, verbose))
