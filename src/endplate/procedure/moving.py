"""Actions that move no cement: time that passes, needles that go in and out, a look."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from endplate.cement.model import Fill
from endplate.errors import UsageError
from endplate.planning.room_geometry import PathPoints
from endplate.procedure.actions import AdvanceNeedle, Pause, Shoot, WithdrawNeedle
from endplate.procedure.model import Needle, NeedleKey, Observation, State, Step, Told
from endplate.procedure.world import World
from endplate.sources import Finding, finding

STANDS = "The procedure stands as before this action."

DEEPEST_MM = 30.0
"""How far beyond its planned target a needle may be brought; farther is a slip of the pen."""


def pass_time(
    state: State, seconds: float, phase: str, level: str | None, world: World
) -> tuple[State, Observation]:
    """Let time pass: cement in bone goes on ageing.

    Raises
    ------
    UsageError
        ``time-backward``: a time that is negative or no number.
    """
    if not 0.0 <= seconds < math.inf:
        raise UsageError(
            "time-backward", f"{seconds:g} s is no time to wait.", intact=STANDS, do="Give seconds from 0 on."
        )
    after = state
    for name, fill in state.fills.items():
        if fill.injected_ml > 0.0:
            after = after.with_fill(
                name, aged(fill, seconds * world.cement(state.fill_cements[name]).body_rate)
            )
    steps = add_step(
        state.steps, Step(phase=phase, level=level, from_s=state.time_s, to_s=state.time_s + seconds)
    )
    after = replace(after, time_s=state.time_s + seconds, steps=steps)
    return after, Observation(at_s=after.time_s, took_s=seconds)


def aged(fill: Fill, equivalent_s: float) -> Fill:
    """The same cement some equivalent seconds later."""
    age = np.where(fill.saturation > 0.0, fill.age_s + equivalent_s, 0.0)
    return replace(fill, age_s=age)


def add_step(steps: tuple[Step, ...], step: Step) -> tuple[Step, ...]:
    """The timeline with one stretch more; equal neighbours become one."""
    if step.to_s <= step.from_s:
        return steps
    last = steps[-1] if steps else None
    if last is not None and (last.phase, last.level) == (step.phase, step.level):
        return (*steps[:-1], last.model_copy(update={"to_s": step.to_s}))
    return (*steps, step)


def tell(state: State, *found: Finding) -> State:
    """The state with something that happened now."""
    return replace(state, events=(*state.events, *(Told(at_s=state.time_s, finding=one) for one in found)))


def needle_at(state: State, key: NeedleKey, world: World) -> Needle:
    """A planned needle that has not been taken out.

    Raises
    ------
    UsageError
        ``level-not-planned``, ``needle-not-planned`` or ``needle-out``.
    """
    level, side = key
    world.level(level).path(side)
    needle = state.needles[key]
    if needle.out:
        raise UsageError(
            "needle-out",
            f"The {side} needle of {level} has been taken out.",
            intact=STANDS,
            do="Do this before the action withdraw.",
        )
    return needle


def refuse_balloon(state: State, key: NeedleKey, what: str) -> None:
    """Refuse what cannot be done while a balloon is in a needle.

    Raises
    ------
    UsageError
        ``balloon-in``.
    """
    balloons = state.balloons.get(key[0])
    if balloons is None or all(tamp.side != key[1] for tamp in balloons.tamps):
        return
    if balloons.volumes_ml[balloons.place(key[1])] > 0.0:
        raise UsageError(
            "balloon-in",
            f"{what} ({key[0]} {key[1]}).",
            intact=STANDS,
            do="Deflate the balloon first: it is then taken out.",
        )


def advance_needle(state: State, action: AdvanceNeedle, world: World) -> tuple[State, Observation]:
    """Bring a needle to a depth; the first time through the skin takes as long as docking."""
    key = (action.level, action.side)
    needle = needle_at(state, key, world)
    refuse_balloon(state, key, "A needle that holds a balloon cannot be moved")
    points = PathPoints.of(world.level(action.level).path(action.side))
    target = points.depth_mm(points.tip_ras_mm)
    if action.depth_mm > target + DEEPEST_MM:
        raise UsageError(
            "needle-too-deep",
            f"{action.depth_mm:g} mm is far beyond the target of the {action.side} needle.",
            intact=STANDS,
            do=f"Give a depth from the entry into bone in mm; the target is at {target:.1f} mm.",
        )
    settings = world.settings
    usual = settings.dock_s if needle.depth_mm is None else settings.advance_s
    takes = usual if action.takes_s is None else action.takes_s
    after, seen = pass_time(state, takes, "access", action.level, world)
    after = after.with_needle(key, replace(needle, depth_mm=action.depth_mm))
    if action.depth_mm > target + world.settings.past_target_mm:
        after = tell(
            after,
            finding(
                "needle-past-target", level=action.level, side=action.side, past=action.depth_mm - target
            ),
        )
    return after, seen


def shoot(state: State, action: Shoot, world: World) -> tuple[State, Observation]:
    """Look at a level: pose, time and dose are kept, and what shows of the cement."""
    level = world.level(action.level)
    takes = world.settings.shot_s if action.takes_s is None else action.takes_s
    phase = state.steps[-1].phase if state.steps else "access"
    after, seen = pass_time(state, takes, phase, action.level, world)
    exposure = level.exposures.get(action.view)
    if exposure is not None:
        after = replace(after, dose=state.dose.after(exposure, takes, lateral=action.view == "lateral"))
    look = world.look(
        action.view, world.level_in(after, action.level), after.fills[action.level], world.settings
    )
    return after, seen.model_copy(update={"seen": look})


def pause(state: State, action: Pause, world: World) -> tuple[State, Observation]:
    """Wait."""
    if action.reason == "turn" and state.steps:
        last = state.steps[-1]
        return pass_time(state, action.seconds, last.phase, last.level, world)
    return pass_time(state, action.seconds, "waiting", None, world)


def withdraw(state: State, action: WithdrawNeedle, world: World) -> tuple[State, Observation]:
    """Take a needle out.

    Raises
    ------
    UsageError
        ``needle-not-in``: it was never brought in.
    """
    key = (action.level, action.side)
    needle = needle_at(state, key, world)
    if needle.depth_mm is None:
        raise UsageError(
            "needle-not-in",
            f"The {action.side} needle of {action.level} is not in.",
            intact=STANDS,
            do="Advance it first, or leave the action out.",
        )
    refuse_balloon(state, key, "A needle that holds a balloon cannot be taken out")
    after, seen = pass_time(state, world.settings.withdraw_s, "withdrawal", action.level, world)
    return after.with_needle(key, replace(needle, out=True)), seen
