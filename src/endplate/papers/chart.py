"""The parts of a chart: a scale, its axis, a range bar, a mark with its error bar."""

from __future__ import annotations

import math
from dataclasses import dataclass

from endplate.papers.svg import Drawing, Point
from endplate.papers.words import number


@dataclass(frozen=True)
class Scale:
    """Data from ``low`` to ``high`` drawn from ``start`` to ``end``; values beyond are held at the ends.

    Raises
    ------
    ValueError
        The data range is empty.
    """

    low: float
    high: float
    start: float
    end: float

    def __post_init__(self) -> None:
        if not self.high > self.low:
            raise ValueError("a scale needs a range")

    def __call__(self, value: float) -> float:
        """Position of a value."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def holds(self, value: float) -> bool:
        """Say whether a value lies within the range."""
        return self.low <= value <= self.high

    def ticks(self, about: int = 5) -> tuple[float, ...]:
        """Round values inside the range, about as many as asked."""
        step = round_step((self.high - self.low) / max(about, 1))
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return tuple(i * step for i in range(first, last + 1))


def round_step(raw: float) -> float:
    """Return the 1, 2 or 5 times a power of ten nearest above a positive number."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= raw * (1.0 - 1e-9))


def horizontal_axis(
    drawing: Drawing, scale: Scale, y: float, *, unit: str = "", about: int = 5, colour: str = "#495057"
) -> None:
    """Draw the axis line at ``y`` with ticks and numbers below."""
    drawing.line((scale.start, y), (scale.end, y), stroke=colour, stroke_width=1)
    for tick in scale.ticks(about):
        x = scale(tick)
        drawing.line((x, y), (x, y + 4), stroke=colour, stroke_width=1)
        label = number(tick, 0 if float(tick).is_integer() else 1) + unit
        drawing.text((x, y + 16), label, size=11, anchor="middle", fill=colour)


def range_bar(
    drawing: Drawing, scale: Scale, low: float, high: float, y: float, height: float, **style: object
) -> None:
    """Draw the bar from ``low`` to ``high`` about ``y``."""
    left, right = sorted((scale(low), scale(high)))
    drawing.rect((left, y - height / 2.0), right - left, height, **style)


def error_bar(
    drawing: Drawing, scale: Scale, value: float, spread: float | None, y: float, *, colour: str
) -> None:
    """Draw the whiskers ``value`` ± ``spread`` about ``y``."""
    if spread is None or spread <= 0.0:
        return
    left, right = scale(value - spread), scale(value + spread)
    drawing.line((left, y), (right, y), stroke=colour, stroke_width=1.4)
    for x in (left, right):
        drawing.line((x, y - 3), (x, y + 3), stroke=colour, stroke_width=1.4)


def dot(drawing: Drawing, at: Point, *, colour: str, radius: float = 4.5) -> None:
    """Draw a round mark."""
    drawing.circle(at, radius, fill=colour, stroke="#ffffff", stroke_width=1)


def diamond(drawing: Drawing, at: Point, *, colour: str, radius: float = 6.0) -> None:
    """Draw a diamond: a mark that differs from the dot in shape as well as in colour."""
    x, y = at
    corners = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
    drawing.polygon(corners, fill=colour, stroke="#ffffff", stroke_width=1)


def off_scale_arrow(drawing: Drawing, scale: Scale, value: float, y: float, *, colour: str) -> None:
    """Draw an arrow at the end of the scale that ``value`` lies beyond; nothing when it lies within."""
    if scale.holds(value):
        return
    tip, way = (scale.start, -1.0) if value < scale.low else (scale.end, 1.0)
    drawing.polygon(((tip + way * 7, y), (tip - way, y - 5), (tip - way, y + 5)), fill=colour)
