"""Tables of balloons: each tamp and why it was stopped, heights by stage, and every step behind the charts."""

from __future__ import annotations

from endplate.anatomy.model import HeightTriple
from endplate.balloon.model import HEIGHT_NAMES, Pressure
from endplate.outcome.model import BalloonOutcome, HeightStage
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import interval, number, percent, quantity
from endplate.planning.model import LevelPlan
from endplate.report.balloon_words import (
    STAGE_WORDS,
    height_of,
    peak_step,
    rated_mpa,
    sides_of,
    stage,
    stop_words,
    told_height,
)
from endplate.sources import value

NOT_STEPPED = "Its inflation was not kept step by step."
NOT_LISTED = "Neither the plan nor the shipped list has a balloon of this name."
NOT_MEASURED = "It was not measured on the scan."
NO_EXPECTATION = "No unbroken neighbour tells it."
GAIN = "against the scan"


def tamps_table(level: str, found: BalloonOutcome, planned: LevelPlan | None) -> Table:
    """Each balloon: what it held, why it was stopped, and its peak pressure."""
    rows = []
    for side in sides_of(found):
        name = found.balloons.get(side)
        peak = peak_step(found, side)
        rating = rated_mpa(name, planned)
        pressure = None if peak is None else peak.pressure_mpa
        cells = (
            Cell(number(found.volumes_ml.get(side), 2)),
            Cell(number(None if pressure is None else pressure.foam, 2), NOT_STEPPED),
            Cell(_band(pressure), NOT_STEPPED),
            Cell(number(rating, 2), NOT_LISTED),
            Cell(stop_words(found.stopped.get(side))),
        )
        heading = side.capitalize() if name is None else f"{side.capitalize()}, {name}"
        rows.append(
            Row(heading, cells, "flagged" if found.stopped.get(side) in ("rupture", "breach") else "")
        )
    note = f"Pressure: {found.pressure_band}." if found.pressure_band else ""
    return Table(
        caption=f"Simulated balloons of {level}",
        columns=(
            ("Side, balloon", ""),
            ("Most held", "ml"),
            ("Peak", "MPa"),
            ("Bounds", "MPa"),
            ("Rated", "MPa"),
            ("Stopped because", ""),
        ),
        rows=tuple(rows),
        note=note,
    )


def heights_table(level: str, found: BalloonOutcome) -> Table | None:
    """Heights and wedge angle by stage, with gains against the scan; ``None`` without a stage."""
    if not found.stages:
        return None
    start = stage(found, "scan")
    rows = []
    for one in found.stages:
        heights = [Cell(number(height_of(one, part)), NOT_MEASURED) for part in HEIGHT_NAMES]
        rows.append(Row(STAGE_WORDS[one.name], (*heights, Cell(number(one.wedge_angle_deg), NOT_MEASURED))))
        if one.name != "scan":
            gains = [Cell(number(gain, signed=True), NOT_MEASURED) for gain in _gains(one, start)]
            turned = None
            if start is not None and one.wedge_angle_deg is not None and start.wedge_angle_deg is not None:
                turned = one.wedge_angle_deg - start.wedge_angle_deg
            rows.append(Row(GAIN, (*gains, Cell(number(turned, signed=True), NOT_MEASURED))))
    if found.expected_heights_mm is not None:
        rows.append(_expected_row(found.expected_heights_mm, found.uncertainty_mm))
    return Table(
        caption=f"Simulated heights of {level}",
        columns=(("", ""), ("Anterior", "mm"), ("Middle", "mm"), ("Posterior", "mm"), ("Wedge", "°")),
        rows=tuple(rows),
        note=_heights_note(found),
    )


def steps_table(level: str, found: BalloonOutcome) -> Table | None:
    """What the charts are drawn from, step by step; ``None`` without a step."""
    if not found.steps:
        return None
    rows = []
    for place, step in enumerate(found.steps, start=1):
        held = step.volumes_ml.get(step.side, 0.0)
        down = held <= 0.0
        cells = (
            Cell("deflated" if down else number(held, 2)),
            Cell("none" if down else number(step.pressure_mpa.foam, 2)),
            Cell("none" if down else _band(step.pressure_mpa)),
            *(Cell(number(height_of(step, part)), NOT_MEASURED) for part in HEIGHT_NAMES),
            Cell(number(step.wedge_angle_deg), NOT_MEASURED),
            Cell(number(step.cavity_ml, 2)),
            Cell(number(step.least_wall_mm)),
        )
        rows.append(Row(f"{place} {step.side}", cells))
    return Table(
        caption=f"Simulated inflation of {level}, step by step",
        columns=(
            ("Step, side", ""),
            ("Volume", "ml"),
            ("Pressure", "MPa"),
            ("Bounds", "MPa"),
            ("Ant.", "mm"),
            ("Mid.", "mm"),
            ("Post.", "mm"),
            ("Wedge", "°"),
            ("Cavity", "ml"),
            ("To a wall", "mm"),
        ),
        rows=tuple(rows),
        note="Cavity and distance are those of all balloons together. The distance is that to the outside of the "
        "nearest wall: a balloon touches it once only the cortex of the model, 1 mm or a voxel, is between.",
    )


def _band(pressure: Pressure | None) -> str:
    return interval(None, None) if pressure is None else interval(pressure.yield_, pressure.j2, digits=2)


def _gains(one: HeightStage, start: HeightStage | None) -> list[float | None]:
    """Against the scan; nothing is known without it."""
    found: list[float | None] = []
    for part in HEIGHT_NAMES:
        now, before = height_of(one, part), None if start is None else height_of(start, part)
        found.append(None if now is None or before is None else now - before)
    return found


def _expected_row(expected: HeightTriple, spread: HeightTriple | None) -> Row:
    half = float(value("report.sd_band"))
    cells = []
    for part in HEIGHT_NAMES:
        sd = None if spread is None else getattr(spread, part)
        text = quantity(getattr(expected, part), uncertainty=None if sd is None else half * sd)
        cells.append(Cell(text.replace(" ", "\u00a0"), NO_EXPECTATION))
    return Row("Expected", (*cells, Cell("")), "chosen")


def _heights_note(found: BalloonOutcome) -> str:
    """What is an input, what was lost again, and what the expectation's interval is."""
    words = ["The gain by posture is a published mean that is put in, no prediction."]
    gain = found.height_gain_mm
    start = stage(found, "scan")
    before = None if start is None else height_of(start, told_height(found))
    if gain.inflated is not None and gain.deflated is not None:
        lost = gain.inflated - gain.deflated
        share = "" if not before else f", {percent(lost / before, 1)} of it on the scan"
        words.append(
            f"Deflation takes {quantity(lost, 'mm')} of the {told_height(found)} height{share}; that share of the "
            "lift is one calibrated number."
        )
    if found.expected_heights_mm is not None and found.expected_heights_mm != HeightTriple():
        words.append("Expected: of whole bone, with its 95 % interval.")
    return " ".join(words)
