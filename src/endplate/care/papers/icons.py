"""Icon arrays: a rate as so many of 1000 dots, always with the same denominator."""

from __future__ import annotations

from endplate.papers.svg import Drawing, fixed

DENOMINATOR = 1000
COLUMNS = 50
STEP = 7.0
"""Distance of dots, in units."""

AFFECTED, OTHER = "#b23c00", "#c9d1d9"
"""Colours of dots; those affected also have a dark rim, so that the array reads without colour."""


def dots_of(per_1000: float) -> int:
    """How many of 1000 dots are filled; a rate above zero fills at least one."""
    count = int(per_1000 + 0.5)
    return 1 if per_1000 > 0 and count == 0 else min(count, DENOMINATOR)


def icon_array(per_1000: float, *, alt: str) -> Drawing:
    """Draw 1000 dots in rows of 50, the affected ones first.

    Parameters
    ----------
    per_1000:
        The rate, 0 to 1000.
    alt:
        The rate in words, for those who cannot see it.
    """
    rows = DENOMINATOR // COLUMNS
    drawing = Drawing(COLUMNS * STEP, rows * STEP, alt=alt)
    filled = dots_of(per_1000)
    style = {"stroke_linecap": "round", "fill": "none"}
    if filled < DENOMINATOR:
        drawing.element("path", d=_dots(filled, DENOMINATOR), stroke=OTHER, stroke_width=4.4, **style)
    if filled:
        drawing.element("path", d=_dots(0, filled), stroke="#212529", stroke_width=6.2, **style)
        drawing.element("path", d=_dots(0, filled), stroke=AFFECTED, stroke_width=4.2, **style)
    return drawing


def _dots(first: int, end: int) -> str:
    """Dots as strokes of no length: one short path in place of a thousand circles."""
    places = (
        ((index % COLUMNS + 0.5) * STEP, (index // COLUMNS + 0.5) * STEP) for index in range(first, end)
    )
    return "".join(f"M{fixed(x)} {fixed(y)}h0" for x, y in places)
