"""The contrast phase, by blood and by tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.imaging.contrast import contrast_phase, iodine_factor
from endplate.imaging.scan_records import ReferenceRecord
from endplate.sources import value


def blood(hu: float) -> dict[str, ReferenceRecord]:
    record = ReferenceRecord(tissue="blood", mean_hu=hu, sd_hu=15.0, voxels=900, volume_ml=5.0, where="aorta")
    return {"blood": record}


@pytest.mark.parametrize(
    ("hu", "phase"), [(38.0, "none"), (60.0, "none"), (140.0, "portal_venous"), (320.0, "arterial")]
)
def test_blood_tells_the_phase_and_outweighs_the_tag(hu: float, phase: str) -> None:
    for tag in (None, True, False):
        found = contrast_phase(blood(hu), tag, 120.0)
        assert found.phase == phase
        assert found.enhanced == (phase != "none")
        assert found.tag is tag


def test_the_same_iodine_is_the_same_phase_at_every_tube_voltage() -> None:
    """Iodine adds 1.6 times the HU at 80 kVp: 200 HU in the aorta are arterial at 140 kVp and not at 80."""
    for added, phase in ((110.0, "portal_venous"), (240.0, "arterial")):
        for kvp in (80.0, 100.0, 120.0, 140.0):
            assert contrast_phase(blood(42.0 + added * iodine_factor(kvp)), None, kvp).phase == phase
    assert contrast_phase(blood(200.0), None, 80.0).phase == "portal_venous"
    assert contrast_phase(blood(200.0), None, 140.0).phase == "arterial"


def test_without_blood_the_tag_decides_and_without_both_nothing_is_claimed() -> None:
    assert contrast_phase({}, True, None).phase == "unknown_phase"
    assert contrast_phase({}, True, None).offset_hu > 0.0
    assert contrast_phase({}, False, None).phase == "none"
    assert contrast_phase({}, None, None).phase == "not_known"
    assert not contrast_phase({}, None, None).enhanced


@given(st.floats(5.0, 700.0), st.sampled_from([80.0, 100.0, 120.0, 140.0]))
def test_only_enhanced_scans_lose_hu_and_never_more_than_published(hu: float, kvp: float) -> None:
    found = contrast_phase(blood(hu), None, kvp)
    assert (found.offset_hu > 0.0) == found.enhanced
    assert found.offset_hu <= value("contrast.bone_offset_hu")["arterial"] * iodine_factor(kvp) + 1e-9
