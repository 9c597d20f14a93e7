"""A balloon filled to a volume: it crushes bone and opens its cavity until both together are that volume."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from endplate.balloon.balance import Balance, balance
from endplate.balloon.body import Mask
from endplate.balloon.compaction import compact
from endplate.balloon.growth import folded, grow
from endplate.balloon.heights import lifted_by
from endplate.balloon.lift import respond
from endplate.balloon.site import Site
from endplate.balloon.state import State
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.sources import Finding, finding

TURNS = 6
"""Times that bone is crushed in one step at most."""

FIRST_SHARE = 0.6
"""Of what a step adds, the part that is swept before it is known how far the walls give way."""

CAREFUL = 0.97
"""Of what would be swept by the last turn, so that the volume is come to from below."""

LEAST_ML, LEAST_VOXELS = 0.01, 2
"""Volumes nearer than either are the same."""


@dataclass(frozen=True, eq=False)
class Filled:
    """A balloon after one filling.

    Parameters
    ----------
    state:
        Of all balloons.
    limited, breached:
        The limit of pressure was met before the volume was; the shell was taken.
    findings:
        What there is to say of it.
    """

    state: State
    limited: bool
    breached: bool
    findings: tuple[Finding, ...]


def filled(
    site: Site, state: State, place: int, aim_ml: float, limit_mpa: float, *, through_walls: bool
) -> Filled:
    """Fill one balloon to a volume or a limit of pressure.

    Bone is swept in turns, from below: after each the body is solved anew, and what its walls gave way counts. In the
    end the pressure is that of the bone that was crushed, or as much less as the volume asks for. ``through_walls``:
    the shell may be taken where it gives way first.
    """
    bone, told = site.bone, dict[Finding, None]()
    channel = folded(bone, site.tamps[place]) & ~others(state, place)
    after = _with_cavity(_with_volume(state, place, aim_ml), place, state.cavities[place] | channel)
    after = _settled(site, after)
    share = 1.0 if site.resting is None else FIRST_SHARE
    short_ml = aim_ml - float(after.room_ml(bone.voxel_ml)[place])
    crushed, work = 0, 0.0
    limited = breached = False
    for _ in range(TURNS):
        before, count = after, int(np.count_nonzero(after.cavities[place]))
        growth = grow(
            bone,
            site.ground,
            site.tamps[place],
            after.cavities[place],
            others(after, place),
            count * bone.voxel_ml + share * max(short_ml, 0.0),
            limit_mpa,
            through_walls=through_walls,
        )
        taken = int(np.count_nonzero(growth.cavity)) - count
        crushed, work = crushed + taken, work + growth.pressure_mpa * taken
        limited, breached = growth.limited, growth.breached is not None
        after, roomy = _compacted(site, _with_cavity(after, place, growth.cavity))
        if not roomy:
            told[finding("balloon-bone-locked", level=bone.level)] = None
        # A balloon that finds no more room holds what it crushed at: endplates do not follow pressure without volume.
        pressure = work / crushed if crushed else before.crushing_mpa[place] or limit_mpa * limited
        after = replace(after, crushing_mpa=_changed(after.crushing_mpa, place, pressure))
        if taken or after.response is None:
            after, more = _solved(site, after)
            told.update(dict.fromkeys(more))
        after = _settled(site, after)
        left_ml = aim_ml - float(after.room_ml(bone.voxel_ml)[place])
        if limited or breached or left_ml <= _least_ml(site):
            break
        if taken:
            share = min(CAREFUL * taken * bone.voxel_ml / max(short_ml - left_ml, bone.voxel_ml), 1.0)
        short_ml = left_ml
    return Filled(after, limited, breached, tuple(told))


def crushed_on(site: Site, state: State, place: int, limit_mpa: float) -> Filled:
    """The other balloons after one was filled: closed, and left short of room by it, they crush bone too.

    That is so where the expected height holds the endplates back and the load on them shifts from balloon to balloon.
    They keep off the shell: only the balloon that is being filled breaks a wall.
    """
    told, bone = dict[Finding, None](), site.bone
    for other, volume_ml in enumerate(state.volumes_ml):
        short_ml = volume_ml - float(state.room_ml(bone.voxel_ml)[other])
        if other == place or volume_ml == 0.0 or short_ml <= _least_ml(site):
            continue
        done = filled(site, state, other, volume_ml, limit_mpa, through_walls=False)
        state = done.state
        told.update(dict.fromkeys(done.findings))
    return Filled(state, False, False, tuple(told))


def balanced(site: Site, state: State) -> Balance | None:
    """Pressures, cavities and endplates of the balloons as they are filled; ``None`` where that is not known."""
    if state.response is None:
        return None
    swept_ml = state.room_ml(site.bone.voxel_ml) - state.lifted.opened_ml
    volumes_ml = np.array(state.volumes_ml)
    most = np.where(volumes_ml > 0.0, state.crushing_mpa, 0.0)
    return balance(state.response, site.room, volumes_ml - swept_ml, most)


def others(state: State, place: int) -> Mask:
    """Voxels of the other balloon."""
    found = np.zeros_like(state.cavities[0])
    for index, cavity in enumerate(state.cavities):
        if index != place:
            found |= cavity
    return found


def _least_ml(site: Site) -> float:
    return max(LEAST_ML, LEAST_VOXELS * site.bone.voxel_ml)


def _settled(site: Site, state: State) -> State:
    """In balance; endplates and walls stay as they were where it is not known, and each balloon crushes."""
    found = balanced(site, state)
    if found is None:
        held = zip(state.crushing_mpa, state.volumes_ml, strict=True)
        return replace(state, pressures_mpa=tuple(mpa if ml > 0.0 else 0.0 for mpa, ml in held))
    return replace(
        state,
        pressures_mpa=tuple(found.pressures_mpa.tolist()),
        lifted=lifted_by(state.lifted, found.plates, found.opened_ml, site.room),
    )


def _solved(site: Site, state: State) -> tuple[State, tuple[Finding, ...]]:
    """The body with its present cavities solved anew."""
    if site.resting is None:
        return state, ()
    try:
        found = respond(
            site.bone,
            state.density_mgcc,
            site.crack,
            site.law,
            state.cavities,
            site.options.preload_n,
            resting=site.resting,
            near=state.response,
        )
    except (ConvergenceError, QualityGateError, UsageError) as error:
        why = finding("balloon-lift-unknown", level=site.bone.level, why=error.what)
        return replace(state, response=None), (why,)
    return replace(state, response=found), ()


def _compacted(site: Site, state: State) -> tuple[State, bool]:
    """Bone of voxels newly swept pushed into the bone round the cavities."""
    cavity = state.cavity
    swept = cavity & (state.density_mgcc > 0.0)
    density, roomy = compact(state.density_mgcc, swept, cavity, site.capacity_mgcc, site.bone.step_mm)
    return replace(state, density_mgcc=density), roomy


def _with_cavity(state: State, place: int, cavity: Mask) -> State:
    cavities = list(state.cavities)
    cavities[place] = cavity
    return replace(state, cavities=tuple(cavities))


def _with_volume(state: State, place: int, volume_ml: float) -> State:
    return replace(state, volumes_ml=_changed(state.volumes_ml, place, volume_ml))


def _changed(values: tuple[float, ...], place: int, to: float) -> tuple[float, ...]:
    return (*values[:place], to, *values[place + 1 :])
