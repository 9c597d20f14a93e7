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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.balloon.compaction import capacity_mgcc, compact
from endplate.balloon.crack import Crack, crack_of
from endplate.balloon.growth import Growth, Terrain, folded, grow, terrain
from endplate.balloon.heights import Room, lifted_by, no_lift, recoiled, room_above, told_step
from endplate.balloon.lift import Plates, press_plates
from endplate.balloon.model import Bone, Mask, Options, State, Step, Stop, Tamp
from endplate.balloon.stops import Reached, stop_of, told_stop
from endplate.balloon.tamps import check_tamps
from endplate.errors import ConvergenceError, QualityGateError, UsageError
from endplate.mechanics.laws import DensityLaw, density_law
from endplate.planning.rules import Rules
from endplate.sources import Finding, finding, value

NO_LIMIT_MPA = 1e3
"""Pressure that no bone asks for."""


@dataclass(frozen=True, eq=False)
class Site:
    """All that stays the same while the balloons of one level are inflated.

    Parameters
    ----------
    bone, tamps, options:
        As given.
    law:
        Density → crushing stress and stiffness.
    ground:
        What the bone opposes.
    capacity_mgcc:
        How dense each voxel may become.
    crack:
        The broken zone.
    resting:
        The endplates under the preload alone; ``None`` where they are whole: then they do not move.
    room:
        How far they may rise.
    findings:
        What preparing it found.
    """

    bone: Bone
    tamps: tuple[Tamp, ...]
    options: Options
    law: DensityLaw
    ground: Terrain
    capacity_mgcc: FloatArray
    crack: Crack
    resting: Plates | None
    room: Room
    findings: tuple[Finding, ...]


def prepare(
    bone: Bone, tamps: Sequence[Tamp], options: Options | None = None, rules: Rules | None = None
) -> Site:
    """Check the balloons and work out what does not change.

    Raises
    ------
    UsageError
        A balloon that cannot be inflated where it lies (see :func:`endplate.balloon.tamps.check_tamps`), or a body
        whose heights were not measured (``balloon-no-heights``).
    ConvergenceError, QualityGateError
        The body cannot carry its preload.
    """
    own = options or Options()
    check_tamps(bone, tamps, rules)
    law = density_law(own.law)
    broken = own.crack if isinstance(own.crack, bool) else bone.shape is not None
    shape = (bone.shape or "crush") if broken else None
    middles = np.array([tamp.middle_ras_mm for tamp in tamps])
    crack = crack_of(bone, shape, float(bone.axes.to_local(middles)[:, 2].mean()))
    resting = None
    if shape is not None:
        resting = press_plates(bone, bone.density_mgcc, crack, law, (), (), own.preload_n)
    room = room_above(bone, own.posture)
    told = list(bone.findings)
    if shape is None:
        told.append(finding("balloon-no-crack", level=bone.level))
    if room.posture_mm.any():
        gain = dict(zip(("anterior", "middle", "posterior"), room.posture_mm, strict=True))
        told.append(finding("balloon-posture-input", level=bone.level, **gain))
    for tamp in tamps:
        if tamp.device.recalled:
            told.append(finding("balloon-recalled-device", level=bone.level, name=tamp.device.name))
    return Site(
        bone,
        tuple(tamps),
        own,
        law,
        terrain(bone, law),
        capacity_mgcc(bone.density_mgcc, bone.body, bone.step_mm),
        crack,
        resting,
        room,
        tuple(dict.fromkeys(told)),
    )


def start(site: Site) -> State:
    """Folded balloons in their channels."""
    none = np.zeros_like(site.bone.body)
    count = len(site.tamps)
    return State(
        tamps=site.tamps,
        volumes_ml=(0.0,) * count,
        reached_ml=(0.0,) * count,
        pressures_mpa=(0.0,) * count,
        cavities=tuple(none for _ in site.tamps),
        density_mgcc=site.bone.density_mgcc,
        lifted=no_lift(),
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
        state, why = _one_step(site, state, place, volume_ml)
        if progress is not None:
            progress(state.steps[-1])
    stopped = tuple(why if index == place else before for index, before in enumerate(state.stopped))
    told = told_stop(site.bone, state, place, why, volume_ml)
    return replace(state, stopped=stopped, findings=(*state.findings, *told))


def deflate(site: Site, state: State, side: Side) -> State:
    """Deflate one balloon: its cavity stays, part of the lift is lost under the preload."""
    place = state.place(side)
    volumes, pressures = list(state.volumes_ml), list(state.pressures_mpa)
    volumes[place] = pressures[place] = 0.0
    after = replace(state, volumes_ml=tuple(volumes), pressures_mpa=tuple(pressures))
    plates, told = _plates(site, after)
    if plates is not None:
        after = replace(after, lifted=recoiled(state.lifted, plates))
    step = told_step(site.bone, site.room, after, place, site.law)
    return replace(after, steps=(*state.steps, step), findings=(*state.findings, *told))


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


def _one_step(site: Site, state: State, place: int, volume_ml: float) -> tuple[State, Stop | None]:
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
    plates, told = _plates(site, after)
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
        plates, _ = _plates(site, after)
        if plates is not None:
            after = replace(after, lifted=recoiled(after.lifted, plates))
        step = told_step(site.bone, site.room, after, place, site.law)
        after = replace(after, steps=(*after.steps, step))
    return after, why


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


def _plates(site: Site, state: State) -> tuple[Plates | None, tuple[Finding, ...]]:
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
