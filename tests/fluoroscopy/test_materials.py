"""Attenuation of what stands in the beam, against figures that others have published."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.devices.cements import shipped_cements
from endplate.errors import UsageError
from endplate.fluoroscopy.materials import (
    Material,
    cement_material,
    contrast_material,
    mass_attenuation,
    material,
    materials,
)
from endplate.fluoroscopy.spectrum import spectrum, tabulated_kvps
from endplate.imaging.attenuation import mass_attenuation as published
from endplate.sources import value


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("water", "water"), ("adipose", "adipose"), ("muscle", "muscle"), ("cortical_bone",) * 2],
)
def test_tissues_are_those_of_the_published_tables(ours: str, theirs: str) -> None:
    energy = [20.0, 30.0, 40.0, 50.0, 60.0, 80.0, 100.0]
    # Two independent compilations (NIST and Elam) differ by up to 2 per cent.
    np.testing.assert_allclose(mass_attenuation(ours, energy), published(theirs, energy), rtol=0.02)


@pytest.mark.parametrize(
    ("name", "density", "at_60_per_cm"),
    [("steel", 7.98, 10.1), ("nitinol", 6.45, 7.63), ("cobalt-chromium", 8.30, 11.5), ("pmma", 1.18, 0.227)],
)
def test_metals_and_polymer_at_60_kev(name: str, density: float, at_60_per_cm: float) -> None:
    of = material(name)
    assert of.density_gcc == pytest.approx(density)
    assert 10.0 * float(of.attenuation_per_mm(60.0)) == pytest.approx(at_60_per_cm, rel=0.01)


def test_contrast_by_its_iodine() -> None:
    for iodine, density, at_60 in ((300.0, 1.349, 2.48), (180.0, 1.209, 1.57), (0.0, 1.0, 0.206)):
        of = contrast_material(iodine)
        assert of.density_gcc == pytest.approx(density, abs=0.002)
        assert 10.0 * float(of.attenuation_per_mm(60.0)) == pytest.approx(at_60, rel=0.01)
    with pytest.raises(UsageError):
        contrast_material(900.0)


def test_k_edges_are_steps() -> None:
    for compound, edge in (("iohexol", 33.169), ("barium_sulphate", 37.441), ("platinum", 78.395)):
        below, above = mass_attenuation(compound, [edge - 0.05, edge + 0.05])
        assert above > 2.0 * below


def test_cement_holds_the_opacifier_of_the_catalogue() -> None:
    cement = shipped_cements()["low-viscosity"]
    of = cement_material(cement)
    assert of.density_gcc == pytest.approx(cement.density_gcc)
    barium = dict(of.parts)["barium_sulphate"] / of.density_gcc
    assert barium == pytest.approx(value("xray.cement_powder_share") * cement.barium_sulphate_fraction)
    assert material("cement").attenuation_per_mm(60.0) > 4.0 * material("pmma").attenuation_per_mm(60.0)


def test_names_and_ranges_are_checked() -> None:
    assert {"soft", "bone", "steel", "nitinol", "platinum", "contrast", "cement"} <= set(materials())
    with pytest.raises(UsageError, match="kryptonite"):
        material("kryptonite")
    with pytest.raises(ValueError, match="keV"):
        mass_attenuation("water", 200.0)
    with pytest.raises(ValueError, match="known compounds"):
        Material("nothing", (("unobtainium", 1.0),))


def test_spectra_harden_with_voltage_and_behind_the_patient() -> None:
    layers = [spectrum(kvp).half_value_mm_al for kvp in tabulated_kvps()]
    assert layers == sorted(layers)
    assert spectrum(80.0).half_value_mm_al == pytest.approx(4.58, abs=0.01)
    for kvp in (60.0, 80.0, 110.0):
        of = spectrum(kvp)
        assert len(of.energy_kev) <= 16
        assert of.signal.sum() == pytest.approx(1.0)
        assert of.kerma.sum() == pytest.approx(1.0, abs=1e-6)
        per_mm = [of.minus_ln_signal({material("soft"): mm}) / mm for mm in (50.0, 100.0, 200.0, 300.0)]
        assert per_mm == sorted(per_mm, reverse=True)
    # Photons of an open beam at 80 kV, and the energy that stands for it behind the patient.
    assert float(spectrum(80.0).photons_mm2_ugy.sum()) == pytest.approx(2.43e4, rel=0.02)
    assert spectrum(80.0).effective_energy_kev() == pytest.approx(51.5, abs=1.5)
    with pytest.raises(UsageError):
        spectrum(20.0)
