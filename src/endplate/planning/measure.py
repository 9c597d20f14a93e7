"""What a batch of needles leaves free around it: directional margins, canal, body, the tip's surroundings."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from endplate.anatomy.axes import FloatArray
from endplate.planning.kernels import last_inside, nearest, sweep
from endplate.planning.needles import Needles
from endplate.planning.path import Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.structures import Structure
from endplate.sources import value

LATERAL, SUPERIOR, MEDIAL, INFERIOR = range(4)
"""Columns of the margins."""


@dataclass(frozen=True, eq=False)
class Measures:
    """Lengths in mm, one row a needle.

    Parameters
    ----------
    raw, derated:
        Shape (C, 4): margins lateral, superior, medial, inferior. Through the pedicle: cannula surface to outer
        surface, from seating to posterior wall, medial the nearer of that and the canal. Beside the pedicle: medial to
        the canal, superior and inferior to the foramina, lateral to the outer surface from seating to tip.
    to_canal:
        Least distance to the canal from entry to posterior wall.
    body:
        Cannula to the body's outer surface in front of the wall (beside the pedicle: above and below from seating on).
    anterior, lateral, above, below, column:
        From the tip to the front, to the nearer side wall, to the endplates, and the height of the body there.
    depth:
        From the posterior wall along the axis to where it leaves the bone in front.
    bone_share:
        Share of the axis from entry to tip that is not gas.
    """

    raw: FloatArray
    derated: FloatArray
    to_canal: FloatArray
    body: FloatArray
    anterior: FloatArray
    lateral: FloatArray
    above: FloatArray
    below: FloatArray
    column: FloatArray
    depth: FloatArray
    bone_share: FloatArray


@dataclass(frozen=True, eq=False)
class Around:
    """The points that a side's needles can come near: a part of the scene's surfaces, cut once a search."""

    surface: FloatArray
    canal: FloatArray
    above: FloatArray
    below: FloatArray


def around(scene: LevelScene, batch: Needles) -> Around:
    """Cut the scene down to what lies within reach of any needle of a batch."""
    axis = batch.directions.mean(axis=0)
    axis /= np.linalg.norm(axis)
    tips = batch.tips
    middle = 0.5 * (batch.origins.mean(axis=0) + tips.mean(axis=0))
    ends = np.concatenate([tips, batch.origins, batch.at(np.nan_to_num(batch.entry_at, nan=-20.0))])
    offset = ends - middle
    spread = float(np.linalg.norm(offset - (offset @ axis)[:, None] * axis, axis=1).max())
    cap = float(value("search.margin_cap_mm"))
    along = offset @ axis
    low, high = float(along.min()) - cap, float(along.max()) + cap

    def near(points: FloatArray) -> FloatArray:
        rest = points - middle
        at = rest @ axis
        off = np.einsum("ij,ij->i", rest, rest) - at**2
        kept = (off <= (spread + cap + 3.0) ** 2) & (at >= low) & (at <= high)
        return np.ascontiguousarray(points[kept])

    structures = {one.name: one.points for one in scene.near(batch.side)}
    empty = np.empty((0, 3))
    return Around(
        near(scene.surface),
        near(structures["canal"]),
        near(structures.get("foramen above", empty)),
        near(structures.get("foramen below", empty)),
    )


def seated_at(batch: Needles, rules: Rules) -> FloatArray:
    """Where the cannula counts as seated: margins are taken from here on, shape (C,)."""
    seated: FloatArray = batch.entry_at + rules.search.seating_mm
    return seated


def measure(scene: LevelScene, batch: Needles, wish: Wish, rules: Rules, part: Around) -> Measures:
    """Measure needles that have an entry and a posterior wall."""
    radius, error = wish.tool.radius_mm, rules.search.label_error_mm
    cap = float(value("search.margin_cap_mm"))
    seated = seated_at(batch, rules)
    through = wish.approach == "transpedicular"
    spans = np.column_stack([seated, batch.wall_at if through else batch.tip_at, batch.tip_at])
    swept = sweep(
        part.surface,
        batch.origins,
        batch.directions,
        batch.lateral,
        batch.head,
        np.ascontiguousarray(spans),
        radius,
        scene.voxel,
        error,
    )
    raw, derated = np.minimum(swept[:, :4], cap), np.minimum(swept[:, 4:8], cap)
    behind = batch.entry_at if through else batch.entry_at - float(value("search.behind_mm"))
    far = batch.wall_at if through else batch.tip_at
    canal = nearest(part.canal, batch.origins, batch.directions, behind, far) - radius
    halves = half_widths(scene, batch)
    if through:
        body = np.minimum(swept[:, 8], cap)
        raw[:, MEDIAL] = np.minimum(raw[:, MEDIAL], canal)
        derated[:, MEDIAL] = np.minimum(derated[:, MEDIAL], canal - halves[:, MEDIAL] - error)
    else:
        body = np.minimum(raw[:, SUPERIOR], raw[:, INFERIOR])
        for column, points in ((MEDIAL, part.canal), (SUPERIOR, part.above), (INFERIOR, part.below)):
            free = nearest(points, batch.origins, batch.directions, behind, batch.tip_at) - radius
            raw[:, column] = np.minimum(free, cap)
            derated[:, column] = np.minimum(free - halves[:, column] - error, cap)
    above, below, height = _to_endplates(scene, batch.tips)
    return Measures(
        raw=raw,
        derated=derated,
        to_canal=np.minimum(canal, cap),
        body=body,
        anterior=_leaves(scene, batch.tips, np.array([0.0, 1.0, 0.0])),
        lateral=np.minimum(
            _leaves(scene, batch.tips, np.array([1.0, 0.0, 0.0])),
            _leaves(scene, batch.tips, np.array([-1.0, 0.0, 0.0])),
        ),
        above=above,
        below=below,
        column=height,
        depth=_depth(scene, batch) - batch.wall_at,
        bone_share=_bone_share(scene, batch),
    )


def half_widths(scene: LevelScene, batch: Needles) -> FloatArray:
    """Half a voxel's extent along the four directions across each needle, shape (C, 4)."""
    sideways = 0.5 * np.linalg.norm(batch.lateral @ scene.voxel, axis=1)
    upward = 0.5 * np.linalg.norm(batch.head @ scene.voxel, axis=1)
    return np.column_stack([sideways, upward, sideways, upward])


def distance_to(structure: Structure, batch: Needles, radius_mm: float) -> FloatArray:
    """Least distance of each cannula's surface to a structure, shape (C,).

    Beside the facet joint above only the stretch about the entry counts; everything else counts from far behind the
    entry to the tip.
    """
    behind = float(value("search.facet_reach_mm" if structure.kind == "facet" else "search.behind_mm"))
    end = batch.entry_at if structure.kind == "facet" else batch.tip_at
    distance: FloatArray = (
        nearest(structure.points, batch.origins, batch.directions, batch.entry_at - behind, end) - radius_mm
    )
    return distance


def _leaves(scene: LevelScene, points: FloatArray, direction: FloatArray) -> FloatArray:
    """Distance from points along a direction to where the bone ends, 0 outside it."""
    directions = np.ascontiguousarray(np.broadcast_to(direction, points.shape))
    found = last_inside(
        scene.bone.values,
        scene.bone.low_mm,
        scene.bone.step_mm,
        np.ascontiguousarray(points),
        directions,
        np.zeros(len(points)),
        60.0,
        0.5,
    )
    reached: FloatArray = np.nan_to_num(found, nan=0.0)
    return reached


def _depth(scene: LevelScene, batch: Needles) -> FloatArray:
    """Where the axes leave the bone in front of their tips, lengths from the origins."""
    found: FloatArray = last_inside(
        scene.bone.values,
        scene.bone.low_mm,
        scene.bone.step_mm,
        batch.origins,
        batch.directions,
        batch.tip_at,
        80.0,
        0.5,
    )
    return np.where(np.isfinite(found), found, batch.tip_at)


def _to_endplates(scene: LevelScene, tips: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Distance up and down to the endplates and the body's height there; NaN where a tip is over no column."""
    grid, surfaces = scene.geometry.grid, scene.geometry.surfaces
    index = np.rint((tips[:, :2] - grid.low_mm[:2]) / grid.step_mm).astype(int)
    shape = np.array(surfaces.footprint.shape)
    seen = ((index >= 0) & (index < shape)).all(axis=1)
    index = np.clip(index, 0, shape - 1)
    top = np.where(seen, surfaces.top_smooth_mm[index[:, 0], index[:, 1]], np.nan)
    bottom = np.where(seen, surfaces.bottom_smooth_mm[index[:, 0], index[:, 1]], np.nan)
    return top - tips[:, 2], tips[:, 2] - bottom, top - bottom


def _bone_share(scene: LevelScene, batch: Needles) -> FloatArray:
    if len(scene.gas) == 0:
        return np.ones(len(batch))
    count = 40
    parts = (np.arange(count) + 0.5) / count
    along = batch.entry_at[:, None] + parts * (batch.tip_at - batch.entry_at)[:, None]
    points = batch.origins[:, None] + along[:, :, None] * batch.directions[:, None]
    off, _ = cKDTree(scene.gas).query(points.reshape(-1, 3), distance_upper_bound=scene.geometry.grid.step_mm)
    share: FloatArray = 1.0 - np.isfinite(off).reshape(-1, count).mean(axis=1)
    return share
