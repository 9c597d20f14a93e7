"""What heat is computed from and what it comes to."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.cement.damage import Dose, shipped_dose
from endplate.errors import UsageError
from endplate.sources import value

FloatArray = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Tissue:
    """What surrounds the cement, voxel by voxel; arrays of shape (I, J, K).

    Parameters
    ----------
    conductivity_w_mk, capacity_j_m3k:
        Conductivity, and density times specific heat; above 0.
    perfusion_w_m3k:
        Heat carried away by blood for each degree above the body's temperature; 0 for none.

    Raises
    ------
    UsageError
        ``heat-input``: another shape, or a figure outside these bounds.
    """

    conductivity_w_mk: FloatArray
    capacity_j_m3k: FloatArray
    perfusion_w_m3k: FloatArray

    def __post_init__(self) -> None:
        fields = (self.conductivity_w_mk, self.capacity_j_m3k, self.perfusion_w_m3k)
        if self.conductivity_w_mk.ndim != 3 or len({part.shape for part in fields}) != 1:
            raise refused("The properties of the tissue do not lie on one grid.")
        if not all(np.all(np.isfinite(part) & (part > 0.0)) for part in fields[:2]):
            raise refused("A conductivity or heat capacity is not above 0.")
        if not np.all(np.isfinite(self.perfusion_w_m3k) & (self.perfusion_w_m3k >= 0.0)):
            raise refused("A perfusion is negative or no number.")


@dataclass(frozen=True)
class HeatOptions:
    """How heat is followed; the defaults stand in the constants ``cement_heat`` and ``cement_law``.

    Parameters
    ----------
    minutes:
        After the end of the injection.
    body_c:
        Of the body around, and of tissue at the start.
    margin_mm:
        Tissue around the cement that is computed.
    finest_mm:
        Voxels are taken together in blocks as long as none of their edges gets longer than this.
    thresholds_c:
        Temperatures whose time above is counted.
    curve_every_s:
        Between the points of the curves.
    dose:
        Rule of the thermal dose.

    Raises
    ------
    UsageError
        ``heat-input``: a figure that is not above 0, or a body that no one has.
    """

    minutes: float = field(default_factory=lambda: float(value("cement_heat.minutes")))
    body_c: float = field(default_factory=lambda: float(value("cement_law.body_c")))
    margin_mm: float = field(default_factory=lambda: float(value("cement_heat.margin_mm")))
    finest_mm: float = field(default_factory=lambda: float(value("cement_heat.finest_mm")))
    thresholds_c: tuple[float, ...] = field(default_factory=lambda: tuple(value("cement_heat.thresholds_c")))
    curve_every_s: float = 10.0
    dose: Dose = field(default_factory=shipped_dose)

    def __post_init__(self) -> None:
        figures = (self.minutes, self.margin_mm, self.finest_mm, self.curve_every_s)
        if not all(isfinite(figure) and figure > 0.0 for figure in figures):
            raise refused("A duration, margin or voxel size is not above 0.")
        low, high = value("cement_law.temperature_range_c")
        if not all(low <= figure <= high for figure in (self.body_c, *self.thresholds_c)):
            raise refused(f"The body's temperature or a threshold lies outside {low:g} to {high:g} °C.")
        if any(figure < self.dose.least_c for figure in self.thresholds_c):
            raise refused(f"A threshold lies below {self.dose.least_c:g} °C, where nothing is counted.")


@dataclass(frozen=True, eq=False)
class Warmed:
    """Heat in one region.

    Parameters
    ----------
    name, voxels:
        Of the region; a region without voxels has the body's temperature.
    peak_c, mean_peak_c:
        Greatest temperature anywhere in it, and the mean over its voxels of their own greatest.
    cem43_min, above_s:
        Greatest dose, and greatest time above each threshold, of any voxel. A dose grows without bound in cement.
    curve_c:
        Its hottest voxel at the times of :attr:`Heat.times_s`.
    """

    name: str
    voxels: int
    peak_c: float
    mean_peak_c: float
    cem43_min: float
    above_s: tuple[float, ...]
    curve_c: FloatArray


@dataclass(frozen=True, eq=False)
class Heat:
    """What curing did.

    Parameters
    ----------
    peak_c, end_c, cem43_min:
        Greatest and last temperature, and thermal dose, of each voxel; shape (I, J, K).
    above_s:
        Time above each of ``thresholds_c``, shape (thresholds, I, J, K).
    conversion:
        Of the cement at the end, 0 where there is none.
    times_s:
        Of the curves.
    regions:
        ``cement`` first, then the masks asked for, in their order.
    """

    peak_c: FloatArray
    end_c: FloatArray
    cem43_min: FloatArray
    above_s: FloatArray
    thresholds_c: tuple[float, ...]
    conversion: FloatArray
    times_s: FloatArray
    regions: tuple[Warmed, ...]

    def region(self, name: str) -> Warmed:
        """One region by its name; ``KeyError`` for one that was not asked for."""
        return {region.name: region for region in self.regions}[name]


def refused(what: str) -> UsageError:
    """The error for heat that cannot be computed."""
    return UsageError("heat-input", what, do="Correct the input of the heat computation.")
