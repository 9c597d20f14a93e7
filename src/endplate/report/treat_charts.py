"""Charts of a treatment: pressure and volumes over time, strength and stiffness before and after."""

from __future__ import annotations

from collections.abc import Sequence

from endplate.outcome.model import CementOutcome, StrengthOutcome
from endplate.papers.chart import Scale, diamond, dot, horizontal_axis
from endplate.papers.svg import Drawing
from endplate.papers.words import number
from endplate.procedure.model import Sample
from endplate.report import style
from endplate.report.picture import Figure
from endplate.units import N_PER_KN, S_PER_MIN

WIDTH, HEIGHT = 345.0, 300.0
LEFT, RIGHT, TOP = 46.0, 14.0, 20.0
GAP, FOOT = 26.0, 40.0

DELIVERED, BONE, LEAKED = style.MEASURED, "#009e73", style.FLAGGED
"""Lines of the volumes; they also differ in their dashes."""

BEFORE, AFTER, WHOLE = style.QUIET, style.MEASURED, "#009e73"
WAITED_S = 60.0
"""A longer time between two portions through one needle is drawn as a gap."""

SIDES: tuple[tuple[str, str | None], ...] = (("right", None), ("left", "4 3"))
"""Lines of the pressure by needle."""

TICK_SAME = 1e-9
"""Numbers of an axis nearer than this are the same."""

ROW = 34.0
BAR = 13.0
ROOM = 98.0
"""Right of the bars, for their numbers."""


def injection_figure(level: str, cement: CementOutcome) -> Figure | None:
    """Pressure at the syringe above, volumes below, over the procedure's time; ``None`` without a curve."""
    curve = cement.curve
    if len(curve) < 2 or not curve[-1].at_s > curve[0].at_s:
        return None
    drawing = Drawing(WIDTH, HEIGHT, alt=f"Pressure and volumes over time of the injection into {level}.")
    start, end = (point.at_s / S_PER_MIN for point in (curve[0], curve[-1]))
    across = Scale(start, end, LEFT, WIDTH - RIGHT)
    middle = TOP + 0.42 * (HEIGHT - TOP - FOOT - GAP)
    pressure = Scale(0.0, top_of([point.pressure_mpa for point in curve], 0.1), middle, TOP)
    volume = Scale(0.0, top_of([point.delivered_ml for point in curve], 0.5), HEIGHT - FOOT, middle + GAP)
    grid(drawing, pressure, "MPa")
    grid(drawing, volume, "ml")
    horizontal_axis(drawing, across, HEIGHT - FOOT, about=5)
    at = (0.5 * (LEFT + WIDTH - RIGHT), HEIGHT - 6.0)
    drawing.text(at, "minutes since the skin was punctured", size=11, anchor="middle", fill=style.INK)
    for side, dash in SIDES:
        for points in _runs([one for one in curve if one.side == side]):
            places = [(across(one.at_s / S_PER_MIN), pressure(one.pressure_mpa)) for one in points]
            drawing.polyline(places, stroke=style.INK, stroke_width=1.6, stroke_dasharray=dash)
    lines: tuple[tuple[list[float], str, str | None], ...] = (
        ([one.delivered_ml for one in curve], DELIVERED, None),
        ([one.in_bone_ml for one in curve], BONE, "7 3"),
        ([sum(one.leaked_ml) for one in curve], LEAKED, "2 2"),
    )
    for heights, colour, dash in lines:
        line = [
            (across(one.at_s / S_PER_MIN), volume(height)) for one, height in zip(curve, heights, strict=True)
        ]
        drawing.polyline(line, stroke=colour, stroke_width=2, stroke_dasharray=dash)
    caption = (
        "Above: pressure at the syringe of the right (solid) and the left needle (dashed). "
        "Below: cement since the first stroke."
    )
    legend = ((DELIVERED, "— delivered"), (BONE, "– – in bone"), (LEAKED, "· · leaked"))
    return Figure(drawing.markup("chart"), caption, "Pressure and volumes", legend)


def strength_figure(level: str, found: StrengthOutcome) -> Figure | None:
    """Strength and stiffness before, after, and as expected of whole bone; ``None`` where nothing is known."""
    force = (found.before_n, found.after_derated_n, found.after_bonded_n, found.intact_expectation_n)
    stiffness = (
        found.stiffness_before_n_per_mm,
        found.stiffness_after_derated_n_per_mm,
        found.stiffness_after_n_per_mm,
        found.intact_stiffness_n_per_mm,
    )
    panels = [
        (words, numbers)
        for words, numbers in (("greatest force, kN", force), ("stiffness, kN/mm", stiffness))
        if any(one is not None for one in numbers)
    ]
    if not panels:
        return None
    high = 3.0 * ROW + FOOT
    drawing = Drawing(
        WIDTH, TOP + high * len(panels), alt=f"Strength and stiffness of {level} before and after cement."
    )
    for place, (words, numbers) in enumerate(panels):
        _bars(drawing, TOP + place * high, words, numbers)
    whence = "" if found.intact_from is None else f" Whole bone: {found.intact_from}."
    caption = "The bar of the bone with cement runs from de-rated to bonded." + whence
    legend = ((BEFORE, "before"), (AFTER, "with cement"), (WHOLE, "expected of whole bone"))
    return Figure(drawing.markup("chart"), caption, "Before and after", legend)


def _bars(drawing: Drawing, top: float, words: str, numbers: tuple[float | None, ...]) -> None:
    """One panel: three rows about a common scale."""
    before, derated, bonded, whole = (None if one is None else one / N_PER_KN for one in numbers)
    known = [one for one in (before, derated, bonded, whole) if one is not None]
    scale = Scale(0.0, top_of(known, 0.1), 86.0, WIDTH - ROOM)
    rows: tuple[tuple[str, str, float | None], ...] = (
        ("before", BEFORE, before),
        ("with cement", AFTER, bonded if bonded is not None else derated),
        ("whole bone", WHOLE, whole),
    )
    for place, (name, colour, value) in enumerate(rows):
        y = top + (place + 0.5) * ROW - 4.0
        drawing.text((80.0, y + 4.0), name, size=11, anchor="end", fill=style.INK)
        if value is None:
            drawing.text((scale.start + 4.0, y + 4.0), "not known", size=11, fill=style.QUIET)
            continue
        low = derated if name == "with cement" and derated is not None else value
        drawing.rect((scale.start, y - BAR / 2.0), scale(low) - scale.start, BAR, fill=colour)
        shown = number(value, 2)
        if low < value:
            drawing.rect(
                (scale(low), y - BAR / 2.0), scale(value) - scale(low), BAR, fill=colour, fill_opacity=0.4
            )
            dot(drawing, (scale(low), y), colour=colour)
            shown = f"{number(low, 2)} to {shown}"
        diamond(drawing, (scale(value), y), colour=colour)
        drawing.text((scale(value) + 9.0, y + 4.0), shown, size=11, fill=style.INK, font_weight="600")
    foot = top + 3.0 * ROW - 2.0
    horizontal_axis(drawing, scale, foot, about=4)
    drawing.text(
        (0.5 * (scale.start + scale.end), foot + 31.0), words, size=11, anchor="middle", fill=style.INK
    )


def _runs(curve: Sequence[Sample]) -> list[list[Sample]]:
    """Stretches of one needle's pushing, parted where one waited longer than between two portions."""
    runs: list[list[Sample]] = []
    for one in curve:
        if not runs or one.at_s - runs[-1][-1].at_s > WAITED_S:
            runs.append([])
        runs[-1].append(one)
    return runs


def top_of(values: Sequence[float], least: float) -> float:
    """Upper end of a scale that begins at zero."""
    return 1.12 * max([least, *values])


def grid(drawing: Drawing, up: Scale, unit: str, *, right: float = RIGHT) -> None:
    """Lines across at round values up to ``right`` of the edge, their numbers, and the unit if any."""
    ticks = up.ticks(4)
    digits = next((n for n in (0, 1) if all(abs(one - round(one, n)) < TICK_SAME for one in ticks)), 2)
    for tick in ticks:
        drawing.line((LEFT, up(tick)), (WIDTH - right, up(tick)), stroke=style.BAND, stroke_width=1)
        drawing.text(
            (LEFT - 6.0, up(tick) + 4.0), number(tick, digits), size=11, anchor="end", fill=style.QUIET
        )
    if unit:
        drawing.text((4.0, up.end - 6.0), unit, size=11, fill=style.INK)
