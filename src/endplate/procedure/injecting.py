"""Cement: mixed, loaded, and pushed through a cannula into bone.

Notes
-----
A cannula is filled first and then passes cement on as it came, oldest first. The operator turns as fast as asked while
the pressure at the syringe, that of the cannula and that at the needle's tip, stays below what the injector reaches;
beyond, he slows down to what the limit lets through, and stops where hardly anything moves.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import numpy as np

from endplate.cement.model import Fill, Source
from endplate.errors import UsageError
from endplate.procedure.actions import ChangeCement, Inject, MixCement
from endplate.procedure.cannula_column import SMALL_ML, cannula_pa, column_after, rate_under_limit
from endplate.procedure.model import Mix, Needle, NeedleKey, Observation, Sample, Slug, State
from endplate.procedure.moving import STANDS, needle_at, pass_time, refuse_balloon, tell
from endplate.procedure.world import LevelWorld, World
from endplate.sources import finding
from endplate.units import PA_PER_MPA, S_PER_MIN

ARRIVED = 0.5
"""Saturation from which cement counts as having come."""


def mix_cement(state: State, action: MixCement, world: World) -> tuple[State, Observation]:
    """Mix a batch; its age counts from now."""
    world.cement(action.cement)
    volume = world.settings.mix_ml if action.volume_ml is None else action.volume_ml
    if volume <= 0.0:
        raise UsageError(
            "mix-empty", f"A mix of {volume:g} ml is none.", intact=STANDS, do="Give a volume above 0 ml."
        )
    begun = finding("cement-mixed", number=len(state.mixes), cement=action.cement, volume=volume)
    after, seen = pass_time(tell(state, begun), world.settings.mix_s, "mixing", None, world)
    after = replace(after, mixes=(*state.mixes, Mix(action.cement, state.time_s, volume)))
    return after, seen.model_copy(update={"age_s": after.age_s(len(state.mixes))})


def change_cement(state: State, action: ChangeCement, world: World) -> tuple[State, Observation]:
    """Load a syringe from a mix.

    Raises
    ------
    UsageError
        ``mix-unknown``, or ``cement-other``: the level holds cement of another kind.
    """
    key = (action.level, action.side)
    needle = needle_at(state, key, world)
    if not 0 <= action.mix < len(state.mixes):
        raise UsageError(
            "mix-unknown",
            f"There is no mix number {action.mix}.",
            intact=STANDS,
            do=f"Mixed so far: {len(state.mixes)}; the first is number 0.",
        )
    _same_kind(state, action.level, state.mixes[action.mix].cement)
    after, seen = pass_time(state, world.settings.load_s, "mixing", action.level, world)
    after = after.with_needle(key, replace(needle, loaded=action.mix))
    return after, seen.model_copy(update={"age_s": after.age_s(action.mix)})


def inject(state: State, action: Inject, world: World) -> tuple[State, Observation]:
    """Push cement, in substeps, until the volume is in or nothing moves.

    Raises
    ------
    UsageError
        ``rate-zero``, ``volume-zero``, ``cement-none``, ``cement-short``, ``cement-set``, ``cement-other``,
        ``tip-outside``, or what naming a level or needle raises.
    """
    key = (action.level, action.side)
    needle = needle_at(state, key, world)
    level = world.level_in(state, action.level)
    refuse_balloon(state, key, "Cement cannot be injected through a needle that holds a balloon")
    _check(action, needle, level)
    start, state = state, _loaded(state, key, world)
    mix_number = state.needles[key].loaded or 0
    mix = state.mixes[mix_number]
    cement = world.cement(mix.cement)
    _same_kind(state, action.level, mix.cement)
    if mix.taken_ml + action.volume_ml > mix.volume_ml + SMALL_ML:
        raise UsageError(
            "cement-short",
            f"Mix {mix_number} has {mix.volume_ml - mix.taken_ml:.1f} ml left; {action.volume_ml:g} ml are asked for.",
            intact=STANDS,
            do="Mix anew and change the cement.",
        )
    _refuse_set(state, key, world)
    if state.age_s(mix_number) < cement.ready_s:
        state = tell(
            state,
            finding(
                "cement-not-ready",
                level=action.level,
                age=state.age_s(mix_number) / S_PER_MIN,
                ready=cement.ready_s / S_PER_MIN,
            ),
        )
    left, rate, peak, stalled = action.volume_ml, action.rate_ml_min, 0.0, False
    while left > SMALL_ML:
        if state.age_s(mix_number) > cement.end_s:
            age = state.age_s(mix_number) / S_PER_MIN
            state = tell(state, finding("injection-late", level=action.level, side=action.side, age=age))
            break
        portion = min(left, world.settings.substep_ml)
        rate = rate_under_limit(state, key, portion, action.rate_ml_min, world)
        if rate < world.settings.stall_ml_min:
            state, peak, stalled = _stalled(state, key, world), world.settings.pressure_limit_pa, True
            break
        state, pressure = _push(state, key, portion, rate, world)
        left, peak = left - portion, max(peak, pressure)
    return state, Observation(
        at_s=state.time_s,
        took_s=state.time_s - start.time_s,
        pushed_ml=action.volume_ml - max(left, 0.0),
        rate_ml_min=0.0 if stalled else rate,
        pressure_mpa=peak / PA_PER_MPA,
        stalled=stalled,
        age_s=state.age_s(mix_number),
    )


def _check(action: Inject, needle: Needle, level: LevelWorld) -> None:
    for name, number, unit in (("rate", action.rate_ml_min, "ml/min"), ("volume", action.volume_ml, "ml")):
        if number <= 0.0:
            raise UsageError(
                f"{name}-zero",
                f"A {name} of {number:g} {unit} injects nothing.",
                intact=STANDS,
                do=f"Give a {name} above 0 {unit}, or pause.",
            )
    inside = needle.depth_mm is not None and level.lets_cement_in(
        level.tip_ras_mm(action.side, needle.depth_mm)
    )
    if not inside:
        raise UsageError(
            "tip-outside",
            f"The tip of the {action.side} needle does not lie in bone that takes cement.",
            intact=STANDS,
            do="Advance the needle along its path into the vertebral body first.",
        )


def _loaded(state: State, key: NeedleKey, world: World) -> State:
    """The syringe filled from the newest mix where it holds none yet."""
    if state.needles[key].loaded is not None:
        return state
    if not state.mixes:
        raise UsageError("cement-none", "No cement has been mixed.", intact=STANDS, do="Mix cement first.")
    newest = len(state.mixes) - 1
    return change_cement(state, ChangeCement(level=key[0], side=key[1], mix=newest), world)[0]


def _same_kind(state: State, level: str, cement: str) -> None:
    before = state.fill_cements.get(level)
    if before not in (None, cement):
        raise UsageError(
            "cement-other",
            f"{level} holds {before} cement, and {cement} cement is loaded.",
            intact=STANDS,
            do="Mix the same cement for one level.",
        )


def _refuse_set(state: State, key: NeedleKey, world: World) -> None:
    """Neither the cement in the syringe nor any in the cannula may be past its working time."""
    needle = state.needles[key]
    for mix in dict.fromkeys((*(slug.mix for slug in needle.column), needle.loaded or 0)):
        age, end = state.age_s(mix), world.cement(state.mixes[mix].cement).end_s
        if age > end:
            raise UsageError(
                "cement-set",
                f"Mix {mix} is {age / S_PER_MIN:.1f} min old; its working time is {end / S_PER_MIN:.1f} min.",
                intact=STANDS,
                do="Stop; or, where the cannula holds none of it, mix anew and change the cement.",
            )


def _push(
    state: State, key: NeedleKey, volume_ml: float, rate_ml_min: float, world: World
) -> tuple[State, float]:
    """One substep: cement into the cannula, and what it displaces into bone; the pressure at the syringe in Pa."""
    name, side = key
    needle = state.needles[key]
    mix_number = needle.loaded or 0
    seconds = S_PER_MIN * volume_ml / rate_ml_min
    column, leaving = column_after(state, key, volume_ml, world)
    into_bone = sum(slug.volume_ml for slug in leaving)
    pressure, nozzle = cannula_pa(state, column, world.level(name).tubes[side], rate_ml_min, world), 0.0
    if into_bone > SMALL_ML:
        share = min(into_bone / volume_ml, 1.0)
        passing = _priming(state, (1.0 - share) * seconds, name, world)
        fill, nozzle = _into_bone(passing, key, leaving, share * seconds, world)
        passing = _flowed(passing, name, fill, share * seconds, world)
        cement = state.mixes[leaving[-1].mix].cement
        passing = replace(passing, fill_cements=MappingProxyType({**passing.fill_cements, name: cement}))
    else:
        passing = _priming(state, seconds, name, world)
    pressure += nozzle
    after = passing.with_needle(
        key,
        replace(
            needle,
            column=column,
            pushed_ml=needle.pushed_ml + volume_ml,
            into_bone_ml=needle.into_bone_ml + into_bone,
            resistance_pa_min_ml=nozzle / rate_ml_min
            if into_bone > SMALL_ML
            else needle.resistance_pa_min_ml,
            peak_pa=max(needle.peak_pa, pressure),
        ),
    )
    taken = replace(after.mixes[mix_number], taken_ml=after.mixes[mix_number].taken_ml + volume_ml)
    after = replace(after, mixes=(*after.mixes[:mix_number], taken, *after.mixes[mix_number + 1 :]))
    return _sampled(after, key, rate_ml_min, pressure, nozzle), pressure


def _stalled(state: State, key: NeedleKey, world: World) -> State:
    """Nothing moves: the injector is at its limit."""
    needle, limit = state.needles[key], world.settings.pressure_limit_pa
    age = state.age_s(needle.loaded or 0) / S_PER_MIN
    said = finding("injection-stalled", level=key[0], side=key[1], age=age, limit=limit / PA_PER_MPA)
    return tell(state.with_needle(key, replace(needle, peak_pa=max(needle.peak_pa, limit))), said)


def _into_bone(
    state: State, key: NeedleKey, leaving: tuple[Slug, ...], seconds: float, world: World
) -> tuple[Fill, float]:
    """Cement leaves the tip: the level's fill, and the pressure there."""
    name, side = key
    level, needle = world.level_in(state, name), state.needles[key]
    volume = sum(slug.volume_ml for slug in leaving)
    cement = world.cement(state.mixes[leaving[-1].mix].cement)
    age = sum(slug.volume_ml * state.age_s(slug.mix) for slug in leaving) / volume * cement.room_rate
    source = Source(
        tip_ras_mm=level.tip_ras_mm(side, needle.depth_mm or 0.0),
        direction_ras=level.direction_ras(side),
        inner_diameter_mm=level.tubes[side].inner_diameter_mm,
        rate_ml_min=S_PER_MIN * volume / seconds,
        age_s=age,
    )
    fill, flow = world.flow(
        level.medium, state.fills[name], (source,), cement.power_law, seconds, cement.body_rate
    )
    return fill, flow.nozzle_pa[0]


def _priming(state: State, seconds: float, level: str, world: World) -> State:
    """Time passes while the cannula fills."""
    return pass_time(state, seconds, "injection", level, world)[0]


def _flowed(state: State, level: str, fill: Fill, seconds: float, world: World) -> State:
    """Time passed while cement flowed into one level: the others age, this one is as the flow left it."""
    after = pass_time(state, seconds, "injection", level, world)[0]
    before = state.arrivals.get(level)
    came = np.full(fill.saturation.shape, np.nan) if before is None else before
    came = np.where(np.isnan(came) & (fill.saturation >= ARRIVED), after.time_s, came)
    return replace(
        after.with_fill(level, fill),
        arrivals=MappingProxyType({**state.arrivals, level: came}),
    )


def _sampled(state: State, key: NeedleKey, rate: float, pressure_pa: float, nozzle_pa: float) -> State:
    """The curves with one point more."""
    name, side = key
    fill, needles = state.fills[name], state.level_needles(name).values()
    sample = Sample(
        at_s=state.time_s,
        side=side,
        age_s=state.age_s(state.needles[key].loaded or 0),
        rate_ml_min=rate,
        pressure_mpa=pressure_pa / PA_PER_MPA,
        bone_pressure_mpa=nozzle_pa / PA_PER_MPA,
        delivered_ml=state.delivered_ml(name),
        in_bone_ml=sum(needle.into_bone_ml for needle in needles) - sum(fill.leaked_ml),
        leaked_ml=fill.leaked_ml,
    )
    samples = (*state.samples.get(name, ()), sample)
    return replace(state, samples=MappingProxyType({**state.samples, name: samples}))
