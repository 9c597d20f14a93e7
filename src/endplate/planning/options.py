"""What the user may ask of a plan."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.devices.cannulas import cannula
from endplate.errors import UsageError

TECHNIQUES = ("vertebroplasty", "kyphoplasty")
"""Techniques a plan can name."""

ACCESSES = ("bipedicular", "unipedicular")
"""Accesses a plan can be asked for."""


@dataclass(frozen=True)
class PlanOptions:
    """Choices for all levels of one plan; ``None`` leaves a choice to the planner.

    Raises
    ------
    UsageError
        An unknown technique, access or gauge.
    """

    technique: str | None = None
    access: str | None = None
    gauge: str | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        for name, chosen, known in (
            ("technique", self.technique, TECHNIQUES),
            ("access", self.access, ACCESSES),
        ):
            if chosen is not None and chosen not in known:
                raise UsageError(
                    f"{name}-unknown",
                    f"{chosen!r} is not a known {name}.",
                    do=f"Choose one of {', '.join(known)}.",
                )
        if self.gauge is not None:
            cannula(self.gauge)
