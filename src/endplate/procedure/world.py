"""What a procedure happens in: the bones, the tools, the cements and the rules. Nothing of it changes during one.

The physics comes in as functions, so that the engine is the same over any of them: ``flow`` moves cement through bone,
``drop_pa`` gives what a cannula asks for, ``look`` says what a view shows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Side
from endplate.balloon.inflate import Site
from endplate.balloon.model import State as BalloonState
from endplate.cement.model import Fill, Flow, Medium, PowerLaw, Source
from endplate.errors import UsageError
from endplate.fluoroscopy.dose import Exposure
from endplate.imaging.geometry import FloatArray
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.planning.room_geometry import PathPoints
from endplate.planning.rules import Rules, load_rules
from endplate.procedure.actions import ViewName
from endplate.procedure.model import Hollow, NeedleKey, Seen, State
from endplate.procedure.times import Settings

Flowing = Callable[[Medium, Fill, tuple[Source, ...], PowerLaw, float, float], tuple[Fill, Flow]]
"""Medium, fill, sources, power law, seconds, and how many seconds cement ages in bone in one → fill and what it met."""


@dataclass(frozen=True, eq=False)
class Cement:
    """A cement as the engine needs it.

    Parameters
    ----------
    name:
        In the catalogue.
    power_law:
        Equivalent age → consistency and index.
    room_rate, body_rate:
        Equivalent seconds in one second at room and at body temperature.
    ready_s, end_s:
        Between which ages by the clock, at room temperature, it can be injected.
    """

    name: str
    power_law: PowerLaw
    room_rate: float
    body_rate: float
    ready_s: float
    end_s: float


@dataclass(frozen=True, eq=False)
class Tube:
    """The cannula of one needle.

    Parameters
    ----------
    inner_diameter_mm:
        At its tip.
    capacity_ml:
        Cement that it holds.
    drop_pa:
        Cement, its equivalent age in s and a rate in ml/min → pressure that the full cannula asks for.
    """

    inner_diameter_mm: float
    capacity_ml: float
    drop_pa: Callable[[Cement, float, float], float]


@dataclass(frozen=True, eq=False)
class Balloons:
    """The balloons of one level.

    Parameters
    ----------
    site:
        The body they are inflated in, and where each lies.
    hollowed:
        The bone that cement is pressed into, as their state leaves it.
    rules:
        For the gap that a working cannula leaves.
    """

    site: Site
    hollowed: Callable[[BalloonState], Hollow]
    rules: Rules = field(default_factory=load_rules)


@dataclass(frozen=True, eq=False)
class LevelWorld:
    """One level.

    Parameters
    ----------
    plan:
        Its plan, with at least one path.
    medium:
        Its bone.
    body:
        Voxels of the vertebral body, shape of the medium.
    front_of_wall_mm:
        How far each voxel's centre lies in front of the posterior wall on the true lateral view; negative: behind it.
    depth_mm:
        Of the body, from the posterior to the anterior wall.
    body_ml:
        Volume of the body.
    tubes:
        By side.
    exposures:
        What the tube gives in each view; empty: the dose is not counted.
    balloons:
        Where some are planned and can be inflated.
    no_balloons:
        Why those planned cannot be.
    hollow:
        The bone with a cavity that is there from the beginning.
    """

    plan: LevelPlan
    medium: Medium
    body: NDArray[np.bool_]
    front_of_wall_mm: FloatArray
    depth_mm: float
    body_ml: float
    tubes: Mapping[Side, Tube]
    exposures: Mapping[ViewName, Exposure] = field(default_factory=lambda: MappingProxyType({}))
    balloons: Balloons | None = None
    no_balloons: str | None = None
    hollow: Hollow | None = None

    def path(self, side: Side) -> NeedlePath:
        """The planned needle of a side; raises ``UsageError`` where there is none."""
        found = next((path for path in self.plan.paths if path.side == side), None)
        if found is None:
            raise UsageError(
                "needle-not-planned",
                f"{self.plan.level} has no planned needle on the {side} side.",
                intact="The procedure stands as before this action.",
                do=f"Use {' or '.join(path.side for path in self.plan.paths)}, or plan a needle there.",
            )
        return found

    def tip_ras_mm(self, side: Side, depth_mm: float) -> FloatArray:
        """Where a needle's tip is at a depth, shape (3,)."""
        points = PathPoints.of(self.path(side))
        return np.asarray(points.entry_ras_mm + depth_mm * points.direction_ras)

    def direction_ras(self, side: Side) -> FloatArray:
        """Unit vector from the skin to the tip."""
        return PathPoints.of(self.path(side)).direction_ras

    def lets_cement_in(self, point_ras_mm: FloatArray) -> bool:
        """Say whether cement can leave a needle whose tip is there."""
        inverse = np.linalg.inv(self.medium.affine)
        at = np.rint(inverse[:3, :3] @ point_ras_mm + inverse[:3, 3]).astype(int)
        if (at < 0).any() or (at >= self.medium.shape).any():
            return False
        i, j, k = (int(number) for number in at)
        open_there = self.medium.permeability_m2[:, i, j, k].max() > 0.0
        return bool(open_there and self.medium.porosity[i, j, k] > 0.0)


@dataclass(frozen=True, eq=False)
class World:
    """All that a procedure happens in.

    Parameters
    ----------
    levels:
        By name, in the order of the plan.
    cements:
        By name.
    flow:
        Moves cement through bone.
    look:
        View, level, fill → what the operator sees of the cement.
    settings:
        Times, pressures and rules.
    """

    levels: Mapping[str, LevelWorld]
    cements: Mapping[str, Cement]
    flow: Flowing
    look: Callable[[ViewName, LevelWorld, Fill, Settings], Seen]
    settings: Settings

    def level(self, name: str) -> LevelWorld:
        """One level; raises ``UsageError`` where it is not planned."""
        if name not in self.levels:
            raise UsageError(
                "level-not-planned",
                f"The plan has no needle at {name}.",
                intact="The procedure stands as before this action.",
                do=f"Planned with needles: {', '.join(self.levels) or 'no level'}.",
            )
        return self.levels[name]

    def cement(self, name: str) -> Cement:
        """One cement; raises ``UsageError`` where the catalogue has none of that name."""
        if name not in self.cements:
            raise UsageError(
                "cement-unknown",
                f"There is no cement {name!r} in the catalogue.",
                intact="The procedure stands as before this action.",
                do=f"Choose one of {', '.join(self.cements)}.",
            )
        return self.cements[name]

    def level_in(self, state: State, name: str) -> LevelWorld:
        """One level with its bone as balloons have left it; raises as :meth:`level` does."""
        level, hollow = self.level(name), state.hollows.get(name)
        return level if hollow is None else replace(level, medium=hollow.medium)

    def needle_keys(self) -> tuple[NeedleKey, ...]:
        """All planned needles."""
        return tuple((name, path.side) for name, level in self.levels.items() for path in level.plan.paths)
