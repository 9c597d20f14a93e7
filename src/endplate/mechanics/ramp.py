"""A specimen pressed step by step past its yield: the curve of force over shortening, and where the bone gave way.

Each step looks for displacements u with K·u = forces of the plastic strain of u. The fixed point is found with
Anderson's acceleration; one elastic solver serves all steps, each solve starting from the last.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from endplate.errors import ConvergenceError
from endplate.mechanics.element import FloatArray
from endplate.mechanics.plasticity import Plasticity, Yielding
from endplate.mechanics.platen import Platens
from endplate.mechanics.problem import Solution, VoxelModel
from endplate.mechanics.solver import Solver
from endplate.sources import value

MEMORY = 6
"""Earlier iterates that the acceleration looks at."""

MOST_ROUNDS = 60
"""Rounds of a step after which it is given up."""

INNER = 2e-6
"""Tolerance of the elastic solves within a step."""

LINEAR = 1e-6
"""Tolerance of the linear solve."""

FORCE_SETTLED = 3e-4
"""Relative change of the force in the last round of a step."""

BALANCE = 5e-3
"""Norm of the forces left unbalanced at the end of a step over that of the plates' forces."""


@dataclass(frozen=True, eq=False)
class LinearPress:
    """The elastic answer.

    Parameters
    ----------
    stiffness_n_per_mm:
        Force over shortening.
    solution:
        Displacements at ``shortening_mm``.
    tilt:
        Slopes of a free plate along x and y; zeros of a level one.
    """

    stiffness_n_per_mm: float
    shortening_mm: float
    solution: Solution
    tilt: FloatArray
    iterations: int


@dataclass(frozen=True, eq=False)
class Ramp:
    """The way to failure, one entry a step.

    Parameters
    ----------
    shortening_mm, force_n, yielded_share, rounds:
        By step; the share counts voxels.
    plastic_strain:
        Equivalent plastic strain at the last step, shape (nz, ny, nx).
    displacement_mm:
        At the last step, shape of the nodes.
    """

    shortening_mm: FloatArray
    force_n: FloatArray
    yielded_share: FloatArray
    rounds: tuple[int, ...]
    plastic_strain: FloatArray
    displacement_mm: FloatArray
    iterations: int


class Press:
    """One specimen between two plates, pressed elastically or to failure."""

    def __init__(self, model: VoxelModel, platens: Platens) -> None:
        self.model = model
        self.platens = platens
        self._solver = Solver(model, platens.loading(1.0))
        self._tilt_stiffness = np.zeros((2, 2))

    @property
    def loose_elements(self) -> int:
        """Elements in pieces that nothing holds."""
        return self._solver.loose_elements

    def linear(self, shortening_mm: float, *, tolerance: float = LINEAR) -> LinearPress:
        """Press elastically; with a free plate by superposition of three rigid motions.

        Raises
        ------
        ConvergenceError
            The solver did not reach its tolerance.
        """
        level = self._solver.solve(
            displacement_mm=self.platens.displacement(shortening_mm), tolerance=tolerance
        )
        force = self.platens.force_n(level.reaction_n)
        if not self.platens.tilting:
            return LinearPress(force / shortening_mm, shortening_mm, level, np.zeros(2), level.iterations)
        span = np.abs(self.platens.arms_mm()).max()
        slope = shortening_mm / span
        turned = [
            self._solver.solve(
                displacement_mm=self.platens.displacement(0.0, slope * np.eye(2)[axis]), tolerance=tolerance
            )
            for axis in range(2)
        ]
        moments = np.stack([self.platens.moments_nmm(one.reaction_n) for one in turned], axis=1) / slope
        self._tilt_stiffness = 0.5 * (moments + moments.T)
        tilt: FloatArray = np.asarray(
            -np.linalg.solve(self._tilt_stiffness, self.platens.moments_nmm(level.reaction_n)),
            dtype=np.float64,
        )
        both = [tilt[axis] / slope for axis in range(2)]
        moved = level.displacement_mm + sum(
            b * one.displacement_mm for b, one in zip(both, turned, strict=True)
        )
        final = self._solver.solve(
            displacement_mm=self.platens.displacement(shortening_mm, tilt),
            start_mm=moved,
            tolerance=tolerance,
        )
        iterations = level.iterations + sum(one.iterations for one in turned) + final.iterations
        stiffness = self.platens.force_n(final.reaction_n) / shortening_mm
        return LinearPress(stiffness, shortening_mm, final, tilt, iterations)

    def to_failure(
        self,
        yield_mpa: FloatArray,
        yielding: Yielding,
        shortenings_mm: Sequence[float],
        *,
        start: LinearPress | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Ramp:
        """Press step by step.

        Parameters
        ----------
        yield_mpa:
            Yield stress of each voxel, shape (nz, ny, nx).
        yielding:
            How voxels yield.
        shortenings_mm:
            The steps, growing.
        start:
            The elastic answer, where it is at hand.
        progress:
            Told the fraction done.

        Raises
        ------
        ConvergenceError
            A step did not settle, or the elastic solver failed.
        """
        linear = start or self.linear(shortenings_mm[0])
        state = Plasticity(self.model, yield_mpa, yielding)
        solid = int(np.count_nonzero(self.model.modulus_mpa))
        scale = shortenings_mm[0] / linear.shortening_mm
        point = np.concatenate([(scale * linear.solution.displacement_mm).ravel(), scale * linear.tilt])
        before, forces, shares, rounds = np.zeros_like(point), [], [], []
        iterations, last_mm = 0, 0.0
        for index, shortening in enumerate(shortenings_mm):
            if index > 0:
                growth = (shortening - shortenings_mm[index - 1]) / (shortenings_mm[index - 1] - last_mm)
                last_mm = shortenings_mm[index - 1]
                point, before = point + growth * (point - before), point
            step = self._step(state, shortening, point)
            point = step.point
            state.commit()
            forces.append(step.force_n)
            shares.append(step.yielding / solid)
            rounds.append(step.rounds)
            iterations += step.iterations
            if progress is not None:
                progress((index + 1) / len(shortenings_mm))
        return Ramp(
            np.asarray(shortenings_mm, dtype=np.float64),
            np.asarray(forces),
            np.asarray(shares),
            tuple(rounds),
            state.equivalent_strain(),
            point[:-2].reshape(self.model.node_shape),
            iterations,
        )

    def _step(self, state: Plasticity, shortening_mm: float, point: FloatArray) -> _Step:
        """One step of the ramp, from a guess of its displacements and tilt."""
        mixer = _Mixer()
        tolerance = float(value("strength.ramp_tolerance"))
        force, iterations = np.inf, 0
        for count in range(1, MOST_ROUNDS + 1):
            yielding = state.update(point[:-2].reshape(self.model.node_shape))
            tilt = point[-2:]
            solution = self._solver.solve(
                displacement_mm=self.platens.displacement(shortening_mm, tilt),
                force_n=state.force_n,
                start_mm=point[:-2].reshape(self.model.node_shape),
                tolerance=INNER,
            )
            iterations += solution.iterations
            answer = np.concatenate([solution.displacement_mm.ravel(), tilt])
            if self.platens.tilting:
                answer[-2:] -= np.linalg.solve(
                    self._tilt_stiffness, self.platens.moments_nmm(solution.reaction_n)
                )
            change = float(np.linalg.norm(answer - point) / np.linalg.norm(answer))
            previous, force = force, self.platens.force_n(solution.reaction_n)
            if change <= tolerance and abs(force - previous) <= FORCE_SETTLED * abs(force):
                applied = state.force_n.copy()
                yielding = state.update(answer[:-2].reshape(self.model.node_shape))
                off = np.where(self._solver.fixed, 0.0, state.force_n - applied)
                if np.linalg.norm(off) <= BALANCE * np.linalg.norm(solution.reaction_n):
                    return _Step(answer, force, yielding, count, iterations)
            point = mixer.mix(point, answer)
        raise ConvergenceError(
            "ramp-not-converged",
            f"The specimen found no balance at a shortening of {shortening_mm:.3f} mm after {MOST_ROUNDS} rounds "
            f"(last change {change:.1e}, {tolerance:.0e} was asked for).",
            intact="The elastic stiffness is not affected.",
            do="Ask for the linear strength alone (--linear-only), or look for bone that hangs on single edges.",
        )


@dataclass(frozen=True, eq=False)
class _Step:
    """One settled step."""

    point: FloatArray
    force_n: float
    yielding: int
    rounds: int
    iterations: int


class _Mixer:
    """Anderson's acceleration of a fixed-point iteration: the mix of the last answers with the least change."""

    def __init__(self) -> None:
        self._points: list[FloatArray] = []
        self._changes: list[FloatArray] = []

    def mix(self, point: FloatArray, answer: FloatArray) -> FloatArray:
        """The next point to try."""
        change = answer - point
        self._points.append(point)
        self._changes.append(change)
        del self._points[: -MEMORY - 1], self._changes[: -MEMORY - 1]
        if len(self._points) == 1:
            return answer
        turns = np.stack([b - a for a, b in zip(self._changes, self._changes[1:], strict=False)])
        moves = np.stack([b - a for a, b in zip(self._points, self._points[1:], strict=False)])
        matrix = turns @ turns.T
        ridge = 1e-12 * np.trace(matrix) * np.eye(len(matrix))
        weights = np.linalg.lstsq(matrix + ridge, turns @ change, rcond=None)[0]
        mixed: FloatArray = answer - weights @ (moves + turns)
        return mixed
