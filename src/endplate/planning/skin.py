"""Where the needle passes the skin, with intervals for the change from the CT's posture to the table.

In the CT the patient usually lies on the back that is marked on the table: the skin has been pressed, and each vertebra
turns a little when the patient turns over. The needle stays where it is in its vertebra; the plane of the skin around
it is shifted along its normal and turned about the body's centre, and the mark and depth are taken again.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Frame, Pedicle
from endplate.anatomy.revisit import axes_of
from endplate.planning.model import SkinEntry
from endplate.planning.room_geometry import PathPoints
from endplate.sources import value

DIGITS = 6
"""Decimals kept in the document."""

GRAZING = 0.2
"""A turned skin plane that the needle meets at less than this (sine of 11.5°) tells no mark and is left out."""


def skin_entry(
    points: PathPoints,
    frame: Frame,
    pedicle: Pedicle | None,
    skin_normal_ras: FloatArray | None = None,
) -> SkinEntry | None:
    """The skin mark of one needle with its intervals; ``None`` where the skin is not in view.

    Parameters
    ----------
    points:
        The needle with its skin point.
    frame:
        Of the level: its mid-plane is the line of the spinous processes, its superior axis is up on the true AP view.
    pedicle:
        Of the needle's side; the needle's isthmus point stands in where none was measured.
    skin_normal_ras:
        Outward direction of the skin; ``None``: straight back.
    """
    if points.skin_ras_mm is None:
        return None
    axes = axes_of(frame)
    outward = axes.right if points.side == "right" else -axes.right
    normal = -axes.anterior if skin_normal_ras is None else unit(skin_normal_ras)
    marks = _marks(points, axes.origin_ras_mm, points.skin_ras_mm, normal)
    aside = (marks - axes.origin_ras_mm) @ outward
    depth = np.linalg.norm(marks - points.entry_ras_mm, axis=1)
    middle = points.isthmus_ras_mm if pedicle is None else np.array(pedicle.isthmus_ras_mm)
    return SkinEntry(
        from_midline_mm=round(float((points.skin_ras_mm - axes.origin_ras_mm) @ outward), DIGITS),
        above_pedicle_mm=round(float((points.skin_ras_mm - middle) @ axes.superior), DIGITS),
        from_midline_interval_mm=_interval(aside),
        depth_interval_mm=_interval(depth),
        angle_interval_deg=float(value("room.posture_turn_deg")),
    )


def _marks(points: PathPoints, pivot: FloatArray, skin: FloatArray, normal: FloatArray) -> FloatArray:
    """Where the needle meets the skin in all postures tried, shape (N, 3), RAS mm in the vertebra's place."""
    turn = np.radians(float(value("room.posture_turn_deg")))
    shift = float(value("room.skin_shift_mm"))
    needle = points.direction_ras
    found = [skin]
    for axis, moved in product(product((-1.0, 0.0, 1.0), repeat=3), (-shift, 0.0, shift)):
        rotation = _rotation(np.array(axis), turn)
        turned = rotation @ normal
        plane = pivot + rotation @ (skin - pivot) + moved * turned
        slope = float(needle @ turned)
        if abs(slope) >= GRAZING:
            back = float((points.entry_ras_mm - plane) @ turned) / slope
            found.append(points.entry_ras_mm - back * needle)
    return np.array(found)


def _rotation(axis: FloatArray, angle_rad: float) -> FloatArray:
    """Rotation by an angle about an axis of any length (none for no length), shape (3, 3); Rodrigues' formula."""
    length = float(np.linalg.norm(axis))
    if length == 0.0:
        return np.eye(3)
    x, y, z = axis / length
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle_rad) * cross + (1.0 - np.cos(angle_rad)) * cross @ cross)


def _interval(values: FloatArray) -> tuple[float, float]:
    return round(float(values.min()), DIGITS), round(float(values.max()), DIGITS)
