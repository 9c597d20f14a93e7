"""A solver kept for many solves: other moduli, ends, forces and starts give what a new one gives."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.mechanics.element import Elasticity
from endplate.mechanics.solve import Loading, Solver, VoxelModel, solve

BONE = Elasticity.isotropic(0.3)
NEAR = 1e-9


@pytest.fixture
def problem() -> tuple[VoxelModel, Loading]:
    rng = np.random.default_rng(8)
    modulus = rng.uniform(200.0, 9000.0, (9, 11, 13)) * (rng.random((9, 11, 13)) > 0.1)
    model = VoxelModel(modulus, (0.8, 1.0, 1.2), BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[:, [0, -1]] = True
    moved[2, -1] = -0.1
    return model, Loading(fixed, moved)


def test_changed_moduli_give_the_answer_of_a_new_model(problem: tuple[VoxelModel, Loading]) -> None:
    model, loading = problem
    softer = model.modulus_mpa * np.where(model.modulus_mpa > 4000.0, 0.3, 1.0)
    wanted = solve(VoxelModel(softer, model.spacing_mm, BONE), loading, tolerance=NEAR)
    for cycles in (True, False):
        solver = Solver(model, loading)
        before = solver.solve(tolerance=NEAR)
        solver.change_modulus(softer, cycles=cycles)
        after = solver.solve(tolerance=NEAR, start_mm=before.displacement_mm)
        assert np.abs(after.displacement_mm - wanted.displacement_mm).max() < 1e-7
    solver.change_modulus(model.modulus_mpa)
    again = solver.solve(tolerance=NEAR)
    assert again.displacement_mm.tobytes() == before.displacement_mm.tobytes()


def test_other_ends_and_forces_are_those_of_a_new_loading(problem: tuple[VoxelModel, Loading]) -> None:
    model, loading = problem
    solver = Solver(model, loading)
    plain = solver.solve(tolerance=NEAR)
    force = np.where(np.isin(np.arange(14), [5, 6]), 3.0, 0.0) * (
        solver.forces_n(plain.displacement_mm) != 0.0
    )
    ends = 2.0 * loading.displacement_mm
    wanted = solve(model, Loading(loading.fixed, ends, force), tolerance=NEAR)
    found = solver.solve(tolerance=NEAR, displacement_mm=ends, force_n=force)
    assert found.displacement_mm.tobytes() == wanted.displacement_mm.tobytes()
    assert found.reaction_n.tobytes() == wanted.reaction_n.tobytes()
    # The loading itself is not forgotten.
    assert solver.solve(tolerance=NEAR).displacement_mm.tobytes() == plain.displacement_mm.tobytes()


def test_reactions_and_forces_add_up_to_nothing(problem: tuple[VoxelModel, Loading]) -> None:
    model, loading = problem
    solver = Solver(model, loading)
    inner = solver.forces_n(np.random.default_rng(1).standard_normal(model.node_shape) * 1e-3)
    solution = solver.solve(tolerance=NEAR, force_n=inner)
    balance = solver.forces_n(solution.displacement_mm) - inner - solution.reaction_n
    assert np.abs(balance).max() < 1e-6 * np.abs(inner).max()


def test_forces_that_an_answer_needs_give_it_back(problem: tuple[VoxelModel, Loading]) -> None:
    model, loading = problem
    solver = Solver(model, loading)
    wanted = solver.solve(tolerance=NEAR).displacement_mm
    pushed = wanted * (1.0 + 0.2 * np.sin(np.arange(14)))
    answer = solver.solve(
        tolerance=1e-11,
        displacement_mm=np.where(loading.fixed, pushed, 0.0),
        force_n=solver.forces_n(pushed),
    )
    assert np.abs(answer.displacement_mm - pushed).max() < 1e-8
    assert np.abs(answer.reaction_n).max() < 1e-5


def test_other_voids_need_a_new_solver(problem: tuple[VoxelModel, Loading]) -> None:
    model, loading = problem
    solver = Solver(model, loading)
    holed = model.modulus_mpa.copy()
    holed[4, 5:7, 6:9] = 0.0
    with pytest.raises(UsageError, match="other voids"):
        solver.change_modulus(holed)
    with pytest.raises(UsageError):
        solver.change_modulus(np.where(model.modulus_mpa > 0.0, -1.0, 0.0))
    with pytest.raises(UsageError, match="force_n"):
        solver.solve(force_n=np.full(model.node_shape, np.nan))
