"""Heights restored in a picture: as asked when measured again, the map invertible, everything else untouched."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.anatomy.assessment import assess
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.model import HeightTriple, Spine
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.levels import VERSE_IDS
from endplate.synthetic.restoration import Restoration, Restored, lay_restoration, restored_scan
from endplate.synthetic.virtual_fracture import FracturedScan

LINE = Calibration.line(0.8, -5.0)
GAIN = (4.0, 6.0, 2.0)
NUMBER = VERSE_IDS["L1"]


@pytest.fixture(scope="module")
def lay(broken: FracturedScan, broken_spine: Spine) -> Restoration:
    return lay_restoration(broken.image, broken.labels, broken_spine, "L1")


@pytest.fixture(scope="module")
def raised(lay: Restoration) -> Restored:
    return lay.scan(GAIN)


def test_heights_measured_again_are_those_asked_for(raised: Restored, broken_spine: Spine) -> None:
    after, before = assess(raised.labels, raised.image, LINE).find("L1"), broken_spine.find("L1")
    assert after is not None
    assert before is not None
    for name, gain in zip(HEIGHTS, GAIN, strict=True):
        gained = getattr(after.heights_mm, name) - getattr(before.heights_mm, name)
        assert gained == pytest.approx(gain, abs=0.3)


def test_no_gain_gives_the_same_voxels(broken: FracturedScan, broken_spine: Spine) -> None:
    image, labels = restored_scan(broken.image, broken.labels, broken_spine, "L1", (0.0, 0.0, -0.2))
    assert np.array_equal(image.data, broken.image.data)
    assert np.array_equal(labels.data, broken.labels.data)


def test_the_map_is_invertible(raised: Restored) -> None:
    field = raised.field
    assert field is not None
    points = np.random.default_rng(5).uniform(-30.0, 30.0, (3000, 3))
    assert np.abs(field.inverse(field.forward(points)) - points).max() < 1e-6
    found = field.jacobian(points)
    assert 0.0 < field.least_jacobian() <= found.min()
    assert found.max() <= field.greatest_jacobian()
    assert found.max() > 1.5
    assert raised.greatest_mm == pytest.approx(max(GAIN), abs=0.5)


def test_only_the_level_and_its_discs_change(raised: Restored, broken: FracturedScan) -> None:
    for level in ("T12", "L2"):
        number = VERSE_IDS[level]
        assert np.array_equal(raised.labels.data == number, broken.labels.data == number)
    changed = raised.image.data != broken.image.data
    assert 0.0 < changed.mean() < 0.2
    was, now = broken.labels.data == NUMBER, raised.labels.data == NUMBER
    assert now.sum() > 1.05 * was.sum()
    mineral = [np.maximum(scan.image.data[mask], 0).sum() for scan, mask in ((broken, was), (raised, now))]
    assert mineral[1] == pytest.approx(mineral[0], rel=0.005)


def test_what_lies_in_the_bone_is_stretched_evenly(raised: Restored, lay: Restoration) -> None:
    z = np.linspace(-25.0, 25.0, 201)
    line = np.column_stack([np.full_like(z, lay.ground.x_mid_mm), np.zeros_like(z), z])
    came, stretch = raised.contents_came_from(lay.ground.axes.to_world(line))
    back = lay.ground.axes.to_local(came)[:, 2]
    assert (np.diff(back) > 0.0).all()
    inside = stretch > 1.0
    assert np.ptp(stretch[inside]) < 1e-6
    assert np.diff(back)[inside[1:] & inside[:-1]] * stretch[inside].max() == pytest.approx(0.25, rel=1e-5)


def test_gains_beyond_the_room_and_what_is_no_gain(
    lay: Restoration, broken: FracturedScan, broken_spine: Spine
) -> None:
    with pytest.raises(UsageError, match="cannot be shown so high"):
        lay.scan((40.0, 40.0, 40.0))
    for wrong in ((1.0, 2.0), (1.0, float("nan"), 0.0), (-3.0, 0.0, 0.0), HeightTriple(anterior=1.0)):
        with pytest.raises(UsageError, match="three gains"):
            lay.scan(wrong)
    with pytest.raises(UsageError, match="not in the labels"):
        lay_restoration(broken.image, broken.labels, broken_spine, "T5")
    with pytest.raises(QualityGateError, match="not measured"):
        lay_restoration(broken.image.crop((1, 1, 1), (60, 60, 60)), broken.labels, broken_spine, "L1")
