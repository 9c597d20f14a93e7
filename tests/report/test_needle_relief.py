"""The 3-D relief against bodies whose surface is known, and the needle's place in it."""

from __future__ import annotations

import numpy as np
import pytest
import toy_spine

from endplate.imaging.volume import LabelMap, Volume
from endplate.report.axes import frame_axes
from endplate.report.needle_3d import needle_views, view_planes
from endplate.report.needle_relief import relief
from endplate.report.scene import Scene
from endplate.report.slicing import Plane

RADIUS_MM = 14.0
CENTRE = np.array([4.0, -6.0, 2.0])


@pytest.fixture(scope="module")
def balls() -> LabelMap:
    """A ball of one label, and a smaller one of another 30 mm in front of it and to the patient's right."""
    affine = np.diag([0.9, 0.9, 1.2, 1.0])
    affine[:3, 3] = [-40.0, -40.0, -40.0]
    index = np.stack(np.meshgrid(np.arange(90), np.arange(100), np.arange(70), indexing="ij"), axis=-1)
    world = index * [0.9, 0.9, 1.2] - 40.0
    ids = np.zeros(world.shape[:3], dtype=np.uint8)
    ids[np.linalg.norm(world - CENTRE, axis=-1) <= RADIUS_MM] = 20
    ids[np.linalg.norm(world - CENTRE - [10.0, 30.0, 0.0], axis=-1) <= 8.0] = 21
    return LabelMap(Volume(ids, affine), "verse", False, "Two balls.")


def front_to_back() -> Plane:
    """Seen from the front: the patient's right on screen left, the back into the screen."""
    return Plane(CENTRE, np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0]), 60.0, 60.0)


def test_depth_of_a_ball(balls):
    plane = front_to_back()
    seen = relief(balls, 20, (20,), plane, 40.0, 1.0)
    points = plane.points(1.0) - CENTRE
    off = np.hypot(points[..., 0], points[..., 2])
    inner = off < 0.8 * RADIUS_MM
    np.testing.assert_allclose(seen.depth_mm[inner], -np.sqrt(RADIUS_MM**2 - off[inner] ** 2), atol=0.5)
    assert np.isnan(seen.depth_mm[off > RADIUS_MM + 1.0]).all()
    assert seen.own[inner].all()
    assert not seen.own[off > RADIUS_MM + 1.0].any()


def test_what_is_in_front_hides_what_is_behind(balls):
    seen = relief(balls, 20, (20, 21), front_to_back(), 60.0, 1.0)
    middle = 30
    assert seen.own[middle, middle]
    assert not seen.own[middle, middle - 10], "the ball to the right, on screen left, is nearer"
    assert seen.depth_mm[middle, middle - 10] == pytest.approx(-38.0, abs=0.6)
    alone = relief(balls, 20, (20,), front_to_back(), 60.0, 1.0)
    assert alone.depth_mm[middle, middle - 10] > -12.0, "left out, it hides nothing"


def test_the_light_comes_from_the_upper_left(balls):
    seen = relief(balls, 20, (20,), front_to_back(), 40.0, 1.0)
    assert seen.light[24, 24] > seen.light[36, 36] + 0.2
    assert ((seen.light >= 0.0) & (seen.light <= 1.0)).all()


def test_nothing_to_see(balls):
    seen = relief(balls, 7, (), front_to_back(), 40.0, 2.0)
    assert np.isnan(seen.depth_mm).all()
    assert not seen.own.any()


def test_views_are_sided(toy):
    vertebra = toy_spine.toy_vertebra(1)
    assert vertebra.frame is not None
    axes = frame_axes(vertebra.frame)
    behind, side = view_planes(axes, axes.origin)
    right, left = (toy_spine.toy_path(name) for name in ("right", "left"))
    assert behind.project(right.entry_ras_mm)[0] > behind.project(left.entry_ras_mm)[0]
    assert side.project(right.tip_ras_mm)[0] < side.project(right.entry_ras_mm)[0], "the front on screen left"
    # From behind the operator sees the entry before the tip; from the left side the left needle before the right.
    assert behind.depth_mm(right.entry_ras_mm) < behind.depth_mm(right.tip_ras_mm)
    assert side.depth_mm(left.entry_ras_mm) < side.depth_mm(right.entry_ras_mm)


def test_the_needle_is_hidden_in_the_bone_and_seen_behind_it(toy):
    image, labels = toy
    paths = (toy_spine.toy_path("right"),)
    behind, side = needle_views(Scene(image, labels), toy_spine.toy_spine(), toy_spine.toy_vertebra(1), paths)
    for picture in (behind, side):
        assert 'class="cannula hidden"' in picture.svg
        assert 'class="cannula"' in picture.svg
    assert needle_views(Scene(image, None), toy_spine.toy_spine(), toy_spine.toy_vertebra(1), paths) == []
