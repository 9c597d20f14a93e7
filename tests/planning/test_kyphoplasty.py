"""Cannula, channel and balloon on one axis, in boxes whose distances are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.body import Body
from endplate.anatomy.endplates import find_surfaces
from endplate.anatomy.mask import LocalGrid
from endplate.devices.balloons import shipped_balloons
from endplate.devices.catalogue import load_catalogue
from endplate.planning.axis_room import AxisRoom, axis_room
from endplate.planning.balloon import LevelBalloons, NoBalloon, choose_balloon, thinner
from endplate.planning.kyphoplasty import (
    NeedleRoom,
    balloon_distance_mm,
    channel_length_mm,
    fit_balloon,
    kyphoplasty_points,
    wall_limits_mm,
    why_none_fits,
)
from endplate.planning.options import PlanOptions
from endplate.planning.rules import load_rules

RULES = load_rules()
BALLOONS = shipped_balloons()
WALL_MM = 20.0
"""Depth of the posterior wall from the entry."""

ACCESS = load_catalogue().access_systems


def straight(
    depth_mm: float = 30.0, half_height_mm: float = 12.0, side_mm: float = 12.0, x_mm: float = 10.0
) -> NeedleRoom:
    """A needle running straight forward through a box."""
    along = np.arange(0.0, WALL_MM + depth_mm + 5.0, 0.25)
    ahead = WALL_MM + depth_mm - along
    inside = np.where(ahead >= 0.0, 1.0, -1.0)
    room = AxisRoom(
        depth_mm=along,
        posterior_mm=along - WALL_MM,
        anterior_mm=ahead,
        endplate_mm=inside * half_height_mm,
        side_mm=inside * side_mm,
    )
    return NeedleRoom(np.array([x_mm, -WALL_MM, 0.0]), np.array([0.0, 1.0, 0.0]), WALL_MM, room)


def test_a_long_balloon_in_a_large_box_stands_where_the_walls_leave_it():
    needle = straight()
    fit = fit_balloon(needle, BALLOONS["20/3"], RULES)
    assert fit is not None
    assert fit.volume_ml == 3.0
    # 5 mm of wall behind and 4 in front leave the middle 15 to 16 mm; the wanted 18.75 mm is nearest to 16.
    assert fit.middle_mm - WALL_MM == pytest.approx(16.0)
    path = kyphoplasty_points(needle, fit, RULES)
    assert path.cannula_end_ras_mm == (10.0, 2.0, 0.0)
    assert path.balloon_markers_ras_mm == ((10.0, 6.0, 0.0), (10.0, 26.0, 0.0))
    assert path.channel_end_ras_mm == (10.0, 27.0, 0.0)
    assert path.balloon_to_anterior_wall_mm == pytest.approx(4.0)
    assert path.balloon_to_endplate_mm == pytest.approx(12.0 - 0.5 * fit.diameter_mm)


def test_a_balloon_rounder_than_long_outgrows_its_markers():
    # 24 mm deep: 5 + 15 + 4 mm. Up to 1.77 ml the 15 mm balloon stays as long as it is; a sphere of 2 ml does not fit.
    fit = fit_balloon(straight(depth_mm=24.0), BALLOONS["15/3"], RULES)
    assert fit is not None
    assert fit.volume_ml == 1.5
    assert fit.middle_mm - WALL_MM in (12.0, 12.5)


def test_the_balloon_is_thinner_in_a_low_body():
    low = fit_balloon(straight(half_height_mm=8.0), BALLOONS["20/3"], RULES)
    assert low is not None
    # 8 - 2 mm of endplate leave a radius of 6 mm: 1.81 ml, in steps 1.5 ml.
    assert math.pi * 36.0 * (20.0 - 4.0) / 1000.0 == pytest.approx(1.81, abs=0.01)
    assert low.volume_ml == 1.5
    assert fit_balloon(straight(half_height_mm=6.0), BALLOONS["20/3"], RULES) is None


def test_a_balloon_that_is_too_long_has_no_place():
    assert fit_balloon(straight(depth_mm=28.0), BALLOONS["20/3"], RULES) is None
    assert channel_length_mm(BALLOONS["20/3"], RULES) == 2.0 + 1.0 + 20.0 + 1.0


def test_why_none_fits():
    miss = why_none_fits(straight(half_height_mm=6.0), tuple(BALLOONS.values()), RULES)
    assert miss is not None
    assert (miss.wall, miss.limit_mm, miss.volume_ml) == ("endplate", 2.0, 1.0)
    # The longest is the thinnest at 1 ml.
    assert miss.balloon.name == "20/3"
    assert miss.distance_mm == pytest.approx(6.0 - 0.5 * BALLOONS["20/3"].inflated_diameter_mm(1.0), abs=1e-3)
    assert why_none_fits(straight(depth_mm=12.0), tuple(BALLOONS.values()), RULES) is None


@given(
    depth=st.floats(15.0, 40.0),
    half_height=st.floats(4.0, 16.0),
    side=st.floats(4.0, 20.0),
    name=st.sampled_from(sorted(BALLOONS)),
)
def test_every_fit_keeps_every_distance(depth, half_height, side, name):
    needle = straight(depth, half_height, side)
    fit = fit_balloon(needle, BALLOONS[name], RULES)
    if fit is None:
        return
    for wall, limit in wall_limits_mm(RULES).items():
        assert balloon_distance_mm(needle, fit, wall) >= limit - 1e-9
    path = kyphoplasty_points(needle, fit, RULES)
    y = [
        point[1] for point in (path.cannula_end_ras_mm, *path.balloon_markers_ras_mm, path.channel_end_ras_mm)
    ]
    assert y[0] + 1.0 <= y[1] + 1e-9
    assert y[1] < y[2] < y[3] <= depth - 3.0 + 1e-6
    assert RULES.balloon.volume_min_ml <= fit.volume_ml <= BALLOONS[name].nominal_volume_ml
    assert (fit.volume_ml / 0.5) % 1.0 == pytest.approx(0.0)
    inflated = 0.5 * fit.balloon.inflated_length_mm(fit.volume_ml)
    assert fit.middle_mm - inflated >= WALL_MM + 2.0 + 1.0 - 1e-9


def choose(needles, gauge="8G", limit_ml=None, **options):
    return choose_balloon("L1", needles, ACCESS[gauge], PlanOptions(**options), RULES, limit_ml)


def test_the_longest_that_takes_its_nominal_volume_is_chosen():
    both = {"left": straight(x_mm=-10.0), "right": straight()}
    chosen = choose(both)
    assert isinstance(chosen, LevelBalloons)
    assert (chosen.choice.name, chosen.choice.volume_ml) == ("20/3", 3.0)
    # Two balloons of 3 ml and 4 ml in each line.
    assert chosen.choice.contrast_ml == 14.0
    assert set(chosen.paths) == {"left", "right"}
    assert "Two balloons 20/3" in chosen.decision.text
    assert chosen.choice.recalled
    assert [item.code for item in chosen.warnings] == ["balloon-recalled"]


def test_a_slender_cannula_lets_the_slender_balloons_through():
    chosen = choose({"left": straight()}, gauge="10G")
    assert isinstance(chosen, LevelBalloons)
    assert (chosen.choice.name, chosen.choice.volume_ml) == ("15/2", 2.0)
    refused = choose({"left": straight()}, gauge="10G", balloon="20/3")
    assert isinstance(refused, NoBalloon)
    assert refused.code == "balloon-access"
    assert thinner([ACCESS["8G"], ACCESS["10G"]]).gauge == "10G"


def test_the_smaller_side_sets_the_volume_of_both():
    chosen = choose({"left": straight(half_height_mm=8.0, x_mm=-10.0), "right": straight()})
    assert isinstance(chosen, LevelBalloons)
    assert (chosen.choice.name, chosen.choice.volume_ml) == ("20/3", 1.5)


def test_two_balloons_do_not_reach_into_each_other():
    # 12 mm apart: 20/3 with 1.5 ml is 10.8 mm thick, with 2 ml 12.7 mm.
    chosen = choose({"left": straight(x_mm=-6.0), "right": straight(x_mm=6.0)})
    assert isinstance(chosen, LevelBalloons)
    assert (chosen.choice.name, chosen.choice.volume_ml) == ("20/3", 1.5)
    crossing = choose({"left": straight(x_mm=-1.0), "right": straight(x_mm=1.0)})
    assert isinstance(crossing, NoBalloon)
    assert [reason.code for reason in crossing.reasons] == ["refused-balloon-overlap"]


def test_cement_bounds_the_balloon():
    chosen = choose({"left": straight()}, limit_ml=2.3)
    assert isinstance(chosen, LevelBalloons)
    assert (chosen.choice.name, chosen.choice.volume_ml) == ("20/3", 2.0)
    refused = choose({"left": straight()}, limit_ml=0.9)
    assert isinstance(refused, NoBalloon)
    assert refused.code == "balloon-cement"


def test_refusals_name_side_and_wall():
    refused = choose({"left": straight(), "right": straight(half_height_mm=4.0)})
    assert isinstance(refused, NoBalloon)
    assert len(refused.reasons) == 1
    assert "right needle" in refused.reasons[0].text
    assert "would press 0.3 mm into the endplate" in refused.reasons[0].text
    short = choose({"left": straight(depth_mm=10.0)})
    assert isinstance(short, NoBalloon)
    assert short.reasons[0].code == "refused-balloon-short"


def box(half: tuple[float, float, float] = (20.0, 15.0, 12.0), step: float = 1.0) -> tuple[LocalGrid, Body]:
    """A box body about the origin with its posterior wall at -15 mm."""
    low = np.array([-28.0, -28.0, -20.0])
    shape = tuple(int(-2 * edge / step) + 1 for edge in low)
    grid = LocalGrid(
        Axes(np.array([5.0, -3.0, 40.0]), np.eye(3)), np.zeros(shape, dtype=np.float32), low, step
    )
    inside = [np.abs(grid.coordinate(axis)) <= half[axis] for axis in range(3)]
    mask = inside[0][:, None, None] & inside[1][None, :, None] & inside[2][None, None, :]
    grid = LocalGrid(grid.axes, mask.astype(np.float32), low, step)
    wall: FloatArray = np.full((shape[0], shape[2]), -half[1])
    return grid, Body(mask, wall, np.ones_like(wall, dtype=bool))


@pytest.mark.parametrize("turn_deg", [0.0, 20.0])
def test_the_room_along_an_axis_of_a_measured_box(turn_deg):
    grid, body = box()
    surfaces = find_surfaces(grid, body.mask)
    turn = math.radians(turn_deg)
    direction = np.array([-math.sin(turn), math.cos(turn), 0.0])
    start = np.array([8.0, -25.0, 3.0])
    room = axis_room(grid, body, surfaces, grid.axes.to_world(start), direction, 45.0)
    x, y = 8.0 - room.depth_mm * math.sin(turn), -25.0 + room.depth_mm * math.cos(turn)
    core = (y > -10.0) & (y < 10.0)
    # Walls of voxels at one millimetre: half a voxel either way.
    assert room.posterior_mm[core] == pytest.approx(y[core] + 15.0, abs=0.05)
    assert room.anterior_mm[core] == pytest.approx(15.5 - y[core], abs=0.3)
    assert room.endplate_mm[core] == pytest.approx(12.5 - 3.0, abs=0.6)
    assert room.side_mm[core] == pytest.approx(20.5 - np.abs(x[core]), abs=0.3)
    assert (room.anterior_mm[y > 16.5] < 0.0).all()
    assert room.least("endplate", -1.0, 5.0) == -math.inf


def test_a_broken_corner_is_not_the_front_wall():
    grid, body = box()
    high = grid.coordinate(2) > 4.0
    ahead = grid.coordinate(1) > 0.0
    body.mask[:, ahead[:, None] & high[None, :]] = False
    surfaces = find_surfaces(grid, body.mask)
    start = grid.axes.to_world(np.array([0.0, -25.0, -6.0]))
    room = axis_room(grid, body, surfaces, start, np.array([0.0, 1.0, 0.0]), 45.0)
    # In front the body is 16 mm high: the lost corner is nearer than the front, and it is endplate.
    assert room.at("anterior", 25.0) == pytest.approx(15.5, abs=0.3)
    assert room.at("endplate", 35.0) == pytest.approx(6.5, abs=0.6)
