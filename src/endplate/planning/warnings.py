"""What the user must know beside a level's paths."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endplate.anatomy.model import Vertebra
from endplate.planning.cautions import image_cautions
from endplate.planning.label_trust import trust_findings
from endplate.planning.model import NeedlePath
from endplate.planning.options import PlanOptions
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding

if TYPE_CHECKING:
    from endplate.planning.level_plan import PlanInputs


def level_warnings(
    inputs: PlanInputs, vertebra: Vertebra, paths: tuple[NeedlePath, ...], technique: str
) -> tuple[Finding, ...]:
    """Confirm the level, what the CT cannot tell, cautions of the bone, and what is uncertain of each path."""
    level, options = vertebra.level, inputs.options
    found = [finding("plan-confirm-level", level=level, counted=inputs.spine.counted_how)]
    if vertebra.fracture.flagged is not True and options.reason is not None:
        code = "plan-no-fracture-seen" if vertebra.fracture.flagged is False else "plan-fracture-unjudged"
        found.append(finding(code, level=level, reason=options.reason))
    found.append(finding("ct-does-not-date", level=level))
    age = None if inputs.image is None else inputs.image.scan.patient_age_years
    found += image_cautions(vertebra, inputs.rules, age)
    found += trust_findings(inputs.labels.origin, level)
    for path in paths:
        found += path_warnings(level, path, inputs.rules)
    if paths:
        found.append(_posture(level, inputs.position))
        found += _recalled(level, paths, technique, options)
    return tuple(found)


def path_warnings(level: str, path: NeedlePath, rules: Rules) -> list[Finding]:
    """What is uncertain of one path."""
    found = []
    if path.skin_ras_mm is None:
        found.append(finding("plan-skin-not-in-view", level=level, side=path.side))
    hard = rules.search.margin_hard_mm.model_dump()
    raw, derated = path.margins_mm.model_dump(), path.margins_derated_mm.model_dump()
    side = path.side.capitalize()
    if path.approach == "transpedicular":
        found += [
            finding(
                "plan-margin-uncertain",
                level=level,
                side=side,
                direction=name,
                margin=raw[name],
                derated=derated[name],
            )
            for name in raw
            if derated[name] < hard[name]
        ]
    steady = path.robustness
    if steady.breach_fraction and steady.worst_margin_mm is not None:
        found.append(
            finding(
                "plan-not-robust",
                level=level,
                side=side,
                percent=100.0 * steady.breach_fraction,
                worst=steady.worst_margin_mm,
                grade=steady.grade,
            )
        )
    return found


def _posture(level: str, position: str | None) -> Finding:
    if position is None:
        return finding("plan-supine-unknown", level=level)
    if position == "prone":
        return finding("plan-prone", level=level)
    return finding("plan-posture", level=level, position=position)


def _recalled(
    level: str, paths: tuple[NeedlePath, ...], technique: str, options: PlanOptions
) -> list[Finding]:
    """Diameters that were not read in a source."""
    found = []
    for gauge in sorted({path.gauge for path in paths}):
        tool = options.catalogue.tool(gauge, technique)
        if tool.recalled:
            diameter = tool.outer_diameter_mm
            found.append(finding("plan-gauge-recalled", level=level, gauge=gauge, diameter=diameter))
    return found
