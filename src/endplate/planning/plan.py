"""A first needle plan: a transpedicular path a side with its margins, or the reasons for none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Pedicle, Side, Spine, Vec3, Vertebra
from endplate.anatomy.revisit import revisit
from endplate.anatomy.vertebra import LocalVertebra
from endplate.devices.cannulas import Cannula, cannula
from endplate.errors import QualityGateError
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.model import (
    CArm,
    Depths,
    LevelPlan,
    Margins,
    NeedlePath,
    Plan,
    Refusal,
    RefusedSide,
)
from endplate.planning.obstacles import Way, meets_other_bone, skin_point
from endplate.planning.options import PlanOptions
from endplate.planning.transpedicular import BonePath, best_path
from endplate.sources import Finding, finding, value

SIDES: tuple[Side, Side] = ("left", "right")
"""Sides in the order of a plan."""

DIGITS = 6
"""Decimals kept in the document."""

POSITIONS = {"HFS": "supine", "FFS": "supine", "HFP": "prone", "FFP": "prone"}
"""Words for the DICOM patient positions a spine CT is taken in."""


def plan_levels(
    labels: LabelMap, image: Volume | None, spine: Spine, levels: Sequence[str], options: PlanOptions
) -> Plan:
    """Plan the needles of all levels asked for.

    Parameters
    ----------
    labels, image:
        The label map the spine was measured on and the CT (``None``: no skin).
    spine:
        The measured spine.
    levels:
        Level names; each gets one plan.
    options:
        The user's choices.

    Raises
    ------
    QualityGateError
        A level is not in the spine.
    """
    plans = []
    for level in levels:
        vertebra = spine.find(level)
        if vertebra is None:
            seen = ", ".join(item.level for item in spine.levels) or "none"
            raise QualityGateError(
                "level-absent",
                f"{level} is not in the label map (levels there: {seen}).",
                do="Name a level that is there, or correct the label map.",
            )
        plans.append(_plan_level(labels, image, spine, vertebra, options))
    return Plan(plans=tuple(plans))


def _plan_level(
    labels: LabelMap, image: Volume | None, spine: Spine, vertebra: Vertebra, options: PlanOptions
) -> LevelPlan:
    """The plan of one level."""
    technique = options.technique or "vertebroplasty"
    paths: list[NeedlePath] = []
    refused_sides: list[RefusedSide] = []
    refused = _refused_outright(labels, vertebra)
    local = None if refused is not None else revisit(labels, vertebra)
    if local is not None:
        for side in SIDES:
            found = _plan_side(labels, image, vertebra, local, side, options)
            if isinstance(found, NeedlePath):
                paths.append(found)
            else:
                refused_sides.append(found)
        if options.access == "unipedicular" and len(paths) == 2:
            paths = [max(paths, key=lambda path: path.clearance_mm)]
        if not paths:
            reasons = tuple(reason for side in refused_sides for reason in side.reasons)
            refused = Refusal(code="no-safe-path", reasons=reasons)
    access: dict[int, Literal["none", "unipedicular", "bipedicular"]] = {
        0: "none",
        1: "unipedicular",
        2: "bipedicular",
    }
    return LevelPlan(
        level=vertebra.level,
        technique=technique,
        access=access[len(paths)],
        fracture_seen=vertebra.fracture.flagged,
        reason=options.reason,
        refused=refused,
        refused_sides=tuple(refused_sides),
        paths=tuple(paths),
        warnings=tuple(_warnings(image, spine, vertebra, paths, options)),
    )


def _refused_outright(labels: LabelMap, vertebra: Vertebra) -> Refusal | None:
    """Reasons that leave no side to look at."""
    level = vertebra.level
    if labels.body_only:
        return Refusal(code="body-only", reasons=(finding("refused-body-only", level=level),))
    if not vertebra.complete or vertebra.frame is None or vertebra.canal.source == "none":
        return Refusal(code="level-cut", reasons=(finding("refused-level-cut", level=level),))
    return None


def _plan_side(
    labels: LabelMap,
    image: Volume | None,
    vertebra: Vertebra,
    local: LocalVertebra,
    side: Side,
    options: PlanOptions,
) -> NeedlePath | RefusedSide:
    """The path of one side with the widest gauge that fits, or why there is none."""
    level = vertebra.level
    pedicle = vertebra.pedicles.left if side == "left" else vertebra.pedicles.right
    if pedicle is None:
        return RefusedSide(
            side=side, code="no-pedicle", reasons=(finding("refused-no-pedicle", level=level, side=side),)
        )
    gauges = [options.gauge] if options.gauge is not None else list(value("plan.gauges"))
    refusals = []
    for gauge in gauges:
        tool = cannula(str(gauge))
        found = _with_tool(labels, image, vertebra, local, pedicle, side, tool)
        if isinstance(found, NeedlePath):
            return found
        refusals.append(found)
    reasons = tuple(reason for refusal in refusals for reason in refusal.reasons)
    return RefusedSide(side=side, code=refusals[-1].code, reasons=reasons)


def _with_tool(
    labels: LabelMap,
    image: Volume | None,
    vertebra: Vertebra,
    local: LocalVertebra,
    pedicle: Pedicle,
    side: Side,
    tool: Cannula,
) -> NeedlePath | RefusedSide:
    level = vertebra.level
    hard = value("plan.margin_hard_mm")
    needed = tool.outer_diameter_mm + 2.0 * min(float(hard[name]) for name in hard)
    if pedicle.inscribed_diameter_mm < needed:
        reason = finding(
            "refused-pedicle-narrow",
            level=level,
            side=side,
            gauge=tool.gauge,
            inscribed=pedicle.inscribed_diameter_mm,
            needed=needed,
        )
        return RefusedSide(side=side, code="pedicle-narrow", reasons=(reason,))

    def blocked(path: BonePath) -> bool:
        way = Way(path.entry_ras_mm, path.direction_ras)
        return meets_other_bone(way, labels, vertebra.label_id, tool.radius_mm)

    path, best = best_path(local, pedicle, side, tool, blocked)
    if path is not None:
        return _document(path, side, tool, image)
    if best is None:
        reason = finding("refused-no-pedicle", level=level, side=side)
        return RefusedSide(side=side, code="no-pedicle", reasons=(reason,))
    lacking = best.lacks()
    if lacking is None:
        reason = finding("refused-neighbour", level=level, side=side.capitalize(), gauge=tool.gauge)
        return RefusedSide(side=side, code="neighbour-in-the-way", reasons=(reason,))
    reason = finding(
        "refused-margin",
        level=level,
        side=side.capitalize(),
        gauge=tool.gauge,
        direction=lacking,
        margin=best.margins_mm[lacking],
    )
    return RefusedSide(side=side, code=f"margin-{lacking}", reasons=(reason,))


def _document(path: BonePath, side: Side, tool: Cannula, image: Volume | None) -> NeedlePath:
    """One path as a document."""
    skin = None if image is None else skin_point(Way(path.entry_ras_mm, path.direction_ras), image)
    derated = {name: path.margins_mm[name] - path.half_widths_mm[name] for name in path.margins_mm}
    scan_position = None if image is None else image.scan.patient_position
    return NeedlePath(
        side=side,
        approach="transpedicular",
        gauge=tool.gauge,
        outer_diameter_mm=tool.outer_diameter_mm,
        skin_ras_mm=None if skin is None else _vec(skin),
        entry_ras_mm=_vec(path.entry_ras_mm),
        isthmus_ras_mm=_vec(path.isthmus_ras_mm),
        posterior_wall_ras_mm=_vec(path.wall_ras_mm),
        tip_ras_mm=_vec(path.tip_ras_mm),
        margins_mm=_margins(path.margins_mm),
        margins_derated_mm=_margins(derated),
        clearance_mm=round(path.clearance_mm, DIGITS),
        uncertainty_mm=round(max(path.half_widths_mm.values()), DIGITS),
        convergence_deg=round(path.convergence_deg, DIGITS),
        craniocaudal_deg=round(path.craniocaudal_deg, DIGITS),
        depths_mm=Depths(
            skin_to_bone=None if skin is None else _length(skin, path.entry_ras_mm),
            bone_to_posterior_wall=_length(path.entry_ras_mm, path.wall_ras_mm),
            bone_to_tip=_length(path.entry_ras_mm, path.tip_ras_mm),
        ),
        carm=CArm(patient_position=POSITIONS.get(scan_position or "", "unknown")),
    )


def _warnings(
    image: Volume | None, spine: Spine, vertebra: Vertebra, paths: list[NeedlePath], options: PlanOptions
) -> list[Finding]:
    """What the user must know beside the path."""
    level = vertebra.level
    found = [finding("plan-confirm-level", level=level, counted=spine.counted_how)]
    if vertebra.fracture.flagged is not True and options.reason is not None:
        code = "plan-no-fracture-seen" if vertebra.fracture.flagged is False else "plan-fracture-unjudged"
        found.append(finding(code, level=level, reason=options.reason))
    found.append(finding("ct-does-not-date", level=level))
    if not paths:
        return found
    found.append(finding("plan-first-path", level=level))
    hard = value("plan.margin_hard_mm")
    for path in paths:
        if path.skin_ras_mm is None:
            found.append(finding("plan-skin-not-in-view", level=level, side=path.side))
        raw, derated = path.margins_mm.model_dump(), path.margins_derated_mm.model_dump()
        found += [
            finding(
                "plan-margin-uncertain",
                level=level,
                side=path.side.capitalize(),
                direction=name,
                margin=raw[name],
                derated=derated[name],
            )
            for name in raw
            if derated[name] < float(hard[name])
        ]
    position = POSITIONS.get(
        (None if image is None else image.scan.patient_position) or "", "in an unknown position"
    )
    found.append(finding("plan-posture", level=level, position=position))
    for gauge in sorted({path.gauge for path in paths}):
        tool = cannula(gauge)
        if tool.recalled:
            found.append(
                finding("plan-gauge-recalled", level=level, gauge=gauge, diameter=tool.outer_diameter_mm)
            )
    return found


def _margins(by_direction: dict[str, float]) -> Margins:
    return Margins(**{name: round(by_direction[name], DIGITS) for name in by_direction})


def _length(start: FloatArray, end: FloatArray) -> float:
    return round(float(np.linalg.norm(np.asarray(end) - np.asarray(start))), DIGITS)


def _vec(point: FloatArray) -> Vec3:
    x, y, z = (round(float(component), DIGITS) for component in point)
    return x, y, z
