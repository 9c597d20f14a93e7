"""What cement flows through and how far it has come: the data that flow, bone, heat and procedure share.

Arrays lie on one voxel grid of shape (I, J, K) whose ``affine`` maps voxel indices to RAS millimetres. Pressures are in
Pa, permeabilities in m², viscosities in Pa·s; volumes and lengths in mL and mm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import FloatArray
from endplate.units import MM3_PER_ML

ROUTES = (
    "basivertebral",
    "segmental",
    "cortical_anterior",
    "cortical_lateral",
    "cortical_posterior",
    "disc_superior",
    "disc_inferior",
    "foramen",
    "tract",
)
"""Ways on which cement leaves a vertebral body, in the order of every list by route.

The classes B (basivertebral vein), S (segmental vein) and C (cortical defect) of Yeom 2003, C by where the defect lies.
"""

PowerLaw = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]
"""Equivalent age of cement in s → consistency K in Pa·sⁿ and index n; arrays of one shape."""


@dataclass(frozen=True, eq=False)
class Medium:
    """A vertebra as a porous body.

    Parameters
    ----------
    affine:
        4×4, voxel index → RAS mm; axes at right angles.
    porosity:
        Share of a voxel that fluid can fill, 0 where none can; float64, shape (I, J, K).
    permeability_m2:
        Along the three voxel axes, 0 where nothing flows; float64, shape (3, I, J, K).
    exits:
        int8, shape (I, J, K): 0, or 1 + the place in :data:`ROUTES` of a voxel through which fluid leaves the grid.
    exit_conductance:
        What such a voxel lets out for each Pa above ``outer_pressure_pa``, by a fluid of 1 Pa·s: m³, so that flow is
        conductance × pressure difference ÷ viscosity; ``inf`` holds the voxel at the outer pressure. Shape (I, J, K).
    outer_pressure_pa:
        Of the veins and spaces outside.
    marrow_pas:
        Viscosity of the marrow that is pushed out.
    """

    affine: FloatArray
    porosity: FloatArray
    permeability_m2: FloatArray
    exits: NDArray[np.int8]
    exit_conductance: FloatArray
    outer_pressure_pa: float
    marrow_pas: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along the three axes."""
        i, j, k = self.porosity.shape
        return i, j, k

    @property
    def spacing_mm(self) -> FloatArray:
        """Edges of a voxel, shape (3,)."""
        found: FloatArray = np.sqrt((self.affine[:3, :3] ** 2).sum(axis=0))
        return found

    @property
    def voxel_ml(self) -> float:
        """Volume of a voxel."""
        return float(np.prod(self.spacing_mm)) / MM3_PER_ML


@dataclass(frozen=True, eq=False)
class Fill:
    """How far cement has come.

    Parameters
    ----------
    saturation:
        Cement's share of the pores, 0–1; float64, shape (I, J, K).
    age_s:
        Equivalent age of the cement there, s at the reference temperature since it was mixed; 0 where there is none.
    pressure_pa:
        Fluid pressure at the end of the last step.
    injected_ml, marrow_displaced_ml:
        Since the start, through all needles; marrow that left the body.
    leaked_ml:
        Cement that left, by route.
    """

    saturation: FloatArray
    age_s: FloatArray
    pressure_pa: FloatArray
    injected_ml: float = 0.0
    marrow_displaced_ml: float = 0.0
    leaked_ml: tuple[float, ...] = field(default=(0.0,) * len(ROUTES))

    def volume_ml(self, medium: Medium) -> FloatArray:
        """Cement in each voxel."""
        found: FloatArray = self.saturation * medium.porosity * medium.voxel_ml
        return found

    def mass_error(self, medium: Medium) -> float:
        """What is missing of the injected volume, as a share of it."""
        if self.injected_ml == 0.0:
            return 0.0
        kept = float(self.volume_ml(medium).sum()) + sum(self.leaked_ml)
        return abs(self.injected_ml - kept) / self.injected_ml


@dataclass(frozen=True, eq=False)
class Source:
    """A needle's opening through which cement enters.

    Parameters
    ----------
    tip_ras_mm, direction_ras:
        Where it opens, and its unit vector from the skin to the tip; shape (3,).
    inner_diameter_mm:
        Of the cannula at its tip.
    rate_ml_min:
        Cement that leaves it.
    age_s:
        Equivalent age of that cement.
    window_mm:
        Length of a side window behind the tip; 0 for an opening at the front.
    """

    tip_ras_mm: FloatArray
    direction_ras: FloatArray
    inner_diameter_mm: float
    rate_ml_min: float
    age_s: float
    window_mm: float = 0.0


@dataclass(frozen=True, eq=False)
class Flow:
    """What one step of injection met.

    Parameters
    ----------
    nozzle_pa:
        Pressure at each source's opening, in their order.
    iterations:
        Of the pressure solver, over all steps.
    steps:
        Into which the duration was cut.
    """

    nozzle_pa: tuple[float, ...]
    iterations: int
    steps: int


def empty(medium: Medium) -> Fill:
    """No cement yet; marrow at rest at the outer pressure."""
    zero = np.zeros(medium.shape)
    return Fill(zero, zero.copy(), np.full(medium.shape, medium.outer_pressure_pa))
