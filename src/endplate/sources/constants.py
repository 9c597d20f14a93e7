"""Constants with value, unit, spread, n and citation."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar

from endplate.errors import InternalError
from endplate.sources.registry import load_tables

T = TypeVar("T")

Status = Literal["read", "computed", "recalled", "engineering", "definition"]
"""How we know: read in the source, computed from read data, recalled and unverified, our own engineering value,
or a definition. A recalled value may be an editable default, never a claim."""


@dataclass(frozen=True)
class Citation:
    """One publication, standard or public repository."""

    key: str
    text: str
    url: str = ""


@dataclass(frozen=True)
class Constant:
    """One constant; ``value`` is a number, a list or a table (for example by level)."""

    key: str
    value: Any
    unit: str
    meaning: str
    status: Status
    source: str
    spread: Any = None
    n: int | None = None


@cache
def citations() -> dict[str, Citation]:
    """All citations by key."""
    return {key: Citation(key=key, **entry) for key, entry in load_tables("citations").items()}


@cache
def constants() -> dict[str, Constant]:
    """All constants by key."""
    return {key: Constant(key=key, **entry) for key, entry in load_tables("constants").items()}


def citation(key: str) -> Citation:
    """Return one citation; raises ``InternalError`` for an unknown key."""
    return _get(citations(), key, "citation")


def constant(key: str) -> Constant:
    """Return one constant; raises ``InternalError`` for an unknown key."""
    return _get(constants(), key, "constant")


def value(key: str) -> Any:
    """Return only the value of a constant."""
    return constant(key).value


def _get(table: dict[str, T], key: str, kind: str) -> T:
    if key not in table:
        raise InternalError(
            "source-unknown",
            f"There is no {kind} named {key!r}.",
            do=f"Add it to the {kind} data files with its source.",
        )
    return table[key]
