"""What every rule gets: the case, the plan, the pack and the moment; and the one way to make a card."""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from endplate.care.case import Case
from endplate.care.model import (
    CallItem,
    Card,
    Delta,
    Due,
    ImplantEntry,
    RedFlagResult,
    Risk,
    ScoreResult,
    TimelineEntry,
    Trend,
)
from endplate.care.pack import Pack
from endplate.care.planview import PlanView
from endplate.care.times import iso, resolve
from endplate.papers.words import listed
from endplate.sources import finding, value


@dataclass(frozen=True)
class Note:
    """A computed sentence for papers, by name."""

    name: str
    text: str
    source: tuple[str, ...]


@dataclass(frozen=True)
class Paper:
    """A paper that the case calls for."""

    name: str


@dataclass(frozen=True)
class AsDone:
    """What one needle delivered, for a simulation of what was done."""

    values: Mapping[str, Any]


Item = (
    Card
    | TimelineEntry
    | Risk
    | Due
    | ScoreResult
    | Delta
    | ImplantEntry
    | RedFlagResult
    | Trend
    | CallItem
    | Note
    | Paper
    | AsDone
)
"""Anything a rule can say."""

Rule = Iterator[Item]


@dataclass(frozen=True)
class Context:
    """One case with everything a rule may use; ``now`` is ``None`` where no moment was given."""

    case: Case
    plan: PlanView
    pack: Pack
    zone: zoneinfo.ZoneInfo
    now: dt.datetime | None
    outcome: Mapping[str, Any] | None = None

    def at(self, text: str) -> dt.datetime:
        """A moment of the case in its zone."""
        return resolve(text, self.zone)

    @property
    def start(self) -> dt.datetime | None:
        """Start of the procedure: as done, else as planned."""
        record = self.case.record
        text = record.start if record is not None and record.start else self.case.procedure.start
        return None if text is None else self.at(text)

    @property
    def end(self) -> dt.datetime | None:
        """End of the procedure, once it is recorded."""
        record = self.case.record
        return None if record is None or record.end is None else self.at(record.end)

    @property
    def sedation_end(self) -> dt.datetime | None:
        """End of sedation, else of the procedure."""
        record = self.case.record
        if record is not None and record.sedation_end is not None:
            return self.at(record.sedation_end)
        return self.end

    @property
    def today(self) -> dt.date | None:
        """The day of ``now`` in the case's zone."""
        return None if self.now is None else self.now.astimezone(self.zone).date()

    @property
    def sedated(self) -> bool:
        """Whether sedation or general anaesthesia is planned, or is not known."""
        return self.case.procedure.anaesthesia != "local"

    def card(
        self,
        code: str,
        rule: str,
        *,
        about: str = "",
        source: Iterable[str] = (),
        inputs: Mapping[str, Any] | None = None,
        verify: Iterable[str] = (),
        level: str | None = None,
        **values: object,
    ) -> Card:
        """A card from its registered words; the first sentence is the summary.

        ``about`` tells cards of one code apart. ``verify`` names facts nobody has checked against their primary
        source; those that the pack does not clear stand on the card.
        """
        made = finding(code, level=level, **values)
        summary, _, detail = made.text.partition(". ")
        marks = tuple(fact for fact in dict.fromkeys(verify) if fact not in self.pack.verified)
        if marks:
            detail = f"{detail} {verify_mark(marks)}".strip()
        return Card(
            id=f"{code}:{about}" if about else code,
            indicator=made.severity,
            summary=summary.rstrip(".") + ".",
            detail=detail,
            source=tuple(dict.fromkeys((made.source, *source))),
            rule_id=rule,
            pack_hash=self.pack.sha256,
            inputs=dict(inputs or {}),
            overridable=code not in value("care.cards.not_overridable"),
            override_reasons=tuple(value("care.cards.override_reasons"))
            if made.severity == "critical"
            else (),
            verify=marks,
            level=level,
        )

    def entry(
        self,
        what: str,
        at: dt.datetime,
        bound: str,
        text: str,
        rule: str,
        source: Iterable[str],
        *,
        parameter: str | None = None,
        until: dt.datetime | None = None,
        verify: Iterable[str] = (),
        inputs: Mapping[str, Any] | None = None,
    ) -> TimelineEntry:
        """A dated step."""
        marks = tuple(fact for fact in dict.fromkeys(verify) if fact not in self.pack.verified)
        return TimelineEntry.model_validate(
            {
                "what": what,
                "at": iso(at),
                "until": None if until is None else iso(until),
                "bound": bound,
                "text": f"{text} {verify_mark(marks)}" if marks else text,
                "rule_id": rule,
                "source": tuple(source),
                "parameter": parameter,
                "inputs": dict(inputs or {}),
                "verify": marks,
            }
        )


def verify_mark(facts: Iterable[str]) -> str:
    """The words that stand beside a fact nobody has checked against its primary source."""
    meanings = value("care.facts")
    return f"[VERIFY before use: {listed([str(meanings[fact]) for fact in facts])}]"
