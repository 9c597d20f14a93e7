"""Ways out of a vertebral body for cement and marrow, painted on its medium: veins, broken shell, needle tracts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.cement.bone_grid import BoneGrid
from endplate.cement.defects import LostShell, crack_m2
from endplate.cement.model import ROUTES
from endplate.cement.permeability import slit_m2, tube_m2
from endplate.cement.structures import Places
from endplate.cement.veins import Channel, away_mm
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources import value
from endplate.units import M_PER_MM

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Tract:
    """The way of a cannula through the bone; fluid may run back in the gap round it.

    Parameters
    ----------
    entry_ras_mm, tip_ras_mm:
        Where it enters the bone and ends.
    outer_diameter_mm:
        Of the cannula.
    """

    entry_ras_mm: tuple[float, float, float]
    tip_ras_mm: tuple[float, float, float]
    outer_diameter_mm: float

    def __post_init__(self) -> None:
        if not 0.5 <= self.outer_diameter_mm <= 8.0:
            raise UsageError(
                "tract-impossible",
                f"A cannula of {self.outer_diameter_mm:g} mm makes no needle tract.",
                do="Give its outer diameter in mm.",
            )
        if np.allclose(self.entry_ras_mm, self.tip_ras_mm):
            raise UsageError(
                "tract-impossible", "A needle tract has no length.", do="Give two places, entry and tip."
            )


@dataclass(frozen=True, eq=False)
class Paint:
    """Fields of a medium while it is made; arrays are changed in place.

    ``porosity`` (I, J, K), ``permeability_m2`` (3, I, J, K), ``exits`` and ``exit_conductance`` as in
    :class:`endplate.cement.model.Medium`.
    """

    porosity: FloatArray
    permeability_m2: FloatArray
    exits: NDArray[np.int8]
    exit_conductance: FloatArray

    def let_out(self, where: Mask, route: str, conductance_m3: FloatArray) -> None:
        """Open voxels to the outside; where two ways meet the wider one keeps its name."""
        wider = where & (conductance_m3 > self.exit_conductance)
        self.exits[wider] = 1 + ROUTES.index(route)
        self.exit_conductance[wider] = conductance_m3[wider]

    def mix(self, share: FloatArray, permeability_m2: float | FloatArray) -> None:
        """Let a share of each voxel be open space of a given permeability."""
        self.porosity[...] = (1.0 - share) * self.porosity + share
        self.permeability_m2[...] = (1.0 - share) * self.permeability_m2 + share * permeability_m2


def paint_channel(paint: Paint, grid: BoneGrid, places: Places, channel: Channel) -> Mask:
    """Put a vein into the medium and let it out where it meets the surface.

    Returns
    -------
    Voxels that the vein touches.
    """
    share = np.where(grid.bone, channel.share(grid), 0.0)
    paint.mix(share, tube_m2(channel.radius_mm))
    mouth = places.surface & (share > 0.0)
    if mouth.any():
        part = np.where(mouth, share, 0.0)
        paint.let_out(mouth, channel.route, channel.conductance_m3 * part / part.sum())
    return share > 0.0


def paint_defects(
    paint: Paint,
    grid: BoneGrid,
    places: Places,
    lost: LostShell,
    routes: NDArray[np.object_],
    cortex_mm: float,
) -> None:
    """Open the lost shell: cracks of the cubic law through a layer of the cortex' thickness.

    Parameters
    ----------
    routes:
        Name of the route at each surface voxel.
    cortex_mm:
        Thickness of the layer that the cracks run through.
    """
    # Between the surface and the marrow lies the rest of the closed layer: it is broken too.
    size = (2 * int(np.ceil(cortex_mm / grid.step_mm)) + 1,) * 3
    cracked = crack_m2(lost)
    layer = grid.bone & (grid.depth_mm < cortex_mm) & (paint.porosity == 0.0)
    behind = np.where(layer, ndimage.grey_dilation(cracked, size=size), 0.0)
    share = ndimage.grey_dilation(lost.open_share, size=size)
    broken = behind > 0.0
    paint.porosity[broken] = share[broken]
    paint.permeability_m2[:, broken] = behind[broken]
    conductance = cracked * places.area_mm2 * M_PER_MM**2 / (cortex_mm * M_PER_MM)
    for route in ROUTES:
        there = lost.mask & (routes == route)
        if there.any():
            paint.let_out(there, route, conductance)


def paint_tract(paint: Paint, grid: BoneGrid, tract: Tract, cortex_mm: float) -> None:
    """Open the gap round a cannula from its tip back to where it entered the bone.

    Where the entry lies beyond the grid the gap leaves through the last voxel of bone and its length counts.
    """
    entry, tip = np.asarray(tract.entry_ras_mm), np.asarray(tract.tip_ras_mm)
    length = float(np.linalg.norm(tip - entry))
    lengths = np.arange(0.0, length, 0.25 * grid.step_mm)
    points = entry + np.outer(lengths / length, tip - entry)
    at = np.rint(grid.index(points)).astype(np.intp)
    within = ((at >= 0) & (at < np.array(grid.shape))).all(axis=1)
    at, lengths = at[within], lengths[within]
    held = grid.bone[tuple(at.T)]
    if not held.any():
        raise UsageError(
            "tract-outside-bone",
            "A needle tract does not touch this vertebra.",
            do="Give entry and tip in RAS mm of the scan.",
        )
    at, lengths = at[held], lengths[held]
    gap = float(value("tract.annulus_mm"))
    ring_mm2 = np.pi * tract.outer_diameter_mm * gap
    # The ring is thinner than a voxel: its area is spread over all voxels that the cannula meets.
    reach = 0.5 * (tract.outer_diameter_mm + grid.step_mm)
    ends = grid.axes.to_local(points[within][held][0]), grid.axes.to_local(tip)
    met = grid.bone & (away_mm(grid.local_mm, *ends) <= reach)
    met[tuple(at.T)] = True
    paint.mix(np.where(met, min(ring_mm2 / (np.pi * reach**2), 1.0), 0.0), slit_m2(gap))
    first = np.zeros(grid.shape, dtype=np.bool_)
    first[tuple(at[0])] = True
    run_mm = max(float(lengths[0]), cortex_mm)
    out = slit_m2(gap) * ring_mm2 * M_PER_MM**2 / (run_mm * M_PER_MM)
    paint.let_out(first, "tract", np.where(first, out, 0.0))


def keep_reached(paint: Paint) -> Mask:
    """Close pores that hang on nothing: only the largest connected open region is left.

    Returns
    -------
    Voxels that were closed.
    """
    open_ = (paint.permeability_m2 > 0.0).all(axis=0) & (paint.porosity > 0.0)
    pieces, count = ndimage.label(open_)
    dropped = np.zeros_like(open_)
    if count > 1:
        sizes = np.bincount(pieces.ravel())
        sizes[0] = 0
        dropped = open_ & (pieces != int(np.argmax(sizes)))
    closed = ~open_ | dropped
    paint.porosity[closed] = 0.0
    paint.permeability_m2[:, closed] = 0.0
    paint.exits[closed] = 0
    paint.exit_conductance[closed] = 0.0
    return dropped
