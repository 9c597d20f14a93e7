"""The last dose before a hold, counted in doses, days or hours; doses are counted in both published ways."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from endplate.care.context import Context
from endplate.care.drugs import Recognised
from endplate.care.times import Span, hours_between, not_after

LOOK_BACK_DAYS = 40
"""Days before the procedure whose doses are counted; no hold is longer."""


@dataclass(frozen=True)
class LastDose:
    """One last dose with the hours to the procedure; the other way of counting beside it."""

    at: dt.datetime
    hours: float
    other_at: dt.datetime | None = None
    other_hours: float | None = None


def last_dose(ctx: Context, item: Recognised, mode: str, amount: float) -> LastDose | None:
    """The last dose before the hold; ``None`` where doses are counted but their times are not known."""
    start = ctx.start
    if start is None:
        return None
    extra = ctx.pack.get("antithrombotic.extra_hold") or Span()
    if mode != "doses":
        span = Span(days=round(amount)) if mode == "days" else Span(minutes=round(60 * amount))
        at = not_after(not_after(start, span), extra)
        return LastDose(at, hours_between(at, start))
    times = sorted(item.medicine.times)
    if not times:
        return None
    counted, uncounted = (
        _by_doses(ctx, times, start, round(amount), extra, morning=way) for way in (True, False)
    )
    choice = bool(ctx.pack.get("antithrombotic.count_procedure_morning_dose"))
    mine, other = (counted, uncounted) if choice else (uncounted, counted)
    hours = hours_between(mine, start)
    if mine == other:
        return LastDose(mine, hours)
    return LastDose(mine, hours, other, hours_between(other, start))


def _by_doses(
    ctx: Context, times: list[str], start: dt.datetime, count: int, extra: Span, *, morning: bool
) -> dt.datetime:
    doses = []
    for back in range(LOOK_BACK_DAYS + 1):
        day = start.date() - dt.timedelta(days=back)
        for text in times:
            clock = dt.time.fromisoformat(text)
            # a clock time that the change to summer time skips is taken as the moment the clocks went forward
            at = dt.datetime.combine(day, clock, tzinfo=ctx.zone).astimezone(dt.UTC).astimezone(ctx.zone)
            if at <= start and (morning or day != start.date()):
                doses.append(at)
    doses.sort(key=lambda moment: moment.astimezone(dt.UTC), reverse=True)
    latest = not_after(doses[count], extra)
    return next(dose for dose in doses[count:] if dose <= latest)
