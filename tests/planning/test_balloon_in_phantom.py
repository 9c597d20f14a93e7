"""A balloon planned in the phantom's label map, judged by the phantom's exact surfaces."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.anatomy import assess
from endplate.anatomy.axes import FloatArray
from endplate.imaging.calibration import Calibration
from endplate.planning.axis_room import axis_room
from endplate.planning.balloon import LevelBalloons, choose_balloon
from endplate.planning.kyphoplasty import NeedleRoom
from endplate.planning.options import PlanOptions
from endplate.planning.path import Path, Wish
from endplate.planning.rules import load_rules
from endplate.planning.scene import LevelScene, level_scene
from endplate.planning.search import search
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

RULES = load_rules()
LEVEL = "L3"
VOXEL_MM = 0.7
"""What a label map of 1 mm voxels may be off the exact surface."""

SIDES = ("left", "right")


@pytest.fixture(scope="module")
def found() -> tuple[Phantom, LevelScene, dict[str, Path]]:
    phantom = build_phantom(default_spec(("L2", "L3", "L4")), GridSpec(), ct=False)
    spine = assess(phantom.labels, None, Calibration.uncalibrated())
    level = spine.find(LEVEL)
    assert level is not None
    scene = level_scene(phantom.labels, None, None, None, spine, level)
    tool = PlanOptions().catalogue.tool("8G", "kyphoplasty")
    paths = {}
    for side in SIDES:
        best = search(scene, Wish(side, "transpedicular", tool), RULES).best
        assert best is not None
        paths[side] = best
    return phantom, scene, paths


def needle_room(scene: LevelScene, path: Path) -> NeedleRoom:
    geometry = scene.geometry
    wall = path.bone_to_posterior_wall_mm
    room = axis_room(
        geometry.grid, geometry.body, geometry.surfaces, path.entry_ras_mm, path.direction_ras, wall + 60.0
    )
    return NeedleRoom(path.entry_ras_mm, path.direction_ras, wall, room)


def inside_mm(phantom: Phantom, points: FloatArray) -> FloatArray:
    """Distance of points to the exact surface of the vertebra, positive inside."""
    return -phantom.signed_distance(LEVEL, points)


def along(needle: NeedleRoom, depths: FloatArray) -> FloatArray:
    return np.array([needle.point(depth) for depth in depths])


@pytest.mark.parametrize("side", SIDES)
def test_the_nearest_wall_is_as_far_as_the_exact_surface(found, side):
    phantom, scene, paths = found
    needle = needle_room(scene, paths[side])
    room = needle.room
    # From the middle of the body on, where no pedicle joins it, to a little before the anterior wall.
    depths = np.arange(needle.wall_depth_mm + 14.0, paths[side].bone_to_tip_mm, 1.0)
    assert len(depths) >= 5
    nearest = [min(room.at(wall, depth) for wall in ("anterior", "endplate", "side")) for depth in depths]
    assert nearest == pytest.approx(inside_mm(phantom, along(needle, depths)), abs=VOXEL_MM)


def test_planned_balloons_keep_clear_of_the_exact_walls(found):
    phantom, scene, paths = found
    needles = {side: needle_room(scene, path) for side, path in paths.items()}
    chosen = choose_balloon(
        LEVEL, needles, PlanOptions().catalogue.access_systems["8G"], PlanOptions(), RULES
    )
    assert isinstance(chosen, LevelBalloons)
    assert chosen.choice.volume_ml >= 1.0
    for side, needle in needles.items():
        path, choice = chosen.paths[side], chosen.choice
        radius = 0.5 * choice.inflated_diameter_mm
        half = max(0.5 * choice.length_mm - radius, 0.0)
        depths = chosen.middles_mm[side] + np.linspace(-half, half, 21)
        least = min(RULES.balloon.endplate_mm, RULES.balloon.side_wall_mm)
        assert inside_mm(phantom, along(needle, depths)).min() - radius >= least - VOXEL_MM
        points = [path.cannula_end_ras_mm, *path.balloon_markers_ras_mm, path.channel_end_ras_mm]
        order = [float((np.array(point) - needle.entry_ras_mm) @ needle.direction_ras) for point in points]
        assert order == sorted(order)
        assert order[0] == pytest.approx(needle.wall_depth_mm + 2.0, abs=1e-5)
        assert order[2] - order[1] == pytest.approx(choice.length_mm, abs=1e-5)
        assert (inside_mm(phantom, np.array(points)) > 1.0).all()
