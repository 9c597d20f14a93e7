"""From one needle of a batch to its path: margins with their bounds, every distance, the score, the robustness."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.planning.checks import (
    Check,
    angle_checks,
    limit_mm,
    margin_checks,
    structure_checks,
    tip_checks,
)
from endplate.planning.measure import (
    INFERIOR,
    MEDIAL,
    SUPERIOR,
    Measures,
    around,
    distance_to,
    measure,
    seated_at,
)
from endplate.planning.model import Distance, Margins
from endplate.planning.needles import ACROSS, Needles
from endplate.planning.path import Bound, Breach, Path, Wish
from endplate.planning.robustness import outside, robustness
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.score import score
from endplate.planning.skin_point import Way, skin_point
from endplate.planning.structures import Structure
from endplate.planning.targets import Targets

DIGITS = 6
"""Decimals kept of lengths and angles."""


def finished(scene: LevelScene, one: Needles, wish: Wish, rules: Rules, goal: Targets) -> Path:
    """Measure one needle in full.

    Parameters
    ----------
    one:
        A batch of one needle with an entry and a posterior wall.
    """
    through = wish.approach == "transpedicular"
    part = around(scene, one)
    found = measure(scene, one, wish, rules, part)
    if through:
        _mark_outside(scene, one, wish, rules, found)
    scores = score(scene, one, found, goal, rules, through=through)
    axes, direction = scene.axes, one.directions[0]
    world = axes.direction_to_world(direction)
    entry, tip = axes.to_world(one.at(one.entry_at)[0]), axes.to_world(one.tips[0])
    skin = None if scene.image is None else skin_point(Way(entry, world), scene.image)
    raw, derated = found.raw[0], found.derated[0]
    checks = [
        *angle_checks(scene, one, wish, rules),
        *margin_checks(found, wish, rules),
        *tip_checks(scene, one, found, wish, rules),
        *structure_checks(scene, one, wish, rules),
    ]
    if skin is not None and wish.tool_length_mm is not None:
        depth = np.array([np.linalg.norm(tip - skin)])
        checks.append(Check("too-deep-for-tool", depth, np.array([wish.tool_length_mm]), at_most=True))
    plates = (found.above[0], found.below[0])
    return Path(
        side=one.side,
        approach=wish.approach,
        access=wish.access,
        gauge=wish.tool.gauge,
        radius_mm=wish.tool.radius_mm,
        entry_ras_mm=entry,
        isthmus_ras_mm=axes.to_world(one.origins[0]),
        posterior_wall_ras_mm=axes.to_world(one.at(one.wall_at)[0]),
        tip_ras_mm=tip,
        direction_ras=world,
        skin_ras_mm=skin,
        margins_mm=_margins(raw),
        margins_derated_mm=_margins(derated),
        bounds=_bounds(found, through=through),
        clearance_mm=round(float(raw.min()), DIGITS),
        uncertainty_mm=round(float((raw - derated).max()), DIGITS),
        keep_out=_distances(scene, one, wish, rules),
        unchecked=scene.not_checked(one.side),
        convergence_deg=round(float(one.convergence_deg[0]), DIGITS),
        craniocaudal_deg=round(float(one.craniocaudal_deg[0]), DIGITS),
        seated=bool((one.wall_at - seated_at(one, rules))[0] > 0.0),
        body_margin_mm=round(float(found.body[0]), DIGITS),
        bone_in_tract=round(float(found.bone_share[0]), DIGITS),
        available_depth_mm=round(
            max(float(found.depth[0]) - rules.search.tip_clearance_mm.anterior, 0.0), DIGITS
        ),
        tip_to_anterior_wall_mm=round(float(found.anterior[0]), DIGITS),
        tip_to_endplates_mm=(_known(plates[0]), _known(plates[1])),
        score=round(float(scores.total[0]), DIGITS),
        score_terms=scores.terms(0),
        robustness=robustness(scene, one, wish, rules, part),
        breaches=_breaches(checks),
    )


def _mark_outside(scene: LevelScene, one: Needles, wish: Wish, rules: Rules, found: Measures) -> None:
    """Where a given path's axis leaves the bone, the margin on that side is negative by all that stands out."""
    begin, end = float(seated_at(one, rules)[0]), float(one.wall_at[0])
    if end <= begin:
        return
    depth, back = outside(scene, one, begin, end)
    if depth == 0.0:
        return
    sideways, upward = float(back @ one.lateral[0]), float(back @ one.head[0])
    # The needle stands out on the side away from the bone.
    if abs(sideways) >= abs(upward):
        column = MEDIAL if sideways > 0.0 else 0
    else:
        column = INFERIOR if upward > 0.0 else SUPERIOR
    taken = found.raw[0, column] - found.derated[0, column]
    found.raw[0, column] = -depth - wish.tool.radius_mm
    found.derated[0, column] = found.raw[0, column] - taken


def _bounds(found: Measures, *, through: bool) -> dict[str, Bound]:
    """What each margin runs to."""
    if not through:
        return {
            "lateral": "outer surface",
            "superior": "foramen",
            "medial": "canal",
            "inferior": "foramen",
        }
    medial: Bound = "canal" if found.to_canal[0] <= found.raw[0, MEDIAL] + 1e-9 else "outer surface"
    return {
        "lateral": "outer surface",
        "superior": "outer surface",
        "medial": medial,
        "inferior": "outer surface",
    }


def _distances(scene: LevelScene, one: Needles, wish: Wish, rules: Rules) -> tuple[Distance, ...]:
    """Least distance to every structure; through the pedicle the walls' own limits hold for canal and foramina."""
    hard = rules.search.margin_hard_mm
    through = wish.approach == "transpedicular"
    own = {"canal": hard.medial, "foramen above": hard.superior, "foramen below": hard.inferior}
    rows = []
    for structure in scene.near(one.side):
        if len(structure.points) == 0:
            continue
        limit = own[structure.name] if through and structure.name in own else limit_mm(structure, rules)
        rows.append(
            Distance(
                structure=_name(structure),
                distance_mm=round(float(distance_to(structure, one, wish.tool.radius_mm)[0]), DIGITS),
                limit_mm=limit,
                source=structure.source,
            )
        )
    return tuple(rows)


def _name(structure: Structure) -> str:
    return f"vertebra {structure.name}" if structure.kind == "neighbour" else structure.name


def _breaches(checks: list[Check]) -> tuple[Breach, ...]:
    return tuple(
        Breach(check.code, round(float(check.found[0]), DIGITS), round(float(check.limit[0]), DIGITS))
        for check in checks
        if check.lack[0] > 0.0
    )


def _margins(columns: FloatArray) -> Margins:
    return Margins(**{name: round(float(columns[index]), DIGITS) for index, name in enumerate(ACROSS)})


def _known(length: float) -> float | None:
    return round(float(length), DIGITS) if np.isfinite(length) else None
