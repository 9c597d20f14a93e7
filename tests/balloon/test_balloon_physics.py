"""Closed forms: a pressurised cavity, Hill's limit, the foam's shell; and where the bone's mineral goes."""

from __future__ import annotations

import numpy as np
import pytest
from balloon_closed_forms import cavity_pressure, widening
from scipy.integrate import solve_ivp

from endplate.balloon.compaction import capacity_mgcc, compact
from endplate.balloon.lift import push_walls
from endplate.balloon.pressure import (
    band,
    elastic_widening_mm,
    foam_factor,
    hill_limit_mpa,
    shell_radius_ratio,
)
from endplate.errors import UsageError
from endplate.mechanics.laws import density_law


def test_a_pressurised_cavity_widens_as_lame_says() -> None:
    moved, radius = widening(6.0, 36, 1.25, 150.0, 1.4)
    assert radius == pytest.approx(7.5, abs=0.1)
    assert moved == pytest.approx(elastic_widening_mm(1.4, radius, 150.0, 0.3), rel=0.05)
    assert elastic_widening_mm(1.4, 7.5, 150.0, 0.3) == pytest.approx(0.0455, abs=5e-5)


def test_pressures_on_a_closed_wall_balance() -> None:
    rng = np.random.default_rng(1)
    cavity = np.zeros((9, 8, 7), dtype=bool)
    cavity[2:-2, 2:-2, 2:-2] = rng.random((5, 4, 3)) > 0.4
    force = np.zeros((3, 10, 9, 8))
    push_walls(force, cavity, ~cavity, 2.0, 1.5)
    assert np.abs(force.sum(axis=(1, 2, 3))).max() < 1e-12
    assert np.abs(force).max() > 0.0


@pytest.mark.parametrize("density", [50.0, 100.0])
def test_hills_limit_is_that_of_a_cavity_integrated_along_its_radius(density: float) -> None:
    law = density_law()
    stress, modulus = float(law.yield_mpa(np.array(density))), float(law.modulus_mpa(np.array(density)))
    limit = float(hill_limit_mpa(np.asarray(stress), np.asarray(modulus), 0.3))
    assert cavity_pressure(stress, modulus, 0.3) == pytest.approx(limit, rel=0.1)


def test_hills_limit_has_the_published_values() -> None:
    law = density_law()
    density = np.array([50.0, 80.0, 100.0, 150.0])
    limit = hill_limit_mpa(law.yield_mpa(density), law.modulus_mpa(density), 0.3)
    assert limit == pytest.approx([2.2, 4.1, 5.5, 9.4], rel=0.02)


def test_a_shell_that_carries_nothing_across_needs_the_foams_pressure() -> None:
    inner, compaction, stress = 9.85, 3.0, 1.2
    outer = inner * shell_radius_ratio(compaction)
    assert outer == pytest.approx(11.3, abs=0.05)  # 4 ml compacted to a third
    assert compaction * (outer**3 - inner**3) == pytest.approx(outer**3)
    # dσ/dr = −2σ/r from σ = −Y at the outside inward
    found = solve_ivp(lambda r, s: -2.0 * s / r, (outer, inner), [-stress], rtol=1e-9)
    assert -found.y[0, -1] == pytest.approx(stress * foam_factor(compaction), rel=1e-6)


@pytest.mark.parametrize("density", [50.0, 80.0, 100.0])
def test_the_foam_lies_between_plain_crushing_and_hill(density: float) -> None:
    law = density_law()
    stress = float(law.yield_mpa(np.array(density)))
    told = band(stress * foam_factor(3.5), law)
    assert told.yield_ == pytest.approx(stress, rel=1e-3)
    assert told.yield_ < told.foam < told.j2
    assert told.j2 == pytest.approx(
        float(hill_limit_mpa(stress, law.modulus_mpa(np.array(density)), 0.3)), rel=0.01
    )


def test_bone_cannot_be_compacted_by_less_than_one() -> None:
    with pytest.raises(UsageError, match="factor of 1"):
        shell_radius_ratio(1.0)


def test_swept_bone_lies_in_the_shell_and_none_is_lost() -> None:
    rng = np.random.default_rng(4)
    density = np.clip(rng.normal(90.0, 60.0, (30, 28, 26)), 0.0, None)
    body = np.ones(density.shape, dtype=bool)
    places = np.indices(density.shape) - np.array([15, 14, 13])[:, None, None, None]
    away = np.sqrt((places**2).sum(axis=0))
    capacity = capacity_mgcc(density, body, 1.0)
    after, cavity = density, np.zeros_like(body)
    for radius in (3.0, 5.0, 7.0, 8.5):
        grown = away < radius
        after, roomy = compact(after, grown & ~cavity, grown, capacity, 1.0)
        cavity = grown
        assert roomy
    assert after.sum() == pytest.approx(density.sum(), rel=1e-9)
    assert (after[cavity] == 0.0).all()
    assert (after - capacity)[~cavity].max() < 1e-3
    gained = after - density
    assert gained[(away >= 8.5) & (away < 11.0)].mean() > 20.0 * gained[away > 13.0].mean()


def test_bone_without_room_is_kept_and_told() -> None:
    density = np.full((12, 12, 12), 500.0)
    body = np.ones(density.shape, dtype=bool)
    cavity = np.zeros_like(body)
    cavity[2:10, 2:10, 2:10] = True
    after, roomy = compact(density, cavity, cavity, capacity_mgcc(density, body, 1.0), 1.0)
    assert not roomy
    assert after.sum() == pytest.approx(density.sum(), rel=1e-9)
