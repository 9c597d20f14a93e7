"""Solved problems with known answers: affine fields, columns, layers, beams."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.mechanics.element import Elasticity
from endplate.mechanics.solve import Loading, Solution, VoxelModel, solve

NEAR = 1e-9
"""Tolerance of the solver where answers are compared to six digits."""


def pressed(
    modulus: np.ndarray,
    *,
    poisson: float,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
    confined: bool = False,
) -> Solution:
    """A block shortened by 0.1 mm along z; sides free but for symmetry planes, or confined on all."""
    model = VoxelModel(modulus, spacing, Elasticity.isotropic(poisson))
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[2, [0, -1]] = True
    moved[2, -1] = -0.1
    fixed[0, :, :, 0] = fixed[1, :, 0] = True
    if confined:
        fixed[0, :, :, -1] = fixed[1, :, -1] = True
    return solve(model, Loading(fixed, moved), tolerance=NEAR)


def stiffness(solution: Solution) -> float:
    return float(-solution.reaction_n[2, -1].sum() / 0.1)


@pytest.mark.parametrize("elastic", ["isotropic", "orthotropic"])
def test_patch_of_any_shape_takes_an_affine_field(elastic: str) -> None:
    rng = np.random.default_rng(11)
    z, y, x = np.meshgrid(*(np.arange(n) + 0.5 for n in (9, 11, 18)), indexing="ij")
    solid = ((z - 4.5) / 4.6) ** 2 + ((y - 5.5) / 5.2) ** 2 + ((x - 9.0) / 9.1) ** 2 < 1.0
    solid &= ~((abs(z - 4.5) < 1.2) & (abs(y - 5.5) < 1.2) & (abs(x - 9.0) < 2.2))
    solid[0, 0, :6] = solid[:4, 0, 0] = True  # a bar of single voxels
    material = (
        Elasticity.isotropic(0.3)
        if elastic == "isotropic"
        else Elasticity.orthotropic((0.6, 0.8, 1.3), (0.31, 0.12, 0.22), (0.25, 0.31, 0.37), "test")
    )
    spacing = (0.8, 1.0, 1.3)
    model = VoxelModel(np.where(solid, 650.0, 0.0), spacing, material)
    gradient = rng.standard_normal((3, 3)) * 1e-3
    places = np.stack(np.meshgrid(*(np.arange(n + 1.0) for n in (9, 11, 18)), indexing="ij"))[::-1]
    places *= np.array(spacing)[:, None, None, None]
    affine = np.einsum("ab,bkji->akji", gradient, places)

    around = np.pad(solid, 1)
    corners = [around[a : a + 10, b : b + 12, c : c + 19] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
    touched, inner = np.any(corners, axis=0), np.all(corners, axis=0)
    outer = np.broadcast_to(touched & ~inner, model.node_shape)
    assert inner.sum() > 200
    solution = solve(model, Loading(outer, np.where(outer, affine, 0.0)), tolerance=1e-11)
    wanted = np.where(touched, affine, 0.0)
    assert np.abs(solution.displacement_mm - wanted).max() < 1e-8 * np.abs(affine).max()


def test_a_column_free_at_its_sides_is_a_spring() -> None:
    solution = pressed(np.full((12, 5, 3), 800.0), poisson=0.3, spacing=(0.9, 1.2, 0.7))
    area, length = 3 * 0.9 * 5 * 1.2, 12 * 0.7
    assert stiffness(solution) == pytest.approx(800.0 * area / length, rel=1e-6)
    sideways = solution.displacement_mm[0, :, :, -1]
    assert sideways == pytest.approx(np.full_like(sideways, 0.3 * 0.1 / length * 3 * 0.9), rel=1e-6)


def test_a_confined_column_is_stiffer_by_the_known_factor() -> None:
    free = pressed(np.full((7, 6, 5), 800.0), poisson=0.3)
    confined = pressed(np.full((7, 6, 5), 800.0), poisson=0.3, confined=True)
    factor = (1 - 0.3) / ((1 + 0.3) * (1 - 2 * 0.3))
    assert factor == pytest.approx(1.3462, abs=1e-4)
    assert stiffness(confined) / stiffness(free) == pytest.approx(factor, rel=1e-6)


def test_a_column_of_transversely_isotropic_bone_is_as_stiff_as_its_axis_says() -> None:
    across, along, poisson = 0.5, 1.6, 0.25  # ν of z when pulled along x; G_xy follows from isotropy across
    bone = Elasticity.orthotropic(
        (across, across, along), (0.3, poisson, poisson), (across / 2.6, 0.4, 0.4), "transversely isotropic"
    )
    model = VoxelModel(np.full((9, 4, 6), 700.0), (1.0, 0.5, 2.0), bone)
    for axis, ends, modulus in (
        (2, (slice(None), 0), along),
        (0, (slice(None), slice(None), slice(None), 0), across),
    ):
        fixed = np.zeros(model.node_shape, dtype=bool)
        moved = np.zeros(model.node_shape)
        far = (axis, *ends[1:-1], -1)
        fixed[2, 0] = fixed[1, :, 0] = fixed[0, :, :, 0] = True
        fixed[far] = True
        moved[far] = -0.01
        solution = solve(model, Loading(fixed, moved), tolerance=NEAR)
        lengths = np.array([6.0, 2.0, 18.0])
        wanted = 700.0 * modulus * lengths.prod() / lengths[axis] ** 2
        assert -solution.reaction_n[far].sum() / 0.01 == pytest.approx(wanted, rel=1e-6)
        assert solution.displacement_mm[1, :, -1].mean() > 0.0


def test_layers_in_series_add_their_compliances() -> None:
    layers = np.array([200.0, 2500.0, 18000.0, 100.0, 640.0, 3.0, 900.0])
    modulus = np.broadcast_to(layers[:, None, None], (7, 4, 6)).copy()
    wanted = 4 * 6 / np.sum(1.0 / layers)
    assert stiffness(pressed(modulus, poisson=0.0)) == pytest.approx(wanted, rel=1e-6)


def test_pillars_side_by_side_add_their_stiffnesses() -> None:
    pillars = np.random.default_rng(5).uniform(1.0, 18000.0, (5, 7))
    modulus = np.broadcast_to(pillars, (9, 5, 7)).copy()
    assert stiffness(pressed(modulus, poisson=0.0)) == pytest.approx(pillars.sum() / 9, rel=1e-6)


@pytest.mark.parametrize(
    ("depth", "poisson", "ratio"),
    [(2, 0.0, 1.126), (4, 0.0, 1.032), (2, 0.3, 1.151), (4, 0.3, 1.045), (8, 0.0, 1.008), (8, 0.3, 1.017)],
)
def test_a_cantilever_bends_as_full_integration_does(depth: int, poisson: float, ratio: float) -> None:
    length, h = 10 * depth, 1.0 / depth
    model = VoxelModel(np.full((depth, depth, length), 1000.0), (h, h, h), Elasticity.isotropic(poisson))
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[:, :, :, 0] = True
    # A uniform shear traction on the tip, lumped to its nodes.
    share = np.ones(depth + 1)
    share[[0, -1]] = 0.5
    force = np.zeros(model.node_shape)
    force[2, :, :, -1] = np.outer(share, share) / depth**2
    solution = solve(model, Loading(fixed, np.zeros(model.node_shape), force), tolerance=1e-8)
    sunk = float((solution.displacement_mm[2, :, :, -1] * np.outer(share, share)).sum() / depth**2)
    shear = 1000.0 / (2 * (1 + poisson))
    timoshenko = 10.0**3 / (3 * 1000.0 / 12) + 1.2 * 10.0 / shear
    assert timoshenko / sunk == pytest.approx(ratio, abs=0.002)
    assert solution.reaction_n[2].sum() == pytest.approx(-1.0, rel=1e-6)


def test_reactions_balance_forces_and_their_moments() -> None:
    rng = np.random.default_rng(2)
    modulus = np.exp(rng.uniform(np.log(100.0), np.log(18000.0), (8, 7, 9)))
    spacing = (0.5, 0.9, 1.4)
    model = VoxelModel(modulus, spacing, Elasticity.isotropic(0.3))
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[:, 0] = True
    force = np.where(fixed, 0.0, rng.standard_normal(model.node_shape))
    solution = solve(model, Loading(fixed, np.zeros(model.node_shape), force), tolerance=1e-9)
    total = solution.reaction_n + force
    scale = np.abs(force).sum()
    assert np.abs(total.sum(axis=(1, 2, 3))).max() < 1e-8 * scale
    places = np.stack(np.meshgrid(*(np.arange(n + 1.0) for n in (8, 7, 9)), indexing="ij"))[::-1]
    places = places * np.array(spacing)[:, None, None, None]
    moment = np.cross(places.reshape(3, -1).T, total.reshape(3, -1).T).sum(axis=0)
    assert np.abs(moment).max() < 1e-7 * scale
