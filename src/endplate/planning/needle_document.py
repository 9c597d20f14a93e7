"""One found or given path as a document: points, margins, depths, views, stops on the way."""

from __future__ import annotations

from dataclasses import replace as replaced

import numpy as np

from endplate.anatomy.axes import FloatArray
from endplate.imaging.carm import Reach, default_reach
from endplate.planning.checkpoints import checkpoints, ring_findings, sight
from endplate.planning.model import (
    Depths,
    KyphoplastyPath,
    MissedLimit,
    NeedlePath,
)
from endplate.planning.path import Path
from endplate.planning.room_geometry import PathPoints
from endplate.planning.rounding import DIGITS, rounded_point
from endplate.planning.rules import Rules
from endplate.planning.scene import LevelScene
from endplate.planning.skin import skin_entry
from endplate.planning.views import bulls_eye
from endplate.sources import Finding


def reach_of(rules: Rules) -> Reach:
    """How far the C-arm turns by the rules."""
    turn = rules.search.carm_reach_deg
    return replaced(default_reach(), oblique_deg=turn.lao_rao, secondary_deg=turn.cran_caud)


def needle_document(
    scene: LevelScene,
    path: Path,
    outer_diameter_mm: float,
    rules: Rules,
    *,
    candidates: int = 0,
    kyphoplasty: KyphoplastyPath | None = None,
) -> tuple[NeedlePath, tuple[Finding, ...]]:
    """One needle's document, and what its stops on the way warn of.

    Raises
    ------
    ValueError
        The level has no frame; it could not have been searched.
    """
    frame = scene.vertebra.frame
    if frame is None:
        raise ValueError("a path needs a measured level")
    points = PathPoints(
        path.side,
        path.approach,
        path.entry_ras_mm,
        path.isthmus_ras_mm,
        path.posterior_wall_ras_mm,
        path.tip_ras_mm,
        path.skin_ras_mm,
    )
    pedicle = scene.pedicle(path.side)
    seen = sight(points, frame, pedicle, posterior_wall_points(scene))
    stops = checkpoints(points, seen, scene.vertebra.body_depth_mm)
    skin = path.skin_ras_mm
    document = NeedlePath(
        side=path.side,
        approach=path.approach,
        gauge=path.gauge,
        outer_diameter_mm=outer_diameter_mm,
        skin_ras_mm=None if skin is None else rounded_point(skin),
        entry_ras_mm=rounded_point(path.entry_ras_mm),
        isthmus_ras_mm=rounded_point(path.isthmus_ras_mm),
        posterior_wall_ras_mm=rounded_point(path.posterior_wall_ras_mm),
        tip_ras_mm=rounded_point(path.tip_ras_mm),
        kyphoplasty=kyphoplasty,
        margins_mm=path.margins_mm,
        margins_derated_mm=path.margins_derated_mm,
        clearance_mm=path.clearance_mm,
        uncertainty_mm=path.uncertainty_mm,
        keep_out=path.keep_out,
        convergence_deg=path.convergence_deg,
        craniocaudal_deg=path.craniocaudal_deg,
        depths_mm=Depths(
            skin_to_bone=None if skin is None else _length(skin, path.entry_ras_mm),
            bone_to_posterior_wall=round(path.bone_to_posterior_wall_mm, DIGITS),
            bone_to_tip=round(path.bone_to_tip_mm, DIGITS),
        ),
        skin=skin_entry(points, frame, pedicle),
        carm=bulls_eye(path.entry_ras_mm, path.tip_ras_mm, reach=reach_of(rules)),
        checkpoints=stops,
        robustness=path.robustness,
        score=path.score_terms,
        candidates=candidates,
        bone_in_tract=path.bone_in_tract,
        missed=tuple(MissedLimit(code=one.code, found=one.found, limit=one.limit) for one in path.breaches),
    )
    return document, ring_findings(scene.level, points, stops)


def posterior_wall_points(scene: LevelScene) -> FloatArray:
    """The posterior wall as the lateral view shows its front line, shape (N, 3), RAS mm: one point for each height.

    At each height the foremost part of the wall within the middle half of the body counts: a tip in front of it is
    in front of the whole canal.
    """
    geometry = scene.geometry
    grid, body = geometry.grid, geometry.body
    mask = np.asarray(body.mask.any(axis=1), dtype=np.bool_)
    x = grid.coordinate(0)
    middle = np.abs(x - geometry.x_mid_mm) <= 0.25 * float(np.ptp(x[mask.any(axis=1)]))
    wall = np.where(mask & middle[:, None], body.wall_y_mm, -np.inf).max(axis=0)
    known = np.isfinite(wall)
    z = grid.coordinate(2)[known]
    local = np.stack([np.full(len(z), geometry.x_mid_mm), wall[known], z], axis=1)
    points: FloatArray = geometry.axes.to_world(local)
    return points


def _length(start: FloatArray, end: FloatArray) -> float:
    return round(float(np.linalg.norm(np.asarray(end) - np.asarray(start))), DIGITS)
