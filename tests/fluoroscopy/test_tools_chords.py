"""Chords of rays through tools: against formulas and against dense samples along the rays."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.fluoroscopy.shapes import Piece, capsule, cone, cylinder, ellipsoid, ground_tip, sphere, tube
from endplate.fluoroscopy.tools import Tool, ToolLayer, balloon, needle, tool_paths
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose

CENTRE = np.array([5.0, -40.0, 80.0])
AXES = np.linalg.qr(np.random.default_rng(4).standard_normal((3, 3)))[0]


def view_of(primary: float = 160.0, secondary: float = 12.0, pixels: int = 61) -> View:
    return mobile_view(CArmPose(primary, secondary), CENTRE, pixels=pixels, detector_mm=60.0)


def at(*along: float) -> np.ndarray:
    """A point told along oblique axes from the centre."""
    return CENTRE + AXES.T @ np.array(along)


def image_of(pieces: Piece | tuple[Piece, ...], view: View) -> np.ndarray:
    held = pieces if isinstance(pieces, tuple) else (pieces,)
    return np.asarray(tool_paths(view, [Tool("tool", held)]).lengths_mm[0])


def sampled(pieces: tuple[Piece, ...], view: View, samples: int = 3001) -> np.ndarray:
    """Path lengths by counting points within the pieces along the stretch of each ray near the centre."""
    rows, columns = view.shape
    pixels = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1)
    rays = view.ray(pixels)
    near = view.source_isocentre_mm + np.linspace(-60.0, 60.0, samples)
    total = np.zeros(view.shape)
    for r in range(rows):
        points = view.source_ras_mm + near[:, None, None] * rays[r]
        for piece in pieces:
            x = points - piece.centre_ras_mm
            inside = np.einsum("nci,ij,ncj->nc", x, piece.form, x) + piece.level <= 0.0
            for plane in piece.planes:
                inside &= x @ plane[:3] <= plane[3]
            total[r] += piece.sign * inside.mean(axis=0) * 120.0
    return total


SHAPES = {
    "cylinder": (cylinder(at(-12.0, 0.0, 3.0), at(9.0, 4.0, 0.0), 6.0, "steel"),),
    "tube": tube(at(-12.0, 0.0, 3.0), at(9.0, 4.0, 0.0), 6.0, 4.0, "steel"),
    "ellipsoid": (ellipsoid(CENTRE, np.diag([9.0, 5.0, 7.0]) @ AXES, "contrast"),),
    "capsule": capsule(at(-7.0, 0.0, 0.0), at(7.0, 2.0, 0.0), 8.0, "contrast"),
    "cone": (cone(at(-9.0, 0.0, 0.0), at(8.0, 0.0, 3.0), 9.0, "steel"),),
    "bevel": (ground_tip(at(-9.0, 0.0, 0.0), at(8.0, 0.0, 3.0), 7.0, 1, 30.0, "steel"),),
    "trocar": (ground_tip(at(-9.0, 0.0, 0.0), at(8.0, 0.0, 3.0), 7.0, 3, 25.0, "steel"),),
    "diamond": (ground_tip(at(-9.0, 0.0, 0.0), at(8.0, 0.0, 3.0), 7.0, 4, 25.0, "steel"),),
}


@pytest.mark.parametrize("name", SHAPES)
def test_chords_are_what_samples_along_the_ray_count(name: str) -> None:
    view = view_of(pixels=23)
    ours = image_of(SHAPES[name], view)
    assert ours.max() > 1.0
    # A sample every 0.04 mm; each piece can be off by one at either end.
    assert np.abs(ours - sampled(SHAPES[name], view)).max() < 0.13


def test_a_ball_has_the_chord_of_its_distance() -> None:
    view = view_of()
    image = image_of(sphere(CENTRE, 14.0, "contrast"), view)
    rays = view.ray(np.stack(np.meshgrid(np.arange(61), np.arange(61)), axis=-1))
    way = CENTRE - view.source_ras_mm
    miss = np.linalg.norm(np.cross(way, rays), axis=-1)
    assert np.allclose(image, 2.0 * np.sqrt(np.clip(49.0 - miss**2, 0.0, None)), atol=1e-4)


def test_a_needle_across_and_along_the_beam() -> None:
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=301, detector_mm=150.5)
    x, y = np.array([30.0, 0.0, 0.0]), np.array([0.0, 25.0, 0.0])
    across = tube(CENTRE - x, CENTRE + x, 4.0, 3.0, "steel")
    assert np.isclose(image_of(across, view)[150, 150], 1.0, atol=1e-5)
    along = cylinder(CENTRE - y, CENTRE + y, 4.0, "steel")
    assert np.isclose(image_of(along, view)[150, 150], 50.0, atol=1e-4)
    # Down a cannula the beam is free: a ring.
    down = image_of(tube(CENTRE - y, CENTRE + y, 4.0, 3.0, "steel"), view)
    assert abs(down[150, 150]) < 1e-4
    assert down.max() > 5.0


def test_the_volume_of_a_tool_is_kept() -> None:
    """Σ length · pixel area at the object's depth, for something small at the isocentre."""
    view = mobile_view(CArmPose(150.0, -10.0), CENTRE, pixels=400, detector_mm=60.0)
    image = image_of(ellipsoid(CENTRE, np.diag([4.0, 3.0, 2.0]) @ AXES, "contrast"), view)
    volume = float(image.sum(dtype=np.float64)) * view.pixel_at_isocentre_mm**2
    assert np.isclose(volume, 4.0 / 3.0 * np.pi * 24.0, rtol=2e-3)


def test_a_layer_draws_anew_and_only_in_its_box() -> None:
    view = view_of()
    layer = ToolLayer(view, ("steel", "contrast", "platinum"))
    rod = needle(at(3.0, 0.0, 0.0), at(-30.0, 5.0, 2.0), outer_mm=3.2, inner_mm=2.6)
    layer.draw([rod, balloon(at(0.0, -4.0, 0.0), at(0.0, 9.0, 0.0), 8.0)])
    first = layer.lengths_mm.copy()
    assert (first.max(axis=(1, 2)) > 0.5).all()
    top, bottom, left, right = layer.box
    outside = np.ones(view.shape, dtype=bool)
    outside[top:bottom, left:right] = False
    assert not first[:, outside].any()
    layer.draw([])
    assert not layer.lengths_mm.any()
    layer.draw([rod, balloon(at(0.0, -4.0, 0.0), at(0.0, 9.0, 0.0), 8.0)])
    assert np.array_equal(layer.lengths_mm, first)


@pytest.mark.parametrize(
    "offset", [[0.0, 0.0, 300.0], [300.0, 0.0, 0.0], [0.0, 900.0, 0.0], [0.0, -900.0, 0.0]]
)
def test_a_tool_outside_the_field_leaves_an_empty_image(offset: list[float]) -> None:
    """Above, beside, behind the source (a prone patient's front) and beyond the detector."""
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=50)
    place = CENTRE + np.array(offset)
    layer = tool_paths(view, [needle(place, place + np.array([9.0, 9.0, 9.0]), outer_mm=3.0, inner_mm=2.0)])
    assert not layer.lengths_mm.any()


def test_a_tool_that_reaches_behind_the_source_is_still_right() -> None:
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=51)
    source, beam = view.source_ras_mm, view.pose.detector_ras
    rod = cylinder(source - 50.0 * beam, source + 100.0 * beam, 8.0, "steel")
    assert np.isclose(image_of(rod, view)[25, 25], 100.0, atol=1e-3)


def test_a_stylet_makes_the_cannula_solid() -> None:
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=301, detector_mm=150.5)
    back = CENTRE - np.array([80.0, 0.0, 0.0])
    ends = (CENTRE + np.array([20.0, 0.0, 0.0]), back)
    full, hollow = (
        tool_paths(view, [needle(*ends, outer_mm=4.0, inner_mm=3.0, stylet_beyond_mm=beyond)]).lengths_mm[0]
        for beyond in (3.0, None)
    )
    assert np.isclose(full[150, 150], 4.0, atol=1e-5)
    assert np.isclose(hollow[150, 150], 1.0, atol=1e-5)


def test_shapes_without_extent_are_refused() -> None:
    for make in (
        lambda: cylinder(CENTRE, CENTRE, 3.0, "steel"),
        lambda: cylinder(CENTRE, CENTRE + 1.0, 0.0, "steel"),
        lambda: cylinder(CENTRE, [np.nan, 0.0, 0.0], 3.0, "steel"),
        lambda: tube(CENTRE, CENTRE + 1.0, 3.0, 3.0, "steel"),
        lambda: ellipsoid(CENTRE, np.zeros((3, 3)), "contrast"),
        lambda: ellipsoid(CENTRE, np.array([[1.0, 0, 0], [1.0, 1.0, 0], [0, 0, 1.0]]), "contrast"),
        lambda: ground_tip(CENTRE, CENTRE + 1.0, 3.0, 9, 25.0, "steel"),
    ):
        with pytest.raises(UsageError) as told:
            make()
        assert told.value.code == "tool-shape"
    with pytest.raises(UsageError, match="contrast"):
        tool_paths(view_of(), [Tool("ball", (sphere(CENTRE, 3.0, "contrast"),))], ("steel",))
