"""One case, one plan, one pack: everything that follows from them."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from endplate.care.case import Case
from endplate.care.consent import consent
from endplate.care.context import AsDone, Context, Item, Note, Paper
from endplate.care.discharge import discharge
from endplate.care.eligibility import eligibility
from endplate.care.fasting import fasting
from endplate.care.followup import follow_up
from endplate.care.holds import holds
from endplate.care.intake import Printed
from endplate.care.labs import labs
from endplate.care.model import (
    CallItem,
    Card,
    Delta,
    Due,
    Evaluation,
    Gate,
    ImplantEntry,
    RedFlagResult,
    Risk,
    ScoreResult,
    Text,
    TimelineEntry,
    Trend,
)
from endplate.care.observations import observations
from endplate.care.overrides import apply_overrides
from endplate.care.pack import Pack
from endplate.care.planview import PlanView, content_hash
from endplate.care.predicted import predicted
from endplate.care.record import procedure_record
from endplate.care.recovery import recovery
from endplate.care.redflags import red_flags
from endplate.care.siterules import site_rules
from endplate.care.times import iso, resolve, zone
from endplate.errors import InputError
from endplate.sources import value

T = TypeVar("T")

RULES = (
    recovery,
    red_flags,
    eligibility,
    site_rules,
    holds,
    labs,
    fasting,
    consent,
    predicted,
    procedure_record,
    observations,
    discharge,
    follow_up,
)
"""Every rule, in the order in which cards of one severity are shown."""

ENDED_RULE = "F10.8"
"""After death or withdrawal only this rule speaks: no date, call or paper remains."""

_ORDER = {"critical": 0, "warning": 1, "info": 2}


def evaluate(
    case: Case,
    plan: PlanView,
    pack: Pack,
    *,
    outcome: Mapping[str, Any] | None = None,
    now: dt.datetime | None = None,
) -> Evaluation:
    """Compute cards, timeline, risks and gates.

    Parameters
    ----------
    now:
        The moment for which the case is judged, with its zone; else the case's ``as_of``. Without either, what
        depends on the clock is not judged, and a card says so.
    outcome:
        The JSON of a virtual procedure, where there is one.

    Raises
    ------
    InputError
        ``now`` has no zone.
    """
    where = zone(case.time_zone)
    if now is not None and now.tzinfo is None:
        raise InputError(
            "care-now-local", "The moment given has no time zone.", do="Give its offset or zone."
        )
    if now is None and case.as_of is not None:
        now = resolve(case.as_of, where)
    now = None if now is None else now.astimezone(where)
    ctx = Context(case=case, plan=plan, pack=pack, zone=where, now=now, outcome=outcome)
    items = [item for rule in RULES for item in rule(ctx)]
    if case.follow_up is not None and case.follow_up.ended is not None:
        items = [item for item in items if isinstance(item, Card) and item.rule_id == ENDED_RULE]
    return _assemble(ctx, items)


def _assemble(ctx: Context, items: list[Item]) -> Evaluation:
    timeline = tuple(sorted(_kind(items, TimelineEntry), key=lambda entry: (_utc(entry.at), entry.what)))
    risks = _kind(items, Risk)
    instructions_hash = content_hash(
        {
            "timeline": [[entry.what, entry.at, entry.until, entry.text] for entry in timeline],
            "levels": list(ctx.plan.names),
            "pack": ctx.pack.sha256,
        }
    )
    consent_hash = content_hash(
        {
            "plan": ctx.plan.sha256,
            "pack": ctx.pack.sha256,
            "risks": [json.loads(risk.model_dump_json()) for risk in risks],
        }
    )
    ended = any(isinstance(item, Card) and item.rule_id == ENDED_RULE for item in items)
    if not ended:
        items += list(_outdated(ctx, instructions_hash, consent_hash))
    cards = apply_overrides(ctx, _kind(items, Card))
    cards = tuple(sorted(cards, key=lambda card: _ORDER[card.indicator]))
    return Evaluation(
        case_id=ctx.case.case_id,
        plan_hash=ctx.plan.sha256,
        pack={
            "id": ctx.pack.id,
            "version": ctx.pack.version,
            "kind": ctx.pack.kind,
            "extends": ctx.pack.extends,
            "sha256": ctx.pack.sha256,
        },
        as_of=None if ctx.now is None else iso(ctx.now),
        status=_status(cards),
        cards=cards,
        timeline=timeline,
        risks=risks,
        gates=tuple(Gate(name=name, open=False) for name in _HELD_BACK_BY) if ended else _gates(cards),
        due=_kind(items, Due),
        scores=_kind(items, ScoreResult),
        deltas=_kind(items, Delta),
        as_done=tuple(dict(item.values) for item in _kind(items, AsDone)),
        implants=_kind(items, ImplantEntry),
        red_flags=_kind(items, RedFlagResult),
        trend=next(iter(_kind(items, Trend)), None),
        calls=_kind(items, CallItem),
        papers=tuple(dict.fromkeys(item.name for item in _kind(items, Paper))),
        texts={item.name: Text(text=item.text, source=item.source) for item in _kind(items, Note)},
        instructions_hash=instructions_hash,
        consent_hash=consent_hash,
    )


def _kind(items: Iterable[Item], kind: type[T]) -> tuple[T, ...]:
    return tuple(item for item in items if isinstance(item, kind))


def _utc(moment: str) -> dt.datetime:
    return dt.datetime.fromisoformat(moment).astimezone(dt.UTC)


ELIGIBILITY_RULES = ("F2.", "P-REF-", "P-IND-")
"""Rules that decide the status."""


def _status(cards: tuple[Card, ...]) -> Any:
    """``stop``, ``clarify`` or ``complete`` of the eligibility check; never an approval."""
    own = [card for card in cards if card.rule_id.startswith(ELIGIBILITY_RULES)]
    if any(card.open for card in own):
        return "stop"
    waiting = [card for card in own if card.indicator == "warning" and card.override_state != "accepted"]
    return "clarify" if waiting else "complete"


_HELD_BACK_BY: dict[Any, tuple[str, ...]] = {
    "leaflet": ("",),
    "consent": ("HAZ-", "F1.", "F2.", "F5.", "P-"),
    "plan-final": ("F2.", "P-REF-"),
    "procedure": ("HAZ-", "F1.", "F2.", "F3.", "F4.", "F5.", "F6.", "P-"),
    "discharge": ("HAZ-", "F1.", "F6.", "F7.", "F8.", "F9."),
}
"""Which rules' open critical cards hold back each paper or step; the leaflet is held back by any."""


DISCHARGE_JUDGED = frozenset(
    ("care-discharge-gates-met", "care-not-voided", "care-escort", "care-not-dischargeable")
)
"""Cards by which one sees that the conditions of going home were judged; before that the gate is shut."""


def _gates(cards: tuple[Card, ...]) -> tuple[Gate, ...]:
    gates = []
    waits = value("care.gates.waits")
    for name, rules in _HELD_BACK_BY.items():
        blocked = tuple(
            card.id
            for card in cards
            if (card.open and card.rule_id.startswith(rules))
            or (card.id.partition(":")[0] in waits.get(name, ()) and card.override_state != "accepted")
        )
        ready = name != "discharge" or any(card.id in DISCHARGE_JUDGED for card in cards)
        gates.append(Gate(name=name, open=ready and not blocked, blocked_by=blocked))
    return tuple(gates)


def _outdated(ctx: Context, instructions_hash: str, consent_hash: str) -> Iterable[Item]:
    """Papers already handed out that no longer say what is computed now."""
    for printed in ctx.case.printed:
        if printed.instructions_hash not in (None, instructions_hash) and not _replaced(ctx, printed):
            yield ctx.card(
                "care-instructions-outdated",
                "F3.17",
                about=f"{printed.kind}@{printed.at}",
                inputs={"printed": printed.instructions_hash, "now": instructions_hash},
                paper=printed.kind,
            )
            yield CallItem(
                who="patient",
                why="The dates or instructions handed out earlier are wrong now: call and replace them.",
                rule_id="F3.17",
            )
        if printed.consent_hash not in (None, consent_hash):
            yield ctx.card(
                "care-consent-outdated",
                "F5.7",
                about=f"{printed.kind}@{printed.at}",
                inputs={"printed": printed.consent_hash, "now": consent_hash},
            )


def _replaced(ctx: Context, printed: Printed) -> bool:
    """Whether a paper with provisional dates has done its work: after the procedure the discharge pack follows it."""
    start = None if ctx.case.record is None else ctx.start
    return printed.kind == "leaflet" and start is not None and ctx.at(printed.at) <= start
