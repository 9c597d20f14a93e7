"""The recovery chart: every due observation with what was recorded and empty cells to write in."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.care.course import Observation
from endplate.care.papers.clinician import clock
from endplate.care.papers.inputs import Inputs
from endplate.care.papers.paper import page

TITLE = "Recovery chart"

COLUMNS = (
    ("respiration_per_min", "Breaths /min"),
    ("spo2_percent", "SpO₂ %"),
    ("oxygen", "Oxygen"),
    ("systolic_mmhg", "Systolic mmHg"),
    ("pulse_per_min", "Pulse /min"),
    ("consciousness", "ACVPU"),
    ("temperature_c", "Temp °C"),
    ("left_leg", "Left leg"),
    ("right_leg", "Right leg"),
    ("saddle_sensation", "Saddle"),
    ("pain_nrs", "Pain 0–10"),
)
"""Field of an observation and its heading."""

OWN_RULES = ("F7.", "F6.5")
"""Cards that stand on the chart."""


@dataclass(frozen=True)
class Line:
    """One due or recorded set."""

    due: str
    done: str
    overdue: bool
    cells: tuple[str, ...]
    score: str


def recovery_chart(inputs: Inputs) -> str:
    """The chart as HTML."""
    found = inputs.evaluation
    return page(
        inputs,
        "recovery_chart.html",
        TITLE,
        patient=False,
        columns=[words for _, words in COLUMNS],
        lines=lines(inputs),
        cards=[card for card in found.cards if card.rule_id.startswith(OWN_RULES)],
        marks=[entry for entry in found.timeline if entry.what in ("recovery.bed_rest", "recovery.review")],
        gate=found.gate("discharge"),
        clock=clock,
        scores=[score for score in found.scores if score.name in ("Aldrete", "PADSS")],
    )


def lines(inputs: Inputs) -> list[Line]:
    """Due sets in their order, then sets recorded at other times."""
    found, recovery = inputs.evaluation, inputs.case.recovery
    seen = {clock(item.at): item for item in (() if recovery is None else recovery.observations)}
    scores = {clock(score.at): score for score in found.scores if score.name == "NEWS2"}
    rows = []
    for due in found.due:
        done = clock(due.done_at)
        score = scores.get(done)
        total = "" if score is None else "no total" if score.total is None else f"{score.total} {score.band}"
        rows.append(
            Line(clock(due.at), done, due.overdue_min is not None, _cells(seen.pop(done, None)), total)
        )
    for at, item in sorted(seen.items()):
        score = scores.get(at)
        total = "" if score is None else "no total" if score.total is None else f"{score.total} {score.band}"
        rows.append(Line("", at, False, _cells(item), total))
    return rows


def _cells(seen: Observation | None) -> tuple[str, ...]:
    return tuple(_word(None if seen is None else getattr(seen, name)) for name, _ in COLUMNS)


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
