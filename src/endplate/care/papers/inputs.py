"""What a paper is made from, and how it refers to its sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from endplate.care.case import Case
from endplate.care.model import Evaluation
from endplate.care.pack import Pack
from endplate.care.papers.language import ENGLISH, Language
from endplate.care.planview import PlanView
from endplate.sources import citation

LOCAL = "local:"
"""Beginning of a source that is the site's own."""

LEAFLET = "leaflet-"
"""Beginning of a source that is one published patient leaflet."""


@dataclass(frozen=True)
class Inputs:
    """One evaluated case with what the papers add: its names, the language, the size of the print."""

    case: Case
    plan: PlanView
    pack: Pack
    evaluation: Evaluation
    language: Language = ENGLISH
    large_print: bool = False


@dataclass
class Notes:
    """Sources in the order in which a page first names them."""

    keys: list[str] = field(default_factory=list)

    def number(self, key: str) -> int:
        """Number of a source on this page, from 1."""
        if key not in self.keys:
            self.keys.append(key)
        return self.keys.index(key) + 1

    def marks(self, sources: Iterable[str]) -> str:
        """Numbers of several sources, as in ``1, 3``."""
        return ", ".join(str(self.number(key)) for key in sources)

    def rows(self) -> list[tuple[int, str, str]]:
        """Number, key and words of each source named so far."""
        return [(number, key, source_words(key)) for number, key in enumerate(self.keys, start=1)]


def source_words(key: str) -> str:
    """A source in words; a patient leaflet says that it is no guidance."""
    if key.startswith(LOCAL):
        return f"Rule of this hospital ({key.removeprefix(LOCAL)})"
    if key == "endplate":
        return "Endplate's own wording or choice"
    words = citation(key).text
    return (
        f"{words} (a patient leaflet: one place's practice, not guidance)"
        if key.startswith(LEAFLET)
        else words
    )
