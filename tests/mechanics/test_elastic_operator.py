"""The matrix-free operator against element matrices by quadrature, assembled the plain way."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.mechanics import sweeps
from endplate.mechanics.element import Elasticity, element_matrix, mode_constants
from endplate.mechanics.layout import Layout
from endplate.mechanics.multigrid import Multigrid, largest_eigenvalue

ORTHOTROPIC = Elasticity.orthotropic((0.6, 0.8, 1.3), (0.31, 0.12, 0.22), (0.25, 0.31, 0.37), "test")
SPACING = np.array([0.7, 1.1, 1.6])


def assembled_forces(modulus: np.ndarray, element: np.ndarray, u: np.ndarray) -> np.ndarray:
    """A·u of shape (3, nz + 1, ny + 1, nx + 1), one element after the other."""
    out = np.zeros_like(u)
    for k, j, i in np.ndindex(*modulus.shape):
        near = u[:, k : k + 2, j : j + 2, i : i + 2].transpose(1, 2, 3, 0).reshape(24)
        force = (modulus[k, j, i] * element @ near).reshape(2, 2, 2, 3).transpose(3, 0, 1, 2)
        out[:, k : k + 2, j : j + 2, i : i + 2] += force
    return out


def random_problem(shape: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Moduli with voids, free freedoms, displacements."""
    rng = np.random.default_rng(sum(shape))
    modulus = rng.uniform(100.0, 18000.0, shape) * (rng.random(shape) > 0.35)
    nodes = (3, *(n + 1 for n in shape))
    return modulus, rng.random(nodes) > 0.1, rng.standard_normal(nodes)


@pytest.mark.parametrize(
    "shape", [(2, 3, 1), (3, 2, 14), (2, 2, 15), (3, 3, 16), (2, 4, 17), (4, 1, 31), (2, 3, 37)]
)
def test_the_operator_is_the_assembled_one(shape: tuple[int, int, int]) -> None:
    modulus, free, u = random_problem(shape)
    begins = np.random.default_rng(5).integers(0, shape[2], shape[:2])  # of each row of bone
    modulus *= np.arange(shape[2]) >= begins[..., None]
    cycles = Multigrid(modulus, ORTHOTROPIC, SPACING, free)
    top, layout = cycles.levels[0], Layout(*shape)
    h = SPACING[:, None, None, None]
    wanted = assembled_forces(modulus, element_matrix(ORTHOTROPIC, SPACING), u)
    held = np.asarray(layout.nodal(top.inverse)) > 0
    scale = np.abs(wanted).max()

    double, out = np.zeros(layout.nodal_size), np.zeros(layout.nodal_size)
    layout.nodal(double)[:] = u * h
    fine = np.zeros(layout.element_size)
    layout.elements(fine)[:] = modulus
    grid = (fine, mode_constants(ORTHOTROPIC, SPACING), *layout.ranges(modulus > 0.0, 8), *layout.shape)
    dots, work = np.zeros(layout.planes), np.zeros((2, 2, 3 * layout.plane + 16))
    for twin in sweeps.apply:
        out[:] = 0.0
        twin(double, grid, np.ones_like(top.inverse), out, work, dots)
        assert np.abs(layout.nodal(out) * h - wanted).max() < 1e-13 * scale
        assert dots.sum() == pytest.approx((u * wanted).sum(), rel=1e-12)

    single, b = double.astype(np.float32), np.zeros(layout.nodal_size, np.float32)
    for twin in sweeps.residual:
        left = np.zeros(layout.nodal_size, np.float32)
        twin(single, top.grid, b, top.inverse, left, top.work)
        assert np.abs(layout.nodal(left) * h + np.where(held, wanted, 0.0)).max() < 3e-6 * scale


def test_registers_begin_at_the_bone_and_stay_within_the_row() -> None:
    filled = np.zeros((1, 3, 40), dtype=bool)
    filled[0, 0, 17:33] = True  # sixteen, wherever they begin
    filled[0, 2, 38:] = True  # near the end
    first, last, start, stop = Layout(1, 3, 40).ranges(filled, 16)
    assert first.tolist() == [[17, 0, 32]]
    assert last.tolist() == [[33, 0, 48]]
    assert start.tolist() == [[16, 16, 32, 32]] * 2
    assert stop.tolist() == [[48, 48, 48, 48]] * 2


def test_only_freedoms_that_are_free_and_touch_bone_take_part() -> None:
    modulus, free, _ = random_problem((3, 4, 9))
    inverse = Multigrid(modulus, ORTHOTROPIC, SPACING, free).levels[0].inverse
    element = element_matrix(ORTHOTROPIC, SPACING)
    for q, k, j, i in np.ndindex(*free.shape):
        one = np.zeros(free.shape)
        one[q, k, j, i] = 1.0
        diagonal = assembled_forces(modulus, element, one)[q, k, j, i] / SPACING[q] ** 2
        wanted = 1.0 / diagonal if diagonal > 0 and free[q, k, j, i] else 0.0
        assert Layout(3, 4, 9).nodal(inverse)[q, k, j, i] == pytest.approx(wanted, rel=1e-5)


def test_an_element_resists_all_but_rigid_motions() -> None:
    element = element_matrix(ORTHOTROPIC, SPACING)
    assert np.abs(element - element.T).max() < 1e-14
    values = np.linalg.eigvalsh(element)
    assert np.abs(values[:6]).max() < 1e-12 * values[-1]
    assert values[6] > 1e-3 * values[-1]


def test_the_bound_of_the_smoother_holds_for_random_moduli() -> None:
    shape = (2, 2, 3)
    modulus, _, _ = random_problem(shape)
    element = element_matrix(ORTHOTROPIC, SPACING)
    nodes = (3, 3, 3, 4)
    size = int(np.prod(nodes))
    full = np.array([assembled_forces(modulus, element, row.reshape(nodes)).ravel() for row in np.eye(size)])
    some = np.diag(full) > 0
    root = 1.0 / np.sqrt(np.diag(full)[some])
    scaled = full[np.ix_(some, some)] * np.outer(root, root)
    assert np.linalg.eigvalsh(scaled)[-1] <= largest_eigenvalue(element) * (1 + 1e-12)


def test_the_preconditioner_is_symmetric_and_positive() -> None:
    modulus, free, _ = random_problem((9, 11, 13))
    cycles = Multigrid(modulus, Elasticity.isotropic(0.3), np.ones(3), free)
    top = cycles.levels[0]
    active = top.inverse > 0
    rng = np.random.default_rng(3)
    a, b = (np.where(active, rng.standard_normal(active.size), 0.0).astype(np.float32) for _ in range(2))

    def answer(force: np.ndarray) -> np.ndarray:
        top.b[:] = force
        return np.asarray(cycles.cycle(), dtype=np.float64).copy()

    za, zb = answer(a), answer(b)
    assert a @ za > 0
    assert b @ zb > 0
    assert a @ zb == pytest.approx(b @ za, abs=2e-5 * np.sqrt((a @ za) * (b @ zb)))


@pytest.mark.parametrize("poisson", [-1.0, 0.5, 0.7, float("nan")])
def test_impossible_poisson_ratios_are_refused(poisson: float) -> None:
    with pytest.raises(UsageError):
        Elasticity.isotropic(poisson)


@pytest.mark.parametrize(
    ("young", "poisson", "shear"),
    [
        ((1.0, 1.0, 0.0), (0.3, 0.3, 0.3), (0.4, 0.4, 0.4)),
        ((1.0, 1.0, -1.0), (0.3, 0.3, 0.3), (0.4, 0.4, 0.4)),
        ((1.0, 1.0, 1.0), (0.9, 0.9, 0.9), (0.4, 0.4, 0.4)),
        ((1.0, 1.0, 1.0), (0.3, 0.3, float("nan")), (0.4, 0.4, 0.4)),
        ((1.0, 1.0, 1.0), (0.3, 0.3, 0.3), (0.4, float("nan"), 0.4)),
        ((1.0, 1.0, 1.0), (0.3, 0.3, 0.3), (0.4, 0.0, 0.4)),
    ],
)
def test_unstable_materials_are_refused(
    young: tuple[float, float, float], poisson: tuple[float, float, float], shear: tuple[float, float, float]
) -> None:
    with pytest.raises(UsageError) as caught:
        Elasticity.orthotropic(young, poisson, shear, "test")
    assert caught.value.code == "elasticity-unstable"


def test_kept_machine_code_tells_the_twins_apart() -> None:
    for twins in (sweeps.smooth, sweeps.apply, sweeps.residual):
        names = {twin.py_func.__qualname__ for twin in twins}
        assert len(names) == 2
    assert [twin.targetoptions.get("parallel", False) for twin in sweeps.apply] == [True, False]
