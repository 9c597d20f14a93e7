"""Findings, warnings and reasons: one registry of codes with severity, words and source."""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from endplate.errors import InternalError
from endplate.sources.registry import load_tables

Severity = Literal["info", "warning", "critical"]


class Finding(BaseModel):
    """One thing the user must know. ``level`` is a level name, or ``None`` for the whole scan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: str
    severity: Severity
    level: str | None
    text: str
    source: str


@cache
def _registry() -> dict[str, dict[str, Any]]:
    return load_tables("findings")


def finding_codes() -> tuple[str, ...]:
    """All registered codes."""
    return tuple(_registry())


def finding(code: str, *, level: str | None = None, **values: object) -> Finding:
    """Build a finding from its registered text.

    ``values`` fill the ``{placeholders}`` of the text; format specifications work as in ``str.format``.

    Raises
    ------
    InternalError
        Unknown code, or a placeholder without a value.
    """
    entry = _registry().get(code)
    if entry is None:
        raise InternalError(
            "finding-unknown",
            f"There is no finding with the code {code!r}.",
            do="Register it in sources/data/findings with severity, text and source.",
        )
    try:
        text = str(entry["text"]).format(**values)
    except KeyError as missing:
        raise InternalError(
            "finding-incomplete",
            f"The finding {code!r} needs a value for {missing}.",
            do="Pass every placeholder of the registered text.",
        ) from None
    return Finding(code=code, severity=entry["severity"], level=level, text=text, source=str(entry["source"]))
