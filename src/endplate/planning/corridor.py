"""Where a path of each approach passes: points of the isthmus, or beside the pedicle."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Pedicle, Side
from endplate.planning.kernels import nearest
from endplate.planning.path import Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import SIGN, LevelScene, bone_at
from endplate.sources import value


def waypoints(scene: LevelScene, wish: Wish, rules: Rules, targets: int) -> FloatArray:
    """Points through which the candidates of an approach go, shape (N, 3) local mm; empty without a pedicle."""
    pedicle = scene.pedicle(wish.side)
    if pedicle is None:
        return np.empty((0, 3))
    if wish.approach == "transpedicular":
        return _in_isthmus(scene, pedicle, wish.tool.radius_mm, rules, targets)
    return _beside(scene, pedicle, wish)


def isthmus_plane(
    scene: LevelScene, pedicle: Pedicle
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Centre, forward normal, and the two directions across a pedicle's isthmus (sideways, up), local."""
    centre = scene.axes.to_local(np.array(pedicle.isthmus_ras_mm))
    along = unit(scene.axes.rotation @ np.array(pedicle.axis_ras))
    across = unit(np.cross(along, [0.0, 0.0, 1.0]))
    return centre, along, across, np.cross(across, along)


def lateral_edge_mm(scene: LevelScene, side: Side) -> float:
    """Distance of the pedicle's lateral wall at its isthmus from the isthmus' centre, along x."""
    pedicle = scene.pedicle(side)
    assert pedicle is not None
    centre = scene.axes.to_local(np.array(pedicle.isthmus_ras_mm))
    outline = scene.axes.to_local(np.array(pedicle.outline_ras_mm).reshape(-1, 3))
    if len(outline) == 0:
        return 0.5 * pedicle.width_mm
    return float((SIGN[side] * (outline[:, 0] - centre[0])).max())


def _in_isthmus(
    scene: LevelScene, pedicle: Pedicle, radius_mm: float, rules: Rules, targets: int
) -> FloatArray:
    """Grid over the isthmus section, where the cannula has room; at least the middle."""
    centre, along, across, up = isthmus_plane(scene, pedicle)
    half_width, half_height = 0.5 * pedicle.width_mm, 0.5 * pedicle.height_mm
    most = max(float(value("search.candidates_max")) / max(targets, 1), 9.0)
    free = np.pi * max(half_width - radius_mm, 0.5) * max(half_height - radius_mm, 0.5)
    pace = max(rules.search.isthmus_grid_mm, float(np.sqrt(free / most)))
    a = pace * np.arange(-np.floor(half_width / pace), np.floor(half_width / pace) + 1)
    b = pace * np.arange(-np.floor(half_height / pace), np.floor(half_height / pace) + 1)
    grid = np.stack(np.meshgrid(a, b, indexing="ij"), axis=-1).reshape(-1, 2)
    points = centre + grid[:, :1] * across + grid[:, 1:] * up
    inside = bone_at(scene, points) >= 0.5
    zero = np.zeros(len(points))
    room = nearest(scene.surface, points, np.broadcast_to(along, points.shape).copy(), zero, zero)
    roomy = inside & (room >= radius_mm + float(value("search.isthmus_slack_mm")))
    middle = inside & (np.abs(grid) <= 1.5 * pace).all(axis=1)
    return np.ascontiguousarray(points[roomy | middle])


def _beside(scene: LevelScene, pedicle: Pedicle, wish: Wish) -> FloatArray:
    """Points lateral of the pedicle: along its wall, or beside the body's posterior corner."""
    sign = SIGN[wish.side]
    centre = scene.axes.to_local(np.array(pedicle.isthmus_ras_mm))
    edge = lateral_edge_mm(scene, wish.side) + wish.tool.radius_mm
    heights = pedicle.height_mm * np.array(value("search.beside_height"))
    if wish.approach == "parapedicular":
        depths = np.array([0.0])
        offsets = np.array(value("search.parapedicular_offset_mm"))
    else:
        grid, wall = scene.geometry.grid, scene.geometry.body.wall_y_mm
        ix = int(np.clip(round(grid.index(float(centre[0]), 0)), 0, wall.shape[0] - 1))
        iz = int(np.clip(round(grid.index(float(centre[2]), 2)), 0, wall.shape[1] - 1))
        depths = float(wall[ix, iz]) - centre[1] + np.array(value("search.beside_depth_mm"))
        offsets = np.array(value("search.extrapedicular_offset_mm"))
    steps = np.stack(np.meshgrid(offsets, depths, heights, indexing="ij"), axis=-1).reshape(-1, 3)
    places: FloatArray = centre + np.column_stack([sign * (edge + steps[:, 0]), steps[:, 1], steps[:, 2]])
    return places
