"""Perfect plasticity against closed forms: columns, layers, pillars, a plate that turns freely."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import QualityGateError, UsageError
from endplate.mechanics.element import Elasticity
from endplate.mechanics.plasticity import Plasticity, Yielding
from endplate.mechanics.platen import Platens, ends_of
from endplate.mechanics.problem import VoxelModel
from endplate.mechanics.ramp import Press

MEANT = 1e-3
"""Tolerance that the limit loads are asked for."""


def pressed(
    modulus: np.ndarray,
    limit: np.ndarray,
    *,
    poisson: float = 0.3,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    yielding: Yielding | None = None,
    strain: float = 0.04,
    tilting: bool = False,
):
    """A block pressed to failure between level or free plates."""
    model = VoxelModel(modulus, spacing, Elasticity.isotropic(poisson))
    ends = np.zeros(modulus.shape, dtype=bool), np.zeros(modulus.shape, dtype=bool)
    ends[0][-1] = modulus[-1] > 0.0
    ends[1][0] = modulus[0] > 0.0
    machine = Press(model, Platens(*ends_of(model, *ends), spacing, tilting=tilting))
    height = modulus.shape[0] * spacing[2]
    steps = [strain * height * part for part in (0.25, 0.5, 1.0)]
    return machine.linear(steps[0]), machine.to_failure(limit, yielding or Yielding(), steps)


@pytest.mark.parametrize("criterion", ["tresca", "von-mises", "drucker-prager"])
@pytest.mark.parametrize("flow", ["isochoric", "crushable", "capped"])
def test_a_column_carries_its_yield_stress_times_its_area(criterion: str, flow: str) -> None:
    yielding = Yielding(criterion, flow, 0.8)
    spacing = (0.7, 1.2, 0.9)
    shape = (6, 3, 4)
    linear, ramp = pressed(np.full(shape, 300.0), np.full(shape, 2.0), spacing=spacing, yielding=yielding)
    area = 4 * 0.7 * 3 * 1.2
    assert ramp.force_n[-1] == pytest.approx(2.0 * area, rel=MEANT)
    assert linear.stiffness_n_per_mm == pytest.approx(300.0 * area / (6 * 0.9), rel=1e-5)
    assert ramp.yielded_share[-1] == 1.0


def test_a_single_voxel_carries_its_yield_stress() -> None:
    _, ramp = pressed(np.full((1, 1, 1), 1000.0), np.full((1, 1, 1), 7.0))
    assert ramp.force_n[-1] == pytest.approx(7.0, rel=MEANT)


@pytest.mark.parametrize("poisson", [0.0, 0.3])
def test_layers_fail_at_the_weakest(poisson: float) -> None:
    modulus, limit = np.full((12, 4, 4), 800.0), np.full((12, 4, 4), 6.0)
    modulus[5:7], limit[5:7] = 200.0, 1.5
    _, ramp = pressed(modulus, limit, poisson=poisson, yielding=Yielding("tresca", "capped"))
    assert ramp.force_n[-1] == pytest.approx(1.5 * 16.0, rel=MEANT)
    yielded = ramp.plastic_strain > 1e-4
    assert yielded[5:7].all()
    assert not yielded[:5].any()
    assert not yielded[7:].any()


def test_pillars_side_by_side_add_up() -> None:
    modulus, limit = np.full((6, 2, 4), 500.0), np.full((6, 2, 4), 2.0)
    modulus[:, :, 2:], limit[:, :, 2:] = 1500.0, 9.0
    _, ramp = pressed(modulus, limit, poisson=0.0, yielding=Yielding("von-mises"))
    assert ramp.force_n[-1] == pytest.approx(4 * 2.0 + 4 * 9.0, rel=MEANT)


def test_before_yield_the_ramp_is_the_elastic_line() -> None:
    linear, ramp = pressed(np.full((5, 3, 3), 300.0), np.full((5, 3, 3), 1e3))
    assert ramp.force_n == pytest.approx(linear.stiffness_n_per_mm * ramp.shortening_mm, rel=1e-4)
    assert not ramp.plastic_strain.any()


def test_a_free_plate_turns_until_its_moments_vanish() -> None:
    modulus = np.full((8, 6, 6), 300.0)
    modulus[:, :, :3] = 900.0
    level, _ = pressed(modulus, np.full_like(modulus, 1e3), poisson=0.0)
    model = VoxelModel(modulus, (1.0, 1.0, 1.0), Elasticity.isotropic(0.0))
    ends = np.zeros(modulus.shape, dtype=bool), np.zeros(modulus.shape, dtype=bool)
    ends[0][-1] = ends[1][0] = True
    platens = Platens(*ends_of(model, *ends), (1.0, 1.0, 1.0), tilting=True)
    machine = Press(model, platens)
    free = machine.linear(0.1)
    moments = platens.moments_nmm(free.solution.reaction_n)
    force = platens.force_n(free.solution.reaction_n)
    assert np.abs(moments).max() < 1e-4 * force
    assert free.stiffness_n_per_mm < level.stiffness_n_per_mm
    assert free.tilt[0] < 0.0  # the soft side, toward +x, goes further down
    ramp = machine.to_failure(np.where(modulus > 500.0, 6.0, 2.0), Yielding(), [0.1, 0.2], start=free)
    assert ramp.force_n[-1] < 24 * 6.0 + 24 * 2.0


def test_drucker_prager_is_weaker_in_tension() -> None:
    model = VoxelModel(np.full((1, 1, 1), 100.0), (1.0, 1.0, 1.0), Elasticity.isotropic(0.3))
    state = Plasticity(model, np.full((1, 1, 1), 1.0), Yielding("drucker-prager", "crushable", 0.5))
    moved = np.zeros(model.node_shape)
    yields = {}
    for sign in (-1.0, 1.0):
        # Uniaxial stress of 0.8 MPa: below yield in compression, above in tension.
        moved[2, 1] = sign * 0.008
        moved[0, :, :, 1] = moved[1, :, 1, :] = -sign * 0.3 * 0.008
        yields[sign] = state.update(moved)
    assert yields == {-1.0: 0, 1.0: 1}


def test_bad_yielding_and_empty_ends_are_refused() -> None:
    with pytest.raises(UsageError, match="no yielding"):
        Yielding("mohr")  # type: ignore[arg-type]
    empty = np.zeros((2, 2, 2), dtype=bool)
    with pytest.raises(QualityGateError, match="nothing to act on"):
        Platens(empty, ~empty, (1.0, 1.0, 1.0))
