"""What the pathway needs of a plan and an outcome, read as plain JSON."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from endplate.errors import InputError
from endplate.sources import value

PLAN_SCHEMA = "endplate/plan/1"


@dataclass(frozen=True)
class PlannedLevel:
    """One planned level; volumes in ml, pressure in MPa, unknown is ``None``."""

    level: str
    technique: str
    refused: bool
    cement_ml: float | None
    cement_cap_ml: float | None
    per_needle_ml: tuple[tuple[str, float], ...]
    """Side and volume in the order of the paths."""
    balloon_limit_mpa: float | None
    balloon_max_ml: float | None
    codes: tuple[str, ...]


@dataclass(frozen=True)
class PlanView:
    """A plan as the pathway sees it."""

    levels: tuple[PlannedLevel, ...]
    cement_total_ml: float | None
    codes: tuple[str, ...]
    sha256: str
    """Hash of the plan's content."""

    @property
    def names(self) -> tuple[str, ...]:
        """Levels that have a plan."""
        return tuple(level.level for level in self.levels if not level.refused)

    @property
    def volume_ml(self) -> float | None:
        """Cement of the whole session; ``None`` where any level's is unknown."""
        if self.cement_total_ml is not None:
            return self.cement_total_ml
        volumes = [level.cement_ml for level in self.levels if not level.refused]
        known = [volume for volume in volumes if volume is not None]
        return sum(known) if known and len(known) == len(volumes) else None

    def levels_with(self, codes: frozenset[str]) -> tuple[str, ...]:
        """Levels of which the plan says one of these."""
        return tuple(level.level for level in self.levels if codes & set(level.codes))

    @property
    def defect_levels(self) -> tuple[str, ...]:
        """Levels with a cortical or posterior wall defect."""
        return self.levels_with(frozenset(value("care.plan.defect_codes")))

    @property
    def numbering_codes(self) -> tuple[str, ...]:
        """Findings by which the level names are uncertain."""
        unusual = set(value("care.plan.unusual_levels")) & {level.level for level in self.levels}
        found = tuple(code for code in value("care.plan.numbering_codes") if code in self.codes)
        return (*found, *sorted(f"level-{level}" for level in unusual))


def read_plan(path: Path, spine: Path | None = None) -> PlanView:
    """Read a plan's JSON file, and beside it the measured spine's (``endplate assess``) where there is one.

    Raises ``InputError`` as ``parse_plan`` does, and for an unreadable file.
    """
    return parse_plan(_json(path), None if spine is None else _json(spine))


def _json(path: Path) -> object:
    try:
        content: object = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InputError(
            "care-plan-unreadable",
            f"The plan cannot be read: {error.strerror or error}.",
            do="Name the plan.json of a case.",
        ) from error
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _wrong("it is not JSON") from error
    return content


def parse_plan(content: object, spine: object = None) -> PlanView:
    """Read a plan from JSON values; ``spine`` adds what the measured spine says of numbering and walls.

    Raises
    ------
    InputError
        Not a plan of the known schema, or its fields are of another kind.
    """
    if not isinstance(content, Mapping) or content.get("schema") != PLAN_SCHEMA:
        raise _wrong(f"it does not say schema {PLAN_SCHEMA}")
    try:
        plans = content["plans"]
        measured = _spine_codes(spine)
        levels = tuple(_level(entry, measured.get(str(entry["level"]), ())) for entry in plans)
        session = content.get("session") or {}
        total = _number(session.get("cement_total_ml"))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _wrong("a field is missing or of another kind") from error
    codes = dict.fromkeys(code for level in levels for code in level.codes)
    codes.update(dict.fromkeys(_codes(session.get("warnings"))))
    codes.update(dict.fromkeys(_codes(content.get("findings"))))
    codes.update(dict.fromkeys(measured.get("", ())))
    return PlanView(levels=levels, cement_total_ml=total, codes=tuple(codes), sha256=content_hash(content))


def content_hash(content: object) -> str:
    """Hash of JSON values, whatever the order of their keys."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def _spine_codes(spine: object) -> dict[str, tuple[str, ...]]:
    """Codes of the measured spine by level, those of the whole spine under the empty name."""
    if spine is None:
        return {}
    if not isinstance(spine, Mapping):
        raise TypeError
    found = {str(level["level"]): _codes(level.get("findings")) for level in spine["levels"]}
    return {**found, "": _codes(spine.get("findings"))}


def _level(entry: Mapping[str, Any], measured: tuple[str, ...]) -> PlannedLevel:
    cement = entry.get("cement") or {}
    balloon = entry.get("balloon") or {}
    sides = [str(path["side"]) for path in entry.get("paths") or ()]
    volumes = [float(volume) for volume in cement.get("per_needle_ml") or ()]
    return PlannedLevel(
        level=str(entry["level"]),
        technique=str(entry.get("technique") or ""),
        refused=entry.get("refused") is not None,
        cement_ml=_number(cement.get("volume_ml")),
        cement_cap_ml=_number(cement.get("cap_ml")),
        per_needle_ml=tuple(zip(sides, volumes, strict=False)),
        balloon_limit_mpa=_number(balloon.get("rated_pressure_mpa")),
        balloon_max_ml=_number(balloon.get("max_volume_ml")),
        codes=(
            *_codes(entry.get("warnings")),
            *_codes((entry.get("refused") or {}).get("reasons")),
            *(code for side in entry.get("refused_sides") or () for code in _codes(side.get("reasons"))),
            *measured,
        ),
    )


def _codes(findings: Any) -> tuple[str, ...]:
    return tuple(str(finding["code"]) for finding in findings or ())


def _number(value_: Any) -> float | None:
    return None if value_ is None else float(value_)


def _wrong(what: str) -> InputError:
    return InputError(
        "care-plan-wrong",
        f"The plan cannot be used: {what}.",
        do="Name the plan.json that `endplate plan` wrote.",
    )
