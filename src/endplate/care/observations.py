"""Observations of the recovery room: when they are due, what is missing, stale or implausible, and their score."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.context import Context, Item
from endplate.care.course import Observation, Recovery
from endplate.care.model import Due, ScoreResult
from endplate.care.news2 import FIELDS, SOURCE, News2, news2
from endplate.care.parameters import due_minutes
from endplate.care.record import intensified
from endplate.care.times import add_minutes, hours_between, iso
from endplate.papers.words import listed
from endplate.sources import value


def observations(ctx: Context) -> Iterator[Item]:
    """Due times, scores and cards on observations; nothing before the procedure has ended."""
    end = ctx.end
    if end is None:
        return
    recovery = ctx.case.recovery or Recovery()
    yield from _schedule(ctx, recovery, end)
    for seen in _in_order(ctx, recovery):
        yield from _implausible(ctx, seen)
        yield from _scored(ctx, seen, last=seen is _in_order(ctx, recovery)[-1])


def _in_order(ctx: Context, recovery: Recovery) -> list[Observation]:
    return sorted(recovery.observations, key=lambda seen: ctx.at(seen.at).astimezone(dt.UTC))


def due_times(ctx: Context) -> tuple[dt.datetime, ...]:
    """When observations are due; closer together after a leak toward canal or nerves."""
    schedule, end = ctx.pack.get("recovery.observations"), ctx.end
    if schedule is None or end is None:
        return ()
    minutes = due_minutes(schedule)
    if intensified(ctx):
        step = int(value("care.intensified_every_min"))
        minutes = tuple(range(step, minutes[-1] + 1, step))
    return tuple(add_minutes(end, minute) for minute in minutes)


def _schedule(ctx: Context, recovery: Recovery, end: dt.datetime) -> Iterator[Item]:
    due = due_times(ctx)
    items = tuple(ctx.pack.get("monitoring.items") or ())
    early = value("care.observation_early_min")
    taken = [ctx.at(seen.at) for seen in _in_order(ctx, recovery)]
    sources = ctx.pack.source("recovery.observations")
    overdue = []
    for number, at in enumerate(due):
        until = add_minutes(due[number + 1], -early) if number + 1 < len(due) else None
        done = next(
            (seen for seen in taken if seen >= add_minutes(at, -early) and (until is None or seen < until)),
            None,
        )
        late = (
            None if done is not None or ctx.now is None or ctx.now <= at else hours_between(at, ctx.now) * 60
        )
        if late is not None:
            overdue.append(at)
        yield Due(
            at=iso(at),
            items=items,
            done_at=None if done is None else iso(done),
            overdue_min=None if late is None else round(late, 1),
        )
        yield ctx.entry(
            "recovery.observation",
            at,
            "at",
            "Observations due.",
            "F7.1",
            sources,
            parameter="recovery.observations",
            inputs={"items": list(items), "intensified": intensified(ctx)},
        )
    bed_rest = ctx.pack.get("recovery.bed_rest")
    if bed_rest is not None:
        yield ctx.entry(
            "recovery.bed_rest",
            add_minutes(end, 60 * bed_rest.hours),
            "not-before",
            "Bed rest until then; sit up with help.",
            "F7.1",
            ctx.pack.source("recovery.bed_rest"),
            parameter="recovery.bed_rest",
        )
    watch = ctx.pack.get("monitoring.duration")
    if watch is not None:
        yield ctx.entry(
            "recovery.review",
            add_minutes(end, 60 * watch.hours),
            "not-before",
            "Earliest review for going home.",
            "F7.1",
            ctx.pack.source("monitoring.duration"),
            parameter="monitoring.duration",
        )
    if overdue and ctx.now is not None:
        age = None if not taken else hours_between(max(taken), ctx.now) * 60
        yield ctx.card(
            "care-observation-overdue",
            "F7.5",
            inputs={"overdue": [iso(at) for at in overdue], "age_min": None if age is None else round(age)},
            count=len(overdue),
            age="none was recorded" if age is None else f"the last is {age:.0f} minutes old",
        )


def doubtful(seen: Observation) -> dict[str, str]:
    """Fields with an implausible value nobody confirmed, and what it may be."""
    found = {}
    for name, (low, high) in value("care.plausible").items():
        number = getattr(seen, name)
        if number is None or name in seen.confirmed or low <= number <= high:
            continue
        found[name] = "a typing error?"
        if name == "temperature_c" and number >= value("care.fahrenheit_from"):
            found[name] = "degrees Fahrenheit?"
    upper, lower = seen.systolic_mmhg, seen.diastolic_mmhg
    if upper is not None and lower is not None and lower >= upper and "systolic_mmhg" not in seen.confirmed:
        found["systolic_mmhg"] = "upper and lower swapped?"
    return found


def _implausible(ctx: Context, seen: Observation) -> Iterator[Item]:
    found = doubtful(seen)
    if found:
        names = listed([f"{name.rsplit('_', 1)[0].replace('_', ' ')} ({why})" for name, why in found.items()])
        yield ctx.card(
            "care-observation-doubtful",
            "F7.7",
            about=seen.at,
            inputs={"items": list(found), "at": seen.at},
            names=names,
        )


def stale_items(ctx: Context, seen: Observation) -> frozenset[str]:
    """Items taken too far from the others of the set to be scored with them."""
    limit = ctx.pack.get("observations.combine_within")
    if limit is None:
        return frozenset()
    times = {
        item: ctx.at(seen.item_times.get(field, seen.item_times.get(item, seen.at)))
        for item, field in FIELDS.items()
    }
    newest = max(times.values(), key=lambda moment: moment.astimezone(dt.UTC))
    return frozenset(item for item, at in times.items() if hours_between(at, newest) > limit.hours)


def score_of(ctx: Context, seen: Observation) -> News2:
    """The score of one set, without stale items and without implausible ones that nobody confirmed."""
    doubt = frozenset(item for item, field in FIELDS.items() if field in doubtful(seen))
    return news2(seen, leave_out=stale_items(ctx, seen) | doubt)


def _scored(ctx: Context, seen: Observation, *, last: bool) -> Iterator[Item]:
    if not any(getattr(seen, field) is not None for field in FIELDS.values()):
        return
    stale, score = stale_items(ctx, seen), score_of(ctx, seen)
    at = ctx.at(seen.at)
    scale2 = seen.spo2_scale == 2 and bool(seen.scale2_prescriber)
    yield ScoreResult(
        name="NEWS2",
        variant="SpO2 scale 2" if scale2 else "SpO2 scale 1",
        at=iso(at),
        total=score.total,
        band=score.band,
        items=score.items,
        missing=tuple(item for item in score.missing if item not in stale),
        stale=tuple(sorted(stale)),
        age_min=None if ctx.now is None else round(hours_between(at, ctx.now) * 60, 1),
        source=(SOURCE,),
    )
    if seen.spo2_scale == 2 and not scale2:
        yield ctx.card("care-scale2", "F7.6", about=seen.at, inputs={"at": seen.at})
    if not last:
        return
    if ctx.case.person.pregnancy == "yes":
        yield ctx.card(
            "care-news2-pregnant", "F7.2", inputs={"pregnancy": "yes"}, verify=("news2-pregnancy",)
        )
    if score.total is None:
        yield ctx.card(
            "care-news2-incomplete",
            "F7.3",
            inputs={"missing": list(score.missing)},
            items=listed(list(score.missing)),
        )
    elif score.band == "high":
        yield ctx.card("care-news2-high", "F7.15", inputs={"total": score.total}, total=score.total)
    elif score.band in ("medium", "low-medium"):
        yield ctx.card(
            "care-news2-raised",
            "F7.15",
            inputs={"total": score.total, "band": score.band},
            total=score.total,
            band=score.band,
        )
