"""The pedicle with the needle's cross-section and its four margins, drawn to scale with numbers."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.model import Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.papers.svg import Anchor, Drawing, Point
from endplate.papers.words import number
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, frame_axes
from endplate.report.needle_across import across_plane
from endplate.report.picture import Figure
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, square_to

WIDTH_PX = 172.0
SIZE_MM = (32.0, 21.7)
BONE_FILL, BONE_EDGE = "#efe6d2", "#6b5f48"
ARROW = "#0b5d94"
TOO_CLOSE = "#b23c00"
TEXT_SIZE = 11.5
SMALL_SIZE = 9.0
TICK_MM = 0.9
"""Half length of the tick at the end of a margin."""

WORD_GAP_PX = 5.0


def pedicle_section(scene: Scene, vertebra: Vertebra, path: NeedlePath) -> Figure:
    """The label's outline square to the needle at the isthmus, the cannula, and the margins as lines to scale.

    The margins are those of the plan, the least from entry to posterior wall, so a line may end before the outline:
    there the bone is narrower at another depth.
    """
    plane = across_plane(vertebra, path, SIZE_MM)
    scale = WIDTH_PX / SIZE_MM[0]
    letters = plane.letters
    margins = path.margins_mm
    drawing = Drawing(
        WIDTH_PX,
        SIZE_MM[1] * scale,
        alt=f"Section of the {path.side} pedicle of {vertebra.level} with the cannula: "
        f"medial {number(margins.medial)}, lateral {number(margins.lateral)}, superior {number(margins.superior)}, "
        f"inferior {number(margins.inferior)} mm. Edges: left {letters.left}, right {letters.right}, "
        f"top {letters.top}, bottom {letters.bottom}.",
    )
    drawing.rect(
        (0.5, 0.5),
        drawing.width - 1.0,
        drawing.height - 1.0,
        fill="#ffffff",
        stroke="#ced4da",
        stroke_width=1,
    )
    rings = [
        [(float(x), float(y)) for x, y in ring * scale] for ring in scene.outlines(plane, vertebra.label_id)
    ]
    drawing.rings(rings, fill=BONE_FILL, stroke=BONE_EDGE, stroke_width=1.6)
    middle = (drawing.width / 2.0, drawing.height / 2.0)
    drawing.circle(
        middle, 0.5 * path.outer_diameter_mm * scale, fill=style.NEEDLE, stroke="#7a5200", stroke_width=1.2
    )
    for name, way in _directions(vertebra, path, plane).items():
        _margin(drawing, path, name, way, scale)
    _letters(drawing, plane)
    return Figure(
        svg=drawing.markup("picture"),
        caption="Least to the posterior wall (less uncertainty)."
        if path.approach == "transpedicular"
        else "Least along the needle (less uncertainty).",
        heading=f"{vertebra.level} {path.side}: margins to scale",
    )


def _directions(vertebra: Vertebra, path: NeedlePath, plane: Plane) -> dict[str, FloatArray]:
    """Unit directions of the four margins on the drawing (x right, y down)."""
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    forward = plane.normal_ras
    outward = axes.right if path.side == "right" else -axes.right
    lateral = square_to(outward, forward)
    head = np.cross(forward, lateral)
    head = head if float(head @ axes.superior) >= 0.0 else -head
    drawn = {
        "lateral": lateral,
        "medial": -lateral,
        "superior": head,
        "inferior": -head,
    }
    return {name: np.array([way @ plane.right_ras, way @ plane.down_ras]) for name, way in drawn.items()}


def _margin(drawing: Drawing, path: NeedlePath, name: str, way: FloatArray, scale: float) -> None:
    """One margin: a line from the cannula's surface, a tick at its end, and its numbers beyond."""
    raw, derated = getattr(path.margins_mm, name), getattr(path.margins_derated_mm, name)
    middle = np.array([drawing.width, drawing.height]) / 2.0
    start = middle + 0.5 * path.outer_diameter_mm * scale * way
    end = start + raw * scale * way
    colour = TOO_CLOSE if raw < 0.0 else ARROW
    tick = TICK_MM * scale * np.array([-way[1], way[0]])
    drawing.line(_point(start), _point(end), stroke=colour, stroke_width=1.8)
    drawing.line(_point(end - tick), _point(end + tick), stroke=colour, stroke_width=1.8)
    at = np.clip(end + WORD_GAP_PX * way, [26.0, 31.0], [drawing.width - 26.0, drawing.height - 31.0])
    anchor: Anchor = "middle" if abs(way[1]) > abs(way[0]) else ("start" if way[0] > 0.0 else "end")
    rows = (number(raw), f"({number(derated)})")
    if anchor == "middle":
        down = at[1] + (TEXT_SIZE if way[1] > 0.0 else -2.0)
        words = f"{rows[0]} {rows[1]}"
        drawing.text(
            (at[0], down),
            words,
            size=TEXT_SIZE,
            anchor=anchor,
            halo="#ffffff",
            fill=colour,
            font_weight="700",
        )
        return
    drawing.text(
        (at[0], at[1] - 1.0),
        rows[0],
        size=TEXT_SIZE,
        anchor=anchor,
        halo="#ffffff",
        fill=colour,
        font_weight="700",
    )
    drawing.text((at[0], at[1] + 10.0), rows[1], size=SMALL_SIZE, anchor=anchor, halo="#ffffff", fill=colour)


def _letters(drawing: Drawing, plane: Plane) -> None:
    letters, width, height = plane.letters, drawing.width, drawing.height
    places: tuple[tuple[str, Point, Anchor], ...] = (
        (letters.left, (4.0, height / 2.0 - 14.0), "start"),
        (letters.right, (width - 4.0, height / 2.0 - 14.0), "end"),
        (letters.top, (width / 2.0, 13.0), "middle"),
        (letters.bottom, (width / 2.0, height - 4.0), "middle"),
    )
    for letter, at, anchor in places:
        drawing.text(
            at,
            letter,
            size=12.0,
            anchor=anchor,
            halo="#ffffff",
            fill=style.INK,
            font_weight="700",
            class_="orientation",
        )


def _point(xy: FloatArray) -> Point:
    return float(xy[0]), float(xy[1])
