"""The pressure equation: conjugate gradients in double precision, preconditioned by one multigrid cycle in single.

Unknown is the pressure above that outside. What leaves each voxel through its faces and exits is what a source brings.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from endplate.cement.compiled import kernel
from endplate.cement.flow_grid import SLACK, Grid
from endplate.cement.flow_levels import BAND, Levels, cycle, set_up
from endplate.errors import ConvergenceError
from endplate.imaging.geometry import FloatArray
from endplate.mechanics.lanes import add_up, fill, load, load_widened, store
from endplate.mechanics.multigrid import chebyshev_steps

GREATEST = 2.0
"""Of the eigenvalues of the diagonally scaled operator (Gershgorin)."""


class PressureSolver:
    """Solves for the pressure on one grid again and again, from the last answer on."""

    def __init__(self, grid: Grid) -> None:
        self._grid = grid
        self._levels = Levels(grid)
        self._steps = np.array(chebyshev_steps(GREATEST, 2, BAND), dtype=np.float32)
        self._solved = np.zeros(self._levels.direct.shape[0])
        # One place per register beyond the voxels, so that loops need no remainder.
        self._r, self._p, self._ap = (np.zeros(grid.size + SLACK) for _ in range(3))

    def solve(
        self,
        faces: tuple[FloatArray, FloatArray, FloatArray],
        diagonal: FloatArray,
        mobility: FloatArray,
        source: FloatArray,
        pressure: FloatArray,
        tolerance: float,
        most: int,
    ) -> int:
        """Improve ``pressure`` in place until the flow that is missing falls below ``tolerance`` of the sources.

        Returns the iterations. Raises ``ConvergenceError`` (``cement-pressure``) after ``most``.
        """
        grid, levels = self._grid, self._levels
        set_up(*faces, grid.exit_m3, mobility, grid.held, levels.table, levels.operator, levels.direct)
        found = int(
            _solve(
                (*faces, diagonal),
                levels.table,
                levels.operator,
                levels.vectors,
                levels.direct,
                self._solved,
                self._steps,
                grid.held,
                source,
                pressure,
                self._r,
                self._p,
                self._ap,
                tolerance,
                most,
            )
        )
        if found < 0:
            raise ConvergenceError(
                "cement-pressure",
                f"The pressure of the cement did not converge in {most} iterations.",
                do="Allow more iterations, or look for permeabilities that differ without measure.",
            )
        return found


@kernel()
def _apply(p: Any, faces: Any, held: Any, out: Any, low: int, high: int, plane: int, row: int) -> Any:
    """out ← A·p; returns p·out."""
    tx, ty, tz, diagonal = faces
    total = fill(0.0)
    for n in range(low, high, 8):
        here = load(p, n)
        a = load(diagonal, n) * here
        a = a - load(tx, n) * load(p, n - plane)
        a = a - load(tx, n + plane) * load(p, n + plane)
        a = a - load(ty, n) * load(p, n - row)
        a = a - load(ty, n + row) * load(p, n + row)
        a = a - load(tz, n) * load(p, n - 1)
        a = a - load(tz, n + 1) * load(p, n + 1)
        store(out, n, a)
        total = total + here * a
    for m in range(held.size):
        out[held[m]] = 0.0
    return add_up(total)


@kernel()
def _advance(
    x: Any, r: Any, p: Any, ap: Any, step: float, b: Any, unit: float, low: int, high: int, shift: int
) -> Any:
    """x ← x + step·p, r ← r − step·ap, b ← unit·r; returns r·r."""
    for n in range(low, high):
        x[n] += step * p[n]
        rest = r[n] - step * ap[n]
        r[n] = rest
        b[n + shift] = unit * rest
    total = fill(0.0)
    for n in range(low, high, 8):
        total = total + load(r, n) * load(r, n)
    return add_up(total)


@kernel()
def _product(r: Any, z: Any, low: int, high: int, shift: int) -> Any:
    total = fill(0.0)
    for n in range(low, high, 8):
        total = total + load(r, n) * load_widened(z, n + shift)
    return add_up(total)


@kernel()
def _solve(
    faces: Any,
    table: Any,
    operator: Any,
    vectors: Any,
    direct: Any,
    solved: Any,
    steps: Any,
    held: Any,
    source: Any,
    x: Any,
    r: Any,
    p: Any,
    ap: Any,
    tolerance: float,
    most: int,
) -> int:
    nx, ny, nz, first = table[0]
    plane = ny * nz
    low, high = plane, plane + nx * plane
    shift = first - low
    b, z = vectors[0], vectors[2]
    for m in range(held.size):
        x[held[m]] = 0.0
    _apply(x, faces, held, ap, low, high, plane, nz)
    size = 0.0
    for n in range(low, high):
        r[n] = source[n]
        size += source[n] * source[n]
        p[n] = 0.0
    for m in range(held.size):
        r[held[m]] = 0.0
    # Single precision has little room below one: the cycle sees flows as shares of the source.
    unit = 1.0 / np.sqrt(size)
    rest = _advance(x, r, p, ap, 1.0, b, unit, low, high, shift)
    goal = tolerance * tolerance
    last = 1.0
    for iteration in range(most):
        if rest * unit * unit <= goal:
            return iteration
        cycle(table, operator, vectors, direct, solved, steps)
        now = _product(r, z, low, high, shift) / unit
        share = 0.0 if iteration == 0 else now / last
        last = now
        for n in range(low, high):
            p[n] = z[n + shift] / unit + share * p[n]
        curved = _apply(p, faces, held, ap, low, high, plane, nz)
        rest = _advance(x, r, p, ap, now / curved, b, unit, low, high, shift)
    return -1
