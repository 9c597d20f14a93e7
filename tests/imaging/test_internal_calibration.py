"""The HU scale by reference tissues, and the slope at a tube voltage."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.imaging.attenuation import effective_energy_kev
from endplate.imaging.internal_calibration import (
    SCALE_TISSUES,
    calibrate_internally,
    expected_hu,
    hu_scale,
    slope_at,
)
from endplate.imaging.scan_records import ReferenceRecord

ENERGY = effective_energy_kev(120.0)


def records(measured: dict[str, float]) -> dict[str, ReferenceRecord]:
    return {
        tissue: ReferenceRecord(
            tissue=tissue, mean_hu=hu, sd_hu=10.0, voxels=500, volume_ml=4.0, where="here"
        )
        for tissue, hu in measured.items()
    }


def seen(scale: float = 1.0, offset: float = 0.0, energy: float = ENERGY) -> dict[str, float]:
    return {tissue: scale * expected_hu(tissue, energy) + offset for tissue in SCALE_TISSUES}


def test_a_true_scanner_is_left_alone() -> None:
    scale = hu_scale(seen(), ENERGY)
    assert (scale.scale, scale.offset) == pytest.approx((1.0, 0.0), abs=1e-9)
    assert scale.used == SCALE_TISSUES
    assert scale.rejected == ()


@given(st.floats(0.96, 1.04), st.floats(-8.0, 8.0))
def test_an_error_of_the_scanner_is_found_in_part_and_never_overdone(scale: float, offset: float) -> None:
    """Tissues differ between people, so a deviation is believed in part: what is left is smaller than what was."""
    found = hu_scale(seen(scale, offset), ENERGY)
    for true in (0.0, 150.0):
        measured = scale * true + offset
        corrected = (measured - found.offset) / found.scale
        assert abs(corrected - true) <= abs(measured - true) + 2.0
    assert abs(found.offset) <= abs(offset) + 40.0 * abs(scale - 1.0) + 1e-9


@pytest.mark.parametrize(
    ("tissue", "hu"), [("blood", 160.0), ("muscle", -25.0), ("air", -860.0), ("adipose", -30.0)]
)
def test_a_reference_that_is_something_else_is_left_out(tissue: str, hu: float) -> None:
    scale = hu_scale({**seen(), tissue: hu}, ENERGY)
    assert scale.rejected == (tissue,)
    assert scale.offset == pytest.approx(0.0, abs=1e-6)


def test_slope_falls_with_the_effective_energy() -> None:
    """Mineral shows more HU at low tube voltage, so a HU is worth less of it: 26 % less at 80 kVp."""
    assert slope_at(ENERGY) == pytest.approx(0.80)
    assert slope_at(effective_energy_kev(80.0)) / slope_at(ENERGY) == pytest.approx(1.0 / 1.35, abs=0.02)
    assert slope_at(effective_energy_kev(140.0)) / slope_at(ENERGY) == pytest.approx(1.0 / 0.91, abs=0.02)


def test_enhanced_blood_is_never_a_reference() -> None:
    found = calibrate_internally(records({**seen(), "blood": 45.0}), 120.0, enhanced=True)
    blood = next(record for record in found.references if record.tissue == "blood")
    assert not blood.used
    assert blood.why_not == "contrast medium"
    assert found.scale is not None
    assert "blood" not in found.scale.used


def test_fewer_references_and_an_unknown_voltage_widen_the_interval() -> None:
    full = calibrate_internally(records(seen()), 120.0, enhanced=False).calibration
    two = calibrate_internally(
        records({tissue: seen()[tissue] for tissue in ("air", "adipose")}), 120.0, enhanced=False
    ).calibration
    unknown = calibrate_internally(records(seen()), None, enhanced=False).calibration
    assert full is not None
    assert two is not None
    assert unknown is not None
    assert full.kind == "internal"
    assert full.relative_interval == pytest.approx(0.078)
    assert full.relative_interval < two.relative_interval < unknown.relative_interval
    assert two.absolute_interval > full.absolute_interval


def test_one_reference_is_no_calibration() -> None:
    found = calibrate_internally(records({"air": -1000.0}), 120.0, enhanced=False)
    assert found.calibration is None
    assert "air" in found.why_not


def test_references_that_contradict_each_other_are_no_calibration() -> None:
    found = calibrate_internally(records({"air": -860.0, "blood": 120.0}), 120.0, enhanced=False)
    assert found.calibration is None
    assert "contradict" in found.why_not
