"""How a vertebra becomes a porous medium: every choice with its default."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from endplate.cement.defects import Defect
from endplate.cement.exits import Tract
from endplate.errors import UsageError
from endplate.imaging.volume import Volume
from endplate.sources import value

VOXEL_RANGE_MM = (0.4, 3.0)
"""Voxel sizes that make sense: finer is slower for nothing, coarser has no cortex."""


def _number(key: str) -> float:
    return float(value(key))


def _usual_anisotropy() -> tuple[float, float, float]:
    across, forward, along = (float(one) for one in value("porous.anisotropy"))
    return across, forward, along


@dataclass(frozen=True)
class BoneOptions:
    """How a vertebra becomes a porous medium.

    Parameters
    ----------
    voxel_mm:
        Edge of the grid's voxels; not bound to the CT's.
    porosity_from:
        ``"density"`` (calibrated) or ``"hu"`` (mixture of marrow and bone tissue).
    permeability_scale:
        Factor on the permeability of cancellous bone. The literature is uncertain by a factor of ten and more
        (0.03 to 1); veins, clefts and cracks keep theirs.
    noise_sigma, seed:
        Standard deviation of the logarithm of a random factor on it (0.5 in an ensemble), and its seed.
    anisotropy:
        Factors across, from back to front and along the spine.
    cortex_mm:
        Thickness of the closed outer layer.
    basivertebral_mm, segmental_mm:
        Radii of the veins; 0 leaves them out.
    find_defects:
        Look for lost shell in the CT.
    defects:
        Lost shell that the user names.
    tracts:
        Ways of cannulas through the bone.
    cleft:
        A cleft that the user knows of (fluid on MRI), as a mask on any grid; gas is found in the CT.
    cleft_cracks:
        Take the shell as cracked where a cleft comes near it.
    marrow_pas, outer_pressure_pa:
        Viscosity of the marrow, pressure of the veins outside.
    """

    voxel_mm: float = 1.0
    porosity_from: Literal["density", "hu"] = "density"
    permeability_scale: float = 1.0
    noise_sigma: float = 0.0
    seed: int = 0
    anisotropy: tuple[float, float, float] = field(default_factory=_usual_anisotropy)
    cortex_mm: float = field(default_factory=lambda: _number("porous.cortex_mm"))
    basivertebral_mm: float = field(default_factory=lambda: float(value("vein.basivertebral_mm")["radius"]))
    segmental_mm: float = field(default_factory=lambda: float(value("vein.segmental_mm")["radius"]))
    find_defects: bool = True
    defects: tuple[Defect, ...] = ()
    tracts: tuple[Tract, ...] = ()
    cleft: Volume | None = None
    cleft_cracks: bool = True
    marrow_pas: float = field(default_factory=lambda: _number("porous.marrow_pas"))
    outer_pressure_pa: float = field(default_factory=lambda: _number("porous.outer_pressure_pa"))

    def __post_init__(self) -> None:
        low, high = VOXEL_RANGE_MM
        checks = (
            (low <= self.voxel_mm <= high, f"Voxels of {self.voxel_mm:g} mm", f"{low:g} to {high:g} mm"),
            (
                np.isfinite(self.permeability_scale) and 0.0 <= self.permeability_scale <= 100.0,
                f"A permeability scale of {self.permeability_scale:g}",
                "0 to 100 (1 is the model's own value)",
            ),
            (0.0 <= self.noise_sigma <= 2.0, f"A noise of {self.noise_sigma:g}", "0 to 2"),
            (min(self.anisotropy) > 0.0, f"An anisotropy of {self.anisotropy}", "three positive factors"),
            (0.0 < self.cortex_mm <= 5.0, f"A cortex of {self.cortex_mm:g} mm", "up to 5 mm"),
            (
                min(self.basivertebral_mm, self.segmental_mm) >= 0.0
                and max(self.basivertebral_mm, self.segmental_mm) <= 5.0,
                "This radius of veins",
                "0 to 5 mm",
            ),
            (1e-3 <= self.marrow_pas <= 10.0, f"Marrow of {self.marrow_pas:g} Pa·s", "0.001 to 10 Pa·s"),
            (0.0 <= self.outer_pressure_pa <= 1e5, "This venous pressure", "0 to 100000 Pa"),
        )
        for right, what, do in checks:
            if not right:
                raise UsageError("bone-options", f"{what} cannot be used for cement.", do=f"Give {do}.")
