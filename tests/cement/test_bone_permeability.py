"""Porosity and permeability against the table of the facts, and the random field."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.cement.permeability import (
    along_axes,
    kozeny_carman_m2,
    random_factor,
    slit_m2,
    specific_surface_per_mm,
    tube_m2,
)
from endplate.cement.porosity import (
    bone_fraction_from_density,
    bone_fraction_from_hu,
    over_representative_volume,
    porosity_from,
)


def test_surface_and_permeability_are_those_of_the_formula() -> None:
    porosity = np.array([0.70, 0.75, 0.80, 0.85, 0.88, 0.90, 0.92])
    surface = [3.15, 2.82, 2.42, 1.96, 1.66, 1.44, 1.21]
    permeability = [6.9e-9, 1.06e-8, 1.75e-8, 3.2e-8, 5.0e-8, 7.1e-8, 1.07e-7]
    assert specific_surface_per_mm(porosity) == pytest.approx(surface, abs=0.006)
    assert kozeny_carman_m2(porosity) == pytest.approx(permeability, rel=0.02)


def test_vertebral_bone_lies_within_what_was_measured() -> None:
    """Baroud 2004: 3.44 ± 1.26 and 4.45 ± 1.72 e-8 m², 0.78 across to along."""
    _, forward, along = along_axes(kozeny_carman_m2(np.array([0.85])), (0.92, 0.92, 1.18))[:, 0]
    assert abs(forward - 3.44e-8) < 1.26e-8
    assert abs(along - 4.45e-8) < 1.72e-8
    assert forward / along == pytest.approx(0.78, abs=0.005)


def test_permeability_grows_with_porosity_up_to_its_cap_and_is_zero_without_pores() -> None:
    k = kozeny_carman_m2(np.linspace(0.05, 0.98, 60))
    assert (np.diff(k) >= 0.0).all()
    assert k[-1] == 2e-7
    assert kozeny_carman_m2(np.zeros(2)).tolist() == [0.0, 0.0]


def test_channels_follow_the_laws_of_tube_and_slit_up_to_the_cap() -> None:
    assert tube_m2(1.0) == pytest.approx(1.25e-7)
    assert tube_m2(2.5) == pytest.approx(7.8e-7, rel=0.01)
    assert slit_m2(0.5) == pytest.approx(2.1e-8, rel=0.01)
    assert slit_m2(50.0) == tube_m2(50.0) == 1e-6


def test_density_and_ct_numbers_give_bone_fractions() -> None:
    # 100 mg/cm³: ash 144.9, apparent 241.5, of 2000.
    assert bone_fraction_from_density(np.array([100.0])) == pytest.approx([0.12075])
    assert bone_fraction_from_hu(np.array([-20.0, 1500.0])) == pytest.approx([0.0, 1.0])
    assert porosity_from(np.array([-1.0, 0.14, 2.0])) == pytest.approx([0.98, 0.86, 0.05])


@pytest.mark.parametrize("step", [0.5, 1.0, 2.0])
def test_means_do_not_leak_over_the_mask_and_keep_constants(step: float) -> None:
    mask = np.zeros((12, 12, 12), dtype=bool)
    mask[3:9, 3:9, 3:9] = True
    mean = over_representative_volume(np.where(mask, 0.8, 77.0), mask, step)
    assert mean[mask] == pytest.approx(0.8)
    assert (mean[~mask] == 0.0).all()


def test_means_over_finer_voxels_see_the_same_volume() -> None:
    """A plane wave of 6 mm is damped alike whether voxels of 0.5 or of 1 mm were averaged."""
    damped = []
    for step in (0.5, 1.0):
        x = (np.arange(int(48 / step)) + 0.5) * step
        # A voxel is a mean over its own edge already.
        wave = np.sinc(step / 6.0) * np.cos(2.0 * np.pi * x / 6.0)
        field = np.broadcast_to(wave[:, None, None], (len(x), 3, 3))
        inner = over_representative_volume(field, np.ones(field.shape, dtype=bool), step)[:, 1, 1]
        damped.append(np.abs(inner[len(x) // 3 : -len(x) // 3]).max() / np.cos(np.pi * step / 6.0))
    cube = np.sinc(2.0 / 6.0)
    assert damped == pytest.approx([cube, cube], rel=0.05)


def test_noise_has_its_spread_and_lies_fixed_in_the_frame() -> None:
    line = np.arange(-40.0, 40.0, 2.0) + 1.0
    places = np.stack(np.meshgrid(line, line, line, indexing="ij"), axis=-1)
    factor = np.log(random_factor(places, 0.5, seed=7))
    assert factor.std() == pytest.approx(0.5, rel=0.02)
    assert factor.mean() == pytest.approx(0.0, abs=0.01)
    within = places + np.array([0.9, -0.9, 0.3])
    assert (random_factor(within, 0.5, seed=7) == random_factor(places, 0.5, seed=7)).all()
    assert (random_factor(places, 0.5, seed=8) != random_factor(places, 0.5, seed=7)).any()
    assert (random_factor(places, 0.0, seed=7) == 1.0).all()
