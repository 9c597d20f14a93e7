"""The engine: one action on a state gives a new state and what the operator perceives of it.

``act`` is pure. An action that cannot be done raises ``UsageError`` in words, and the state that was given stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from endplate.cement.model import empty
from endplate.errors import UsageError
from endplate.procedure import ballooning, injecting, moving
from endplate.procedure.actions import (
    Action,
    AdvanceNeedle,
    ChangeCement,
    Close,
    Deflate,
    Inflate,
    Inject,
    MixCement,
    Pause,
    Shoot,
    WithdrawNeedle,
)
from endplate.procedure.model import Needle, Observation, State
from endplate.procedure.world import World

Doing = Callable[[State, Any, World], tuple[State, Observation]]


def begin(world: World) -> State:
    """The patient on the table, no needle in, no cement mixed; the clock stands at the first skin puncture."""
    return State(
        time_s=0.0,
        needles=MappingProxyType({key: Needle() for key in world.needle_keys()}),
        fills=MappingProxyType({name: empty(level.medium) for name, level in world.levels.items()}),
        hollows=MappingProxyType(
            {name: level.hollow for name, level in world.levels.items() if level.hollow is not None}
        ),
    )


def act(state: State, action: Action, world: World) -> tuple[State, Observation]:
    """Do one action.

    Parameters
    ----------
    state:
        Before it; not changed.
    action:
        What is done.
    world:
        What it is done in.

    Returns
    -------
    The state after it, and what the operator perceives.

    Raises
    ------
    UsageError
        It cannot be done: another level or needle than planned, nothing mixed, a rate of zero, set cement, a tip
        outside the bone, a balloon that cannot be inflated where it lies or is in the way, or the skin is closed
        already.
    """
    if state.closed:
        raise UsageError(
            "procedure-closed",
            "The skin is closed; nothing more can be done.",
            intact="The procedure stands as it was closed.",
            do="Leave out what comes after the action close.",
        )
    after, seen = _DOING[type(action)](state, action, world)
    told = tuple(event.finding for event in after.events[len(state.events) :])
    return after, seen.model_copy(update={"findings": told})


def _close(state: State, _action: Close, world: World) -> tuple[State, Observation]:
    inside = [key for key, needle in state.needles.items() if needle.depth_mm is not None and not needle.out]
    if inside:
        named = ", ".join(f"{level} {side}" for level, side in inside)
        raise UsageError(
            "needle-still-in",
            f"The skin cannot be closed over a needle ({named}).",
            intact="The procedure stands as before this action.",
            do="Withdraw every needle first.",
        )
    after, seen = moving.pass_time(state, world.settings.close_s, "closure", None, world)
    return replace(after, closed=True), seen


_DOING: dict[type[Any], Doing] = {
    AdvanceNeedle: moving.advance_needle,
    Shoot: moving.shoot,
    Inflate: ballooning.inflate,
    Deflate: ballooning.deflate,
    MixCement: injecting.mix_cement,
    ChangeCement: injecting.change_cement,
    Inject: injecting.inject,
    Pause: moving.pause,
    WithdrawNeedle: moving.withdraw,
    Close: _close,
}
