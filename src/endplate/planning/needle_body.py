"""A found path as the decisions see it: where it ends in the body, and the room along its axis."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.planning.access import Offer
from endplate.planning.axis_room import axis_room
from endplate.planning.kyphoplasty import NeedleRoom
from endplate.planning.path import Path
from endplate.planning.scene import LevelScene
from endplate.planning.targets import body_size

BEYOND_MM = 60.0
"""How far beyond the posterior wall the axis is followed: past any anterior wall."""


def offer_of(scene: LevelScene, path: Path, at_ras_mm: FloatArray | None = None) -> Offer:
    """A path as the choice of access weighs it.

    Parameters
    ----------
    scene, path:
        The level and a path found in it.
    at_ras_mm:
        The place that must come to the middle, RAS: a balloon's middle; ``None`` for the tip.
    """
    size = body_size(scene)
    local = scene.axes.to_local(path.tip_ras_mm if at_ras_mm is None else at_ras_mm)
    return Offer(
        side=path.side,
        gauge=path.gauge,
        clearance_mm=path.clearance_mm,
        medial_mm=path.margins_mm.medial,
        offset_mm=float(local[0] - size.x_mid_mm),
        half_width_mm=0.5 * size.width_mm,
        depth_fraction=float((local[1] - size.back_mm) / (size.front_mm - size.back_mm)),
    )


def needle_room(scene: LevelScene, path: Path) -> NeedleRoom:
    """The room for a balloon on a path's axis, depths from its entry into bone."""
    geometry = scene.geometry
    entry, direction = np.asarray(path.entry_ras_mm), np.asarray(path.direction_ras)
    wall = path.bone_to_posterior_wall_mm
    room = axis_room(geometry.grid, geometry.body, geometry.surfaces, entry, direction, wall + BEYOND_MM)
    return NeedleRoom(entry, direction, wall, room)
