"""A label as a smooth occupancy: where its surface lies between the voxels."""

from __future__ import annotations

import numpy as np
import pytest
from spine_makers import UPRIGHT, Solid, ball, voxel_field

from endplate.anatomy.axes import Axes, unit
from endplate.anatomy.mask import LabelField, label_field, resample


def _directions(count: int) -> np.ndarray:
    """Unit vectors spread evenly over the sphere."""
    k = np.arange(count) + 0.5
    z = 1.0 - 2.0 * k / count
    turn = np.pi * (1.0 + 5.0**0.5) * k
    ring = np.sqrt(1.0 - z**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), z], axis=1)


def _radii(field: LabelField, directions: np.ndarray, near: float) -> np.ndarray:
    """Where rays from the origin cross the surface."""
    reach = np.arange(near - 3.0, near + 3.0, 0.05)
    values = field.sample(reach[None, :, None] * directions[:, None, :])
    hit = (values < 0.5).argmax(axis=1)
    rows = np.arange(len(directions))
    before, after = values[rows, hit - 1], values[rows, hit]
    return reach[hit - 1] + 0.05 * (before - 0.5) / (before - after)


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 0.5), (1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (0.6, 0.6, 2.5)])
def test_a_ball_keeps_its_radius(spacing: tuple[float, float, float]) -> None:
    # A Gaussian of width σ moves a sphere's half level inward by σ²/R; σ is at most 1 mm.
    field = voxel_field(ball(12.0), 18.0, spacing)
    radii = _radii(field, _directions(600), 12.0)
    sigma = np.clip(0.6 * np.array(spacing), 0.5, 1.0).mean()
    assert radii.mean() == pytest.approx(12.0 - sigma**2 / 12.0, abs=0.04)
    assert np.abs(radii - 12.0).max() < 0.5 * max(spacing)


def _half_space(normal: np.ndarray, offset: float) -> Solid:
    return lambda p: np.maximum(p @ normal - offset, np.abs(p).max(axis=-1) - 14.0)


@pytest.mark.parametrize("normal", [(0.2, -0.1, 1.0), (0.0, 0.35, 1.0), (0.5, 0.4, 0.3)])
@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.8, 0.8, 2.0)])
def test_a_tilted_plane_stays_where_it_is(
    normal: tuple[float, float, float], spacing: tuple[float, float, float]
) -> None:
    n = unit(normal)
    field = voxel_field(_half_space(n, 2.35), 18.0, spacing)
    across = Axes.from_directions(np.zeros(3), n, [1.0, 0.3, -0.2])
    line = np.linspace(-5.0, 5.0, 21)
    depth = np.arange(-1.5, 6.5, 0.05)
    flat = np.stack(np.meshgrid(line, line, depth, indexing="ij"), axis=-1)
    values = field.sample(across.to_world(flat))
    found = depth[(values < 0.5).argmax(axis=2)] - 0.025
    assert found.mean() == pytest.approx(2.35, abs=0.1 * max(spacing))
    assert np.abs(found - 2.35).max() < 0.45 * max(spacing)


def test_resampling_covers_the_label_and_keeps_its_place() -> None:
    field = voxel_field(ball(9.0, (3.0, -2.0, 4.0)), 18.0)
    axes = Axes.from_directions([1.0, 1.0, 1.0], [0.2, 0.1, 1.0], [0.1, 1.0, 0.0])
    grid = resample(field, axes, 0.7)
    inside = np.argwhere(grid.inside)
    assert inside.min() > 0
    assert (inside.max(axis=0) < np.array(grid.values.shape) - 1).all()
    centre = axes.to_world(grid.low_mm + 0.7 * inside.mean(axis=0))
    np.testing.assert_allclose(centre, [3.0, -2.0, 4.0], atol=0.05)
    volume = inside.shape[0] * 0.7**3
    assert volume == pytest.approx(4.0 / 3.0 * np.pi * 9.0**3, rel=0.03)
    assert grid.index(grid.coordinate(1)[5], 1) == pytest.approx(5.0)


def test_only_the_label_asked_for_is_cut_out_and_the_edge_is_noticed() -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[5:12, 6:12, 7:12] = 3
    labels[5:12, 12:16, 7:12] = 4
    field = label_field(labels, np.eye(4), (slice(5, 12), slice(6, 12), slice(7, 12)), 3)
    assert (field.voxels, field.touches_edge) == (7 * 6 * 5, False)
    assert field.sample(np.array([[8.0, 14.0, 9.0]]))[0] < 0.05
    assert field.sample(np.array([[8.0, 9.0, 9.0]]))[0] > 0.95
    # At the scan's edge the surface is closed there, not open to nowhere.
    cut = label_field(labels[:, :, 9:], np.eye(4), (slice(5, 12), slice(6, 12), slice(0, 3)), 3)
    assert cut.touches_edge
    assert cut.sample(np.array([[8.0, 9.0, -2.0]]))[0] < 0.05


def test_far_away_there_is_nothing() -> None:
    field = voxel_field(ball(6.0), 10.0)
    assert field.sample(np.array([[100.0, 0.0, 0.0], [0.0, -80.0, 3.0]])).tolist() == [0.0, 0.0]
    assert UPRIGHT.to_local([1.0, 2.0, 3.0]).tolist() == [1.0, 2.0, 3.0]
