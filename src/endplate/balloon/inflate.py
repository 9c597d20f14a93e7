"""Inflation and deflation of the balloons of one level, step by step: the way through the room.

::

    bone = body_bone(image, labels, spine, "L1", calibration)
    site = prepare(bone, tamps_of_plan(plan, balloons), Options())
    state = start(site)
    state = inflate_to(site, state, "left", 3.0)
    state = inflate_to(site, state, "right", 3.0)
    state = deflate(site, state, "left")
    result, cavity = document(site, state), cavity_of(site, state)

Every function gives a new state and leaves the old one as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from endplate.anatomy.model import Side
from endplate.balloon.documents import Step
from endplate.balloon.heights import no_lift, told_step
from endplate.balloon.options import Stop
from endplate.balloon.site import Site, prepare
from endplate.balloon.state import State
from endplate.balloon.step import let_off, one_step
from endplate.balloon.stops import told_stop
from endplate.errors import UsageError

__all__ = ["Site", "deflate", "inflate_all", "inflate_to", "prepare", "start"]


def start(site: Site) -> State:
    """Folded balloons in their channels."""
    none = np.zeros_like(site.bone.body)
    count = len(site.tamps)
    return State(
        tamps=site.tamps,
        volumes_ml=(0.0,) * count,
        reached_ml=(0.0,) * count,
        pressures_mpa=(0.0,) * count,
        crushing_mpa=(0.0,) * count,
        cavities=tuple(none for _ in site.tamps),
        density_mgcc=site.bone.density_mgcc,
        lifted=no_lift(count),
        burst=(False,) * count,
        stopped=(None,) * count,
        findings=site.findings,
    )


def inflate_to(
    site: Site,
    state: State,
    side: Side,
    volume_ml: float,
    *,
    progress: Callable[[Step], None] | None = None,
) -> State:
    """Inflate one balloon by steps until a volume or a stop is reached.

    Raises
    ------
    UsageError
        ``balloon-not-there``, ``balloon-burst``, ``balloon-volume``: less than it holds, or no number.
    """
    place = state.place(side)
    if state.burst[place]:
        raise UsageError(
            "balloon-burst",
            f"The {side} balloon has burst.",
            intact="The balloons stand as before.",
            do="Deflate it, take it out and fill the cavity.",
        )
    if not (np.isfinite(volume_ml) and volume_ml >= state.volumes_ml[place]):
        raise UsageError(
            "balloon-volume",
            f"The {side} balloon holds {state.volumes_ml[place]:g} ml and cannot be inflated to {volume_ml:g} ml.",
            intact="The balloons stand as before.",
            do="Give a greater volume, or deflate it.",
        )
    why: Stop | None = None
    while why is None:
        state, why = one_step(site, state, place, volume_ml)
        if progress is not None:
            progress(state.steps[-1])
    stopped = tuple(why if index == place else before for index, before in enumerate(state.stopped))
    told = told_stop(site.bone, state, place, why, volume_ml)
    return replace(state, stopped=stopped, findings=(*state.findings, *told))


def deflate(site: Site, state: State, side: Side) -> State:
    """Deflate one balloon: its cavity stays, part of the lift is lost under the preload."""
    place = state.place(side)
    after = let_off(site, state, place)
    step = told_step(site.bone, site.room, after, place, site.law)
    return replace(after, steps=(*state.steps, step))


def inflate_all(
    site: Site,
    volumes_ml: Mapping[Side, float],
    *,
    deflated: bool = True,
    progress: Callable[[Step], None] | None = None,
) -> State:
    """Inflate all balloons in turn, one step each, and deflate them together at the end.

    Parameters
    ----------
    site:
        The prepared level.
    volumes_ml:
        To reach, by side.
    deflated:
        ``False`` leaves them inflated.
    progress:
        Told each step.
    """
    state = start(site)
    going = {side for side in volumes_ml if volumes_ml[side] > 0.0}
    for side in volumes_ml:
        state.place(side)
    while going:
        for tamp in site.tamps:
            side = tamp.side
            if side not in going:
                continue
            place = state.place(side)
            aim = min(volumes_ml[side], state.volumes_ml[place] + site.options.step_ml)
            state = inflate_to(site, state, side, aim, progress=progress)
            if state.stopped[place] != "operator" or aim >= volumes_ml[side]:
                going.discard(side)
    if deflated:
        for tamp in site.tamps:
            if not state.burst[state.place(tamp.side)]:
                state = deflate(site, state, tamp.side)
                if progress is not None:
                    progress(state.steps[-1])
    return state
