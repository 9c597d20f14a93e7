"""The plan played on a block of bone: what ends it, and that its record plays again to the same bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise

import pytest

from endplate.errors import InputError, UsageError
from endplate.procedure.model import State
from endplate.procedure.record import Recording, check_plan, from_bytes, play, to_bytes
from endplate.procedure.script import play_plan
from endplate.procedure.world import World

from .conftest import level_plan


def stopped(recording: Recording, level: str = "L1") -> str:
    return recording.stops()[level].code


def test_the_planned_volume_is_given_in_turns_within_about_an_hour(make_world: Callable[..., World]) -> None:
    world = make_world()
    played = play_plan(world)
    state = played.state
    assert stopped(played.recording) == "volume"
    assert state.fills["L1"].injected_ml == pytest.approx(3.0)
    each = [needle.into_bone_ml for needle in state.needles.values()]
    assert each == pytest.approx([1.5, 1.5])
    sides = [sample.side for sample in state.samples["L1"] if sample.in_bone_ml > 0.0]
    changes = sum(one != other for one, other in pairwise(sides))
    assert changes == 5, "half a millilitre each in turn"
    assert state.closed
    assert 45.0 <= state.time_s / 60.0 <= 75.0
    assert state.dose.lateral_seconds > state.dose.seconds / 2.0


def test_no_needle_leaves_while_cement_can_still_be_injected(make_world: Callable[..., World]) -> None:
    world = make_world()
    played = play_plan(world)
    out = next(step.from_s for step in played.state.steps if step.phase == "withdrawal")
    assert out - played.state.mixes[-1].mixed_at_s >= world.cements["medium-viscosity"].end_s


@pytest.mark.parametrize(
    ("code", "leak", "changed", "volume"),
    [
        ("posterior-quarter", {}, {}, 9.0),
        ("posterior-wall", {}, {"stop_posterior_share": 0.0, "stop_wall_mm": 7.0}, 9.0),
        ("leak-canal", {"cortical_posterior": 0.2}, {}, 3.0),
        ("leak-disc", {"disc_superior": 0.5}, {}, 3.0),
        ("leak-vein", {"segmental": 0.5}, {"ap_every": 1}, 3.0),
        ("pressure", {}, {"injector": "syringe", "stall_ml_min": 4.0}, 3.0),
        ("working-time", {}, {"portion_ml": 0.1, "shot_s": 40.0}, 4.0),
    ],
)
def test_what_ends_an_injection(
    make_world: Callable[..., World],
    code: str,
    leak: dict[str, float],
    changed: dict[str, object],
    volume: float,
) -> None:
    world = make_world(
        level_plan(volume_ml=volume),
        leak=lambda ml: {route: share * ml for route, share in leak.items()},
        **changed,
    )
    played = play_plan(world)
    assert stopped(played.recording) == code
    assert played.state.fills["L1"].injected_ml < volume
    assert played.state.closed, "the rest of the procedure goes on"


def test_a_leak_below_what_can_be_seen_ends_nothing(make_world: Callable[..., World]) -> None:
    world = make_world(leak=lambda ml: {"basivertebral": 0.03 * ml})
    assert stopped(play_plan(world).recording) == "volume"


def test_a_disc_leak_that_rests_is_waited_for(make_world: Callable[..., World]) -> None:
    world = make_world(leak=lambda ml: {"disc_inferior": min(0.3 * ml, 0.2)})
    played = play_plan(world)
    assert stopped(played.recording) == "volume"
    pauses = [
        line.action.seconds
        for line in played.recording.lines
        if getattr(line.action, "action", "") == "pause"
    ]
    assert pauses.count(world.settings.leak_wait_s) == 1


def test_a_second_level_gets_a_second_mix_when_the_first_will_not_last(
    make_world: Callable[..., World],
) -> None:
    plans = level_plan("T12"), level_plan("L1", sides=("left",))
    played = play_plan(make_world(*plans, end_s=480.0))
    assert len(played.state.mixes) == 2
    assert [stopped(played.recording, level) for level in ("T12", "L1")] == ["volume", "volume"]
    assert len(play_plan(make_world(*plans, end_s=3600.0)).state.mixes) == 1


def test_the_other_needle_takes_over_from_one_that_is_stuck(make_world: Callable[..., World]) -> None:
    from dataclasses import replace
    from types import MappingProxyType

    world = make_world()
    level = world.levels["L1"]
    stuck = replace(level.tubes["left"], drop_pa=lambda _cement, _age, rate: 1e9 * rate)
    tubes = MappingProxyType({"left": stuck, "right": level.tubes["right"]})
    world = replace(world, levels=MappingProxyType({"L1": replace(level, tubes=tubes)}))
    played = play_plan(world)
    assert stopped(played.recording) == "volume"
    assert played.state.needles["L1", "left"].into_bone_ml == 0.0
    assert played.state.needles["L1", "right"].into_bone_ml == pytest.approx(3.0)


def content(state: State) -> tuple[object, ...]:
    fill = state.fills["L1"]
    return (
        fill.saturation.tobytes(),
        fill.age_s.tobytes(),
        state.time_s,
        state.dose,
        state.samples["L1"],
        state.steps,
    )


def test_a_record_plays_again_to_the_same_bytes(make_world: Callable[..., World]) -> None:
    world = make_world(leak=lambda ml: {"disc_inferior": 0.1 * ml})
    played = play_plan(world, plan_sha256="a" * 64)
    written = to_bytes(played.recording)
    again = play(world, from_bytes(written))
    assert to_bytes(again.recording) == written
    assert content(again.state) == content(played.state)
    first = json.loads(written.splitlines()[0])
    assert first == {"schema": "endplate/actions/1", "plan_sha256": "a" * 64}


HEADER = b'{"schema": "endplate/actions/1"}\n'


@pytest.mark.parametrize(
    ("content", "code", "exit_code"),
    [
        (b"", "actions-unreadable", 3),
        (b"\xff\xfe\x00", "actions-unreadable", 3),
        (b"not json\n", "actions-unreadable", 3),
        (b'{"action": "pause", "seconds": 3}\n', "actions-unreadable", 3),
        (b'{"schema": "endplate/actions/2"}\n', "actions-unreadable", 3),
        (b'{"schema": "endplate/plan/1"}\n', "actions-unreadable", 3),
        (b"[" * 100_000, "actions-unreadable", 3),
        (HEADER + b'{"stop": 3}\n', "actions-unreadable", 3),
        (HEADER + b'{"action": "drill"}\n', "action-unknown", 2),
        (HEADER + b"[1, 2]\n", "action-unknown", 2),
        (HEADER + b'{"action": "pause"}\n', "action-broken", 2),
        (HEADER + b'{"action": "pause", "seconds": NaN}\n', "action-broken", 2),
        (HEADER + b'{"action": "pause", "seconds": 3, "minutes": 2}\n', "action-broken", 2),
    ],
)
def test_a_broken_script_is_told(content: bytes, code: str, exit_code: int) -> None:
    with pytest.raises((InputError, UsageError)) as refused:
        from_bytes(content)
    assert (refused.value.code, refused.value.exit_code) == (code, exit_code)
    assert refused.value.do


def test_a_script_of_bare_actions_is_played_up_to_what_cannot_be_done(
    make_world: Callable[..., World],
) -> None:
    fine = HEADER + b'{"action": "mix", "cement": "medium-viscosity"}\n{"action": "pause", "seconds": 3}\n'
    assert play(make_world(), from_bytes(fine)).state.mixes[0].volume_ml > 0.0
    with pytest.raises(UsageError, match=r"Action 2 \(close\)") as refused:
        play(
            make_world(),
            from_bytes(
                HEADER
                + b'{"action": "advance", "level": "L1", "side": "left", "depth_mm": 1}\n{"action": "close"}\n'
            ),
        )
    assert refused.value.code == "needle-still-in"


def test_a_script_of_another_plan_is_refused() -> None:
    check_plan(Recording(()), "a")
    check_plan(Recording((), "a"), "a")
    with pytest.raises(UsageError) as refused:
        check_plan(Recording((), "b"), "a")
    assert refused.value.code == "actions-foreign"
