"""Going on against a card: only by a named clinician's role, with a reason, and never where a card forbids it."""

from __future__ import annotations

from endplate.care.context import Context
from endplate.care.course import Override
from endplate.care.model import Card
from endplate.sources import value


def apply_overrides(ctx: Context, cards: tuple[Card, ...]) -> tuple[Card, ...]:
    """The cards with what the case records against them; the latest override of a card counts."""
    latest: dict[str, Override] = {}
    for override in sorted(ctx.case.overrides, key=lambda made: ctx.at(made.at)):
        latest[override.card_id] = override
    return tuple(_apply(card, latest.get(card.id)) for card in cards)


def _apply(card: Card, override: Override | None) -> Card:
    if override is None or card.indicator == "info":
        return card
    state = "denied" if refusal(card, override) else "accepted"
    return card.model_copy(update={"override": override, "override_state": state})


def refusal(card: Card, override: Override) -> str | None:
    """Why an override does not count, or ``None``."""
    if not card.overridable:
        return "this card cannot be overridden"
    if override.by_role not in value("care.roles.may_override"):
        return "this role cannot override"
    if not override.reason.strip():
        return "no reason is given"
    code = card.id.partition(":")[0]
    if code in value("care.override.needs_alternative") and not (override.alternative or "").strip():
        return "the alternative used is not recorded"
    return None
