"""HU to density: lines, intervals, parsing and conversions between density scales."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.errors import UsageError
from endplate.imaging.calibration import (
    Calibration,
    apparent_from_ash,
    ash_from_cha,
    ash_from_k2hpo4,
    cha_from_ash,
    cha_from_k2hpo4,
    k2hpo4_from_ash,
    k2hpo4_from_cha,
    parse_calibration,
)
from endplate.sources import constant, constants

slopes = st.floats(0.3, 2.0)
intercepts = st.floats(-150.0, 150.0)
hounsfield = st.floats(-1024.0, 3071.0)
densities = st.floats(-300.0, 2000.0)


def test_a_line_gives_its_density_with_the_published_deviation() -> None:
    estimate = Calibration.line(0.8, -5.0).density(150.0)
    assert estimate.value == pytest.approx(115.0)
    assert (estimate.low, estimate.high) == pytest.approx((115.0 * 0.92, 115.0 * 1.08))
    assert estimate.bone


@given(slopes, intercepts, hounsfield)
def test_an_interval_always_holds_the_value(slope: float, intercept: float, hu: float) -> None:
    for calibration in (Calibration.line(slope, intercept), Calibration.uncalibrated()):
        estimate = calibration.density(hu)
        assert estimate.low < estimate.value < estimate.high
        assert estimate.value == pytest.approx(calibration.slope * hu + calibration.intercept)


@given(slopes, intercepts, hounsfield, hounsfield)
def test_more_attenuation_is_more_density(slope: float, intercept: float, a: float, b: float) -> None:
    low, high = sorted((a, b))
    voxels = Calibration.line(slope, intercept).density_mgcc(np.array([low, high]))
    assert voxels[0] <= voxels[1]
    assert voxels[0] == pytest.approx(slope * low + intercept)


@given(slopes, intercepts)
def test_a_line_survives_being_written_and_read(slope: float, intercept: float) -> None:
    assert parse_calibration(f"{slope!r}, {intercept!r}") == Calibration.line(slope, intercept)


@pytest.mark.parametrize(
    "text", ["", "0.8", "0.8;3", "0.8,3,1", "0,85,3,5", "a,b", "nan,0", "0.8,inf", "0.8,", ",", "0.8 3"]
)
def test_nonsense_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_calibration(text)
    assert caught.value.code == "calibration-unreadable"
    assert caught.value.exit_code == 2
    assert "0.82,-3.5" in caught.value.do


@pytest.mark.parametrize("text", ["0.00085,0", "-0.8,0", "0,0", "850,0", "0.8,968.7"])
def test_a_line_in_other_units_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="not possible") as caught:
        parse_calibration(text)
    assert caught.value.code == "calibration-implausible"
    assert "g/cm³" in caught.value.do


def test_without_a_line_the_interval_grows_with_what_is_not_known() -> None:
    """At 120 kVp the interval must hold the spread of slopes, 0.75 to 0.95 mg/cm³ per HU."""
    known, unknown, other = (Calibration.uncalibrated(kvp) for kvp in (120.0, None, 80.0))
    assert (known.relative_interval, unknown.relative_interval, other.relative_interval) == (0.2, 0.3, 0.5)
    estimate = known.density(200.0)
    slopes_read = constant("calibration.uncalibrated_slope").spread
    assert estimate.low <= slopes_read[0] * 200.0
    assert estimate.high >= slopes_read[1] * 200.0
    assert known.kind == "uncalibrated"
    assert constant("calibration.uncalibrated_slope").status == "recalled"


def test_near_zero_hu_the_interval_does_not_vanish() -> None:
    """Fatty marrow brings the mean of old bone to 0 HU; the unknown intercept is still there."""
    estimate = Calibration.uncalibrated(120.0).density(0.0)
    assert (estimate.low, estimate.value, estimate.high) == (-10.0, 0.0, 10.0)
    estimate = Calibration.uncalibrated(120.0).density(-40.0)
    assert estimate.low < -34.0 < estimate.high


def test_a_mean_that_is_none_gives_no_density() -> None:
    for missing in (math.nan, math.inf):
        with pytest.raises(ValueError, match="finite"):
            Calibration.line(0.8, 0.0).density(missing)


def test_gas_and_cement_are_not_called_bone() -> None:
    calibration = Calibration.uncalibrated()
    assert [calibration.density(hu).bone for hu in (-400.0, -50.0, 120.0, 450.0, 1800.0)] == [
        False,
        True,
        True,
        True,
        False,
    ]


def test_uncalibrated_says_so_and_a_line_is_silent() -> None:
    assert Calibration.line(0.8, 0.0).findings() == ()
    (found,) = Calibration.uncalibrated(100.0).findings()
    assert found.code == "density-line-assumed"
    assert "100 kVp" in found.text
    assert "±50 %" in found.text
    assert "not stated" in Calibration.uncalibrated().findings()[0].text


def test_half_valid_calibrations_cannot_exist() -> None:
    for numbers in (
        (math.nan, 0.0, 0.1, 1.0),
        (0.0, 0.0, 0.1, 1.0),
        (0.8, 0.0, 0.0, 1.0),
        (0.8, 0.0, 0.1, -1.0),
    ):
        with pytest.raises(ValueError, match="calibration"):
            Calibration("line", *numbers)


@given(densities)
def test_conversions_undo_each_other(density: float) -> None:
    assert k2hpo4_from_ash(ash_from_k2hpo4(density)) == pytest.approx(density, abs=1e-9)
    assert cha_from_ash(ash_from_cha(density)) == pytest.approx(density, abs=1e-9)
    assert cha_from_k2hpo4(k2hpo4_from_cha(density)) == pytest.approx(density, abs=1e-9)


def test_conversions_by_hand() -> None:
    """Keyak 1994: ash = 1.06 K2HPO4 + 38.9; Kaneko 2004: ash = 0.839 CHA + 69.8; both in mg/cm³."""
    assert ash_from_k2hpo4(100.0) == pytest.approx(144.9)
    assert ash_from_cha(100.0) == pytest.approx(153.7)
    assert k2hpo4_from_cha(100.0) == pytest.approx((153.7 - 38.9) / 1.06)
    assert apparent_from_ash(144.9) == pytest.approx(241.5)
    assert np.allclose(ash_from_k2hpo4(np.array([0.0, 100.0])), [38.9, 144.9])


def test_every_constant_of_density_has_a_source() -> None:
    keys = [key for key in constants() if key.startswith(("calibration.", "density."))]
    assert len(keys) >= 13
    assert constant("density.ash_from_cha").status == "recalled"


@pytest.mark.real_data
def test_the_mass_density_line_of_a_calibration_record_is_refused(data_dir: Path) -> None:
    """The record of verse004 has a line to mass density in g/cm³ (0 HU is 0.97); taken for vBMD it would make
    all bone vanish."""
    record = (data_dir / "verse004_calibration.txt").read_text()
    slope = re.search(r"HU-Material Density Slope\s+(\S+)", record)
    intercept = re.search(r"HU-Material Density Y-Intercept\s+(\S+)", record)
    assert slope is not None
    assert intercept is not None
    assert float(intercept.group(1)) == pytest.approx(0.97, abs=0.01)
    with pytest.raises(UsageError) as caught:
        parse_calibration(f"{slope.group(1)},{intercept.group(1)}")
    assert caught.value.code == "calibration-implausible"
