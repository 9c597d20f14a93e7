"""A bright voxel at a known place in the patient lands at the right pixel, whatever the grid and the cut."""

from __future__ import annotations

import math

import numpy as np
import pytest

from endplate.imaging.volume import Volume
from endplate.report.slicing import CurvedView, Plane, direction_letters, sample, square_to

R, A, S = np.eye(3)


def turned(degrees: float, axis: int) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i], matrix[i, j], matrix[j, i], matrix[j, j] = c, -s, s, c
    return matrix


GRIDS = {
    "RAS": np.diag([0.8, 0.9, 1.1]),
    "LPS": np.diag([-0.8, -0.9, 1.1]),
    "PIR": np.array([[0, 0, 1.2], [-0.9, 0, 0], [0, -1.0, 0]]),
    "ASL": np.array([[0, 0, -1.0], [1.0, 0, 0], [0, 1.0, 0]]),
    "oblique": turned(20, 0) @ turned(15, 2) @ np.diag([0.9, -0.9, 1.0]),
}

VIEWS = {
    "axial": ((-R, -A), ("R", "L", "A", "P")),
    "sagittal": ((-A, -S), ("A", "P", "S", "I")),
    "coronal": ((-R, -S), ("R", "L", "S", "I")),
}


def blob_volume(linear: np.ndarray, point: np.ndarray) -> Volume:
    """A volume about the origin with a smooth blob of 2 mm at ``point``."""
    shape = (48, 48, 48)
    affine = np.eye(4)
    affine[:3, :3] = linear
    affine[:3, 3] = -linear @ (np.array(shape) - 1) / 2.0
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    away = np.linalg.norm(index @ linear.T + affine[:3, 3] - point, axis=-1)
    return Volume(1000.0 * np.exp(-0.5 * (away / 2.0) ** 2), affine)


@pytest.mark.parametrize("order", [1, 3])
@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("grid", GRIDS)
def test_bright_voxel_lands_at_its_pixel(grid: str, view: str, order: int) -> None:
    point = np.array([7.0, -5.0, 9.0])
    (right, down), letters = VIEWS[view]
    normal = np.cross(right, down)
    plane = Plane(normal * float(point @ normal), right, down, 36.0, 30.0)
    assert tuple(plane.letters) == letters
    picture = sample(blob_volume(GRIDS[grid], point), plane.points(0.25), order=order)
    assert picture.shape == (120, 144)
    bright = np.nan_to_num(np.where(picture > 300.0, picture, 0.0))
    rows, columns = np.mgrid[0:120, 0:144]
    found = np.array([(bright * (columns + 0.5)).sum(), (bright * (rows + 0.5)).sum()]) / bright.sum() * 0.25
    expected = [18.0 + point @ right, 15.0 + point @ down]
    assert found == pytest.approx(expected, abs=0.1)
    assert plane.project(point) == pytest.approx(expected)
    assert plane.depth_mm(point) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("grid", GRIDS)
def test_oblique_cut_holds_the_needle_and_its_blob(grid: str) -> None:
    forward = np.array([-0.35, 0.9, 0.2]) / np.linalg.norm([-0.35, 0.9, 0.2])
    plane = Plane(np.array([1.0, 2.0, 3.0]), -R, -square_to(forward, R), 40.0, 40.0)
    point = np.array([1.0, 2.0, 3.0]) + 8.0 * forward
    assert plane.depth_mm(point) == pytest.approx(0.0, abs=1e-9)
    picture = sample(blob_volume(GRIDS[grid], point), plane.points(0.5), order=3)
    row, column = np.unravel_index(int(np.nanargmax(picture)), picture.shape)
    assert np.array([column + 0.5, row + 0.5]) * 0.5 == pytest.approx(plane.project(point), abs=0.5)
    assert plane.letters.left == "R"
    assert plane.letters.top == "A"


def test_project_and_unproject_are_inverse() -> None:
    turn = turned(33, 0) @ turned(-21, 1)
    plane = Plane(np.array([3.0, -40.0, 12.0]), turn[:, 0], turn[:, 1], 50.0, 20.0)
    xy = np.random.default_rng(3).uniform(0.0, 20.0, (7, 2))
    assert plane.project(plane.unproject(xy)) == pytest.approx(xy)
    assert plane.unproject(np.array([25.0, 10.0])) == pytest.approx(plane.centre_ras_mm)


def test_pixels_fill_the_picture_exactly() -> None:
    plane = Plane(np.zeros(3), R, -S, 10.0, 5.0)
    points = plane.points(0.3)
    assert points.shape == (17, 33, 3)
    xy = plane.project(points)
    assert xy[..., 0].min() == pytest.approx(10.0 / 33 / 2)
    assert xy[..., 0].max() == pytest.approx(10.0 - 10.0 / 33 / 2)


@pytest.mark.parametrize(
    ("direction", "letters"),
    [
        (R, "R"),
        (-R, "L"),
        (-A, "P"),
        (S, "S"),
        ((0.3, 0.95, 0.0), "A"),
        ((-0.5, 0.85, 0.1), "AL"),
        ((0.6, -0.6, -0.52), "RPI"),
        ((0.0, 0.38, -0.92), "I"),
        ((0.0, 0.40, -0.92), "IA"),
    ],
)
def test_letters_of_a_direction(direction: tuple[float, float, float], letters: str) -> None:
    assert direction_letters(direction) == letters


def test_outside_the_scan_is_unknown_not_air() -> None:
    volume = Volume(np.full((10, 10, 10), 40, np.int16), np.eye(4))
    plane = Plane(np.array([4.5, 4.5, 4.0]), R, A, 20.0, 20.0)
    picture = sample(volume, plane.points(1.0))
    assert np.isnan(picture[0, 0])
    assert picture[10, 10] == pytest.approx(40.0)
    assert np.isnan(sample(volume, plane.points(1.0) + 500.0)).all()


@pytest.mark.parametrize(
    ("right", "down", "size"), [(R, R, 1.0), (2 * R, A, 1.0), ((1.0, 0.01, 0.0), A, 1.0), (R, A, 0.0)]
)
def test_a_plane_that_is_none_is_refused(right: np.ndarray, down: np.ndarray, size: float) -> None:
    with pytest.raises(ValueError, match="plane"):
        Plane(np.zeros(3), right, down, size, 1.0)


def test_curved_view_follows_its_curve() -> None:
    plane = Plane(np.zeros(3), -A, -S, 40.0, 40.0)
    view = CurvedView(plane, np.array([0.0, 40.0]), np.array([-10.0, 10.0]))
    points = view.points(1.0)
    depth = plane.depth_mm(points)
    assert depth[0, 0] == pytest.approx(-9.75)
    assert depth[-1, 0] == pytest.approx(9.75)
    blob = np.array([0.0, 3.0, 0.0]) + plane.normal_ras * 5.0 - 10.0 * S
    picture = sample(blob_volume(GRIDS["PIR"], blob), points)
    row, column = np.unravel_index(int(np.nanargmax(picture)), picture.shape)
    assert np.array([column + 0.5, row + 0.5]) == pytest.approx(view.project(blob), abs=1.0)
    assert np.nanmax(picture) > 850.0, "the surface runs through the blob, to half a pixel"
