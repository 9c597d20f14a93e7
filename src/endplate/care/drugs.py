"""Medicines by name: which substance, and whether it thins the blood. An unknown name is never taken as harmless."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import Any

from endplate.care.intake import Medicine
from endplate.sources import constants, value

PREFIX = "care.hold."


@dataclass(frozen=True)
class HoldRule:
    """How one guideline holds one substance; ``mode`` is ``doses``, ``days``, ``hours``, ``none`` or ``decide``."""

    drug: str
    guideline: str
    mode: str
    span: tuple[float, float]
    """Least and most doses, days or hours withheld."""
    renal_limit: float | None
    span_renal: tuple[float, float] | None
    renal_floor: float | None
    restart_hours: float | None
    """Hours after the procedure; ``None``: a clinician decides. 24 for "the day after"."""
    note: str
    source: str


@dataclass(frozen=True)
class Recognised:
    """One listed medicine and what it is."""

    medicine: Medicine
    drug: str | None
    """Substance; ``None`` for an unknown name."""
    antithrombotic: bool | None
    """``None`` where nobody has classed it."""


def recognise(medicine: Medicine) -> Recognised:
    """Which substance a listed medicine is."""
    drug = _substance(medicine.name)
    if drug is None:
        human = {"antithrombotic": True, "not-antithrombotic": False, None: None}[medicine.human_class]
        return Recognised(medicine, None, human)
    return Recognised(medicine, drug, drug in _held_drugs())


def hold_rule(guideline: str, drug: str, intent: str | None) -> HoldRule | None:
    """The rule of a guideline for a substance (enoxaparin needs its intent); ``None`` where it has none."""
    suffix = f"-{intent}" if intent is not None and _key(guideline, f"{drug}-{intent}") in constants() else ""
    key = _key(guideline, drug + suffix)
    if key not in constants():
        return None
    entry: dict[str, Any] = value(key)
    return HoldRule(
        drug=drug,
        guideline=guideline,
        mode=entry["mode"],
        span=_pair(entry.get("span", 0)),
        renal_limit=entry.get("renal_limit"),
        span_renal=None if "span_renal" not in entry else _pair(entry["span_renal"]),
        renal_floor=entry.get("renal_floor"),
        restart_hours=entry.get("restart_hours"),
        note=entry.get("note", ""),
        source=constants()[key].source,
    )


def needs_intent(drug: str, guideline: str) -> bool:
    """Whether the rule differs between preventing and treating a clot."""
    return _key(guideline, f"{drug}-therapeutic") in constants()


def shown(name: str) -> str:
    """A medicine's name as typed, without control and direction characters that could disguise it."""
    kept = (char if unicodedata.category(char)[0] != "C" else " " for char in name)
    return " ".join("".join(kept).split())


def _key(guideline: str, drug: str) -> str:
    return f"care.hold.{guideline}.{drug}"


def _pair(entry: Any) -> tuple[float, float]:
    return (entry[0], entry[1]) if isinstance(entry, list) else (entry, entry)


def _substance(name: str) -> str | None:
    word = re.sub(r"[^a-z0-9 +/-]", " ", unicodedata.normalize("NFKD", name).lower())
    word = re.sub(r"(?<![\w-])\d+(?:\s*(?:mg|ml|iu|mcg|g|units?))?\b", " ", word)
    word = " ".join(word.split())
    names: dict[str, str] = value("care.drug_names")
    known = _held_drugs() | set(value("care.harmless_drugs"))
    for candidate in (word, word.split(" ")[0] if word else ""):
        if candidate in names:
            return names[candidate]
        if candidate in known:
            return candidate
    return None


@cache
def _held_drugs() -> frozenset[str]:
    found = {key.removeprefix(PREFIX).partition(".")[2] for key in constants() if key.startswith(PREFIX)}
    return frozenset(re.sub(r"-(prophylactic|therapeutic)$", "", drug) for drug in found)
