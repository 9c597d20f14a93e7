"""One step of one balloon: it grows, bone is compacted, endplates move, and it goes on or ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from endplate.balloon.body import Mask
from endplate.balloon.compaction import compact
from endplate.balloon.growth import Growth, folded, grow
from endplate.balloon.heights import lifted_by, recoiled, told_step
from endplate.balloon.lift import Plates, press_plates
from endplate.balloon.options import Stop
from endplate.balloon.site import Site
from endplate.balloon.state import State
from endplate.balloon.stops import Reached, stop_of
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.sources import Finding, finding, value


def one_step(site: Site, state: State, place: int, volume_ml: float) -> tuple[State, Stop | None]:
    """One step of one balloon, and why it should be the last."""
    own, tamp = site.options, site.tamps[place]
    device = tamp.device
    aim = min(state.volumes_ml[place] + own.step_ml, volume_ml)
    if "maximum volume" in own.heed:
        aim = min(aim, device.max_volume_ml)
    burst_factor = float(value("balloon.burst_factor"))
    limit = burst_factor * device.rated_pressure_mpa
    if "rated pressure" in own.heed:
        limit = device.rated_pressure_mpa
    before: Mask = state.cavities[place] | (folded(site.bone, tamp) & ~_others(state, place))
    growth = _grown(site, state, place, before, aim, limit)
    short = growth.limited or growth.breached is not None
    held = float(np.count_nonzero(growth.cavity)) * site.bone.voxel_ml if short else aim
    held = max(held, state.volumes_ml[place])
    cavities = list(state.cavities)
    cavities[place] = growth.cavity
    after, roomy = _compacted(site, replace(state, cavities=tuple(cavities)))
    # A balloon that finds no more room holds what it crushed at: endplates do not follow pressure without volume.
    pressure = growth.pressure_mpa or state.pressures_mpa[place] or (limit if growth.limited else 0.0)
    burst = (
        growth.limited and limit > device.rated_pressure_mpa
    ) or aim > burst_factor * device.max_volume_ml
    after = _set(after, place, held, pressure)
    plates, told = moved_plates(site, after)
    if plates is not None:
        after = replace(after, lifted=lifted_by(state.lifted, plates, site.room))
    if burst:
        after = replace(after, burst=tuple(one or index == place for index, one in enumerate(state.burst)))
    if not roomy:
        told = (*told, finding("balloon-bone-locked", level=site.bone.level))
    step = told_step(site.bone, site.room, after, place, site.law)
    new = tuple(one for one in told if one not in state.findings)
    after = replace(after, steps=(*state.steps, step), findings=(*state.findings, *new))
    reached = Reached(
        volume_ml=volume_ml,
        limited=growth.limited,
        breached=growth.breached is not None,
        burst=burst,
        gain_mm=site.room.main_gain(after.lifted.lines_mm),
    )
    why = stop_of(site.bone, after, place, own, reached)
    if burst:
        after = _set(after, place, 0.0, 0.0)
        plates, _ = moved_plates(site, after)
        if plates is not None:
            after = replace(after, lifted=recoiled(after.lifted, plates))
        step = told_step(site.bone, site.room, after, place, site.law)
        after = replace(after, steps=(*after.steps, step))
    return after, why


def moved_plates(site: Site, state: State) -> tuple[Plates | None, tuple[Finding, ...]]:
    """Where the endplates would stand under the present pressures, against their place at rest."""
    if site.resting is None:
        return None, ()
    try:
        now = press_plates(
            site.bone,
            state.density_mgcc,
            site.crack,
            site.law,
            state.cavities,
            state.pressures_mpa,
            site.options.preload_n,
        )
    except (ConvergenceError, QualityGateError, UsageError) as error:
        return None, (finding("balloon-lift-unknown", level=site.bone.level, why=error.what),)
    return now.minus(site.resting), ()


def _grown(site: Site, state: State, place: int, before: Mask, aim: float, limit: float) -> Growth:
    return grow(
        site.bone,
        site.ground,
        site.tamps[place],
        before,
        _others(state, place),
        aim,
        limit,
        through_walls="wall contact" not in site.options.heed,
    )


def _others(state: State, place: int) -> Mask:
    """Voxels of the other balloon."""
    found = np.zeros_like(state.cavities[0])
    for index, cavity in enumerate(state.cavities):
        if index != place:
            found |= cavity
    return found


def _compacted(site: Site, state: State) -> tuple[State, bool]:
    """Bone of voxels newly swept pushed into the bone round the cavities."""
    cavity = state.cavity
    swept = cavity & (state.density_mgcc > 0.0)
    density, roomy = compact(state.density_mgcc, swept, cavity, site.capacity_mgcc, site.bone.step_mm)
    return replace(state, density_mgcc=density), roomy


def _set(state: State, place: int, volume_ml: float, pressure_mpa: float) -> State:
    volumes, reached, pressures = list(state.volumes_ml), list(state.reached_ml), list(state.pressures_mpa)
    volumes[place], pressures[place] = volume_ml, pressure_mpa
    reached[place] = max(reached[place], volume_ml)
    return replace(
        state, volumes_ml=tuple(volumes), reached_ml=tuple(reached), pressures_mpa=tuple(pressures)
    )
