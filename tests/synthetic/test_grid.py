"""The anatomy stands fixed in the world whatever the grid; labels are exact; the same input gives the same bytes."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.imaging.geometry import axis_codes
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec, random_spec

GRIDS = [
    GridSpec((1.0, 1.0, 1.0), ("R", "A", "S"), margin_mm=4.0),
    GridSpec((1.0, 1.2, 0.9), ("P", "I", "R"), margin_mm=4.0),
    GridSpec((0.8, 1.0, 1.1), ("L", "P", "S"), margin_mm=4.0),
    GridSpec((1.0, 1.0, 1.0), ("I", "R", "A"), margin_mm=4.0),
    GridSpec((1.0, 1.0, 1.0), ("S", "L", "P"), margin_mm=4.0),
    GridSpec((1.0, 0.9, 1.0), ("A", "S", "L"), margin_mm=4.0),
    GridSpec((1.0, 1.0, 1.0), ("R", "A", "S"), oblique_deg=20.0, margin_mm=4.0),
    GridSpec((0.9, 1.0, 1.0), ("P", "I", "R"), oblique_deg=-20.0, oblique_axis="S", margin_mm=4.0),
]


@pytest.fixture(scope="module")
def built() -> list[Phantom]:
    spec = random_spec(3, ("L1", "L2"), fracture=FractureSpec("wedge", 0.3), fracture_level="L1")
    return [build_phantom(spec, grid, ct=False) for grid in GRIDS]


def test_truth_does_not_know_the_grid(built: list[Phantom]):
    assert all(phantom.truth == built[0].truth for phantom in built)


@pytest.mark.parametrize("index", range(len(GRIDS)))
def test_labels_lie_where_the_surfaces_are(built: list[Phantom], index: int):
    phantom = built[index]
    volume = phantom.labels.volume
    if not GRIDS[index].oblique_deg:
        assert axis_codes(volume.affine) == GRIDS[index].axes
    assert np.allclose(volume.spacing_mm, GRIDS[index].spacing)
    for level, truth in phantom.truth.levels.items():
        mask = phantom.labels.data == truth.label_id
        body = mask & (phantom.subregions.data == 49)
        centroid = volume.to_world(np.argwhere(body).mean(axis=0))
        assert np.abs(centroid - truth.frame.origin_ras_mm).max() < 0.1
        assert body.sum() * np.prod(volume.spacing_mm) / 1000.0 == pytest.approx(
            truth.body_volume_ml, rel=0.015
        )
        rng = np.random.default_rng(index)
        near = np.argwhere(mask)[rng.integers(0, mask.sum(), 4000)] + rng.integers(-4, 5, (4000, 3))
        near = np.clip(near, 0, np.array(volume.shape) - 1)
        inside = phantom.inside(level, volume.to_world(near))
        assert np.array_equal(mask[tuple(near.T)], inside)
        inside = phantom.inside(level, volume.to_world(near), "body")
        assert np.array_equal(body[tuple(near.T)], inside)


def test_whole_vertebrae_are_in_view(built: list[Phantom]):
    for phantom in built:
        for axis in range(3):
            assert not phantom.labels.data.take([0, -1], axis=axis).any()


def test_same_input_same_bytes():
    spec = default_spec(("L1",), fracture=FractureSpec("crush", 0.3, cleft_ml=0.3), seed=5)
    grid = GridSpec((1.5, 1.5, 2.0), ("L", "P", "S"), noise_hu=10.0, psf_fwhm_mm=1.0)
    one, two = build_phantom(spec, grid), build_phantom(spec, grid)
    assert one.volume.data.tobytes() == two.volume.data.tobytes()
    assert one.labels.data.tobytes() == two.labels.data.tobytes()
    assert one.truth == two.truth
    other = build_phantom(
        default_spec(("L1",), fracture=FractureSpec("crush", 0.3, cleft_ml=0.3), seed=6), grid
    )
    assert not np.array_equal(one.volume.data, other.volume.data)
