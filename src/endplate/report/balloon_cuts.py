"""The cavity that balloons leave: outlined in three planes over the CT, and in 3-D through the bone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Side, Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.planning.model import NeedlePath
from endplate.report import style
from endplate.report.axes import PATIENT, Axes, frame_axes
from endplate.report.balloon_words import RIGHT_FIRST
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, unit
from endplate.report.treat_cuts import (
    CEMENT,
    FAINT,
    FULL,
    PIXEL_MM,
    WIDTH_PX,
    CementParts,
    cement_parts,
    draw_needle,
    mark_simulated,
    planes,
    rings,
)
from endplate.report.treat_relief import SIZE_MM, as_label, bone_relief, shine_through, views

CAVITY = "#56b4e9"
CAVITY_RGB = (86, 180, 233)
MARKER = style.ON_DARK

BELOW_MM = 7.0
"""The view from below is centred this far behind the body's centre."""

MOST = "where the cavity is widest"

LEGEND = (
    (CAVITY, "cavity where the balloons held most"),
    (CEMENT, "– – cement in the end"),
    (style.NEEDLE, "needle, seen straight through the cut"),
    (MARKER, "balloon's markers as planned"),
    (style.OUTLINE, "outline of the label"),
)


def cavity_cuts(
    scene: Scene,
    vertebra: Vertebra,
    cavity: Volume,
    cement: Volume | None,
    paths: Sequence[NeedlePath],
) -> list[Figure]:
    """An axial and a coronal cut, and a sagittal one through the cavity of each side; none without a cavity.

    Parameters
    ----------
    scene, vertebra:
        CT, labels and level.
    cavity, cement:
        On the CT's grid: shares of a voxel, 0–1.
    paths:
        The needles, with their balloons' markers.
    """
    parts = cement_parts(scene, vertebra, cavity)
    if parts is None:
        return []
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    filled = None if cement is None else cement_parts(scene, vertebra, cement)
    axial, sagittal, coronal = planes(axes, parts, MOST)
    shown = [axial, coronal]
    by_side = _by_side(parts, paths)
    if len(by_side) > 1:
        for side in by_side:
            _, where, plane = planes(axes, by_side[side], MOST)[1]
            shown.append((f"sagittal, {side}", where, plane))
    else:
        shown.append(sagittal)
    return [_cut(scene, vertebra, parts, filled, paths, *one) for one in shown]


def cavity_reliefs(
    scene: Scene, vertebra: Vertebra, cavity: Volume, paths: Sequence[NeedlePath]
) -> list[Figure]:
    """The cavity in 3-D from the front, the left side and below; none without labels or a cavity."""
    there = cavity.data >= FULL
    if scene.labels is None or vertebra.label_id not in scene.boxes or not there.any():
        return []
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    centre = scene.centroid_ras_mm(vertebra.label_id) if vertebra.frame is None else axes.origin
    if centre is None:
        return []
    inside = as_label(there, cavity)
    figures = []
    for words, plane in (*views(axes, centre), _from_below(axes, centre)):
        alt = f"Simulated cavity of the balloons in {vertebra.level}, seen {words} through the bone."
        bone = bone_relief(scene.labels, vertebra, plane)
        picture = shine_through(scene, bone, inside, plane, CAVITY_RGB, alt)
        for path in paths:
            draw_needle(picture, path)
            _draw_markers(picture, path, radius=1.8)
        mark_simulated(picture)
        figures.append(picture.figure("", heading=words.capitalize()))
    return figures


def legend(paths: Sequence[NeedlePath], *, filled: bool) -> tuple[tuple[str, str], ...]:
    """Colours of the cuts, less those that are not drawn: cement where there is none, markers without a balloon."""
    absent = set() if filled else {CEMENT}
    if all(path.kyphoplasty is None for path in paths):
        absent.add(MARKER)
    return tuple(one for one in LEGEND if one[0] not in absent)


def _from_below(axes: Axes, centre: FloatArray) -> tuple[str, Plane]:
    """As axial cuts are read: the patient's right on the left, the front above."""
    return "from below", Plane(centre - BELOW_MM * axes.anterior, -axes.right, -axes.anterior, *SIZE_MM)


def _by_side(parts: CementParts, paths: Sequence[NeedlePath]) -> dict[Side, CementParts]:
    """The cavity parted between the balloons: each voxel to the one whose axis is nearest, right first."""
    placed = {path.side: path.kyphoplasty for path in paths if path.kyphoplasty is not None}
    sides = [side for side in RIGHT_FIRST if side in placed]
    if len(sides) < 2:
        return {}
    there = np.argwhere(parts.inside.data + parts.outside.data > 0.0)
    world = parts.inside.to_world(there)
    away = np.stack([_distances(world, np.array(placed[side].balloon_markers_ras_mm)) for side in sides])
    nearest = away.argmin(axis=0)
    found: dict[Side, CementParts] = {}
    for index, side in enumerate(sides):
        own = np.zeros(parts.inside.shape, dtype=np.bool_)
        own[tuple(there[nearest == index].T)] = True
        kept = CementParts(*(_only(part, own) for part in (parts.inside, parts.outside)))
        if (kept.inside.data >= FAINT).any() or (kept.outside.data >= FAINT).any():
            found[side] = kept
    return found


def _only(part: Volume, own: NDArray[np.bool_]) -> Volume:
    return Volume(np.where(own, part.data, 0.0).astype(np.float32), part.affine)


def _distances(points: FloatArray, ends: FloatArray) -> FloatArray:
    """From points, shape (N, 3), to the segment between two, shape (2, 3)."""
    way = ends[1] - ends[0]
    along = np.clip((points - ends[0]) @ unit(way), 0.0, float(np.linalg.norm(way)))
    found: FloatArray = np.linalg.norm(points - ends[0] - along[:, None] * unit(way), axis=1)
    return found


def _cut(
    scene: Scene,
    vertebra: Vertebra,
    parts: CementParts,
    filled: CementParts | None,
    paths: Sequence[NeedlePath],
    name: str,
    where: str,
    plane: Plane,
) -> Figure:
    alt = f"{name.capitalize()} cut through the simulated cavity of the balloons in {vertebra.level}."
    picture = Picture(scene, plane, width_px=WIDTH_PX, alt=alt)
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    _outline(picture, plane, parts, CAVITY, fill=True)
    if filled is not None:
        _outline(picture, plane, filled, CEMENT, fill=False)
    for path in paths:
        draw_needle(picture, path)
        _draw_markers(picture, path, radius=2.6)
    mark_simulated(picture)
    return picture.figure(where, heading=f"{name.capitalize()}: cavity")


def _outline(picture: Picture, plane: Plane, parts: CementParts, colour: str, *, fill: bool) -> None:
    """Where half of a voxel is full, in the label or not; without a fill as a dashed line."""
    whole = Volume(parts.inside.data + parts.outside.data, parts.inside.affine)
    picture.drawing.rings(
        ([(float(x), float(y)) for x, y in ring * picture.px_per_mm] for ring in rings(plane, whole, FULL)),
        fill=colour if fill else "none",
        fill_opacity=0.30 if fill else None,
        stroke=colour,
        stroke_width=1.8 if fill else 1.3,
        stroke_dasharray=None if fill else "4 2",
    )


def _draw_markers(picture: Picture, path: NeedlePath, radius: float) -> None:
    """A balloon's markers, seen straight through a view."""
    if path.kyphoplasty is not None:
        for marker in path.kyphoplasty.balloon_markers_ras_mm:
            picture.marker(marker, colour=MARKER, radius=radius)
