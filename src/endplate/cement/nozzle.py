"""A needle's opening on the grid: which voxels it feeds, and what pressure stands in it.

An opening is smaller than, or as large as, a few voxels. The mean pressure of the voxels that it feeds is that on a
sphere of an equivalent radius, which follows from the Green's function of the lattice; from there to the opening itself
the pressure rises as in a homogeneous medium.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.cement.flow_grid import Grid
from endplate.cement.flow_power import upscaled
from endplate.cement.model import Medium, Source
from endplate.errors import InputError, UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources.constants import value


@dataclass(frozen=True, eq=False)
class Nozzle:
    """One source on the grid.

    Parameters
    ----------
    cells:
        Voxels that it feeds, as places in the grid's flat arrays; each gets the same share.
    flow_m3_s:
        Cement that it brings.
    age_s:
        Of that cement.
    opening_m:
        Radius of the sphere that stands for the opening.
    equivalent_m:
        Radius on which the mean pressure of the voxels stands.
    k_m2, porosity:
        Of the bone there.
    """

    cells: NDArray[np.int64]
    flow_m3_s: float
    age_s: float
    opening_m: float
    equivalent_m: float
    k_m2: float
    porosity: float

    def rise_pa(self, consistency: float, index: float) -> float:
        """Pressure at the opening above the mean of its voxels, for cement of τ = K·γⁿ that flows as a sphere."""
        h = float(upscaled(consistency, index, self.k_m2, self.porosity))
        power = 1.0 - 2.0 * index
        speed = (self.flow_m3_s / (4.0 * math.pi)) ** index
        if abs(power) < 1e-9:
            span = math.log(self.equivalent_m / self.opening_m)
        else:
            span = (self.equivalent_m**power - self.opening_m**power) / power
        return float(h / self.k_m2 * speed * span)


def nozzle(medium: Medium, grid: Grid, source: Source) -> Nozzle:
    """Put a source on the grid.

    Raises
    ------
    UsageError
        ``cement-source``: a rate, diameter, length or age that is no number or below zero.
    InputError
        ``cement-tip-outside``: no voxel that cement can enter lies at the opening.
    """
    _check(source)
    radius = 0.5 * source.inner_diameter_mm
    cells = _cells(medium, grid, source, radius)
    if cells.size == 0:
        tip = ", ".join(f"{x:.1f}" for x in source.tip_ras_mm)
        raise InputError(
            "cement-tip-outside",
            f"The needle's opening at ({tip}) mm lies where no cement can flow: "
            "outside the bone, or in bone that is closed.",
            do="Move the needle so that its opening lies in spongy bone.",
        )
    edges = 1e-3 * medium.spacing_mm
    half = 0.5 * source.window_mm
    opening = radius if half <= radius else max(radius, half / math.log(2.0 * half / radius))
    return Nozzle(
        cells=cells,
        flow_m3_s=source.rate_ml_min * 1e-6 / 60.0,
        age_s=source.age_s,
        opening_m=1e-3 * opening,
        equivalent_m=_equivalent_m(grid, cells, edges),
        k_m2=float(np.exp(np.log(grid.k_m2[cells]).mean())),
        porosity=float(grid.pore_m3[cells].mean() / np.prod(edges)),
    )


def _check(source: Source) -> None:
    numbers = (source.rate_ml_min, source.inner_diameter_mm, source.age_s, source.window_mm)
    places = (*np.ravel(source.tip_ras_mm), *np.ravel(source.direction_ras))
    if not all(math.isfinite(x) for x in (*numbers, *places)) or min(numbers) < 0.0:
        raise _bad_source("holds a number that is not finite or below zero")
    if source.inner_diameter_mm == 0.0:
        raise _bad_source("has no opening: its inner diameter is zero")


def _bad_source(why: str) -> UsageError:
    return UsageError(
        "cement-source", f"A source of cement {why}.", do="Correct the needle, the rate or the cement."
    )


def _cells(medium: Medium, grid: Grid, source: Source, radius: float) -> NDArray[np.int64]:
    """Reachable voxels whose centre lies in the opening, or else the one that the tip lies in."""
    reach = radius + source.window_mm
    to_voxel = np.linalg.inv(medium.affine)
    tip = np.asarray(source.tip_ras_mm, dtype=np.float64)
    centre = to_voxel[:3, :3] @ tip + to_voxel[:3, 3]
    span = reach / medium.spacing_mm
    low = np.maximum(np.ceil(centre - span).astype(np.int64), grid.low)
    high = np.minimum(np.floor(centre + span).astype(np.int64) + 1, np.add(grid.low, grid.shape))
    found: list[int] = []
    if (low < high).all():
        axes = (np.arange(a, b) for a, b in zip(low, high, strict=True))
        index = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        offset = index @ medium.affine[:3, :3].T + medium.affine[:3, 3] - tip
        along = np.clip(offset @ source.direction_ras, -source.window_mm, 0.0)
        apart = np.linalg.norm(offset - along[:, None] * source.direction_ras, axis=1)
        inside = index[apart <= radius] - np.array(grid.low)
        found = [int(i @ grid.strides) + grid.first for i in inside]
    if not any(grid.pore_m3[cell] > 0.0 for cell in found):
        nearest = np.rint(centre).astype(np.int64) - np.array(grid.low)
        if (nearest >= 0).all() and (nearest < np.array(grid.shape)).all():
            found = [int(nearest @ grid.strides) + grid.first]
    return np.array([cell for cell in found if grid.pore_m3[cell] > 0.0], dtype=np.int64)


def _equivalent_m(grid: Grid, cells: NDArray[np.int64], edges: FloatArray) -> float:
    """1 / (4π · mean Green's function) over all pairs of the voxels."""
    inside = cells - grid.first
    index = np.stack(np.unravel_index(inside, grid.shape), axis=1) * edges
    edge = float(np.prod(edges)) ** (1.0 / 3.0)
    apart = np.linalg.norm(index[:, None] - index[None], axis=-1) / edge
    own = value("cement.flow.lattice-green")
    # Next to the source the lattice differs from 1/(4πr) in the third digit only once r exceeds 1.
    with np.errstate(divide="ignore"):
        green = np.where(
            apart == 0.0, own, np.where(apart < 1.01, own - 1.0 / 6.0, 1.0 / (4.0 * math.pi * apart))
        )
    return float(edge / (4.0 * math.pi * green.mean()))
