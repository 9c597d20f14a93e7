"""Results as compact tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from endplate.anatomy.model import HeightTriple, Spine, Vertebra
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.sources import Finding

UNKNOWN = "–"

SEVERITY_STYLE = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def show_document(out: Console, document: dict[str, Any]) -> None:
    """Show an assess, plan or run document."""
    kind = str(document.get("schema", "")).split("/")[1:2]
    if kind == ["run"]:
        for part in ("assess", "plan"):
            if document.get(part) is not None:
                show_document(out, document[part])
    elif kind == ["assess"]:
        show_spine(out, Spine.model_validate(document))
    elif kind == ["plan"]:
        show_plan(out, Plan.model_validate(document))


def show_spine(out: Console, spine: Spine) -> None:
    """Show every level with heights, loss, grade and density, then why some are flagged, then findings."""
    if spine.levels:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        table.add_column("level", style="bold")
        table.add_column("heights mm\nfront/mid/back", justify="right")
        table.add_column("loss", justify="right")
        table.add_column("fracture")
        table.add_column("wedge °", justify="right")
        table.add_column("density\nmg/cm³", justify="right")
        table.add_column("HU", justify="right")
        for vertebra in spine.levels:
            table.add_row(*_vertebra_cells(vertebra))
        out.print(table)
    if spine.counted_how:
        out.print(f"Levels: {spine.counted_how}", markup=False)
    flagged = (vertebra.fracture for vertebra in spine.levels if vertebra.fracture.flagged)
    reasons = (reason for fracture in flagged for reason in fracture.reasons)
    show_findings(
        out, (*reasons, *spine.findings, *(found for vertebra in spine.levels for found in vertebra.findings))
    )


def show_plan(out: Console, plan: Plan) -> None:
    """Show each path, or why there is none."""
    for level in plan.plans:
        _show_level_plan(out, level)
    show_findings(out, (*plan.session.warnings, *(found for level in plan.plans for found in level.warnings)))


def show_findings(out: Console, findings: Iterable[Finding]) -> None:
    """Show findings, gravest first; equal words once, with all their levels."""
    rank = {"critical": 0, "warning": 1, "info": 2}
    levels: dict[tuple[str, str], list[str]] = {}
    for found in sorted(findings, key=lambda item: rank[item.severity]):
        named = levels.setdefault((found.severity, found.text), [])
        if found.level is not None and found.level not in named:
            named.append(found.level)
    for (severity, text), named in levels.items():
        where = f"{', '.join(named)}: " if named else ""
        out.print(Text.assemble((f"{severity}: ", SEVERITY_STYLE[severity]), where, text))


def _vertebra_cells(vertebra: Vertebra) -> tuple[str, ...]:
    density = vertebra.density
    name = vertebra.level if vertebra.complete else f"{vertebra.level} (cut)"
    return (
        name,
        _triple(vertebra.heights_mm),
        _percent(vertebra.height_loss),
        _grade(vertebra),
        _number(vertebra.wedge_angle_deg),
        _number(density.vbmd_mgcc, digits=0),
        _number(density.mean_hu, digits=0),
    )


def _grade(vertebra: Vertebra) -> str:
    fracture = vertebra.fracture
    if fracture.flagged is None:
        return "not judged"
    if not fracture.flagged:
        return "none seen"
    grade = UNKNOWN if fracture.genant_grade is None else str(fracture.genant_grade)
    return f"grade {grade}{'' if fracture.shape is None else f', {fracture.shape}'}"


def _show_level_plan(out: Console, level: LevelPlan) -> None:
    seen = "fracture seen" if level.fracture_seen else "no fracture seen here"
    how = "no path" if level.refused is not None else f"{level.technique}, {level.access}"
    out.print(Text.assemble((f"{level.level}", "bold"), f": {how}, {seen}"))
    if level.reason:
        out.print(f"  reason: {level.reason}", markup=False)
    if level.refused is not None:
        out.print(Text.assemble(("  refused: ", "bold red"), level.refused.code))
        show_findings(out, level.refused.reasons)
    if level.paths:
        table = Table(box=SIMPLE_HEAD, pad_edge=False)
        for heading in ("side", "approach", "gauge"):
            table.add_column(heading, no_wrap=True)
        for heading in (
            "margins mm\nmed/lat/sup/inf",
            "clear\nmm",
            "medial\n°",
            "cranial\n°",
            "bone–tip\nmm",
            "skin–bone\nmm",
        ):
            table.add_column(heading, justify="right", no_wrap=True)
        for path in level.paths:
            table.add_row(*_path_cells(path))
        out.print(table)
    for side in level.refused_sides:
        out.print(Text.assemble(("  no path ", "yellow"), f"{side.side} ({side.code})"))
        show_findings(out, side.reasons)


def _path_cells(path: NeedlePath) -> tuple[str, ...]:
    margins = path.margins_mm
    return (
        path.side,
        path.approach,
        path.gauge,
        "/".join(
            _number(each) for each in (margins.medial, margins.lateral, margins.superior, margins.inferior)
        ),
        _number(path.clearance_mm),
        _number(path.convergence_deg),
        _number(path.craniocaudal_deg),
        _number(path.depths_mm.bone_to_tip),
        _number(path.depths_mm.skin_to_bone),
    )


def _triple(heights: HeightTriple) -> str:
    return "/".join(_number(each) for each in (heights.anterior, heights.middle, heights.posterior))


def _number(value: float | None, *, digits: int = 1) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}"


def _percent(value: float | None) -> str:
    return UNKNOWN if value is None else f"{100 * value:.0f} %"
