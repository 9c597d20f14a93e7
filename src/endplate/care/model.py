"""What an evaluation gives: cards, a dated timeline, risks, gates; frozen documents that are also the JSON."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from endplate.care.base import Document
from endplate.care.course import Override
from endplate.papers.page import DISCLAIMER

Indicator = Literal["info", "warning", "critical"]
OverrideState = Literal["none", "accepted", "denied"]


class Card(Document):
    """One thing the clinician must know. Critical ones cannot be dismissed; some cannot be overridden at all."""

    id: str
    """The finding's code, and what it is about: ``"care-inr-high:2026-12-05"``."""
    indicator: Indicator
    summary: str
    detail: str
    source: tuple[str, ...] = Field(min_length=1)
    """Citation keys; see ``endplate.sources.citation``."""
    rule_id: str
    """The acceptance row or requirement behind it, e.g. ``"F2.2"``."""
    pack_hash: str
    inputs: dict[str, Any] = Field(default_factory=dict)
    """What the rule used; never a name, a number of the hospital, or free text."""
    overridable: bool
    override_reasons: tuple[str, ...] = ()
    override: Override | None = None
    override_state: OverrideState = "none"
    verify: tuple[str, ...] = ()
    """Facts used that nobody has checked against their primary source; the site clears each in its pack."""
    level: str | None = None

    @property
    def open(self) -> bool:
        """A critical card without an accepted override."""
        return self.indicator == "critical" and self.override_state != "accepted"


class TimelineEntry(Document):
    """One dated step."""

    what: str
    """Stable name, e.g. ``"fasting.clear_fluids"``."""
    at: str
    """ISO local time with its offset."""
    until: str | None = None
    bound: Literal["at", "not-before", "not-after", "window"]
    text: str
    rule_id: str
    source: tuple[str, ...] = Field(min_length=1)
    parameter: str | None = None
    """The pack's parameter behind it."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    verify: tuple[str, ...] = ()


class RiskNumber(Document):
    """A rate that may be printed: nothing in it may be missing."""

    per_1000: float = Field(ge=0, le=1000)
    population: str = Field(min_length=1)
    time_frame: str = Field(min_length=1)
    source: str = Field(min_length=1)
    technique: Literal["vertebroplasty", "kyphoplasty", "both"]
    what: str = Field(min_length=1)
    imaging: str | None = None
    """For leaks: by CT, by X-ray, or mixed."""
    comparison_per_1000: float | None = None
    comparison: str | None = None


class Risk(Document):
    """One risk of P-RSK-01…14."""

    id: str
    name: str
    numbers: tuple[RiskNumber, ...] = ()
    text: str
    """The sentence where there is no number, or what depends on the plan."""
    source: tuple[str, ...] = Field(min_length=1)
    leaflets: tuple[str, ...] = ()
    """Source leaflets that name it."""
    from_plan: bool = False


class Gate(Document):
    """Whether a paper or step may go out, and which cards hold it back."""

    name: Literal["leaflet", "consent", "plan-final", "procedure", "discharge"]
    open: bool
    blocked_by: tuple[str, ...] = ()


class Due(Document):
    """One due set of observations and what was recorded for it."""

    at: str
    items: tuple[str, ...]
    done_at: str | None = None
    overdue_min: float | None = None


class ScoreResult(Document):
    """One score; ``total`` is ``None`` where an item is missing or stale, never a sum of what is there."""

    name: Literal["NEWS2", "Aldrete", "PADSS", "RMDQ"]
    variant: str
    at: str
    total: int | None
    band: str | None
    items: dict[str, int | None]
    missing: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    age_min: float | None = None
    source: tuple[str, ...] = Field(min_length=1)


class Delta(Document):
    """Planned against done, or planned against achieved."""

    what: str
    level: str
    side: str | None = None
    planned: float | None
    actual: float | None
    difference: float | None
    unit: str
    error: float | None = None
    text: str = ""


class ImplantEntry(Document):
    """One implant for the patient's card."""

    name: str
    model: str
    maker: str
    udi: str
    lot: str
    level: str
    date: str


class RedFlagResult(Document):
    """What one form leads to; never a reassurance."""

    submitted: str
    action: Literal["emergency", "same-day", "none-reported"]
    flags: tuple[str, ...]
    text: str
    contact: Literal["emergency-number", "site-phone", "after-hours"]
    show_emergency: bool
    answered_by: str
    language: str


class TrendPoint(Document):
    """One point of an outcome's course."""

    at: str
    days: float | None
    nrs: int | None
    rmdq: int | None
    text: str


class Trend(Document):
    """Course of pain and disability beside published figures."""

    points: tuple[TrendPoint, ...] = ()
    trial: tuple[dict[str, Any], ...] = ()
    """Published between-group differences by time, with their intervals and source."""
    text: str = ""
    source: tuple[str, ...] = ()


class CallItem(Document):
    """Someone must be told or called."""

    who: Literal["patient", "coordinator", "clinician"]
    why: str
    rule_id: str


class Text(Document):
    """One computed or registered sentence for papers."""

    text: str
    source: tuple[str, ...] = Field(min_length=1)


class Evaluation(Document):
    """Everything computed for one case."""

    schema_: Literal["endplate/care/1"] = Field(default="endplate/care/1", alias="schema")
    case_id: str
    plan_hash: str
    pack: dict[str, str | None]
    """Id, version, kind and hash of the pack."""
    as_of: str | None
    status: Literal["complete", "clarify", "stop"]
    cards: tuple[Card, ...]
    timeline: tuple[TimelineEntry, ...]
    risks: tuple[Risk, ...]
    gates: tuple[Gate, ...]
    due: tuple[Due, ...] = ()
    scores: tuple[ScoreResult, ...] = ()
    deltas: tuple[Delta, ...] = ()
    as_done: tuple[dict[str, Any], ...] = ()
    """Delivered volumes by level and side, for a simulation of what was done."""
    implants: tuple[ImplantEntry, ...] = ()
    red_flags: tuple[RedFlagResult, ...] = ()
    trend: Trend | None = None
    calls: tuple[CallItem, ...] = ()
    papers: tuple[str, ...] = ()
    """Papers this case calls for: ``leaflet``, ``handover``, ``implant-card``, ``sick-note``, …"""
    texts: dict[str, Text] = Field(default_factory=dict)
    """Sentences by name, for papers."""
    instructions_hash: str
    consent_hash: str
    disclaimer: str = DISCLAIMER

    def gate(self, name: str) -> Gate:
        """The gate of that name; ``KeyError`` if there is none."""
        for gate in self.gates:
            if gate.name == name:
                return gate
        raise KeyError(name)

    def card(self, code: str) -> Card | None:
        """The first card whose id is this, or begins with it and a colon."""
        return next((c for c in self.cards if c.id == code or c.id.startswith(code + ":")), None)
