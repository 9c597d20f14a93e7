"""What a vertebra carries in daily life, by level."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.sources import value


@dataclass(frozen=True)
class DailyLoad:
    """One everyday load.

    Parameters
    ----------
    name:
        What the person does.
    force_n:
        Compression of this level.
    recalled:
        The lumbar value was recalled, not read.
    source:
        Citation key.
    """

    name: str
    force_n: float
    recalled: bool
    source: str


def daily_loads(level: str | None) -> tuple[DailyLoad, ...]:
    """Everyday loads of a level, lightest first; without a level those of a lumbar vertebra."""
    share = trunk_share(level)
    read = set(value("load.read"))
    recalled = set(value("load.recalled"))
    scenarios = value("load.scenarios")
    return tuple(
        DailyLoad(
            name,
            share * float(scenarios[name]),
            name in recalled,
            "load-protocol2022" if name in read else "vertebral-loads-recalled",
        )
        for name in sorted(scenarios, key=lambda one: (float(scenarios[one]), one))
    )


def reference_load(level: str | None) -> DailyLoad:
    """The everyday load that the factor of safety is printed against."""
    wanted = str(value("load.reference"))
    return next(load for load in daily_loads(level) if load.name == wanted)


def trunk_share(level: str | None) -> float:
    """Share of the lumbar load that a level carries."""
    table = value("load.trunk_share")
    if level is None:
        return 1.0
    key = level if level in table else level[:1].upper()
    return float(table.get(key, 1.0))
