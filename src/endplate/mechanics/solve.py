"""Linear elasticity of a voxel grid in one call."""

from __future__ import annotations

from endplate.mechanics.element import FloatArray
from endplate.mechanics.problem import Loading, Solution, VoxelModel
from endplate.mechanics.solver import MAX_ITERATIONS, Solver

__all__ = ["Loading", "Solution", "Solver", "VoxelModel", "solve"]


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
    solver = Solver(model, loading)
    return solver.solve(tolerance=tolerance, start_mm=start_mm, max_iterations=max_iterations)
