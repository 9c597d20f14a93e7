"""Inflatable bone tamps: length, volumes, rated pressure, and how thick they get.

Notes
-----
A balloon of length L inflated to the volume V is taken for a capsule of that length (a cylinder with half spheres
inside its ends) of radius R:

    V = π R² L − (2/3) π R³          while 2 R ≤ L,

and once the half spheres meet (V ≥ π L³ / 6) for a sphere of volume V, which outgrows its length at both ends alike.
Real tamps are somewhat thicker in the middle or longer; no table of theirs was at hand.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache
from typing import Annotated

from pydantic import Field, model_validator

from endplate.devices.model import Device, DiameterMm, LengthMm, VolumeMl, shipped
from endplate.errors import UsageError
from endplate.units import MM3_PER_ML

KEYS = (
    "balloon.length_mm",
    "balloon.nominal_volume_ml",
    "balloon.max_volume_ml",
    "balloon.rated_pressure_mpa",
    "balloon.uninflated_diameter_mm",
    "balloon.access_gauge",
)

BISECTIONS = 60
"""Halvings of the radius: to far below a micrometre."""


class Balloon(Device):
    """One inflatable tamp; its two markers stand at the ends of its length."""

    name: str
    length_mm: Annotated[LengthMm, Field(ge=5.0, le=40.0)]
    nominal_volume_ml: VolumeMl
    max_volume_ml: VolumeMl
    rated_pressure_mpa: Annotated[float, Field(strict=True, gt=0.1, le=10.0)]
    uninflated_diameter_mm: DiameterMm
    access_gauge: Annotated[str, Field(pattern=r"^\d{1,2}G$")]
    """Gauge of the thinnest access system that it passes."""

    @model_validator(mode="after")
    def _possible(self) -> Balloon:
        if self.nominal_volume_ml > self.max_volume_ml:
            raise ValueError("the nominal volume is above the greatest volume")
        if self.uninflated_diameter_mm >= self.length_mm:
            raise ValueError("the folded balloon is thicker than it is long")
        return self

    @property
    def marker_spacing_mm(self) -> float:
        """Distance of the two markers."""
        return self.length_mm

    def inflated_diameter_mm(self, volume_ml: float) -> float:
        """Diameter at a volume, not less than that of the folded balloon; see the notes of the module.

        Raises
        ------
        UsageError
            A negative volume, or more than the balloon takes.
        """
        if not 0.0 <= volume_ml <= self.max_volume_ml:
            raise UsageError(
                "balloon-volume",
                f"{volume_ml:g} ml cannot be put into the balloon {self.name} (0 to {self.max_volume_ml:g} ml).",
                do="Choose a volume within its limits or a larger balloon.",
            )
        return max(capsule_diameter_mm(self.length_mm, volume_ml), self.uninflated_diameter_mm)

    def inflated_length_mm(self, volume_ml: float) -> float:
        """Length at a volume: its own, or the diameter of the sphere once that is more."""
        return max(self.length_mm, self.inflated_diameter_mm(volume_ml))


def capsule_volume_ml(length_mm: float, diameter_mm: float) -> float:
    """Volume of the capsule, or of the sphere where the diameter exceeds the length."""
    radius = 0.5 * diameter_mm
    if diameter_mm >= length_mm:
        return 4.0 / 3.0 * math.pi * radius**3 / MM3_PER_ML
    return math.pi * radius**2 * (length_mm - 2.0 / 3.0 * radius) / MM3_PER_ML


@lru_cache(maxsize=1024)
def capsule_diameter_mm(length_mm: float, volume_ml: float) -> float:
    """Inverse of ``capsule_volume_ml``."""
    volume = volume_ml * MM3_PER_ML
    if volume >= math.pi * length_mm**3 / 6.0:
        return 2.0 * math.cbrt(3.0 * volume / (4.0 * math.pi))
    low, high = 0.0, length_mm
    for _ in range(BISECTIONS):
        middle = 0.5 * (low + high)
        if capsule_volume_ml(length_mm, middle) < volume_ml:
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


@cache
def shipped_balloons() -> dict[str, Balloon]:
    """The shipped balloons by name, the longest first."""
    found = [Balloon(name=name, **table) for name, table in shipped(KEYS).items()]
    return in_order(found)


def in_order(balloons: list[Balloon]) -> dict[str, Balloon]:
    """Balloons by name, the longest first, of equal length the one that takes more."""
    ranked = sorted(balloons, key=lambda item: (-item.length_mm, -item.max_volume_ml, item.name))
    return {item.name: item for item in ranked}
