"""The base of the room's documents, level names, and moments in time as the user writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict

from endplate.care.times import check_iso

LEVELS = (
    *(f"C{i}" for i in range(1, 8)),
    *(f"T{i}" for i in range(1, 14)),
    *(f"L{i}" for i in range(1, 7)),
    "S1",
)
"""Level names from the head down; T13 and L6 are the supernumerary ones."""


class Document(BaseModel):
    """Base of all documents here: frozen, no unknown keys, no input repeated in an error (it may be personal)."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, hide_input_in_errors=True)


class MomentText(str):
    """Text of a moment that has been checked to be an ISO date and time."""

    __slots__ = ()


def _moment(text: str) -> str:
    return MomentText(check_iso(text))


def _known_level(name: str) -> str:
    if name not in LEVELS:
        raise ValueError("not the name of a vertebra; write it as in T12 or L1")
    return name


Moment = Annotated[str, AfterValidator(_moment)]
"""ISO date and time; without an offset it is the local time of the case's zone."""

Level = Annotated[str, AfterValidator(_known_level)]
"""A level's name, e.g. ``"T12"``."""


def moments(value: Any, place: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every moment in a document and in those inside it, with its place."""
    if isinstance(value, MomentText):
        yield place, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from moments(getattr(value, name), (*place, name))
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from moments(item, (*place, str(index)))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from moments(item, (*place, str(key)))
