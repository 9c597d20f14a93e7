"""Hard limits of a path, each with its code, what was found and what is asked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.planning.kernels import nearest
from endplate.planning.measure import Measures, distance_to, seated_at
from endplate.planning.needles import ACROSS, Needles
from endplate.planning.path import Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.structures import Structure
from endplate.sources import value

DEGREES_PER_MM = 5.0
"""How many degrees count as much as a millimetre when paths that lack something are compared."""

STRETCH_MM = 0.5
"""Least stretch of bone between seating and posterior wall over which margins are taken."""


@dataclass(frozen=True, eq=False)
class Check:
    """One limit over a batch; ``lack`` is positive where it is missed, in ``found``'s unit."""

    code: str
    found: FloatArray
    limit: FloatArray
    at_most: bool = False
    per_mm: float = 1.0
    """Units of ``found`` that count as a millimetre."""

    @property
    def lack(self) -> FloatArray:
        """By how much each needle misses the limit, shape (C,); what is not known is missed."""
        lack = self.found - self.limit if self.at_most else self.limit - self.found
        return np.where(np.isfinite(lack), lack, np.inf)


def _check(
    code: str,
    found: FloatArray,
    limit: FloatArray | float,
    *,
    at_most: bool = False,
    per_mm: float = 1.0,
) -> Check:
    return Check(
        code, found, np.broadcast_to(np.asarray(limit, dtype=np.float64), found.shape), at_most, per_mm
    )


def reaches(batch: Needles, rules: Rules, *, through: bool) -> NDArray[np.bool_]:
    """Needles that lie in bone from their entry to their tip and can be measured.

    Through the pedicle the entry lies behind the isthmus and a stretch is left between seating and posterior wall.
    """
    known: NDArray[np.bool_] = np.isfinite(batch.entry_at) & np.isfinite(batch.wall_at)
    if not through:
        return known
    stretch = batch.wall_at - seated_at(batch, rules)
    return known & (batch.entry_at < -1.0) & (np.nan_to_num(stretch, nan=-1.0) >= STRETCH_MM)


def angle_checks(scene: LevelScene, batch: Needles, wish: Wish, rules: Rules) -> list[Check]:
    """Limits of the direction: in the vertebra's frame, and of the C-arm about the patient."""
    search = rules.search
    world = scene.axes.direction_to_world(batch.directions)
    sideways = np.degrees(np.abs(np.arctan2(world[:, 0], world[:, 1])))
    upward = np.degrees(np.abs(np.arcsin(np.clip(world[:, 2], -1.0, 1.0))))
    most = search.convergence_max_deg.of(wish.access, scene.level)
    turn = {"at_most": True, "per_mm": DEGREES_PER_MM}
    return [
        _check("convergence", batch.convergence_deg, most, **turn),  # type: ignore[arg-type]
        _check("convergence", batch.convergence_deg, search.convergence_min_deg, per_mm=DEGREES_PER_MM),
        _check("craniocaudal", np.abs(batch.craniocaudal_deg), search.craniocaudal_max_deg, **turn),  # type: ignore[arg-type]
        _check("carm-reach", sideways, search.carm_reach_deg.lao_rao, **turn),  # type: ignore[arg-type]
        _check("carm-reach", upward, search.carm_reach_deg.cran_caud, **turn),  # type: ignore[arg-type]
    ]


def margin_checks(found: Measures, wish: Wish, rules: Rules) -> list[Check]:
    """Margins by direction, raw, and derated toward canal and root; the body in front of the wall."""
    hard = rules.search.margin_hard_mm
    least = value("search.derated_min_mm")
    through = wish.approach == "transpedicular"
    checks = []
    for column, name in enumerate(ACROSS):
        if name == "lateral" and not through:
            continue
        limit = getattr(hard, name)
        if not through and name in ("superior", "inferior"):
            limit = rules.search.keep_out_mm.foramen
        checks.append(_check(f"margin-{name}", found.raw[:, column], limit))
        if name in least:
            checks.append(_check(f"bound-{name}", found.derated[:, column], float(least[name])))
    checks.append(_check("margin-body", found.body, float(value("search.body_margin_mm"))))
    return checks


def tip_checks(scene: LevelScene, batch: Needles, found: Measures, wish: Wish, rules: Rules) -> list[Check]:
    """The tip's zone, the channel that must fit, and the posterior wall where it is passed."""
    clear = rules.search.tip_clearance_mm
    low = float(value("search.endplate_share")) * found.column
    endplate = np.minimum(clear.endplate, np.nan_to_num(low, nan=clear.endplate))
    checks = [
        _check("tip-anterior", found.anterior, clear.anterior),
        _check("tip-endplate", np.minimum(found.above, found.below), endplate),
        _check("tip-lateral", found.lateral, clear.lateral),
    ]
    if wish.channel_mm is not None:
        checks.append(_check("channel", found.depth - clear.anterior, wish.channel_mm))
    if len(scene.defects):
        zero = batch.wall_at
        off = nearest(scene.defects, batch.origins, batch.directions, zero, zero) - wish.tool.radius_mm
        checks.append(_check("wall-defect", off, float(value("search.defect_mm"))))
    return checks


def limit_mm(structure: Structure, rules: Rules) -> float:
    """Least distance of a cannula's surface from a structure."""
    other = value("search.keep_out_other_mm")
    if structure.kind in other:
        return float(other[structure.kind])
    limit: float = getattr(rules.search.keep_out_mm, structure.kind)
    return limit


def counts(structure: Structure, wish: Wish) -> bool:
    """Whether a structure's own limit is hard for an approach.

    Through the pedicle canal and foramina lie behind walls whose margins have their own limits.
    """
    if wish.approach == "transpedicular":
        return structure.kind not in ("canal", "foramen", "segmental_artery")
    return True


def keep_out_code(structure: Structure) -> str:
    """Refusal code of a structure."""
    named = {"neighbour": "neighbour-in-the-way", "facet": "facet", "implant": "implant-in-the-way"}
    return named.get(structure.kind, f"keep-out-{structure.kind.replace('_', '-')}")


def structure_checks(scene: LevelScene, batch: Needles, wish: Wish, rules: Rules) -> list[Check]:
    """Everything to keep away from between far behind the entry and the tip."""
    return [
        _check(keep_out_code(one), distance_to(one, batch, wish.tool.radius_mm), limit_mm(one, rules))
        for one in scene.near(batch.side)
        if counts(one, wish) and len(one.points)
    ]


def lacking_mm(checks: list[Check]) -> FloatArray:
    """All that each needle lacks, added up in mm, shape (C,)."""
    total: FloatArray = np.sum([np.maximum(check.lack, 0.0) / check.per_mm for check in checks], axis=0)
    return total
