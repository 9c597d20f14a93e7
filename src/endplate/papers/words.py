"""Numbers for readers: units, uncertainty and a dash where something is unknown."""

from __future__ import annotations

import datetime as dt
import math

DASH = "–"
"""Shown where a value is unknown; never an empty cell, never a zero."""

MINUS = "−"
PLUS_MINUS = "±"
THIN_SPACE = "\u202f"
"""Narrow no-break space between a number and its unit."""

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def number(value: float | None, digits: int = 1, *, signed: bool = False) -> str:
    """Write a number with fixed digits; unknown or not finite gives the dash, zero never has a sign."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{abs(value):.{digits}f}"
    if not text.strip("0."):
        return text
    if value < 0:
        return MINUS + text
    return "+" + text if signed else text


def quantity(
    value: float | None, unit: str = "", digits: int = 1, *, uncertainty: float | None = None
) -> str:
    """Write ``13.6 ± 0.4 mm``; without uncertainty ``13.6 mm``; unknown gives the dash alone."""
    text = number(value, digits)
    if text == DASH:
        return DASH
    if uncertainty is not None and math.isfinite(uncertainty):
        text = f"{text} {PLUS_MINUS} {number(uncertainty, digits)}"
    return text + with_unit(unit)


def with_unit(unit: str) -> str:
    """Return the unit with the space that goes before it (none before ``°``)."""
    if not unit:
        return ""
    return unit if unit == "°" else THIN_SPACE + unit


def percent(fraction: float | None, digits: int = 0) -> str:
    """Write a fraction 0–1 as per cent."""
    return quantity(None if fraction is None else 100.0 * fraction, "%", digits)


def interval(low: float | None, high: float | None, unit: str = "", digits: int = 1) -> str:
    """Write ``12 to 18 mm``; the dash when either end is unknown."""
    ends = number(low, digits), number(high, digits)
    if DASH in ends:
        return DASH
    return f"{ends[0]} to {ends[1]}{with_unit(unit)}"


def long_date(iso: str | None) -> str:
    """Write an ISO date as ``1 March 2024``; the dash when unknown or not a date."""
    if iso is None:
        return DASH
    try:
        date = dt.date.fromisoformat(iso)
    except ValueError:
        return DASH
    return f"{date.day} {MONTHS[date.month - 1]} {date.year}"


def listed(items: list[str] | tuple[str, ...], joint: str = "and") -> str:
    """Write ``a, b and c``."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {joint} {items[-1]}"
