"""All corridors and tools of one side, in the order of the rules, until one gives a path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from endplate.anatomy.model import Side
from endplate.devices.cannulas import Cannula
from endplate.planning.access import Offer, Tried
from endplate.planning.axis_room import axis_room
from endplate.planning.kyphoplasty import NeedleRoom
from endplate.planning.model import Approach
from endplate.planning.path import NeedleAccess, Path, SearchResult, Wish
from endplate.planning.refusals import refusal_reason
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.search import search
from endplate.planning.targets import body_size
from endplate.sources import Finding

BEYOND_TIP_MM = 30.0
"""How far beyond the tip the room on the axis is measured; a body is not deeper."""


@dataclass(frozen=True)
class Attempt:
    """What is tried on a side.

    Parameters
    ----------
    tools, approaches:
        In the order in which they are tried; every tool before the next approach.
    channel_mm:
        Depth that must be free beyond the posterior wall by gauge; empty where no balloon is placed.
    """

    tools: tuple[Cannula, ...]
    approaches: tuple[Approach, ...]
    channel_mm: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SideResult:
    """What a side gave.

    Parameters
    ----------
    path, tool:
        The path and its cannula, ``None`` where there is none.
    candidates:
        Straight paths compared for it.
    tried:
        Every corridor and tool tried with its refusal.
    reasons:
        Why those before the path, or all of them, were refused.
    """

    side: Side
    path: Path | None
    tool: Cannula | None
    candidates: int
    tried: tuple[Tried, ...]
    reasons: tuple[Finding, ...]

    @property
    def code(self) -> str:
        """Code of the refusal: that of the first tool of the first corridor."""
        return next((item.code for item in self.tried if item.code is not None), "no-path")


def search_side(
    scene: LevelScene, side: Side, access: NeedleAccess, attempt: Attempt, rules: Rules
) -> SideResult:
    """Try every corridor with every tool on one side; the first path is taken."""
    tried: list[Tried] = []
    reasons: list[Finding] = []
    for approach in attempt.approaches:
        for tool in attempt.tools:
            wish = Wish(
                side=side,
                approach=approach,
                tool=tool,
                access=access,
                channel_mm=attempt.channel_mm.get(tool.gauge),
                tool_length_mm=tool.longest_mm,
            )
            result = search(scene, wish, rules)
            tried.append(Tried(approach, tool.gauge, result.refusal))
            if result.best is not None:
                return SideResult(side, result.best, tool, result.candidates, tuple(tried), tuple(reasons))
            reasons.append(refusal_reason(scene, wish, result, rules))
            if _hopeless(result):
                return SideResult(side, None, None, 0, tuple(tried), tuple(reasons))
    return SideResult(side, None, None, 0, tuple(tried), tuple(reasons))


def refuse(result: SideResult, code: str, reasons: Sequence[Finding]) -> SideResult:
    """The same side without its path, for a reason found later."""
    tried = (*(item for item in result.tried if item.code is not None), *_refused(result.tried, code))
    return replace(result, path=None, tool=None, tried=tried, reasons=(*result.reasons, *reasons))


def offer_of(scene: LevelScene, result: SideResult, offset_mm: float | None = None) -> Offer | None:
    """How the choice of access sees a side's path; ``offset_mm`` replaces the tip's distance from the midline."""
    path = result.path
    if path is None:
        return None
    size = body_size(scene)
    tip = scene.axes.to_local(path.tip_ras_mm)
    return Offer(
        side=result.side,
        gauge=path.gauge,
        clearance_mm=path.clearance_mm,
        medial_mm=path.margins_mm.medial,
        offset_mm=abs(float(tip[0]) - size.x_mid_mm) if offset_mm is None else offset_mm,
        half_width_mm=0.5 * size.width_mm,
        depth_fraction=(float(tip[1]) - size.back_mm) / max(size.front_mm - size.back_mm, 1e-6),
    )


def room_of(scene: LevelScene, path: Path) -> NeedleRoom:
    """The room on a path's axis in the body."""
    geometry = scene.geometry
    length = path.bone_to_tip_mm + BEYOND_TIP_MM
    room = axis_room(
        geometry.grid, geometry.body, geometry.surfaces, path.entry_ras_mm, path.direction_ras, length
    )
    return NeedleRoom(path.entry_ras_mm, path.direction_ras, path.bone_to_posterior_wall_mm, room)


def _hopeless(result: SearchResult) -> bool:
    """No other corridor or tool can help."""
    return result.refusal in ("no-pedicle", "vertebra-plana")


def _refused(tried: tuple[Tried, ...], code: str) -> tuple[Tried, ...]:
    return tuple(replace(item, code=code) for item in tried if item.code is None)
