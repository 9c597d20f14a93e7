"""How the flow of cement is computed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from endplate.cement.flow_sweep import COREY, GATED, LINEAR
from endplate.errors import UsageError
from endplate.sources.constants import value

FLUXES = {"gated": GATED, "linear": LINEAR, "corey": COREY}
FACES = ("harmonic", "upstream")


@dataclass(frozen=True)
class Options:
    """How the flow is computed.

    Parameters
    ----------
    flux:
        ``gated``: a voxel passes cement on once it is ``gate`` full, right for cement far thicker than marrow;
        ``corey``: by quadratic relative permeabilities, for thin cement; ``linear``: by its saturation.
    faces:
        Mobility of a face: ``harmonic`` or ``upstream`` (:mod:`endplate.cement.flow_faces`).
    residual_marrow:
        Share of the pores whose marrow cement cannot push out.
    step_ml:
        Volume of a step; the first ones are smaller.
    tolerance, most_iterations:
        Of the pressure solver: missing flow over that of the sources.
    viscosity_range_pas:
        Ends of the effective viscosity of cement in bone.
    """

    flux: str = "gated"
    faces: str = "harmonic"
    gate: float = field(default_factory=lambda: float(value("cement.flow.gate")))
    residual_marrow: float = 0.0
    step_ml: float = field(default_factory=lambda: float(value("cement.flow.step-ml")))
    first_step_share: float = field(default_factory=lambda: float(value("cement.flow.first-step-share")))
    tolerance: float = field(default_factory=lambda: float(value("cement.flow.tolerance")))
    most_iterations: int = 500
    viscosity_range_pas: tuple[float, float] = field(
        default_factory=lambda: tuple(value("cement.flow.viscosity-range-pas"))
    )

    def __post_init__(self) -> None:
        low, high = self.viscosity_range_pas
        valid = (
            self.flux in FLUXES
            and self.faces in FACES
            and 0.0 <= self.gate < 1.0
            and 0.0 <= self.residual_marrow < 1.0
            and self.step_ml > 0.0
            and 0.0 < self.first_step_share <= 1.0
            and 0.0 < self.tolerance < 1.0
            and self.most_iterations > 0
            and 0.0 < low <= high < math.inf
        )
        if not valid:
            raise UsageError(
                "cement-flow-options",
                "The options of the flow are not valid.",
                do="Use a known flux and faces, shares below 1, and steps and tolerances above 0.",
            )
