"""Geometric multigrid on the voxel grid: one symmetric V-cycle in single precision, as preconditioner.

Each level is the same operator on voxels twice as large. Smoothing is Chebyshev iteration on the diagonally scaled
operator; its upper bound needs no estimate, because with A = Σ E·K and D = Σ E·diag(K) no eigenvalue of D⁻¹A can
exceed the greatest of one element's. Rigid motions that nothing holds are left alone: the coarsest solve is a
pseudo-inverse.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from endplate.mechanics import sweeps, transfer
from endplate.mechanics.coarsest import multiply, pseudo_inverse
from endplate.mechanics.element import Elasticity, FloatArray, element_matrix, mode_constants
from endplate.mechanics.lanes import WIDTH
from endplate.mechanics.layout import Layout, Ranges, cleared

SERIAL_BELOW = 30_000
"""Elements of a level below which threads cost more than they bring."""

COARSEST_FREEDOMS, COARSEST_THIN_FREEDOMS = 250, 700
"""Freedoms of the coarsest level at most, and of one that is a single element thick; it is solved directly."""

SMOOTHERS = ((6, 40.0), (16, 250.0), (30, 900.0))
"""Steps of the smoother before and after each coarse correction, and upper over lower end of the band of eigenvalues
that it works on: of the finest level, of the next one and of all below. Round clefts, canals and thin walls a coarser
grid is a poor image of the one above it; there steps are cheap, so each level takes more of the work itself."""

Single = NDArray[np.float32]


@dataclass(eq=False)
class Level:
    """One grid of the hierarchy with its working memory."""

    layout: Layout
    constants: Single
    modulus: Single = field(init=False)
    inverse: Single = field(init=False)
    ranges: Ranges = field(init=False)
    x: Single = field(init=False)
    spare: Single = field(init=False)
    b: Single = field(init=False)
    work: Single = field(init=False)
    twin: int = field(init=False)

    def __post_init__(self) -> None:
        layout = self.layout
        self.modulus = cleared((layout.element_size,), np.float32)
        self.inverse, self.x, self.spare, self.b = (
            cleared((layout.nodal_size,), np.float32) for _ in range(4)
        )
        self.twin = twin_for(layout)
        threads = 1 if self.twin else numba.get_num_threads()
        self.work = cleared((threads, 2, 3 * layout.plane + WIDTH), np.float32)

    @property
    def grid(self) -> tuple[Any, ...]:
        """What the sweeps need to know of it."""
        return (self.modulus, self.constants, *self.ranges, *self.layout.shape)

    @property
    def nodes(self) -> tuple[Any, ...]:
        """What transfers need to know of it: lanes [start, stop) of each row of nodes, sizes."""
        return (*self.ranges[2:], *self.layout.shape)


class Multigrid:
    """The hierarchy of one problem.

    Parameters
    ----------
    modulus:
        Young's modulus (or the modulus that ``elasticity`` multiplies) of each element, MPa, shape (nz, ny, nx).
    elasticity, spacing_mm:
        Of all elements; voxel size along x, y, z.
    free:
        Freedoms that may move, shape (3, nz + 1, ny + 1, nx + 1).
    """

    def __init__(
        self, modulus: FloatArray, elasticity: Elasticity, spacing_mm: FloatArray, free: NDArray[np.bool_]
    ) -> None:
        spacing = np.asarray(spacing_mm, dtype=np.float64)
        element = element_matrix(elasticity, spacing)
        scale = np.tile(1.0 / spacing, 8)
        self._element = element * np.outer(scale, scale)  # for unknowns u·h
        self._constants = mode_constants(elasticity, spacing)
        self._free = free
        self.levels = self._grids(*modulus.shape)
        greatest = largest_eigenvalue(self._element)
        self._steps = [chebyshev_steps(greatest, degree, band) for degree, band in SMOOTHERS]
        self.change_modulus(modulus)
        for level in self.levels:
            level.ranges = level.layout.ranges(level.layout.elements(level.modulus) > 0, WIDTH)

    def _grids(self, nz: int, ny: int, nx: int) -> list[Level]:
        layout = Layout(nz, ny, nx)
        levels: list[Level] = []
        scale = 1.0
        while True:
            levels.append(Level(layout, (scale * self._constants).astype(np.float32)))
            thin = min(layout.nz, layout.ny, layout.nx) == 1
            if layout.freedoms <= (COARSEST_THIN_FREEDOMS if thin else COARSEST_FREEDOMS):
                return levels
            # Stiffness per unit modulus grows with the voxel's size.
            layout, scale = layout.coarser(), 2.0 * scale

    def change_modulus(self, modulus: FloatArray) -> None:
        """Go on with other moduli; voids stay where they are."""
        free = self._free
        diagonal = np.diag(self._element)[:3].copy()
        self.levels[0].layout.elements(self.levels[0].modulus)[:] = modulus
        for level, coarse in zip(self.levels, [*self.levels[1:], None], strict=True):
            layout, twin = level.layout, level.twin
            size = layout.nz, layout.ny, layout.nx, layout.row
            transfer.inverse_diagonal[twin](level.modulus, *size, free, diagonal, level.inverse)
            if coarse is not None:
                transfer.coarse_modulus[twin](
                    level.modulus, *size, held_ends(free), coarse.modulus, coarse.layout.row
                )
                free = coarse_free(free, coarse.layout)
                diagonal *= 2.0
        self._pick_coarsest()

    def _pick_coarsest(self) -> None:
        """Pseudo-inverse of the coarsest operator on its free freedoms."""
        level = self.levels[-1]
        layout = level.layout
        ids = np.arange(layout.planes * layout.rows * (layout.nx + 1)).reshape(
            layout.planes, layout.rows, layout.nx + 1
        )
        corners = [
            ids[z : z + layout.nz, y : y + layout.ny, x : x + layout.nx].ravel()
            for z in (0, 1)
            for y in (0, 1)
            for x in (0, 1)
        ]
        freedoms = (3 * np.stack(corners, axis=1)[:, :, None] + np.arange(3)).reshape(-1, 24)
        moduli = np.asarray(layout.elements(level.modulus), dtype=np.float64).ravel()
        scale = float(level.constants[0]) / float(self.levels[0].constants[0])
        matrix = np.zeros((3 * ids.size, 3 * ids.size))
        np.add.at(
            matrix,
            (np.repeat(freedoms, 24, axis=1).ravel(), np.tile(freedoms, (1, 24)).ravel()),
            (moduli[:, None, None] * (scale * self._element)).ravel(),
        )
        moving = np.asarray(layout.nodal(level.inverse)).transpose(1, 2, 3, 0).ravel() > 0
        self._moving = np.flatnonzero(moving)
        self._inverse = pseudo_inverse(matrix[np.ix_(self._moving, self._moving)])

    def cycle(self) -> Single:
        """Correction for the forces in ``levels[0].b``: the preconditioner's answer, valid until the next call."""
        self._cycle(0)
        return self.levels[0].x

    def _cycle(self, index: int) -> None:
        level = self.levels[index]
        if index == len(self.levels) - 1:
            self._solve_coarsest(level)
            return
        twin = level.twin
        steps = self._steps[min(index, len(self._steps) - 1)]
        sweeps.begin[twin](level.b, level.grid, level.inverse, steps[0, 1], level.x, level.spare)
        self._smooth(level, steps[1:])
        coarse = self.levels[index + 1]
        sweeps.residual[twin](level.x, level.grid, level.b, level.inverse, level.spare, level.work)
        transfer.restrict[twin](level.spare, level.nodes, coarse.b, coarse.nodes, coarse.inverse)
        self._cycle(index + 1)
        transfer.prolong[twin](level.x, level.nodes, coarse.x, coarse.nodes, level.inverse)
        self._smooth(level, steps)

    def _smooth(self, level: Level, steps: Single) -> None:
        sweeps.smooth[level.twin](level.x, level.spare, level.grid, level.b, level.inverse, steps, level.work)
        if len(steps) % 2 == 1:
            level.x, level.spare = level.spare, level.x

    def _solve_coarsest(self, level: Level) -> None:
        forces = np.asarray(level.layout.nodal(level.b)).transpose(1, 2, 3, 0)
        moved = np.zeros(forces.size, np.float32)
        answer = np.zeros(len(self._moving), np.float32)
        multiply(self._inverse, forces.ravel()[self._moving], answer)
        moved[self._moving] = answer
        level.layout.nodal(level.x)[:] = moved.reshape(forces.shape).transpose(3, 0, 1, 2)


def twin_for(layout: Layout) -> int:
    """Which of two twin kernels suits a grid: 0 on all threads, 1 serial."""
    return int(layout.nz * layout.ny * layout.nx < SERIAL_BELOW)


def largest_eigenvalue(element: FloatArray) -> float:
    """Bound of the eigenvalues of D⁻¹A for any moduli: the greatest of one element's."""
    root = 1.0 / np.sqrt(np.diag(element))
    return float(np.linalg.eigvalsh(element * np.outer(root, root))[-1])


def chebyshev_steps(greatest: float, degree: int, band: float) -> Single:
    """Factors (of the last step, of the scaled residual) of each step of a Chebyshev smoother, shape (degree, 2).

    It damps eigenvalues from ``greatest / band`` to ``greatest`` as well as a polynomial of that degree can.
    """
    centre, half = 0.5 * greatest * (1.0 + 1.0 / band), 0.5 * greatest * (1.0 - 1.0 / band)
    sigma = centre / half
    rho = 1.0 / sigma
    steps = [(0.0, 1.0 / centre)]
    for _ in range(degree - 1):
        following = 1.0 / (2.0 * sigma - rho)
        steps.append((following * rho, 2.0 * following / half))
        rho = following
    return np.array(steps, dtype=np.float32)


def held_ends(free: NDArray[np.bool_]) -> tuple[bool, bool, bool]:
    """Whether the far ends of the grid along z, y and x are held across: most of their nodes may not move that way."""
    ends = (free[2, -1], free[1, :, -1], free[0, :, :, -1])
    z, y, x = (bool(np.count_nonzero(end) * 2 < end.size) for end in ends)
    return z, y, x


def coarse_free(free: NDArray[np.bool_], coarse: Layout) -> NDArray[np.bool_]:
    """Which coarse freedoms may move: those of the fine node in the same place.

    Beyond an odd end of the fine grid a coarse node follows the last fine node before it.
    """
    _, planes, rows, nodes = free.shape
    picks = [
        np.minimum(2 * np.arange(count + 1), size - 1)
        for count, size in ((coarse.nz, planes), (coarse.ny, rows), (coarse.nx, nodes))
    ]
    picked: NDArray[np.bool_] = free[
        :, picks[0][:, None, None], picks[1][None, :, None], picks[2][None, None, :]
    ]
    return picked
