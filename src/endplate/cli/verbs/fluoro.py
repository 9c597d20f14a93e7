"""``endplate fluoro``: simulated X-rays of a planned case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def fluoro(
    case: options.CaseArgument,
    view: Annotated[
        str, typer.Option("--view", metavar="NAME", help="ap, lateral, bullseye-left or bullseye-right.")
    ] = "ap",
    level: Annotated[
        str | None,
        typer.Option(
            "--level",
            metavar="LEVEL",
            help="A planned level; the first where not given.",
            autocompletion=options.complete_levels,
            show_default=False,
        ),
    ] = None,
    primary: Annotated[
        float | None,
        typer.Option(
            "--primary",
            metavar="DEG",
            help="DICOM primary angle (LAO +, prone upright 180) in place of the view's; with --secondary.",
            show_default=False,
        ),
    ] = None,
    secondary: Annotated[
        float | None,
        typer.Option(
            "--secondary", metavar="DEG", help="DICOM secondary angle (CRAN +).", show_default=False
        ),
    ] = None,
    time: Annotated[
        float | None,
        typer.Option(
            "--time",
            metavar="S",
            help="Seconds since the needles set out; not given: at their targets.",
            show_default=False,
        ),
    ] = None,
    needles: Annotated[
        bool, typer.Option("--needles/--no-needles", help="Draw the planned needles in.")
    ] = True,
    behind: Annotated[
        bool,
        typer.Option("--behind", help="Show the patient from behind (right on screen right); not for DICOM."),
    ] = False,
    magnify: Annotated[
        float, typer.Option("--magnify", metavar="N", help="Use a field of the detector smaller by this.")
    ] = 1.0,
    pixels: Annotated[
        int | None,
        typer.Option("--pixels", metavar="N", help="Pixels along each side.", show_default=False),
    ] = None,
    frames: Annotated[int, typer.Option("--frames", metavar="N", help="Frames of a folder or page.")] = 12,
    kvp: Annotated[
        float | None,
        typer.Option(
            "--kvp",
            metavar="KV",
            help="Tube voltage; exposure control's where not given.",
            show_default=False,
        ),
    ] = None,
    ct: Annotated[
        Path | None,
        typer.Option(
            "--ct",
            metavar="DICOM",
            help="DICOM of the CT, whose frame of reference the file takes.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE|FOLDER",
            help=".png or .dcm: one picture; .html: a page that plays the way in; a folder: its frames.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show a planned case under simulated X-ray.

    Angles are told in the patient's terms, as dialled at the console, and in words. Every picture says that it is
    simulated.
    """
    from endplate.cli.runtime import prepare
    from endplate.cli.speech import console, print_json
    from endplate.errors import UsageError

    if out is None:
        raise UsageError(
            "out-missing",
            "No file was named.",
            do="Name a .png, .dcm or .html file, or a folder, with --out.",
        )
    if (primary is None) is not (secondary is None):
        raise UsageError(
            "angles-half", "Only one of two angles was given.", do="Give --primary and --secondary together."
        )
    manner = Manner(json, quiet, verbose)
    prepare()
    from endplate.case.fluoro import Shot, shoot_case

    shot = Shot(
        view=view,
        level=level,
        angles_deg=None if primary is None or secondary is None else (primary, secondary),
        time_s=time,
        needles=needles,
        shown="behind" if behind else "radiograph",
        pixels=pixels,
        magnify=magnify,
        frames=frames,
        kvp=kvp,
        ct=ct,
    )
    found = shoot_case(case, shot, out)
    if manner.json:
        print_json(found)
        return
    told = console()
    for path in found["files"]:
        told.print(path, markup=False, soft_wrap=True)
    told.print(found["line"], markup=False, soft_wrap=True)
    if not manner.quiet:
        for one in found["findings"]:
            told.print(f"{one['severity']}: {one['text']}", markup=False, soft_wrap=True)
        told.print("Simulated. A research and planning aid, not a medical device.", style="dim", markup=False)
