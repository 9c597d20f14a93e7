"""The error tree: every failure a user can meet has an exit code and says what is intact and what to do."""

from __future__ import annotations

from typing import Any, ClassVar


class EndplateError(Exception):
    """A failure with a remedy.

    Parameters
    ----------
    code:
        Stable kebab-case name of the failure, e.g. ``"file-truncated"``.
    what:
        What happened, in one sentence for a clinician.
    intact:
        What is still whole (files, earlier results).
    do:
        What the user can do now.
    document:
        The JSON document to print all the same (exit codes 4, 5 and 6 do so), or ``None``.
    """

    exit_code: ClassVar[int] = 1

    def __init__(
        self,
        code: str,
        what: str,
        *,
        intact: str = "Nothing was written; your input is unchanged.",
        do: str,
        document: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.intact = intact
        self.do = do
        self.document = document

    def __reduce__(self) -> tuple[Any, ...]:
        """How another process gets the whole of it; a plain exception passes on its arguments only."""
        return _again, (type(self), self.code, self.what, self.intact, self.do, self.document)

    def to_json(self) -> dict[str, dict[str, str]]:
        """Return the ``{"error": {...}}`` document of the command line."""
        return {"error": {"code": self.code, "what": self.what, "intact": self.intact, "do": self.do}}


def _again(
    kind: type[EndplateError], code: str, what: str, intact: str, do: str, document: dict[str, Any] | None
) -> EndplateError:
    return kind(code, what, intact=intact, do=do, document=document)


class InternalError(EndplateError):
    """A defect of Endplate itself."""

    exit_code = 1


class UsageError(EndplateError):
    """The command or call is contradictory or incomplete."""

    exit_code = 2


class InputError(EndplateError):
    """The input cannot be read or is of a kind that Endplate does not support."""

    exit_code = 3


class QualityGateError(EndplateError):
    """The input can be read but must not be used for what was asked."""

    exit_code = 4


class NoSafePlanError(EndplateError):
    """No needle path keeps the hard safety margins."""

    exit_code = 5


class ConvergenceError(EndplateError):
    """A solver did not converge."""

    exit_code = 6


class Interrupted(EndplateError):  # noqa: N818 - named as the design and the shell name it
    """The user stopped the run; finished stages are kept."""

    exit_code = 130
