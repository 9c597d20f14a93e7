"""The National Early Warning Score 2 of the Royal College of Physicians; nothing missing is counted as normal."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.care.course import Observation
from endplate.sources import value

SOURCE = "news2"
ITEMS = ("respiration", "spo2", "oxygen", "systolic", "pulse", "consciousness", "temperature")

FIELDS = {
    "respiration": "respiration_per_min",
    "spo2": "spo2_percent",
    "oxygen": "oxygen",
    "systolic": "systolic_mmhg",
    "pulse": "pulse_per_min",
    "consciousness": "consciousness",
    "temperature": "temperature_c",
}
"""Field of an observation behind each item."""


@dataclass(frozen=True)
class News2:
    """Points of each item (``None``: not recorded), total and band (``None`` where incomplete)."""

    items: dict[str, int | None]
    total: int | None
    band: str | None
    missing: tuple[str, ...]


def news2(seen: Observation, *, leave_out: frozenset[str] = frozenset()) -> News2:
    """Score one set of observations.

    Parameters
    ----------
    leave_out:
        Items that must not be used: stale, or implausible and not confirmed.

    Scale 2 for oxygen saturation counts only with the name of who prescribed it; else scale 1 is used.
    """
    tables = value("care.news2")
    given = {item: None if item in leave_out else getattr(seen, field) for item, field in FIELDS.items()}
    points: dict[str, int | None] = {
        item: _points(tables[item], given[item])
        for item in ("respiration", "systolic", "pulse", "temperature")
    }
    points["spo2"] = _saturation(seen, given["spo2"], given["oxygen"])
    points["oxygen"] = (
        None if given["oxygen"] is None else (tables["oxygen_points"] if given["oxygen"] else 0)
    )
    alert = given["consciousness"]
    points["consciousness"] = None if alert is None else (0 if alert == "A" else tables["not_alert_points"])
    items = {item: points[item] for item in ITEMS}
    missing = tuple(item for item, found in items.items() if found is None)
    if missing:
        return News2(items, None, None, missing)
    known = [found for found in items.values() if found is not None]
    return News2(items, sum(known), band(sum(known), max(known)), ())


def band(total: int, highest: int) -> str:
    """``low``, ``low-medium`` (any single 3), ``medium`` or ``high``."""
    medium, high = value("care.news2")["bands"]
    if total >= high:
        return "high"
    if total >= medium:
        return "medium"
    return "low-medium" if highest >= 3 else "low"


def _saturation(seen: Observation, percent: float | None, oxygen: bool | None) -> int | None:
    tables = value("care.news2")
    if seen.spo2_scale == 1 or not seen.scale2_prescriber:
        return _points(tables["spo2_scale1"], percent)
    if oxygen is None:
        return None
    return _points(tables["spo2_scale2_oxygen" if oxygen else "spo2_scale2_air"], percent)


def _points(table: dict[str, list[list[float]] | int], number: float | None) -> int | None:
    """Points of the first step whose upper end the number, rounded as it is charted, does not pass."""
    if number is None:
        return None
    steps, digits = table["steps"], table["digits"]
    assert isinstance(steps, list)
    assert isinstance(digits, int)
    charted = round(number + 1e-9, digits)
    return next((int(points) for upper, points in steps if charted <= upper), int(steps[-1][1]))
