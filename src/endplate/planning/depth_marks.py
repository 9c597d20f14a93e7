"""Depths along a needle as the rings of a cannula show them at the skin."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.planning.model import Checkpoint, CheckpointName
from endplate.sources import value


@dataclass(frozen=True)
class DepthMark:
    """One stop on the cannula's rings, which are counted from its tip.

    ``inside_mm`` is the length from the skin to the tip, ``rings_inside`` how many rings have passed the skin, and
    ``past_ring_mm`` how far the last of them is below it.
    """

    name: CheckpointName
    inside_mm: float
    rings_inside: int
    past_ring_mm: float
    spacing_mm: float

    @property
    def text(self) -> str:
        """For the sheet, what is at the skin: ``"ring 7 + 4 mm"``."""
        if self.rings_inside == 0:
            return f"{self.inside_mm:.0f} mm inside, no ring yet"
        more = round(self.past_ring_mm)
        return f"ring {self.rings_inside}" + (f" + {more} mm" if more else "")


def ring_spacing_mm() -> float:
    """Distance of a cannula's rings where the device in hand says nothing else."""
    return float(value("room.cannula_ring_mm"))


def depth_marks(stops: tuple[Checkpoint, ...], spacing_mm: float | None = None) -> tuple[DepthMark, ...]:
    """Which ring of the cannula is at the skin at each stop; empty where the skin is not in view.

    Parameters
    ----------
    stops:
        The stops of one needle.
    spacing_mm:
        Distance of the rings; ``None``: ``room.cannula_ring_mm``.
    """
    spacing = ring_spacing_mm() if spacing_mm is None else spacing_mm
    marks = []
    for stop in stops:
        if stop.skin_depth_mm is None:
            continue
        # Whole millimetres first, as they are read; so "ring 6 and 10 mm" cannot stand for ring 7.
        inside = round(stop.skin_depth_mm)
        rings = int(inside // spacing)
        marks.append(DepthMark(stop.name, stop.skin_depth_mm, rings, inside - rings * spacing, spacing))
    return tuple(marks)
