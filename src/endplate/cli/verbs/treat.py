"""``endplate treat``: play the procedure of a planned case, and say what it comes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def treat(
    case: options.CaseArgument,
    script: Annotated[
        Path | None,
        typer.Option(
            "--script",
            metavar="F",
            help="Action script (JSON lines, as a case's actions.jsonl) to play instead of the plan.",
            show_default=False,
        ),
    ] = None,
    cement: Annotated[
        str | None,
        typer.Option(
            "--cement",
            metavar="NAME",
            help="Cement of the catalogue; the planned one where not given.",
            show_default=False,
        ),
    ] = None,
    voxel_mm: Annotated[
        float | None,
        typer.Option(
            "--voxel-mm",
            metavar="MM",
            help="Voxels of the bone: where not given 2 for cement and 1 for balloons; 1 for a result to keep, 2 for a "
            "preview.",
            show_default=False,
        ),
    ] = None,
    balloon_ml: Annotated[
        float | None,
        typer.Option(
            "--balloon-ml",
            metavar="ML",
            help="Inflate each balloon to this, or to what stops it first; the planned volume, which keeps clear of "
            "endplates that have not risen yet, where not given.",
            show_default=False,
        ),
    ] = None,
    posture: Annotated[
        str | None,
        typer.Option(
            "--posture",
            metavar="A,M,P",
            help="Height that positioning gives back, mm (anterior, middle, posterior), before balloons: an input. "
            "published where not given, or none.",
            show_default=False,
        ),
    ] = None,
    members: Annotated[
        int | None,
        typer.Option(
            "--members",
            metavar="N",
            help="Play the plan N times more with bone, cement and needles varied, and give bands; 64 is usual.",
            show_default=False,
        ),
    ] = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Play the procedure of a planned case, and say what it comes to.

    The planned needles are placed under views; balloons are inflated step by step and deflated; cement is mixed and
    injected in small portions on the patient's own bone until a rule of the plan ends it; then heat, leaks, and
    strength before and after are worked out, and the report is written anew. What was done is kept as an action script
    in the case.
    """
    from endplate.case.run import saved_parameters, treat_case
    from endplate.cli.runtime import prepare
    from endplate.cli.show import show_treated
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    parameters = replace(
        saved_parameters(case),
        script=None if script is None else _text_of(script),
        cement=cement,
        cement_voxel_mm=voxel_mm,
        balloon_ml=balloon_ml,
        posture=posture,
        members=members,
    )
    prepare()
    with progress(manner) as tell:
        result = treat_case(case, parameters, force=force, tell=tell)
    show_treated(result, manner)


def _text_of(script: Path) -> str:
    from endplate.errors import InputError

    try:
        return script.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = "it is no text in UTF-8" if isinstance(error, UnicodeDecodeError) else str(error.strerror)
        raise InputError(
            "actions-unreadable",
            f"The action script {script} cannot be read: {why}.",
            intact="The case is unchanged.",
            do="Name a file of JSON lines; a case keeps one as actions.jsonl.",
        ) from error
