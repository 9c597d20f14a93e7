"""Bone cement in three generic classes; no figure stands for a product."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field, model_validator

from endplate.devices.model import Device, shipped

KEYS = (
    "cement.start_viscosity_pas",
    "cement.working_time_min",
    "cement.density_gcc",
    "cement.barium_sulphate_fraction",
)

Viscosity = Annotated[float, Field(strict=True, gt=0.0, le=100000.0, allow_inf_nan=False)]


class Cement(Device):
    """One class of cement."""

    name: str
    start_viscosity_pas: tuple[Viscosity, Viscosity]
    """Range of the apparent viscosity when injection begins."""
    working_time_min: Annotated[float, Field(strict=True, gt=0.0, le=60.0)]
    density_gcc: Annotated[float, Field(strict=True, gt=0.5, le=5.0)]
    barium_sulphate_fraction: Annotated[float, Field(strict=True, ge=0.0, le=0.7)]
    """Of the powder's mass."""

    @model_validator(mode="after")
    def _possible(self) -> Cement:
        if self.start_viscosity_pas[0] > self.start_viscosity_pas[1]:
            raise ValueError("the range of viscosity runs backward")
        return self


@cache
def shipped_cements() -> dict[str, Cement]:
    """The shipped classes by name, the most fluid first."""
    found = [Cement(name=name, **table) for name, table in shipped(KEYS).items()]
    return {item.name: item for item in sorted(found, key=lambda item: item.start_viscosity_pas)}
