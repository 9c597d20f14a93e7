"""A pressurised cavity on voxels, and one in yielding bone integrated along its radius, beside closed forms."""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from endplate.balloon.lift import push_walls, widened_ml
from endplate.balloon.pressure import hill_limit_mpa
from endplate.mechanics.element import Elasticity
from endplate.mechanics.problem import Loading, VoxelModel
from endplate.mechanics.solver import Solver
from endplate.units import MM3_PER_ML


def widening(
    radius_vox: float, edge_vox: int, step_mm: float, modulus: float, pressure: float
) -> tuple[float, float]:
    """Mean widening of an eighth of a pressurised sphere in a block, and the radius of equal volume."""
    places = (np.indices((edge_vox,) * 3) + 0.5) * step_mm
    cavity = np.sqrt((places**2).sum(axis=0)) < radius_vox * step_mm
    model = VoxelModel(np.where(cavity, 0.0, modulus), (step_mm,) * 3, Elasticity.isotropic(0.3))
    fixed = np.zeros(model.node_shape, dtype=bool)
    fixed[0, :, :, 0] = fixed[1, :, 0, :] = fixed[2, 0] = True  # planes of symmetry
    force = np.zeros(model.node_shape)
    push_walls(force, cavity, ~cavity, pressure, step_mm)
    moved = (
        Solver(model, Loading(fixed, np.zeros(model.node_shape), force)).solve(tolerance=1e-7).displacement_mm
    )
    swept = MM3_PER_ML * widened_ml(force / pressure, moved)
    radius = float((6.0 * cavity.sum() / np.pi) ** (1.0 / 3.0) * step_mm)
    return swept / (0.5 * np.pi * radius**2), radius


def cavity_pressure(stress: float, modulus: float, poisson: float, widened: float = 8.0) -> float:
    """Pressure in a cavity widened from a point in bone that yields by von Mises, by integrating along the radius.

    Spherical symmetry, logarithmic strains, total strains (every shell is loaded one way only). Between undeformed
    radius R and present radius r: dr/dR = exp(ε_r), dσ_r/dr = −2 (σ_r − σ_t) / r.
    """
    bulk, shear = modulus / (3.0 * (1.0 - 2.0 * poisson)), modulus / (2.0 * (1.0 + poisson))

    def slope(log_radius: float, state: np.ndarray) -> list[float]:
        start = np.exp(log_radius)
        now, radial = state
        around = np.log(now / start)
        along = (radial + 4.0 / 3.0 * shear * around - 2.0 * bulk * around) / (bulk + 4.0 / 3.0 * shear)
        apart = 2.0 * shear * (along - around)
        if apart < -stress:
            apart = -stress
            along = (radial + 2.0 / 3.0 * stress) / bulk - 2.0 * around
        stretch = np.exp(along)
        return [stretch * start, -2.0 * apart / now * stretch * start]

    def outside(pressure: float) -> float:
        found = solve_ivp(slope, (0.0, np.log(400.0)), [widened, -pressure], rtol=1e-8, atol=1e-10)
        return float(found.y[1, -1])

    limit = float(hill_limit_mpa(np.asarray(stress), np.asarray(modulus), poisson))
    return float(brentq(outside, 0.3 * limit, 2.0 * limit, xtol=1e-4))
