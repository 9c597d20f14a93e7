"""What each verb shows at its end: one JSON document, or a few lines for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endplate.cli.manner import SAFETY, Manner
from endplate.cli.speech import console, print_json, show_notes
from endplate.errors import InternalError, UsageError

if TYPE_CHECKING:
    from endplate.anatomy.model import Spine
    from endplate.case.run import CaseResult
    from endplate.planning.model import Plan


def refuse_with_case(case: Path, given: Mapping[str, object]) -> None:
    """Raise ``UsageError`` for options that make no sense with an existing case."""
    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise UsageError(
            "option-with-case",
            f"{', '.join(wrong)} cannot be given with the case {case}: its scan is already read.",
            do="Leave it out, or run again with the CT.",
        )


def show_case(result: CaseResult, manner: Manner, *, extra: Mapping[str, Any] | None = None) -> None:
    """Show what a whole run made."""
    show_notes(result.notes, manner)
    if manner.json:
        print_json({**result.to_json(), **(extra or {})})
        return
    from endplate.cli.tables import show_document

    out = console()
    show_document(out, result.to_json())
    _end(result, manner)


def show_assessed(result: CaseResult, manner: Manner) -> None:
    """Show the measurements of a case."""
    show_notes(result.notes, manner)
    show_spine_document(result.spine, manner, end=False)
    if not manner.json:
        _end(result, manner)


def show_planned(result: CaseResult, manner: Manner) -> None:
    """Show the plan of a case."""
    show_notes(result.notes, manner)
    if result.plan is not None:
        show_plan_document(result.plan, manner, end=False)
    if not manner.json:
        _end(result, manner)


def show_treated(result: CaseResult, manner: Manner) -> None:
    """Show what the procedure of a case comes to."""
    show_notes(result.notes, manner)
    if result.treatment is None:
        raise InternalError("treat-no-result", "The procedure gave no result.", do="Please report this.")
    if manner.json:
        print_json(result.treatment.model_dump(mode="json", by_alias=True))
        return
    from endplate.cli.tables import show_treatment

    show_treatment(console(), result.treatment)
    _end(result, manner)


def show_report(result: CaseResult, manner: Manner) -> None:
    """Say where the report is."""
    show_notes(result.notes, manner)
    if manner.json:
        print_json({"schema": "endplate/report/1", "report": result.report.name, "made": list(result.made)})
        return
    _end(result, manner)


def show_spine_document(spine: Spine, manner: Manner, *, end: bool = True) -> None:
    """Show measurements that stand in no case."""
    if manner.json:
        print_json(spine.model_dump(mode="json", by_alias=True))
        return
    from endplate.cli.tables import show_spine

    show_spine(console(), spine)
    if end:
        _safety(manner)


def show_plan_document(plan: Plan, manner: Manner, *, end: bool = True) -> None:
    """Show a plan that stands in no case."""
    if manner.json:
        print_json(plan.model_dump(mode="json", by_alias=True))
        return
    from endplate.cli.tables import show_plan

    show_plan(console(), plan)
    if end:
        _safety(manner)


WIDE = {"series": 3, "remark": 2}
"""Columns of the table of series that share the room left by the others."""


def show_files(schema: str, files: Sequence[Path], manner: Manner) -> None:
    """Say which files were written."""
    if manner.json:
        print_json({"schema": schema, "files": [str(path) for path in files]})
        return
    for path in files:
        console().print(str(path), markup=False, soft_wrap=True)


def show_series(found: Sequence[Any], manner: Manner) -> None:
    """List DICOM series."""
    if manner.json:
        print_json({"schema": "endplate/series/1", "series": [_plain(entry) for entry in found]})
        return
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = [entry.cells() for entry in found]
    best = "← measures best" if any(entry.best for entry in found) else None
    table = Table(
        box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True, caption=best, caption_justify="left"
    )
    for name in rows[0] if rows else ():
        table.add_column(name, no_wrap=name in ("key", "date", "voxel mm"), ratio=WIDE.get(name))
    for row in rows:
        table.add_row(*(value or "–" for value in row.values()))
    console().print(table)


def show_sample(paths: Any, credit: str, manner: Manner) -> None:
    """Say where the sample CT is and whose it is."""
    if manner.json:
        print_json(
            {
                "schema": "endplate/sample/1",
                "ct": str(paths.ct),
                "labels": str(paths.labels),
                "credit": credit,
            }
        )
        return
    out = console()
    out.print(f"CT:     {paths.ct}\nLabels: {paths.labels}\n{credit}", markup=False, soft_wrap=True)


def show_health(health: Mapping[str, Any], manner: Manner) -> None:
    """Show what ``endplate doctor`` found."""
    if manner.json:
        print_json(health)
        return
    out = console()
    for line in health["lines"]:
        out.print(line, markup=False, soft_wrap=True)


def _plain(entry: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(entry)


def _end(result: CaseResult, manner: Manner) -> None:
    out = console()
    if not result.made and not manner.quiet:
        out.print("Nothing had changed: this is the saved result (--force makes it anew).")
    out.print(f"Case:   {result.folder}\nReport: {result.report}", markup=False, soft_wrap=True)
    _safety(manner)


def _safety(manner: Manner) -> None:
    if not manner.quiet:
        console().print(SAFETY, style="dim", markup=False)
