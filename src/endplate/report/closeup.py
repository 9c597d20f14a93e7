"""One vertebra close up: heights and endplates in a sagittal cut, pedicles in two cuts at the isthmus."""

from __future__ import annotations

import math

import numpy as np

from endplate.anatomy.model import Endplate, HeightLine, Pedicle, Spine, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.papers.words import number, quantity
from endplate.report import style
from endplate.report.axes import Axes, frame_axes
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, square_to, unit

WIDTH_PX = 345.0
PIXEL_MM = 0.3
SAGITTAL_MM = (92.0, 76.0)
"""Width and height of the sagittal cut."""

SAGITTAL_BEHIND_MM = 7.0
"""The sagittal cut is centred this far behind the body centre, so that the canal is in view."""

AXIAL_MM = (92.0, 76.0)
CORONAL_MM = (92.0, 62.0)
BEYOND_MM = 9.0
"""How far an endplate line runs beyond the body in front; the wedge angle is written there."""

AXIS_BEHIND_MM, AXIS_AHEAD_MM = 16.0, 26.0
"""Drawn length of a pedicle axis from its isthmus toward the skin and into the body."""

PARALLEL_RAD = 1e-4
"""Two endplates closer to parallel than this have no apex worth drawing."""


def closeup_figures(scene: Scene, spine: Spine, vertebra: Vertebra, *, full: bool = True) -> list[Figure]:
    """The pictures of one level; empty where there is nothing to draw or the level has no frame.

    ``full`` adds the cut across the pedicles, for a level that may be treated.
    """
    if scene.empty or vertebra.frame is None:
        return []
    axes = frame_axes(vertebra.frame)
    figures = [sagittal_figure(scene, spine, vertebra, axes)]
    if vertebra.pedicles.left is not None or vertebra.pedicles.right is not None:
        figures.append(axial_figure(scene, spine, vertebra, axes))
        if full:
            figures.append(coronal_figure(scene, spine, vertebra, axes))
    return figures


def sagittal_figure(scene: Scene, spine: Spine, vertebra: Vertebra, axes: Axes) -> Figure:
    """Mid-sagittal cut in the vertebra's own frame with height lines, endplates and wedge angle."""
    plane = Plane(
        axes.origin - SAGITTAL_BEHIND_MM * axes.anterior, -axes.anterior, -axes.superior, *SAGITTAL_MM
    )
    picture = _start(scene, spine, vertebra, plane, f"Sagittal cut through the middle of {vertebra.level}.")
    front = _endplate_lines(picture, vertebra, plane, axes)
    lines, heights = vertebra.height_lines, vertebra.heights_mm
    for name, line, height in (
        ("ant", lines.anterior, heights.anterior),
        ("mid", lines.middle, heights.middle),
        ("post", lines.posterior, heights.posterior),
    ):
        if line is not None:
            _height_line(picture, line, name, height)
    if front is not None and vertebra.wedge_angle_deg is not None:
        words = f"{number(vertebra.wedge_angle_deg)}°"
        picture.write(
            (front[0], front[1] - 9.0),
            words,
            colour=style.ENDPLATE,
            size=13,
            weight="700",
        )
    legend = [(style.HEIGHT, "measured heights, mm"), (style.ENDPLATE, "fitted endplates and wedge angle")]
    legend.append((style.OUTLINE, f"outline of the label {vertebra.level}"))
    caption = (
        f"{vertebra.level} in its own frame. Wedge angle {quantity(vertebra.wedge_angle_deg, '°')} "
        "(positive: lower in front)."
    )
    return picture.figure(caption, heading="Sagittal: heights and wedge", legend=legend)


def axial_figure(scene: Scene, spine: Spine, vertebra: Vertebra, axes: Axes) -> Figure:
    """Cut along both pedicles at their isthmus, with axes, widths and inscribed circles."""
    pedicles = _known(vertebra)
    centre = np.mean([np.array(pedicle.isthmus_ras_mm) for _, pedicle in pedicles], axis=0)
    rise = math.radians(float(np.mean([pedicle.sagittal_deg for _, pedicle in pedicles])))
    forward = math.cos(rise) * axes.anterior + math.sin(rise) * axes.superior
    across = axes.right
    if len(pedicles) == 2:
        ends = {side: np.array(pedicle.isthmus_ras_mm) for side, pedicle in pedicles}
        across = square_to(ends["right"] - ends["left"], forward)
    middle = centre - across * float((centre - axes.origin) @ across) + 8.0 * forward
    plane = Plane(middle, -across, -square_to(forward, across), *AXIAL_MM)
    picture = _start(scene, spine, vertebra, plane, f"Axial cut through the pedicles of {vertebra.level}.")
    for side, pedicle in pedicles:
        isthmus, axis = np.array(pedicle.isthmus_ras_mm), unit(pedicle.axis_ras)
        axis = axis * (1.0 if axis @ axes.anterior >= 0.0 else -1.0)
        picture.line(
            isthmus - AXIS_BEHIND_MM * axis,
            isthmus + AXIS_AHEAD_MM * axis,
            colour=style.PEDICLE,
            width=1.4,
            dash="6 4",
        )
        picture.drawing.polyline(
            picture.path(_circle(isthmus, plane.normal_ras, pedicle.inscribed_diameter_mm)),
            stroke=style.PEDICLE,
            stroke_width=2.0,
        )
        wide = square_to(square_to(across, axis), plane.normal_ras)
        half = 0.5 * pedicle.width_mm * wide
        picture.line(isthmus - half, isthmus + half, colour=style.HEIGHT, width=2.2)
        x, y = picture.at(isthmus)
        outward = -1.0 if side == "right" else 1.0
        words = f"{number(pedicle.width_mm)} mm"
        picture.write((x + outward * 56, y + 4), words, colour=style.HEIGHT, size=12.5, weight="700")
        picture.write(
            (x + outward * 56, y + 19), f"{number(pedicle.transverse_deg)}°", colour=style.PEDICLE, size=12
        )
    legend = [
        (style.HEIGHT, "width at the isthmus, mm"),
        (style.PEDICLE, "inscribed circle, axis and its convergence"),
    ]
    caption = f"Along the pedicles of {vertebra.level}, through the narrowest section of each."
    return picture.figure(caption, heading="Axial: pedicle widths and axes", legend=legend)


def coronal_figure(scene: Scene, spine: Spine, vertebra: Vertebra, axes: Axes) -> Figure:
    """Cut across both pedicles at their isthmus, with the inscribed circles as they lie in space."""
    pedicles = _known(vertebra)
    centre = np.mean([np.array(pedicle.isthmus_ras_mm) for _, pedicle in pedicles], axis=0)
    middle = centre - axes.right * float((centre - axes.origin) @ axes.right)
    plane = Plane(middle, -axes.right, -axes.superior, *CORONAL_MM)
    picture = _start(scene, spine, vertebra, plane, f"Coronal cut across the pedicles of {vertebra.level}.")
    for _, pedicle in pedicles:
        isthmus = np.array(pedicle.isthmus_ras_mm)
        if pedicle.outline_ras_mm:
            ring = picture.path(np.array((*pedicle.outline_ras_mm, pedicle.outline_ras_mm[0])))
            picture.drawing.polyline(ring, stroke=style.HEIGHT, stroke_width=1.4, stroke_opacity=0.9)
        circle = picture.path(_circle(isthmus, np.array(pedicle.axis_ras), pedicle.inscribed_diameter_mm))
        picture.drawing.polyline(circle, stroke=style.PEDICLE, stroke_width=2.2)
        x, y = picture.at(isthmus)
        below = y + 0.5 * max(pedicle.height_mm, pedicle.inscribed_diameter_mm) * picture.px_per_mm + 20.0
        words = f"Ø {number(pedicle.inscribed_diameter_mm)} mm"
        picture.write((x, below), words, colour=style.PEDICLE, size=12.5, weight="700")
    legend = [(style.PEDICLE, "inscribed circle, mm"), (style.HEIGHT, "outline of the isthmus section")]
    caption = (
        f"Across the pedicles of {vertebra.level} at the isthmus. Circles and outlines lie square to each "
        "pedicle's axis and are seen from the front."
    )
    return picture.figure(caption, heading="Coronal: room in the pedicles", legend=legend)


def _start(scene: Scene, spine: Spine, vertebra: Vertebra, plane: Plane, alt: str) -> Picture:
    """A picture with the CT and the outlines of this level and, without a CT, of its neighbours."""
    picture = Picture(scene, plane, width_px=WIDTH_PX, alt=alt)
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    if scene.image is None:
        for other in spine.levels:
            if other.level != vertebra.level:
                picture.label(other.label_id, chosen=False)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    return picture


def _endplate_lines(
    picture: Picture, vertebra: Vertebra, plane: Plane, axes: Axes
) -> tuple[float, float] | None:
    """Draw both endplates where their planes cut the picture; returns where to write their angle."""
    ends = []
    depth = vertebra.body_depth_mm or 30.0
    for endplate in (vertebra.endplates.superior, vertebra.endplates.inferior):
        if endplate is None:
            continue
        centre, along = _trace(endplate, plane, axes)
        front, back = centre + (depth / 2.0 + BEYOND_MM) * along, centre - (depth / 2.0 + 2.0) * along
        dash = None if endplate.trust == "trusted" else "5 4"
        picture.line(back, front, colour=style.ENDPLATE, width=1.8, dash=dash)
        ends.append(picture.at(front))
    if len(ends) < 2:
        return None
    (x0, y0), (x1, y1) = ends  # superior, inferior
    picture.drawing.line((x0, y0), (x1, y1), stroke=style.ENDPLATE, stroke_width=1.2, stroke_dasharray="2 3")
    return x0, min(y0, y1)


def _trace(endplate: Endplate, plane: Plane, axes: Axes) -> tuple[FloatArray, FloatArray]:
    """Point and forward direction of the line in which an endplate's plane cuts the picture."""
    normal = unit(endplate.normal_ras)
    along = np.cross(normal, plane.normal_ras)
    along = unit(along)
    along = along if along @ axes.anterior >= 0.0 else -along
    centre = np.array(endplate.centre_ras_mm)
    # The fitted centre may lie beside the picture: slide it within its own plane onto the picture.
    slide = square_to(plane.normal_ras, normal)
    centre = centre - slide * float(plane.depth_mm(centre)) / float(slide @ plane.normal_ras)
    return centre, along


def _height_line(picture: Picture, line: HeightLine, name: str, height: float | None) -> None:
    top, foot = np.array(line.superior_ras_mm), np.array(line.inferior_ras_mm)
    picture.line(top, foot, colour=style.HEIGHT, width=2.2)
    for end in (top, foot):
        picture.marker(end, colour=style.HEIGHT, radius=2.6)
    x, y = picture.at(top)
    picture.write((x, y - 9.0), number(height), colour=style.HEIGHT, size=13, weight="700")
    x, y = picture.at(foot)
    picture.write((x, y + 17.0), name, colour=style.HEIGHT, size=10.5)


def _circle(centre: FloatArray, normal: FloatArray, diameter_mm: float) -> FloatArray:
    """Points of a circle square to ``normal``, shape (49, 3), RAS mm."""
    axis = unit(normal)
    first = square_to(np.eye(3)[int(np.argmin(np.abs(axis)))], axis)
    second = np.cross(axis, first)
    turn = np.linspace(0.0, 2.0 * math.pi, 49)[:, None]
    return np.asarray(
        centre + 0.5 * diameter_mm * (np.cos(turn) * first + np.sin(turn) * second), dtype=np.float64
    )


def _known(vertebra: Vertebra) -> list[tuple[str, Pedicle]]:
    pairs = (("right", vertebra.pedicles.right), ("left", vertebra.pedicles.left))
    return [(side, pedicle) for side, pedicle in pairs if pedicle is not None]
