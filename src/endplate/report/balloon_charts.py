"""Charts of balloons: pressure over volume with its bounds, and heights from the scan to the end."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Side
from endplate.balloon.model import HEIGHT_NAMES, HeightName
from endplate.balloon.model import Step as InflationStep
from endplate.outcome.model import BalloonOutcome, HeightStage, StageName
from endplate.papers.chart import Scale, diamond, dot, horizontal_axis
from endplate.papers.svg import Drawing
from endplate.papers.words import DASH, interval, number, quantity
from endplate.planning.model import LevelPlan
from endplate.report import style
from endplate.report.balloon_words import height_of, inflating, rated_mpa, sides_of, stage, told_height
from endplate.report.picture import Figure
from endplate.report.treat_charts import LEFT, WIDTH, grid, top_of
from endplate.sources import value
from endplate.units import MPA_PER_PSI

PRESSURE_HEIGHT = 270.0
PRESSURE_TOP, PRESSURE_FOOT, PRESSURE_RIGHT = 24.0, 40.0, 44.0
"""Room right of the curve for the scale in psi."""

LEAST_MPA, LEAST_ML = 0.5, 1.0
"""Ends of the scales where the curve does not reach so far."""

BOUNDS, RATED = "#9ec5e8", style.FLAGGED

PANEL, PANEL_GAP, HEIGHTS_TOP, HEIGHTS_FOOT, HEIGHTS_RIGHT = 92.0, 24.0, 22.0, 46.0, 14.0
PAD_MM = 1.0
"""Room above and below the heights of a panel."""

EXPECTED = "#009e73"
STAGE_LETTERS: dict[StageName, str] = {
    "scan": "scan",
    "posture": "posture",
    "inflated": "inflated",
    "deflated": "deflated",
    "final": "end",
}


def pressure_figures(level: str, found: BalloonOutcome, planned: LevelPlan | None) -> list[Figure]:
    """Pressure over volume of each balloon, right before left, on the same scales; none without two steps."""
    sides = [side for side in sides_of(found) if len(inflating(found, side)) > 1]
    if not sides:
        return []
    steps = [step for side in sides for step in inflating(found, side)]
    ratings = {side: rated_mpa(found.balloons.get(side), planned) for side in sides}
    highest = [step.pressure_mpa.j2 for step in steps] + [one for one in ratings.values() if one is not None]
    most_ml = max(LEAST_ML, *(step.volumes_ml[step.side] for step in steps))
    scales = (
        Scale(0.0, 1.04 * most_ml, LEFT, WIDTH - PRESSURE_RIGHT),
        Scale(0.0, top_of(highest, LEAST_MPA), PRESSURE_HEIGHT - PRESSURE_FOOT, PRESSURE_TOP),
    )
    return [_pressure_figure(level, found, side, ratings[side], scales) for side in sides]


def heights_figure(level: str, found: BalloonOutcome) -> Figure | None:
    """The three heights from the scan through every step to the end; ``None`` without two places."""
    places = _places(found)
    if len(places) < 2:
        return None
    parts = [part for part in HEIGHT_NAMES if any(height_of(one.state, part) is not None for one in places)]
    if not parts:
        return None
    high = HEIGHTS_TOP + len(parts) * (PANEL + PANEL_GAP) - PANEL_GAP + HEIGHTS_FOOT
    drawing = Drawing(WIDTH, high, alt=_heights_alt(level, found, parts))
    across = Scale(0.0, float(len(places) - 1), LEFT + 10.0, WIDTH - HEIGHTS_RIGHT - 10.0)
    for row, part in enumerate(parts):
        _heights_panel(drawing, found, places, part, across, HEIGHTS_TOP + row * (PANEL + PANEL_GAP))
    _stage_axis(drawing, places, across, high - HEIGHTS_FOOT)
    caption = (
        "Each step of inflation and deflation is a dot, each stage a diamond. The gain by posture is an input, not "
        "a prediction."
    )
    legend = [(style.MEASURED, "height of the body")]
    if any(_expected(found, part) is not None for part in parts):
        legend.append((EXPECTED, "expected of whole bone, 95 % interval shaded"))
    return Figure(drawing.markup("chart"), caption, "Heights, step by step", tuple(legend))


def _pressure_figure(
    level: str, found: BalloonOutcome, side: Side, rating: float | None, scales: tuple[Scale, Scale]
) -> Figure:
    across, up = scales
    steps = inflating(found, side)
    peak = max(steps, key=lambda step: step.pressure_mpa.foam).pressure_mpa
    rated = "" if rating is None else f" Rated: {quantity(rating, 'MPa', 2)}."
    drawing = Drawing(
        WIDTH,
        PRESSURE_HEIGHT,
        alt=f"Pressure over volume of the {side} balloon in {level}, up to "
        f"{quantity(max(step.volumes_ml[side] for step in steps), 'ml')} and {quantity(peak.foam, 'MPa', 2)}, "
        f"bounds {interval(peak.yield_, peak.j2, 'MPa', 2)}.{rated}",
    )
    grid(drawing, up, "MPa", right=PRESSURE_RIGHT)
    _psi_axis(drawing, up)
    for run in _runs(steps, side):
        ups = [(across(step.volumes_ml[side]), up(step.pressure_mpa.j2)) for step in run]
        downs = [(across(step.volumes_ml[side]), up(step.pressure_mpa.yield_)) for step in run]
        drawing.polygon([*ups, *reversed(downs)], fill=BOUNDS, fill_opacity=0.45)
    if rating is not None:
        y = up(rating)
        drawing.line(
            (LEFT, y), (WIDTH - PRESSURE_RIGHT, y), stroke=RATED, stroke_width=1.4, stroke_dasharray="6 3"
        )
        drawing.text((LEFT + 4.0, y - 4.0), "rated", size=11, fill=RATED, font_weight="600")
    for run in _runs(steps, side):
        points = [(across(step.volumes_ml[side]), up(step.pressure_mpa.foam)) for step in run]
        drawing.polyline(points, stroke=style.INK, stroke_width=1.8)
        for point in points:
            dot(drawing, point, colour=style.INK, radius=3.4)
    horizontal_axis(drawing, across, PRESSURE_HEIGHT - PRESSURE_FOOT, about=5)
    at = (0.5 * (across.start + across.end), PRESSURE_HEIGHT - 6.0)
    drawing.text(at, "ml in the balloon", size=11, anchor="middle", fill=style.INK)
    name = found.balloons.get(side)
    heading = f"{side.capitalize()} balloon{'' if name is None else f' {name}'}: pressure and volume"
    caption = "Line: crushable foam. Shaded: from plain crushing of the bone up to Hill's cavity (J2)."
    legend = [(style.INK, "crushable foam"), (BOUNDS, "between the bounds")]
    if rating is not None:
        legend.append((RATED, "– – rated pressure"))
    return Figure(drawing.markup("chart"), caption, heading, tuple(legend))


def _psi_axis(drawing: Drawing, up: Scale) -> None:
    """The same scale at the right in psi."""
    right = WIDTH - PRESSURE_RIGHT
    psi = Scale(up.low / MPA_PER_PSI, up.high / MPA_PER_PSI, up.start, up.end)
    for tick in psi.ticks(6):
        drawing.line((right, psi(tick)), (right + 4.0, psi(tick)), stroke=style.QUIET, stroke_width=1)
        drawing.text((right + 7.0, psi(tick) + 4.0), number(tick, 0), size=11, fill=style.QUIET)
    drawing.text((right + 7.0, up.end - 6.0), "psi", size=11, fill=style.INK)


def _runs(steps: tuple[InflationStep, ...], side: Side) -> list[list[InflationStep]]:
    """Stretches in which the volume does not fall: a balloon may be let off and inflated again."""
    runs: list[list[InflationStep]] = []
    for step in steps:
        if not runs or step.volumes_ml[side] < runs[-1][-1].volumes_ml[side]:
            runs.append([])
        runs[-1].append(step)
    return runs


@dataclass(frozen=True)
class _Place:
    """One place along the heights: a state, and the stage that it is, or none."""

    state: HeightStage | InflationStep
    name: StageName | None


def _places(found: BalloonOutcome) -> list[_Place]:
    """Scan and posture, every step, the end; the stages alone where steps were not kept."""
    if not found.steps:
        return [_Place(one, one.name) for one in found.stages]
    places = [_Place(one, one.name) for name in ("scan", "posture") if (one := stage(found, name))]
    part = told_height(found)
    highest = max(range(len(found.steps)), key=lambda index: height_of(found.steps[index], part) or 0.0)
    last = len(found.steps) - 1 if stage(found, "deflated") is not None else None
    for index, step in enumerate(found.steps):
        name: StageName | None = "inflated" if index == highest else "deflated" if index == last else None
        places.append(_Place(step, name))
    end = stage(found, "final")
    return places if end is None else [*places, _Place(end, "final")]


def _heights_panel(
    drawing: Drawing,
    found: BalloonOutcome,
    places: list[_Place],
    part: HeightName,
    across: Scale,
    top: float,
) -> None:
    """One height along the places, with what is expected of it."""
    known = [(index, h) for index, one in enumerate(places) if (h := height_of(one.state, part)) is not None]
    heights = [height for _, height in known]
    expected = _expected(found, part)
    sd = None if found.uncertainty_mm is None else getattr(found.uncertainty_mm, part)
    half = 0.0 if sd is None else float(value("report.sd_band")) * sd
    ends = heights if expected is None else [*heights, expected - half, expected + half]
    up = Scale(min(ends) - PAD_MM, max(ends) + PAD_MM, top + PANEL, top)
    grid(drawing, up, "", right=HEIGHTS_RIGHT)
    drawing.text((LEFT, top - 6.0), f"{part} height, mm", size=11, fill=style.INK)
    if expected is not None:
        left, right = LEFT, WIDTH - HEIGHTS_RIGHT
        drawing.rect(
            (left, up(expected + half)),
            right - left,
            up(expected - half) - up(expected + half),
            fill=EXPECTED,
            fill_opacity=0.16,
        )
        drawing.line(
            (left, up(expected)),
            (right, up(expected)),
            stroke=EXPECTED,
            stroke_width=1.4,
            stroke_dasharray="6 3",
        )
    line = [(across(index), up(height)) for index, height in known]
    drawing.polyline(line, stroke=style.MEASURED, stroke_width=1.8)
    for (index, _), at in zip(known, line, strict=True):
        if places[index].name is None:
            dot(drawing, at, colour=style.MEASURED, radius=2.8)
        else:
            diamond(drawing, at, colour=style.MEASURED, radius=5.0)


def _expected(found: BalloonOutcome, part: HeightName) -> float | None:
    """The expected height; ``None`` where no neighbour tells it."""
    return None if found.expected_heights_mm is None else getattr(found.expected_heights_mm, part)


def _stage_axis(drawing: Drawing, places: list[_Place], across: Scale, y: float) -> None:
    """Stages below, in two rows where they would touch; names of stages that share a place are joined."""
    drawing.line((LEFT, y), (WIDTH - HEIGHTS_RIGHT, y), stroke=style.QUIET, stroke_width=1)
    ends = [-1e9, -1e9]
    for index, one in enumerate(places):
        drawing.line((across(index), y), (across(index), y + 4.0), stroke=style.QUIET, stroke_width=1)
        if one.name is None:
            continue
        words = STAGE_LETTERS[one.name]
        half = 0.29 * 11.0 * len(words)
        x = min(max(across(index), LEFT - 18.0 + half), WIDTH - 2.0 - half)
        row = 0 if x - half > ends[0] else 1
        ends[row] = x + half + 4.0
        drawing.text((x, y + 16.0 + 14.0 * row), words, size=11, anchor="middle", fill=style.INK)


def _heights_alt(level: str, found: BalloonOutcome, parts: list[HeightName]) -> str:
    """The first and the last height of each panel, in words."""
    told = []
    places = _places(found)
    for part in parts:
        first, last = height_of(places[0].state, part), height_of(places[-1].state, part)
        expected = _expected(found, part)
        words = f"{part} {number(first)} to {number(last)} mm"
        told.append(words if number(expected) == DASH else f"{words}, expected {number(expected)} mm")
    return f"Heights of {level} from the scan through inflation and deflation to the end: {'; '.join(told)}."
