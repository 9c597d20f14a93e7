"""One value of a pack: read with its unit, limits, provenance, and the direction in which it may leave its parent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from endplate.care.parameters import Parameter, parameters
from endplate.care.quantities import measure, read_value, words
from endplate.care.times import Span, parse_span
from endplate.care.wording import forbidden_claims
from endplate.care.yamlfile import YamlFile
from endplate.sources import citations
from endplate.sources.yaml_text import nearest


@dataclass(frozen=True)
class SourceRef:
    """Where a value comes from."""

    kind: str
    """``leaflet``, ``guideline`` or ``local``."""
    ref: str
    """A citation key, or for a local source who decided."""
    says: str = ""


@dataclass(frozen=True)
class PackValue:
    """One value of a pack with all that explains it."""

    key: str
    value: Any
    source: tuple[SourceRef, ...]
    origin: str
    """Id of the pack that set it."""
    why: str = ""
    override_reason: str = ""
    expires_on: dt.date | None = None

    @property
    def citations(self) -> tuple[str, ...]:
        """Citation keys; a local source stands as ``local:WHO``."""
        return tuple(ref.ref if ref.kind != "local" else f"local:{self.origin}" for ref in self.source)


def read_leaf(
    file: YamlFile, key: str, leaf: Mapping[str, Any], parent: PackValue | None, head: Mapping[str, Any]
) -> PackValue:
    """Read one leaf of a pack and check it against the register and the parent's value.

    Raises
    ------
    InputError
        Unknown parameter, missing unit, beyond its limits, unknown source, a value nobody published or decided,
        a claim that must not be made, or a change away from the safe side without a reason; with its line.
    """
    place = ("parameters", key)
    entry = parameters().get(key)
    if entry is None:
        raise file.fault(
            place, f"{key!r} is no parameter{nearest(key, parameters())}.", "See the list in docs/care."
        )
    try:
        typed = read_value(entry.kind, leaf["value"])
    except (ValueError, TypeError) as error:
        raise file.fault((*place, "value"), f"{key}: {error}.", f"{entry.meaning}.") from error
    _check_limits(file, entry, typed)
    source = tuple(
        SourceRef(kind=ref["kind"], ref=ref["ref"], says=str(ref.get("says", ""))) for ref in leaf["source"]
    )
    for index, ref in enumerate(source):
        if ref.kind != "local" and ref.ref not in citations():
            raise file.fault(
                (*place, "source", str(index), "ref"),
                f"{key}: there is no source {ref.ref!r}{nearest(ref.ref, citations())}.",
                "Name a registered source, or use kind: local and say who decided.",
            )
    local = any(ref.kind == "local" for ref in source)
    illustrative = head["kind"] == "illustrative"
    if entry.forbids(typed) and not illustrative:
        raise file.fault(
            (*place, "value"),
            f"{key}: {words(entry.kind, typed)!r} was published but must not be used: {entry.meaning.lower()}.",
            "Choose one of the other values.",
        )
    if not entry.listed(typed) and not local:
        raise file.fault(
            (*place, "value"),
            f"{key}: {words(entry.kind, typed)!r} is none of the published choices.",
            "Choose one of them, or add a source of kind local that says who decided.",
        )
    if entry.kind == "text" and not illustrative and forbidden_claims(typed):
        claim = forbidden_claims(typed)[0]
        raise file.fault((*place, "value"), f"{key}: the text says {claim!r}.", "Say it without that claim.")
    reason = str(leaf.get("override_reason", "")).strip()
    before = None if parent is None else parent.value
    if entry.against(before, typed) and not reason and not illustrative:
        was = "" if before is None else f" from {words(entry.kind, before)} (pack {parent and parent.origin})"
        raise file.fault(
            place,
            f"{key}: the change{was} to {words(entry.kind, typed)} goes against the safe direction "
            f"({_direction(entry)}) and has no reason.",
            "Add override_reason, or keep the parent's value.",
        )
    expires = leaf.get("expires_on")
    return PackValue(
        key=key,
        value=typed,
        source=source,
        origin=head["id"],
        why=str(leaf.get("why", "")),
        override_reason=reason,
        expires_on=None if expires is None else read_date(file, (*place, "expires_on"), expires),
    )


def _check_limits(file: YamlFile, entry: Parameter, typed: Any) -> None:
    if entry.limits is None:
        return
    low, high = entry.limits
    if not low <= measure(entry.kind, typed) <= high:
        unit = {"duration": " hours", "mass": " kg", "temperature": " °C"}.get(entry.kind, "")
        raise file.fault(
            ("parameters", entry.key, "value"),
            f"{entry.key}: {words(entry.kind, typed)} is not between {low:g} and {high:g}{unit}.",
            "Check number and unit; nothing is scaled or guessed.",
        )


def _direction(entry: Parameter) -> str:
    if entry.within is not None:
        return f"between {entry.within[0]:g} and {entry.within[1]:g} hours"
    return {"union": "nothing taken away", "true": "yes", "false": "no"}.get(entry.safe, entry.safe)


def read_span(file: YamlFile, place: tuple[str, ...], raw: Any) -> Span:
    """Read a span of time; raises ``InputError`` with its line."""
    try:
        return parse_span(raw)
    except (ValueError, TypeError) as error:
        raise file.fault(place, f"{error}.", "Write it as in P30D.") from error


def read_date(file: YamlFile, place: tuple[str, ...], raw: Any) -> dt.date:
    """Read a date; raises ``InputError`` with its line."""
    try:
        return dt.date.fromisoformat(str(raw)[:10])
    except ValueError as error:
        raise file.fault(place, "this is no date.", "Write it as in 2026-11-20.") from error
