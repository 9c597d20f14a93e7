"""The form of warning signs: fixed questions, any yes escalates, and no answer ever reassures."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from endplate.care.context import Context, Item
from endplate.care.course import RedFlagForm
from endplate.care.model import CallItem, RedFlagResult
from endplate.care.times import iso
from endplate.errors import InputError
from endplate.sources import finding, value


def questions() -> dict[str, dict[str, Any]]:
    """The fixed questions in the order in which they are asked: words, action of a yes, requirement, source."""
    found: dict[str, dict[str, Any]] = value("care.red_flags")
    return found


def next_question(answers: dict[str, bool]) -> str | None:
    """The next question to ask; ``None`` once an emergency was answered yes, or when all were asked."""
    for key, entry in questions().items():
        if key not in answers:
            return key
        if answers[key] and entry["action"] == "emergency":
            return None
    return None


def red_flags(ctx: Context) -> Iterator[Item]:
    """One result and card for each form.

    Raises
    ------
    InputError
        A form answers a question that does not exist.
    """
    for form in ctx.case.red_flags:
        yield from _one(ctx, form)


def flags_of(ctx: Context, form: RedFlagForm) -> tuple[str, ...]:
    """Every sign that a form shows: a yes, or a measured value over its limit. A no never takes one away."""
    asked = questions()
    unknown = set(form.answers) - set(asked)
    if unknown:
        raise InputError(
            "care-red-flag-unknown",
            "The form answers a question that does not exist.",
            do=f"Use the fixed questions: {', '.join(asked)}.",
        )
    flags = [key for key in asked if form.answers.get(key)]
    threshold = ctx.pack.get("fever.threshold") or value("care.fever_default_c")
    if form.temperature_c is not None and form.temperature_c >= threshold and "fever" not in flags:
        flags.append("fever")
    before = ctx.case.referral.pain_nrs
    if (
        form.pain_nrs is not None
        and before is not None
        and form.pain_nrs > before
        and "pain_worse" not in flags
    ):
        flags.append("pain_worse")
    return tuple(flags)


def _one(ctx: Context, form: RedFlagForm) -> Iterator[Item]:
    asked, flags = questions(), flags_of(ctx, form)
    actions = {asked[flag]["action"] for flag in flags}
    action = "emergency" if "emergency" in actions else "same-day" if actions else "none-reported"
    at = ctx.at(form.submitted)
    unfinished = not form.complete or any(key not in form.answers for key in asked)
    contact = "emergency-number" if action == "emergency" else _contact(ctx, at)
    code = {
        "emergency": "care-red-flag-emergency",
        "same-day": "care-red-flag-same-day",
        "none-reported": "care-red-flag-unfinished" if unfinished else "care-red-flag-none",
    }[action]
    inputs = {
        "flags": list(flags),
        "answered_by": form.answered_by,
        "language": form.language,
        "complete": not unfinished,
    }
    signs = ", ".join(asked[flag]["words"] for flag in flags)
    card = ctx.card(
        code,
        "F9.1" if action == "emergency" else "F9.3",
        about=form.submitted,
        inputs=inputs,
        signs=signs,
        source=[asked[flag]["source"] for flag in flags],
    )
    yield card
    yield RedFlagResult.model_validate(
        {
            "submitted": iso(at),
            "action": action,
            "flags": flags,
            "text": finding(f"care-text-{code.removeprefix('care-')}", level=None).text,
            "contact": contact,
            "show_emergency": action == "emergency" or unfinished,
            "answered_by": form.answered_by,
            "language": form.language,
        }
    )
    if action != "none-reported" or unfinished:
        yield CallItem(who="clinician", why=card.summary, rule_id=card.rule_id)
    if "pain_worse" in flags:
        yield CallItem(
            who="clinician",
            why="Worse pain: look for a new fracture (examination, X-ray or CT, MRI).",
            rule_id="F9.5",
        )


def _contact(ctx: Context, at: dt.datetime) -> str:
    """The telephone that is answered at this moment; at night and without office hours the after-hours one."""
    hours = ctx.pack.get("office.hours")
    if hours is None or ctx.pack.get("office.phone") is None:
        return "after-hours"
    try:
        first, last = (dt.time.fromisoformat(part.strip()) for part in hours.replace("–", "-").split("-"))
    except ValueError:
        return "after-hours"
    open_now = at.weekday() < _WORKING_DAYS and first <= at.time() < last
    return "site-phone" if open_now else "after-hours"


_WORKING_DAYS = 5
