"""A phantom broken virtually: heights as stated, mineral kept, the rest untouched, the same each time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.model import Spine
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic import Phantom
from endplate.synthetic.fracture_mass import mineral_mg
from endplate.synthetic.virtual_fracture import FracturedScan, VirtualFracture, fracture_scan

LINE = Calibration.line(0.8, -5.0)
NUMBER = VERSE_IDS["L1"]


def test_heights_and_mass_of_the_truth(intact: tuple[Phantom, Spine], broken: FracturedScan) -> None:
    made, _ = intact
    truth = broken.truth
    assert truth.losses.anterior == pytest.approx(0.35, abs=0.01)
    assert truth.losses.posterior < 0.12
    assert truth.field.least_jacobian > 0.1
    assert truth.wedge_angle_after_deg > truth.wedge_angle_before_deg + 10.0
    voxel_ml = float(np.prod(broken.image.spacing_mm)) / 1000.0
    before = mineral_mg(made.volume.data[made.labels.data == NUMBER], voxel_ml, LINE)
    after = mineral_mg(broken.image.data[broken.labels.data == NUMBER], voxel_ml, LINE)
    assert after == pytest.approx(before, rel=1e-6)
    assert truth.mass.before_mg == pytest.approx(before, rel=1e-9)
    assert abs(truth.mass.remap_factor - 1.0) < 0.05
    inside = broken.labels.data == NUMBER
    gas = np.count_nonzero(inside & (broken.image.data < -300)) * voxel_ml
    assert gas == pytest.approx(0.8, abs=0.25)


def test_assess_reads_the_heights_back(broken: FracturedScan, broken_spine: Spine) -> None:
    read = broken_spine.find("L1")
    assert read is not None
    assert read.fracture.flagged
    assert read.fracture.shape == "wedge"
    for name in ("anterior", "middle"):
        true = getattr(broken.truth.heights_after_mm, name)
        assert getattr(read.heights_mm, name) == pytest.approx(true, abs=0.5)
    assert read.wedge_angle_deg == pytest.approx(broken.truth.wedge_angle_after_deg, abs=2.0)


def test_only_the_level_and_its_discs_change(intact: tuple[Phantom, Spine], broken: FracturedScan) -> None:
    made, _ = intact
    assert broken.image.data.dtype == np.int16
    assert broken.image.same_grid_as(made.volume)
    for level in ("T12", "L2"):
        assert np.array_equal(broken.labels.data == VERSE_IDS[level], made.labels.data == VERSE_IDS[level])
    arch = made.subregions.data == 41
    # A few voxels of the pedicles' roots lie over the body's own outline.
    assert (broken.labels.data == made.labels.data)[arch].mean() > 0.999
    assert (np.abs(broken.image.data - np.rint(made.volume.data)) <= 1.0)[arch].mean() > 0.99
    column = (broken.labels.data == NUMBER).any(axis=(0, 1))
    assert np.diff(np.flatnonzero(column)).max() == 1


def test_the_same_bytes_each_time(intact: tuple[Phantom, Spine], broken: FracturedScan) -> None:
    made, spine = intact
    wanted = VirtualFracture("L1", "wedge", 0.35, cleft_ml=0.8, crack=True)
    again = fracture_scan(made.volume, made.labels, spine, wanted, LINE)
    assert np.array_equal(again.image.data, broken.image.data)
    assert np.array_equal(again.labels.data, broken.labels.data)
    assert again.truth == broken.truth


def test_what_cannot_be_broken(intact: tuple[Phantom, Spine]) -> None:
    made, spine = intact
    wanted = VirtualFracture("L1", "crush", 0.3)
    with pytest.raises(QualityGateError, match="labels only"):
        fracture_scan(None, made.labels, spine, wanted, LINE)
    with pytest.raises(QualityGateError, match="no labels"):
        fracture_scan(made.volume, None, spine, wanted, LINE)
    with pytest.raises(QualityGateError, match="without arches"):
        fracture_scan(made.volume, replace(made.labels, body_only=True), spine, wanted, LINE)
    with pytest.raises(UsageError, match="not in the labels"):
        fracture_scan(made.volume, made.labels, spine, replace(wanted, level="T5"), LINE)
    levels = tuple(one.model_copy(update={"complete": one.level != "L1"}) for one in spine.levels)
    with pytest.raises(QualityGateError, match="cut by the edge"):
        fracture_scan(made.volume, made.labels, spine.model_copy(update={"levels": levels}), wanted, LINE)
