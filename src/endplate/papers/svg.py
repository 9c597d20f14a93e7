"""A small SVG drawing: shapes and text in the order they are drawn, every text escaped, no ids, no dates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from markupsafe import Markup, escape

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]


def fixed(value: float) -> str:
    """Write a coordinate with at most two decimals; the same number always gives the same letters."""
    text = f"{float(value):.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def attributes(**values: object) -> str:
    """Write attributes; ``stroke_width`` becomes ``stroke-width``, ``None`` is left out."""
    parts = []
    for name, value in values.items():
        if value is None:
            continue
        written = fixed(value) if isinstance(value, float | int) else str(value)
        parts.append(f' {name.rstrip("_").replace("_", "-")}="{escape(written)}"')
    return "".join(parts)


class Drawing:
    """An SVG picture of ``width`` × ``height`` units; one unit is one CSS pixel at its nominal size.

    Parameters
    ----------
    width, height:
        Size in units; also the nominal size on the page (it shrinks to fit).
    alt:
        What the picture shows, for those who cannot see it.
    """

    def __init__(self, width: float, height: float, *, alt: str) -> None:
        self.width = float(width)
        self.height = float(height)
        self.alt = alt
        self._parts: list[str] = []

    def element(self, tag: str, **style: object) -> None:
        """Add an element without content."""
        self._parts.append(f"<{tag}{attributes(**style)}/>")

    def line(self, start: Point, end: Point, **style: object) -> None:
        """Add a straight line."""
        self.element("line", x1=start[0], y1=start[1], x2=end[0], y2=end[1], **style)

    def polyline(self, points: Iterable[Point], **style: object) -> None:
        """Add a line through points."""
        self.element("polyline", points=_points(points), fill=style.pop("fill", "none"), **style)

    def polygon(self, points: Iterable[Point], **style: object) -> None:
        """Add a closed shape."""
        self.element("polygon", points=_points(points), **style)

    def rings(self, rings: Iterable[Iterable[Point]], **style: object) -> None:
        """Add closed outlines as one shape; an outline within another is a hole."""
        data = "".join("M" + "L".join(f"{fixed(x)} {fixed(y)}" for x, y in ring) + "Z" for ring in rings)
        if data:
            self.element("path", d=data, fill_rule="evenodd", **style)

    def circle(self, centre: Point, radius: float, **style: object) -> None:
        """Add a circle."""
        self.element("circle", cx=centre[0], cy=centre[1], r=radius, **style)

    def rect(self, corner: Point, width: float, height: float, **style: object) -> None:
        """Add an upright rectangle by its upper left corner."""
        self.element("rect", x=corner[0], y=corner[1], width=width, height=height, **style)

    def image(self, uri: str, corner: Point, width: float, height: float) -> None:
        """Add a raster picture, stretched to the given size."""
        self.element(
            "image",
            x=corner[0],
            y=corner[1],
            width=width,
            height=height,
            preserveAspectRatio="none",
            href=uri,
        )

    def text(
        self,
        at: Point,
        content: str,
        *,
        size: float = 12.0,
        anchor: Anchor = "start",
        halo: str | None = None,
        **style: object,
    ) -> None:
        """Add a text by its baseline; ``halo`` is the colour of a rim behind it, for text on a picture."""
        rim: dict[str, object] = {}
        if halo is not None:
            rim = {
                "stroke": halo,
                "stroke_width": size / 4.0,
                "stroke_linejoin": "round",
                "paint_order": "stroke",
            }
        place = attributes(x=at[0], y=at[1], font_size=size, text_anchor=anchor, **rim, **style)
        self._parts.append(f"<text{place}>{escape(content)}</text>")

    def markup(self, css_class: str = "drawing") -> Markup:
        """The whole picture as inline SVG."""
        root = attributes(
            class_=css_class,
            role="img",
            aria_label=self.alt,
            width=self.width,
            height=self.height,
            viewBox=f"0 0 {fixed(self.width)} {fixed(self.height)}",
        )
        return Markup(f"<svg{root}>{''.join(self._parts)}</svg>")


def _points(points: Iterable[Point]) -> str:
    return " ".join(f"{fixed(x)},{fixed(y)}" for x, y in points)
