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
    for words, plane in _views(axes, centre):
        ids = (vertebra.label_id,)
        bone = relief(scene.labels, vertebra.label_id, ids, plane, REACH_MM, PIXEL_MM)
        for until_s, heading in moments:
            came = _come(cement, arrival, until_s)
            figures.append(_figure(scene, vertebra, came, bone, plane, words, heading, paths))
    return figures


def _views(axes: Axes, centre: NDArray[np.float64]) -> list[tuple[str, Plane]]:
    """From the front the patient's right is on the left, from the left side the front is."""
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
    return LabelMap(Volume(there.astype(np.uint8), cement.affine), "verse", True, "")


def _figure(
    scene: Scene,
    vertebra: Vertebra,
    came: LabelMap,
    bone: Relief,
    plane: Plane,
    words: str,
    heading: str,
    paths: Sequence[NeedlePath],
) -> Figure:
    alt = f"Simulated cement in {vertebra.level} after {heading}, seen {words} through the bone."
    picture = Picture(Scene(None, scene.labels), plane, width_px=WIDTH_PX, alt=alt, small=True)
    seen = relief(came, 1, (1,), plane, REACH_MM, PIXEL_MM) if came.data.any() else None
    uri = png.data_uri(png.encode(_colours(bone, seen)))
    picture.drawing.image(uri, (0, 0), picture.drawing.width, picture.drawing.height)
    for path in paths:
        draw_needle(picture, path)
    mark_simulated(picture)
    return picture.figure(words, heading=heading)


def _colours(bone: Relief, cement: Relief | None) -> NDArray[np.uint8]:
    """RGB of bone with the cement shining through, shape (H, W, 3)."""
    there = np.isfinite(bone.depth_mm)[..., None]
    lit = np.where(there, THROUGH * np.array(BONE_RGB) * bone.light[..., None], np.array(EMPTY_RGB))
    if cement is not None:
        hit = np.isfinite(cement.depth_mm)[..., None]
        lit = np.where(hit, np.array(CEMENT_RGB) * cement.light[..., None], lit)
    return np.rint(lit).astype(np.uint8)
