"""The cement in 3-D as it comes: shaded reliefs at a few moments, seen through the bone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.model import Vertebra
from endplate.imaging.volume import LabelMap, Volume
from endplate.papers import png
from endplate.papers.words import number
from endplate.planning.model import NeedlePath
from endplate.procedure.model import Sample
from endplate.report.axes import PATIENT, Axes, frame_axes
from endplate.report.needle_relief import Relief, relief
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane
from endplate.report.treat_cuts import FULL, draw_needle, mark_simulated

WIDTH_PX = 166.0
SIZE_MM = (70.0, 58.0)
REACH_MM = 45.0
PIXEL_MM = 0.5
BEHIND_MM = 12.0
"""The side view is centred this far behind the body's centre."""

CEMENT_RGB = (240, 111, 194)
BONE_RGB = (242, 232, 208)
EMPTY_RGB = (20, 24, 31)
THROUGH = 0.42
"""Brightness of bone that cement is seen through."""

STAGES = (0.25, 0.5, 0.75, 1.0)
"""Shares of the delivered volume at which the cement is shown."""


def relief_figures(
    scene: Scene,
    vertebra: Vertebra,
    cement: Volume,
    arrival: Volume | None,
    curve: Sequence[Sample],
    paths: Sequence[NeedlePath],
) -> list[Figure]:
    """A row from the front and one from the left side; only the end where it is not known when cement came.

    Parameters
    ----------
    scene, vertebra:
        The labels and the level; nothing is drawn without labels.
    cement, arrival:
        On the CT's grid: share of a voxel that cement fills, and when it came there in s of the procedure.
    curve:
        What had been delivered when.
    paths:
        The needles.
    """
    if scene.labels is None or vertebra.label_id not in scene.boxes:
        return []
    axes = PATIENT if vertebra.frame is None else frame_axes(vertebra.frame)
    centre = scene.centroid_ras_mm(vertebra.label_id) if vertebra.frame is None else axes.origin
    if centre is None:
        return []
    moments = _moments(curve) if arrival is not None else [(None, "at the end")]
    figures = []
    for words, plane in views(axes, centre):
        bone = bone_relief(scene.labels, vertebra, plane)
        for until_s, heading in moments:
            alt = f"Simulated cement in {vertebra.level} after {heading}, seen {words} through the bone."
            picture = shine_through(scene, bone, _come(cement, arrival, until_s), plane, CEMENT_RGB, alt)
            for path in paths:
                draw_needle(picture, path)
            mark_simulated(picture)
            figures.append(picture.figure(words, heading=heading))
    return figures


def views(axes: Axes, centre: NDArray[np.float64]) -> list[tuple[str, Plane]]:
    """Front and side: from the front the patient's right is on the left, from the left side the front is."""
    return [
        ("from the front", Plane(centre, -axes.right, -axes.superior, *SIZE_MM)),
        (
            "from the left side",
            Plane(centre - BEHIND_MM * axes.anterior, -axes.anterior, -axes.superior, *SIZE_MM),
        ),
    ]


def _moments(curve: Sequence[Sample]) -> list[tuple[float | None, str]]:
    """Times at which the shares of the volume had been delivered, and their words."""
    if not curve:
        return [(None, "at the end")]
    whole = curve[-1].delivered_ml
    found: list[tuple[float | None, str]] = []
    for share in STAGES:
        point = next((one for one in curve if one.delivered_ml >= share * whole - 1e-9), curve[-1])
        until = None if share == STAGES[-1] else point.at_s
        found.append((until, f"{number(point.delivered_ml)} ml"))
    return found


def _come(cement: Volume, arrival: Volume | None, until_s: float | None) -> LabelMap:
    """Where cement is at a moment, as a label."""
    there = cement.data >= FULL
    if until_s is not None and arrival is not None:
        there = there & (arrival.data <= until_s)
    return as_label(there, cement)


def as_label(there: NDArray[np.bool_], like: Volume) -> LabelMap:
    """A mask on a volume's grid as the label 1."""
    return LabelMap(Volume(there.astype(np.uint8), like.affine), "verse", True, "")


def bone_relief(labels: LabelMap, vertebra: Vertebra, plane: Plane) -> Relief:
    """The chosen vertebra alone."""
    return relief(labels, vertebra.label_id, (vertebra.label_id,), plane, REACH_MM, PIXEL_MM)


def shine_through(
    scene: Scene, bone: Relief, inside: LabelMap, plane: Plane, rgb: tuple[int, int, int], alt: str
) -> Picture:
    """A small picture of the bone with what lies inside shining through it.

    Parameters
    ----------
    scene, bone, plane:
        The report's labels, the relief of the bone, and the view of both.
    inside:
        What shines through, as the label 1; its colour is ``rgb``.
    alt:
        What the picture shows.
    """
    picture = Picture(Scene(None, scene.labels), plane, width_px=WIDTH_PX, alt=alt, small=True)
    seen = relief(inside, 1, (1,), plane, REACH_MM, PIXEL_MM) if inside.data.any() else None
    uri = png.data_uri(png.encode(_colours(bone, seen, rgb)))
    picture.drawing.image(uri, (0, 0), picture.drawing.width, picture.drawing.height)
    return picture


def _colours(bone: Relief, inside: Relief | None, rgb: tuple[int, int, int]) -> NDArray[np.uint8]:
    """RGB of bone with what is inside shining through, shape (H, W, 3)."""
    there = np.isfinite(bone.depth_mm)[..., None]
    lit = np.where(there, THROUGH * np.array(BONE_RGB) * bone.light[..., None], np.array(EMPTY_RGB))
    if inside is not None:
        hit = np.isfinite(inside.depth_mm)[..., None]
        lit = np.where(hit, np.array(rgb) * inside.light[..., None], lit)
    return np.rint(lit).astype(np.uint8)
