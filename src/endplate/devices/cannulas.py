"""Bone access cannulas by gauge, and the working cannulas that let a balloon through."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field, model_validator

from endplate.devices.model import Device, DiameterMm, LengthMm, shipped
from endplate.errors import UsageError

NEEDLES = ("cannula.outer_diameter_mm", "cannula.inner_diameter_mm", "cannula.lengths_mm")

ACCESS_SYSTEMS = (
    "kyphoplasty_access.outer_diameter_mm",
    "kyphoplasty_access.inner_diameter_mm",
    "kyphoplasty_access.lengths_mm",
)


class Cannula(Device):
    """One cannula; its surface is what margins are measured from."""

    gauge: Annotated[str, Field(pattern=r"^\d{1,2}G$")]
    outer_diameter_mm: DiameterMm
    inner_diameter_mm: DiameterMm
    lengths_mm: Annotated[tuple[LengthMm, ...], Field(min_length=1)]
    """Usable lengths in which it comes, rising."""

    @model_validator(mode="after")
    def _possible(self) -> Cannula:
        if self.inner_diameter_mm >= self.outer_diameter_mm:
            raise ValueError("the bore is not thinner than the cannula")
        if list(self.lengths_mm) != sorted(self.lengths_mm):
            raise ValueError("the lengths do not rise")
        return self

    @property
    def radius_mm(self) -> float:
        """Half the outer diameter."""
        return 0.5 * self.outer_diameter_mm

    @property
    def longest_mm(self) -> float:
        """The longest usable length."""
        return self.lengths_mm[-1]

    def length_for(self, depth_mm: float) -> float | None:
        """The shortest usable length that reaches a depth from the skin, ``None`` where none does."""
        return next((length for length in self.lengths_mm if length >= depth_mm), None)


@cache
def shipped_cannulas() -> dict[str, Cannula]:
    """Needles of vertebroplasty by gauge."""
    return _by_gauge(NEEDLES)


@cache
def shipped_access_systems() -> dict[str, Cannula]:
    """Working cannulas of kyphoplasty by gauge."""
    return _by_gauge(ACCESS_SYSTEMS)


def cannulas() -> dict[str, Cannula]:
    """All shipped cannulas by gauge, the widest first."""
    return dict(shipped_cannulas())


def cannula(gauge: str) -> Cannula:
    """The shipped cannula of a gauge such as ``"11G"``.

    Raises
    ------
    UsageError
        No such gauge in the catalogue.
    """
    return pick_gauge(gauge, cannulas())


def gauge_name(gauge: str) -> str:
    """A gauge as the catalogue writes it: ``"11"`` and ``" 11g "`` are ``"11G"``."""
    name = gauge.strip().upper()
    return name if name.endswith("G") else f"{name}G"


def pick_gauge(gauge: str, known: dict[str, Cannula]) -> Cannula:
    """One cannula of a catalogue; raises ``UsageError`` for a gauge that is not in it."""
    name = gauge_name(gauge)
    if name not in known:
        raise UsageError(
            "gauge-unknown",
            f"There is no cannula of gauge {gauge!r} in the catalogue.",
            do=f"Choose one of {', '.join(known)}.",
        )
    return known[name]


def _by_gauge(keys: tuple[str, ...]) -> dict[str, Cannula]:
    found = [Cannula(gauge=gauge, **table) for gauge, table in shipped(keys).items()]
    return {tool.gauge: tool for tool in sorted(found, key=lambda tool: -tool.outer_diameter_mm)}
