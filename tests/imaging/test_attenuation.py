"""Mass attenuation, and the internal calibration as published: its worked example to the last digit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.imaging.attenuation import (
    REFERENCES,
    effective_energy_kev,
    mass_attenuation,
    mineral_hu_per_mgcc,
    published_fit,
    tissue_hu,
    two_component_mgcc,
)
from endplate.sources import value

VERSE004_HU = {
    "adipose": -82.579,
    "air": -956.834,
    "blood": 39.249,
    "cortical_bone": 1226.214,
    "muscle": 24.561,
}
"""Mean HU of the calibration record of verse004 (Bonelab spineFE-benchmark)."""


def test_the_published_example_is_reproduced() -> None:
    fit = published_fit(VERSE004_HU)
    assert fit.energy_kev == 97.0
    assert fit.r_squared == pytest.approx(0.998965, abs=1e-6)
    assert fit.attenuation_slope == pytest.approx(1.6e-5, abs=5e-7)
    assert fit.attenuation_intercept == pytest.approx(0.171240, abs=1e-6)
    assert fit.mass_density_slope == pytest.approx(0.000893, abs=5e-7)
    assert fit.mass_density_intercept == pytest.approx(0.968731, abs=1e-6)
    printed = {
        "adipose": 0.170,
        "air": 0.156,
        "blood": 0.171,
        "cortical_bone": 0.191,
        "muscle": 0.171,
        "k2hpo4": 0.205,
        "cha": 0.210,
        "triglyceride": 0.170,
        "water": 0.173,
    }
    for material, number in printed.items():
        assert fit.mass_attenuation_cm2_g[material] == pytest.approx(number, abs=6e-4), material
    assert fit.accepted


@pytest.mark.real_data
def test_the_record_of_verse004_is_reproduced_from_its_file(data_dir: Path) -> None:
    """All references and results read from the record itself."""
    text = (data_dir / "verse004_calibration.txt").read_text()
    rows = re.findall(r"^\s*([A-Z][A-Za-z ]+?)\s+(-?\d+\.\d+)\s+\d+\.\d+\s+\d+ \[used\]$", text, re.MULTILINE)
    names = {"Adipose": "adipose", "Air": "air", "Blood": "blood", "Cortical Bone": "cortical_bone"}
    measured = {names.get(name, "muscle"): float(hu) for name, hu in rows}
    assert set(measured) == set(REFERENCES)
    fit = published_fit(measured)

    def printed(label: str) -> float:
        found = re.search(re.escape(label) + r"\s*:?\s+(-?\d+\.\d+)", text)
        assert found is not None, label
        return float(found[1])

    assert fit.energy_kev == pytest.approx(printed("Energy [keV]:"), rel=1e-3)
    assert fit.r_squared == pytest.approx(printed("Max R^2:"), rel=1e-3)
    assert fit.attenuation_intercept == pytest.approx(printed("HU-u/p Y-Intercept"), rel=1e-3)
    assert fit.mass_density_slope == pytest.approx(printed("HU-Material Density Slope"), rel=1e-3)
    assert fit.mass_density_intercept == pytest.approx(printed("HU-Material Density Y-Intercept"), rel=1e-3)


def test_two_components_by_hand() -> None:
    """1000 · (0.000893·HU + 0.9687) · (1.61e-5·HU + 0.17124 − 0.16989)/(0.20524 − 0.16989) at 200 HU is 148.3."""
    fit = published_fit(VERSE004_HU)
    assert float(two_component_mgcc(200.0, fit)) == pytest.approx(148.3, abs=0.2)
    line = fit.line_slope * 200.0 + fit.line_intercept
    assert line == pytest.approx(float(two_component_mgcc(200.0, fit)), abs=3.0)


def test_tabulated_energies_are_met_and_the_rest_lies_between() -> None:
    for material, table in value("attenuation.mass_cm2_g").items():
        for between in ("linear", "log"):
            assert mass_attenuation(material, value("attenuation.energy_kev"), between) == pytest.approx(
                table
            )
        assert np.all(np.diff(mass_attenuation(material, np.arange(10.0, 200.0, 0.5))) < 0)


def test_water_against_published_values_between_the_nodes() -> None:
    """0.1929 cm²/g at 70 keV by xraydb's Elam tables; straight lines between the nodes lie above it."""
    assert float(mass_attenuation("water", 70.0)) == pytest.approx(0.1929, rel=0.01)
    assert mass_attenuation("water", 70.0, "linear") > mass_attenuation("water", 70.0)


@given(st.floats(40.0, 110.0))
def test_mineral_counts_less_at_higher_energy(energy: float) -> None:
    assert mineral_hu_per_mgcc(energy) > mineral_hu_per_mgcc(energy + 5.0) > 0.5


def test_tissues_are_ordered_as_in_every_ct() -> None:
    for energy in (55.0, 70.0, 80.0):
        hu = [tissue_hu(tissue, energy) for tissue in ("air", "adipose", "muscle", "blood", "cortical_bone")]
        assert hu == sorted(hu)
        assert hu[0] == pytest.approx(-1000.0, abs=3.0)
    assert tissue_hu("cortical_bone", 55.0) > tissue_hu("cortical_bone", 75.0) + 300.0


def test_effective_energy_rises_with_the_tube_voltage() -> None:
    energies = [effective_energy_kev(kvp) for kvp in (70, 80, 100, 120, 140, 150)]
    assert energies == sorted(energies)
    assert energies[0] == energies[1]


def test_outside_the_tables_is_refused() -> None:
    with pytest.raises(ValueError, match="keV"):
        mass_attenuation("water", 5.0)
    with pytest.raises(ValueError, match="three"):
        published_fit({"air": -1000.0, "blood": 40.0})


def test_soft_tissue_alone_is_fitted_but_not_accepted() -> None:
    """Air, fat and muscle lie on a line at any energy: they say nothing of it."""
    assert not published_fit({"air": -1000.0, "adipose": -100.0, "muscle": 50.0}).accepted
