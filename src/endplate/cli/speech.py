"""What the command line says: results on stdout, progress, notes and errors on stderr."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from endplate.cli.manner import Manner
from endplate.errors import EndplateError

if TYPE_CHECKING:
    from rich.console import Console

    from endplate.case.run import Tell

PLAIN_WIDTH = 110
"""Columns of a table that does not go to a terminal."""


def console(*, stderr: bool = False) -> Console:
    """A console for this moment's stdout or stderr; rich honours NO_COLOR."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PLAIN_WIDTH
    return Console(file=stream, width=width, highlight=False, soft_wrap=False)


def print_json(document: Any) -> None:
    """Print the one JSON document of a command."""
    sys.stdout.write(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def show_error(error: EndplateError, manner: Manner) -> None:
    """Say what happened, what is intact and what to do; only the first with ``-q``."""
    from rich.text import Text

    err = console(stderr=True)
    lines = [Text.assemble(("endplate: ", "bold red"), (error.what, "bold"))]
    if not manner.quiet:
        lines += [
            Text.assemble(("  intact  ", "dim"), error.intact),
            Text.assemble(("  do      ", "dim"), error.do),
            Text(f"  ({error.code}, exit code {error.exit_code})", style="dim"),
        ]
    for line in lines:
        err.print(line, soft_wrap=True)  # the terminal wraps, so that a path can still be copied


def show_saved(document: dict[str, Any]) -> None:
    """Show the document that an error carries."""
    from endplate.cli.tables import show_document

    show_document(console(), document)


def show_notes(notes: Sequence[str], manner: Manner) -> None:
    """Say what happened to the case itself."""
    if manner.quiet:
        return
    err = console(stderr=True)
    for note in notes:
        err.print(f"note: {note}", markup=False, soft_wrap=True)


@contextmanager
def progress(manner: Manner) -> Iterator[Tell]:
    """Tell stages as they run: a live bar on a terminal, one line a stage elsewhere, nothing with ``-q``."""
    if manner.quiet:
        yield lambda _stage, _what, _fraction: None
    elif sys.stderr.isatty():
        with _live_bar() as tell:
            yield tell
    else:
        yield _StageLines(timed=manner.verbose).tell


class _StageLines:
    def __init__(self, *, timed: bool) -> None:
        self._timed = timed
        self._started: dict[str, float] = {}
        self._ended: set[str] = set()

    def tell(self, stage: str, _what: str, fraction: float) -> None:
        if stage not in self._started:
            self._started[stage] = time.monotonic()
            sys.stderr.write(f"{stage} ...\n")
        if fraction >= 1.0 and stage not in self._ended:
            self._ended.add(stage)
            if self._timed:
                sys.stderr.write(f"{stage}: {time.monotonic() - self._started[stage]:.1f} s\n")
        sys.stderr.flush()


@contextmanager
def _live_bar() -> Iterator[Tell]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[what]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console(stderr=True)) as bar:
        tasks: dict[str, Any] = {}

        def tell(stage: str, what: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = bar.add_task(stage, total=1.0, what="")
            bar.update(tasks[stage], completed=fraction, what=what)

        yield tell
