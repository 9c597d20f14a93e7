"""The command line: one small module a verb; heavy imports stay inside the verbs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from endplate.cli.manner import Manner


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``endplate`` with the given arguments (those of the process by default); return the exit code."""
    from endplate.cli.shell import run_shell

    words = list(sys.argv[1:] if arguments is None else arguments)
    return run_shell(words, Manner.of(words))


__all__ = ["main"]
