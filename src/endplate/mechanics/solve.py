"""Linear elasticity of a voxel grid: conjugate gradients in double precision, preconditioned by multigrid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.errors import ConvergenceError, UsageError
from endplate.mechanics import sweeps
from endplate.mechanics.element import Elasticity, FloatArray, mode_constants
from endplate.mechanics.layout import Layout
from endplate.mechanics.multigrid import Multigrid
from endplate.mechanics.pieces import loose_elements, nodes_of

MAX_ITERATIONS = 300
"""Iterations after which a solve is given up."""

SOFTEST_MPA, STIFFEST_MPA = 1e-6, 1e9
"""Moduli far from any tissue or metal; beyond them single precision would overflow or lose its digits."""

DRIFT = 2.0
"""Times the tolerance that the answer's own residual may reach."""


@dataclass(frozen=True, eq=False)
class VoxelModel:
    """A grid of elastic voxels.

    Parameters
    ----------
    modulus_mpa:
        Young's modulus of each element, 0 in voids, shape (nz, ny, nx).
    spacing_mm:
        Voxel size along x, y, z.
    elasticity:
        What multiplies the modulus.

    Raises
    ------
    UsageError
        Not a grid of non-negative moduli of a sane size on voxels of positive size, or nothing in it.
    """

    modulus_mpa: FloatArray
    spacing_mm: tuple[float, float, float]
    elasticity: Elasticity

    def __post_init__(self) -> None:
        modulus = np.ascontiguousarray(self.modulus_mpa, dtype=np.float64)
        if modulus.ndim != 3 or modulus.size == 0:
            raise _unusable("the moduli are no 3-D grid")
        if not np.isfinite(modulus).all() or modulus.min() < 0.0:
            raise _unusable("a modulus is negative or no number")
        if not modulus.max() > 0.0:
            raise _unusable("every voxel is void")
        if modulus.max() > STIFFEST_MPA or modulus[modulus > 0.0].min() < SOFTEST_MPA:
            raise _unusable(f"a modulus is outside {SOFTEST_MPA:g} to {STIFFEST_MPA:g} MPa")
        spacing = np.asarray(self.spacing_mm, dtype=np.float64)
        if spacing.shape != (3,) or not np.isfinite(spacing).all() or spacing.min() <= 0.0:
            raise _unusable("the voxel size is not three positive lengths")
        object.__setattr__(self, "modulus_mpa", modulus)

    @property
    def node_shape(self) -> tuple[int, int, int, int]:
        """Shape of nodal values: component x, y, z; nodes along z, y, x."""
        nz, ny, nx = self.modulus_mpa.shape
        return 3, nz + 1, ny + 1, nx + 1


@dataclass(frozen=True, eq=False)
class Loading:
    """What holds and moves a model; all of shape :attr:`VoxelModel.node_shape`.

    Parameters
    ----------
    fixed:
        Freedoms whose displacement is prescribed.
    displacement_mm:
        Prescribed displacements (read where ``fixed``).
    force_n:
        Forces on the other freedoms, or ``None``.
    """

    fixed: NDArray[np.bool_]
    displacement_mm: FloatArray
    force_n: FloatArray | None = None


@dataclass(frozen=True, eq=False)
class Solution:
    """Displacements of a loaded model.

    Parameters
    ----------
    displacement_mm:
        Shape :attr:`VoxelModel.node_shape`; 0 on nodes that touch no bone or only loose bone.
    reaction_n:
        Forces that hold the prescribed freedoms, same shape, 0 on others.
    iterations, relative_residual:
        Of the solver: norm of the unbalanced forces over that of the start, measured on the answer itself.
    freedoms:
        Unknowns of the grid, three a node.
    loose_elements:
        Elements in pieces that nothing holds; they were left out.
    """

    displacement_mm: FloatArray
    reaction_n: FloatArray
    iterations: int
    relative_residual: float
    freedoms: int
    loose_elements: int


def solve(
    model: VoxelModel,
    loading: Loading,
    *,
    tolerance: float = 1e-6,
    start_mm: FloatArray | None = None,
    max_iterations: int = MAX_ITERATIONS,
) -> Solution:
    """Displacements and reactions of a loaded model.

    Parameters
    ----------
    model, loading:
        The problem.
    tolerance:
        Norm of the unbalanced forces at the end over that with only the prescribed displacements applied.
    start_mm:
        Displacements to start from, of an earlier solve nearby; the tolerance keeps its meaning.
    max_iterations:
        Iterations at most.

    Raises
    ------
    UsageError
        Shapes that do not fit, values that are no numbers, or a force on a piece that nothing holds.
    ConvergenceError
        The tolerance was not reached.
    """
    _check(model, loading, start_mm)
    state = _State(model, loading, _loose(model, loading))
    first = state.norm(state.lifted)
    if first == 0.0:
        return state.solution(0, 1.0)
    norm = first if start_mm is None else state.norm(state.start_at(start_mm))
    state.begin()
    iterations = 0
    while norm > tolerance * first and iterations < max_iterations:
        norm = state.iterate()
        iterations += 1
        if not np.isfinite(norm):
            break
    if not norm <= tolerance * first:
        raise _not_converged(norm / first, iterations, tolerance)
    solution = state.solution(iterations, first)
    # The residual that is carried along drifts from the true one where rounding has the upper hand.
    if not solution.relative_residual <= DRIFT * tolerance:
        raise _not_converged(solution.relative_residual, iterations, tolerance)
    return solution


class _State:
    """Vectors of one solve, for unknowns u·h (:mod:`endplate.mechanics.element`)."""

    def __init__(self, model: VoxelModel, loading: Loading, loose: NDArray[np.bool_]) -> None:
        nz, ny, nx = model.modulus_mpa.shape
        self.layout = layout = Layout(nz, ny, nx)
        self.spacing = np.asarray(model.spacing_mm, dtype=np.float64)[:, None, None, None]
        self.fixed = loading.fixed
        self.loose_elements = int(np.count_nonzero(loose))
        kept = np.where(loose, 0.0, model.modulus_mpa) if self.loose_elements else model.modulus_mpa
        self.cycles = Multigrid(kept, model.elasticity, self.spacing.ravel(), ~loading.fixed)
        top = self.cycles.levels[0]
        self.inverse = top.inverse
        self.single = top.b
        modulus = np.zeros(layout.element_size)
        layout.elements(modulus)[:] = kept
        constants = mode_constants(model.elasticity, self.spacing.ravel())
        halves = 2  # a register holds half as many doubles
        self.grid = (
            modulus,
            constants,
            halves * top.first,
            halves * top.last,
            layout.planes,
            layout.rows,
            layout.row,
        )
        self.twin = top.twin
        self.work = np.zeros((len(top.work), 2, 3 * layout.plane + 16))
        self.touched = np.broadcast_to(nodes_of(kept > 0.0), model.node_shape)
        self.force = np.zeros(layout.nodal_size)
        if loading.force_n is not None:
            layout.nodal(self.force)[:] = np.where(loading.fixed, 0.0, loading.force_n) / self.spacing
        self.lifted = np.where(loading.fixed & self.touched, loading.displacement_mm, 0.0)
        self.u, self.r, self.p, self.ap = (np.zeros(layout.nodal_size) for _ in range(4))
        self.dots = np.zeros(layout.planes)
        self.sums = np.zeros(3 * layout.planes)
        self.energy = 0.0

    def norm(self, displacement_mm: FloatArray) -> float:
        """Put displacements in place; norm of the forces that are then unbalanced."""
        self.layout.nodal(self.u)[:] = displacement_mm * self.spacing
        sweeps.apply[self.twin](self.u, self.grid, self.inverse, self.ap, self.work, self.dots)
        self.r[:] = np.where(self.inverse > 0, self.force, 0.0)
        self.p[:] = 0.0
        sweeps.advance[self.twin](self.u, self.r, self.p, self.ap, 1.0, self.single, self.sums)
        return float(np.sqrt(self.sums.sum()))

    def start_at(self, start_mm: FloatArray) -> FloatArray:
        """A start with the prescribed displacements put in."""
        return np.where(self.fixed | ~self.touched, self.lifted, start_mm)

    def begin(self) -> None:
        """Forget the last direction."""
        self.energy = 0.0

    def iterate(self) -> float:
        """One step of conjugate gradients; norm of the unbalanced forces after it."""
        z = self.cycles.cycle()
        sweeps.product[self.twin](self.r, z, self.sums)
        energy = float(self.sums.sum())
        share = energy / self.energy if self.energy > 0.0 else 0.0
        self.energy = energy
        sweeps.turn[self.twin](self.p, z, share, self.sums.size)
        sweeps.apply[self.twin](self.p, self.grid, self.inverse, self.ap, self.work, self.dots)
        stiffness = float(self.dots.sum())
        if not (energy > 0.0 and stiffness > 0.0):  # a motion without resistance
            return float("inf")
        step = energy / stiffness
        sweeps.advance[self.twin](self.u, self.r, self.p, self.ap, step, self.single, self.sums)
        return float(np.sqrt(self.sums.sum()))

    def solution(self, iterations: int, first: float) -> Solution:
        """Displacements, the reactions that the prescribed ones need, and what is left unbalanced over ``first``."""
        everywhere = np.ones(self.layout.nodal_size, np.float32)
        sweeps.apply[self.twin](self.u, self.grid, everywhere, self.ap, self.work, self.dots)
        self.r[:] = np.where(self.inverse > 0, self.force - self.ap, 0.0)
        forces = self.layout.nodal(self.ap) * self.spacing
        return Solution(
            displacement_mm=self.layout.nodal(self.u) / self.spacing,
            reaction_n=np.where(self.fixed, forces, 0.0),
            iterations=iterations,
            relative_residual=float(np.linalg.norm(self.r)) / first,
            freedoms=self.layout.freedoms,
            loose_elements=self.loose_elements,
        )


def _check(model: VoxelModel, loading: Loading, start_mm: FloatArray | None) -> None:
    given = {
        "fixed": loading.fixed,
        "displacement_mm": loading.displacement_mm,
        "force_n": loading.force_n,
        "start_mm": start_mm,
    }
    for name, array in given.items():
        if array is None:
            continue
        if array.shape != model.node_shape:
            raise _unusable(f"{name} has shape {array.shape} where {model.node_shape} is needed")
        if not np.isfinite(array).all():
            raise _unusable(f"{name} holds a value that is no number")
    if loading.fixed.dtype != np.bool_:
        raise _unusable("what is fixed is not given as true or false")


def _loose(model: VoxelModel, loading: Loading) -> NDArray[np.bool_]:
    """Elements of pieces that nothing holds; none of them may be loaded."""
    loose = loose_elements(model.modulus_mpa, loading.fixed)
    if loading.force_n is not None:
        loaded = ((loading.force_n != 0.0) & ~loading.fixed).any(axis=0)
        firm = nodes_of((model.modulus_mpa > 0.0) & ~loose)
        if (loaded & ~firm).any():
            raise _unusable("a force acts on a void or on a piece of bone that nothing holds")
    return loose


def _not_converged(reached: float, iterations: int, tolerance: float) -> ConvergenceError:
    return ConvergenceError(
        "solver-not-converged",
        f"The elastic solution stopped at a relative residual of {reached:.1e} after {iterations} iterations "
        f"({tolerance:.0e} was asked for).",
        intact="No number was made from it.",
        do="Look for bone that is free to slide or turn, or that hangs on single edges or corners, or for moduli of "
        "very different size; a coarser grid or a higher least modulus helps.",
    )


def _unusable(what: str) -> UsageError:
    return UsageError(
        "model-unusable",
        f"The mechanical model cannot be used: {what}.",
        do="Check the density and the mask.",
    )
