"""The canal and the posterior wall: found where they are, and never in a crater of the body."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spine_makers import CANAL_CENTRE_MM, CANAL_HALF_MM, column, joined, local_grid, toy_vertebra, without

from endplate.anatomy import canal
from endplate.anatomy.body import split_body
from endplate.anatomy.canal import find_canal
from endplate.anatomy.locate import Located
from endplate.anatomy.mask import LocalGrid
from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic import Phantom

HALF = (30.0, 46.0, 16.0)
ACROSS, DEEP = CANAL_HALF_MM


def _assert_in_place(grid: LocalGrid, slope: tuple[float, float] = (0.0, 0.0)) -> None:
    tube = find_canal(grid)
    assert tube is not None
    np.testing.assert_allclose(tube.centre_mm, CANAL_CENTRE_MM, atol=0.4)
    np.testing.assert_allclose(tube.slope, slope, atol=0.04)
    tilt = np.hypot(1.0, slope[1])
    depth = np.median(canal.sagittal_diameters_mm(tube)[tube.closed])
    assert depth == pytest.approx(2.0 * DEEP / tilt, abs=0.35)
    assert canal.width_mm(tube) == pytest.approx(2.0 * ACROSS / np.hypot(1.0, slope[0]), abs=0.6)
    assert canal.area_mm2(tube.typical_mm) == pytest.approx(np.pi * ACROSS * DEEP, rel=0.03)


def test_the_canal_of_a_plain_vertebra() -> None:
    _assert_in_place(local_grid(toy_vertebra(), HALF))


@settings(derandomize=True, max_examples=6, deadline=None)
@given(st.floats(-0.15, 0.15), st.floats(-0.3, 0.3))
def test_a_tilted_canal_is_followed(across: float, along: float) -> None:
    _assert_in_place(local_grid(toy_vertebra(slope=(across, along)), HALF, 1.0), (across, along))


@pytest.mark.parametrize("crater_mm", [5.0, 9.0, 12.0])
def test_a_hole_through_the_body_is_not_the_canal(crater_mm: float) -> None:
    # The crater is the larger hole: whoever takes the largest hole of an axial slice is caught.
    _assert_in_place(local_grid(toy_vertebra(crater_mm=crater_mm), HALF))


def test_a_thin_lamina_that_the_map_lost_does_not_lose_the_canal() -> None:
    tube = find_canal(local_grid(toy_vertebra(split_arch=True), HALF), seed_mm=np.array([1.0, -23.0]))
    assert tube is not None
    np.testing.assert_allclose(tube.centre_mm, CANAL_CENTRE_MM, atol=0.8)


def test_without_an_arch_there_is_no_canal() -> None:
    bare = local_grid(column(21.0, 16.0, -12.0, 12.0), HALF)
    assert find_canal(bare) is None
    assert find_canal(bare, seed_mm=np.array(CANAL_CENTRE_MM)) is None
    empty = local_grid(column(21.0, 16.0, -12.0, 12.0, (200.0, 0.0)), (20.0, 20.0, 10.0))
    assert find_canal(empty) is None


def test_a_deep_canal_is_one_too() -> None:
    # The laminae of L5 may meet in a deep angle.
    deep = 14.5
    centre = (0.0, CANAL_CENTRE_MM[1] + DEEP - deep)
    ring = column(ACROSS + 6.0, deep + 6.0, -7.0, 7.0, centre)
    solid = without(joined(column(21.0, 16.0, -12.0, 12.0), ring), column(ACROSS, deep, -40.0, 40.0, centre))
    tube = find_canal(local_grid(solid, (30.0, 60.0, 16.0)))
    assert tube is not None
    assert np.median(canal.sagittal_diameters_mm(tube)[tube.closed]) == pytest.approx(2.0 * deep, abs=0.5)


def test_points_inside_the_tube() -> None:
    tube = find_canal(local_grid(toy_vertebra(), HALF))
    assert tube is not None
    x = np.array([0.0, ACROSS - 1.0, ACROSS + 1.0, 0.0, 0.0])
    y = CANAL_CENTRE_MM[1] + np.array([0.0, 0.0, 0.0, DEEP - 1.0, DEEP + 1.0])
    middle = len(tube.closed) // 2
    inside = canal.mask_slice(tube, x, y, 0.0, middle)
    assert inside.tolist() == [True, True, False, True, False]


@pytest.mark.parametrize("crater_mm", [0.0, 8.0])
def test_body_and_arch_are_divided_at_the_posterior_wall(crater_mm: float) -> None:
    grid = local_grid(toy_vertebra(crater_mm=crater_mm), HALF)
    body = split_body(grid, find_canal(grid))
    points = np.stack(np.meshgrid(*(grid.coordinate(a) for a in range(3)), indexing="ij"), axis=-1)
    true = grid.inside & (column(21.0, 16.0, -12.0, 12.0)(points) <= 0.0)
    dice = 2.0 * (body.mask & true).sum() / (body.mask.sum() + true.sum())
    assert dice > 0.97
    x, z = grid.coordinate(0), grid.coordinate(2)
    ix, iz = np.nonzero(body.wall_seen & (np.abs(x)[:, None] < 8.0) & (np.abs(z)[None, :] < 9.0))
    assert len(ix) > 100
    # Where the ring stands the wall is the canal's front, above and below it the back of the body.
    back = -16.0 * np.sqrt(1.0 - (x[ix] / 21.0) ** 2)
    front = CANAL_CENTRE_MM[1] + DEEP * np.sqrt(1.0 - (x[ix] / ACROSS) ** 2)
    true_wall = np.where(np.abs(z[iz]) < 7.0, front, back)
    clear = np.abs(np.abs(z[iz]) - 7.0) > 1.0
    assert np.abs(body.wall_y_mm[ix, iz] - true_wall)[clear].max() < 0.5


def test_processes_are_not_body() -> None:
    process = column(40.0, 4.0, -3.0, 3.0, (0.0, -8.0))
    grid = local_grid(joined(toy_vertebra(), process), (46.0, 46.0, 16.0))
    mask = split_body(grid, find_canal(grid)).mask
    reach = np.abs(grid.coordinate(0))[mask.any(axis=(1, 2))].max()
    assert reach < 21.0 + 4.0


def test_a_map_without_arches_is_all_body() -> None:
    grid = local_grid(column(21.0, 16.0, -12.0, 12.0), HALF)
    body = split_body(grid, None)
    np.testing.assert_array_equal(body.mask, grid.inside)


@pytest.mark.parametrize("level", ["T12", "L1", "L2"])
def test_the_split_of_a_phantom_is_the_true_one(
    level: str, broken_spine: Phantom, broken_located: dict[str, Located]
) -> None:
    vertebra = broken_located[level].vertebra
    voxels = np.argwhere(broken_spine.labels.data == VERSE_IDS[level])
    local = vertebra.axes.to_local(broken_spine.labels.volume.to_world(voxels))
    index = np.rint((local - vertebra.grid.low_mm) / vertebra.grid.step_mm).astype(int)
    index = np.clip(index, 0, np.array(vertebra.grid.values.shape) - 1)
    ours = vertebra.body.mask[tuple(index.T)]
    true = broken_spine.subregions.data[tuple(voxels.T)] == 49
    dice = 2.0 * (ours & true).sum() / (ours.sum() + true.sum())
    # Where the pedicle ends and the body begins is a convention; at T12 the phantom's lies further forward.
    assert dice >= (0.95 if level == "T12" else 0.97)
