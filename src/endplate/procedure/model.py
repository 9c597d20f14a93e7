"""The state of a procedure and what the operator perceives of it.

Two clocks: ``time_s`` counts from the first skin puncture; a mix of cement has its own age since its mixing began, by
the hands of a clock and, for its viscosity, as equivalent seconds at the reference temperature of its law. Cement in
the syringe and in a cannula is at room temperature, cement in bone at that of the body.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from endplate.anatomy.model import Document, Side
from endplate.balloon.model import State as BalloonState
from endplate.cement.cavity import Opening
from endplate.cement.model import ROUTES, Fill, Medium
from endplate.fluoroscopy.dose import Dose
from endplate.imaging.geometry import FloatArray
from endplate.procedure.actions import ViewName
from endplate.sources import Finding

NeedleKey = tuple[str, Side]
"""A level and a side."""


@dataclass(frozen=True)
class Mix:
    """One batch of cement.

    Parameters
    ----------
    cement:
        Its name in the catalogue.
    mixed_at_s:
        When mixing began, on the clock of the procedure.
    volume_ml, taken_ml:
        How much there was, and how much has left it into cannulas.
    """

    cement: str
    mixed_at_s: float
    volume_ml: float
    taken_ml: float = 0.0


@dataclass(frozen=True)
class Slug:
    """Cement of one mix on its way through a cannula."""

    mix: int
    volume_ml: float


@dataclass(frozen=True)
class Needle:
    """One needle.

    Parameters
    ----------
    depth_mm:
        Of its tip along the planned path, from the entry into bone; ``None``: not yet through the skin.
    column:
        Cement in the cannula, that nearest to the tip first.
    loaded:
        Number of the mix in its syringe; ``None``: none yet.
    pushed_ml:
        Cement that has left its syringe.
    into_bone_ml:
        Cement that has left its tip.
    resistance_pa_min_ml:
        What the bone answered the last injection with: pressure at the tip for each ml/min.
    peak_pa:
        Greatest pressure at the syringe so far.
    out:
        Withdrawn for good.
    """

    depth_mm: float | None = None
    column: tuple[Slug, ...] = ()
    loaded: int | None = None
    pushed_ml: float = 0.0
    into_bone_ml: float = 0.0
    resistance_pa_min_ml: float = 0.0
    peak_pa: float = 0.0
    out: bool = False

    @property
    def column_ml(self) -> float:
        """Cement in the cannula."""
        return sum(slug.volume_ml for slug in self.column)


class SeenLeak(Document):
    """A leak as the operator sees it: where, and how much of it shows."""

    kind: str
    """``"canal"``, ``"disc"``, ``"vein"`` or ``"outside"``."""
    volume_ml: float


class Seen(Document):
    """What one view shows of the cement.

    ``depth_share`` is how far the hindmost cement that can be seen lies in front of the posterior wall, as a share of
    the body's depth, and ``to_wall_mm`` the same in mm; ``None`` where no cement can be seen, or not on this view.
    """

    view: ViewName
    depth_share: float | None = None
    to_wall_mm: float | None = None
    leaks: tuple[SeenLeak, ...] = ()

    def leak_ml(self, kind: str) -> float:
        """What shows of one kind of leak."""
        return sum(leak.volume_ml for leak in self.leaks if leak.kind == kind)


class Observation(Document):
    """What the operator perceives of one action.

    ``pressure_mpa`` is the greatest at the syringe or in the balloon and ``rate_ml_min`` what cement was pushed at in
    the end; ``age_s`` is the age of the cement in use by the clock; ``balloon_ml`` is what the balloon holds after the
    action and ``stopped`` why its inflation ended (``"operator"``: the volume asked for is reached).
    """

    at_s: float
    """When the action was over."""
    took_s: float
    pushed_ml: float | None = None
    rate_ml_min: float | None = None
    pressure_mpa: float | None = None
    stalled: bool = False
    age_s: float | None = None
    balloon_ml: float | None = None
    stopped: str | None = None
    seen: Seen | None = None
    findings: tuple[Finding, ...] = ()


class Sample(Document):
    """One point of the curves of a level: what the pressure gauge and the model said after a portion."""

    at_s: float
    side: Side
    age_s: float
    rate_ml_min: float
    pressure_mpa: float
    bone_pressure_mpa: float
    delivered_ml: float
    """From all syringes of the level so far."""
    in_bone_ml: float
    leaked_ml: tuple[float, ...] = (0.0,) * len(ROUTES)
    """So far, by route, in the order of :data:`endplate.cement.model.ROUTES`."""


class Step(Document):
    """A stretch of the procedure's time."""

    phase: str
    """``"access"``, ``"balloon"``, ``"mixing"``, ``"injection"``, ``"waiting"``, ``"withdrawal"`` or ``"closure"``."""
    level: str | None
    from_s: float
    to_s: float


class Told(Document):
    """Something that happened, and when."""

    at_s: float
    finding: Finding


@dataclass(frozen=True, eq=False)
class Hollow:
    """A bone with what balloons did to it.

    Parameters
    ----------
    opening:
        What they did.
    medium:
        The bone with it, as cement finds it.
    cavity:
        Share of each of its voxels that is open cavity, shape of the medium.
    """

    opening: Opening
    medium: Medium
    cavity: FloatArray


def _no_samples() -> Mapping[str, tuple[Sample, ...]]:
    return MappingProxyType({})


def _no_balloons() -> Mapping[str, BalloonState]:
    return MappingProxyType({})


def _no_hollows() -> Mapping[str, Hollow]:
    return MappingProxyType({})


@dataclass(frozen=True, eq=False)
class State:
    """Everything that changes during a procedure.

    Parameters
    ----------
    time_s:
        Since the first skin puncture.
    needles:
        By level and side.
    mixes:
        In the order in which they were mixed.
    fills:
        How far cement has come, by level.
    fill_cements:
        Name of the cement in each level that has some.
    arrivals:
        By level, the time at which cement came to each voxel; NaN where it did not. Shape of the level's medium.
    dose:
        The read-out of the C-arm.
    steps, events:
        The timeline, and what happened.
    samples:
        The curves, by level.
    balloons:
        By level, where any was inflated.
    hollows:
        The bone as balloons have left it, by level.
    closed:
        The procedure is over.
    """

    time_s: float
    needles: Mapping[NeedleKey, Needle]
    fills: Mapping[str, Fill]
    mixes: tuple[Mix, ...] = ()
    fill_cements: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    arrivals: Mapping[str, FloatArray] = field(default_factory=lambda: MappingProxyType({}))
    dose: Dose = field(default_factory=Dose)
    steps: tuple[Step, ...] = ()
    events: tuple[Told, ...] = ()
    samples: Mapping[str, tuple[Sample, ...]] = field(default_factory=_no_samples)
    balloons: Mapping[str, BalloonState] = field(default_factory=_no_balloons)
    hollows: Mapping[str, Hollow] = field(default_factory=_no_hollows)
    closed: bool = False

    def with_needle(self, key: NeedleKey, needle: Needle) -> State:
        """The same with one needle changed."""
        return replace(self, needles=MappingProxyType({**self.needles, key: needle}))

    def with_balloons(self, level: str, balloons: BalloonState, hollow: Hollow) -> State:
        """The same with one level's balloons changed, and its bone with them."""
        return replace(
            self,
            balloons=MappingProxyType({**self.balloons, level: balloons}),
            hollows=MappingProxyType({**self.hollows, level: hollow}),
        )

    def with_fill(self, level: str, fill: Fill) -> State:
        """The same with one level's cement changed."""
        return replace(self, fills=MappingProxyType({**self.fills, level: fill}))

    def level_needles(self, level: str) -> dict[NeedleKey, Needle]:
        """The needles of one level, in the order of the plan."""
        return {key: needle for key, needle in self.needles.items() if key[0] == level}

    def delivered_ml(self, level: str) -> float:
        """Cement that left the level's syringes."""
        return sum(needle.pushed_ml for needle in self.level_needles(level).values())

    def age_s(self, mix: int) -> float:
        """Age of a mix by the clock."""
        return self.time_s - self.mixes[mix].mixed_at_s
