"""What is asked of a virtual fracture, and the truth that is saved beside its scan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from endplate.anatomy.model import Document, Frame, HeightTriple, Shape
from endplate.errors import UsageError
from endplate.sources import Finding, value

BrokenEndplate = Literal["superior", "both"]
CleftFilling = Literal["gas", "fluid"]

USUAL_ENDPLATES: dict[Shape, BrokenEndplate] = {"wedge": "superior", "biconcave": "both", "crush": "both"}
"""Which endplates give way where nothing else is asked."""


def refuse(code: str, what: str, do: str) -> UsageError:
    """The error of a virtual fracture that cannot be asked for."""
    return UsageError(code, what, do=do)


@dataclass(frozen=True)
class VirtualFracture:
    """A fracture to give to one vertebra of a scan.

    Parameters
    ----------
    level:
        Its name.
    shape:
        ``wedge`` lowers the anterior height, ``biconcave`` the middle one, ``crush`` all three.
    loss:
        Fraction (0–1) of the height that it has now, at the place that the shape names; of a crush, the mean of the
        three places.
    endplate:
        Which endplates give way; ``None``: the superior one of a wedge, else both.
    retropulsion_mm:
        How far the posterior wall is pushed into the canal.
    cleft_ml, cleft_filling:
        Volume (mL) of a cleft under the superior endplate and what fills it; 0 for none.
    crack:
        Draw a crack below the superior endplate.
    seed:
        Seed of the crack's waves.

    Raises
    ------
    UsageError
        A value out of its range.
    """

    level: str
    shape: Shape
    loss: float
    endplate: BrokenEndplate | None = None
    retropulsion_mm: float = 0.0
    cleft_ml: float = 0.0
    cleft_filling: CleftFilling = "gas"
    crack: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, given, known in (
            ("shape", self.shape, get_args(Shape)),
            ("endplate", self.endplate, (None, *get_args(BrokenEndplate))),
            ("cleft filling", self.cleft_filling, get_args(CleftFilling)),
        ):
            if given not in known:
                words = ", ".join(str(one) for one in known if one is not None)
                raise refuse("fracture-option", f"{given!r} is no {name}.", f"Choose from {words}.")
        low, high = value("virtual_fracture.loss_limits")
        _within("height loss", self.loss, low, high)
        _within(
            "retropulsion", self.retropulsion_mm, 0.0, float(value("virtual_fracture.retropulsion_max_mm"))
        )
        _within("cleft volume", self.cleft_ml, 0.0, float(value("virtual_fracture.cleft_max_ml")))
        if not 0 <= self.seed < 2**32:
            raise refuse("fracture-option", f"{self.seed} is no seed.", "Give a whole number from 0 on.")

    @property
    def broken(self) -> BrokenEndplate:
        """The endplates that give way."""
        return USUAL_ENDPLATES[self.shape] if self.endplate is None else self.endplate


def _within(name: str, given: float, low: float, high: float) -> None:
    if not (math.isfinite(given) and low <= given <= high):
        raise refuse(
            "fracture-out-of-range",
            f"A {name} of {given:g} cannot be made.",
            f"Choose a {name} from {low:g} to {high:g}.",
        )


class FieldParameters(Document):
    """What the displacement was made with."""

    endplates: BrokenEndplate
    """Which endplates gave way."""
    amplitude_mm: float
    """Closing of the endplates where the shape's displacement map is one."""
    greatest_drop_mm: float
    """How far the superior endplate went down where it moved most."""
    greatest_lift_mm: float
    """How far the inferior endplate went up where it moved most."""
    crush_strain: float
    """Plateau strain of the crushed bands where the body has room for it."""
    least_jacobian: float
    """Lower bound of the Jacobian determinant over the whole scan."""
    greatest_compaction: float
    """Greatest density ratio by compaction, before the cap."""
    retropulsion_mm: float
    follows: str = "neighbours, arches and pedicles stay; the discs take the gap"


class BoneMass(Document):
    """Bone mineral of the whole vertebra, K2HPO4 equivalent, from the stored CT numbers."""

    before_mg: float
    after_mg: float
    relative_error: float
    remap_factor: float
    """What resampling lost or gained before it was made good."""
    capped_share: float
    """Share of the mineral that the cap moved to its surroundings."""
    calibration: str


class FractureTruth(Document):
    """The document ``fracture.json``: what was done to a scan and what a perfect measurement finds in it.

    Heights are those of ``endplate assess``, in mm: before as measured, after as the exact displacement changes them,
    in the broken vertebra's own frame. Losses are fractions of the heights before.
    """

    schema_: Literal["endplate/fracture/1"] = Field(default="endplate/fracture/1", alias="schema")
    level: str
    shape: Shape
    loss_asked: float
    heights_before_mm: HeightTriple
    heights_after_mm: HeightTriple
    losses: HeightTriple
    loss: float
    """Loss at the place that the shape names; of a crush, the mean of the three."""
    wedge_angle_before_deg: float | None
    wedge_angle_after_deg: float | None
    body_volume_before_ml: float
    body_volume_after_ml: float
    frame_before: Frame
    """Axes in which the field acts: along ``superior_ras`` from ``origin_ras_mm``."""
    field: FieldParameters
    mass: BoneMass
    cleft_ml: float
    cleft_filling: CleftFilling | None
    crack: bool
    seed: int
    already_fractured: bool
    findings: tuple[Finding, ...] = ()
