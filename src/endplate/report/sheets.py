"""The sheets for the room: the plan of each level and the time-out, one A4 page each, in one file to print."""

from __future__ import annotations

from endplate.papers.page import render
from endplate.papers.words import listed
from endplate.report.model import ReportInputs
from endplate.report.plan_sheet import plan_sheets
from endplate.report.scene import Scene
from endplate.report.time_out import time_out_section


def build_sheets(inputs: ReportInputs, *, plans: bool = True, time_out: bool = True) -> str:
    """Return the sheets as one self-contained HTML text.

    Parameters
    ----------
    inputs:
        What the report is made from; with a plan.
    plans, time_out:
        Leave out the sheets of the levels, or the time-out.
    """
    scene = Scene(inputs.image, inputs.labels)
    levels = listed([planned.level for planned in (inputs.plan.plans if inputs.plan else ())])
    sheets = plan_sheets(inputs, scene) if plans else []
    if time_out:
        sheets.append(time_out_section(inputs))
    return render(
        "endplate.report",
        "sheet_page.html",
        lang="en",
        title=f"{'Plan sheet' if plans else 'Time-out'} {levels}".strip(),
        tag=levels,
        sheets=sheets,
    )
