"""What the phantom is scanned with: tube voltage, contrast phase, kernel, couch, and how far its HU scale is off."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from endplate.errors import UsageError

Contrast = Literal["none", "portal_venous", "arterial"]
NoiseKernel = Literal["plain", "soft", "sharp"]

LIMITS: dict[str, tuple[float, float]] = {
    "kvp": (80.0, 140.0),
    "hu_scale": (0.9, 1.1),
    "hu_offset": (-30.0, 30.0),
    "mineral_factor": (0.8, 1.2),
}
"""What each number may be."""


@dataclass(frozen=True)
class ScannerSpec:
    """The scanner and the way the scan was made. The defaults leave the phantom's CT as specified for 120 kVp.

    Parameters
    ----------
    kvp:
        Tube voltage: changes the HU of mineral, iodine and, less, of soft tissue.
    contrast:
        Contrast phase: adds HU to blood, organs and bone.
    bone_contrast_hu:
        HU at 120 kVp that contrast adds to bone; ``None`` for that of the phase.
    hu_scale, hu_offset:
        The scanner shows ``hu_scale`` · HU + ``hu_offset``.
    mineral_factor:
        How much more HU this scanner's beam gives mineral than the table says.
    kernel:
        Texture of the noise: white, blurred or high-pass.
    couch:
        A couch lies behind the patient.
    rods_mgcc:
        K2HPO4-equivalent rods in the couch, from the patient's left to the right; needs ``couch``.
    stated:
        The file states tube voltage and contrast agent.
    """

    kvp: float = 120.0
    contrast: Contrast = "none"
    bone_contrast_hu: float | None = None
    hu_scale: float = 1.0
    hu_offset: float = 0.0
    mineral_factor: float = 1.0
    kernel: NoiseKernel = "plain"
    couch: bool = False
    rods_mgcc: tuple[float, ...] = ()
    stated: bool = True

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            number = getattr(self, name)
            if not (math.isfinite(number) and low <= number <= high):
                raise _refuse(
                    f"The scanner's {name} is {number:g}.", f"Choose it between {low:g} and {high:g}."
                )
        if self.contrast not in get_args(Contrast):
            raise _refuse(
                f"{self.contrast!r} is no contrast phase.", "Choose none, portal_venous or arterial."
            )
        if self.kernel not in get_args(NoiseKernel):
            raise _refuse(f"{self.kernel!r} is no kernel of the phantom.", "Choose plain, soft or sharp.")
        if self.bone_contrast_hu is not None and not 0.0 <= self.bone_contrast_hu <= 60.0:
            raise _refuse("Contrast adds 0 to 60 HU to bone.", "Choose a number in between.")
        if self.rods_mgcc and not self.couch:
            raise _refuse("Rods lie in the couch, and there is none.", "Ask for the couch too.")
        if len(self.rods_mgcc) > 7 or not all(-100.0 <= rod <= 800.0 for rod in self.rods_mgcc):
            raise _refuse("Those rods cannot be built.", "Give up to seven densities of -100 to 800 mg/cm³.")


def _refuse(what: str, do: str) -> UsageError:
    return UsageError("phantom-spec-invalid", what, do=do)
