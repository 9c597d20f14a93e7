"""The fasting clock: exact last times, elapsed hours also on a night when the clocks change."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.context import Context, Item
from endplate.care.times import not_after, resolve, short
from endplate.papers.words import listed

STEPS = (
    ("fasting.fatty_meal", "Last fatty meal or meat."),
    ("fasting.light_meal", "Last light meal or milk."),
    ("fasting.clear_fluids", "Last clear fluids such as water. They are allowed, and good, until then."),
)


def fasting(ctx: Context) -> Iterator[Item]:
    """Last times to eat and drink, or the question to the anaesthetist."""
    if ctx.end is not None:
        return
    if ctx.case.procedure.anaesthesia is None:
        yield ctx.card("care-anaesthesia-not-set", "P-IND-06", inputs={"anaesthesia": None})
        return
    special = _special(ctx)
    if special:
        yield ctx.card(
            "care-fasting-ask",
            "F4.3",
            inputs={"because": special},
            because=listed(special),
            source=("glp1-trial",),
        )
        return
    if ctx.case.procedure.anaesthesia == "local" and ctx.pack.get("fasting.local_only") != "as-sedation":
        code = "care-fasting-local" if ctx.pack.get("fasting.local_only") is None else "care-fasting-none"
        yield ctx.card(
            code, "F4.6", inputs={"anaesthesia": "local", "site": ctx.pack.get("fasting.local_only")}
        )
        return
    if ctx.start is not None:
        yield from _clock(ctx, ctx.start)


def _clock(ctx: Context, start: dt.datetime) -> Iterator[Item]:
    if ctx.pack.get("fasting.nil_all_day"):
        midnight = resolve(f"{start.date().isoformat()}T00:00", ctx.zone)
        yield ctx.card("care-fasting-nil", "F4.2", inputs={"nil_all_day": True})
        yield ctx.entry(
            "fasting.nil_all_day",
            midnight,
            "not-after",
            "Nothing to eat or drink on the day.",
            "F4.2",
            ctx.pack.source("fasting.nil_all_day"),
            parameter="fasting.nil_all_day",
        )
        return
    for key, text in STEPS:
        span = ctx.pack.get(key)
        if span is not None:
            yield ctx.entry(
                key,
                not_after(start, span),
                "not-after",
                text,
                "F4.1",
                ctx.pack.source(key),
                parameter=key,
                inputs={"hours": span.hours},
            )
    clear = ctx.pack.get("fasting.clear_fluids")
    if clear is not None and ctx.now is not None and ctx.now < not_after(start, clear) and _moved_later(ctx):
        yield ctx.card(
            "care-fluids-again",
            "F4.4",
            inputs={"start": start.isoformat()},
            until=short(not_after(start, clear)),
        )


def _special(ctx: Context) -> list[str]:
    """What makes the general times unsafe."""
    history = ctx.case.history
    asked = {
        "insulin": history.insulin,
        "a GLP-1 medicine": history.glp1,
        "slow stomach": history.gastroparesis,
    }
    return [words for words, answer in asked.items() if answer == "yes"] + [
        f"no answer on {words}" for words, answer in asked.items() if answer in (None, "unknown")
    ]


def _moved_later(ctx: Context) -> bool:
    """Whether the patient holds instructions for an earlier start."""
    starts = [printed.procedure_start for printed in ctx.case.printed if printed.procedure_start is not None]
    return ctx.start is not None and any(ctx.at(text) < ctx.start for text in starts)
