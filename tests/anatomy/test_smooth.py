"""Height maps smoothed by local quadratics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from endplate.anatomy.smooth import smooth_heights

STEP = 0.8
X, Y = np.meshgrid(STEP * np.arange(-26, 27), STEP * np.arange(-20, 21), indexing="ij")
DISC = np.hypot(X / 20.0, Y / 15.0) < 1.0
slopes = st.floats(-0.4, 0.4)
bends = st.floats(-0.02, 0.02)


@settings(derandomize=True, max_examples=25, deadline=None)
@given(slopes, slopes, bends, bends, bends, st.floats(-20.0, 20.0))
def test_quadratics_are_kept_up_to_the_edge(
    a: float, b: float, c: float, d: float, e: float, level: float
) -> None:
    heights = level + a * X + b * Y + c * X**2 + d * X * Y + e * Y**2
    smooth = smooth_heights(heights, DISC, STEP, 4.0)
    # The ridge that tames points in a line costs a thousandth of the curvature.
    np.testing.assert_allclose(smooth[DISC], heights[DISC], atol=0.08)
    assert np.isnan(smooth[~DISC]).all()


def test_what_is_outside_does_not_count() -> None:
    heights = 3.0 + 0.1 * X
    spoiled = np.where(DISC, heights, 1e6)
    np.testing.assert_array_equal(
        smooth_heights(spoiled, DISC, STEP, 4.0), smooth_heights(heights, DISC, STEP, 4.0)
    )


@pytest.mark.parametrize("voxel", [1.0, 2.0])
def test_steps_of_voxels_go(voxel: float) -> None:
    # A curved, tilted endplate known to whole voxels only: errors of half a voxel become a seventh or less.
    true = 12.0 + 0.12 * Y - 0.05 * X - 0.008 * (X**2 + Y**2)
    stepped = voxel * (np.floor(true / voxel) + 0.5)
    smooth = smooth_heights(stepped, DISC, STEP, 4.0)
    inner = np.hypot(X / 16.0, Y / 11.0) < 1.0
    rough = np.sqrt(np.mean((stepped - true)[inner] ** 2))
    left = np.sqrt(np.mean((smooth - true)[inner] ** 2))
    assert rough > 0.25 * voxel
    assert left < 0.15 * voxel


def test_nothing_to_fit_gives_nothing() -> None:
    empty = np.zeros_like(DISC)
    assert np.isnan(smooth_heights(X, empty, STEP, 4.0)).all()
