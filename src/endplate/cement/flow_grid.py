"""The voxels that fluid can reach, as flat arrays: what of a medium stays the same while cement flows.

A box around all voxels from which an exit can be reached is cut out of the medium. Its voxels lie in C order in flat
arrays with one plane of nothing before and after, so that a loop may ask for any voxel's six neighbours: a face that
does not exist, or that nothing passes, has the conductance 0.

Internally lengths are in metres: conductances are in m³ (flow in m³/s = conductance ÷ viscosity × pressure).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from endplate.cement.compiled import kernel
from endplate.cement.model import Medium
from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray
from endplate.units import M_PER_MM

SLACK = 32
"""Places behind the last plane: loops over registers of sixteen may run past the end."""


@dataclass(frozen=True, eq=False)
class Grid:
    """The reachable voxels of a medium.

    Parameters
    ----------
    low:
        First voxel of the box in the medium, along the three axes.
    shape:
        Voxels of the box.
    first:
        Place of the box's first voxel in the flat arrays.
    half:
        Resistance from a voxel's centre to its face along each axis, 1/m³; infinite where nothing passes.
        Shape (3, size).
    pore_m3:
        Volume that fluid can fill; 0 in voxels from which no exit is reached.
    k_m2:
        Permeability, geometric mean of the three axes (of those along which anything flows).
    area_m2:
        Of the faces across the three axes.
    exit_m3:
        Conductance of exits; 0 where there is none and where the voxel is held at the outer pressure.
    route:
        Place in the list of routes of an exit, −1 elsewhere.
    held:
        Voxels held at the outer pressure, as places in the flat arrays.
    """

    low: tuple[int, int, int]
    shape: tuple[int, int, int]
    first: int
    half: FloatArray
    pore_m3: FloatArray
    k_m2: FloatArray
    area_m2: FloatArray
    exit_m3: FloatArray
    route: NDArray[np.int8]
    held: NDArray[np.int64]

    @property
    def strides(self) -> tuple[int, int, int]:
        """Places from one voxel to the next along the three axes."""
        return self.shape[1] * self.shape[2], self.shape[2], 1

    @property
    def cells(self) -> int:
        """Voxels of the box."""
        return self.shape[0] * self.shape[1] * self.shape[2]

    @property
    def size(self) -> int:
        """Length of the flat arrays."""
        return self.pore_m3.size

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """The box as slices of the medium's arrays."""
        i, j, k = (slice(a, a + n) for a, n in zip(self.low, self.shape, strict=True))
        return i, j, k

    def flat(self, values: NDArray[Any], beyond: float = 0.0) -> NDArray[Any]:
        """The box of an array of the medium, as a flat array."""
        return _flat(values[self.box], self.first, beyond)

    def boxed(self, flat: NDArray[Any]) -> NDArray[Any]:
        """A flat array as a view of shape :attr:`shape`."""
        return flat[self.first : self.first + self.cells].reshape(self.shape)

    def place(self, index: tuple[int, int, int]) -> int:
        """Place of a voxel of the medium in the flat arrays."""
        inside = (a - b for a, b in zip(index, self.low, strict=True))
        return self.first + sum(a * s for a, s in zip(inside, self.strides, strict=True))


_kept: WeakKeyDictionary[Medium, Grid] = WeakKeyDictionary()


def grid_of(medium: Medium) -> Grid:
    """The reachable voxels of a medium, kept for as long as the medium is.

    Raises
    ------
    InputError
        ``cement-medium``: arrays do not fit, or hold what is no number or below zero; ``cement-nothing-flows``: no
        voxel lets fluid pass; ``cement-no-vent``: marrow has no way out.
    """
    if medium not in _kept:
        _kept[medium] = _made(medium)
    return _kept[medium]


def _made(medium: Medium) -> Grid:
    _check(medium)
    open_ = (medium.porosity > 0.0) & (medium.permeability_m2 > 0.0).any(axis=0)
    if not open_.any():
        raise InputError(
            "cement-nothing-flows",
            "No voxel of this bone lets fluid pass: its permeability is zero everywhere.",
            do="Check the density calibration and the permeability options of this vertebra.",
        )
    conductance = np.where((medium.exits > 0) & open_, medium.exit_conductance, 0.0)
    outlets = conductance > 0.0
    if not outlets.any():
        raise _no_vent()
    shape, spacing = medium.shape, M_PER_MM * medium.spacing_mm
    volume = float(np.prod(spacing))
    area = volume / spacing
    flow = np.where(open_, medium.permeability_m2, 0.0)
    with np.errstate(divide="ignore"):
        half = 0.5 * spacing[:, None, None, None] / (area[:, None, None, None] * flow)
    reached = _reached(half, outlets, shape)
    ends = [np.flatnonzero(reached.any(axis=tuple(b for b in range(3) if b != a))) for a in range(3)]
    low = tuple(int(end[0]) for end in ends)
    high = tuple(int(end[-1]) + 1 for end in ends)
    box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    plane = (high[1] - low[1]) * (high[2] - low[2])
    reached, conductance, flow, half = reached[box], conductance[box], flow[:, *box], half[:, *box]
    with np.errstate(divide="ignore", invalid="ignore"):
        some = flow > 0.0
        logs = np.where(some, np.log(flow), 0.0).sum(axis=0) / np.maximum(some.sum(axis=0), 1)
    route = np.where(reached & (conductance > 0.0), medium.exits[box] - 1, -1).astype(np.int8)
    robin = np.where(reached & np.isfinite(conductance), conductance, 0.0)
    held = np.flatnonzero((reached & np.isinf(conductance)).ravel()) + plane
    return Grid(
        low=(low[0], low[1], low[2]),
        shape=(high[0] - low[0], high[1] - low[1], high[2] - low[2]),
        first=plane,
        half=np.stack([_flat(np.where(reached, one, np.inf), plane, np.inf) for one in half]),
        pore_m3=_flat(np.where(reached, medium.porosity[box] * volume, 0.0), plane),
        k_m2=_flat(np.exp(logs) * reached, plane),
        area_m2=area,
        exit_m3=_flat(robin, plane),
        route=_flat(route, plane, -1),
        held=held.astype(np.int64),
    )


def _no_vent() -> InputError:
    return InputError(
        "cement-no-vent",
        "Marrow has no way out of this bone, so cement cannot enter it.",
        do="Give the vertebra at least one vein or defect as an exit.",
    )


def _check(medium: Medium) -> None:
    shape = medium.porosity.shape
    fits = (
        len(shape) == 3
        and medium.permeability_m2.shape == (3, *shape)
        and medium.exits.shape == shape
        and medium.exit_conductance.shape == shape
    )
    if not fits:
        raise _bad_medium("its arrays differ in shape")
    if not (np.isfinite(medium.porosity).all() and np.isfinite(medium.permeability_m2).all()):
        raise _bad_medium("porosity or permeability is not a number somewhere")
    if (medium.porosity < 0.0).any() or (medium.porosity > 1.0).any():
        raise _bad_medium("porosity leaves 0 to 1")
    if (medium.permeability_m2 < 0.0).any():
        raise _bad_medium("permeability is below zero somewhere")
    if np.isnan(medium.exit_conductance).any() or (medium.exit_conductance < 0.0).any():
        raise _bad_medium("the conductance of an exit is below zero or not a number")
    if not (medium.marrow_pas > 0.0 and np.isfinite(medium.marrow_pas)):
        raise _bad_medium("the marrow's viscosity is not above zero")


def _bad_medium(why: str) -> InputError:
    return InputError(
        "cement-medium",
        f"The porous body is not valid: {why}.",
        do="Build it again from the image, or correct the arrays.",
    )


def _flat(values: NDArray[Any], plane: int, beyond: float = 0.0) -> NDArray[Any]:
    found = np.full(2 * plane + values.size + SLACK, beyond, dtype=values.dtype)
    found[plane : plane + values.size] = values.ravel()
    return found


def _reached(half: FloatArray, outlets: NDArray[np.bool_], shape: tuple[int, int, int]) -> NDArray[np.bool_]:
    plane = shape[1] * shape[2]
    flat = np.stack([_flat(one, plane, np.inf) for one in half])
    seeds = np.flatnonzero(outlets.ravel()) + plane
    found = np.zeros(flat.shape[1], dtype=np.bool_)
    _flood(flat[0], flat[1], flat[2], seeds, shape[1], shape[2], found)
    result: NDArray[np.bool_] = found[plane : plane + outlets.size].reshape(shape)
    return result


@kernel()
def _flood(hx: Any, hy: Any, hz: Any, seeds: Any, ny: int, nz: int, found: Any) -> None:
    """Mark all voxels that faces with a finite resistance connect with the seeds."""
    plane = ny * nz
    stack = np.empty(hx.size, np.int64)
    count = 0
    for c in seeds:
        found[c] = True
        stack[count] = c
        count += 1
    to = np.empty(6, np.int64)
    through = np.empty(6, np.bool_)
    while count > 0:
        count -= 1
        c = stack[count]
        k, j = c % nz, (c // nz) % ny
        to[0], to[1], to[2], to[3], to[4], to[5] = c - plane, c + plane, c - nz, c + nz, c - 1, c + 1
        through[:2] = True
        through[2], through[3], through[4], through[5] = j > 0, j < ny - 1, k > 0, k < nz - 1
        for f in range(6):
            half = hx if f < 2 else (hy if f < 4 else hz)
            if through[f] and np.isfinite(half[c] + half[to[f]]) and not found[to[f]]:
                found[to[f]] = True
                stack[count] = to[f]
                count += 1
