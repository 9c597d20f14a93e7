"""Elastic problems with known answers, larger than those of the daily tests."""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.ndimage import gaussian_filter

from endplate.mechanics.element import Elasticity
from endplate.mechanics.solve import Loading, Solution, VoxelModel, solve

NEAR = 1e-9
MATRIX_MPA, INCLUSION_MPA = 200.0, 2500.0
BONE = Elasticity.isotropic(0.3)

APART = 0.2
"""Least gap between random spheres, voxels."""


def pressed(
    modulus: np.ndarray, *, poisson: float = 0.3, confined: bool = False, tolerance: float = NEAR
) -> float:
    """Stiffness N/mm of a block of 1 mm voxels between two frictionless plates, one corner of it cut by symmetry."""
    model = VoxelModel(modulus, (1.0, 1.0, 1.0), Elasticity.isotropic(poisson))
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[2, [0, -1]] = True
    moved[2, -1] = -0.1
    fixed[0, :, :, 0] = fixed[1, :, 0] = True
    if confined:
        fixed[0, :, :, -1] = fixed[1, :, -1] = True
    return float(-solve(model, Loading(fixed, moved), tolerance=tolerance).reaction_n[2, -1].sum() / 0.1)


def patch_error(seed: int) -> float:
    """Greatest error of an affine field in a random body, relative to the greatest displacement."""
    rng = np.random.default_rng(seed)
    shape = (19, 24, 33)
    solid = gaussian_filter(rng.standard_normal(shape), 2.0) > -0.08
    model = VoxelModel(np.where(solid, 650.0, 0.0), (1.0, 1.0, 1.0), BONE)
    places = np.stack(np.meshgrid(*(np.arange(n + 1.0) for n in shape), indexing="ij"))[::-1]
    affine = np.einsum("ab,bkji->akji", rng.standard_normal((3, 3)) * 1e-3, places)
    around = np.pad(solid, 1)
    corners = [
        around[a : a + shape[0] + 1, b : b + shape[1] + 1, c : c + shape[2] + 1]
        for a, b, c in product((0, 1), repeat=3)
    ]
    touched, inner = np.any(corners, axis=0), np.all(corners, axis=0)
    outer = np.broadcast_to(touched & ~inner, model.node_shape)
    solution = solve(model, Loading(outer, np.where(outer, affine, 0.0)), tolerance=1e-12)
    wanted = np.where(touched, affine, 0.0)
    return float(np.abs(solution.displacement_mm - wanted).max() / np.abs(affine).max())


def cantilever_ratio(depth: int, poisson: float) -> float:
    """Stiffness of a 10 : 1 : 1 beam of cubes, clamped at its root, over that of Timoshenko's beam."""
    h = 1.0 / depth
    model = VoxelModel(np.full((depth, depth, 10 * depth), 1000.0), (h, h, h), Elasticity.isotropic(poisson))
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[:, :, :, 0] = True
    share = np.ones(depth + 1)
    share[[0, -1]] = 0.5
    weight = np.outer(share, share) / depth**2
    force = np.zeros(model.node_shape)
    force[2, :, :, -1] = weight
    solution = solve(model, Loading(fixed, np.zeros(model.node_shape), force), tolerance=1e-8)
    sunk = float((solution.displacement_mm[2, :, :, -1] * weight).sum())
    return float((10.0**3 / (3 * 1000.0 / 12) + 1.2 * 10.0 * 2 * (1 + poisson) / 1000.0) / sunk)


def share_of_sphere(n: int, centres: np.ndarray, radius: float, fine: int = 4) -> np.ndarray:
    """Share of each of n³ voxels inside one of several spheres that wrap around the cube."""
    inside = np.zeros((n, n, n))
    offsets = (np.arange(fine) + 0.5) / fine
    axis = np.arange(n)
    for offset in product(offsets, repeat=3):
        hit = np.zeros((n, n, n), dtype=bool)
        for centre in centres:
            z, y, x = (
                (axis + part - place + n / 2) % n - n / 2 for part, place in zip(offset, centre, strict=True)
            )
            hit |= z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 < radius**2
        inside += hit
    return inside / fine**3


def cubic_array_mpa(share: float, n: int = 24, *, weighted: bool) -> float:
    """Modulus of stiff spheres on a cubic lattice: an eighth of a cell with a sphere at its corner, sides free."""
    radius = n * (6.0 * share / np.pi) ** (1.0 / 3.0)
    fine, axis = 8, np.arange(n)
    inside = np.zeros((n, n, n))
    for part in product((np.arange(fine) + 0.5) / fine, repeat=3):
        z, y, x = (axis + p for p in part)
        inside += z[:, None, None] ** 2 + y[None, :, None] ** 2 + x[None, None, :] ** 2 < radius**2
    inside /= fine**3
    stiff = inside if weighted else inside >= 0.5
    return pressed(MATRIX_MPA + (INCLUSION_MPA - MATRIX_MPA) * stiff, tolerance=1e-7) / n


def random_spheres_mpa(share: float, seed: int, n: int = 60, radius: float = 6.0) -> tuple[float, float]:
    """Modulus of a cube with random stiff spheres that do not touch, and their true share."""
    rng = np.random.default_rng(seed)
    wanted = round(share * n**3 / (4.0 / 3.0 * np.pi * radius**3))
    centres = np.zeros((0, 3))
    while len(centres) < wanted:
        place = rng.uniform(0.0, n, 3)
        apart = (centres - place + n / 2) % n - n / 2
        if not (np.linalg.norm(apart, axis=1) < 2.0 * radius + APART).any():
            centres = np.vstack([centres, place])
    inside = share_of_sphere(n, centres, radius, fine=2)
    modulus = MATRIX_MPA + (INCLUSION_MPA - MATRIX_MPA) * inside
    return pressed(modulus, tolerance=1e-7) / n, float(inside.mean())


def cavity_displacement(
    n: int = 48, a: float = 7.5, pressure: float = 1.4, e_mpa: float = 150.0
) -> tuple[float, float]:
    """Radial displacement of a pressurised spherical cavity's wall (an eighth of it), and the analytic one.

    The displacement is what the cavity's volume gained over its surface; both use the radius of the sphere with the
    volume of the voxels that were taken out.
    """
    axis = np.arange(n) + 0.5
    hole = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2 < a**2
    model = VoxelModel(np.where(hole, 0.0, e_mpa), (1.0, 1.0, 1.0), BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[2, 0] = fixed[1, :, 0] = fixed[0, :, :, 0] = True
    area = np.zeros(
        model.node_shape
    )  # of the wall, outward from the cavity, a quarter of a face to each corner
    for component, along in ((2, 0), (1, 1), (0, 2)):
        ahead = np.diff(hole.astype(int), axis=along) == -1
        for voxel in np.argwhere(ahead):
            voxel[along] += 1
            for step in product((0, 1), repeat=2):
                node = voxel + np.insert(np.array(step), along, 0)
                area[(component, *node)] += 0.25
    loading = Loading(fixed, np.zeros(model.node_shape), pressure * np.where(fixed, 0.0, area))
    solution = solve(model, loading, tolerance=1e-8)
    radius = (8.0 * hole.sum() * 0.75 / np.pi) ** (1.0 / 3.0)
    gained = 8.0 * float((solution.displacement_mm * area).sum())
    shear = e_mpa / (2.0 * 1.3)
    return gained / (4.0 * np.pi * radius**2), pressure * radius / (4.0 * shear)


def crushed(modulus: np.ndarray) -> Solution:
    """A body clamped below and pressed down by 1 % from above, to 1e-6."""
    model = VoxelModel(modulus, (1.0, 1.0, 1.0), BONE)
    fixed = np.zeros(model.node_shape, dtype=bool)
    moved = np.zeros(model.node_shape)
    fixed[:, [0, -1]] = True
    moved[2, -1] = -0.01 * modulus.shape[0]
    return solve(model, Loading(fixed, moved))


def rough(n: int, low: float = 100.0, high: float = 18000.0) -> np.ndarray:
    """Blurred white noise, its ranks mapped to log-uniform moduli."""
    noise = gaussian_filter(np.random.default_rng(0).standard_normal((n, n, n)), 2.0)
    rank = np.empty(noise.size)
    rank[np.argsort(noise, axis=None)] = np.linspace(0.0, 1.0, noise.size)
    return low * (high / low) ** rank.reshape(n, n, n)


def thin_cortex(n: int) -> np.ndarray:
    """A waisted body with a canal in void, a stiff shell of one and a half voxels around soft bone: contrast 10 000."""
    modulus = rough(n, 1.8)
    z, y, x = np.meshgrid(*(np.linspace(-1.0, 1.0, n),) * 3, indexing="ij")
    radius = np.hypot(x, y) / (0.93 - 0.12 * (1.0 - z**2))
    modulus[radius > 1.0 - 3.0 / n] = 18000.0
    modulus[radius > 1.0] = 0.0
    modulus[np.hypot(x, y - 0.2) < 0.1] = 0.0
    return modulus
