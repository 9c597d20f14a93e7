"""How far two plans differ, beside how far two surgeons' plans do."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.axes import unit
from endplate.anatomy.model import Document, Side
from endplate.planning.model import NeedlePath, Plan
from endplate.sources import constant, value

DIGITS = 6
"""Decimals kept in the document."""

DASH = "–"
"""Shown for a needle that one of the plans does not have."""


class PathDifference(Document):
    """One needle of plan B against the same needle of plan A."""

    level: str
    side: Side
    approaches: tuple[str, str]
    """Approach of A and of B."""
    entry_mm: float
    isthmus_mm: float
    tip_mm: float
    angle_deg: float
    """Angle between the two axes."""
    within_raters: bool
    """Entry, tip and angle all differ by no more than two raters do."""


class Spread(Document):
    """Distribution of one difference over all needles that both plans have."""

    name: str
    unit: str
    median: float
    p95: float
    largest: float


class Missing(Document):
    """A needle that only one of the plans has."""

    level: str
    side: Side
    only_in: str
    """``"A"`` or ``"B"``."""


class Comparison(Document):
    """Two plans beside each other; a distribution, not a verdict: two good plans may differ by as much."""

    needles: tuple[PathDifference, ...]
    missing: tuple[Missing, ...]
    spreads: tuple[Spread, ...]
    within_raters: float | None
    """Share of the needles, 0–1; ``None`` where no needle is in both."""
    raters_distance_mm: float
    raters_angle_deg: float
    source: str
    """Where the raters' difference comes from."""


def compare(plan_a: Plan, plan_b: Plan) -> Comparison:
    """Compare two plans needle by needle, matched by level and side.

    Parameters
    ----------
    plan_a, plan_b:
        Plans of the same patient in the same RAS frame.
    """
    of_a, of_b = _by_place(plan_a), _by_place(plan_b)
    needles = tuple(_difference(place, of_a[place], of_b[place]) for place in of_a if place in of_b)
    missing = [
        Missing(level=level, side=side, only_in="A") for level, side in of_a if (level, side) not in of_b
    ]
    missing += [
        Missing(level=level, side=side, only_in="B") for level, side in of_b if (level, side) not in of_a
    ]
    return Comparison(
        needles=needles,
        missing=tuple(missing),
        spreads=_spreads(needles),
        within_raters=sum(one.within_raters for one in needles) / len(needles) if needles else None,
        raters_distance_mm=float(value("compare.raters_distance_mm")),
        raters_angle_deg=float(value("compare.raters_angle_deg")),
        source=constant("compare.raters_distance_mm").source,
    )


def comparison_text(comparison: Comparison) -> str:
    """The comparison as a plain table for the terminal."""
    lines: list[tuple[str, ...]] = [
        ("needle", "entry mm", "isthmus mm", "tip mm", "angle °", "within raters")
    ]
    for one in comparison.needles:
        lengths = [f"{length:.1f}" for length in (one.entry_mm, one.isthmus_mm, one.tip_mm, one.angle_deg)]
        lines.append((f"{one.level} {one.side}", *lengths, "yes" if one.within_raters else "no"))
    lines += [
        (f"{one.level} {one.side}", *[DASH] * 4, f"only in {one.only_in}") for one in comparison.missing
    ]
    if comparison.spreads:
        for name, pick in (("median", "median"), ("95th percentile", "p95"), ("largest", "largest")):
            lines.append((name, *(f"{getattr(spread, pick):.1f}" for spread in comparison.spreads), ""))
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    rows = [
        "  ".join(_cell(text, width, i) for i, (text, width) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    rows.append(
        f"Two raters differ by about {comparison.raters_distance_mm:.0f} mm and "
        f"{comparison.raters_angle_deg:.0f}°: differences below that tell nothing."
    )
    return "\n".join(row.rstrip() for row in rows)


def _by_place(plan: Plan) -> dict[tuple[str, Side], NeedlePath]:
    return {(level.level, path.side): path for level in plan.plans for path in level.paths}


def _difference(place: tuple[str, Side], a: NeedlePath, b: NeedlePath) -> PathDifference:
    entry, tip = _apart(a.entry_ras_mm, b.entry_ras_mm), _apart(a.tip_ras_mm, b.tip_ras_mm)
    angle = _angle_deg(np.subtract(a.tip_ras_mm, a.entry_ras_mm), np.subtract(b.tip_ras_mm, b.entry_ras_mm))
    near = float(value("compare.raters_distance_mm"))
    return PathDifference(
        level=place[0],
        side=place[1],
        approaches=(a.approach, b.approach),
        entry_mm=entry,
        isthmus_mm=_apart(a.isthmus_ras_mm, b.isthmus_ras_mm),
        tip_mm=tip,
        angle_deg=angle,
        within_raters=max(entry, tip) <= near and angle <= float(value("compare.raters_angle_deg")),
    )


def _spreads(needles: tuple[PathDifference, ...]) -> tuple[Spread, ...]:
    if not needles:
        return ()
    made = []
    for field, name, unit_name in (
        ("entry_mm", "entry", "mm"),
        ("isthmus_mm", "isthmus", "mm"),
        ("tip_mm", "tip", "mm"),
        ("angle_deg", "angle", "°"),
    ):
        values = np.array([getattr(one, field) for one in needles])
        median, high = (round(float(np.percentile(values, share)), DIGITS) for share in (50, 95))
        made.append(Spread(name=name, unit=unit_name, median=median, p95=high, largest=float(values.max())))
    return tuple(made)


def _apart(a: ArrayLike, b: ArrayLike) -> float:
    return round(float(np.linalg.norm(np.subtract(a, b))), DIGITS)


def _angle_deg(a: ArrayLike, b: ArrayLike) -> float:
    one, other = unit(a), unit(b)
    # The tangent form keeps its digits for nearly equal directions, where the cosine loses them.
    return round(float(np.degrees(np.arctan2(np.linalg.norm(np.cross(one, other)), one @ other))), DIGITS)


def _cell(text: str, width: int, column: int) -> str:
    return text.ljust(width) if column == 0 else text.rjust(width)
