"""The engine on a block of bone: clocks, cannulas, stalls, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.procedure.actions import (
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
from endplate.procedure.engine import act, begin
from endplate.procedure.model import State
from endplate.procedure.world import World

AT = {"level": "L1", "side": "left"}


def play(world: World, *actions: Any) -> State:
    state = begin(world)
    for action in actions:
        state, _ = act(state, action, world)
    return state


def ready(world: World) -> State:
    return play(
        world,
        AdvanceNeedle(**AT, depth_mm=41.0),
        MixCement(cement="medium-viscosity"),
        Pause(seconds=120.0),
    )


def test_two_clocks(make_world: Callable[..., World]) -> None:
    world = make_world()
    state = ready(world)
    assert state.time_s == world.settings.dock_s + world.settings.mix_s + 120.0
    assert state.age_s(0) == world.settings.mix_s + 120.0, "cement ages from the start of mixing"
    state, seen = act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=1.0), world)
    assert seen.took_s == pytest.approx(world.settings.load_s + 20.0)
    assert seen.age_s == pytest.approx(state.age_s(0))
    in_bone = state.fills["L1"].age_s[state.fills["L1"].saturation > 0.0]
    state, _ = act(state, Pause(seconds=60.0), world)
    later = state.fills["L1"].age_s[state.fills["L1"].saturation > 0.0]
    assert np.allclose(later - in_bone, 120.0), "twice as fast in bone as in the room"


def test_the_cannula_fills_before_the_bone(make_world: Callable[..., World]) -> None:
    world = make_world()
    state, seen = act(ready(world), Inject(**AT, rate_ml_min=3.0, volume_ml=0.5), world)
    assert state.fills["L1"].injected_ml == 0.0
    assert state.needles["L1", "left"].column_ml == pytest.approx(0.5)
    full = seen.pressure_mpa
    state, seen = act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=0.7), world)
    needle = state.needles["L1", "left"]
    assert state.fills["L1"].injected_ml == pytest.approx(0.7, abs=1e-12)
    assert needle.pushed_ml == pytest.approx(needle.column_ml + needle.into_bone_ml, abs=1e-12)
    assert seen.pressure_mpa is not None
    assert full is not None
    assert seen.pressure_mpa > full


def test_a_second_mix_pushes_the_first_ahead(make_world: Callable[..., World]) -> None:
    world = make_world()
    state, _ = act(ready(world), Inject(**AT, rate_ml_min=3.0, volume_ml=0.6), world)
    for action in (MixCement(cement="medium-viscosity"), Pause(seconds=130.0), ChangeCement(**AT, mix=1)):
        state, _ = act(state, action, world)
    old, new = state.age_s(0), state.age_s(1)
    state, seen = act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=0.2), world)
    assert seen.age_s == pytest.approx(new + 4.0)
    assert [slug.mix for slug in state.needles["L1", "left"].column] == [0, 1]
    entered = state.fills["L1"].age_s.max()
    assert entered > old, "what enters the bone is the old cement that was in the cannula"
    assert [mix.taken_ml for mix in state.mixes] == pytest.approx([0.6, 0.2])


def test_an_operator_slows_down_and_stalls_at_the_pressure_limit(make_world: Callable[..., World]) -> None:
    world = make_world(injector="syringe")
    state = ready(world)
    slow, seen = act(state, Inject(**AT, rate_ml_min=30.0, volume_ml=0.5), world)
    assert seen.rate_ml_min is not None
    assert seen.rate_ml_min < 30.0
    assert seen.pressure_mpa is not None
    assert seen.pressure_mpa <= 3.0 + 1e-9
    stiff = make_world(injector="syringe", stall_ml_min=8.0)
    after, seen = act(state, Inject(**AT, rate_ml_min=30.0, volume_ml=0.5), stiff)
    assert seen.stalled
    assert seen.pushed_ml is not None
    assert seen.pushed_ml < 0.5
    assert [told.code for told in seen.findings] == ["injection-stalled"]
    assert after.delivered_ml("L1") == seen.pushed_ml
    assert slow.delivered_ml("L1") == pytest.approx(0.5)


def test_the_end_of_the_working_time_ends_an_injection(make_world: Callable[..., World]) -> None:
    world = make_world(end_s=260.0)
    state, _ = act(ready(world), Pause(seconds=50.0), world)
    after, seen = act(state, Inject(**AT, rate_ml_min=1.0, volume_ml=2.0), world)
    assert [told.code for told in seen.findings] == ["injection-late"]
    assert not seen.stalled
    assert seen.pushed_ml is not None
    assert 0.0 < seen.pushed_ml < 2.0
    assert after.delivered_ml("L1") == pytest.approx(seen.pushed_ml)


def test_new_cement_does_not_pass_a_cannula_that_holds_set_cement(make_world: Callable[..., World]) -> None:
    world = make_world()
    state, _ = act(ready(world), Inject(**AT, rate_ml_min=3.0, volume_ml=0.6), world)
    for action in (Pause(seconds=900.0), MixCement(cement="medium-viscosity"), ChangeCement(**AT, mix=1)):
        state, _ = act(state, action, world)
    with pytest.raises(UsageError, match="Mix 0 is") as refused:
        act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=0.1), world)
    assert refused.value.code == "cement-set"


def test_a_state_is_never_changed(make_world: Callable[..., World]) -> None:
    world = make_world()
    state = ready(world)
    before = state.fills["L1"].saturation.copy()
    act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=1.5), world)
    assert np.array_equal(state.fills["L1"].saturation, before)
    assert state.delivered_ml("L1") == 0.0
    with pytest.raises(TypeError):
        state.needles["L1", "left"] = None  # type: ignore[index]


def test_a_shot_costs_time_and_dose_and_shows_what_can_be_seen(make_world: Callable[..., World]) -> None:
    world = make_world(leak=lambda ml: {"basivertebral": 0.2 * ml, "segmental": 0.05 * ml})
    state, _ = act(ready(world), Inject(**AT, rate_ml_min=3.0, volume_ml=1.5), world)
    after, lateral = act(state, Shoot(level="L1", view="lateral"), world)
    assert after.time_s == state.time_s + world.settings.shot_s
    assert after.dose.lateral_seconds == world.settings.shot_s
    assert lateral.seen is not None
    assert lateral.seen.leak_ml("canal") == pytest.approx(0.2)
    assert lateral.seen.leak_ml("vein") == 0.0
    assert lateral.seen.to_wall_mm is not None
    assert 8.0 < lateral.seen.to_wall_mm < 16.0
    _, ap = act(state, Shoot(level="L1", view="ap"), world)
    assert ap.seen is not None
    assert ap.seen.leaks == (), "0.05 ml beside the body cannot be seen, and the canal lies behind it"


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ("rate-zero", [Inject(**AT, rate_ml_min=0.0, volume_ml=1.0)]),
        ("volume-zero", [Inject(**AT, rate_ml_min=3.0, volume_ml=-1.0)]),
        ("cement-set", [Pause(seconds=1200.0), Inject(**AT, rate_ml_min=3.0, volume_ml=1.0)]),
        ("cement-short", [Inject(**AT, rate_ml_min=3.0, volume_ml=50.0)]),
        ("tip-outside", [AdvanceNeedle(**AT, depth_mm=5.0), Inject(**AT, rate_ml_min=3.0, volume_ml=1.0)]),
        ("tip-outside", [Inject(level="L1", side="right", rate_ml_min=3.0, volume_ml=1.0)]),
        ("needle-too-deep", [AdvanceNeedle(**AT, depth_mm=500.0)]),
        ("level-not-planned", [Shoot(level="T9", view="ap")]),
        ("cement-unknown", [MixCement(cement="mortar")]),
        ("mix-unknown", [ChangeCement(**AT, mix=4)]),
        (
            "cement-other",
            [
                Inject(**AT, rate_ml_min=3.0, volume_ml=1.0),
                MixCement(cement="high-viscosity"),
                ChangeCement(**AT, mix=1),
            ],
        ),
        ("no-balloon", [Inflate(**AT, volume_ml=1.0)]),
        ("no-balloon", [Deflate(**AT)]),
        ("time-backward", [Pause(seconds=-1.0)]),
        ("needle-not-in", [WithdrawNeedle(level="L1", side="right")]),
        ("needle-out", [WithdrawNeedle(**AT), AdvanceNeedle(**AT, depth_mm=40.0)]),
        ("needle-still-in", [Close()]),
        ("procedure-closed", [WithdrawNeedle(**AT), Close(), Pause(seconds=1.0)]),
    ],
)
def test_what_cannot_be_done_is_said(make_world: Callable[..., World], code: str, actions: list[Any]) -> None:
    world = make_world()
    state = ready(world)
    *before, last = actions
    for action in before:
        state, _ = act(state, action, world)
    with pytest.raises(UsageError) as refused:
        act(state, last, world)
    assert refused.value.code == code
    assert refused.value.intact
    assert refused.value.do


def test_cement_must_be_mixed(make_world: Callable[..., World]) -> None:
    world = make_world()
    state = play(world, AdvanceNeedle(**AT, depth_mm=41.0))
    with pytest.raises(UsageError, match="No cement"):
        act(state, Inject(**AT, rate_ml_min=3.0, volume_ml=1.0), world)
