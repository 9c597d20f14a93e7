"""Balloons in drums of bone: shape, volume, pressure, stops, lift, recoil, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from balloon_blocks import drum, pair, plain, tamp

from endplate.balloon.growth import axis_distance_mm
from endplate.balloon.inflate import Site, deflate, inflate_all, inflate_to, prepare, start
from endplate.balloon.lift import respond
from endplate.balloon.model import Bone, Inflation, Options, Posture, State
from endplate.balloon.result import cavity_of, document
from endplate.balloon.walls import shell_of
from endplate.errors import UsageError

LOST = (8.0, 6.0, 4.0)


@pytest.fixture(scope="module")
def crushed() -> Bone:
    """A soft drum that has lost height."""
    return replace(drum(lost_mm=LOST), shape="crush", loss=0.3)


@pytest.fixture(scope="module")
def both(crushed: Bone) -> tuple[Site, State]:
    """Two balloons inflated to 2 ml each and still inflated."""
    site = prepare(crushed, pair(), plain(step_ml=1.0))
    return site, inflate_all(site, {"left": 2.0, "right": 2.0}, deflated=False)


@pytest.fixture(scope="module")
def one(crushed: Bone) -> tuple[Site, State]:
    """One balloon inflated to 2 ml and deflated."""
    site = prepare(crushed, (tamp(),), plain(step_ml=1.0))
    return site, inflate_all(site, {"left": 2.0})


def test_in_even_bone_the_cavity_is_the_balloons_own_capsule() -> None:
    bone = drum(1.0, size_mm=(44.0, 40.0, 36.0))
    site = prepare(bone, (tamp(),), plain())
    state = inflate_to(site, start(site), "left", 3.0)
    cavity = state.cavity
    distance, radius = axis_distance_mm(bone, state.tamps[0], 3.0)
    assert np.count_nonzero(cavity) * bone.voxel_ml == pytest.approx(3.0, abs=bone.voxel_ml)
    assert distance[cavity].max() < radius + 1.0
    assert cavity[distance < radius - 1.0].all()


def test_every_step_holds_what_was_injected_and_loses_no_bone(both: tuple[Site, State]) -> None:
    site, state = both
    shell_ml = 0.5 * site.bone.voxel_ml
    for step in state.steps:
        assert step.cavity_ml >= sum(step.volumes_ml.values()) - 2.0 * shell_ml
    assert state.steps[-1].cavity_ml == pytest.approx(4.0, abs=2.0 * shell_ml)
    told = document(site, state)
    assert told.bone_mineral_error < 1e-6
    assert told.stopped == {"left": "operator", "right": "operator"}
    assert not (state.cavities[0] & state.cavities[1]).any()
    assert (state.cavity <= site.bone.body).all()
    assert not (state.cavity & shell_of(site.bone)).any()


def test_the_cavity_is_given_to_cement_and_mechanics(both: tuple[Site, State]) -> None:
    site, state = both
    left = cavity_of(site, state)
    assert np.count_nonzero(state.cavity) * site.bone.voxel_ml < left.volume_ml < 4.0
    assert (left.density_mgcc[left.mask] == 0.0).all()
    assert left.solid_ratio[left.shell].min() > 1.0
    assert (left.solid_ratio[left.mask] == 0.0).all()


def test_two_balloons_lift_more_than_one(both: tuple[Site, State], one: tuple[Site, State]) -> None:
    two, single = document(*both).gains.inflated, document(*one).gains.inflated
    assert two.middle > 1.3 * single.middle > 0.0  # type: ignore[operator]


def test_deflation_loses_a_part_of_the_lift_and_the_cavity_stays(both: tuple[Site, State]) -> None:
    site, state = both
    half = deflate(site, state, "left")
    flat = deflate(site, half, "right")
    gains = [one.steps[-1].gain_mm.anterior or 0.0 for one in (state, half, flat)]
    assert gains[0] > gains[1] > gains[2] > 0.0
    assert flat.steps[-1].pressure_mpa.foam == 0.0
    assert (flat.cavity == state.cavity).all()
    told = document(site, flat)
    assert told.gains.deflated == flat.steps[-1].gain_mm
    assert Inflation.model_validate_json(told.model_dump_json()) == told
    # one side filled while the other stays inflated: the other still holds
    assert half.volumes_ml == (0.0, 2.0)


def test_the_same_input_gives_the_same_bytes(both: tuple[Site, State]) -> None:
    site, state = both
    again = inflate_all(site, {"left": 2.0, "right": 2.0}, deflated=False)
    assert document(site, again).model_dump_json() == document(site, state).model_dump_json()
    assert again.density_mgcc.tobytes() == state.density_mgcc.tobytes()


def test_denser_bone_asks_for_more_pressure() -> None:
    peaks = []
    for density in (50.0, 75.0, 100.0):
        site = prepare(drum(density_mgcc=density), (tamp(),), plain(crack=False))
        told = document(site, inflate_all(site, {"left": 2.0}, deflated=False))
        peak = told.peak_pressure_mpa
        assert peak is not None
        assert peak.yield_ <= peak.foam <= peak.j2
        peaks.append(peak.foam)
    assert 0.58 < peaks[0] < 2.2
    assert peaks[0] < peaks[1] < peaks[2]
    assert 1.52 < peaks[2] < 5.5


def test_a_balloon_grows_less_toward_denser_bone() -> None:
    even = drum(1.5)
    up = np.arange(even.body.shape[2]) >= even.body.shape[2] // 2
    graded = drum(1.5, np.broadcast_to(np.where(up, 130.0, 60.0), even.body.shape))
    reach = []
    for bone in (even, graded):
        site = prepare(bone, (tamp(),), plain(crack=False))
        told = inflate_to(site, start(site), "left", 2.5).steps[-1].wall_mm
        reach.append(told["superior"] - told["inferior"])
    assert abs(reach[0]) < 1.0
    assert reach[1] > reach[0] + 1.0


def test_inflation_stops_where_the_operator_should(crushed: Bone) -> None:
    site = prepare(crushed, (tamp(name="15/2"),), plain(crack=False))
    assert inflate_to(site, start(site), "left", 1.0).stopped == ("operator",)
    full = inflate_to(site, start(site), "left", 9.0)
    assert full.stopped == ("maximum volume",)
    assert full.volumes_ml == (3.0,)
    assert [one.code for one in full.findings][-1] == "balloon-stop-maximum-volume"
    low = prepare(crushed, (tamp(middle_mm=(0.0, 1.0, -4.5)),), plain(crack=False))
    touched = inflate_to(low, start(low), "left", 4.0)
    assert touched.stopped == ("endplate contact",)
    assert "inferior endplate" in touched.findings[-1].text
    front = prepare(crushed, (tamp(middle_mm=(0.0, 6.0, 0.0)),), plain(crack=False))
    assert inflate_to(front, start(front), "left", 4.0).stopped == ("wall contact",)


def test_a_wanted_height_stops_the_inflation(crushed: Bone) -> None:
    site = prepare(crushed, pair(), plain(target_gain_mm=0.1))
    state = inflate_to(site, start(site), "left", 3.0)
    assert state.stopped[0] == "target height"
    assert state.volumes_ml[0] < 3.0


def test_hard_bone_meets_the_rated_pressure_and_beyond_it_the_balloon_bursts() -> None:
    bone = drum(density_mgcc=250.0)
    site = prepare(bone, (tamp(),), plain(crack=False))
    state = inflate_to(site, start(site), "left", 3.0)
    assert state.stopped == ("rated pressure",)
    assert max(step.pressure_mpa.foam for step in state.steps) <= tamp().device.rated_pressure_mpa
    driven = prepare(bone, (tamp(),), plain(crack=False, heed=frozenset()))
    burst = inflate_to(driven, start(driven), "left", 3.0)
    assert burst.stopped == ("rupture",)
    assert burst.volumes_ml == (0.0,)
    assert burst.findings[-1].severity == "critical"
    with pytest.raises(UsageError, match="has burst"):
        inflate_to(driven, burst, "left", 3.0)


def test_over_inflation_bursts_a_balloon_in_soft_bone_too(crushed: Bone) -> None:
    site = prepare(crushed, (tamp(),), plain(crack=False, step_ml=1.0, heed=frozenset()))
    most = tamp().device.max_volume_ml
    beyond = inflate_to(site, start(site), "left", 2.0 * most)
    assert beyond.stopped == ("rupture",)
    assert most < beyond.reached_ml[0] <= 1.25 * most + 1.0
    assert beyond.findings[-1].code == "balloon-rupture"
    assert document(site, beyond).peak_pressure_mpa.foam < tamp().device.rated_pressure_mpa  # type: ignore[union-attr]
    assert cavity_of(site, beyond).volume_ml > most


def test_one_balloon_of_two_may_stay_folded_and_volumes_may_differ(crushed: Bone) -> None:
    site = prepare(crushed, pair(), plain(crack=False, step_ml=1.0))
    alone = inflate_all(site, {"right": 2.0}, deflated=False)
    assert alone.volumes_ml == (0.0, 2.0)
    assert alone.stopped == (None, "operator")
    assert not alone.cavities[0].any()
    uneven = inflate_all(site, {"left": 1.0, "right": 2.0}, deflated=False)
    assert uneven.volumes_ml == (1.0, 2.0)
    voxel_ml = site.bone.voxel_ml
    for cavity, volume in zip(uneven.cavities, uneven.volumes_ml, strict=True):
        assert np.count_nonzero(cavity) * voxel_ml == pytest.approx(volume, abs=voxel_ml)


def test_a_wall_is_broken_only_where_it_has_a_gap_and_that_is_an_event() -> None:
    whole = drum(1.5)
    gap = whole.body & (whole.depth_mm < 1.5) & (whole.wall == 0)
    density = np.where(gap, 10.0, whole.density_mgcc)
    bone = replace(whole, density_mgcc=density)
    careless = plain(crack=False, heed=frozenset({"rated pressure"}))
    for given, through in ((whole, False), (bone, True)):
        site = prepare(given, (tamp(middle_mm=(0.0, 6.5, 0.0)),), careless)
        state = inflate_to(site, start(site), "left", 4.0)
        assert (state.cavity & shell_of(given)).any() == through
        assert ("balloon-breach" in [one.code for one in state.findings]) == through
        assert (state.cavity <= given.body).all()


def test_posture_counts_up_to_what_was_lost(crushed: Bone) -> None:
    site = prepare(crushed, (tamp(),), Options(posture=Posture(20.0, 3.0, 0.0, "endplate")))
    posture = document(site, start(site)).gains.posture
    assert (posture.anterior, posture.middle, posture.posterior) == (8.0, 3.0, 0.0)
    assert Posture.published().gain_mm.tolist() == [5.51, 4.35, 0.0]


def test_whole_endplates_hardly_move() -> None:
    bone = drum(lost_mm=LOST)
    site = prepare(bone, (tamp(),), plain(step_ml=1.0))
    state = inflate_all(site, {"left": 2.0}, deflated=False)
    told = document(site, state)
    assert "balloon-no-crack" in [one.code for one in told.findings]
    assert told.gains.inflated.middle == 0.0
    # and so says the elastic body
    force = 100.0
    rest = respond(bone, bone.density_mgcc, site.crack, site.law, (), force)
    now = respond(bone, state.density_mgcc, site.crack, site.law, state.cavities, force, resting=rest)
    pressures = np.array(state.pressures_mpa)
    assert np.abs(now.plates(pressures).lines_mm).max() < 0.1


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"middle_mm": (0.0, 1.0, 30.0)}, "balloon-outside-bone"),
        ({"middle_mm": (0.0, 12.0, 0.0)}, "balloon-outside-bone"),
        ({"gap_mm": 0.4}, "balloon-in-cannula"),
    ],
)
def test_a_balloon_out_of_place_is_refused(crushed: Bone, given: dict[str, float], code: str) -> None:
    with pytest.raises(UsageError) as refused:
        prepare(crushed, (tamp(**given),), plain())  # type: ignore[arg-type]
    assert refused.value.code == code
    assert refused.value.intact == "Nothing was inflated."


def test_impossible_orders_are_refused_in_words(crushed: Bone, both: tuple[Site, State]) -> None:
    site, state = both
    small = drum(size_mm=(30.0, 16.0, 20.0))
    cases: list[tuple[Callable[[], object], str]] = [
        (lambda: prepare(small, (tamp(name="20/3"),), plain()), "balloon-longer-than-body"),
        (lambda: prepare(replace(crushed, loss=0.8), (tamp(),), plain()), "balloon-vertebra-plana"),
        (lambda: prepare(crushed, (), plain()), "balloons-none"),
        (lambda: prepare(crushed, (tamp("left"), tamp("right")), plain()), "balloons-cross"),
        (lambda: inflate_to(site, state, "left", 1.0), "balloon-volume"),
        (lambda: inflate_to(site, state, "left", float("nan")), "balloon-volume"),
        (lambda: plain(step_ml=0.0), "balloon-options"),
    ]
    for order, code in cases:
        with pytest.raises(UsageError) as refused:
            order()
        assert refused.value.code == code
