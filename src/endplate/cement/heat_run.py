"""Heat followed step by step in a box around the cement."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log

import numpy as np
from numpy.typing import NDArray

from endplate.cement.curing import GAS_CONSTANT, Cure
from endplate.cement.heat_box import Box, box_around
from endplate.cement.heat_kernels import conduct, cure_step
from endplate.cement.heat_model import FloatArray, HeatOptions, Mask, Tissue
from endplate.sources import value
from endplate.units import M_PER_MM

SHARE_OF_STABLE_STEP = 0.9
"""Of the longest time step at which explicit conduction is stable."""

LEAST_SHARE = 1e-4
"""Voxels with less cement than this do not widen the box."""

LONGEST_STEP_S = 1.0
"""So that curing is followed while it runs away."""


@dataclass(frozen=True, eq=False)
class Start:
    """The cement when heat begins; arrays of shape (I, J, K).

    Parameters
    ----------
    fraction:
        Its share of each voxel, 0–1.
    age_s, temperature_c:
        Its equivalent age and temperature; they count where there is cement.
    """

    fraction: FloatArray
    age_s: FloatArray
    temperature_c: FloatArray


class Run:
    """The state and the tallies of one computation, in the blocks of ``box``.

    Parameters
    ----------
    spacing_mm:
        Edges of a voxel.
    start, cure, tissue, how:
        The cement, its kinetics, what surrounds it, and how to follow the heat.
    """

    def __init__(
        self, spacing_mm: FloatArray, start: Start, cure: Cure, tissue: Tissue, how: HeatOptions
    ) -> None:
        self.how, self.cure = how, cure
        self.box: Box = box_around(start.fraction > LEAST_SHARE, spacing_mm, how.margin_mm, how.finest_mm)
        size_m = M_PER_MM * spacing_mm * self.box.block
        volume = float(np.prod(size_m))
        share = self.box.taken(start.fraction, 0.0)
        own = value("cement_heat.cement")
        capacity = own["density_kg_m3"] * own["specific_heat_j_kgk"]
        conductivity = _mixed(self.box.taken(tissue.conductivity_w_mk), own["conductivity_w_mk"], share)
        mixed = _mixed(self.box.taken(tissue.capacity_j_m3k), capacity, share)
        colder = self.box.taken(start.fraction * (start.temperature_c - how.body_c), 0.0)
        self.temperature = np.pad(how.body_c + capacity / mixed * colder, 1, constant_values=how.body_c)
        self.lost = volume * self.box.taken(tissue.perfusion_w_m3k)
        self.faces = [_conductances(conductivity, axis, size_m) for axis in range(3)]
        self.steps, self.step_s = _steps(self.faces, self.lost, volume * mixed, how)
        self.share = self.step_s / (volume * mixed)
        inside = share > 0.0
        self.cells = np.flatnonzero(np.pad(inside, 1))
        self.ages = self.box.taken(start.fraction * start.age_s, 0.0)[inside] / share[inside]
        heat_j_m3 = own["density_kg_m3"] * cure.heat_j_kg / cure.final
        self.rise = heat_j_m3 * share[inside] / mixed[inside]
        self.peak = self.temperature[1:-1, 1:-1, 1:-1].copy()
        self.dose = np.zeros(share.shape)
        self.above = np.zeros((len(how.thresholds_c), *share.shape))

    def follow(self, masks: Mapping[str, Mask]) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Go to the end; times in s, and the hottest voxel of each region then."""
        how = self.how
        places = {name: self._cells(mask) for name, mask in masks.items()}
        times, curves = [0.0], {name: [self._hottest(cells)] for name, cells in places.items()}
        spare = self.temperature.copy()
        every = max(1, round(how.curve_every_s / self.step_s))
        for step in range(1, self.steps + 1):
            self._conduct(spare)
            self.temperature, spare = spare, self.temperature
            self._cure()
            if step % every == 0 or step == self.steps:
                times.append(step * self.step_s)
                for name, cells in places.items():
                    curves[name].append(self._hottest(cells))
        np.maximum(self.peak, self.temperature[1:-1, 1:-1, 1:-1], out=self.peak)
        return np.array(times), {name: np.array(curve) for name, curve in curves.items()}

    def on_grid(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Peak, last temperature, dose and times above, on the whole grid."""
        return (
            self.box.given_back(self.peak, self.how.body_c),
            self.box.given_back(self.temperature[1:-1, 1:-1, 1:-1], self.how.body_c),
            self.box.given_back(self.dose, 0.0),
            self.box.given_back(self.above, 0.0),
        )

    def conversion(self) -> FloatArray:
        """Of the cement at the end, on the whole grid."""
        blocks = np.zeros(self.temperature.size)
        blocks[self.cells] = self.cure.conversion(self.ages)
        return self.box.given_back(blocks.reshape(self.temperature.shape)[1:-1, 1:-1, 1:-1], 0.0)

    def _cure(self) -> None:
        ages, conversions = self.cure.table
        cure_step(
            self.temperature.reshape(-1),
            self.cells,
            self.ages,
            self.rise,
            conversions,
            float(ages[1]),
            self.step_s,
            1000.0 * self.cure.activation_kj_mol / GAS_CONSTANT,
            self.cure.reference_k,
        )

    def _conduct(self, after: FloatArray) -> None:
        dose = self.how.dose
        conduct(
            self.temperature,
            after,
            *self.faces,
            self.share,
            self.lost,
            self.peak,
            self.dose,
            self.above,
            np.array(self.how.thresholds_c, dtype=float),
            self.step_s,
            self.how.body_c,
            (dose.least_c, dose.turning_c, log(dose.factor_above), log(dose.factor_below)),
        )

    def _cells(self, mask: Mask) -> NDArray[np.intp]:
        return np.flatnonzero(np.pad(self.box.taken(mask, 0.0) > 0.0, 1))

    def _hottest(self, cells: NDArray[np.intp]) -> float:
        return float(self.temperature.reshape(-1)[cells].max()) if cells.size else self.how.body_c


def _mixed(tissue: FloatArray, cement: float, share: FloatArray) -> FloatArray:
    return tissue * (1.0 - share) + cement * share


def _conductances(conductivity: FloatArray, axis: int, size_m: FloatArray) -> FloatArray:
    """Of the faces below and above each block along an axis, in W/K: the halves on both sides in a row."""
    pads = [(1, 1) if along == axis else (0, 0) for along in range(3)]
    padded = np.moveaxis(np.pad(conductivity, pads, mode="edge"), axis, 0)
    across = 2.0 * padded[:-1] * padded[1:] / (padded[:-1] + padded[1:])
    length_m = float(size_m[axis])
    return np.ascontiguousarray(np.moveaxis(across, 0, axis) * (float(np.prod(size_m)) / length_m**2))


def _steps(
    faces: list[FloatArray], lost: FloatArray, capacity: FloatArray, how: HeatOptions
) -> tuple[int, float]:
    """Number of equal steps and their length in s."""
    drawn = lost.copy()
    for axis, face in enumerate(faces):
        count = face.shape[axis]
        drawn += np.take(face, range(1, count), axis) + np.take(face, range(count - 1), axis)
    longest = min(LONGEST_STEP_S, SHARE_OF_STABLE_STEP * float((capacity / drawn).min()))
    total = 60.0 * how.minutes
    count = ceil(total / longest)
    return count, total / count
