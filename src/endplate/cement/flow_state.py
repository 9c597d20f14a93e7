"""The state that steps of an injection change, on the flat arrays of a grid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.cement import flow_faces
from endplate.cement.flow_grid import Grid
from endplate.cement.flow_options import FLUXES, Options
from endplate.cement.flow_power import checked_law, upscaled
from endplate.cement.flow_pressure import PressureSolver
from endplate.cement.flow_sweep import sweep
from endplate.cement.model import ROUTES, Fill, Medium, PowerLaw
from endplate.cement.nozzle import Nozzle
from endplate.imaging.geometry import FloatArray

M3_PER_ML = 1e-6
FIRST_PASSES = 3
"""Of pressure and viscosity where no flow is known to start from; later steps take the last step's flow."""


class FlowState:
    """Cement on its way through a grid."""

    def __init__(
        self,
        medium: Medium,
        grid: Grid,
        fill: Fill,
        nozzles: Sequence[Nozzle],
        power_law: PowerLaw,
        options: Options,
    ) -> None:
        self._medium, self._grid, self._law, self._options = medium, grid, power_law, options
        self._nozzles = nozzles
        size = grid.size
        share = 1.0 - options.residual_marrow
        self._pore = grid.pore_m3 * share
        inside = self._pore > 0.0
        self._saturation = np.where(inside, grid.flat(fill.saturation) / share, 0.0)
        self._age = np.where(inside, grid.flat(fill.age_s), 0.0)
        self.pressure: FloatArray = np.where(
            inside, grid.flat(fill.pressure_pa, medium.outer_pressure_pa) - medium.outer_pressure_pa, 0.0
        )
        self._source, self._source_age = np.zeros(size), np.zeros(size)
        brought = np.zeros(size)
        for one in nozzles:
            each = one.flow_m3_s / one.cells.size
            self._source[one.cells] += each
            brought[one.cells] += each * one.age_s
        fed = self._source > 0.0
        self._source_age[fed] = brought[fed] / self._source[fed]
        self.flow_m3_s = sum(one.flow_m3_s for one in nozzles)
        # Voxels that cement may have reached: from the first step on those that the sweep visited.
        self._wet: NDArray[np.int64] = np.flatnonzero((self._saturation > 0.0) | fed)
        self._marrow = 1.0 / medium.marrow_pas
        self._mobility = np.full(size, self._marrow)
        self._ratio = np.ones(size)
        self._faces = (np.zeros(size), np.zeros(size), np.zeros(size))
        self._diagonal = np.zeros(size)
        self._solver = PressureSolver(grid)
        self._is_held = np.zeros(size, dtype=np.bool_)
        self._is_held[grid.held] = True
        self._leaked = np.zeros(len(ROUTES))
        self._work = (
            np.zeros(size, np.uint8),
            np.zeros(size, np.uint8),
            np.zeros(size),
            np.zeros(size),
            np.zeros(size),
            np.zeros(size),
            np.zeros(size, np.int64),
            np.zeros(size, np.int64),
        )
        self._flow_known = False

    @property
    def cement_m3(self) -> float:
        """Cement in the grid."""
        return float(self._saturation[self._wet] @ self._pore[self._wet])

    def step(self, step_s: float, age_rate: Any) -> int:
        """Move on by one step; returns the iterations of the pressure solver."""
        iterations = 0
        shear_dependent = self._viscosities()
        passes = FIRST_PASSES if shear_dependent and not self._flow_known else 1
        for number in range(passes):
            if number > 0:
                self._viscosities()
            iterations += self._solve()
            self._flow_known = True
        order = self._wet[np.argsort(-self.pressure[self._wet], kind="stable")]
        plane, row, _one = self._grid.strides
        seen = sweep(
            order,
            self.pressure,
            self._faces,
            (self._grid.exit_m3 * self._mobility, self._grid.route, self._is_held),
            self._pore,
            self._ratio,
            (self._source, self._source_age),
            self._saturation,
            self._age,
            self._work,
            (FLUXES[self._options.flux], self._options.gate),
            step_s,
            plane,
            row,
            self._leaked,
        )
        self._wet = self._work[7][:seen].copy()
        rate = age_rate if isinstance(age_rate, float) else age_rate[self._wet]
        self._age[self._wet] += rate * step_s
        return iterations

    def _solve(self) -> int:
        grid, p = self._grid, self.pressure
        upstream = self._options.faces == "upstream" and self._flow_known
        flow_faces.conductances(grid.half, self._mobility, p, upstream, grid.shape, grid.first, self._faces)
        flow_faces.diagonal(self._faces, grid.exit_m3, self._mobility, grid.shape, grid.first, self._diagonal)
        return self._solver.solve(
            self._faces,
            self._diagonal,
            self._mobility,
            self._source,
            p,
            self._options.tolerance,
            self._options.most_iterations,
        )

    def _viscosities(self) -> bool:
        """Mobility of every voxel with cement; returns whether the cement's viscosity depends on its speed."""
        wet = self._wet
        viscosity, dependent = self._effective(wet)
        s = np.clip(self._saturation[wet], 0.0, 1.0)
        rest = 1.0 - s
        if self._options.flux == "corey":
            s, rest = s * s, rest * rest
        if self._options.flux == "gated":
            # A sharp front stands in the voxel: what flows through it passes the one and then the other.
            self._mobility[wet] = 1.0 / (s * viscosity + rest / self._marrow)
        else:
            self._mobility[wet] = s / viscosity + rest * self._marrow
        self._ratio[wet] = viscosity * self._marrow
        return dependent

    def _effective(self, wet: NDArray[np.int64]) -> tuple[FloatArray, bool]:
        consistency, index = checked_law(self._law, self._age[wet])
        low, high = self._options.viscosity_range_pas
        if (index == 1.0).all():
            return np.clip(consistency, low, high), False
        grid = self._grid
        porosity = grid.pore_m3[wet] / float(np.prod(1e-3 * self._medium.spacing_mm))
        h = upscaled(consistency, index, grid.k_m2[wet], porosity)
        speed = self._speed(wet, h, index)
        with np.errstate(divide="ignore", over="ignore"):
            return np.clip(h * speed ** (index - 1.0), low, high), True

    def _speed(self, wet: NDArray[np.int64], h: FloatArray, index: FloatArray) -> FloatArray:
        """Darcy velocity: of the last solution, or from the pressure of the fill that was given."""
        grid, found = self._grid, np.zeros(wet.size)
        plane, row, _one = grid.strides
        if self._flow_known:
            flow_faces.speed(wet, self.pressure, self._faces, grid.area_m2, row, plane, found)
            return found
        faces = tuple(np.zeros(grid.size) for _ in range(3))
        flow_faces.conductances(
            grid.half, np.ones(grid.size), self.pressure, False, grid.shape, grid.first, faces
        )
        flow_faces.speed(wet, self.pressure, faces, grid.area_m2, row, plane, found)
        return (found / h) ** (1.0 / index)

    def nozzle_pa(self) -> list[float]:
        """Pressure at each opening above that outside, in the last step."""
        low, high = self._options.viscosity_range_pas
        found = []
        for one in self._nozzles:
            consistency, index = (float(x) for x in checked_law(self._law, np.array(one.age_s)))
            if one.opening_m > one.equivalent_m:
                # The opening lies within what the grid resolves: take back what the grid added there.
                viscosity, _ = self._effective(one.cells)
                rise = one.rise_pa(float(viscosity.mean()), 1.0)
            else:
                rise = one.rise_pa(min(max(consistency, low), high) if index == 1.0 else consistency, index)
            found.append(float(self.pressure[one.cells].mean()) + rise)
        return found

    def fill(self, before: Fill, duration_s: float) -> Fill:
        """What stands now, after ``duration_s`` from ``before``."""
        grid, box = self._grid, self._grid.box
        share = 1.0 - self._options.residual_marrow
        inside = grid.boxed(self._pore) > 0.0
        saturation, age = before.saturation.copy(), before.age_s.copy()
        pressure = np.full(self._medium.shape, self._medium.outer_pressure_pa)
        saturation[box][inside] = (grid.boxed(self._saturation) * share)[inside]
        age[box][inside] = grid.boxed(self._age)[inside]
        pressure[box] += grid.boxed(self.pressure)
        injected = self.flow_m3_s * duration_s / M3_PER_ML
        leaked = self._leaked / M3_PER_ML
        return replace(
            before,
            saturation=saturation,
            age_s=age,
            pressure_pa=pressure,
            injected_ml=before.injected_ml + injected,
            marrow_displaced_ml=before.marrow_displaced_ml + injected - float(leaked.sum()),
            leaked_ml=tuple(a + float(b) for a, b in zip(before.leaked_ml, leaked, strict=True)),
        )
