"""Putting the report together: from the inputs to one HTML file."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Vertebra
from endplate.papers.page import render
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, listed, long_date, number
from endplate.planning.model import LevelPlan, NeedlePath, RefusedSide
from endplate.report.closeup import closeup_figures
from endplate.report.height_chart import chart_height_px, height_chart
from endplate.report.model import ReportInputs
from endplate.report.needle import LEGEND, needle_figures
from endplate.report.needle_tables import margins_table, path_table
from endplate.report.overview import overview_figures
from endplate.report.picture import Figure
from endplate.report.plain_views import plain_figures
from endplate.report.provenance import References, link_words, provenance_rows, scan_rows
from endplate.report.quality import quality_tables
from endplate.report.scene import Scene
from endplate.report.strength import loads_table, strength_figures, strength_table
from endplate.report.summary import all_findings, level_notes, plan_of, ranked, summarise, verdict
from endplate.report.tables import level_heights, tables
from endplate.report.treat import timeline_table, treat_sections
from endplate.report.xray import xray_html, xray_pages
from endplate.sources import Finding, finding

NO_FRAME = "There is no close-up: the level could not be measured."
NO_BACKDROP = "There is no close-up: neither the CT nor the labels are at hand."


@dataclass(frozen=True)
class NeedleSection:
    """One needle on the page."""

    side: str
    pictures: list[Figure]


@dataclass(frozen=True)
class StrengthSection:
    """How strong one level is, on the page."""

    pictures: list[Figure]
    tables: list[Table]
    findings: list[Finding]


@dataclass(frozen=True)
class LevelSection:
    """One level close up on the page."""

    name: str
    verdict: str
    pictures: list[Figure]
    no_pictures: str
    heights: Table
    reasons: list[Finding]
    findings: list[Finding]
    strength: StrengthSection | None
    planned: str
    needles: list[NeedleSection]
    needle_tables: list[Table]
    refused: list[Finding]
    refused_sides: tuple[RefusedSide, ...]


def build_report(inputs: ReportInputs) -> str:
    """Return the report as one self-contained HTML text.

    It loads nothing from elsewhere, holds nothing personal, and the same inputs give the same text.
    """
    scene = Scene(inputs.image, inputs.labels)
    found = ranked([*all_findings(inputs), *_own_findings(inputs)], inputs.requested_levels)
    noted = [one for level in inputs.requested_levels for one in level_notes(plan_of(inputs, level), level)]
    found = [one for one in found if one not in noted]  # they stand in the level's own box
    shown = _shown_levels(inputs)
    levels = [_level_section(inputs, scene, vertebra) for vertebra in shown]
    pressing = [one for one in found if _is_pressing(one, inputs)]
    told = {id(one) for one in pressing}
    return render(
        "endplate.report",
        "report.html",
        lang="en",
        title=inputs.title.strip() or ("Needle plan" if inputs.plan is not None else "Spine assessment"),
        tag=", ".join(inputs.requested_levels) or "Assessment",
        requested=inputs.requested_levels,
        show_patient_label=inputs.show_patient_label,
        ct_words=_ct_words(inputs),
        patient_age=_age(inputs),
        summaries=[summarise(inputs, level) for level in inputs.requested_levels],
        spine_sentence=_spine_sentence(inputs),
        cannot=_cannot_date(inputs),
        needle_legend=LEGEND,
        plan_table=_plan_table(inputs),
        pressing=pressing,
        overview=overview_figures(
            scene, inputs.spine, inputs.requested_levels, chart_px=chart_height_px(inputs.spine)
        ),
        chart=height_chart(inputs.spine, inputs.requested_levels),
        levels=levels,
        xrays=xray_html(xray_pages(inputs.xrays)),
        treated=treat_sections(scene, inputs.spine, inputs.plan, inputs.treatment, inputs.cement),
        timeline=timeline_table(inputs.treatment),
        tables=tables(inputs.spine, inputs.requested_levels),
        counted_how=inputs.spine.counted_how or (inputs.labels.counted_how if inputs.labels else ""),
        scan_rows=scan_rows(inputs.image),
        quality_tables=quality_tables(
            inputs.quality, inputs.spine, None if inputs.labels is None else inputs.labels.origin
        ),
        plain_views=[] if inputs.spine.levels else plain_figures(scene),
        remaining=[one for one in found if id(one) not in told and one.code != "ct-does-not-date"],
        provenance=provenance_rows(
            inputs.manifest, inputs.spine, inputs.labels, "" if inputs.plan is None else inputs.plan.rules
        ),
        references=References(),
        link_words=link_words,
    )


def _own_findings(inputs: ReportInputs) -> list[Finding]:
    """What the report itself can tell is missing; said once, whoever else says it too."""
    if inputs.labels is None and not inputs.spine.levels:
        return [finding("no-labels")]
    return [finding("geometry-only")] if inputs.image is None else []


def _is_pressing(found: Finding, inputs: ReportInputs) -> bool:
    """Shown on the first page: critical ones, and warnings about the scan or a level asked for."""
    if found.severity == "critical":
        return True
    about = found.level is None or not inputs.requested_levels or found.level in inputs.requested_levels
    return found.severity == "warning" and about


def _shown_levels(inputs: ReportInputs) -> list[Vertebra]:
    """Levels with a close-up: those asked for in their order, then every other flagged one."""
    asked = [
        vertebra for level in inputs.requested_levels if (vertebra := inputs.spine.find(level)) is not None
    ]
    rest = [v for v in inputs.spine.levels if v.fracture.flagged and v.level not in inputs.requested_levels]
    return asked + rest


def _level_section(inputs: ReportInputs, scene: Scene, vertebra: Vertebra) -> LevelSection:
    asked = vertebra.level in inputs.requested_levels
    planned = plan_of(inputs, vertebra.level)
    paths = _right_first(planned)
    return LevelSection(
        name=vertebra.level,
        verdict=verdict(vertebra),
        pictures=closeup_figures(scene, inputs.spine, vertebra, full=asked),
        heights=level_heights(vertebra),
        no_pictures=NO_BACKDROP if scene.empty else NO_FRAME,
        reasons=list(vertebra.fracture.reasons),
        findings=ranked(vertebra.findings, ()),
        strength=_strength_section(inputs, scene, vertebra),
        planned="" if planned is None else f"{planned.access}, {planned.technique}",
        needles=[
            NeedleSection(path.side, needle_figures(scene, inputs.spine, vertebra, path)) for path in paths
        ],
        needle_tables=[margins_table(paths), path_table(paths, vertebra)] if paths else [],
        refused=[] if planned is None or planned.refused is None else list(planned.refused.reasons),
        refused_sides=() if planned is None else planned.refused_sides,
    )


def _strength_section(inputs: ReportInputs, scene: Scene, vertebra: Vertebra) -> StrengthSection | None:
    found = None if inputs.strength is None else inputs.strength.find(vertebra.level)
    if found is None:
        return None
    return StrengthSection(
        pictures=strength_figures(scene, vertebra, found, inputs.failure),
        tables=[strength_table(found), loads_table(found)],
        findings=ranked(found.findings, ()),
    )


def _right_first(planned: LevelPlan | None) -> tuple[NeedlePath, ...]:
    """The needles, right before left: the patient's right is on screen left."""
    paths = () if planned is None else planned.paths
    return tuple(sorted(paths, key=lambda path: path.side, reverse=True))


def _plan_table(inputs: ReportInputs) -> Table | None:
    """The plan in brief: one row for each needle, and one for each side or level without a path."""
    rows: list[Row] = []
    for planned in () if inputs.plan is None else inputs.plan.plans:
        rows += _plan_rows(planned)
    if not rows:
        return None
    return Table(
        caption="Needle plan in brief",
        columns=(
            ("Level, side", ""),
            ("Cannula", ""),
            ("Bone to tip", "mm"),
            ("Convergence", "°"),
            ("To head + / feet −", "°"),
            ("Medial margin", "mm, derated"),
            ("Least margin", "mm, derated"),
        ),
        rows=tuple(rows),
    )


def _plan_rows(planned: LevelPlan) -> list[Row]:
    rows = []
    for path in _right_first(planned):
        derated = path.margins_derated_mm
        least = min(derated.medial, derated.lateral, derated.superior, derated.inferior)
        cells = (
            f"{path.gauge} {path.approach}",
            number(path.depths_mm.bone_to_tip),
            number(path.convergence_deg),
            number(path.craniocaudal_deg, signed=True),
            number(derated.medial),
            number(least),
        )
        rows.append(Row(f"{planned.level} {path.side}", tuple(Cell(text) for text in cells)))
    for side in planned.refused_sides:
        why = " ".join(reason.text for reason in side.reasons) or f"Refused: {side.code}."
        rows.append(Row(f"{planned.level} {side.side}: no path", tuple(Cell(DASH, why) for _ in range(6))))
    if planned.refused is not None and not planned.refused_sides:
        why = (
            " ".join(reason.text for reason in planned.refused.reasons) or f"Refused: {planned.refused.code}."
        )
        rows.append(Row(f"{planned.level}: no plan", tuple(Cell(DASH, why) for _ in range(6))))
    return rows


def _spine_sentence(inputs: ReportInputs) -> str:
    """Which levels were looked at, and which are flagged."""
    levels = inputs.spine.levels
    if not levels:
        return ""
    flagged = [vertebra.level for vertebra in levels if vertebra.fracture.flagged]
    unclear = [vertebra.level for vertebra in levels if vertebra.fracture.flagged is None]
    span = levels[0].level if len(levels) == 1 else f"{levels[0].level} to {levels[-1].level}"
    words = f"Levels in this scan: {span}. "
    words += f"Flagged as fractured: {listed(flagged)}." if flagged else "No level is flagged as fractured."
    return words + (f" Not judged: {listed(unclear)}." if unclear else "")


def _cannot_date(inputs: ReportInputs) -> Finding | None:
    """What CT cannot say, wherever a level was graded."""
    graded = any(vertebra.fracture.genant_grade is not None for vertebra in inputs.spine.levels)
    return finding("ct-does-not-date") if graded else None


def _ct_words(inputs: ReportInputs) -> str:
    """The CT's date, or why there is none."""
    if inputs.image is None:
        return f"CT date {DASH} (no CT given)"
    date = long_date(inputs.image.scan.study_date)
    return f"CT date {DASH} (not in the file)" if date == DASH else f"CT of {date}"


def _age(inputs: ReportInputs) -> str:
    age = None if inputs.image is None else inputs.image.scan.patient_age_years
    return DASH if age is None else f"{age} years"
