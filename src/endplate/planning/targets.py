"""Places for the tip, in the part of the body that exists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from endplate.anatomy.axes import FloatArray
from endplate.planning.path import Wish
from endplate.planning.rules import Rules
from endplate.planning.scene import SIGN, LevelScene
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class BodySize:
    """The body's extent in its frame, mm: mid-sagittal back and front, width, middle x."""

    back_mm: float
    front_mm: float
    width_mm: float
    x_mid_mm: float


@dataclass(frozen=True, eq=False)
class Targets:
    """Tips to try, shape (N, 3) local mm; the ideal one; and how the body is aimed at."""

    tips_mm: FloatArray
    ideal_mm: FloatArray
    aim: Literal["anterior third", "cleft border", "lateral third"]


def body_size(scene: LevelScene) -> BodySize:
    """Extent of the body that is there."""
    grid, surfaces = scene.geometry.grid, scene.geometry.surfaces
    x, y = grid.coordinate(0), grid.coordinate(1)
    middle = np.abs(x - scene.geometry.x_mid_mm) <= 5.0
    covered = surfaces.footprint[middle].mean(axis=0) >= 0.5
    if not covered.any():
        covered = surfaces.footprint.any(axis=0)
    across = x[surfaces.footprint.any(axis=1)]
    return BodySize(
        float(y[covered][0]), float(y[covered][-1]), float(np.ptp(across)), scene.geometry.x_mid_mm
    )


def is_plana(scene: LevelScene, rules: Rules) -> bool:
    """So much height is lost that the middle of the body holds no cannula (vertebra plana)."""
    loss = scene.vertebra.height_loss
    return loss is not None and loss > rules.technique.plana_loss


def targets(scene: LevelScene, wish: Wish, rules: Rules) -> Targets:
    """Tips for one needle; empty where no bone offers room.

    Notes
    -----
    Heights are shares of the bone's own column at each place, so that a collapsed body is aimed at where it still is.
    A gas cleft draws the tips to its border, where cement must interdigitate; a vertebra plana is aimed at in its
    lateral thirds.
    """
    search, size = rules.search, body_size(scene)
    plana = is_plana(scene, rules)
    unipedicular = wish.access == "unipedicular"
    if plana:
        lateral = tuple(float(share) for share in value("search.target_lateral_plana"))
    elif unipedicular:
        given = search.target_lateral_unipedicular
        lateral = tuple(sorted({sign * share for share in given for sign in (-1.0, 1.0)}))
    else:
        lateral = search.target_lateral
    sign = SIGN[wish.side]
    depth = size.front_mm - size.back_mm
    tips = [
        point
        for share in lateral
        for along in search.target_depth
        for height in search.target_height
        if (
            point := _at(
                scene, size.x_mid_mm + sign * share * size.width_mm, size.back_mm + along * depth, height
            )
        )
        is not None
    ]
    ideal_share = float(np.median(np.abs(lateral))) if not unipedicular or plana else 0.0
    ideal = _at(
        scene,
        size.x_mid_mm + sign * ideal_share * size.width_mm,
        size.back_mm + float(np.median(search.target_depth)) * depth,
        0.5,
    )
    found = np.array(tips, dtype=np.float64).reshape(-1, 3)
    if ideal is None:
        ideal = found.mean(axis=0) if len(found) else np.zeros(3)
    if len(scene.gas):
        return _at_cleft(scene, found, ideal)
    return Targets(found, ideal, "lateral third" if plana else "anterior third")


def _at(scene: LevelScene, x_mm: float, y_mm: float, height: float) -> FloatArray | None:
    """The point at a share of the bone's column over (x, y), or ``None`` where there is none."""
    grid, mask = scene.geometry.grid, scene.geometry.body.mask
    ix, iy = round(grid.index(x_mm, 0)), round(grid.index(y_mm, 1))
    if not (0 <= ix < mask.shape[0] and 0 <= iy < mask.shape[1]) or not mask[ix, iy].any():
        return None
    z = grid.coordinate(2)[mask[ix, iy]]
    return np.array([x_mm, y_mm, float(z[0] + height * (z[-1] - z[0]))])


def _at_cleft(scene: LevelScene, tips: FloatArray, ideal: FloatArray) -> Targets:
    """Each tip and, beside it, its nearest place on the border of the gas."""
    tree = cKDTree(scene.gas)
    off = float(value("search.cleft_target_mm"))
    border = []
    for tip in np.vstack([tips, ideal]):
        distance, index = tree.query(tip)
        toward = scene.gas[index] - tip
        border.append(tip + toward * max(1.0 - off / max(float(distance), off), 0.0))
    added = np.array(border)
    return Targets(np.vstack([tips, added[:-1]]), added[-1], "cleft border")
