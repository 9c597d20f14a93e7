"""Typed values of a pack: read with their unit, compared in one unit, written back in words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from endplate.care.times import Span, parse_span
from endplate.sources import value

_QUANTITY = re.compile(r"(?P<number>[+-]?\d+(?:\.\d+)?)\s*(?P<unit>kg|lb|°C|°F|C|F)")


def read_value(kind: str, raw: Any) -> Any:
    """The typed value of a parameter.

    Durations become ``Span``, masses kilograms, temperatures °C, sets sorted tuples, schedules tuples of
    (every, for) spans; others stay as they are.

    Raises
    ------
    ValueError, TypeError
        Missing unit, negative value or another kind, in words.
    """
    return _READERS[kind](raw)


def measure(kind: str, typed: Any) -> float:
    """One number by which values of a kind are compared (hours, kg, °C, or the number itself)."""
    if isinstance(typed, Span):
        return typed.hours
    if kind == "schedule":
        return float(sum(total.hours for _, total in typed))
    return float(typed)


def plain(typed: Any) -> Any:
    """A typed value as JSON."""
    if isinstance(typed, Span):
        return typed.iso
    if isinstance(typed, tuple):
        return [
            {"every": item[0].iso, "for": item[1].iso} if isinstance(item, tuple) else item for item in typed
        ]
    return typed


def words(kind: str, typed: Any) -> str:
    """A typed value for readers."""
    write = _WRITERS.get(kind)
    return str(typed) if write is None else write(typed)


def _mass(raw: Any) -> float:
    number, unit = _split(raw, "5 kg")
    if unit not in ("kg", "lb"):
        raise ValueError("a mass is given in kg or lb")
    if number < 0:
        raise ValueError("a mass cannot be negative")
    return number if unit == "kg" else round(number * float(value("care.kg_per_lb")), 1)


def _temperature(raw: Any) -> float:
    number, unit = _split(raw, "38.0 °C")
    if unit in ("kg", "lb"):
        raise ValueError("a temperature is given in °C or °F")
    return number if unit.endswith("C") else round((number - 32.0) / 1.8, 1)


def _split(raw: Any, example: str) -> tuple[float, str]:
    if isinstance(raw, int | float) and not isinstance(raw, bool):
        raise TypeError(f"the unit is missing; write it as in {example}")
    found = _QUANTITY.fullmatch(raw.strip()) if isinstance(raw, str) else None
    if found is None:
        raise ValueError(f"write it as in {example}")
    return float(found["number"]), found["unit"]


def _number(raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise TypeError("a number is needed, without quotation marks")
    return float(raw)


def _flag(raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise TypeError("true or false is needed")
    return raw


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("a text is needed, in quotation marks")
    return raw.strip()


def _set(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list) or not raw or not all(isinstance(item, str) for item in raw):
        raise ValueError("a list of names is needed")
    return tuple(sorted(set(raw)))


def _schedule(raw: Any) -> tuple[tuple[Span, Span], ...]:
    if not isinstance(raw, list) or not raw:
        raise ValueError("a list of {every, for} is needed")
    steps = []
    for step in raw:
        if not isinstance(step, dict) or set(step) != {"every", "for"}:
            raise ValueError("each step is {every: PT15M, for: PT1H}")
        every, total = parse_span(step["every"]), parse_span(step["for"])
        if every.minutes <= 0 or every.hours > total.hours:
            raise ValueError("each step comes at least once within its time")
        steps.append((every, total))
    return tuple(steps)


_READERS: dict[str, Any] = {
    "duration": parse_span,
    "mass": _mass,
    "temperature": _temperature,
    "number": _number,
    "flag": _flag,
    "choice": _text,
    "set": _set,
    "schedule": _schedule,
    "text": _text,
}
_WRITERS: dict[str, Callable[[Any], str]] = {
    "duration": lambda span: span.words,
    "mass": lambda kg: f"{kg:g} kg",
    "temperature": lambda celsius: f"{celsius:.1f} °C",
    "flag": lambda yes: "yes" if yes else "no",
    "set": ", ".join,
    "schedule": lambda steps: ", then ".join(
        f"every {step.words} for {total.words}" for step, total in steps
    ),
}
KINDS = tuple(_READERS)
"""Kinds of values a parameter can have."""
