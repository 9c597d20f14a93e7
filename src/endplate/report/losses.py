"""Height loss with its interval, from the measured and the expected height and what is uncertain in each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from endplate.anatomy.model import Vertebra
from endplate.sources import value

Part = Literal["anterior", "middle", "posterior"]
PARTS: tuple[Part, ...] = ("anterior", "middle", "posterior")


@dataclass(frozen=True)
class Loss:
    """One height against its expectation; ``low`` and ``high`` bound the loss at 95 %, or are ``None``."""

    part: Part
    measured_mm: float
    expected_mm: float
    measured_sd_mm: float | None
    expected_sd_mm: float | None

    @property
    def share(self) -> float:
        """Measured over expected height."""
        return self.measured_mm / self.expected_mm

    @property
    def loss(self) -> float:
        """Signed loss, as a fraction of the expected height."""
        return 1.0 - self.share

    @property
    def sd(self) -> float | None:
        """Standard uncertainty of the loss, to first order with independent errors."""
        if self.measured_sd_mm is None or self.expected_sd_mm is None:
            return None
        return math.hypot(self.measured_sd_mm, self.share * self.expected_sd_mm) / self.expected_mm

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of the loss."""
        if self.sd is None:
            return None
        half = float(value("report.sd_band")) * self.sd
        return self.loss - half, self.loss + half


def height_loss_of(vertebra: Vertebra, part: Part) -> Loss | None:
    """The loss of one of the three heights, or ``None`` where it or its expectation is unknown."""
    measured = getattr(vertebra.heights_mm, part)
    expected = getattr(vertebra.expected_heights_mm, part)
    if measured is None or not expected:
        return None
    return Loss(
        part=part,
        measured_mm=measured,
        expected_mm=expected,
        measured_sd_mm=getattr(vertebra.heights_uncertainty_mm, part),
        expected_sd_mm=getattr(vertebra.expected_uncertainty_mm, part),
    )


def greatest_loss(vertebra: Vertebra) -> Loss | None:
    """The greatest of the three losses."""
    known = [loss for part in PARTS if (loss := height_loss_of(vertebra, part)) is not None]
    return max(known, key=lambda loss: loss.loss, default=None)
