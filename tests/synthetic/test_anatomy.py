"""Random phantoms look like spines: whole bones that do not touch, an open canal, exact isthmuses."""

from __future__ import annotations

import cc3d
import numpy as np
import pytest

from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec, random_spec

CASES = {
    "normal": (1, ("T11", "T12", "L1", "L2", "L3"), None),
    "wedge": (2, ("T12", "L1", "L2"), FractureSpec("wedge", 0.5)),
    "bowl": (3, ("T7", "T8", "T9"), FractureSpec("biconcave", 0.45, endplate="both")),
    "burst": (5, ("T12", "L1", "L2"), FractureSpec("crush", 0.55, retropulsion_mm=5.0)),
    "low": (29, ("L3", "L4", "L5"), None),
    "high": (4, ("T4", "T5", "T6"), None),
}


@pytest.fixture(scope="module", params=list(CASES))
def phantom(request: pytest.FixtureRequest) -> Phantom:
    seed, levels, fracture = CASES[request.param]
    return build_phantom(random_spec(seed, levels, fracture=fracture), GridSpec(margin_mm=3.0), ct=False)


def test_each_label_is_one_bone(phantom: Phantom):
    for level in phantom.spec.levels:
        mask = phantom.labels.data == VERSE_IDS[level]
        assert cc3d.connected_components(mask, connectivity=26, return_N=True)[1] == 1
        for subregion in (49, 41):
            part = mask & (phantom.subregions.data == subregion)
            pieces = np.bincount(cc3d.connected_components(part, connectivity=26).ravel())[1:]
            assert pieces.max() > 0.97 * pieces.sum(), (level, subregion)


def test_neighbours_never_overlap_and_joints_stay_open(phantom: Phantom):
    rng = np.random.default_rng(0)
    for i, (upper, lower) in enumerate(zip(phantom.spec.levels, phantom.spec.levels[1:], strict=False)):
        voxels = np.argwhere(phantom.labels.data == VERSE_IDS[lower])
        points = phantom.labels.volume.to_world(voxels + rng.uniform(-0.5, 0.5, voxels.shape))
        inside = phantom.inside(lower, points)
        gap = phantom.spine.fields(i, points[inside])[:, 0]
        # The joint space is 1 mm; the fields are distances to first order only.
        assert gap.min() > 0.4, upper


def test_canal_is_open_from_end_to_end(phantom: Phantom):
    canal = phantom.subregions.data == 61
    pieces = np.bincount(cc3d.connected_components(canal, connectivity=26).ravel())[1:]
    assert pieces.max() > 0.999 * pieces.sum()
    assert not (canal & (phantom.labels.data > 0)).any()
    rows = np.nonzero(canal.any(axis=(0, 1)))[0]
    assert np.ptp(rows) + 1 == len(rows), "no slice without canal"
    for level, truth in phantom.truth.levels.items():
        centre = phantom.labels.volume.to_voxel(truth.canal.centre_ras_mm)
        assert phantom.subregions.data[tuple(np.rint(centre).astype(int))] == 61, level


def test_isthmus_is_clear_of_everything_but_its_pedicle(phantom: Phantom):
    angles = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    for i, (level, truth) in enumerate(phantom.truth.levels.items()):
        for pedicle in truth.pedicles.values():
            u, v = (np.array(d) for d in pedicle.section_ras_mm)
            ring = np.cos(angles)[:, None] * 0.5 * pedicle.width_mm * u
            ring = ring + np.sin(angles)[:, None] * 0.5 * pedicle.height_mm * v
            points = np.array(pedicle.isthmus_ras_mm) + ring
            field = phantom.spine.fields(i, points)[:, 0]
            assert np.abs(field).max() < 0.01, (level, "the section is the ellipse and nothing else")


def test_sizes_fall_into_published_ranges():
    truth = build_phantom(
        default_spec(tuple(f"T{n}" for n in range(7, 13)) + tuple(f"L{n}" for n in range(1, 6))),
        GridSpec((4.0, 4.0, 4.0)),
        ct=False,
    ).truth.levels
    assert 25.0 < truth["L1"].body_volume_ml < 35.0
    assert truth["T8"].body_volume_ml < 0.55 * truth["L2"].body_volume_ml
    assert truth["T8"].wedge_angle_deg > 3.0
    assert truth["L5"].wedge_angle_deg < -4.0
    assert truth["T9"].local_kyphosis_deg > 5.0, "kyphosis of the chest"
    assert truth["L4"].local_kyphosis_deg < -15.0, "lordosis of the loins"
    assert abs(truth["T12"].pedicles["left"].transverse_deg) < 5.0
    assert truth["L5"].pedicles["left"].inscribed_diameter_mm < truth["L5"].pedicles["left"].width_mm


def test_random_spines_vary_as_published():
    specs = [random_spec(seed) for seed in range(200)]
    ratios = np.array([[v.anterior_height_mm / v.posterior_height_mm for v in s.vertebrae] for s in specs])
    middles = np.array([[v.middle_height_mm / v.posterior_height_mm for v in s.vertebrae] for s in specs])
    sizes = np.array([np.mean([v.posterior_height_mm for v in s.vertebrae]) for s in specs])
    wedge = np.degrees(
        np.arctan(
            [
                [(v.posterior_height_mm - v.anterior_height_mm) / 0.67 / v.body_depth_mm for v in s.vertebrae]
                for s in specs
            ]
        )
    )
    assert sizes.std() / sizes.mean() == pytest.approx(0.07, abs=0.015)
    assert middles.mean() == pytest.approx(0.93, abs=0.02)
    assert middles.std() == pytest.approx(0.04, abs=0.01)
    assert 0.03 < ratios[:, 2].std() < 0.07
    assert wedge[:, 2].std() == pytest.approx(3.0, abs=0.5)
    assert wedge[:, 2].mean() == pytest.approx(3.35, abs=0.5)
    widths = np.array([s.vertebra("L1").pedicle_left.inscribed_diameter_mm for s in specs])
    assert np.quantile(widths, 0.05) < 6.0 < widths.mean() < 10.0
