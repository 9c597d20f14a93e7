"""Heat of curing cement in a vertebra: conduction on the voxel grid, temperatures, and thermal dose.

``ρc ∂T/∂t = ∇·(λ∇T) + v·ρ_c·H·dα/dt − w·(T − T_body)``: v is the share of cement in a voxel, α its conversion, which
follows the equivalent age that flow left there and goes on ageing at the temperature computed here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, isfinite, log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from endplate.cement.curing import GAS_CONSTANT, Cure
from endplate.cement.damage import Dose, shipped_dose
from endplate.cement.heat_kernels import conduct, cure_step, tally
from endplate.cement.rheology import checked_ages
from endplate.errors import UsageError
from endplate.sources import value

FloatArray = NDArray[Any]
Mask = NDArray[np.bool_]

M_PER_MM = 1e-3

SHARE_OF_STABLE_STEP = 0.9
"""Of the longest time step at which explicit conduction is stable."""

LONGEST_STEP_S = 1.0
"""So that curing is followed while it runs away."""


@dataclass(frozen=True, eq=False)
class Tissue:
    """What surrounds the cement, voxel by voxel; arrays of shape (I, J, K).

    Parameters
    ----------
    conductivity_w_mk, capacity_j_m3k:
        Conductivity, and density times specific heat.
    perfusion_w_m3k:
        Heat carried away by blood for each degree above the body's temperature.
    """

    conductivity_w_mk: FloatArray
    capacity_j_m3k: FloatArray
    perfusion_w_m3k: FloatArray


@dataclass(frozen=True)
class HeatOptions:
    """How heat is followed; defaults stand in the constants ``cement_heat`` and ``cement_law``.

    Parameters
    ----------
    minutes:
        After the end of the injection.
    body_c:
        Of the body around and of tissue at the start.
    margin_mm:
        Tissue around the cement that is computed.
    thresholds_c:
        Temperatures whose time above is counted.
    curve_every_s:
        Between the points of the curves.
    dose:
        Rule of the thermal dose.
    """

    minutes: float = field(default_factory=lambda: float(value("cement_heat.minutes")))
    body_c: float = field(default_factory=lambda: float(value("cement_law.body_c")))
    margin_mm: float = field(default_factory=lambda: float(value("cement_heat.margin_mm")))
    thresholds_c: tuple[float, ...] = field(default_factory=lambda: tuple(value("cement_heat.thresholds_c")))
    curve_every_s: float = 10.0
    dose: Dose = field(default_factory=shipped_dose)


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
        Greatest dose and greatest times above the thresholds of any voxel.
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
    peak_c, cem43_min:
        Greatest temperature and thermal dose of each voxel, shape (I, J, K).
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
    cem43_min: FloatArray
    above_s: FloatArray
    thresholds_c: tuple[float, ...]
    conversion: FloatArray
    times_s: FloatArray
    regions: tuple[Warmed, ...]

    def region(self, name: str) -> Warmed:
        """One region by its name; ``KeyError`` for one that was not asked for."""
        return {region.name: region for region in self.regions}[name]


def tissue_of(cancellous: Mask, cortical: Mask, *, perfusion_w_m3k: float | None = None) -> Tissue:
    """Cancellous and cortical bone by their masks, soft tissue elsewhere; shape (I, J, K).

    Raises ``UsageError`` (``heat-input``) for masks of different shapes or a perfusion that is negative.
    """
    if cancellous.shape != cortical.shape or cancellous.ndim != 3:
        raise _refused("The masks of bone are not volumes of one shape.")
    table = value("cement_heat.tissues")
    perfusion = value("cement_heat.perfusion_w_m3k") if perfusion_w_m3k is None else perfusion_w_m3k
    code = np.where(cortical, 2, np.where(cancellous, 1, 0))
    density, specific, conductivity = np.array([table[name] for name in ("soft", "cancellous", "cortical")]).T
    return Tissue(conductivity[code], (density * specific)[code], np.full(code.shape, float(perfusion)))


def bone_interface(cement_fraction: FloatArray, bone: Mask, *, least: float = 0.05) -> Mask:
    """Bone just outside the cement: voxels with less cement than ``least`` that share a face with one that has more."""
    inside = cement_fraction >= least
    found: Mask = ndimage.binary_dilation(inside) & ~inside & bone
    return found


def warm(
    affine: FloatArray,
    cement_fraction: FloatArray,
    age_s: ArrayLike,
    cure: Cure,
    tissue: Tissue,
    *,
    cement_c: ArrayLike | None = None,
    masks: Mapping[str, Mask] | None = None,
    options: HeatOptions | None = None,
) -> Heat:
    """Follow the heat of curing from the end of the injection.

    Parameters
    ----------
    affine:
        4×4, voxel index → RAS mm, axes at right angles.
    cement_fraction:
        Cement's share of each voxel's volume (saturation × porosity), 0–1, shape (I, J, K).
    age_s:
        Equivalent age of the cement at the start: one, or of shape (I, J, K).
    cure:
        Of the cement; ``CementLaw.cure``.
    tissue:
        Around and between the cement; beyond the grid's edge it goes on as it is at the edge.
    cement_c:
        Temperature of the cement at the start, one or (I, J, K); the room's unless given: it enters cold.
    masks:
        Regions to sum up by name, such as canal, endplates and interface.

    Raises
    ------
    UsageError
        ``heat-input``: shapes that differ, shares outside 0–1, properties that are not above 0, or a duration that is
        not; ``cement-age-impossible``; ``temperature-impossible``.
    """
    how = HeatOptions() if options is None else options
    regions = dict(masks or {})
    start_c = _checked(cement_fraction, tissue, regions, how, cement_c)
    spacing_m = M_PER_MM * np.sqrt((np.asarray(affine, dtype=float)[:3, :3] ** 2).sum(axis=0))
    ages = np.broadcast_to(checked_ages(age_s), cement_fraction.shape)
    every = {"cement": cement_fraction > 0.0} | regions
    run = _Run(spacing_m, cement_fraction, ages, start_c, cure, tissue, how)
    times, curves = run.follow(every)
    peak, dose, above = run.on_grid()
    conversion = np.zeros(cement_fraction.shape)
    conversion[every["cement"]] = cure.conversion(run.ages)
    return Heat(
        peak,
        dose,
        above,
        how.thresholds_c,
        conversion,
        times,
        tuple(_summed(name, mask, peak, dose, above, how, curves[name]) for name, mask in every.items()),
    )


class _Run:
    """The box around the cement, its state and its tallies."""

    def __init__(
        self,
        spacing_m: FloatArray,
        cement: FloatArray,
        ages: FloatArray,
        start_c: FloatArray,
        cure: Cure,
        tissue: Tissue,
        how: HeatOptions,
    ) -> None:
        self.how, self.cure, self.shape = how, cure, cement.shape
        inside = cement > 0.0
        self.ages = np.ascontiguousarray(ages[inside])
        self.low, self.high = _box(inside, np.ceil(how.margin_mm * M_PER_MM / spacing_m).astype(int))
        share = _cropped(cement, self.low, self.high, 0.0)
        own = value("cement_heat.cement")
        capacity = own["density_kg_m3"] * own["specific_heat_j_kgk"]
        heat_j_m3 = own["density_kg_m3"] * cure.heat_j_kg / cure.final
        conductivity = _mixed(
            _cropped(tissue.conductivity_w_mk, self.low, self.high), own["conductivity_w_mk"], share
        )
        mixed = _mixed(_cropped(tissue.capacity_j_m3k, self.low, self.high), capacity, share)
        cold = _cropped(start_c, self.low, self.high, how.body_c) - how.body_c
        self.temperature = np.pad(how.body_c + share * capacity / mixed * cold, 1, constant_values=how.body_c)
        volume = float(np.prod(spacing_m))
        self.lost = volume * _cropped(tissue.perfusion_w_m3k, self.low, self.high)
        self.faces = [_conductances(conductivity, axis, spacing_m) for axis in range(3)]
        self.steps, self.step_s = _steps(self.faces, self.lost, volume * mixed, how)
        self.share = self.step_s / (volume * mixed)
        self.cells = np.flatnonzero(np.pad(share > 0.0, 1))
        self.rise = np.ascontiguousarray((heat_j_m3 * share / mixed)[share > 0.0])
        self.peak = self.temperature[1:-1, 1:-1, 1:-1].copy()
        self.dose = np.zeros(share.shape)
        self.above = np.zeros((len(how.thresholds_c), *share.shape))

    def follow(self, masks: Mapping[str, Mask]) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Go to the end; times in s and the hottest voxel of each region then."""
        how, cure = self.how, self.cure
        table_ages, conversions = cure.table
        places = {name: np.flatnonzero(self._here(mask)) for name, mask in masks.items()}
        times, curves = [0.0], {name: [self._hottest(place)] for name, place in places.items()}
        new = self.temperature.copy()
        every = max(1, round(how.curve_every_s / self.step_s))
        thresholds = np.array(how.thresholds_c)
        least = min([how.dose.least_c, *how.thresholds_c])
        for step in range(1, self.steps + 1):
            conduct(self.temperature, new, *self.faces, self.share, self.lost, how.body_c)
            self.temperature, new = new, self.temperature
            cure_step(
                self.temperature.reshape(-1),
                self.cells,
                self.ages,
                self.rise,
                conversions,
                float(table_ages[1]),
                self.step_s,
                1000.0 * cure.activation_kj_mol / GAS_CONSTANT,
                cure.reference_k,
            )
            tally(
                self.temperature,
                self.peak,
                self.dose,
                self.above,
                thresholds,
                self.step_s,
                least,
                how.dose.turning_c,
                log(how.dose.factor_above),
                log(how.dose.factor_below),
            )
            if step % every == 0 or step == self.steps:
                times.append(step * self.step_s)
                for name, place in places.items():
                    curves[name].append(self._hottest(place))
        return np.array(times), {name: np.array(curve) for name, curve in curves.items()}

    def on_grid(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Peak, dose and times above on the whole grid."""
        peak = np.full(self.shape, self.how.body_c)
        dose = np.zeros(self.shape)
        above = np.zeros((len(self.how.thresholds_c), *self.shape))
        first, last = np.maximum(self.low, 0), np.minimum(self.high, self.shape)
        out = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
        own = tuple(slice(a, b) for a, b in zip(first - self.low, last - self.low, strict=True))
        peak[out], dose[out] = self.peak[own], self.dose[own]
        above[(slice(None), *out)] = self.above[(slice(None), *own)]
        return peak, dose, above

    def _here(self, mask: Mask) -> Mask:
        found: Mask = np.pad(_cropped(mask, self.low, self.high, False), 1)
        return found

    def _hottest(self, place: NDArray[np.intp]) -> float:
        return float(self.temperature.reshape(-1)[place].max()) if place.size else self.how.body_c


def _box(inside: Mask, margin: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """First and last + 1 voxel of the cement with a margin; may reach beyond the grid. One voxel without cement."""
    found = ndimage.find_objects(inside.astype(np.int8))
    if not found:
        return np.zeros(3, dtype=np.intp), np.ones(3, dtype=np.intp)
    low = np.array([part.start for part in found[0]], dtype=np.intp)
    high = np.array([part.stop for part in found[0]], dtype=np.intp)
    return low - margin, high + margin


def _cropped(field_: Any, low: NDArray[np.intp], high: NDArray[np.intp], outside: Any = None) -> Any:
    """Part of a volume; beyond its edge ``outside``, or as at the edge."""
    shape = np.array(field_.shape)
    first, last = np.clip(low, 0, shape - 1), np.clip(high, 1, shape)
    part = field_[tuple(slice(a, b) for a, b in zip(first, last, strict=True))]
    pads = list(zip(first - low, high - last, strict=True))
    if outside is None:
        return np.pad(part, pads, mode="edge")
    return np.pad(part, pads, constant_values=outside)


def _mixed(tissue: FloatArray, cement: float, share: FloatArray) -> FloatArray:
    return tissue * (1.0 - share) + cement * share


def _conductances(conductivity: FloatArray, axis: int, spacing_m: FloatArray) -> FloatArray:
    """Of the faces below and above each voxel along an axis, in W/K: the halves on both sides in a row."""
    pads = [(1, 1) if along == axis else (0, 0) for along in range(3)]
    padded = np.moveaxis(np.pad(conductivity, pads, mode="edge"), axis, 0)
    across = 2.0 * padded[:-1] * padded[1:] / (padded[:-1] + padded[1:])
    area = float(np.prod(spacing_m)) / float(spacing_m[axis])
    return np.ascontiguousarray(np.moveaxis(across, 0, axis) * area / float(spacing_m[axis]))


def _steps(
    faces: list[FloatArray], lost: FloatArray, capacity: FloatArray, how: HeatOptions
) -> tuple[int, float]:
    """Number of equal steps and their length in s."""
    drawn = lost + sum(
        np.take(face, range(1, face.shape[axis]), axis) + np.take(face, range(face.shape[axis] - 1), axis)
        for axis, face in enumerate(faces)
    )
    longest = min(LONGEST_STEP_S, SHARE_OF_STABLE_STEP * float((capacity / drawn).min()))
    total = 60.0 * how.minutes
    count = ceil(total / longest)
    return count, total / count


def _summed(
    name: str,
    mask: Mask,
    peak: FloatArray,
    dose: FloatArray,
    above: FloatArray,
    how: HeatOptions,
    curve: FloatArray,
) -> Warmed:
    if not mask.any():
        return Warmed(name, 0, how.body_c, how.body_c, 0.0, (0.0,) * len(how.thresholds_c), curve)
    return Warmed(
        name,
        int(mask.sum()),
        float(peak[mask].max()),
        float(peak[mask].mean()),
        float(dose[mask].max()),
        tuple(float(one[mask].max()) for one in above),
        curve,
    )


def _checked(
    cement: FloatArray,
    tissue: Tissue,
    masks: Mapping[str, Mask],
    how: HeatOptions,
    cement_c: ArrayLike | None,
) -> FloatArray:
    """The cement's temperature on the grid, once all input is found possible."""
    shape = cement.shape
    fields = (tissue.conductivity_w_mk, tissue.capacity_j_m3k, tissue.perfusion_w_m3k, *masks.values())
    if cement.ndim != 3 or any(part.shape != shape for part in fields):
        raise _refused("Cement, tissue and regions do not lie on one grid.")
    if "cement" in masks:
        raise _refused("No region can be named cement: that of the cement itself is.")
    if not np.all((cement >= 0.0) & (cement <= 1.0)):
        raise _refused("A share of cement lies outside 0 to 1.")
    above_0 = (tissue.conductivity_w_mk, tissue.capacity_j_m3k)
    if not all(np.all(np.isfinite(part) & (part > 0.0)) for part in above_0):
        raise _refused("A conductivity or heat capacity is not above 0.")
    if not np.all(np.isfinite(tissue.perfusion_w_m3k) & (tissue.perfusion_w_m3k >= 0.0)):
        raise _refused("A perfusion is negative or no number.")
    if not (isfinite(how.minutes) and how.minutes > 0.0 and isfinite(how.margin_mm) and how.margin_mm > 0.0):
        raise _refused("The duration or margin is not above 0.")
    low, high = value("cement_law.temperature_range_c")
    start = np.asarray(value("cement_law.room_c") if cement_c is None else cement_c, dtype=float)
    if not (np.all((start >= low) & (start <= high)) and low <= how.body_c <= high):
        raise UsageError(
            "temperature-impossible",
            f"The temperature of the body or the cement lies outside {low:g} to {high:g} °C.",
            do="Give temperatures in °C.",
        )
    if start.ndim and start.shape != shape:
        raise _refused("The temperatures of the cement do not lie on its grid.")
    return np.broadcast_to(start, shape)


def _refused(what: str) -> UsageError:
    return UsageError("heat-input", what, do="Correct the input of the heat computation.")
