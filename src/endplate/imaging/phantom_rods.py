"""Density from the rods of a calibration phantom that lay in the scan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.imaging.density_scales import k2hpo4_from_cha
from endplate.sources import value

RodScale = Literal["rods", "cha", "mindways"]

EXAMPLES = {
    "rods": "rods:1=0,62=50,126=100,251=200",
    "cha": "cha:2=0,130=100,258=200",
    "mindways": "mindways:HU=WATER/K2HPO4,… with both numbers from the phantom's certificate",
}


@dataclass(frozen=True)
class Rod:
    """One rod: its mean HU, its density in mg/cm³ and, for rods of K2HPO4 in plastic, its water density in mg/cm³."""

    mean_hu: float
    density_mgcc: float
    water_mgcc: float = 0.0


@dataclass(frozen=True)
class RodLine:
    """The line through the rods, HU to K2HPO4-equivalent density, and how well it fits."""

    slope: float
    intercept: float
    r_squared: float
    residual_mgcc: float


def fit_rods(rods: Sequence[Rod], scale: RodScale) -> RodLine:
    """Fit the line of some rods by least squares.

    ``"rods"``: density = m · HU + b of solid K2HPO4-equivalent rods. ``"cha"``: the same for calcium hydroxyapatite,
    turned into K2HPO4 by way of ash density. ``"mindways"``: (HU − water) = σ_ref · K2HPO4 + β_ref; then
    σ_CT = σ_ref − 0.2174, β_CT = β_ref + 999.6 and density = (HU − β_CT)/σ_CT.

    Raises
    ------
    UsageError
        ``calibration-rods-too-few``, ``calibration-rods-inconsistent``.
    """
    hu = np.array([rod.mean_hu for rod in rods])
    density = np.array([rod.density_mgcc for rod in rods])
    if len(rods) < 2 or np.ptp(hu) <= 0.0 or np.ptp(density) <= 0.0:
        raise UsageError(
            "calibration-rods-too-few",
            "A line needs at least two rods of different density and different HU.",
            do="Give mean HU and density of every rod of the phantom: " + EXAMPLES[scale],
        )
    if scale == "mindways":
        beyond_water = hu - np.array([rod.water_mgcc for rod in rods])
        reference = value("rods.mindways")
        sigma_ref, beta_ref = np.polyfit(density, beyond_water, 1)
        sigma, beta = sigma_ref - float(reference["slope"]), beta_ref + float(reference["intercept"])
        r_squared = _r_squared(density, beyond_water)
        residual = float(np.std(beyond_water - sigma_ref * density - beta_ref)) / abs(sigma)
        slope, intercept = (1.0 / sigma, -beta / sigma) if sigma > 0 else (-1.0, 0.0)
    else:
        if scale == "cha":
            density = np.asarray(k2hpo4_from_cha(density))
        slope, intercept = np.polyfit(hu, density, 1)
        r_squared = _r_squared(hu, density)
        residual = float(np.std(density - slope * hu - intercept))
    if slope <= 0 or r_squared < value("rods.least_r_squared"):
        raise UsageError(
            "calibration-rods-inconsistent",
            f"The rods lie on no line (R² {r_squared:.3f}): a value is mistyped or was measured beside its rod.",
            do="Measure every rod again in its middle and compare with the phantom's certificate.",
        )
    return RodLine(float(slope), float(intercept), float(r_squared), residual)


def is_rods(text: str) -> bool:
    """Say whether a calibration given as text means rods."""
    return text.partition(":")[0].strip().lower() in EXAMPLES


def parse_rods(text: str) -> tuple[RodScale, tuple[Rod, ...]]:
    """Read ``rods:HU=DENS,…``, ``cha:HU=DENS,…`` or ``mindways:HU=WATER/K2HPO4,…``.

    Raises
    ------
    UsageError
        ``calibration-unreadable``.
    """
    head, _, rest = text.partition(":")
    name = head.strip().lower()
    scale: RodScale = "mindways" if name == "mindways" else "cha" if name == "cha" else "rods"
    rods = []
    for part in rest.split(","):
        left, _, right = part.partition("=")
        pieces = right.split("/") if scale == "mindways" else [right]
        try:
            numbers = [float(left), *(float(piece) for piece in pieces)]
        except ValueError:
            numbers = []
        if len(numbers) != (3 if scale == "mindways" else 2) or not all(map(math.isfinite, numbers)):
            raise UsageError(
                "calibration-unreadable",
                f"{part.strip()!r} is not a rod of a calibration phantom.",
                do=f"Give every rod like this: {EXAMPLES[scale]}.",
            )
        rods.append(Rod(numbers[0], numbers[-1], numbers[1] if scale == "mindways" else 0.0))
    return scale, tuple(rods)


def _r_squared(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    return float(np.corrcoef(x, y)[0, 1] ** 2)
