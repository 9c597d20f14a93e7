"""Heat of curing cement in a vertebra: conduction on the voxel grid, temperatures, and thermal dose.

``ρc ∂T/∂t = ∇·(λ∇T) + v·ρ_c·H·dα/dt − w·(T − T_body)``: v is the share of cement in a voxel, α its conversion. The
conversion follows the equivalent age that flow left there, which goes on at the temperature computed here.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from endplate.cement.curing import Cure
from endplate.cement.heat_model import FloatArray, Heat, HeatOptions, Mask, Tissue, Warmed, refused
from endplate.cement.heat_run import Run, Start
from endplate.cement.rheology import checked_ages
from endplate.errors import UsageError
from endplate.sources import value

__all__ = ["Heat", "HeatOptions", "Tissue", "Warmed", "bone_interface", "tissue_of", "warm"]


def tissue_of(cancellous: Mask, cortical: Mask, *, perfusion_w_m3k: float | None = None) -> Tissue:
    """Cortical and cancellous bone by their masks, soft tissue elsewhere; shape (I, J, K). Cortex wins.

    Raises ``UsageError`` (``heat-input``) for masks of different shapes or a perfusion that is negative.
    """
    if cancellous.shape != cortical.shape or cancellous.ndim != 3:
        raise refused("The masks of bone are not volumes of one shape.")
    table = value("cement_heat.tissues")
    perfusion = value("cement_heat.perfusion_w_m3k") if perfusion_w_m3k is None else perfusion_w_m3k
    code = np.where(cortical, 2, np.where(cancellous, 1, 0))
    density, specific, conductivity = np.array([table[name] for name in ("soft", "cancellous", "cortical")]).T
    return Tissue(conductivity[code], (density * specific)[code], np.full(code.shape, float(perfusion)))


def bone_interface(cement_fraction: FloatArray, bone: Mask, *, least: float = 0.05) -> Mask:
    """Bone next to the cement: voxels with a share of cement below ``least`` that touch a face of one above."""
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
        ``heat-input``: shapes that differ, shares of cement outside 0–1, a region named ``cement``;
        ``cement-age-impossible``; ``temperature-impossible``.
    """
    how = HeatOptions() if options is None else options
    every = {"cement": cement_fraction > 0.0, **(masks or {})}
    start = _checked(cement_fraction, checked_ages(age_s), cement_c, tissue, masks or {})
    spacing_mm = np.sqrt((np.asarray(affine, dtype=float)[:3, :3] ** 2).sum(axis=0))
    run = Run(spacing_mm, start, cure, tissue, how)
    times, curves = run.follow(every)
    peak, end, dose, above = run.on_grid()
    regions = tuple(
        _summed(name, mask, peak, dose, above, curves[name], how.body_c) for name, mask in every.items()
    )
    conversion = np.where(every["cement"], run.conversion(), 0.0)
    return Heat(peak, end, dose, above, how.thresholds_c, conversion, times, regions)


def _summed(
    name: str,
    mask: Mask,
    peak: FloatArray,
    dose: FloatArray,
    above: FloatArray,
    curve: FloatArray,
    body_c: float,
) -> Warmed:
    if not mask.any():
        return Warmed(name, 0, body_c, body_c, 0.0, (0.0,) * len(above), curve)
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
    ages: FloatArray,
    cement_c: ArrayLike | None,
    tissue: Tissue,
    masks: Mapping[str, Mask],
) -> Start:
    low, high = value("cement_law.temperature_range_c")
    start_c = np.asarray(value("cement_law.room_c") if cement_c is None else cement_c, dtype=float)
    fields = (tissue.conductivity_w_mk, *masks.values(), *(part for part in (ages, start_c) if part.ndim))
    if cement.ndim != 3 or any(part.shape != cement.shape for part in fields):
        raise refused("Cement, tissue and regions do not lie on one grid.")
    if "cement" in masks:
        raise refused("No region can be named cement: that of the cement itself is.")
    if not np.all((cement >= 0.0) & (cement <= 1.0)):
        raise refused("A share of cement lies outside 0 to 1.")
    if not np.all((start_c >= low) & (start_c <= high)):
        raise UsageError(
            "temperature-impossible",
            f"A temperature of cement lies outside {low:g} to {high:g} °C.",
            do="Give temperatures in °C.",
        )
    return Start(cement, np.broadcast_to(ages, cement.shape), np.broadcast_to(start_c, cement.shape))
