"""What the report says first: one paragraph for each level asked for, then the warnings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from endplate.anatomy.model import Density, Vertebra
from endplate.papers.words import DASH, interval, number, percent, quantity
from endplate.planning.model import LevelPlan
from endplate.report.losses import greatest_loss
from endplate.report.model import ReportInputs
from endplate.report.tables import CUT, why_unjudged
from endplate.report.treat_summary import treat_facts, treat_findings
from endplate.sources import Finding, finding

GRADE_WORDS = {0: "no fracture", 1: "mild", 2: "moderate", 3: "severe"}
"""Names of the Genant grades."""

NO_FRACTURE_CODES = ("plan-no-fracture-seen", "plan-fracture-unjudged")
"""What a plan says of a level without a seen fracture; where it says nothing, the report does."""

SEVERITY_ORDER = {"critical": 0, "warning": 1, "info": 2}


@dataclass(frozen=True)
class LevelSummary:
    """The first lines of one level: ``verdict`` in large type, ``notes`` and ``facts`` below."""

    level: str
    verdict: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    flagged: bool | None
    shown: bool


def summarise(inputs: ReportInputs, level: str) -> LevelSummary:
    """Sum up one level; a level that is not in the scan is said to be missing."""
    vertebra = inputs.spine.find(level)
    planned = plan_of(inputs, level)
    if vertebra is None:
        found = finding("report-level-missing", level=level, name=level)
        return LevelSummary(level, found.text, (), (), None, shown=False)
    notes = [found.text for found in level_notes(planned, level)]
    treated = None if inputs.treatment is None else inputs.treatment.find(level)
    facts = (*_facts(vertebra), *treat_facts(treated, planned))
    return LevelSummary(level, verdict(vertebra), facts, tuple(notes), vertebra.fracture.flagged, shown=True)


def verdict(vertebra: Vertebra) -> str:
    """One sentence: flagged with grade and shape, not flagged, or not to be judged."""
    fracture = vertebra.fracture
    if fracture.flagged is None:
        return f"Cannot be judged: {CUT if not vertebra.complete else why_unjudged(vertebra)}"
    loss = greatest_loss(vertebra)
    which = "greatest" if loss is None else loss.part
    if not fracture.flagged:
        return f"No fracture seen: {which} height loss {loss_words(vertebra)}."
    grade = DASH if fracture.genant_grade is None else str(fracture.genant_grade)
    word = GRADE_WORDS.get(fracture.genant_grade or 0, "") if fracture.genant_grade else ""
    shape = f", {fracture.shape} shape" if fracture.shape else ""
    name = f"grade {grade} ({word})" if word else f"grade {grade}"
    return f"Fracture, {name}{shape}: {which} height loss {loss_words(vertebra)}."


def loss_words(vertebra: Vertebra) -> str:
    """Height loss with its 95 % interval."""
    loss = greatest_loss(vertebra)
    words = percent(vertebra.height_loss)
    if loss is None or loss.interval is None or words == DASH:
        return words
    low, high = (100.0 * max(end, 0.0) for end in loss.interval)
    return f"{words} (95 % interval {interval(low, high, '%', 0)})"


def level_notes(planned: LevelPlan | None, level: str) -> list[Finding]:
    """What must stand beside the verdict: that no fracture is seen here, and the reason that was given."""
    if planned is None:
        return []
    told = [warning for warning in planned.warnings if warning.code in NO_FRACTURE_CODES]
    if told or planned.fracture_seen is not False:
        return told
    if planned.reason:
        return [finding("report-no-fracture-reason", level=level, name=level, reason=planned.reason)]
    return [finding("report-no-fracture", level=level, name=level)]


def _facts(vertebra: Vertebra) -> tuple[tuple[str, str], ...]:
    canal, density = vertebra.canal, vertebra.density
    facts = [
        ("Wedge angle", quantity(vertebra.wedge_angle_deg, "°")),
        ("Local kyphosis", quantity(vertebra.local_kyphosis_deg, "°")),
        ("Canal compromise", percent(canal.compromise)),
        ("Canal depth", quantity(canal.ap_mm, "mm")),
        ("Retropulsion", quantity(vertebra.retropulsion_mm, "mm")),
        ("Trabecular density", _density_words(density)),
    ]
    if number(vertebra.cleft_ml, 2) not in (DASH, number(0.0, 2)):
        facts.append(("Gas cleft", quantity(vertebra.cleft_ml, "ml", 2)))
    margin = vertebra.fracture.distance_to_threshold
    if margin is not None:
        side = "above" if margin >= 0.0 else "below"
        facts.append(("Flagging threshold", f"{number(100.0 * abs(margin))} points {side} it"))
    return tuple(facts)


def _density_words(density: Density) -> str:
    """HU, and mg/cm³ with its interval where HU could be turned into density."""
    words = [quantity(density.mean_hu, "HU", 0)]
    if density.vbmd_mgcc is not None:
        words.append(quantity(density.vbmd_mgcc, "mg/cm³", 0))
        if density.vbmd_interval_mgcc is not None:
            words[-1] += f" ({interval(*density.vbmd_interval_mgcc, digits=0)})"
    return "; ".join(words)


def plan_of(inputs: ReportInputs, level: str) -> LevelPlan | None:
    """The plan of one level, or ``None``."""
    if inputs.plan is None:
        return None
    return next((planned for planned in inputs.plan.plans if planned.level == level), None)


def all_findings(inputs: ReportInputs) -> list[Finding]:
    """Every finding once: most severe first, the levels asked for before others, then as they came."""
    found: list[Finding] = list(inputs.spine.findings)
    if inputs.image is not None:
        found += inputs.image.findings
    if inputs.labels is not None:
        found += inputs.labels.volume.findings
    for vertebra in inputs.spine.levels:
        found += vertebra.findings
        found += _telling_reasons(vertebra, inputs.requested_levels)
    found += _plan_findings(inputs)
    found += treat_findings(inputs.treatment)
    found += _from_json(inputs.manifest)
    found += [
        finding("report-level-missing", level=level, name=level)
        for level in inputs.requested_levels
        if inputs.spine.find(level) is None
    ]
    return ranked(found, inputs.requested_levels)


def _telling_reasons(vertebra: Vertebra, requested: tuple[str, ...]) -> list[Finding]:
    """Reasons of a grade that the report does not tell elsewhere."""
    told = {"ct-does-not-date"}
    if vertebra.fracture.flagged or vertebra.level in requested:
        told |= {"height-lost", "no-fracture-seen"}  # the verdict and the close-up say so
    return [reason for reason in vertebra.fracture.reasons if reason.code not in told]


def ranked(found: Iterable[Finding], requested: tuple[str, ...]) -> list[Finding]:
    """Sort findings and drop repeats."""
    unique = list(dict.fromkeys(found))
    return sorted(unique, key=lambda one: (SEVERITY_ORDER[one.severity], _place(one, requested)))


def _place(found: Finding, requested: tuple[str, ...]) -> int:
    if found.level is None:
        return len(requested)
    return requested.index(found.level) if found.level in requested else len(requested) + 1


def _plan_findings(inputs: ReportInputs) -> list[Finding]:
    if inputs.plan is None:
        return []
    found: list[Finding] = []
    for planned in inputs.plan.plans:
        found += planned.warnings
        if planned.refused is not None:
            found += planned.refused.reasons
        for side in planned.refused_sides:
            found += side.reasons
        found += level_notes(planned, planned.level)
    return found + list(inputs.plan.session.warnings)


def _from_json(manifest: Mapping[str, Any]) -> list[Finding]:
    found = []
    for entry in manifest.get("findings") or ():
        try:
            found.append(entry if isinstance(entry, Finding) else Finding.model_validate(entry))
        except ValidationError:
            continue  # of another version; the documents hold the same findings
    return found
