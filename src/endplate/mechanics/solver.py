"""Conjugate gradients in double precision, preconditioned by multigrid, kept ready for many solves of one model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from endplate.errors import ConvergenceError
from endplate.mechanics import sweeps
from endplate.mechanics.element import FloatArray, mode_constants
from endplate.mechanics.lanes import WIDTH
from endplate.mechanics.layout import Layout, cleared
from endplate.mechanics.multigrid import Multigrid
from endplate.mechanics.pieces import loose_elements, nodes_of
from endplate.mechanics.problem import Loading, Solution, VoxelModel, unusable

MAX_ITERATIONS = 300
"""Iterations after which a solve is given up."""

DRIFT = 2.0
"""Times the tolerance that the answer's own residual may reach."""


class Solver:
    """One model and what holds it, with grids and memory that many solves share.

    For ramps and for material laws that change as the bone gives way::

        solver = Solver(model, loading)
        first = solver.solve(tolerance=1e-6)
        solver.change_modulus(softer_mpa)  # same voids
        then = solver.solve(start_mm=first.displacement_mm, displacement_mm=1.2 * loading.displacement_mm)
        back = solver.solve(start_mm=then.displacement_mm, force_n=forces_of_plastic_strain)

    Parameters
    ----------
    model, loading:
        The problem. Which freedoms are fixed stays for good; how far they move and the forces may be told anew.

    Raises
    ------
    UsageError
        Shapes that do not fit, values that are no numbers, or a force on a piece that nothing holds.
    """

    def __init__(self, model: VoxelModel, loading: Loading) -> None:
        self.model = model
        self.fixed = loading.fixed
        self._check(fixed=loading.fixed, displacement_mm=loading.displacement_mm, force_n=loading.force_n)
        if loading.fixed.dtype != np.bool_:
            raise unusable("what is fixed is not given as true or false")
        self._loose = loose_elements(model.modulus_mpa, loading.fixed)
        self.loose_elements = int(np.count_nonzero(self._loose))
        self._free_to_drift = self._nodes_without_hold()
        nz, ny, nx = model.modulus_mpa.shape
        self.layout = layout = Layout(nz, ny, nx)
        self._spacing = np.asarray(model.spacing_mm, dtype=np.float64)[:, None, None, None]
        kept = self._kept(model.modulus_mpa)
        self.cycles = Multigrid(kept, model.elasticity, self._spacing.ravel(), ~loading.fixed)
        top = self.cycles.levels[0]
        self._inverse, self._single, self._twin = top.inverse, top.b, top.twin
        self._modulus = cleared((layout.element_size,), np.float64)
        layout.elements(self._modulus)[:] = kept
        constants = mode_constants(model.elasticity, self._spacing.ravel())
        ranges = layout.ranges(kept > 0.0, WIDTH // 2)
        self._grid = (self._modulus, constants, *ranges, *layout.shape)
        self._work = cleared((len(top.work), 2, 3 * layout.plane + WIDTH), np.float64)
        self._touched = np.broadcast_to(nodes_of(kept > 0.0), model.node_shape)
        self._u, self._r, self._p, self._ap, self._force = (
            cleared((layout.nodal_size,), np.float64) for _ in range(5)
        )
        self._dots = np.zeros(layout.planes)
        self._sums = np.zeros(3 * layout.planes)
        self._energy, self._loaded = 0.0, False
        self._displacement_mm, self._force_n = loading.displacement_mm, loading.force_n
        self._drives(loading.force_n)

    def change_modulus(self, modulus_mpa: FloatArray, *, cycles: bool = True) -> None:
        """Go on with other moduli in the same voxels.

        Parameters
        ----------
        modulus_mpa:
            Shape and voids as before.
        cycles:
            Whether the preconditioner follows. It costs about one iteration; one that lags behind stays valid but
            needs more of them the more the moduli have changed.

        Raises
        ------
        UsageError
            Not moduli (see :class:`VoxelModel`), or other voids than before.
        """
        model = VoxelModel(modulus_mpa, self.model.spacing_mm, self.model.elasticity)
        before = self.model.modulus_mpa
        if model.modulus_mpa.shape != before.shape or ((model.modulus_mpa > 0.0) != (before > 0.0)).any():
            raise unusable("the new moduli have other voids than the old ones")
        kept = self._kept(model.modulus_mpa)
        self.model = model
        self.layout.elements(self._modulus)[:] = kept
        if cycles:
            self.cycles.change_modulus(kept)

    def solve(
        self,
        *,
        tolerance: float = 1e-6,
        start_mm: FloatArray | None = None,
        displacement_mm: FloatArray | None = None,
        force_n: FloatArray | None = None,
        max_iterations: int = MAX_ITERATIONS,
    ) -> Solution:
        """Displacements and reactions for the loading, or for other displacements or forces in its place.

        Parameters
        ----------
        tolerance:
            Norm of the unbalanced forces at the end over that with only the prescribed displacements applied.
        start_mm:
            Displacements to start from, of an earlier solve nearby; the tolerance keeps its meaning.
        displacement_mm, force_n:
            Those of the loading, where not given. Forces on fixed freedoms go straight to what holds them.
        max_iterations:
            Iterations at most.

        Raises
        ------
        UsageError
            Shapes that do not fit, values that are no numbers, or a force on a piece that nothing holds.
        ConvergenceError
            The tolerance was not reached.
        """
        self._check(displacement_mm=displacement_mm, force_n=force_n, start_mm=start_mm)
        self._drives(force_n)
        self._load(self._force_n if force_n is None else force_n)
        ends = self._displacement_mm if displacement_mm is None else displacement_mm
        lifted = np.where(self.fixed & self._touched, ends, 0.0)
        norm = first = self._begin(lifted)
        if first == 0.0:
            return self._solution(0, 1.0)
        if start_mm is not None:
            norm = self._begin(np.where(self.fixed | ~self._touched, lifted, start_mm))
        iterations = 0
        while norm > tolerance * first and iterations < max_iterations:
            norm = self._iterate()
            iterations += 1
            if not np.isfinite(norm):
                break
        if not norm <= tolerance * first:
            raise _not_converged(norm / first, iterations, tolerance)
        solution = self._solution(iterations, first)
        # The residual that is carried along drifts from the true one where rounding has the upper hand.
        if not solution.relative_residual <= DRIFT * tolerance:
            raise _not_converged(solution.relative_residual, iterations, tolerance)
        return solution

    def forces_n(self, displacement_mm: FloatArray) -> FloatArray:
        """Nodal forces that hold given displacements in balance with the present moduli, of the same shape."""
        self._check(displacement_mm=displacement_mm)
        self.layout.nodal(self._u)[:] = displacement_mm * self._spacing
        self._forces_of_u()
        return self.layout.nodal(self._ap) * self._spacing

    def _kept(self, modulus_mpa: FloatArray) -> FloatArray:
        return np.where(self._loose, 0.0, modulus_mpa) if self.loose_elements else modulus_mpa

    def _nodes_without_hold(self) -> NDArray[np.bool_]:
        return ~nodes_of((self.model.modulus_mpa > 0.0) & ~self._loose)

    def _drives(self, force_n: FloatArray | None) -> None:
        """No force may drive what nothing holds."""
        if force_n is None:
            return
        loaded = ((force_n != 0.0) & ~self.fixed).any(axis=0)
        if (loaded & self._free_to_drift).any():
            raise unusable("a force acts on a void or on a piece of bone that nothing holds")

    def _load(self, force_n: FloatArray | None) -> None:
        if self._loaded:
            self._force[:] = 0.0
        self._loaded = force_n is not None
        if force_n is not None:
            self.layout.nodal(self._force)[:] = force_n / self._spacing

    def _begin(self, displacement_mm: FloatArray) -> float:
        """Start at displacements; norm of the forces that are then unbalanced."""
        self.layout.nodal(self._u)[:] = displacement_mm * self._spacing
        sweeps.apply[self._twin](self._u, self._grid, self._inverse, self._ap, self._work, self._dots)
        self._r[:] = np.where(self._inverse > 0, self._force, 0.0) if self._loaded else 0.0
        self._p[:] = 0.0
        self._energy = 0.0
        sweeps.advance[self._twin](
            self._u, self._grid, self._r, self._p, self._ap, 1.0, self._single, self._sums
        )
        return float(np.sqrt(self._sums.sum()))

    def _iterate(self) -> float:
        """One step of conjugate gradients; norm of the unbalanced forces after it."""
        z = self.cycles.cycle()
        sweeps.product[self._twin](self._r, self._grid, z, self._sums)
        energy = float(self._sums.sum())
        share = energy / self._energy if self._energy > 0.0 else 0.0
        self._energy = energy
        sweeps.turn[self._twin](self._p, self._grid, z, share)
        sweeps.apply[self._twin](self._p, self._grid, self._inverse, self._ap, self._work, self._dots)
        stiffness = float(self._dots.sum())
        if not (energy > 0.0 and stiffness > 0.0):  # a motion without resistance
            return float("inf")
        step = energy / stiffness
        sweeps.advance[self._twin](
            self._u, self._grid, self._r, self._p, self._ap, step, self._single, self._sums
        )
        return float(np.sqrt(self._sums.sum()))

    def _forces_of_u(self) -> None:
        everywhere = np.ones(self.layout.nodal_size, np.float32)
        sweeps.apply[self._twin](self._u, self._grid, everywhere, self._ap, self._work, self._dots)

    def _solution(self, iterations: int, first: float) -> Solution:
        """Displacements, the reactions that the prescribed ones need, and what is left unbalanced over ``first``."""
        self._forces_of_u()
        if self._loaded:
            self._ap -= self._force
        forces = self.layout.nodal(self._ap)
        reaction_n = np.zeros(self.model.node_shape)
        reaction_n[self.fixed] = forces[self.fixed]
        reaction_n *= self._spacing
        forces[self.fixed] = 0.0
        return Solution(
            displacement_mm=self.layout.nodal(self._u) / self._spacing,
            reaction_n=reaction_n,
            iterations=iterations,
            relative_residual=float(np.sqrt(np.einsum("i,i->", self._ap, self._ap))) / first,
            freedoms=self.layout.freedoms,
            loose_elements=self.loose_elements,
        )

    def _check(self, **given: NDArray[np.bool_] | FloatArray | None) -> None:
        for name, array in given.items():
            if array is None:
                continue
            if array.shape != self.model.node_shape:
                raise unusable(f"{name} has shape {array.shape} where {self.model.node_shape} is needed")
            if not np.isfinite(array).all():
                raise unusable(f"{name} holds a value that is no number")


def _not_converged(reached: float, iterations: int, tolerance: float) -> ConvergenceError:
    return ConvergenceError(
        "solver-not-converged",
        f"The elastic solution stopped at a relative residual of {reached:.1e} after {iterations} iterations "
        f"({tolerance:.0e} was asked for).",
        intact="No number was made from it.",
        do="Look for bone that is free to slide or turn, or that hangs on single edges or corners, or for moduli of "
        "very different size; a coarser grid or a higher least modulus helps.",
    )
