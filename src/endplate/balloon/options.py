"""How balloons are inflated: posture before, steps, and when to stop."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.errors import UsageError
from endplate.sources import value

Stop = Literal[
    "operator",
    "maximum volume",
    "rated pressure",
    "rupture",
    "wall contact",
    "endplate contact",
    "target height",
    "breach",
]
"""Why an inflation ended; ``operator``: the volume that was asked for is reached."""


@dataclass(frozen=True)
class Posture:
    """Height gained by positioning alone, before a balloon is inflated: an input, not a prediction.

    Parameters
    ----------
    anterior_mm, middle_mm, posterior_mm:
        Gains; they count up to what the body has lost.
    source:
        Citation key.
    """

    anterior_mm: float
    middle_mm: float
    posterior_mm: float
    source: str

    @classmethod
    def published(cls) -> Posture:
        """Mean gain of acute fractures on a hyperextending table (Liu 2014)."""
        found = value("balloon.posture_gain_mm")
        return cls(
            float(found["anterior"]), float(found["middle"]), float(found["posterior"]), "balloon-liu2014"
        )

    @classmethod
    def none(cls) -> Posture:
        """No gain by positioning."""
        return cls(0.0, 0.0, 0.0, "endplate")

    @property
    def gain_mm(self) -> FloatArray:
        """Anterior, middle, posterior."""
        return np.array([self.anterior_mm, self.middle_mm, self.posterior_mm])


@dataclass(frozen=True)
class Options:
    """How balloons are inflated.

    Parameters
    ----------
    step_ml:
        Volume of one step, 0.25 to 0.5 ml.
    law:
        Name of the density law for crushing and stiffness.
    preload_n:
        Axial force on the upper endplate during surgery.
    posture:
        Gain by positioning.
    target_gain_mm:
        Stop when the height that was lost most has gained so much (posture and lift); ``None``: no such stop.
    heed:
        Stops that the operator heeds. Without ``rated pressure`` a balloon may be driven to rupture, without ``wall
        contact`` through a weak wall.
    crack:
        The break lets endplates move; ``"auto"``: where a fracture was seen.
    """

    step_ml: float = 0.5
    law: str = "kopperdahl"
    preload_n: float = field(default_factory=lambda: float(value("balloon.preload_n")))
    posture: Posture = field(default_factory=Posture.published)
    target_gain_mm: float | None = None
    heed: frozenset[Stop] = frozenset(
        {"maximum volume", "rated pressure", "wall contact", "endplate contact", "target height"}
    )
    crack: bool | Literal["auto"] = "auto"

    def __post_init__(self) -> None:
        good = (
            0.05 <= self.step_ml <= 1.0
            and 0.0 <= self.preload_n <= 2000.0
            and (self.target_gain_mm is None or 0.0 < self.target_gain_mm <= 40.0)
            and bool(np.isfinite(self.posture.gain_mm).all() and (self.posture.gain_mm >= 0.0).all())
        )
        if not good:
            raise UsageError(
                "balloon-options",
                "The options of the inflation make no sense.",
                do="Give steps of 0.05 to 1 ml, a preload of 0 to 2000 N, a target gain of up to 40 mm and gains by "
                "posture that are not negative.",
            )
