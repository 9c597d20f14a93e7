"""The CT is physical: density comes back from HU, a collapsed body keeps its bone, thin cortex keeps its mass."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec, density_of_hu
from endplate.synthetic.density import hu_of_density, mean_core_density


def eroded_body(phantom: Phantom, level: str, depth_mm: float = 3.0) -> np.ndarray:
    body = (phantom.labels.data == phantom.truth.levels[level].label_id) & (phantom.subregions.data == 49)
    return distance_transform_edt(body, sampling=phantom.labels.volume.spacing_mm) > depth_mm


@pytest.mark.parametrize("level", ["T12", "L2"])
def test_trabecular_hu_is_the_truth(small_ct: Phantom, level: str):
    core = small_ct.volume.data[eroded_body(small_ct, level)]
    assert core.mean() == pytest.approx(small_ct.truth.levels[level].density.trabecular_hu, abs=2.0)
    assert 15.0 < core.std() < 40.0, "texture and noise"


@pytest.mark.parametrize(
    ("spacing", "axes"),
    [
        ((0.7, 0.7, 2.5), ("L", "P", "S")),
        ((2.0, 1.0, 1.0), ("R", "A", "S")),
        ((1.5, 1.5, 1.5), ("P", "I", "R")),
    ],
)
def test_trabecular_hu_at_other_grids(spacing: tuple[float, float, float], axes: tuple[str, str, str]):
    spec = default_spec(("L1",), trabecular_mgcc=90.0)
    phantom = build_phantom(spec, GridSpec(spacing, axes, margin_mm=4.0))
    assert phantom.volume.data[eroded_body(phantom, "L1")].mean() == pytest.approx(112.5, abs=2.0)


def test_impacted_body_is_denser_as_stated(small_ct: Phantom):
    truth = small_ct.truth.levels["L1"]
    assert truth.density.body_mean_hu > 1.4 * truth.density.trabecular_hu
    vertebra, model = small_ct.spec.vertebra("L1"), small_ct.spine.models[1]
    wanted = hu_of_density(mean_core_density(vertebra, model, depth_mm=3.0))
    assert small_ct.volume.data[eroded_body(small_ct, "L1")].mean() == pytest.approx(wanted, rel=0.03)


@pytest.mark.parametrize("shape", ["wedge", "biconcave", "crush"])
@pytest.mark.parametrize("endplate", ["superior", "both"])
def test_bone_of_the_collapsed_columns_stays(shape: str, endplate: str):
    def trabecular_mg(fracture: FractureSpec | None) -> float:
        phantom = build_phantom(default_spec(("L1",), fracture=fracture), GridSpec((4.0, 4.0, 4.0)), ct=False)
        truth = phantom.truth.levels["L1"]
        return truth.density.body_mean_mgcc * truth.body_volume_ml

    # The rounded rims belong to no column: a few per cent.
    assert trabecular_mg(FractureSpec(shape, 0.4, endplate=endplate)) == pytest.approx(
        trabecular_mg(None), rel=0.04
    )
    lost = trabecular_mg(FractureSpec(shape, 0.4, endplate=endplate, impacted=False))
    assert lost < 0.95 * trabecular_mg(None)


def test_mass_of_the_whole_bone_does_not_depend_on_the_voxels():
    spec = default_spec(("L1",), texture_cv=0.0)
    plain = spec.soft_tissue
    masses = []
    for spacing in ((0.6, 0.6, 0.6), (1.0, 1.0, 1.0), (0.8, 0.8, 2.5)):
        phantom = build_phantom(spec, GridSpec(spacing, margin_mm=4.0))
        body = (phantom.labels.data == 20) & (phantom.subregions.data == 49)
        near = distance_transform_edt(~body, sampling=spacing) < 4.0
        near &= (phantom.labels.data == 0) | body
        front = (
            phantom.labels.volume.to_world(np.argwhere(near))[:, 1]
            > phantom.truth.levels["L1"].frame.origin_ras_mm[1]
        )
        excess = phantom.volume.data[near][front].astype(float).clip(min=100.0) - 100.0
        masses.append(density_of_hu(excess.sum()) * np.prod(spacing) / 1000.0)
    assert plain.muscle_hu < 100.0
    assert masses[1] == pytest.approx(masses[0], rel=0.06)
    assert masses[2] == pytest.approx(masses[0], rel=0.10)


def test_cleft_is_gas_of_the_stated_volume():
    spec = default_spec(("L1",), fracture=FractureSpec("crush", 0.3, cleft_ml=1.0))
    phantom = build_phantom(spec, GridSpec((0.7, 0.7, 0.7), margin_mm=4.0))
    body = (phantom.labels.data == 20) & (phantom.subregions.data == 49)
    gas = (phantom.volume.data < -350) & body
    assert gas.sum() * 0.343 / 1000.0 == pytest.approx(1.0, rel=0.08)
    assert phantom.truth.levels["L1"].cleft_ml == 1.0
    assert phantom.volume.data[gas].min() <= -890


def test_tissues_have_their_hu():
    spec = default_spec(("T12", "L1", "L2"))
    phantom = build_phantom(spec, GridSpec((1.5, 1.5, 1.5), margin_mm=(20.0, 30.0, 6.0), to_skin=True))
    volume = phantom.volume
    truth = phantom.truth.levels

    def at(point: np.ndarray) -> float:
        i, j, k = np.rint(volume.to_voxel(point)).astype(int)
        return float(np.median(volume.data[i - 1 : i + 2, j - 1 : j + 2, k - 1 : k + 2]))

    centre = np.array(truth["L1"].frame.origin_ras_mm)
    right, front, up = (
        np.array(d)
        for d in (truth["L1"].frame.right_ras, truth["L1"].frame.anterior_ras, truth["L1"].frame.superior_ras)
    )
    disc = 0.5 * (
        np.array(truth["T12"].inferior.centre_ras_mm) + np.array(truth["L1"].superior.centre_ras_mm)
    )
    assert 60 <= at(disc) <= 100
    assert 0 <= at(np.array(truth["L1"].canal.centre_ras_mm)) <= 60
    back = np.array(truth["L1"].canal.centre_ras_mm) - 24.0 * front
    for sign in (-1.0, 1.0):
        assert 35 <= at(back + sign * 30.0 * right) <= 70
    aorta = centre + front * (0.5 * truth["L1"].body_depth_mm + 10.0) - 13.0 * right
    assert 25 <= at(aorta) <= 60
    assert volume.data.min() == -1000
    cortex = volume.data[(phantom.labels.data > 0) & (phantom.subregions.data == 41)]
    assert np.quantile(cortex, 0.9) > 500
    assert abs(up @ front) < 1e-9
