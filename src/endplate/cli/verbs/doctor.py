"""``endplate doctor``: what works on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner


def doctor(
    warm: Annotated[
        bool, typer.Option("--warm", help="Compile the kernels now, so that the first run is not slower.")
    ] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say what works on this machine.

    Versions, threads, memory, disk, caches, the sample, optional parts and segmenters.
    """
    from endplate.cli.health import examine, warm_kernels
    from endplate.cli.runtime import prepare
    from endplate.cli.show import show_health
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    prepare()
    seconds = None
    if warm:
        with progress(manner) as tell:
            seconds = warm_kernels(tell)
    health = examine(compiled_s=seconds)
    show_health(health, manner)
    if health["missing"]:
        raise typer.Exit(1)
