"""``endplate report``: the report of a case, written anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def report(
    case: options.CaseArgument,
    title: Annotated[
        str | None, typer.Option("--title", metavar="TEXT", help="Title of the report.", show_default=False)
    ] = None,
    patient_label: options.PatientLabelOrSaved = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Write the report of a case.

    What it shows is brought up to date first.
    """
    from endplate.case.run import refresh_case, saved_parameters
    from endplate.cli.runtime import prepare
    from endplate.cli.show import show_report
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    saved = saved_parameters(case)
    parameters = replace(
        saved,
        patient_label=saved.patient_label if patient_label is None else patient_label,
        title=saved.title if title is None else title,
    )
    prepare()
    with progress(manner) as tell:
        result = refresh_case(case, parameters, force=force, tell=tell)
    show_report(result, manner)
