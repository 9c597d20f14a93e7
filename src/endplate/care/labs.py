"""Laboratory values: read as typed, checked for plausibility, never scaled; the newest that is not too old counts."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from endplate.care.context import Context, Item
from endplate.care.intake import Lab
from endplate.care.times import not_after
from endplate.papers.words import listed
from endplate.sources import value


@dataclass(frozen=True)
class LabReading:
    """One value as read; ``number`` is ``None`` where it cannot be used, and ``problem`` says why."""

    lab: Lab
    at: dt.datetime
    number: float | None
    problem: str | None = None


def read_lab(ctx: Context, lab: Lab) -> LabReading:
    """Read one value by the locale's decimal mark and the units known for its test."""
    at = ctx.at(lab.taken)
    number = _number(lab.value, comma=ctx.case.decimal_comma)
    if number is None:
        return LabReading(lab, at, None, "it is not a number in this locale")
    limits: dict[str, Any] = value("care.lab_limits")[lab.test]
    if (lab.unit or "") not in limits["units"]:
        return LabReading(lab, at, None, f"its unit is not clear; give it in {limits['units'][0]}")
    low, high = limits["plausible"]
    if not low <= number <= high and not lab.confirmed:
        return LabReading(
            lab, at, None, f"it is implausible (expected {low:g} to {high:g}); confirm value and unit"
        )
    return LabReading(lab, at, number)


def _number(typed: float | str, *, comma: bool) -> float | None:
    if not isinstance(typed, str):
        return float(typed)
    text = typed.strip()
    pattern = r"\d+(?:,\d+)?" if comma else r"\d+(?:\.\d+)?"
    if not re.fullmatch(pattern, text):
        return None
    return float(text.replace(",", "."))


def latest(ctx: Context, test: str) -> LabReading | None:
    """The newest value of a test, whatever its age."""
    found = [read_lab(ctx, lab) for lab in ctx.case.labs if lab.test == test]
    return max(found, key=lambda reading: reading.at.astimezone(dt.UTC)) if found else None


def clearance(ctx: Context) -> float | None:
    """Creatinine clearance in ml/min, or ``None`` where it is not known or cannot be used."""
    reading = latest(ctx, "creatinine-clearance")
    return None if reading is None else reading.number


def clearance_taken(ctx: Context) -> str | None:
    """When the creatinine clearance was taken, as text."""
    reading = latest(ctx, "creatinine-clearance")
    return None if reading is None else str(reading.lab.taken)


def labs(ctx: Context) -> Iterator[Item]:
    """Cards on laboratory values, before the procedure only."""
    if ctx.end is not None:
        return
    missing = []
    for test in value("care.labs_needed"):
        reading = latest(ctx, test)
        if reading is None:
            missing.append(test)
        elif reading.problem is not None:
            yield ctx.card(
                "care-lab-problem",
                "F3.8" if test == "platelets" else "F3.9",
                about=test,
                inputs={"test": test},
                test=_words(test),
                problem=reading.problem,
            )
        elif _too_old(ctx, reading):
            missing.append(f"{test} (too old)")
        else:
            yield from _judge(ctx, test, reading)
    yield from _fibrinogen(ctx)
    for test in ("creatinine-clearance", "fibrinogen"):
        reading = latest(ctx, test)
        if reading is not None and reading.problem is not None:
            yield ctx.card(
                "care-lab-problem",
                "F3.9",
                about=test,
                inputs={"test": test},
                test=_words(test),
                problem=reading.problem,
            )
    if missing:
        names = listed([_words(test) for test in missing])
        code = "care-labs-missing" if _last_call(ctx) else "care-labs-due"
        yield ctx.card(code, "F3.5", inputs={"missing": missing}, tests=names, verify=("labs-max-age",))
    oldest = _oldest(ctx)
    if oldest is not None and ctx.start is not None:
        yield ctx.entry(
            "labs",
            oldest,
            "window",
            "Blood tests count from here until the procedure.",
            "F3.5",
            ctx.pack.source("labs.max_age"),
            until=ctx.start,
            parameter="labs.max_age",
            verify=("labs-max-age",),
        )


def _fibrinogen(ctx: Context) -> Iterator[Item]:
    reading = latest(ctx, "fibrinogen")
    limit = value("care.liver_fibrinogen_above")
    number = None if reading is None else reading.number
    if ctx.case.history.chronic_liver_disease == "yes" and number is not None and number <= limit:
        inputs = {"value": number}
        yield ctx.card("care-fibrinogen-low", "F3.6", inputs=inputs, found=f"{number:g}", limit=f"{limit:g}")


def _words(test: str) -> str:
    return test.replace("-", " ").replace("inr", "INR")


def _oldest(ctx: Context) -> dt.datetime | None:
    span = ctx.pack.get("labs.max_age")
    return None if span is None or ctx.start is None else not_after(ctx.start, span)


def _too_old(ctx: Context, reading: LabReading) -> bool:
    oldest = _oldest(ctx)
    return oldest is not None and reading.at.astimezone(dt.UTC) < oldest.astimezone(dt.UTC)


def _last_call(ctx: Context) -> bool:
    """Whether values must be there by now."""
    oldest = _oldest(ctx)
    return oldest is None or ctx.now is None or ctx.now >= oldest


def _judge(ctx: Context, test: str, reading: LabReading) -> Iterator[Item]:
    liver = ctx.case.history.chronic_liver_disease == "yes"
    number = reading.number
    if number is None:
        return
    inputs = {"test": test, "value": number, "liver": liver, "taken": reading.lab.taken}
    if test == "inr":
        limit = value("care.liver_inr_below") if liver else ctx.pack.get("labs.inr_max")
        if limit is None:
            return
        high = number >= limit if liver else number > limit
        if high:
            code = "care-inr-high-liver" if liver else "care-inr-high"
            yield ctx.card(
                code,
                "F3.4",
                inputs=inputs,
                inr=f"{number:g}",
                limit=f"{limit:g}",
                source=ctx.pack.source("labs.inr_max"),
            )
        elif liver:
            yield ctx.card("care-liver-row", "F3.6", inputs=inputs, limit=f"{limit:g}", inr=f"{number:g}")
    elif test == "platelets":
        limit = value("care.liver_platelets_above") if liver else ctx.pack.get("labs.platelets_min_e9_per_l")
        if limit is not None and (number <= limit if liver else number < limit):
            yield ctx.card(
                "care-platelets-low",
                "F3.7",
                inputs=inputs,
                count=f"{number:g}",
                limit=f"{limit:g}",
                source=ctx.pack.source("labs.platelets_min_e9_per_l"),
            )
