"""What ``endplate label`` shows at its end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Table

from endplate.cli.manner import SAFETY, Manner
from endplate.cli.speech import console, print_json
from endplate.cli.tables import UNKNOWN, show_findings
from endplate.labelling.outputs_document import LabelDocument, LabelledLevel

if TYPE_CHECKING:
    from endplate.labelling.propose import Proposal


def show_labels(document: LabelDocument, manner: Manner) -> None:
    """Show every level with its quality, then what was assumed, then findings and files."""
    if manner.json:
        print_json(document.model_dump(mode="json", by_alias=True))
        return
    show_levels(document)
    out = console()
    if document.files:
        out.print(f"Written: {', '.join(document.files)}", markup=False, soft_wrap=True)
    if not manner.quiet:
        out.print(SAFETY, style="dim", markup=False)


def show_levels(document: LabelDocument) -> None:
    """Show the table of levels and all findings."""
    out = console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("level", style="bold")
    for heading in ("volume ml", "quality\n0–1", "edge off by\nup to mm"):
        table.add_column(heading, justify="right")
    for level in document.levels:
        table.add_row(*_cells(level))
    out.print(table)
    out.print(document.counted_how, markup=False)
    assumed: dict[str, list[str]] = {}
    for level in document.levels:
        for sentence in level.assumed:
            assumed.setdefault(sentence, []).append(level.level)
    for sentence, levels in assumed.items():
        out.print(f"assumed: {', '.join(levels)}: {sentence}", style="dim", markup=False)
    show_findings(
        out, (*document.findings, *(found for level in document.levels for found in level.findings))
    )


def show_made(
    schema: str, what: str, files: Sequence[Path], proposals: Sequence[Proposal], manner: Manner
) -> None:
    """Say which page or points file was written, what was proposed, and what to do with it."""
    if manner.json:
        proposed = [
            {
                "level": one.level,
                "ras_mm": [round(float(c), 3) for c in one.ras_mm],
                "confidence": round(one.confidence, 3),
                "how": one.how,
            }
            for one in proposals
        ]
        print_json({"schema": schema, "files": [path.name for path in files], "proposed": proposed})
        return
    out = console()
    show_findings(out, [found for one in proposals for found in one.findings])
    for path in files:
        out.print(str(path), markup=False, soft_wrap=True)
    if not manner.quiet:
        out.print(what, markup=False, soft_wrap=True)
        out.print(SAFETY, style="dim", markup=False)


def _cells(level: LabelledLevel) -> tuple[str, ...]:
    return (
        level.level if level.complete else f"{level.level} (cut)",
        f"{level.volume_ml:.1f}",
        UNKNOWN if level.quality is None else f"{level.quality:.2f}",
        UNKNOWN if level.label_error_mm is None else f"{level.label_error_mm:.1f}",
    )
