"""What the patient may do from when: every date from the end of sedation or procedure by the site's rules."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

from endplate.care.context import Context, Item, Note, Paper
from endplate.care.course import Prescribed
from endplate.care.quantities import words
from endplate.care.times import Span, not_before, parse_span
from endplate.papers.words import long_date
from endplate.sources import finding, value

LIMITS = (
    ("transport.public", "sedation", "No public transport alone until then.", "P-DIS-08"),
    ("activity.return_normal", "end", "Back to light daily activities from then on.", "P-ACT-02"),
    ("wound.dry", "end", "Keep the wound dry and clean until then.", "P-WND-01"),
    ("wound.shower_after", "end", "First shower; pat the wound dry.", "P-WND-02"),
    ("wound.no_bath", "end", "No bath until then.", "P-WND-02"),
    ("escort.adult_at_home", "end", "A responsible adult stays with you until then.", "P-DIS-07"),
)
"""Limits that are a date each: parameter, from when it counts, words, requirement."""


def discharge(ctx: Context) -> Iterator[Item]:
    """Dated limits, driving, sick note and texts; before the procedure they count from its planned start."""
    sedation, end = ctx.sedation_end or ctx.start, ctx.end or ctx.start
    if sedation is None or end is None:
        return
    provisional = ctx.end is None
    if ctx.case.procedure.discharge_destination != "referring-hospital":
        yield Paper("leaflet")
    for key, base, text, rule in LIMITS:
        span = ctx.pack.get(key)
        if span is not None:
            at = not_before(sedation if base == "sedation" else end, span)
            yield ctx.entry(
                key,
                at,
                "not-before",
                text,
                rule,
                ctx.pack.source(key),
                parameter=key,
                inputs={"provisional": provisional, "span": span.iso, "from": base},
            )
    yield from _lifting(ctx, end, provisional=provisional)
    yield from _driving(ctx, sedation, provisional=provisional)
    yield from _texts(ctx)
    yield from _opioids(ctx)
    yield from _sick_note(ctx, end)


def _lifting(ctx: Context, end: dt.datetime, *, provisional: bool) -> Iterator[Item]:
    span, limit = ctx.pack.get("lifting.duration"), ctx.pack.get("lifting.limit")
    if span is None or limit is None:
        return
    yield ctx.entry(
        "lifting.duration",
        not_before(end, span),
        "not-before",
        f"Lift no more than {words('mass', limit)} until then; ask at the follow-up before you lift more.",
        "F8.1",
        (*ctx.pack.source("lifting.duration"), *ctx.pack.source("lifting.limit")),
        parameter="lifting.duration",
        inputs={"provisional": provisional, "limit_kg": limit},
    )


def earliest_drive(ctx: Context, sedation_end: dt.datetime) -> tuple[dt.datetime, tuple[str, ...]] | None:
    """The latest of a day after sedation, the site's rule and the gap after the last opioid, with their sources.

    ``None`` while the site has not chosen, or while an opioid is taken whose last dose is not known.
    """
    site = ctx.pack.get("driving.no_drive")
    if site is None:
        return None
    moments = [not_before(sedation_end, site)]
    sources = list(ctx.pack.source("driving.no_drive"))
    if ctx.sedated:
        moments.append(not_before(sedation_end, parse_span(value("care.after_sedation"))))
        sources.append("midazolam-label")
    for medicine in _home_opioids(ctx):
        gap = ctx.pack.get("driving.opioid_gap")
        if gap is None or medicine.last_dose is None:
            return None
        moments.append(not_before(ctx.at(medicine.last_dose), gap))
        sources += ctx.pack.source("driving.opioid_gap")
    return max(moments, key=lambda moment: moment.astimezone(dt.UTC)), tuple(dict.fromkeys(sources))


def _driving(ctx: Context, sedation_end: dt.datetime, *, provisional: bool) -> Iterator[Item]:
    found = earliest_drive(ctx, sedation_end)
    if found is None:
        return
    at, sources = found
    yield ctx.entry(
        "driving.no_drive",
        at,
        "not-before",
        "No driving before then, and only if you can do an emergency stop; ask your insurer.",
        "F1.1",
        (*sources, "dvla"),
        parameter="driving.no_drive",
        inputs={"provisional": provisional, "from": "sedation", "span": ctx.pack.get("driving.no_drive").iso},
    )


def _home_opioids(ctx: Context) -> list[Prescribed]:
    recovery = ctx.case.recovery
    return [medicine for medicine in (recovery.medicines_home or ()) if medicine.opioid] if recovery else []


def _texts(ctx: Context) -> Iterator[Item]:
    for name, code in (
        ("log-roll", "care-text-log-roll"),
        ("walking", "care-text-walking"),
        ("stairs", "care-text-stairs"),
        ("soreness", "care-text-soreness"),
        ("pain-medicine", "care-text-pain-medicine"),
    ):
        text = finding(code, level=None)
        yield Note(name, text.text, (text.source,))
    sitting = ctx.pack.get("sitting.limit")
    if sitting is not None:
        source = ctx.pack.source("sitting.limit")
        yield Note(
            "sitting",
            f"Do not sit for more than {sitting.words} at a time. Get up and walk a little.",
            source,
        )
    per_level = ctx.pack.get("duration.per_level")
    if per_level is not None:
        source = ctx.pack.source("duration.per_level")
        yield Note("duration", f"It takes about {per_level.words} for each bone.", source)
    brace = ctx.case.recovery is not None and ctx.case.recovery.brace_prescribed
    if brace:
        text = finding("care-text-brace", level=None)
        yield Note("brace", text.text, (text.source,))
    if ctx.pack.get("wound.no_bath") is None:
        text = finding("care-text-no-bath", level=None)
        yield Note("bath", text.text, (text.source,))


def _opioids(ctx: Context) -> Iterator[Item]:
    opioids = _home_opioids(ctx)
    if not opioids:
        return
    text = finding("care-text-opioid", level=None)
    yield Note("opioid", text.text, (text.source, "leaflet-000"))
    for number, medicine in enumerate(opioids, start=1):
        if medicine.stop_date is None:
            yield ctx.card("care-opioid-stop", "F8.2", about=str(number), inputs={"stop_date": None})
        else:
            yield Note(
                f"opioid-stop-{number}",
                f"Stop this medicine on {long_date(medicine.stop_date)}.",
                ("leaflet-000",),
            )
        if medicine.last_dose is None:
            yield ctx.card("care-opioid-driving", "F8.2", about=str(number), inputs={"last_dose": None})


def _sick_note(ctx: Context, end: dt.datetime) -> Iterator[Item]:
    recovery, job = ctx.case.recovery, ctx.case.person.job
    if recovery is None or not recovery.sick_note.requested:
        return
    if job is None:
        yield ctx.card("care-sick-note-job", "F8.3", inputs={"job": None})
        return
    span: Span | None = ctx.pack.get("work.sedentary")
    days = recovery.sick_note.days or (span.days if span is not None and job == "sedentary" else None)
    if not days:
        yield ctx.card("care-sick-note-days", "F8.3", inputs={"job": job, "days": None})
        return
    first = (ctx.start or end).date()
    last = first + dt.timedelta(days=days - 1)
    yield Note(
        "sick-note",
        f"Not fit for work from {long_date(first.isoformat())} to {long_date(last.isoformat())}.",
        ctx.pack.source("work.sedentary"),
    )
    yield Paper("sick-note")
