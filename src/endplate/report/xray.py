"""The X-ray pages of the report: views of each planned level, the checkpoints, and a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from endplate.fluoroscopy.album import LevelXrays, XrayPicture, Xrays
from endplate.papers.page import environment
from endplate.papers.svg import Drawing
from endplate.report import style
from endplate.sources import Finding

WIDTH_PX = 320.0
"""Nominal width of a picture on the page."""

DATA = "data:image/png;base64,"


@dataclass(frozen=True)
class XrayFigure:
    """One picture for the page."""

    svg: Markup
    heading: str
    caption: str
    angles: str


@dataclass(frozen=True)
class XrayStop:
    """AP and lateral of one checkpoint of one needle."""

    heading: str
    pictures: tuple[XrayFigure, ...]


@dataclass(frozen=True)
class XraySection:
    """The X-ray pages of one level.

    Parameters
    ----------
    level:
        Its name.
    views:
        AP, lateral and the bull's-eyes.
    stops:
        Checkpoints in the order of the way in, needle by needle.
    sheet:
        The contact sheet.
    findings:
        What there is to say of reaching the views, each once.
    """

    level: str
    views: tuple[XrayFigure, ...]
    stops: tuple[XrayStop, ...]
    sheet: Markup
    findings: tuple[Finding, ...]


def xray_pages(kept: Xrays | None) -> list[XraySection]:
    """The X-ray sections of a report, one for each planned level; none where no pictures were taken."""
    return [] if kept is None else [_section(level) for level in kept.levels]


def xray_html(sections: Sequence[XraySection]) -> Markup:
    """The sections as a fragment of the report; empty without one."""
    if not sections:
        return Markup("")
    text = environment("endplate.report").get_template("xray.html").render(sections=sections)
    return Markup(text)


def _section(level: LevelXrays) -> XraySection:
    pairs: list[XrayStop] = []
    for first, second in zip(level.stops[::2], level.stops[1::2], strict=True):
        pairs.append(XrayStop(first.name, (_figure(first, level.level), _figure(second, level.level))))
    found = [one for picture in level.views for one in picture.findings]
    wide, high = level.sheet_size
    sheet = Drawing(
        float(wide), float(high), alt=f"Contact sheet of simulated X-ray pictures of {level.level}."
    )
    sheet.image(DATA + level.sheet_base64, (0.0, 0.0), sheet.width, sheet.height)
    return XraySection(
        level=level.level,
        views=tuple(_figure(picture, level.level) for picture in level.views),
        stops=tuple(pairs),
        sheet=sheet.markup("picture sheet"),
        findings=tuple(dict.fromkeys(found)),
    )


def _figure(picture: XrayPicture, level: str) -> XrayFigure:
    scale = WIDTH_PX / picture.width
    drawing = Drawing(
        WIDTH_PX,
        picture.height * scale,
        alt=f"Simulated X-ray of {level}: {picture.name}, {picture.kind}. {picture.angles}",
    )
    drawing.image(DATA + picture.png_base64, (0.0, 0.0), drawing.width, drawing.height)
    if picture.ring_px:
        ring = [((x + 0.5) * scale, (y + 0.5) * scale) for x, y in picture.ring_px]
        drawing.polygon(ring, fill="none", stroke=style.HALO, stroke_width=2.6, stroke_opacity=0.6)
        drawing.polygon(ring, fill="none", stroke=style.PEDICLE, stroke_width=1.4)
    kinds = {"ap": "AP", "lateral": "Lateral", "bullseye": picture.name}
    return XrayFigure(
        svg=drawing.markup("picture xray"),
        heading=kinds[picture.kind],
        caption=picture.caption,
        angles=picture.angles,
    )
