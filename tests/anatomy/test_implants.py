"""Earlier cement and metal: found, masked, counted; and never seen where there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.implant_findings import with_implants
from endplate.anatomy.implants import ImplantMap, Material, find_implants
from endplate.anatomy.model import Density, Vertebra
from endplate.imaging.volume import LabelMap, Volume
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec
from endplate.synthetic.implant import ImplantTruth, implant_truth
from endplate.synthetic.implant_spec import CementSpec, ImplantSpec, ScrewSpec

GRID = GridSpec((1.0, 1.0, 1.0), margin_mm=(10.0, 14.0, 6.0), noise_hu=10.0, psf_fwhm_mm=0.9)


def dice(a: np.ndarray, b: np.ndarray) -> float:
    return 2.0 * float((a & b).sum()) / float(a.sum() + b.sum())


@pytest.fixture(scope="module")
def treated() -> tuple[Phantom, ImplantTruth, ImplantMap]:
    """L1 with cement that leaked into the canal, L2 with titanium screws."""
    spec = default_spec(("L1", "L2"))
    spec = spec.with_vertebra("L1", implants=ImplantSpec(cement=CementSpec("blobs", 3.0, 1500.0, ("canal",))))
    spec = spec.with_vertebra("L2", implants=ImplantSpec(screws=ScrewSpec()))
    made = build_phantom(spec, GRID)
    return made, implant_truth(made), find_implants(made.labels, made.volume)


def test_cement_is_masked(treated):
    _, truth, found = treated
    assert dice(found.mask(Material.CEMENT), truth.material == 1) >= 0.95
    assert not found.mask(Material.UNSURE).any()


def test_screws_are_masked_to_their_real_size(treated):
    made, truth, found = treated
    bone = made.labels.data > 0
    metal = truth.material == 2
    assert dice(found.mask(Material.METAL) & bone, metal & bone) >= 0.95
    looks = made.volume.data >= 3071
    assert dice(looks & bone, metal & bone) < 0.93, "the scan shows the screws larger than they are"


def test_levels_say_what_stands_in_them(treated):
    _, truth, found = treated
    first, second = found.levels["L1"], found.levels["L2"]
    mine = (truth.material == 1).sum() / 1000.0
    assert first.cement_ml == pytest.approx(mine, rel=0.06)
    assert first.outside.canal_ml == pytest.approx(
        ((truth.material == 1) & ~truth.in_bone).sum() / 1000.0, abs=0.12
    )
    assert first.outside.canal_ml > 0.0
    assert first.metal_ml == 0.0, "the heads beside L1 belong to the screws of L2"
    assert (second.screws, second.rods, second.cement_ml) == (2, 0, 0.0)
    assert second.metal_ml == pytest.approx((truth.material == 2).sum() / 1000.0, rel=0.1)


def test_level_documents_leave_the_density_out(treated):
    _, _, found = treated
    plain = Vertebra(level="L1", label_id=20, complete=True, density=Density(mean_hu=120.0))
    told = with_implants(plain, found)
    assert told.treated_before is True
    assert told.density.mean_hu is None
    assert {"treated-before", "cement-in-canal", "cement-outside-body"} <= {f.code for f in told.findings}
    screws = with_implants(plain.model_copy(update={"level": "L2", "label_id": 21}), found)
    assert "metal-present" in {f.code for f in screws.findings}
    other = with_implants(plain.model_copy(update={"level": "L3", "label_id": 22}), found)
    assert other.treated_before is False
    assert other.density.mean_hu == 120.0


def test_map_answers_at_points_and_near(treated):
    made, truth, found = treated
    inside = made.volume.to_world(np.argwhere(truth.material == 2)[::400])
    assert (found.at(inside) == Material.METAL).mean() > 0.9
    assert found.at(np.array([[1e4, 0.0, 0.0]]))[0] == Material.NONE
    assert found.near(2.0).sum() > found.mask().sum()


@pytest.fixture(scope="module")
def clean() -> Phantom:
    spec = default_spec(("L1", "L2"))
    return build_phantom(replace(spec, soft_tissue=replace(spec.soft_tissue, blood_hu=350.0)), GRID)


def _with_ball(made: Phantom, centre: np.ndarray, radius_mm: float, hu: float) -> Volume:
    points = made.volume.to_world(np.stack(np.indices(made.volume.shape), axis=-1))
    data = made.volume.data.copy()
    data[np.linalg.norm(points - centre, axis=-1) <= radius_mm] = hu
    return replace(made.volume, data=data)


def test_clean_and_enhanced_scan_holds_none(clean: Phantom):
    assert find_implants(clean.labels, clean.volume).empty


def test_dense_bone_is_never_said_to_be_treated(clean: Phantom):
    body = np.array(clean.truth.levels["L1"].frame.origin_ras_mm)
    for radius, hu in ((4.0, 1300.0), (9.0, 800.0)):
        found = find_implants(clean.labels, _with_ball(clean, body, radius, hu))
        assert not found.mask(Material.CEMENT).any()
        level = with_implants(Vertebra(level="L1", label_id=20, complete=True), found)
        assert level.treated_before is not True
    assert level.treated_before is None
    assert "dense-mass-unsure" in {f.code for f in level.findings}


def test_contrast_beside_the_spine_is_not_cement(clean: Phantom):
    body = np.array(clean.truth.levels["L1"].frame.origin_ras_mm)
    front = 0.5 * clean.truth.levels["L1"].body_depth_mm
    image = _with_ball(clean, body + np.array([0.0, front + 9.0, 0.0]), 8.0, 2000.0)
    assert not find_implants(clean.labels, image).mask(Material.CEMENT).any()


def test_labels_that_spare_the_cement_find_it_all_the_same(treated):
    made, truth, _ = treated
    spared = np.where(truth.material == 1, 0, made.labels.data).astype(np.uint8)
    labels = LabelMap(replace(made.labels.volume, data=spared), "verse", False, "")
    again = find_implants(labels, made.volume)
    assert dice(again.mask(Material.CEMENT), truth.material == 1) >= 0.9


def test_no_labels_no_implants(clean: Phantom):
    empty = replace(clean.labels.volume, data=np.zeros(clean.labels.volume.shape, dtype=np.uint8))
    assert find_implants(LabelMap(empty, "verse", False, ""), clean.volume).empty
