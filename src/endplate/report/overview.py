"""The labelled views of the whole spine: sagittal and coronal, bent to run through the bodies."""

from __future__ import annotations

import numpy as np
from scipy.interpolate import CubicSpline

from endplate.anatomy.model import Spine, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.report import style
from endplate.report.axes import Axes, frame_axes, spine_axes
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import CurvedView, Plane

MARGIN_MM = 18.0
"""Shown around the labelled vertebrae."""

HALF_WIDTH_MM = 62.0
"""Half width of the coronal view; also how far the sagittal view reaches behind the bodies."""

IN_FRONT_MM = 48.0
CLOSEST_KNOTS_MM = 2.0
"""Body centres less far below each other than this count as one point of the curve."""

TRIM_STEP_MM = 2.0
LETTER_ROOM_MM = 10.0
"""Kept above and below the scan for the orientation letters."""

RUN_OUT_MM = 25.0
HEIGHT_PX = 800.0
"""Height of the views on a page of their own."""

PAGE_PX = 750.0
"""Room for views and chart together on one printed page."""

LEAST_PX = 480.0
"""Views that would be lower than this to share a page with the chart get a page of their own."""

BOTH_WIDTHS_PX = 685.0
"""Room for both views side by side; they share one scale, so that the levels line up."""

PIXEL_MM = 0.55


def overview_figures(
    scene: Scene, spine: Spine, requested: tuple[str, ...], *, chart_px: float = 0.0
) -> list[Figure]:
    """Sagittal and coronal views with level names; empty with nothing to draw or no level to follow.

    ``chart_px`` is the height of the chart that follows, to share a printed page with it where both fit.
    """
    if scene.empty or not any(vertebra.frame for vertebra in spine.levels):
        return []
    sagittal, coronal = overview_views(scene, spine)
    height_px = PAGE_PX - chart_px if PAGE_PX - chart_px >= LEAST_PX else HEIGHT_PX
    scale = min(height_px / sagittal.height_mm, BOTH_WIDTHS_PX / (sagittal.width_mm + coronal.width_mm))
    names = ", ".join(vertebra.level for vertebra in spine.levels)
    return [
        _figure(scene, spine, view, requested, heading, f"{heading} view of {names}.", lost, scale)
        for view, heading, lost in (
            (sagittal, "Sagittal", "sideways bends"),
            (coronal, "Coronal", "forward and backward bends"),
        )
    ]


def overview_views(scene: Scene, spine: Spine) -> tuple[CurvedView, CurvedView]:
    """The sagittal and the coronal view, bent to run through every body centre."""
    axes = spine_axes(spine)
    front_and_back, aside = (IN_FRONT_MM, HALF_WIDTH_MM), (HALF_WIDTH_MM, HALF_WIDTH_MM)
    sagittal = _follow(scene, spine, axes, right=-axes.anterior, reach=front_and_back)
    coronal = _follow(scene, spine, axes, right=-axes.right, reach=aside)
    return sagittal, coronal


def _follow(
    scene: Scene,
    spine: Spine,
    axes: Axes,
    *,
    right: FloatArray,
    reach: tuple[float, float],
) -> CurvedView:
    """A view whose rows run through the body centres, trimmed to what the CT covers."""
    bodies = [frame_axes(vertebra.frame) for vertebra in spine.levels if vertebra.frame is not None]
    offsets = np.array([body.origin for body in bodies]) - axes.origin
    behind = np.cross(right, -axes.superior)
    down, across, depth = offsets @ -axes.superior, offsets @ right, offsets @ behind
    order = np.argsort(down, kind="stable")
    order = order[np.diff(down[order], prepend=-np.inf) > CLOSEST_KNOTS_MM]
    knots, values = down[order], depth[order]
    if len(knots) == 1:
        knots, values = _along_axis(bodies[0], axes, behind, float(knots[0]), float(values[0]))
    top, bottom = _vertical_extent(scene, spine, axes, down)
    left, end = float(across.min()) - reach[0], float(across.max()) + reach[1]

    def view(left: float, end: float, top: float, bottom: float) -> CurvedView:
        centre = axes.origin + right * (left + end) / 2.0 - axes.superior * (top + bottom) / 2.0
        plane = Plane(centre, right, -axes.superior, end - left, bottom - top)
        return CurvedView(plane, *_extended(knots - top, values, bottom - top))

    inside = scene.covered(view(left, end, top, bottom), TRIM_STEP_MM)
    columns, rows = _kept(inside.mean(axis=0)), _kept(inside.mean(axis=1))
    width, height = (end - left) / inside.shape[1], (bottom - top) / inside.shape[0]
    first, last = top + rows[0] * height - LETTER_ROOM_MM, top + rows[1] * height + LETTER_ROOM_MM
    return view(left + columns[0] * width, left + columns[1] * width, max(top, first), min(bottom, last))


def _kept(share: FloatArray) -> tuple[int, int]:
    """First and last + 1 of the lines of which at least half is covered; all when none is."""
    covered = np.flatnonzero(share >= 0.5 * share.max())
    return int(covered[0]), int(covered[-1]) + 1


def _along_axis(
    body: Axes, axes: Axes, behind: FloatArray, knot: float, value: float
) -> tuple[FloatArray, FloatArray]:
    """Two knots along the only body's own upright axis."""
    slope = float(body.superior @ behind) / float(body.superior @ axes.superior)
    return np.array([knot - 10.0, knot + 10.0]), np.array([value + 10.0 * slope, value - 10.0 * slope])


def _extended(knots: FloatArray, values: FloatArray, height: float) -> tuple[FloatArray, FloatArray]:
    """A smooth curve through the knots, straight beyond them for one vertebra's height, then upright."""
    first = (values[1] - values[0]) / max(knots[1] - knots[0], 1.0)
    last = (values[-1] - values[-2]) / max(knots[-1] - knots[-2], 1.0)
    before = (knots[0] - RUN_OUT_MM, values[0] - RUN_OUT_MM * first)
    after = (knots[-1] + RUN_OUT_MM, values[-1] + RUN_OUT_MM * last)
    rows = np.concatenate([[before[0]], knots, [after[0]]])
    shifts = np.concatenate([[before[1]], values, [after[1]]])
    fine = np.linspace(min(0.0, rows[0]), max(height, rows[-1]), 400)
    return fine, CubicSpline(rows, shifts, bc_type="natural")(np.clip(fine, rows[0], rows[-1]))


def _vertical_extent(scene: Scene, spine: Spine, axes: Axes, down: FloatArray) -> tuple[float, float]:
    corners = scene.corners_ras_mm(tuple(vertebra.label_id for vertebra in spine.levels))
    reach = (corners - axes.origin) @ -axes.superior if len(corners) else down
    low, high = min(float(reach.min()), float(down.min())), max(float(reach.max()), float(down.max()))
    return low - MARGIN_MM, high + MARGIN_MM


def _figure(
    scene: Scene,
    spine: Spine,
    view: CurvedView,
    requested: tuple[str, ...],
    heading: str,
    alt: str,
    lost: str,
    scale: float,
) -> Figure:
    picture = Picture(scene, view, width_px=scale * view.width_mm, alt=alt)
    picture.ct(style.window(), pixel_mm=max(PIXEL_MM, view.height_mm / 900.0))
    for vertebra in spine.levels:
        chosen = vertebra.level in requested
        colour = style.REQUESTED if chosen else style.FLAGGED_ON_DARK if vertebra.fracture.flagged else None
        picture.label(vertebra.label_id, chosen=chosen, stroke=colour, stroke_width=2.0 if chosen else 1.2)
    for vertebra in spine.levels:
        _name(picture, vertebra, chosen=vertebra.level in requested)
    caption = (
        f"The view follows the body centres, so {lost} do not hide a body; lengths are true along the two "
        "axes of the picture."
    )
    return picture.figure(caption, heading=heading)


def _name(picture: Picture, vertebra: Vertebra, *, chosen: bool) -> None:
    """Write a level's name on its body, the chosen one on a filled tag."""
    if vertebra.frame is not None:
        place: FloatArray | None = np.array(vertebra.frame.origin_ras_mm)
    else:
        place = picture.scene.centroid_ras_mm(vertebra.label_id)
    if place is None:
        return
    x, y = picture.at(place)
    words = vertebra.level
    if vertebra.fracture.flagged:
        grade = vertebra.fracture.genant_grade
        words += " ▼" + ("" if grade is None else f" G{grade}")
    if chosen:
        half = 0.36 * 15.0 * len(words) + 4.0
        picture.drawing.rect((x - half, y - 11), 2 * half, 22, rx=5, fill=style.REQUESTED, stroke="#000000")
        picture.drawing.text(
            (x, y + 5), words, size=15, anchor="middle", fill="#000000", font_weight="700", class_="level"
        )
        return
    colour = style.FLAGGED_ON_DARK if vertebra.fracture.flagged else style.ON_DARK
    weight = "700" if vertebra.fracture.flagged else "600"
    picture.drawing.text(
        (x, y + 5),
        words if vertebra.complete else f"({words})",
        size=13,
        anchor="middle",
        halo=style.HALO,
        fill=colour,
        font_weight=weight,
        class_="level",
    )
