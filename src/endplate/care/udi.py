"""The unique device identifier in GS1 form: read, checked digit by digit, compared with what was typed."""

from __future__ import annotations

import calendar
import datetime as dt
import re
from dataclasses import dataclass

GROUP_SEPARATOR = "\x1d"
_FIXED = {"01": 14, "11": 6, "17": 6}
_VARIABLE = {"10": 20, "21": 20}
_DATE_LENGTH = 6


@dataclass(frozen=True)
class Udi:
    """What an identifier holds; ``problem`` is ``None`` where all of it could be read and checked."""

    device: str | None = None
    lot: str | None = None
    serial: str | None = None
    expiry: dt.date | None = None
    made: dt.date | None = None
    problem: str | None = None


def parse_udi(text: str) -> Udi:
    """Read an identifier with its application identifiers in brackets, or as scanned with group separators.

    Other issuers' forms (HIBCC, ICCBBA) are named as not checked.
    """
    content = text.strip()
    if content.startswith(("+", "=", "&")):
        return Udi(problem="it is of an issuer whose form is not read here")
    try:
        parts = _bracketed(content) if content.startswith("(") else _scanned(content)
        expiry = _date(parts["17"]) if "17" in parts else None
        made = _date(parts["11"]) if "11" in parts else None
    except ValueError as error:
        return Udi(problem=str(error))
    device = parts.get("01")
    problem = None
    if device is None:
        problem = "it has no device number (01)"
    elif not check_digit_holds(device):
        problem = "the check digit of the device number is wrong"
    return Udi(
        device=device,
        lot=parts.get("10"),
        serial=parts.get("21"),
        expiry=expiry,
        made=made,
        problem=problem,
    )


def check_digit_holds(number: str) -> bool:
    """Whether the last digit of a 14-digit device number is its modulo-10 check digit."""
    digits = [int(digit) for digit in number]
    total = sum(digit * (3 if place % 2 == 0 else 1) for place, digit in enumerate(digits[:-1]))
    return (10 - total % 10) % 10 == digits[-1]


def _bracketed(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    end = 0
    for found in re.finditer(r"\((\d{2,4})\)([^()]*)", text):
        if found.start() != end:
            raise ValueError("it cannot be read")
        end = found.end()
        _put(parts, found[1], found[2].strip().replace(GROUP_SEPARATOR, ""))
    if end != len(text):
        raise ValueError("it cannot be read")
    return parts


def _scanned(text: str) -> dict[str, str]:
    parts: dict[str, str] = {}
    rest = text.removeprefix("]d2").removeprefix("]C1").lstrip(GROUP_SEPARATOR)
    while rest:
        key, rest = rest[:2], rest[2:]
        if key in _FIXED:
            content, rest = rest[: _FIXED[key]], rest[_FIXED[key] :]
        elif key in _VARIABLE:
            content, _, rest = rest.partition(GROUP_SEPARATOR)
        else:
            raise ValueError("it cannot be read")
        _put(parts, key, content)
        rest = rest.lstrip(GROUP_SEPARATOR)
    return parts


def _put(parts: dict[str, str], key: str, content: str) -> None:
    if key in parts:
        raise ValueError("a part stands in it twice")
    if key in _FIXED and not (len(content) == _FIXED[key] and content.isdigit()):
        raise ValueError(f"part ({key}) has not {_FIXED[key]} digits")
    if key in _VARIABLE and not 1 <= len(content) <= _VARIABLE[key]:
        raise ValueError(f"part ({key}) is empty or too long")
    parts[key] = content


def _date(digits: str) -> dt.date:
    """A date YYMMDD; day 00 is the month's last. Implants carry dates of this century."""
    year, month, day = 2000 + int(digits[:2]), int(digits[2:4]), int(digits[4:_DATE_LENGTH])
    if not 1 <= month <= 12:
        raise ValueError("a date in it does not exist")
    last = calendar.monthrange(year, month)[1]
    if day > last:
        raise ValueError("a date in it does not exist")
    return dt.date(year, month, day or last)
