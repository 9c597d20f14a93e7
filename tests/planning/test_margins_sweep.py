"""Margins from surface points against shapes whose distances are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.planning.kernels import FAR_MM, last_inside, nearest, surface_points, sweep, wall_crossings
from endplate.planning.robustness import grade

STEP = 0.5
RADIUS = 1.5


def tube(half_width: float, half_height: float) -> np.ndarray:
    """Surface points of an elliptical tube along y, from −20 to 20 mm."""
    x = np.arange(-15.0, 15.01, STEP)
    y = np.arange(-20.0, 20.01, STEP)
    grid = np.stack(np.meshgrid(x, y, x, indexing="ij"), axis=-1)
    inside = 1.0 - np.hypot(grid[..., 0] / half_width, grid[..., 2] / half_height)
    values = np.clip(0.5 + 2.0 * inside, 0.0, 1.0).astype(np.float32)
    return surface_points(values, np.array([x[0], y[0], x[0]]), STEP)


def swept(
    points: np.ndarray, origin, direction, *, span=(-10.0, 10.0, 10.0), voxel=None, error=0.0
) -> np.ndarray:
    direction = np.asarray(direction, dtype=float) / np.linalg.norm(direction)
    lateral = np.array([1.0, 0.0, 0.0]) - direction[0] * direction
    lateral /= np.linalg.norm(lateral)
    head = np.cross(lateral, direction)
    head *= np.sign(head[2])
    rows = [np.asarray(row, dtype=float)[None].copy() for row in (origin, direction, lateral, head, span)]
    return sweep(points, *rows, RADIUS, np.eye(3) if voxel is None else voxel, error)[0]


def test_margins_of_a_needle_in_a_tube_are_those_of_geometry():
    points = tube(5.0, 8.0)
    found = swept(points, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    lateral, superior, medial, inferior = found[:4]
    assert [lateral, medial] == pytest.approx([3.5, 3.5], abs=0.03)
    assert lateral == pytest.approx(medial, abs=1e-9)
    # The nearest surface of the upper quarter lies at its border, not straight above.
    border = 1.0 / np.hypot(1.0 / 5.0, 1.0 / 8.0) * np.sqrt(2.0) - RADIUS
    assert [superior, inferior] == pytest.approx([border, border], abs=0.12)


@given(
    shift=st.tuples(st.floats(-2.0, 2.0), st.floats(-2.0, 2.0)),
    tilt=st.tuples(st.floats(-0.15, 0.15), st.floats(-0.15, 0.15)),
)
def test_no_minimum_hides_between_rays_or_stations(shift, tilt):
    points = tube(6.0, 6.0)
    direction = np.array([tilt[0], 1.0, tilt[1]]) / np.linalg.norm([tilt[0], 1.0, tilt[1]])
    found = swept(points, (shift[0], 0.0, shift[1]), direction, span=(-8.0, 8.0, 8.0))
    # The axis is farthest from the tube's middle at one of its ends. Across a tilted axis the wall is a little
    # farther than across the tube; the last surface points lie up to one step of the grid before the end.
    ends = np.array([shift[0], 0.0, shift[1]]) + np.array([[-8.0], [8.0]]) * direction
    least = 6.0 - np.hypot(ends[:, 0], ends[:, 2]).max() - RADIUS
    slope = float(np.sqrt(1.0 / direction[1] ** 2 - 1.0))
    assert least - 0.03 <= found[:4].min() <= least / direction[1] + STEP * slope + 0.06


def test_the_derated_margin_takes_off_the_voxel_along_the_very_direction():
    points = tube(5.0, 5.0)
    voxel = np.diag([2.0, 0.6, 0.6])
    found = swept(points, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), voxel=voxel, error=0.25)
    raw, derated = found[:4], found[4:8]
    assert raw == pytest.approx([3.5] * 4, abs=0.03)
    assert derated[[0, 2]] == pytest.approx([3.5 - 1.0 - 0.25] * 2, abs=0.04)
    oblique = 0.5 * np.hypot(2.0 * np.cos(np.pi / 4), 0.6 * np.cos(np.pi / 4))
    assert derated[[1, 3]] == pytest.approx([3.5 - oblique - 0.25] * 2, abs=0.06), (
        "the border of the sector counts"
    )


def test_surface_in_front_of_the_wall_is_no_margin_but_counts_for_the_body():
    points = np.array([[0.0, 6.0, 3.0], [0.0, 12.0, 0.0]])
    found = swept(points, (0.0, 0.0, 0.0), (0.0, 1.0, 0.0), span=(-5.0, 5.0, 10.0))
    assert (found[:8] == FAR_MM).all()
    assert found[8] == pytest.approx(2.0 - RADIUS), (
        "the round end of the tip reaches the point in front of it"
    )


def test_distance_to_a_structure_is_that_of_a_round_ended_stretch():
    points = np.array([[3.0, 0.0, 4.0], [0.0, 14.0, 0.0]])
    origin, direction = np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]])
    ends = np.array([-1.0]), np.array([10.0])
    assert nearest(points, origin, direction, *ends)[0] == pytest.approx(4.0)
    assert nearest(points[:1], origin, direction, *ends)[0] == pytest.approx(5.0)
    assert nearest(np.empty((0, 3)), origin, direction, *ends)[0] == FAR_MM


def test_walks_end_where_the_surface_is_and_say_where_there_is_none():
    x = np.arange(0.0, 10.01, STEP)
    values = np.broadcast_to(np.clip(0.5 + (6.3 - x), 0.0, 1.0)[:, None, None], (21, 21, 21)).astype(
        np.float32
    )
    values = np.ascontiguousarray(values)
    low, ahead = np.zeros(3), np.array([[1.0, 0.0, 0.0]])
    start = np.array([[1.0, 5.0, 5.0]])
    assert last_inside(values, low, STEP, start, ahead, np.zeros(1), 20.0, 0.25)[0] == pytest.approx(
        5.3, abs=0.01
    )
    assert np.isnan(last_inside(values, low, STEP, start + 7.0 * ahead, ahead, np.zeros(1), 20.0, 0.25)[0])
    assert np.isnan(last_inside(values, low, STEP, start, ahead, np.zeros(1), 3.0, 0.25)[0]), "not reached"
    wall = np.full((5, 5), 2.0)
    back = np.zeros((1, 3)), np.array([[0.0, 1.0, 0.0]]), np.array([-3.0]), np.array([4.0])
    assert wall_crossings(wall, np.zeros(2), 1.0, *back, 0.25)[0] == pytest.approx(2.0)
    assert np.isnan(wall_crossings(wall + 9.0, np.zeros(2), 1.0, *back, 0.25)[0])


@pytest.mark.parametrize(
    ("margin", "expected"),
    [(0.1, "A"), (0.0, "A"), (-0.1, "B"), (-1.99, "B"), (-2.0, "C"), (-5.0, "D"), (-6.0, "E")],
)
def test_grades_follow_the_breach(margin, expected):
    assert grade(margin) == expected
