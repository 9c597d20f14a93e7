"""What cavities open when their walls give way: closed forms, and balloons that keep what was put into them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from balloon_blocks import drum, pair, plain

from endplate.balloon.balance import balance
from endplate.balloon.crack import crack_of
from endplate.balloon.heights import Room
from endplate.balloon.inflate import Site, deflate, inflate_all, inflate_to, prepare, start
from endplate.balloon.lift import Response, respond
from endplate.balloon.model import Bone, State
from endplate.balloon.result import bone_mineral_g, cavity_of, document
from endplate.balloon.walls import shell_of
from endplate.mechanics.laws import density_law

PRELOAD_N = 100.0
LEAST_ML = 0.02


@pytest.fixture(scope="module")
def loose() -> Bone:
    """A soft drum that a crush fracture parts."""
    return replace(drum(lost_mm=(12.0, 12.0, 12.0)), shape="crush", loss=0.3)


@pytest.fixture(scope="module")
def full(loose: Bone) -> tuple[Site, State]:
    """Two balloons in it, 2 ml each."""
    site = prepare(loose, pair(), plain(step_ml=1.0))
    return site, inflate_all(site, {"left": 2.0, "right": 2.0}, deflated=False)


def slots(bone: Bone, crack: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Two mirrored cavities that fill a part of the broken zone."""
    i = np.arange(bone.body.shape[0])[:, None, None]
    middle = bone.body.shape[0] // 2
    inside = crack & (bone.depth_mm > 6.0)
    return inside & (i < middle - 1), inside & (i > middle)


def test_a_slot_between_stiff_halves_opens_by_its_area_times_their_way() -> None:
    bone = drum(2.0, 1200.0, cortex_mgcc=1200.0)
    crack = crack_of(bone, "crush", 0.0)
    left, right = slots(bone, crack.voxels)
    slot = left | right
    found = respond(bone, bone.density_mgcc, crack, density_law(), (slot,), PRELOAD_N)
    area_mm2 = np.count_nonzero(slot.any(axis=2)) * bone.step_mm**2
    lift_mm = found.lines_mm[1].mean()
    assert np.ptp(found.lines_mm[1]) < 0.05 * lift_mm
    assert found.opened_ml[0, 1] == pytest.approx(1e-3 * area_mm2 * lift_mm, rel=0.05)


def test_loads_do_as_much_work_on_each_others_ways() -> None:
    bone = drum(2.0, 300.0)
    crack = crack_of(bone, "crush", 0.0)
    found = respond(bone, bone.density_mgcc, crack, density_law(), slots(bone, crack.voxels), PRELOAD_N)
    # What the one opens of the other, the other opens of the one.
    assert found.opened_ml[0, 2] == pytest.approx(found.opened_ml[1, 1], rel=5e-3)
    assert found.opened_ml[0, 1] > found.opened_ml[0, 2] > 0.0
    # The preload closes a cavity by what 1 MPa in it lifts the preload.
    for place in (0, 1):
        lifted_mm = found.lines_mm[1 + place, 1]
        assert found.opened_ml[place, 0] == pytest.approx(-1e-3 * PRELOAD_N * lifted_mm, rel=0.05)


def test_what_is_counted_begins_at_the_body_at_rest(loose: Bone) -> None:
    crack, law = crack_of(loose, "crush", 0.0), density_law()
    rest = respond(loose, loose.density_mgcc, crack, law, (), PRELOAD_N)
    nothing = np.zeros_like(loose.body)
    same = respond(loose, loose.density_mgcc, crack, law, (nothing,), PRELOAD_N, resting=rest)
    assert np.abs(same.plates(np.zeros(1)).lines_mm).max() < 1e-9
    assert (same.opened(np.ones(1)) == 0.0).all()


def test_a_closed_balloon_loses_pressure_while_another_lifts() -> None:
    # One stiff plate on a spring: whatever opens one cavity opens the other as much.
    made = Response(
        np.array([[0.0] * 3, [1.0] * 3, [1.0] * 3]),
        np.zeros((3, 2)),
        np.array([[0.0, 0.3, 0.2], [0.0, 0.2, 0.3]]),
        (),
    )
    free = Room(np.full(3, 20.0), np.zeros(3), np.full(3, np.inf), 0)
    found = balance(made, free, np.array([0.4, 0.6]), np.array([2.0, 2.0]))
    # 0.3 p + 0.2 q = 0.4, 0.2 p + 0.3 q = 0.6 ask for p = 0: the second then opens by 0.6 at 2 MPa
    assert found.pressures_mpa == pytest.approx([0.0, 2.0], abs=1e-4)
    assert found.opened_ml == pytest.approx([0.4, 0.6], abs=1e-4)
    crushes = balance(made, free, np.array([5.0, 5.0]), np.array([1.5, 1.0]))
    assert crushes.pressures_mpa == pytest.approx([1.5, 1.0])
    assert crushes.opened_ml == pytest.approx([0.65, 0.6])
    held = balance(made, replace(free, left_mm=np.full(3, 1.25)), np.array([5.0, 5.0]), np.array([1.5, 1.0]))
    assert held.plates.lines_mm == pytest.approx([1.25] * 3)
    assert held.opened_ml == pytest.approx([0.325, 0.3])


def test_bone_swept_and_room_opened_are_what_each_balloon_holds(loose: Bone) -> None:
    site = prepare(loose, pair(), plain(step_ml=1.0))
    state = start(site)
    for side, volume in (("left", 1.0), ("right", 1.0), ("left", 2.0), ("right", 2.0)):
        state = inflate_to(site, state, side, volume)  # type: ignore[arg-type]
        assert state.room_ml(loose.voxel_ml) == pytest.approx(state.volumes_ml, abs=LEAST_ML)
        assert (np.array(state.pressures_mpa) <= state.crushing_mpa).all()
        step = state.steps[-1]
        swept = np.count_nonzero(state.cavity) * loose.voxel_ml
        assert step.opened_ml == pytest.approx(step.cavity_ml - swept, abs=1e-5)
    assert (state.lifted.opened_ml > 0.05).all()
    # The left balloon was closed while the right one lifted the endplates of both.
    assert state.pressures_mpa[0] < 0.99 * state.crushing_mpa[0]


def test_cement_finds_what_recoil_leaves_and_deflation_moves_no_wall_of_it(full: tuple[Site, State]) -> None:
    site, state = full
    flat = deflate(site, deflate(site, state, "right"), "left")
    told = document(site, flat)
    before, after = cavity_of(site, state), cavity_of(site, flat)
    assert (before.mask == after.mask).all()
    assert before.density_mgcc.tobytes() == after.density_mgcc.tobytes()
    assert before.held.any()
    assert not after.held.any()
    assert (state.cavity <= after.mask).all()
    assert after.volume_ml == pytest.approx(told.cavity_ml, abs=2.0 * site.bone.voxel_ml)
    assert 0.0 < told.opened_ml < state.lifted.opened_ml.sum()
    assert not (after.mask & shell_of(site.bone)).any()
    step = site.bone.step_mm
    native = bone_mineral_g(site.bone.density_mgcc, step)
    assert bone_mineral_g(after.density_mgcc, step) == pytest.approx(native, rel=1e-6)
    assert document(site, deflate(site, deflate(site, state, "left"), "right")).opened_ml == told.opened_ml


def test_closed_balloons_keep_their_volume_where_the_height_is_bound() -> None:
    low = drum(lost_mm=(0.0, 0.0, 0.0))
    site = prepare(replace(low, shape="crush", loss=0.3), pair(), plain(step_ml=1.0))
    state = inflate_all(site, {"left": 2.0, "right": 2.0}, deflated=False)
    assert (state.lifted.lines_mm <= site.room.left_mm + 1e-9).all()
    assert state.lifted.lines_mm.max() == pytest.approx(0.5, abs=0.02)
    assert state.room_ml(low.voxel_ml) == pytest.approx(state.volumes_ml, abs=LEAST_ML)


def test_whole_endplates_open_nothing(loose: Bone) -> None:
    site = prepare(loose, pair(), plain(step_ml=1.0, crack=False))
    state = inflate_all(site, {"left": 1.0, "right": 1.0})
    assert not state.lifted.opened_ml.any()
    assert (cavity_of(site, state).mask == state.cavity).all()
