"""The vertebra in 3-D with its needles: from behind, as the operator stands, and from the side."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Spine, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap
from endplate.papers import png
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, Axes, frame_axes
from endplate.report.needle_relief import Relief, relief
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, unit

WIDTH_PX = 172.0
SIZE_MM = (104.0, 86.0)
REACH_MM = 70.0
"""Half length of the rays."""

PIXEL_MM = 0.5
BEHIND_MM = 18.0
"""The side view is centred this far behind the body's centre, so that the arch and the needle are in view."""

SHAFT_MM = 45.0
"""Drawn length of the cannula outside the bone where the skin is not in view."""

OWN_RGB = (242, 232, 208)
OTHER_RGB = (120, 128, 140)
EMPTY_RGB = (20, 24, 31)
SAMPLES = 160
"""Points along a needle at which it is seen or hidden."""


def needle_views(
    scene: Scene, spine: Spine, vertebra: Vertebra, paths: tuple[NeedlePath, ...]
) -> list[Figure]:
    """From behind and from the left side; empty without labels."""
    if scene.labels is None or vertebra.label_id not in scene.boxes:
        return []
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    centre = scene.centroid_ras_mm(vertebra.label_id) if vertebra.frame is None else axes.origin
    if centre is None:
        return []
    behind, side = view_planes(axes, centre)
    return [
        _view(scene.labels, spine, vertebra, paths, behind, "from behind"),
        _view(scene.labels, spine, vertebra, paths, side, "from the left side"),
    ]


def view_planes(axes: Axes, centre_ras_mm: FloatArray) -> tuple[Plane, Plane]:
    """The planes of the two views: into the screen lies the front, and the patient's right."""
    behind = Plane(centre_ras_mm, axes.right, -axes.superior, *SIZE_MM)
    side = Plane(centre_ras_mm - BEHIND_MM * axes.anterior, -axes.anterior, -axes.superior, *SIZE_MM)
    return behind, side


def _view(
    labels: LabelMap,
    spine: Spine,
    vertebra: Vertebra,
    paths: tuple[NeedlePath, ...],
    plane: Plane,
    words: str,
) -> Figure:
    ids = tuple(level.label_id for level in spine.levels)
    seen = relief(labels, vertebra.label_id, ids, plane, REACH_MM, PIXEL_MM)
    alt = f"{vertebra.level} with its needles, seen {words}."
    picture = Picture(Scene(None, labels), plane, width_px=WIDTH_PX, alt=alt, small=True)
    uri = png.data_uri(png.encode(_colours(seen)))
    picture.drawing.image(uri, (0, 0), picture.drawing.width, picture.drawing.height)
    for path in sorted(paths, key=lambda path: -float(plane.depth_mm(path.entry_ras_mm))):
        _needle(picture, plane, seen, path)
    return picture.figure("Dashed where bone hides the needle.", heading=f"3-D {words}")


def _colours(seen: Relief) -> NDArray[np.uint8]:
    """RGB of the relief, shape (H, W, 3)."""
    base = np.where(seen.own[..., None], np.array(OWN_RGB), np.array(OTHER_RGB))
    lit = base * seen.light[..., None]
    return np.where(np.isfinite(seen.depth_mm)[..., None], np.rint(lit), np.array(EMPTY_RGB)).astype(np.uint8)


def _needle(picture: Picture, plane: Plane, seen: Relief, path: NeedlePath) -> None:
    """One cannula at its true width, solid where it is seen and dashed where bone hides it."""
    entry, tip = np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)
    forward = unit(tip - entry)
    start = entry - SHAFT_MM * forward if path.skin_ras_mm is None else np.array(path.skin_ras_mm)
    line = start + np.linspace(0.0, 1.0, SAMPLES)[:, None] * (tip - start)
    visible = _visible(plane, seen, line, 0.5 * path.outer_diameter_mm)
    width = path.outer_diameter_mm * picture.px_per_mm
    for first, last in _stretches(visible):
        a, b = line[first], line[last]
        if visible[first]:
            picture.drawing.line(
                picture.at(a), picture.at(b), stroke=style.HALO, stroke_width=width + 1.2, stroke_opacity=0.7
            )
            picture.drawing.line(
                picture.at(a), picture.at(b), stroke=style.NEEDLE, stroke_width=width, class_="cannula"
            )
        else:
            picture.drawing.line(
                picture.at(a),
                picture.at(b),
                stroke=style.NEEDLE,
                stroke_width=max(1.6, 0.45 * width),
                stroke_dasharray="3.5 2.5",
                class_="cannula hidden",
            )
    picture.marker(entry, colour=style.ON_DARK, radius=2.4)
    picture.marker(tip, colour=style.NEEDLE, radius=2.4)


def _visible(plane: Plane, seen: Relief, line: FloatArray, radius_mm: float) -> NDArray[np.bool_]:
    """Which points of a needle no bone hides; beside the picture there is none."""
    height, width = seen.depth_mm.shape
    xy = plane.project(line)
    column = np.floor(xy[:, 0] / plane.width_mm * width).astype(int)
    row = np.floor(xy[:, 1] / plane.height_mm * height).astype(int)
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    bone = seen.depth_mm[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
    hides = np.where(np.isnan(bone), np.inf, bone) < plane.depth_mm(line) - radius_mm
    return np.asarray(~(inside & hides))


def _stretches(visible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """First and last point of each run of equal visibility; runs share their ends."""
    turns = np.flatnonzero(np.diff(visible.astype(int))) + 1
    bounds = [0, *(int(turn) for turn in turns), len(visible) - 1]
    return [(a, b) for a, b in pairwise(bounds) if b > a]
