"""Signed distances to the analytic surfaces, against a dense set of surface points and against known lengths."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from endplate.errors import UsageError
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec
from endplate.synthetic.raster import surface_points


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return build_phantom(default_spec(("T12", "L1", "L2")), GridSpec((3.0, 3.0, 3.0)), ct=False)


@pytest.mark.parametrize(
    ("part", "column", "bound"), [("vertebra", 0, 0.08), ("body", 1, 0.02), ("canal", 2, 0.08)]
)
def test_against_dense_surface_points(phantom: Phantom, part: str, column: int, bound: float):
    spine = phantom.spine
    corners = spine.bounds(1, 4.0)
    low, high = corners.min(axis=0), corners.max(axis=0)
    step, block = 0.2, 8
    count = np.ceil((high - low) / (step * block)).astype(np.int64)
    dense = surface_points(low, count, block, step, column, 1, spine.packed)
    rng = np.random.default_rng(1)
    query = rng.uniform(low + 6.0, high - 6.0, (1500, 3))
    found = phantom.signed_distance("L1", query, part)
    reference, _ = cKDTree(dense).query(query)
    assert np.array_equal(found <= 0.0, phantom.inside("L1", query, part))
    error = np.abs(found) - reference
    assert error.max() < bound
    # Close to the surface the dense points themselves are too far apart; away from it they are not.
    away = reference > 1.5
    assert error[away].min() > -0.012


def test_known_lengths(phantom: Phantom):
    truth = phantom.truth.levels["L1"]
    for pedicle in truth.pedicles.values():
        centre = np.array([pedicle.isthmus_ras_mm])
        distance = phantom.signed_distance("L1", centre)[0]
        assert -distance == pytest.approx(0.5 * pedicle.inscribed_diameter_mm, abs=0.02)
    canal = np.array([truth.canal.centre_ras_mm])
    assert phantom.signed_distance("L1", canal, "canal")[0] == pytest.approx(
        -0.5 * truth.canal.ap_mm, abs=0.3
    )
    skin = np.array(truth.frame.origin_ras_mm) + 50.0 * np.array(truth.frame.anterior_ras)
    # The front wall, waisted by a little at mid-height, is half the depth from the middle.
    assert phantom.signed_distance("L1", skin[None], "body")[0] == pytest.approx(
        50.0 - 0.5 * truth.body_depth_mm, abs=2.5
    )


def test_unknown_level_is_refused(phantom: Phantom):
    with pytest.raises(UsageError):
        phantom.signed_distance("L5", np.zeros((1, 3)))
