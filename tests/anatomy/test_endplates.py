"""Endplate surfaces, planes and heights of analytic bodies."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spine_makers import Solid, local_grid

from endplate.anatomy.endplates import (
    Surfaces,
    depth_mm,
    find_surfaces,
    fit_plane,
    measure_heights,
    sagittal_wedge_deg,
    width_mm,
)
from endplate.anatomy.mask import LocalGrid
from endplate.sources import value

A, B = 21.0, 16.0
"""Half width and half depth of the bodies here."""


def _body(top: Solid, bottom: Solid) -> Solid:
    """An elliptic column between two surfaces z = top(p), z = bottom(p)."""

    def distance(p: np.ndarray) -> np.ndarray:
        side = (np.hypot(p[..., 0] / A, p[..., 1] / B) - 1.0) * B
        return np.max([side, p[..., 2] - top(p), bottom(p) - p[..., 2]], axis=0)

    return distance


def _measured(top: Solid, bottom: Solid, step: float = 0.8) -> tuple[LocalGrid, Surfaces]:
    grid = local_grid(_body(top, bottom), (24.0, 19.0, 24.0), step)
    return grid, find_surfaces(grid, grid.inside)


@settings(derandomize=True, max_examples=15, deadline=None)
@given(st.floats(-0.2, 0.2), st.floats(-0.15, 0.15), st.floats(-2.0, 2.0))
def test_tilted_planes_and_the_wedge_between_them(forward: float, sideways: float, shift: float) -> None:
    grid, surfaces = _measured(
        lambda p: 12.0 + shift + forward * p[..., 1] + sideways * p[..., 0], lambda p: -11.0 + 0.0 * p[..., 0]
    )
    upper = fit_plane(surfaces.top_smooth_mm, surfaces, grid)
    lower = fit_plane(surfaces.bottom_smooth_mm, surfaces, grid)
    assert upper is not None
    assert lower is not None
    np.testing.assert_allclose(upper.gradient, [sideways, forward], atol=2e-3)
    np.testing.assert_allclose(lower.gradient, 0.0, atol=2e-3)
    assert max(upper.rmse_mm, lower.rmse_mm) < 0.05
    assert upper.normal @ [0.0, 0.0, 1.0] > 0.9
    # Lower in front is positive.
    assert sagittal_wedge_deg(upper, lower) == pytest.approx(-np.degrees(np.arctan(forward)), abs=0.15)
    heights = measure_heights(surfaces, grid, 0.0)
    for name, (low, high) in value("heights.windows").items():
        found = heights[name]
        y = B * (low + high - 1.0)
        assert found.value_mm == pytest.approx(23.0 + shift + forward * y, abs=0.12)
        assert found.upper_mm[1] == pytest.approx(y, abs=0.5)
        np.testing.assert_allclose((found.upper_mm - found.lower_mm)[2], found.value_mm)


@pytest.mark.parametrize("step", [0.6, 0.8])
def test_a_shallow_dish_is_measured_where_it_is(step: float) -> None:
    grid, surfaces = _measured(
        lambda p: 12.0 - 1.5 * (1.0 - (p[..., 0] / A) ** 2 - (p[..., 1] / B) ** 2),
        lambda p: -12.0 + 1.5 * (1.0 - (p[..., 0] / A) ** 2 - (p[..., 1] / B) ** 2),
        step,
    )
    heights = measure_heights(surfaces, grid, 0.0)
    for name, (low, high) in value("heights.windows").items():
        fraction = np.linspace(low, high, 51)
        y = B * (2.0 * fraction - 1.0)
        x = np.linspace(-5.0, 5.0, 51)[:, None]
        true = np.median(24.0 - 3.0 * (1.0 - (x / A) ** 2 - (y / B) ** 2))
        found = heights[name]
        assert found.value_mm == pytest.approx(true, abs=0.12)


def test_a_crater_and_a_spur_do_not_tilt_the_plane() -> None:
    def top(p: np.ndarray) -> np.ndarray:
        crater = 6.0 * (np.hypot(p[..., 0] - 6.0, p[..., 1] - 3.0) < 5.0)
        spur = 4.0 * (np.hypot(p[..., 0] + 14.0, p[..., 1]) < 3.0)
        return 11.0 + 0.1 * p[..., 1] - crater + spur

    grid, surfaces = _measured(top, lambda p: -11.0 + 0.0 * p[..., 0])
    plane = fit_plane(surfaces.top_smooth_mm, surfaces, grid)
    assert plane is not None
    use = np.isfinite(surfaces.top_smooth_mm)
    x, y = np.meshgrid(grid.coordinate(0), grid.coordinate(1), indexing="ij")
    design = np.column_stack([np.ones(use.sum()), x[use], y[use]])
    plain = np.linalg.lstsq(design, surfaces.top_smooth_mm[use], rcond=None)[0][1:]
    off = np.hypot(*(plane.gradient - [0.0, 0.1]))
    assert off < 0.8 * np.hypot(*(plain - [0.0, 0.1]))
    assert np.degrees(np.arctan(off)) < 2.5
    assert plane.kept < 1.0


def test_a_body_split_by_its_crater_has_no_middle_height() -> None:
    def solid(p: np.ndarray) -> np.ndarray:
        plain = _body(lambda q: 11.0 + 0.0 * q[..., 0], lambda q: -11.0 + 0.0 * q[..., 0])(p)
        return np.maximum(plain, 7.0 - np.hypot(p[..., 0], p[..., 1]))

    grid = local_grid(solid, (24.0, 19.0, 16.0))
    heights = measure_heights(find_surfaces(grid, grid.inside), grid, 0.0)
    # No bone is the greatest loss there is, not a missing number.
    assert heights["middle"].value_mm == 0.0
    assert heights["anterior"].value_mm == pytest.approx(22.0, abs=0.2)


def test_sizes_and_a_body_too_small_for_a_plane() -> None:
    grid, surfaces = _measured(lambda p: 11.0 + 0.0 * p[..., 0], lambda p: -11.0 + 0.0 * p[..., 0])
    assert depth_mm(surfaces, grid, 0.0) == pytest.approx(2.0 * B, abs=0.85)
    assert width_mm(surfaces, grid) == pytest.approx(2.0 * A, abs=0.85)
    small = local_grid(lambda p: np.linalg.norm(p, axis=-1) - 6.0, (9.0, 9.0, 9.0))
    found = find_surfaces(small, small.inside)
    assert fit_plane(found.top_smooth_mm, found, small) is None
