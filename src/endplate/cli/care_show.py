"""What ``endplate care`` says: the evaluation or a part of it, as JSON or in lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from endplate.care.model import Card, Evaluation, TimelineEntry
    from endplate.care.pack import Pack

PARTS = {
    "check": None,
    "timeline": ("timeline",),
    "recovery": ("due", "scores", "deltas", "calls", "implants"),
    "follow-up": ("trend", "deltas", "red_flags", "calls"),
}
"""Parts of the evaluation that an action prints beside its cards and dates; ``None``: all of it."""

RULES = {
    "recovery": ("F6.", "F7.", "F8.", "P-REC", "P-DIS"),
    "follow-up": ("F9.", "F10.", "P-FUP"),
}
"""Cards and dates by rule that belong to an action."""

HEAD = ("schema", "case_id", "plan_hash", "pack", "as_of", "status", "disclaimer")


def document_of(found: Evaluation, action: str) -> dict[str, Any]:
    """The JSON of an action: the whole evaluation, or the part with the same keys."""
    whole: dict[str, Any] = found.model_dump(mode="json", by_alias=True)
    parts = PARTS[action]
    if parts is None:
        return whole
    made = {key: whole[key] for key in HEAD}
    begins = RULES.get(action)
    if begins is None:
        return {**made, **{key: whole[key] for key in parts}}
    made["cards"] = [card for card in whole["cards"] if card["rule_id"].startswith(begins)]
    made["timeline"] = [entry for entry in whole["timeline"] if entry["rule_id"].startswith(begins)]
    return {**made, **{key: whole[key] for key in parts}, "gates": whole["gates"]}


def lines_of(found: Evaluation, action: str) -> Iterator[str]:
    """An action in lines for people."""
    begins = RULES.get(action, ("",))
    cards = [card for card in found.cards if card.rule_id.startswith(begins)]
    dates = [entry for entry in found.timeline if entry.rule_id.startswith(begins)]
    yield f"{found.case_id}: {found.status} (pack {found.pack['id']} {found.pack['version']})"
    if action != "timeline":
        yield from (_card_line(card) for card in cards)
    if action != "check":
        yield from (_date_line(entry) for entry in dates)
    if action in ("recovery", "follow-up"):
        yield from _course_lines(found, action)
    if action in ("check", "recovery"):
        yield from _gate_lines(found)


def _card_line(card: Card) -> str:
    state = {"accepted": " (overridden)", "denied": " (override denied)"}.get(card.override_state, "")
    detail = f" {card.detail}" if card.detail else ""
    return f"{card.indicator:<8}  {card.summary}{detail}{state} [{card.rule_id}; {', '.join(card.source)}]"


def _date_line(entry: TimelineEntry) -> str:
    until = "" if entry.until is None else f" to {_clock(entry.until)}"
    return f"{_clock(entry.at)}{until}  {entry.bound:<10}  {entry.text} [{entry.rule_id}; {', '.join(entry.source)}]"


def _clock(moment: str) -> str:
    return moment[:16].replace("T", " ")


def _course_lines(found: Evaluation, action: str) -> Iterator[str]:
    if action == "recovery":
        for score in found.scores:
            total = "no total" if score.total is None else str(score.total)
            missing = f"; missing {', '.join(score.missing)}" if score.missing else ""
            yield f"{_clock(score.at)}  {score.name} ({score.variant}): {total}{missing}"
    elif found.trend is not None:
        for point in found.trend.points:
            yield f"{_clock(point.at)}  {point.text}"
        yield found.trend.text
    for delta in found.deltas:
        planned = "–" if delta.planned is None else f"{delta.planned:g}"
        actual = "–" if delta.actual is None else f"{delta.actual:g}"
        place = " ".join(part for part in (delta.level, delta.side) if part)
        yield f"{place}  {delta.what}: planned {planned}, actual {actual} {delta.unit}. {delta.text}".rstrip()


def _gate_lines(found: Evaluation) -> Iterator[str]:
    for gate in found.gates:
        why = f", held by {', '.join(gate.blocked_by)}" if gate.blocked_by else ""
        yield f"{gate.name:<10}  {'open' if gate.open else 'closed'}{why}"


def pack_document(packs: Sequence[Pack]) -> dict[str, Any]:
    """Packs and where they differ."""
    from endplate.care.pack_differences import differences

    return {
        "schema": "endplate/care-packs/1",
        "packs": [
            {
                "id": pack.id,
                "version": pack.version,
                "kind": pack.kind,
                "title": pack.title,
                "language": pack.language,
                "sha256": pack.sha256,
                "expires_on": pack.expires_on.isoformat(),
                "missing_for_leaflet": list(pack.missing("leaflet")),
            }
            for pack in packs
        ],
        "differences": [
            {"parameter": row.key, "values": list(row.values)} for row in differences(tuple(packs))
        ],
    }


def pack_lines(packs: Sequence[Pack]) -> Iterator[str]:
    """Packs and where they differ, in lines."""
    document = pack_document(packs)
    for entry in document["packs"]:
        missing = ", ".join(entry["missing_for_leaflet"]) or "nothing"
        head = f"{entry['id']} {entry['version']} ({entry['kind']}), review by {entry['expires_on']}"
        yield f"{head}; open for a leaflet: {missing}"
    for row in document["differences"]:
        values = " | ".join(row["values"])
        yield f"{row['parameter']}: {values}"
