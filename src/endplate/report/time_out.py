"""The time-out sheet: one page that the team reads aloud and fills by hand before the needle.

What the plan knows is printed; everything of the person and of the day is left blank to be written.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from endplate.papers.page import environment
from endplate.papers.words import DASH, listed, number, quantity
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.report.model import ReportInputs
from endplate.sources import value

LEVELS_SHOWN = 5
"""Levels that one page holds."""


@dataclass(frozen=True)
class TimeOutLevel:
    """One level in words."""

    level: str
    technique: str
    needles: str
    tools: str
    cement: str


def time_out_section(inputs: ReportInputs) -> Markup:
    """The time-out as one page of HTML, to stand inside a page with the styles of ``sheet.css``."""
    plans = () if inputs.plan is None else inputs.plan.plans
    total = None if inputs.plan is None else inputs.plan.session.cement_total_ml
    counted = inputs.spine.counted_how or (inputs.labels.counted_how if inputs.labels else "")
    template = environment("endplate.report").get_template("time_out.html")
    return Markup(
        template.render(
            levels=[_level(planned) for planned in plans[:LEVELS_SHOWN]],
            more_levels=max(0, len(plans) - LEVELS_SHOWN),
            counted=counted or DASH,
            total=quantity(total, "ml"),
            minutes=int(value("room.pressure_check_min")),
        )
    )


def _level(planned: LevelPlan) -> TimeOutLevel:
    paths = sorted(planned.paths, key=lambda path: path.side, reverse=True)
    balloon = planned.balloon
    tools = [f"{path.gauge} {path.side}" for path in paths]
    if balloon is not None:
        tools.append(f"balloon {balloon.name} to {number(balloon.volume_ml)} ml")
    cement = planned.cement
    dose = quantity(cement.volume_ml, "ml")
    if cement.cap_ml is not None:
        dose += f", cap {quantity(cement.cap_ml, 'ml')}"
    return TimeOutLevel(
        level=planned.level,
        technique=planned.technique,
        needles=listed([_needle(path) for path in paths]) or "no path",
        tools=listed(tools) or DASH,
        cement=dose,
    )


def _needle(path: NeedlePath) -> str:
    return f"{path.side} {path.approach}, {number(path.depths_mm.bone_to_tip, 0)} mm in bone"
