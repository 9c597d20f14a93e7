"""One step of one balloon: it crushes bone and opens its cavity, endplates move, and it goes on or ends."""

from __future__ import annotations

from dataclasses import replace

from endplate.balloon.filling import balanced, crushed_on, filled
from endplate.balloon.heights import left_open_ml, recoiled, told_step
from endplate.balloon.options import Stop
from endplate.balloon.site import Site
from endplate.balloon.state import State
from endplate.balloon.stops import Reached, stop_of
from endplate.sources import value


def one_step(site: Site, state: State, place: int, volume_ml: float) -> tuple[State, Stop | None]:
    """One step of one balloon, and why it should be the last."""
    own, device = site.options, site.tamps[place].device
    aim = min(state.volumes_ml[place] + own.step_ml, volume_ml)
    if "maximum volume" in own.heed:
        aim = min(aim, device.max_volume_ml)
    burst_factor = float(value("balloon.burst_factor"))
    limit = burst_factor * device.rated_pressure_mpa
    if "rated pressure" in own.heed:
        limit = device.rated_pressure_mpa
    done = filled(site, state, place, aim, limit, through_walls="wall contact" not in own.heed)
    held = aim
    if done.limited or done.breached:
        held = max(float(done.state.room_ml(site.bone.voxel_ml)[place]), state.volumes_ml[place])
    beside = crushed_on(site, _holding(done.state, place, held), place, limit)
    burst = (done.limited and limit > device.rated_pressure_mpa) or aim > burst_factor * device.max_volume_ml
    after = beside.state
    if burst:
        after = replace(after, burst=tuple(one or index == place for index, one in enumerate(state.burst)))
    step = told_step(site.bone, site.room, after, place, site.law)
    told = (*done.findings, *beside.findings)
    new = tuple(dict.fromkeys(one for one in told if one not in state.findings))
    after = replace(after, steps=(*state.steps, step), findings=(*state.findings, *new))
    reached = Reached(
        volume_ml=volume_ml,
        limited=done.limited,
        breached=done.breached,
        burst=burst,
        gain_mm=site.room.main_gain(after.lifted.lines_mm),
    )
    why = stop_of(site.bone, after, place, own, reached)
    if burst:
        after = let_off(site, after, place)
        step = told_step(site.bone, site.room, after, place, site.law)
        after = replace(after, steps=(*after.steps, step))
    return after, why


def let_off(site: Site, state: State, place: int) -> State:
    """Without the liquid in one balloon: its cavity stays, a part of the lift and of what it opened is lost."""
    after = _holding(state, place, 0.0)
    found = balanced(site, after)
    if found is None:
        return after
    lifted = recoiled(state.lifted, found.plates)
    opened = lifted.opened_ml.copy()
    opened[place] = min(opened[place], left_open_ml(lifted, state.response)[place])
    return replace(
        after,
        pressures_mpa=tuple(found.pressures_mpa.tolist()),
        lifted=replace(lifted, opened_ml=opened),
    )


def _holding(state: State, place: int, volume_ml: float) -> State:
    """With a volume in one balloon, and without pressure where that is none."""
    volumes, reached, pressures = list(state.volumes_ml), list(state.reached_ml), list(state.pressures_mpa)
    volumes[place] = volume_ml
    reached[place] = max(reached[place], volume_ml)
    if volume_ml == 0.0:
        pressures[place] = 0.0
    return replace(
        state, volumes_ml=tuple(volumes), reached_ml=tuple(reached), pressures_mpa=tuple(pressures)
    )
