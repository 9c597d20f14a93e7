"""The needle path in two cuts that contain its axis, the cannula drawn at its true diameter."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike

from endplate.anatomy.model import Spine, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.papers.svg import Point
from endplate.papers.words import number
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, frame_axes
from endplate.report.picture import Box, Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, square_to, unit

WIDTH_PX = 345.0
SIZE_MM = (100.0, 64.0)
PIXEL_MM = 0.32
SHAFT_MM = 60.0
"""Drawn length of the cannula outside the bone where the skin is not in view."""

LABEL_OFFSETS_PX = (40.0, -40.0, 56.0, -56.0, 72.0, -72.0, 88.0)
"""Distances from the needle at which a word may stand, tried in turn until it covers no other word."""

LABEL_SLIDES_PX = (0.0, 18.0, -18.0, 36.0, -36.0)
"""How far along the needle from its mark a word may stand besides."""

LABEL_SIZE = 12.5


@dataclass(frozen=True)
class CutStyle:
    """How large the cuts along a needle are, and whether their marks are named on the picture."""

    width_px: float = WIDTH_PX
    size_mm: tuple[float, float] = SIZE_MM
    named: bool = True


FULL = CutStyle()
LEGEND = (
    (style.NEEDLE, "cannula at its true width"),
    (style.PEDICLE, "isthmus"),
    (style.WALL, "crossing of the posterior wall"),
    (style.OUTLINE, "outline of the label"),
)


def needle_figures(
    scene: Scene, spine: Spine, vertebra: Vertebra, path: NeedlePath, look: CutStyle = FULL
) -> list[Figure]:
    """Axial-oblique and sagittal-oblique cuts along one needle; empty where there is nothing to draw."""
    if scene.empty:
        return []
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    forward = _forward(path)
    middle = 0.4 * np.array(path.entry_ras_mm) + 0.6 * np.array(path.tip_ras_mm)
    centred = middle
    if vertebra.frame is not None:
        centred = middle - axes.right * float((middle - axes.origin) @ axes.right)
    # Each plane holds the needle axis and one axis of the vertebra exactly.
    axial = Plane(centred, -axes.right, -square_to(forward, axes.right), *look.size_mm)
    sagittal = Plane(middle, -square_to(forward, axes.superior), -axes.superior, *look.size_mm)
    convergence = f"Convergence {number(path.convergence_deg)}°."
    return [
        _figure(scene, spine, vertebra, path, axial, "axial-oblique", convergence, look),
        _figure(scene, spine, vertebra, path, sagittal, "sagittal-oblique", _slope(path), look),
    ]


def _figure(
    scene: Scene,
    spine: Spine,
    vertebra: Vertebra,
    path: NeedlePath,
    plane: Plane,
    cut: str,
    caption: str,
    look: CutStyle,
) -> Figure:
    level = vertebra.level
    picture = Picture(
        scene,
        plane,
        width_px=look.width_px,
        small=not look.named,
        alt=f"{cut.capitalize()} cut along the {path.side} needle at {level}.",
    )
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    for other in spine.levels:
        if other.level != level:
            picture.label(other.label_id, chosen=False)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    _cannula(picture, path, plane)
    _marks(picture, path, plane, named=look.named)
    return picture.figure(caption, heading=f"{level} {path.side}: {cut}")


def _forward(path: NeedlePath) -> FloatArray:
    return unit(np.array(path.tip_ras_mm) - np.array(path.entry_ras_mm))


def _slope(path: NeedlePath) -> str:
    if number(path.craniocaudal_deg) == number(0.0):
        return "Level: neither toward the head nor the feet."
    way = "head" if path.craniocaudal_deg > 0.0 else "feet"
    return f"{number(abs(path.craniocaudal_deg))}° toward the {way} going forward."


def _cannula(picture: Picture, path: NeedlePath, plane: Plane) -> None:
    """The cannula as a bar of its true diameter, and what reaches beyond it for a balloon."""
    forward = _forward(path)
    start = np.array(path.entry_ras_mm) - SHAFT_MM * forward
    if path.skin_ras_mm is not None:
        start = np.array(path.skin_ras_mm)
    balloon = path.kyphoplasty
    end = np.array(path.tip_ras_mm if balloon is None else balloon.cannula_end_ras_mm)
    across = np.cross(forward, plane.normal_ras) * path.outer_diameter_mm / 2.0
    bar = picture.path(np.array([start + across, end + across, end - across, start - across]))
    picture.drawing.polygon(
        bar, fill=style.NEEDLE, fill_opacity=0.42, stroke=style.NEEDLE, stroke_width=1.6, class_="cannula"
    )
    picture.line(start, np.array(path.tip_ras_mm), colour="#ffffff", width=0.8, dash="3 3")
    if balloon is None:
        return
    channel = np.array(balloon.channel_end_ras_mm)
    picture.line(end, channel, colour=style.NEEDLE, width=1.4)
    for marker in balloon.balloon_markers_ras_mm:
        picture.marker(marker, colour=style.ON_DARK, radius=2.5)


def _marks(picture: Picture, path: NeedlePath, plane: Plane, *, named: bool) -> None:
    """Entry, isthmus, posterior wall and tip, each with its word beside the needle."""
    across = np.cross(_forward(path), plane.normal_ras)
    half = (0.5 * path.outer_diameter_mm + 3.6) * across
    wall = np.array(path.posterior_wall_ras_mm)
    picture.line(wall - half, wall + half, colour=style.WALL, width=2.4)
    aside = np.array(picture.at(wall + across)) - np.array(picture.at(wall))
    aside = aside / float(np.linalg.norm(aside))
    if aside[0] < -0.5 or (abs(aside[0]) <= 0.5 and aside[1] < 0.0):
        aside = -aside
    marks: tuple[tuple[str, ArrayLike, str], ...] = (
        ("entry", path.entry_ras_mm, style.ON_DARK),
        ("isthmus", path.isthmus_ras_mm, style.PEDICLE),
        ("posterior wall", path.posterior_wall_ras_mm, style.WALL),
        ("tip", path.tip_ras_mm, style.NEEDLE),
    )
    taken = picture.taken()
    for words, place, colour in marks:
        picture.marker(place, colour=colour, radius=3.5 if named else 2.2)
        if not named:
            continue
        x, y = picture.at(place)
        at = _free_place(picture, (x, y), aside, words, taken)
        picture.drawing.line((x, y), (at[0], at[1] - 4), stroke=colour, stroke_width=1, stroke_opacity=0.8)
        picture.write(at, words, colour=colour, size=LABEL_SIZE, weight="600")


def _free_place(picture: Picture, start: Point, aside: FloatArray, words: str, taken: list[Box]) -> Point:
    """Where to centre a word beside the needle: the nearest place that covers no earlier word."""
    half = 0.3 * LABEL_SIZE * len(words) + 2.0
    across = np.array(aside)
    along = np.array([across[1], -across[0]])
    for offset, slide in product(LABEL_OFFSETS_PX, LABEL_SLIDES_PX):
        shift = offset + np.sign(offset) * half * abs(across[0])
        x, y = np.array(start) + shift * across + slide * along + [0.0, 4.0]
        box = (x - half, y - LABEL_SIZE, x + half, y + 3.0)
        inside = (
            box[0] >= 0
            and box[1] >= 0
            and box[2] <= picture.drawing.width
            and box[3] <= picture.drawing.height
        )
        if inside and not any(_overlap(box, other) for other in taken):
            break
    taken.append(box)
    return float(x), float(y)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
