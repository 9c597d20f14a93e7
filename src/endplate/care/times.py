"""Moments and spans of time: zones, daylight saving, and intervals that are never shorter than asked.

A day is 24 elapsed hours and also one day on the wall's clock; on the two nights a year on which these differ, the
safer of the two is taken: the later one for "not before", the earlier one for "not after".
"""

from __future__ import annotations

import calendar
import datetime as dt
import re
import zoneinfo
from dataclasses import dataclass
from functools import cache

from endplate.errors import InputError

HOURS_A_DAY = 24
DAYS_A_WEEK = 7
DAYS_A_MONTH = 30
"""Only to compare spans; dates move by months of the calendar."""

_ISO = re.compile(
    r"P(?:(?P<months>\d+)M)?(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?)?"
)
_WORDS = re.compile(r"(?P<count>\d+)\s*(?P<unit>[a-z]+)")
_UNITS = {
    "min": "minutes",
    "minute": "minutes",
    "minutes": "minutes",
    "h": "hours",
    "hour": "hours",
    "hours": "hours",
    "d": "days",
    "day": "days",
    "days": "days",
    "week": "weeks",
    "weeks": "weeks",
    "month": "months",
    "months": "months",
}


@dataclass(frozen=True)
class Span:
    """A span of time: months and days of the calendar, and elapsed minutes."""

    months: int = 0
    days: int = 0
    minutes: int = 0

    @property
    def hours(self) -> float:
        """Length in hours, a month counted as 30 days; for comparison and display only."""
        return HOURS_A_DAY * (DAYS_A_MONTH * self.months + self.days) + self.minutes / 60

    @property
    def iso(self) -> str:
        """The span in ISO 8601."""
        date = (f"{self.months}M" if self.months else "") + (f"{self.days}D" if self.days else "")
        hours, minutes = divmod(self.minutes, 60)
        time = (f"{hours}H" if hours else "") + (f"{minutes}M" if minutes else "")
        return "P" + date + ("T" + time if time else "") if date or time else "PT0M"

    @property
    def words(self) -> str:
        """The span in words: ``2 weeks``, ``48 hours``."""
        parts = []
        if self.months:
            parts.append(_counted(self.months, "month"))
        if self.days and self.days % DAYS_A_WEEK == 0:
            parts.append(_counted(self.days // DAYS_A_WEEK, "week"))
        elif self.days:
            parts.append(_counted(self.days, "day"))
        hours, minutes = divmod(self.minutes, 60)
        if hours:
            parts.append(_counted(hours, "hour"))
        if minutes:
            parts.append(_counted(minutes, "minute"))
        return " ".join(parts) or "no time"


def _counted(count: int, unit: str) -> str:
    return f"{count} {unit}" + ("" if count == 1 else "s")


def parse_span(text: object) -> Span:
    """Read ``P14D``, ``PT48H``, ``48 h`` or ``2 weeks``.

    Raises
    ------
    ValueError, TypeError
        No span, a negative one, or a number without a unit.
    """
    if isinstance(text, int | float) and not isinstance(text, bool):
        raise TypeError("a duration needs its unit, for example P14D or 48 h")
    if not isinstance(text, str):
        raise TypeError("a duration is written as in P14D or 48 h")
    word = text.strip()
    if word.startswith("-"):
        raise ValueError("a duration cannot be negative")
    found = _ISO.fullmatch(word)
    if found and any(part is not None for part in found.groups()) and not word.endswith("T"):
        part = {name: int(number or 0) for name, number in found.groupdict().items()}
    else:
        plain = _WORDS.fullmatch(word.lower())
        if plain is None or plain["unit"] not in _UNITS:
            raise ValueError("a duration is written as in P14D, PT48H, 48 h or 2 weeks")
        part = dict.fromkeys(("months", "weeks", "days", "hours", "minutes"), 0)
        part[_UNITS[plain["unit"]]] = int(plain["count"])
    return Span(
        months=part["months"],
        days=part["days"] + DAYS_A_WEEK * part["weeks"],
        minutes=60 * part["hours"] + part["minutes"],
    )


@cache
def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name such as ``Europe/London``.

    Raises
    ------
    InputError
        No such zone.
    """
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InputError(
            "time-zone-unknown",
            "The time zone of the case is not known.",
            do="Give an IANA name such as Europe/London.",
        ) from error


def check_iso(text: str) -> str:
    """Return the text if it is an ISO date and time, else raise ``ValueError``."""
    try:
        dt.datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO date and time such as 2026-12-07T09:00") from None
    if "T" not in text and " " not in text:
        raise ValueError("the time of day is missing; write it as in 2026-12-07T09:00")
    return text


def resolve(text: str, where: zoneinfo.ZoneInfo) -> dt.datetime:
    """The moment a text stands for, in the zone.

    Raises
    ------
    ValueError
        The local time does not exist (clocks go forward) or is there twice (clocks go back).
    """
    moment = dt.datetime.fromisoformat(check_iso(text))
    if moment.tzinfo is not None:
        return moment.astimezone(where)
    first, second = (moment.replace(tzinfo=where, fold=fold) for fold in (0, 1))
    if first.utcoffset() == second.utcoffset():
        return first
    if first.astimezone(dt.UTC).astimezone(where).replace(tzinfo=None) != moment:
        raise ValueError("this local time does not exist: the clocks go forward here")
    raise ValueError("this local time is there twice: the clocks go back here; add the offset, as in +01:00")


def not_before(start: dt.datetime, span: Span) -> dt.datetime:
    """The first moment at which a span after ``start`` is surely over."""
    return max(_on_the_wall(start, span, +1), _elapsed(start, span, +1), key=_utc)


def not_after(end: dt.datetime, span: Span) -> dt.datetime:
    """The last moment that is surely a span before ``end``."""
    return min(_on_the_wall(end, span, -1), _elapsed(end, span, -1), key=_utc)


def hours_between(start: dt.datetime, end: dt.datetime) -> float:
    """Elapsed hours."""
    return (_utc(end) - _utc(start)).total_seconds() / 3600


def add_minutes(moment: dt.datetime, minutes: float) -> dt.datetime:
    """Elapsed minutes later (or earlier), in the same zone."""
    return (_utc(moment) + dt.timedelta(minutes=minutes)).astimezone(moment.tzinfo)


def iso(moment: dt.datetime) -> str:
    """The moment as text, to the minute, with its offset."""
    return moment.isoformat(timespec="minutes")


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def short(moment: dt.datetime) -> str:
    """The moment for readers, as ``Sat 05 Dec 08:00``, the same under every locale of the computer."""
    return f"{_DAYS[moment.weekday()]} {moment.day:02d} {_MONTHS[moment.month - 1]} {moment:%H:%M}"


def _utc(moment: dt.datetime) -> dt.datetime:
    return moment.astimezone(dt.UTC)


def _elapsed(moment: dt.datetime, span: Span, way: int) -> dt.datetime:
    shifted = _by_months(moment, way * span.months)
    return add_minutes(shifted, way * (span.days * HOURS_A_DAY * 60 + span.minutes))


def _on_the_wall(moment: dt.datetime, span: Span, way: int) -> dt.datetime:
    moved = _by_months(moment, way * span.months) + dt.timedelta(days=way * span.days)
    return add_minutes(moved, way * span.minutes)


def _by_months(moment: dt.datetime, months: int) -> dt.datetime:
    if not months:
        return moment
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)
