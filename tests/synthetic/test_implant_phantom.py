"""Implants of the phantom: exact masks, stated CT numbers, streaks only where there is metal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec
from endplate.synthetic.implant import implant_truth
from endplate.synthetic.implant_spec import CementSpec, ImplantSpec, MetalImagingSpec, ScrewSpec

GRID = GridSpec((1.2, 1.2, 1.2), margin_mm=(6.0, 10.0, 4.0))


@pytest.fixture(scope="module")
def plain() -> Phantom:
    return build_phantom(default_spec(("L1", "L2")), GRID)


@pytest.fixture(scope="module")
def filled() -> Phantom:
    wanted = ImplantSpec(cement=CementSpec("bridging", 5.0, 1700.0, ("vein",)))
    return build_phantom(default_spec(("L1", "L2")).with_vertebra("L2", implants=wanted), GRID)


def test_cement_has_the_volume_and_the_hu_asked_for(filled: Phantom):
    truth = implant_truth(filled)
    assert (truth.in_bone & (truth.material == 1)).sum() * 1.2**3 / 1000.0 == pytest.approx(5.0, rel=0.08)
    assert (~truth.in_bone & (truth.material == 1)).any(), "the leak into the vein"
    assert np.median(filled.volume.data[truth.material == 1]) == pytest.approx(1700.0, abs=10.0)
    assert set(np.unique(truth.label_id)) == {0, 21}


def test_implants_change_neither_labels_nor_what_is_far(plain: Phantom, filled: Phantom):
    assert np.array_equal(plain.labels.data, filled.labels.data)
    changed = plain.volume.data != filled.volume.data
    truth = implant_truth(filled)
    points = filled.volume.to_world(np.argwhere(truth.material > 0))
    touched = filled.volume.to_world(np.argwhere(changed))
    assert (touched.min(axis=0) >= points.min(axis=0) - 3.0).all()
    assert (touched.max(axis=0) <= points.max(axis=0) + 3.0).all()
    assert not implant_truth(plain).material.any()


def test_metal_is_clipped_and_streaks_stay_in_its_slices(plain: Phantom):
    spec = default_spec(("L1", "L2")).with_vertebra("L2", implants=ImplantSpec(screws=ScrewSpec()))
    screws = build_phantom(spec, GRID)
    truth = implant_truth(screws)
    metal = truth.material == 2
    assert screws.volume.data.max() == 3071
    assert (screws.volume.data[metal] > 2500).mean() > 0.95
    quiet = ~metal.any(axis=(0, 1))
    quiet &= ~np.roll(quiet == 0, 2) & ~np.roll(quiet == 0, -2)
    assert np.array_equal(screws.volume.data[:, :, quiet], plain.volume.data[:, :, quiet])
    middle = int(np.argwhere(metal)[:, 2].mean())
    soft = (plain.volume.data[:, :, middle] > 0) & (plain.volume.data[:, :, middle] < 100)
    off = np.abs(screws.volume.data[:, :, middle].astype(int) - plain.volume.data[:, :, middle])[soft]
    assert 5.0 < off.mean() < 200.0
    wide = build_phantom(replace(spec, metal_imaging=MetalImagingSpec(30710, streaks=0.0)), GRID)
    assert wide.volume.data.max() == pytest.approx(11800, rel=0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: CementSpec(volume_ml=40.0),
        lambda: CementSpec(form="sponge"),
        lambda: CementSpec(leaks=("lung",)),
        lambda: ScrewSpec(diameter_mm=20.0),
        lambda: ImplantSpec(cage="gold"),
        lambda: MetalImagingSpec(streaks=-1.0),
    ],
)
def test_impossible_implants_are_refused(wrong):
    with pytest.raises(UsageError, match=r"phantom|is no"):
        wrong()
