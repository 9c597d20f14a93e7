"""Results as compact tables for people."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from endplate.anatomy.model import HeightTriple, Spine, Vertebra
from endplate.outcome.model import BalloonOutcome, LevelOutcome, Treatment
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.sources import Finding
from endplate.units import N_PER_KN, S_PER_MIN

UNKNOWN = "–"


LEAST_LEAK_ML = 0.005
"""Leaks below this are not told in a line."""

SEVERITY_STYLE = {"critical": "bold red", "warning": "yellow", "info": "dim"}


def show_document(out: Console, document: dict[str, Any]) -> None:
    """Show an assess, plan or run document."""
    kind = str(document.get("schema", "")).split("/")[1:2]
    if kind == ["run"]:
        for part in ("assess", "plan", "treat"):
            if document.get(part) is not None:
                show_document(out, document[part])
    elif kind == ["assess"]:
        show_spine(out, Spine.model_validate(document))
    elif kind == ["plan"]:
        show_plan(out, Plan.model_validate(document))
    elif kind == ["outcome"]:
        show_treatment(out, Treatment.model_validate(document))


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


def show_treatment(out: Console, treatment: Treatment) -> None:
    """Show in two or three lines a level what a procedure comes to, then what was found."""
    for level in treatment.levels:
        out.print(Text.assemble((level.level, "bold"), ": ", _cement_words(level)), soft_wrap=True)
        for line in _result_lines(level):
            out.print(f"  {line}", markup=False, soft_wrap=True)
    minutes = treatment.session.time_s
    if minutes is not None:
        out.print(f"Procedure: {minutes / S_PER_MIN:.0f} min, simulated.", markup=False)
    show_findings(out, (*treatment.findings, *(one for level in treatment.levels for one in level.findings)))


def _cement_words(level: LevelOutcome) -> str:
    cement = level.cement
    if cement is None or cement.delivered_ml == 0.0:
        return "no cement"
    share = "" if cement.fill_fraction is None else f", {_percent(cement.fill_fraction)} of the body"
    both = {True: ", touches both endplates", False: ", does not touch both endplates", None: ""}
    stopped = "" if cement.stopped_text is None else f". Ended: {cement.stopped_text}"
    inside = cement.in_bone_ml + cement.in_cavity_ml
    return f"{inside:.1f} ml of cement in bone{share}{both[cement.touches_endplates]}{stopped}"


def _balloon_words(balloon: BalloonOutcome) -> str:
    gain = balloon.height_gain_mm
    parts = [
        f"{words} {one:.1f}"
        for words, one in (
            ("posture (an input)", gain.posture),
            ("inflated", gain.inflated),
            ("deflated", gain.deflated),
        )
        if one is not None
    ]
    pressure = "" if balloon.peak_pressure_mpa is None else f", up to {balloon.peak_pressure_mpa:.2f} MPa"
    return (
        f"balloons: {UNKNOWN if balloon.volume_ml is None else f'{balloon.volume_ml:.1f}'} ml{pressure}; "
        f"{balloon.gain_of} height above the scan, mm: {', '.join(parts)}"
    )


def _result_lines(level: LevelOutcome) -> Iterable[str]:
    cement, strength = level.cement, level.strength
    if level.balloon is not None:
        yield _balloon_words(level.balloon)
    if cement is not None and cement.delivered_ml > 0.0:
        leaks = [
            f"{route.replace('_', ' ')} {volume:.2f} ml"
            for route, volume in cement.leaks_ml.model_dump().items()
            if volume >= LEAST_LEAK_ML
        ]
        warm = (
            "" if cement.peak_temperature_c is None else f"; cement up to {cement.peak_temperature_c:.0f} °C"
        )
        canal = None if cement.heat is None else cement.heat.find("canal")
        if canal is not None:
            warm += f", canal {canal.peak_c:.0f} °C"
        yield f"leaks: {', '.join(leaks) or 'none'}{warm}"
    leaked = None if level.bands is None else level.bands.find("leaked_ml")
    if level.bands is not None and leaked is not None:
        yield (
            f"{level.bands.members} runs with bone, cement and needles varied: {leaked.low:.2f} to "
            f"{leaked.high:.2f} ml leaked (5 to 95 %), {leaked.median:.2f} ml in the middle"
        )
    if strength.after_bonded_n is not None or strength.after_derated_n is not None:
        after = [one for one in (strength.after_derated_n, strength.after_bonded_n) if one is not None]
        held = "–".join(f"{one / N_PER_KN:.1f}" for one in sorted(after))
        before = UNKNOWN if strength.before_n is None else f"{strength.before_n / N_PER_KN:.1f}"
        yield f"strength: {before} kN before, {held} kN after"


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
