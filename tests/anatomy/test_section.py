"""Plane sections: rays to the wall and the largest inscribed circle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spine_makers import column, voxel_field

from endplate.anatomy.section import DIRECTIONS, RAYS, Outline, Plane, cast_radii, inscribed_circle

PLANE = Plane(np.zeros(3), np.array([1.0, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]))


def _ellipse(a: float, b: float, centre: tuple[float, float] = (0.0, 0.0)) -> Outline:
    turn = 2.0 * np.pi * np.arange(RAYS) / RAYS
    return Outline(np.stack([a * np.cos(turn), b * np.sin(turn)], axis=1) + centre, np.asarray(centre, float))


@settings(derandomize=True, max_examples=30, deadline=None)
@given(st.floats(2.0, 9.0), st.floats(1.0, 2.2), st.floats(-4.0, 4.0), st.floats(-4.0, 4.0))
def test_circle_in_an_ellipse_has_its_smaller_axis(small: float, ratio: float, x: float, y: float) -> None:
    for a, b in ((small, small * ratio), (small * ratio, small)):
        outline = _ellipse(a, b, (x, y))
        diameter, centre = inscribed_circle(outline)
        assert diameter == pytest.approx(2.0 * small, rel=0.01)
        assert np.hypot(*(centre - [x, y])) < 0.08 * small * ratio
        assert outline.area_mm2 == pytest.approx(np.pi * a * b, rel=0.005)
        np.testing.assert_allclose(outline.centroid_mm, [x, y], atol=1e-9)
        assert outline.extent_mm(0) == pytest.approx(2.0 * a, rel=0.003)
        assert outline.extent_mm(1) == pytest.approx(2.0 * b, rel=0.003)


@pytest.mark.parametrize(("width", "height"), [(6.0, 10.0), (9.0, 5.0)])
def test_circle_in_a_rectangle_touches_its_long_sides(width: float, height: float) -> None:
    reach = np.min(0.5 * np.array([width, height]) / np.maximum(np.abs(DIRECTIONS), 1e-9), axis=1)
    diameter, _ = inscribed_circle(Outline(reach[:, None] * DIRECTIONS, np.zeros(2)))
    assert diameter == pytest.approx(min(width, height), abs=0.1)


def test_circle_keeps_out_of_a_dent() -> None:
    outline = _ellipse(6.0, 6.0)
    points = outline.points_mm.copy()
    points[-2:3] *= 0.5
    points[:3] *= 0.5
    points[-2:] *= 0.5
    dented, centre = inscribed_circle(Outline(points, np.zeros(2)))
    assert dented < 10.8
    assert centre[0] < -0.3


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0)])
@pytest.mark.parametrize(("a", "b"), [(4.0, 7.5), (7.0, 5.0)])
def test_rays_meet_the_wall_of_a_voxel_column(
    spacing: tuple[float, float, float], a: float, b: float
) -> None:
    field = voxel_field(column(a, b, -9.0, 9.0), 14.0, spacing)
    radii = cast_radii(field, PLANE, 14.0)
    assert radii is not None
    true = 1.0 / np.hypot(DIRECTIONS[:, 0] / a, DIRECTIONS[:, 1] / b)
    assert np.abs(radii - true).mean() < 0.2 * spacing[0]
    diameter, _ = inscribed_circle(Outline(radii[:, None] * DIRECTIONS, np.zeros(2)))
    # Rays find the nearest of all steps, so single sections are a little small.
    assert diameter == pytest.approx(2.0 * min(a, b), abs=0.45 * spacing[0])


def test_rays_from_outside_say_so_and_open_ones_end_at_their_reach() -> None:
    field = voxel_field(column(5.0, 5.0, -9.0, 9.0), 14.0)
    outside = Plane(np.array([9.0, 0.0, 0.0]), PLANE.u_ras, PLANE.v_ras)
    assert cast_radii(field, outside, 10.0) is None
    short = cast_radii(field, PLANE, 3.0)
    assert short is not None
    np.testing.assert_allclose(short, 3.0)


def test_plane_coordinates() -> None:
    plane = Plane(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.0]), np.array([0.0, 0.0, 1.0]))
    np.testing.assert_allclose(plane.normal_ras, [1.0, 0.0, 0.0])
    np.testing.assert_allclose(plane.to_world(np.array([[2.0, -1.0]])), [[1.0, 4.0, 2.0]])
