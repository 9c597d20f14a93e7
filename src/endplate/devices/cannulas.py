"""Bone access cannulas by gauge."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.errors import UsageError
from endplate.sources import constant


@dataclass(frozen=True)
class Cannula:
    """One access cannula; ``recalled`` marks a diameter that was not read in a source."""

    gauge: str
    outer_diameter_mm: float
    recalled: bool

    @property
    def radius_mm(self) -> float:
        """Half the outer diameter."""
        return 0.5 * self.outer_diameter_mm


def cannulas() -> dict[str, Cannula]:
    """All cannulas by gauge, the widest first."""
    entry = constant("cannula.outer_diameter_mm")
    recalled = entry.status == "recalled"
    widest_first = sorted(entry.value.items(), key=lambda item: -float(item[1]))
    return {gauge: Cannula(gauge, float(diameter), recalled) for gauge, diameter in widest_first}


def cannula(gauge: str) -> Cannula:
    """Return the cannula of a gauge such as ``"11G"``.

    Raises
    ------
    UsageError
        No such gauge in the catalogue.
    """
    known = cannulas()
    name = gauge.strip().upper()
    name = name if name.endswith("G") else f"{name}G"
    if name not in known:
        raise UsageError(
            "gauge-unknown",
            f"There is no cannula of gauge {gauge!r} in the catalogue.",
            do=f"Choose one of {', '.join(known)}.",
        )
    return known[name]
