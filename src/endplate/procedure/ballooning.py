"""Balloons in a procedure: inflated step by step under views, deflated and taken out.

A balloon lies where the plan put it; the working cannula must stand clear behind it. Each step of an inflation takes
its time, and the bone that cement is pressed into afterwards is the one that the balloons left.
"""

from __future__ import annotations

import math
from dataclasses import replace

from endplate.balloon.inflate import deflate as let_down
from endplate.balloon.inflate import inflate_to, start
from endplate.balloon.model import State as BalloonState
from endplate.balloon.tamps import check_tamps
from endplate.errors import UsageError
from endplate.procedure.actions import Deflate, Inflate
from endplate.procedure.model import Observation, State
from endplate.procedure.moving import STANDS, needle_at, pass_time, tell
from endplate.procedure.world import Balloons, World
from endplate.sources import Finding

PHASE = "balloon"


def inflate(state: State, action: Inflate, world: World) -> tuple[State, Observation]:
    """Inflate a balloon to a volume, until something stops it.

    Raises
    ------
    UsageError
        ``no-balloon``, ``balloon-after-cement``, ``balloon-in-cannula``, ``balloon-volume``, ``balloon-burst``, or what
        naming a level or needle raises.
    """
    balloons = _balloons(state, action, world)
    if state.fills[action.level].injected_ml > 0.0:
        raise UsageError(
            "balloon-after-cement",
            f"There is cement in {action.level}: what a balloon does to bone with cement in it is not known.",
            intact=STANDS,
            do="Inflate before the first cement.",
        )
    before = state.balloons.get(action.level) or start(balloons.site)
    place = before.place(action.side)
    first = before.reached_ml[place] == 0.0
    if first:
        _check_cannula(state, action, balloons, world)
    site = balloons.site
    if action.heedless:
        site = replace(site, options=replace(site.options, heed=frozenset()))
    after = inflate_to(site, before, action.side, action.volume_ml)
    done = after.steps[len(before.steps) :]
    settings = world.settings
    takes = (settings.balloon_place_s if first else 0.0) + settings.inflate_step_s * max(
        1,
        math.ceil(
            (after.reached_ml[place] - before.volumes_ml[place]) / balloons.site.options.step_ml - 1e-6
        ),
    )
    passed, seen = pass_time(state, takes, PHASE, action.level, world)
    # What preparing the balloons found is told once, with the first of them.
    known = () if not before.steps else before.findings
    passed = tell(_with(passed, action.level, after, balloons), *_new(known, after.findings))
    return passed, seen.model_copy(
        update={
            "balloon_ml": after.volumes_ml[place],
            "pressure_mpa": max((step.pressure_mpa.foam for step in done), default=None),
            "stopped": after.stopped[place],
        }
    )


def deflate(state: State, action: Deflate, world: World) -> tuple[State, Observation]:
    """Deflate a balloon and take it out; a part of the height goes back.

    Raises
    ------
    UsageError
        ``no-balloon``; ``balloon-not-in``: it was never inflated; or what naming a level or needle raises.
    """
    balloons = _balloons(state, action, world)
    before = state.balloons.get(action.level)
    if before is None or before.reached_ml[before.place(action.side)] == 0.0:
        raise UsageError(
            "balloon-not-in",
            f"The {action.side} balloon of {action.level} was not inflated.",
            intact=STANDS,
            do="Inflate it first, or leave the action out.",
        )
    after = let_down(balloons.site, before, action.side)
    passed, seen = pass_time(state, world.settings.deflate_s, PHASE, action.level, world)
    passed = tell(_with(passed, action.level, after, balloons), *_new(before.findings, after.findings))
    return passed, seen.model_copy(update={"balloon_ml": 0.0})


def _balloons(state: State, action: Inflate | Deflate, world: World) -> Balloons:
    """The balloons of a level, one of them in the needle of that side."""
    level = world.level(action.level)
    needle_at(state, (action.level, action.side), world)
    found = level.balloons
    if found is None or all(tamp.side != action.side for tamp in found.site.tamps):
        why = level.no_balloons or f"The plan of {action.level} has no balloon on the {action.side} side."
        raise UsageError(
            "no-balloon",
            why,
            intact=STANDS,
            do="Plan the level with --technique kyphoplasty, or leave the action out.",
        )
    return found


def _check_cannula(state: State, action: Inflate, balloons: Balloons, world: World) -> None:
    """Refuse a balloon whose working cannula is not in, or stands too near to it or around it."""
    depth = state.needles[(action.level, action.side)].depth_mm
    if depth is None:
        raise UsageError(
            "needle-not-in",
            f"The {action.side} needle of {action.level} is not in.",
            intact=STANDS,
            do="Advance it first: the balloon goes through it.",
        )
    end = world.level(action.level).tip_ras_mm(action.side, depth)
    site = balloons.site
    own = [replace(tamp, cannula_end_ras_mm=end) for tamp in site.tamps if tamp.side == action.side]
    check_tamps(site.bone, own, balloons.rules)


def _with(state: State, level: str, balloons: BalloonState, world: Balloons) -> State:
    return state.with_balloons(level, balloons, world.hollowed(balloons))


def _new(before: tuple[Finding, ...], after: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(one for one in dict.fromkeys(after) if one not in before)
