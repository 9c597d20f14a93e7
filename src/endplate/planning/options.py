"""What the user may ask of a plan."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

from endplate.anatomy.model import Vec3
from endplate.devices.balloons import Balloon
from endplate.devices.cannulas import gauge_name, pick_gauge
from endplate.devices.catalogue import Catalogue, load_catalogue
from endplate.errors import UsageError

TECHNIQUES = ("vertebroplasty", "kyphoplasty")
"""Techniques a plan can name."""

ACCESSES = ("bipedicular", "unipedicular")
"""Accesses a plan can be asked for."""

APPROACHES = ("transpedicular", "parapedicular", "extrapedicular")
"""Corridors a plan can be held to."""


@dataclass(frozen=True)
class GivenPath:
    """A straight path as given: any point of the axis behind the tip, and the tip, RAS mm."""

    name: str
    start_ras_mm: Vec3
    tip_ras_mm: Vec3


@cache
def _shipped() -> Catalogue:
    return load_catalogue()


@dataclass(frozen=True)
class PlanOptions:
    """Choices for all levels of one plan; ``None`` leaves a choice to the planner.

    Parameters
    ----------
    technique, access, approach:
        As the constants above name them.
    gauge:
        Gauge of the cannula, as ``"11G"``.
    balloon:
        Name of a balloon, as ``"15/3"``; means kyphoplasty.
    fracture_weeks:
        Age of the fracture from the history; a CT does not show it.
    reason:
        Why a level is planned where no fracture is seen.
    catalogue:
        The devices to choose from.

    Raises
    ------
    UsageError
        A choice that is not known, or two that contradict each other.
    """

    technique: str | None = None
    access: str | None = None
    gauge: str | None = None
    reason: str | None = None
    approach: str | None = None
    balloon: str | None = None
    fracture_weeks: float | None = None
    catalogue: Catalogue = field(default_factory=_shipped, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name, chosen, known in (
            ("technique", self.technique, TECHNIQUES),
            ("access", self.access, ACCESSES),
            ("approach", self.approach, APPROACHES),
        ):
            if chosen is not None and chosen not in known:
                raise UsageError(
                    f"{name}-unknown",
                    f"{chosen!r} is not a known {name}.",
                    do=f"Choose one of {', '.join(known)}.",
                )
        if self.fracture_weeks is not None and not 0.0 <= self.fracture_weeks < 5000.0:
            raise UsageError(
                "fracture-age-wrong",
                f"{self.fracture_weeks:g} weeks is not an age of a fracture.",
                do="Give the weeks since the pain began, or leave it out.",
            )
        self._check_tools()

    def _check_tools(self) -> None:
        """Gauge, balloon and technique go together."""
        tamp = None if self.balloon is None else self.catalogue.balloon(self.balloon)
        if self.gauge is not None:
            known = dict(self.catalogue.cannulas) | dict(self.catalogue.access_systems)
            pick_gauge(self.gauge, known)
        if tamp is not None and self.technique == "vertebroplasty":
            raise UsageError(
                "technique-balloon",
                f"Vertebroplasty uses no balloon, but the balloon {tamp.name} was named.",
                do="Leave the balloon out, or ask for kyphoplasty.",
            )
        if self.gauge is None or not self.wants_kyphoplasty:
            return
        working = self.catalogue.tool(self.gauge, "kyphoplasty")
        if tamp is not None and tamp not in self.catalogue.balloons_through(working):
            raise UsageError(
                "gauge-too-thin",
                f"The balloon {tamp.name} ({tamp.uninflated_diameter_mm:g} mm folded) does not pass the "
                f"{working.gauge} working cannula (bore {working.inner_diameter_mm:g} mm).",
                do=f"Choose {tamp.access_gauge}, or a balloon for {working.gauge}: {self._passing(working.gauge)}.",
            )

    @property
    def wants_kyphoplasty(self) -> bool:
        """Kyphoplasty was asked for, by name or by naming a balloon."""
        return self.technique == "kyphoplasty" or self.balloon is not None

    @property
    def gauge_named(self) -> str | None:
        """The gauge as the catalogue writes it."""
        return None if self.gauge is None else gauge_name(self.gauge)

    @property
    def balloons(self) -> tuple[Balloon, ...]:
        """Balloons that may be chosen, the longest first."""
        if self.balloon is not None:
            return (self.catalogue.balloon(self.balloon),)
        return tuple(self.catalogue.balloons.values())

    def _passing(self, gauge: str) -> str:
        working = self.catalogue.access_systems[gauge]
        return ", ".join(item.name for item in self.catalogue.balloons_through(working)) or "none"
