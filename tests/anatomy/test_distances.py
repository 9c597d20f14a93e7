"""Distances in masks, medians and rays against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from endplate.anatomy.distances import depth_mm, distance_mm
from endplate.anatomy.kernels import cast_out, median_5x5

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("shape", [(17, 21), (11, 14, 9)])
def test_depth_takes_the_border_for_outside_and_distance_does_not(shape: tuple[int, ...]) -> None:
    mask = ndimage.gaussian_filter(RNG.normal(size=shape), 2.0) > -0.05
    middle = tuple(slice(1, -1) for _ in shape)
    np.testing.assert_array_equal(
        depth_mm(mask, 0.7), 0.7 * ndimage.distance_transform_edt(np.pad(mask, 1))[middle]
    )
    np.testing.assert_array_equal(distance_mm(mask, 0.7), 0.7 * ndimage.distance_transform_edt(mask))


def test_distances_along_axes_of_different_steps() -> None:
    mask = ndimage.gaussian_filter(RNG.normal(size=(12, 15, 10)), 2.0) > -0.05
    expected = ndimage.distance_transform_edt(mask, sampling=(0.3, 0.3, 2.5))
    np.testing.assert_allclose(distance_mm(mask, (0.3, 0.3, 2.5)), expected, rtol=1e-6)


def test_a_depth_on_the_threshold_counts_as_reached() -> None:
    mask = np.ones((11, 11, 11), dtype=bool)
    assert (depth_mm(mask, 0.6) >= 5 * 0.6).sum() == 27


def test_without_an_outside_the_distance_has_no_end() -> None:
    assert np.isinf(distance_mm(np.ones((4, 4), dtype=bool), 1.0)).all()
    assert depth_mm(np.ones((3, 3), dtype=bool), 1.0)[1, 1] == 2.0


def test_median_is_that_of_25_neighbours() -> None:
    values = RNG.normal(size=(13, 9))
    np.testing.assert_array_equal(median_5x5(values), ndimage.median_filter(values, size=5, mode="nearest"))


def test_a_ray_ends_on_the_wall_of_a_ball_or_on_its_last_step() -> None:
    i, j, k = np.indices((41, 41, 41)) - 20
    ball = np.clip(0.5 + (10.0 - np.sqrt(i**2 + j**2 + k**2)) / 8.0, 0.0, 1.0).astype(np.float32)
    to_index = np.column_stack([np.eye(3), np.full(3, 20.0)])
    ray = RNG.normal(size=(40, 3))
    ray /= np.linalg.norm(ray, axis=1, keepdims=True)
    here = np.zeros((1, 3))
    lengths = cast_out(ball, to_index, np.zeros((40, 3)), ray, here, 0.25, 80)
    np.testing.assert_allclose(lengths, 10.0, atol=0.03)
    assert (cast_out(ball, to_index, np.zeros((40, 3)), ray, here, 0.25, 21) == 5.0).all()
    assert np.isnan(cast_out(ball, to_index, np.full((40, 3), 9.0), ray, here, 0.25, 80)).all()
