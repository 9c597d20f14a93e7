"""The pages of a simulated treatment: what balloons did, where the cement went and left, how warm and how strong."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Spine
from endplate.outcome.fields import CementMaps
from endplate.outcome.model import LevelOutcome, Treatment
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import interval, number, quantity
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.report import treat_cuts
from endplate.report.balloon_pages import BalloonPart, balloon_part
from endplate.report.picture import Figure
from endplate.report.scene import Scene
from endplate.report.treat_charts import injection_figure, strength_figure
from endplate.report.treat_relief import relief_figures
from endplate.report.treat_summary import verdict
from endplate.report.treat_tables import (
    bands_table,
    cement_table,
    heat_table,
    leak_table,
    strength_table,
)
from endplate.report.treat_warmth import warmth_figures
from endplate.sources import Finding
from endplate.units import S_PER_MIN


@dataclass(frozen=True)
class TreatSection:
    """The pages of one level.

    Parameters
    ----------
    name:
        The level.
    verdict:
        What happened, in a few sentences.
    balloon:
        What its balloons did; ``None`` without.
    cuts, stages, curves, warmth, strength:
        Pictures: cement in three planes, in 3-D over time, pressure and volumes, temperatures, before and after.
    fill, leaks, bands:
        Where the cement is; leaks by route; an ensemble.
    heat_table, strength_table:
        Beside their pictures; ``None`` without them.
    findings:
        What there is to say.
    """

    name: str
    verdict: tuple[str, ...]
    balloon: BalloonPart | None
    cuts: list[Figure]
    cut_legend: tuple[tuple[str, str], ...]
    stages: list[Figure]
    curves: list[Figure]
    warmth: list[Figure]
    strength: list[Figure]
    fill: Table | None
    bands: Table | None
    leaks: Table | None
    heat_table: Table | None
    strength_table: Table | None
    findings: tuple[Finding, ...]


def treat_sections(
    scene: Scene,
    spine: Spine,
    plan: Plan | None,
    treatment: Treatment | None,
    maps: CementMaps | None,
) -> list[TreatSection]:
    """One section for each treated level, in the order of the document; none without a treatment.

    Parameters
    ----------
    scene:
        CT and labels.
    spine, plan:
        The measured levels, and the needle plan.
    treatment, maps:
        What was simulated, and its volumes on the CT's grid.
    """
    if treatment is None:
        return []
    plans = {} if plan is None else {one.level: one for one in plan.plans}
    return [_section(scene, spine, plans.get(level.level), level, maps) for level in treatment.levels]


def timeline_table(treatment: Treatment | None) -> Table | None:
    """What happened when; ``None`` without a timeline."""
    if treatment is None or not treatment.session.timeline:
        return None
    rows = []
    for one in treatment.session.timeline:
        when = number(one.time_s / S_PER_MIN)
        if one.until_s is not None:
            when = interval(one.time_s / S_PER_MIN, one.until_s / S_PER_MIN)
        rows.append(Row(when, (Cell(one.level or ""), Cell(one.what))))
    dose = treatment.session.dose
    note = f"Whole procedure {quantity(_minutes(treatment.session.time_s), 'min', 0)}."
    if dose is not None:
        note += (
            f" X-ray {quantity(dose.seconds, 's', 0)}, {quantity(dose.air_kerma_mgy, 'mGy')} at the reference point,"
            f" {quantity(dose.area_product_gycm2, 'Gy·cm²', 2)}."
        )
    return Table(
        caption="Simulated procedure",
        columns=(("Minute", ""), ("Level", ""), ("What", "")),
        rows=tuple(rows),
        note=note,
    )


def _section(
    scene: Scene,
    spine: Spine,
    plan: LevelPlan | None,
    level: LevelOutcome,
    maps: CementMaps | None,
) -> TreatSection:
    vertebra = spine.find(level.level)
    paths: tuple[NeedlePath, ...] = () if plan is None else plan.paths
    cement = level.cement
    curve = None if cement is None else injection_figure(level.level, cement)
    strong = strength_figure(level.level, level.strength)
    cuts: list[Figure] = []
    stages: list[Figure] = []
    warm: list[Figure] = []
    legend: tuple[tuple[str, str], ...] = treat_cuts.LEGEND
    if vertebra is not None and maps is not None and cement is not None:
        parts = treat_cuts.cement_parts(scene, vertebra, maps.fraction)
        if parts is not None:
            cuts = treat_cuts.cement_cuts(scene, vertebra, parts, paths)
            legend = tuple(one for one in legend if parts.leaked or one[0] != treat_cuts.LEAK)
            stages = relief_figures(scene, vertebra, maps.fraction, maps.arrival_s, cement.curve, paths)
            if maps.peak_c is not None and cement.heat is not None:
                warm = warmth_figures(scene, vertebra, maps.peak_c, parts)
    balloon = None
    if level.balloon is not None:
        balloon = balloon_part(scene, spine, vertebra, plan, level.level, level.balloon, maps)
    heat = None if cement is None or cement.heat is None else heat_table(level.level, cement.heat)
    return TreatSection(
        name=level.level,
        verdict=verdict(level, plan),
        balloon=balloon,
        cuts=cuts,
        cut_legend=legend,
        stages=stages,
        curves=[] if curve is None else [curve],
        warmth=warm,
        strength=[] if strong is None else [strong],
        fill=None if cement is None else cement_table(level.level, cement),
        bands=None if level.bands is None else bands_table(level.level, level.bands),
        leaks=None if cement is None else leak_table(level.level, cement),
        heat_table=heat,
        strength_table=None if strong is None else strength_table(level.level, level.strength),
        findings=level.findings if balloon is None else (*level.findings, *balloon.xrays.findings),
    )


def _minutes(seconds: float | None) -> float | None:
    return None if seconds is None else seconds / S_PER_MIN
