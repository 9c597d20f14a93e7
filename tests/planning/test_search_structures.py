"""What a needle keeps away from, found where it was put: air, organs, metal, the canal, a broken posterior wall."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.anatomy.axes import Axes
from endplate.anatomy.canal import RAYS, CanalTube
from endplate.anatomy.implants import ImplantMap, Material
from endplate.anatomy.mask import LocalGrid
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.volume import ScanInfo, Volume
from endplate.planning.canal_points import canal_points
from endplate.planning.foramen import Arch, foramen_points
from endplate.planning.structures import EXPECTED, air_inside, image_structures

SHAPE = (60, 60, 40)
AXES = Axes(np.array([60.0, 60.0, 40.0]), np.eye(3))
AFFINES = {
    "RAS": np.diag([2.0, 2.0, 2.0, 1.0]),
    "LPS": np.array([[-2.0, 0, 0, 118.0], [0, -2.0, 0, 118.0], [0, 0, 2.0, 0], [0, 0, 0, 1.0]]),
}


def scan(name: str, *blocks: tuple[tuple[float, float], tuple[float, float], float]) -> Volume:
    """Soft tissue with blocks of another HU, each by its x and y range in mm."""
    volume = Volume(np.full(SHAPE, 40, dtype=np.int16), AFFINES[name], ScanInfo(source_format="test"))
    index = np.stack(np.meshgrid(*map(np.arange, SHAPE), indexing="ij"), axis=-1)
    world = volume.to_world(index)
    data = volume.data.copy()
    for (x0, x1), (y0, y1), hu in blocks:
        inside = (world[..., 0] >= x0) & (world[..., 0] <= x1) & (world[..., 1] >= y0) & (world[..., 1] <= y1)
        data[inside] = hu
    return Volume(data, AFFINES[name], ScanInfo(source_format="test"))


BEHIND = ((-5.0, 125.0), (-5.0, 14.0), -1000.0)
LUNG = ((10.0, 40.0), (60.0, 100.0), -850.0)


@pytest.mark.parametrize("name", AFFINES)
def test_air_in_the_trunk_is_found_and_air_behind_the_back_is_not(name):
    points = AXES.to_world(air_inside(scan(name, BEHIND, LUNG), AXES))
    assert points[:, 0].min() == pytest.approx(9.0, abs=1.1)
    assert points[:, 0].max() == pytest.approx(41.0, abs=1.1)
    assert points[:, 1].min() > 50.0
    assert len(air_inside(scan(name, BEHIND), AXES)) == 0


def test_what_is_labelled_is_used_and_what_is_not_is_said():
    found, unchecked = image_structures(None, None, None, AXES)
    assert found == []
    assert {name.replace("_", " ") for name in EXPECTED} <= set(unchecked)
    ids = np.zeros(SHAPE, dtype=np.uint8)
    ids[40:46, 40:46, 10:30] = ORGAN_IDS["aorta"]
    organs = OrganMap(Volume(ids, AFFINES["RAS"], ScanInfo(source_format="test")))
    metal = np.zeros(SHAPE, dtype=np.uint8)
    metal[10:14, 20:24, 15:25] = Material.METAL
    metal[50:54, 20:24, 15:25] = Material.UNSURE
    implants = ImplantMap(Volume(metal, AFFINES["RAS"], ScanInfo(source_format="test")))
    found, unchecked = image_structures(scan("RAS", BEHIND, LUNG), organs, implants, AXES)
    assert {one.name: one.source for one in found} == {
        "aorta": "organ labels",
        "air inside the trunk": "HU",
        "metal or old cement": "HU",
    }
    assert "aorta" not in unchecked
    assert "lung" not in unchecked
    assert "kidney" in unchecked
    places = {one.name: AXES.to_world(one.points) for one in found}
    assert places["aorta"].mean(axis=0) == pytest.approx([85.0, 85.0, 39.0], abs=1.0)
    assert places["metal or old cement"][:, 0].max() < 30.0, "dense bone does not stop a needle"


def test_the_canal_is_solid_and_a_ray_through_a_foramen_is_held():
    z = 21
    grid = LocalGrid(
        Axes(np.zeros(3), np.eye(3)), np.zeros((3, 3, z), dtype=np.float32), np.array([0.0, 0.0, -10.0]), 1.0
    )
    radii = np.full((z, RAYS), 8.0)
    radii[3, 0] = 30.0
    radii[5, 10] = np.nan
    tube = CanalTube(np.zeros(2), np.zeros(2), radii, np.full(RAYS, 8.0), np.ones(z, dtype=bool))
    points = canal_points(tube, grid)
    assert np.isfinite(points).all()
    reach = np.hypot(points[:, 0], points[:, 1])
    assert np.sort(reach)[-1] == pytest.approx(10.0)
    assert (np.sort(reach)[:-3] <= 9.01).all()
    probes = np.random.default_rng(3).uniform(-1.0, 1.0, (50, 3)) * [5.0, 5.0, 9.0]
    nearest = np.linalg.norm(points[None] - probes[:, None], axis=2).min(axis=1)
    assert nearest.max() < 1.5, "a needle anywhere in the canal is near one of its points"


def test_a_foramen_lies_between_its_pedicles_and_outside_bone():
    grid = LocalGrid(
        Axes(np.zeros(3), np.eye(3)),
        np.zeros((40, 40, 60), dtype=np.float32),
        np.array([-20.0, -20.0, -30.0]),
        1.0,
    )
    grid.values[:, 25:, :] = 1.0
    own, other = Arch(np.array([10.0, 0.0, 0.0]), 8.0, 10.0), Arch(np.array([11.0, 1.0, 30.0]), 8.0, 10.0)
    above = foramen_points(own, other, +1, 1.0, [grid], np.empty((0, 3)))
    assert above[:, 2].min() > 2.0
    assert above[:, 2].max() < 26.5
    assert above[:, 1].max() < 5.0, "the body in front is no foramen"
    below = foramen_points(own, None, -1, 1.0, [grid], np.empty((0, 3)))
    assert below[:, 2].max() < -2.0
    crowded = Arch(np.array([11.0, 1.0, 10.5]), 8.0, 10.0)
    assert len(foramen_points(own, crowded, +1, 1.0, [grid], np.empty((0, 3)))) == 0
