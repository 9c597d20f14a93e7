"""Colours and CT windows of the report.

Colours are those of the Okabe–Ito set, told apart with the common colour-vision deficiencies, some lightened
for dark pictures; no meaning rests on colour alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from endplate.sources import value

REQUESTED = "#e69f00"
"""The level the user named (orange)."""

FLAGGED = "#d55e00"
"""A level flagged as fractured (vermillion); on charts it also has its own mark."""

FLAGGED_ON_DARK = "#ff8f5e"
MEASURED = "#0072b2"
"""A measured value on white (blue)."""

ENDPLATE = "#56b4e9"
"""Endplates and angles on a dark picture (sky blue)."""

HEIGHT = "#f0e442"
"""Measured lines on a dark picture (yellow)."""

PEDICLE = "#3fe0b0"
"""Pedicle circles and axes on a dark picture (bluish green)."""

NEEDLE = "#e69f00"
"""The cannula on a dark picture (orange)."""

WALL = "#ff9ed2"
"""The crossing of the posterior wall (reddish purple)."""

INK = "#212529"
QUIET = "#6c757d"
BAND = "#dee2e6"
ON_DARK = "#ffffff"
HALO = "#000000"
OUTLINE = "#adb5bd"

OUTSIDE_RGB = (46, 52, 64)
"""Shown where a cut leaves the scan: slate, so that it is not taken for air."""

LABEL_FILL = "#7f8c9b"
OTHER_LABEL_FILL = "#4b5563"
"""Fill of the chosen and the other vertebrae where there is no CT."""


@dataclass(frozen=True)
class Window:
    """A CT display window: ``width`` HU about ``level`` HU run from black to white."""

    name: str
    width: float
    level: float

    @property
    def words(self) -> str:
        """As printed on a picture."""
        return f"{self.name} window W {self.width:.0f} L {self.level:.0f}"


def window(name: str = "bone") -> Window:
    """One of the presets ``bone`` and ``soft tissue``."""
    width, level = value("report.ct_windows")[name]
    return Window(name=name, width=float(width), level=float(level))
