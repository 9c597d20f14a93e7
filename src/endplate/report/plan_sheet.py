"""The plan sheet: one printable page a level for the wall of the operating room."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from endplate.anatomy.model import Vertebra
from endplate.papers.page import environment
from endplate.papers.table import Table
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.report import style
from endplate.report.model import ReportInputs
from endplate.report.needle import LEGEND, CutStyle, needle_figures
from endplate.report.needle_3d import needle_views
from endplate.report.needle_across import across_figure
from endplate.report.pedicle_section import pedicle_section
from endplate.report.picture import Figure
from endplate.report.scene import Scene
from endplate.report.sheet_tables import (
    checkpoint_table,
    decision_rows,
    fact_rows,
    needle_table,
    score_words,
)
from endplate.sources import Finding

SMALL_CUT = CutStyle(width_px=172.0, size_mm=(92.0, 52.0), named=False)
"""The cuts along a needle as they stand four in a row."""

KEYS = (*LEGEND, (style.ON_DARK, "entry into bone; balloon's markers"))
"""What the marks on the small pictures mean."""

DECISIONS_SHOWN = 9
WARNINGS_SHOWN = 4
"""What one page holds; the rest is counted and stands in the report."""


@dataclass(frozen=True)
class NeedlePictures:
    """The pictures of one needle."""

    side: str
    along: list[Figure]
    across: list[Figure]


@dataclass(frozen=True)
class PlanSheet:
    """What one sheet shows."""

    level: str
    technique: str
    access: str
    views: list[Figure]
    needles: list[NeedlePictures]
    facts: list[tuple[str, str]]
    table: Table | None
    checkpoints: Table | None
    decisions: list[tuple[str, str]]
    more_decisions: int
    scores: list[tuple[str, str]]
    warnings: list[Finding]
    more_warnings: int
    refusals: list[str]


def plan_sheets(inputs: ReportInputs, scene: Scene | None = None) -> list[Markup]:
    """One page of HTML for each level of the plan, to stand inside a page with the styles of ``sheet.css``.

    Parameters
    ----------
    inputs:
        What the report is made from.
    scene:
        The report's scene, where there is one already.
    """
    drawn = scene or Scene(inputs.image, inputs.labels)
    plans = () if inputs.plan is None else inputs.plan.plans
    template = environment("endplate.report").get_template("plan_sheet.html")
    return [
        Markup(template.render(sheet=_sheet(inputs, drawn, planned), needle_legend=KEYS)) for planned in plans
    ]


def _sheet(inputs: ReportInputs, scene: Scene, planned: LevelPlan) -> PlanSheet:
    vertebra = inputs.spine.find(planned.level)
    paths = tuple(sorted(planned.paths, key=lambda path: path.side, reverse=True))
    decisions = decision_rows(planned)
    told = sorted(
        (one for one in planned.warnings if one.severity != "info"),
        key=lambda one: one.severity != "critical",
    )
    return PlanSheet(
        level=planned.level,
        technique=planned.technique,
        access=planned.access,
        views=[] if vertebra is None else needle_views(scene, inputs.spine, vertebra, paths),
        needles=[_pictures(inputs, scene, vertebra, path) for path in paths],
        facts=fact_rows(planned, paths),
        table=needle_table(paths, vertebra) if paths else None,
        checkpoints=checkpoint_table(paths),
        decisions=decisions[:DECISIONS_SHOWN],
        more_decisions=max(0, len(decisions) - DECISIONS_SHOWN),
        scores=[(path.side.capitalize(), words) for path in paths if (words := score_words(path))],
        warnings=told[:WARNINGS_SHOWN],
        more_warnings=max(0, len(told) - WARNINGS_SHOWN),
        refusals=_refusals(planned),
    )


def _pictures(
    inputs: ReportInputs, scene: Scene, vertebra: Vertebra | None, path: NeedlePath
) -> NeedlePictures:
    if vertebra is None or scene.empty:
        return NeedlePictures(path.side, [], [])
    along = needle_figures(scene, inputs.spine, vertebra, path, SMALL_CUT)
    across = [across_figure(scene, inputs.spine, vertebra, path), pedicle_section(scene, vertebra, path)]
    return NeedlePictures(path.side, along, across)


def _refusals(planned: LevelPlan) -> list[str]:
    words = [
        f"{one.side.capitalize()}: no path. " + " ".join(reason.text for reason in one.reasons)
        for one in planned.refused_sides
    ]
    if planned.refused is not None and not planned.refused_sides:
        words.append("No plan. " + " ".join(reason.text for reason in planned.refused.reasons))
    return words
