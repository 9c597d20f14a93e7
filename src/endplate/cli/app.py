"""The commands and their order."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import typer

from endplate import __version__
from endplate.cli.manner import SAFETY
from endplate.cli.verbs import VERBS

PROGRAM = "endplate"


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"{PROGRAM} {__version__}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop."),
    ] = False,
) -> None:
    pass


_root.__doc__ = f"""Plan and rehearse vertebral augmentation from a spine CT.

{SAFETY}

Exit codes: 0 ok, 1 internal error, 2 usage, 3 unreadable or unsupported input, 4 the input fails a quality
gate, 5 no safe plan, 6 a solver did not converge, 130 interrupted.
"""


@cache
def command() -> Any:
    """The whole command line as typer's command group."""
    app = typer.Typer(
        name=PROGRAM,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    app.callback()(_root)
    for name, verb in VERBS.items():
        app.command(name)(verb)
    return typer.main.get_command(app)
