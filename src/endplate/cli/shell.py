"""From a command line to an exit code: parsing, signals, and every error in words."""

from __future__ import annotations

import logging
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn, cast

import typer

from endplate.cli.app import PROGRAM, command
from endplate.cli.manner import Manner
from endplate.cli.speech import print_json, show_error, show_saved
from endplate.errors import EndplateError, InternalError, Interrupted, UsageError

CLICK_ERROR = cast(
    "type[Exception]", next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
)
"""Base of the parser's own errors, wherever this version of typer keeps it."""


def run_shell(words: Sequence[str], manner: Manner) -> int:
    """Parse and run; return the exit code. Nothing escapes but a defect of Python itself."""
    _use_utf8()
    try:
        with _stop_signals(), _library_chatter(shown=manner.verbose):
            return _parse_and_run(words)
    except EndplateError as error:
        return _fail(error, manner)
    except KeyboardInterrupt:
        return _fail(_interrupted(), manner)
    except BrokenPipeError:
        return 0  # the reader of our output has seen enough
    except Exception as error:  # the last resort: a defect must still give a code and words, not a traceback
        if manner.verbose:
            traceback.print_exc(file=sys.stderr)
        return _fail(_defect(error), manner)


def _parse_and_run(words: Sequence[str]) -> int:
    try:
        result = command().main(args=list(words) or ["--help"], prog_name=PROGRAM, standalone_mode=False)
    except typer.Exit as leave:
        return leave.exit_code
    except typer.Abort:
        raise _interrupted() from None
    except CLICK_ERROR as error:
        verb = next((word for word in words if not word.startswith("-")), "")
        help_of = f"{PROGRAM} {verb} --help" if verb in command().commands else f"{PROGRAM} --help"
        said = str(getattr(error, "format_message", error.__str__)())
        raise UsageError("usage", said, do=f"See `{help_of}`.") from None
    return result if isinstance(result, int) else 0


def _fail(error: EndplateError, manner: Manner) -> int:
    if manner.json:
        print_json({**(error.document or {}), **error.to_json()})
    else:
        if error.document is not None:
            show_saved(error.document)
        show_error(error, manner)
    return error.exit_code


def _interrupted() -> Interrupted:
    return Interrupted(
        "interrupted",
        "Stopped.",
        intact="Finished stages of a case are saved; nothing is half-written.",
        do="Run the same command again: it goes on from there.",
    )


def _defect(error: Exception) -> InternalError:
    return InternalError(
        "internal",
        f"Endplate met a defect of its own ({type(error).__name__}).",
        intact="Your input is unchanged; finished stages of a case are saved.",
        do="Run again with -v to see where, and report that with the versions that `endplate doctor` prints.",
    )


@contextmanager
def _stop_signals() -> Iterator[None]:
    """Let a termination request stop a run as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _library_chatter(*, shown: bool) -> Iterator[None]:
    """Keep libraries' warnings and logs away from the user: they may quote a patient's header."""
    if shown:
        yield
        return
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _use_utf8() -> None:
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(encoding="utf-8", errors="replace")
