"""``endplate compare``: two plans beside each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner

Plan = Annotated[
    Path, typer.Argument(metavar="PLAN", help="A plan.json or a case folder.", show_default=False)
]


def compare(
    first: Plan,
    second: Plan,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Compare two plans of one patient, needle by needle.

    Distances of entry, isthmus and tip and the angle between the axes, beside what two surgeons differ by.
    """
    from endplate.case.documents import read_document
    from endplate.case.names import PLAN
    from endplate.case.run import is_case
    from endplate.cli.speech import console, print_json
    from endplate.planning import model
    from endplate.planning.compare import compare as compare_plans
    from endplate.planning.compare import comparison_text

    manner = Manner(json, quiet, verbose)
    plans = [read_document(path / PLAN if is_case(path) else path, model.Plan) for path in (first, second)]
    comparison = compare_plans(plans[0], plans[1])
    if manner.json:
        print_json({"schema": "endplate/compare/1", **comparison.model_dump(mode="json")})
        return
    console().print(comparison_text(comparison), markup=False, soft_wrap=True)
