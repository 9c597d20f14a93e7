"""How a path bears small errors of place and angle: disturbed copies of it, each measured like the path itself."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.planning.kernels import inside_share, nearest, sweep
from endplate.planning.measure import Around, seated_at
from endplate.planning.model import Robustness
from endplate.planning.needles import Needles, across
from endplate.planning.path import Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.sources import value

GRADES = ((0.0, "A"), (2.0, "B"), (4.0, "C"), (6.0, "D"))
"""Greatest breach of each grade in the manner of Gertzbein and Robbins, mm; more is E."""


CLOSE_MM = 8.0
"""Surfaces farther than this from every disturbed axis set no margin."""


def grade(worst_margin_mm: float) -> str:
    """Grade of the worst margin: A no breach, B below 2 mm, C below 4, D below 6, E more."""
    breach = -worst_margin_mm
    if breach <= 0.0:
        return "A"
    return next((name for limit, name in GRADES[1:] if breach < limit), "E")


def robustness(scene: LevelScene, one: Needles, wish: Wish, rules: Rules, part: Around) -> Robustness:
    """Disturb a path by all combinations of shift (two directions) and tilt (two directions): 81 paths.

    Notes
    -----
    The breach is that of the bone (beside the pedicle: of canal and foramina). The tolerance cone stands on the entry:
    its half angle is the greatest by which the path may be tilted in any direction without a breach.
    """
    shift, tilt = rules.search.robustness_shift_mm, np.radians(rules.search.robustness_tilt_deg)
    steps = np.array(list(product((-1.0, 0.0, 1.0), repeat=4)))
    moved = _disturbed(one, shift * steps[:, :2], tilt * steps[:, 2:])
    reach = np.sqrt(2.0) * (shift + tilt * float((one.tip_at - one.entry_at)[0]))
    margins = _clearance(scene, moved, wish, rules, _close(one, part, reach + CLOSE_MM))
    return Robustness(
        breach_fraction=round(float((margins < 0.0).mean()), 6),
        worst_margin_mm=round(float(margins.min()), 6),
        grade=grade(float(margins.min())),
        tolerance_deg=round(_tolerance(scene, one, wish, rules, part), 6),
        perturbations=len(steps),
    )


def _close(one: Needles, part: Around, reach_mm: float) -> Around:
    """Of the vertebra's surface only what lies within reach of a needle's axis, if anything does."""
    rest = part.surface - one.origins[0]
    off = np.einsum("ij,ij->i", rest, rest) - (rest @ one.directions[0]) ** 2
    near = off <= reach_mm**2
    return replace(part, surface=np.ascontiguousarray(part.surface[near])) if near.any() else part


def _disturbed(one: Needles, shifts_mm: FloatArray, tilts: FloatArray) -> Needles:
    """Copies of one needle, shifted across it and tilted about its entry, shape (N, 2) each (sideways, up)."""
    count = len(shifts_mm)
    entry = one.at(one.entry_at)
    directions = one.directions + tilts[:, :1] * one.lateral + tilts[:, 1:] * one.head
    directions = np.ascontiguousarray(directions / np.linalg.norm(directions, axis=1)[:, None])
    start = entry + shifts_mm[:, :1] * one.lateral + shifts_mm[:, 1:] * one.head
    lateral, head = across(directions, one.side)
    zero = np.zeros(count)
    return Needles(
        one.side,
        np.ascontiguousarray(start),
        directions,
        lateral,
        head,
        zero + (one.tip_at - one.entry_at),
        zero,
        zero + (one.wall_at - one.entry_at),
    )


def _clearance(scene: LevelScene, batch: Needles, wish: Wish, rules: Rules, part: Around) -> FloatArray:
    """Least margin of each disturbed path, negative by how far its cannula stands out, shape (N,)."""
    radius = wish.tool.radius_mm
    if wish.approach != "transpedicular":
        behind = batch.entry_at - float(value("search.behind_mm"))
        free = [
            nearest(points, batch.origins, batch.directions, behind, batch.tip_at)
            for points in (part.canal, part.above, part.below)
        ]
        least: FloatArray = np.min(free, axis=0) - radius
        return least
    seated = seated_at(batch, rules)
    spans = np.ascontiguousarray(np.column_stack([seated, batch.wall_at, batch.wall_at]))
    swept = sweep(
        part.surface,
        batch.origins,
        batch.directions,
        batch.lateral,
        batch.head,
        spans,
        radius,
        scene.voxel,
        0.0,
    )
    least = swept[:, :4].min(axis=1)
    bone, pace = scene.bone, float(value("search.pace_mm"))
    share = inside_share(
        bone.values, bone.low_mm, bone.step_mm, batch.origins, batch.directions, seated, batch.wall_at, pace
    )
    for row in np.flatnonzero(share < 1.0):
        depth, _ = outside(scene, batch.take(np.array([row])), float(seated[row]), float(batch.wall_at[row]))
        least[row] = -depth - radius
    return least


def outside(scene: LevelScene, one: Needles, begin: float, end: float) -> tuple[float, FloatArray]:
    """Greatest distance of a needle's axis outside the bone between two lengths, and where the bone then lies.

    Returns
    -------
    Depth in mm (0: never outside) and the unit vector, local, from the axis back to the bone.
    """
    count = max(int(np.ceil((end - begin) / float(value("search.pace_mm")))), 1) + 1
    points = one.origins[0] + np.linspace(begin, end, count)[:, None] * one.directions[0]
    away = scene.geometry.field.sample(scene.axes.to_world(points)) < 0.5
    if not away.any():
        return 0.0, np.zeros(3)
    distance, index = (np.asarray(found) for found in scene.tree.query(points[away]))
    worst = int(np.argmax(distance))
    back = scene.surface[index[worst]] - points[away][worst]
    return float(distance[worst]), back / max(float(np.linalg.norm(back)), 1e-9)


def _tolerance(scene: LevelScene, one: Needles, wish: Wish, rules: Rules, part: Around) -> float:
    """Half angle of the widest cone about the entry without a breach, degrees, by halving."""
    turns = int(value("search.tolerance_turns"))
    angle = 2.0 * np.pi * np.arange(turns) / turns
    ring = np.column_stack([np.cos(angle), np.sin(angle)])
    still = np.zeros_like(ring)

    def free(half_angle_deg: float) -> bool:
        tilts = np.tan(np.radians(half_angle_deg)) * ring
        return bool((_clearance(scene, _disturbed(one, still, tilts), wish, rules, part) >= 0.0).all())

    low, high = 0.0, float(value("search.tolerance_max_deg"))
    if not free(0.0):
        return 0.0
    if free(high):
        return high
    for _ in range(6):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if free(middle) else (low, middle)
    return low
