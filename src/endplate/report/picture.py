"""One picture: the CT (or the label outlines) on a view, with letters, scale bar and what is drawn on top."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike

from endplate.imaging.geometry import FloatArray
from endplate.papers import png
from endplate.papers.svg import Anchor, Drawing, Point
from endplate.report import style
from endplate.report.scene import Scene, ct_palette
from endplate.report.slicing import SplineOrder, View

SCALE_BARS_MM = (100.0, 50.0, 20.0, 10.0, 5.0)
"""Lengths a scale bar may have: the longest that takes at most a quarter of the picture's width."""

Box = tuple[float, float, float, float]

_EDGE = 5.0
LETTER_SIZE = 17.0
SMALL_LETTER_SIZE = 11.0


@dataclass(frozen=True)
class Figure:
    """A finished picture for the page."""

    svg: Markup
    caption: str
    heading: str = ""
    legend: tuple[tuple[str, str], ...] = ()
    """Colour and meaning of what is drawn on it."""

    source: str = ""
    """Key of the source of what it is compared with."""


class Picture:
    """A picture in the making.

    Parameters
    ----------
    scene:
        What lies behind it.
    view:
        The cut.
    width_px:
        Nominal width in CSS pixels; the height follows from the view.
    alt:
        What it shows, for those who cannot see it; the orientation is added.
    small:
        Small letters and no small print, for a picture of a few centimetres.
    """

    def __init__(self, scene: Scene, view: View, *, width_px: float, alt: str, small: bool = False) -> None:
        self.scene = scene
        self.small = small
        self.view = view
        self.px_per_mm = width_px / view.width_mm
        letters = view.letters
        self.drawing = Drawing(
            width_px,
            view.height_mm * self.px_per_mm,
            alt=f"{alt} Edges: "
            f"left {letters.left}, right {letters.right}, top {letters.top}, bottom {letters.bottom}.",
        )
        self._notes: list[str] = []
        self.drawing.rect((0, 0), self.drawing.width, self.drawing.height, fill="#14181f")

    def at(self, ras_mm: ArrayLike) -> Point:
        """Place of one point in drawing units."""
        x, y = self.view.project(ras_mm) * self.px_per_mm
        return float(x), float(y)

    def path(self, ras_mm: ArrayLike) -> list[Point]:
        """Places of points, shape (N, 3)."""
        return [(float(x), float(y)) for x, y in self.view.project(ras_mm) * self.px_per_mm]

    def ct(self, window: style.Window, *, pixel_mm: float, order: SplineOrder = 1) -> None:
        """Lay the CT underneath; nothing where there is none."""
        if self.scene.image is None:
            return
        indices = self.scene.grey(self.view, window, pixel_mm, order=order)
        uri = png.data_uri(png.encode(indices, ct_palette()))
        self.drawing.image(uri, (0, 0), self.drawing.width, self.drawing.height)
        self._notes.append(window.words)

    def label(
        self, label_id: int, *, chosen: bool, stroke: str | None = None, stroke_width: float = 1.0
    ) -> None:
        """Outline one vertebra; where there is no CT it is filled, the chosen one brighter."""
        fill = "none"
        if self.scene.image is None:
            fill = style.LABEL_FILL if chosen else style.OTHER_LABEL_FILL
        elif stroke is None:
            return
        rings = self.scene.outlines(self.view, label_id)
        self.drawing.rings(
            (_points(ring * self.px_per_mm) for ring in rings),
            fill=fill,
            stroke=stroke or style.OUTLINE,
            stroke_width=stroke_width,
        )

    def line(
        self,
        start_ras_mm: ArrayLike,
        end_ras_mm: ArrayLike,
        *,
        colour: str,
        width: float = 2.0,
        dash: str | None = None,
    ) -> None:
        """Draw a straight line with a thin dark rim, so that it shows on bone and on air."""
        start, end = self.at(start_ras_mm), self.at(end_ras_mm)
        self.drawing.line(start, end, stroke=style.HALO, stroke_width=width + 1.6, stroke_opacity=0.55)
        self.drawing.line(start, end, stroke=colour, stroke_width=width, stroke_dasharray=dash)

    def marker(self, ras_mm: ArrayLike, *, colour: str, radius: float = 3.5) -> None:
        """Mark a point."""
        self.drawing.circle(self.at(ras_mm), radius, fill=colour, stroke=style.HALO, stroke_width=1)

    def write(
        self,
        at: Point,
        words: str,
        *,
        colour: str = style.ON_DARK,
        size: float = 12.0,
        anchor: Anchor = "middle",
        weight: str | None = None,
    ) -> None:
        """Write words with a dark rim, kept inside the picture."""
        room = 0.56 * size * len(words)
        x = at[0] + {"start": room / 2.0, "middle": 0.0, "end": -room / 2.0}[anchor]
        x = min(max(x, room / 2.0 + 2.0), self.drawing.width - room / 2.0 - 2.0)
        y = min(max(at[1], size), self.drawing.height - 3.0)
        self.drawing.text(
            (x, y), words, size=size, anchor="middle", halo=style.HALO, fill=colour, font_weight=weight
        )

    def note(self, words: str) -> None:
        """Add words to the small print in the lower right corner."""
        self._notes.append(words)

    def taken(self) -> list[Box]:
        """Boxes (left, top, right, bottom) of the letters, the scale bar and the small print."""
        width, height = self.drawing.width, self.drawing.height
        half = 0.75 * LETTER_SIZE
        return [
            (0.0, height / 2.0 - half, 2.0 * half, height / 2.0 + half),
            (width - 2.0 * half, height / 2.0 - half, width, height / 2.0 + half),
            (width / 2.0 - half, 0.0, width / 2.0 + half, LETTER_SIZE + 4.0),
            (width / 2.0 - half, height - LETTER_SIZE - 6.0, width / 2.0 + half, height),
            (0.0, height - 30.0, width / 3.0, height),
            (0.6 * width, height - 16.0, width, height),
        ]

    def figure(self, caption: str, *, heading: str = "", legend: Iterable[tuple[str, str]] = ()) -> Figure:
        """Finish the picture: letters, scale bar and small print go on top."""
        self._letters()
        self._scale_bar()
        if self._notes and not self.small:
            at = (self.drawing.width - _EDGE, self.drawing.height - _EDGE)
            self.drawing.text(
                at, " · ".join(self._notes), size=9.5, anchor="end", halo=style.HALO, fill="#dee2e6"
            )
        return Figure(
            svg=self.drawing.markup("picture"), caption=caption, heading=heading, legend=tuple(legend)
        )

    def _letters(self) -> None:
        letters = self.view.letters
        width, height = self.drawing.width, self.drawing.height
        size = SMALL_LETTER_SIZE if self.small else LETTER_SIZE
        middle = height / 2.0 + size * 0.36
        places: tuple[tuple[str, Point, Anchor], ...] = (
            (letters.left, (_EDGE, middle), "start"),
            (letters.right, (width - _EDGE, middle), "end"),
            (letters.top, (width / 2.0, size), "middle"),
            (letters.bottom, (width / 2.0, height - _EDGE), "middle"),
        )
        for letter, at, anchor in places:
            self.drawing.text(
                at,
                letter,
                size=size,
                anchor=anchor,
                halo=style.HALO,
                fill=style.ON_DARK,
                font_weight="700",
                class_="orientation",
            )

    def _scale_bar(self) -> None:
        quarter = self.view.width_mm / 4.0
        length = next((bar for bar in SCALE_BARS_MM if bar <= quarter), SCALE_BARS_MM[-1])
        x, y, run = _EDGE + 3.0, self.drawing.height - 10.0, length * self.px_per_mm
        for colour, width in ((style.HALO, 4.5), (style.ON_DARK, 2.0)):
            self.drawing.polyline(
                ((x, y - 5), (x, y), (x + run, y), (x + run, y - 5)), stroke=colour, stroke_width=width
            )
        self.drawing.text(
            (x + 3.0, y - 7.0),
            f"{length:.0f} mm",
            size=8 if self.small else 11,
            halo=style.HALO,
            fill=style.ON_DARK,
            class_="scale",
        )


def _points(rings: FloatArray) -> list[Point]:
    return [(float(x), float(y)) for x, y in np.asarray(rings)]
