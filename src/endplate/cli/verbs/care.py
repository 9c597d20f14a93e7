"""``endplate care``: the pathway of one case by the site's own rules, its papers and its bundle."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

import typer

from endplate.cli import options
from endplate.cli.manner import SAFETY, Manner

if TYPE_CHECKING:
    from endplate.care.case import Case
    from endplate.care.model import Evaluation
    from endplate.care.pack import Pack
    from endplate.care.papers.inputs import Inputs
    from endplate.care.planview import PlanView

Action = Literal["check", "timeline", "leaflet", "papers", "recovery", "follow-up", "bundle", "packs"]

ActionName = Annotated[
    str,
    typer.Argument(
        metavar="ACTION",
        help="check, timeline, leaflet, papers, recovery, follow-up, bundle or packs.",
        show_default=False,
    ),
]
CaseFile = Annotated[
    Path | None,
    typer.Argument(
        metavar="[CASE.json]",
        help="The patient's way as one JSON; see docs/care. Not for packs.",
        show_default=False,
    ),
]
PlanFile = Annotated[
    Path | None,
    typer.Option("--plan", metavar="FILE", help="The plan's JSON (endplate plan).", show_default=False),
]
PackName = Annotated[
    list[str] | None,
    typer.Option(
        "--pack",
        metavar="NAME|FILE",
        help="The site's rules: a YAML file, or a shipped pack by name. For packs: two or more are compared.",
        show_default=False,
    ),
]
SpineFile = Annotated[
    Path | None,
    typer.Option(
        "--spine",
        metavar="FILE",
        help="The measured spine (endplate assess): adds doubts about level names.",
        show_default=False,
    ),
]
OutcomeFile = Annotated[
    Path | None,
    typer.Option(
        "--outcome",
        metavar="FILE",
        help="JSON of a virtual procedure, where there is one.",
        show_default=False,
    ),
]
Now = Annotated[
    str | None,
    typer.Option(
        "--now",
        metavar="TIME",
        help="Judge the case at this moment (ISO; local time of the case where it has no offset); not given: "
        "the case's as_of.",
        show_default=False,
    ),
]
OutPlace = Annotated[
    Path | None,
    typer.Option(
        "--out", "-o", metavar="PLACE", help="Folder for papers, file for the bundle.", show_default=False
    ),
]
LargePrint = Annotated[bool, typer.Option("--large-print", help="Papers in large print (18 pt).")]
Pdf = Annotated[
    bool, typer.Option("--pdf", help="Papers as PDF too, printed by a browser that is installed here.")
]
LanguageFile = Annotated[
    Path | None,
    typer.Option(
        "--language",
        metavar="FILE",
        help="The site's approved translation of the patient's papers (YAML). A sentence that it lacks is refused.",
        show_default=False,
    ),
]


def care(
    action: ActionName,
    case: CaseFile = None,
    plan: PlanFile = None,
    pack: PackName = None,
    spine: SpineFile = None,
    outcome: OutcomeFile = None,
    now: Now = None,
    out: OutPlace = None,
    large_print: LargePrint = False,
    pdf: Pdf = False,
    language: LanguageFile = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """The pathway of one case: checks, dates, papers, follow-up.

    check says what must be known, timeline gives the dates, leaflet and papers write pages, recovery and
    follow-up show their part, bundle writes FHIR R4, packs compares rules. A paper that is held back gives exit
    code 4; check itself does not approve and ends with 0.
    """
    manner = Manner(json, quiet, verbose)
    _known(action)
    if action == "packs":
        _packs(pack or [], manner)
        return
    inputs = _inputs(case, plan, pack, spine, outcome, now, language, large_print=large_print)
    if action in ("leaflet", "papers"):
        _papers(inputs, out, manner, only="leaflet" if action == "leaflet" else None, pdf=pdf)
    elif action == "bundle":
        _bundle(inputs, out, manner)
    else:
        _show(inputs.evaluation, action, manner)


def _known(action: str) -> None:
    from endplate.errors import UsageError

    if action not in get_args(Action):
        raise UsageError(
            "care-action-unknown",
            f"There is no care action {action!r}.",
            do=f"Use one of {', '.join(get_args(Action))}.",
        )


def _inputs(
    case: Path | None,
    plan: Path | None,
    pack: list[str] | None,
    spine: Path | None,
    outcome: Path | None,
    now: str | None,
    language: Path | None,
    *,
    large_print: bool,
) -> Inputs:
    from endplate.care.case import read_case
    from endplate.care.evaluate import evaluate
    from endplate.care.papers.inputs import Inputs
    from endplate.care.papers.language import ENGLISH, read_language
    from endplate.care.planview import read_plan
    from endplate.errors import UsageError

    missing = [name for name, given in (("CASE.json", case), ("--plan", plan), ("--pack", pack)) if not given]
    if case is None or plan is None or not pack:
        raise UsageError(
            "care-incomplete",
            f"Missing: {', '.join(missing)}.",
            do="Give endplate care ACTION CASE.json --plan PLAN.json --pack PACK.",
        )
    if len(pack) > 1:
        raise UsageError(
            "care-two-packs",
            "Two packs are never merged.",
            do="Give one; compare several with endplate care packs.",
        )
    found: Case = read_case(case)
    planned: PlanView = read_plan(plan, spine)
    rules: Pack = _load(pack[0])
    judged = evaluate(found, planned, rules, outcome=_outcome(outcome), now=_moment(now, found))
    return Inputs(
        case=found,
        plan=planned,
        pack=rules,
        evaluation=judged,
        language=ENGLISH if language is None else read_language(language),
        large_print=large_print or found.person.large_print,
    )


def _load(name: str) -> Pack:
    from endplate.care.pack import SHIPPED, load_pack

    return load_pack(name if name in SHIPPED else Path(name))


def _moment(text: str | None, case: Case) -> dt.datetime | None:
    from endplate.care.times import check_iso, resolve, zone
    from endplate.errors import UsageError

    if text is None:
        return None
    try:
        return resolve(check_iso(text), zone(case.time_zone))
    except ValueError as error:
        raise UsageError("care-now-wrong", f"--now: {error}.", do="Write it as 2026-12-07T09:00.") from None


def _outcome(path: Path | None) -> Any:
    import json

    from endplate.errors import InputError

    if path is None:
        return None
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            "care-outcome-unreadable",
            "The outcome cannot be read.",
            do="Name the JSON of a virtual procedure.",
        ) from error
    if not isinstance(found, dict):
        raise InputError(
            "care-outcome-unreadable",
            "The outcome is not a JSON object.",
            do="Name the JSON of a virtual procedure.",
        )
    return found


def _show(found: Evaluation, action: str, manner: Manner) -> None:
    from endplate.cli.care_show import document_of, lines_of
    from endplate.cli.speech import console, print_json

    if manner.json:
        print_json(document_of(found, action))
        return
    out = console()
    for line in lines_of(found, action):
        out.print(line, markup=False, soft_wrap=True)
    if not manner.quiet:
        out.print(SAFETY, style="dim", markup=False)


def _packs(names: list[str], manner: Manner) -> None:
    from endplate.care.pack import SHIPPED
    from endplate.cli.care_show import pack_document, pack_lines
    from endplate.cli.speech import console, print_json

    packs = tuple(_load(name) for name in (names or SHIPPED))
    if manner.json:
        print_json(pack_document(packs))
        return
    for line in pack_lines(packs):
        console().print(line, markup=False, soft_wrap=True)


def _papers(inputs: Inputs, out: Path | None, manner: Manner, *, only: str | None, pdf: bool) -> None:
    from endplate.care.papers.make import write_papers
    from endplate.cli.speech import console, print_json
    from endplate.errors import UsageError

    if out is None:
        raise UsageError("care-no-out", "Where should the papers go?", do="Give a folder with --out.")
    written = write_papers(inputs, out, only=only, pdf=pdf)
    if manner.json:
        print_json(written.document())
        return
    for line in written.lines():
        console().print(line, markup=False, soft_wrap=True)
    if not manner.quiet:
        console().print(SAFETY, style="dim", markup=False)


def _bundle(inputs: Inputs, out: Path | None, manner: Manner) -> None:
    from endplate.care.fhir.write import bundle_of, write_bundle
    from endplate.cli.speech import console, print_json

    if out is None:
        print_json(bundle_of(inputs.case, inputs.plan, inputs.evaluation))
        return
    path = write_bundle(inputs.case, inputs.plan, inputs.evaluation, out)
    if manner.json:
        print_json({"schema": "endplate/care-bundle/1", "case_id": inputs.case.case_id, "file": path.name})
    else:
        console().print(f"Bundle written: {path.name}", markup=False)
