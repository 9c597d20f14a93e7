"""A first straight path through one pedicle: candidates through the isthmus to the anterior third, scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Pedicle
from endplate.anatomy.vertebra import LocalVertebra
from endplate.devices.cannulas import Cannula
from endplate.planning.margins import (
    section_across,
    sector_margins_mm,
    voxel_half_widths_mm,
    wall_distances_mm,
)
from endplate.sources import value

STEP_MM = 0.5
"""Sampling step along a candidate."""

SHORTLIST = 24
"""Candidates of greatest clearance whose directional margins are measured."""

BEHIND_MM = 45.0
"""How far behind the isthmus the entry is looked for."""

SIGN = {"right": 1.0, "left": -1.0}
"""Sign of local x on each side."""


@dataclass(frozen=True, eq=False)
class BonePath:
    """One path in bone, RAS mm, with its margins (mm) by direction."""

    entry_ras_mm: FloatArray
    isthmus_ras_mm: FloatArray
    wall_ras_mm: FloatArray
    tip_ras_mm: FloatArray
    direction_ras: FloatArray
    margins_mm: dict[str, float]
    half_widths_mm: dict[str, float]
    convergence_deg: float
    craniocaudal_deg: float
    score: float

    @property
    def clearance_mm(self) -> float:
        """Smallest margin of all directions."""
        return min(self.margins_mm.values())

    def lacks(self) -> str | None:
        """The direction whose margin is below its hard limit by the most, or ``None``."""
        hard = value("plan.margin_hard_mm")
        short = {name: self.margins_mm[name] - float(hard[name]) for name in self.margins_mm}
        worst = min(short, key=lambda name: short[name])
        return worst if short[worst] < 0.0 else None


def best_path(
    vertebra: LocalVertebra, pedicle: Pedicle, side: str, tool: Cannula, blocked: Callable[[BonePath], bool]
) -> tuple[BonePath | None, BonePath | None]:
    """The best path that keeps the hard margins, and the best of all (to say what is missing).

    Parameters
    ----------
    vertebra:
        The vertebra in its frame.
    pedicle:
        Its measured pedicle.
    side:
        ``"left"`` or ``"right"``.
    tool:
        The cannula.
    blocked:
        Says whether the way to an entry leads through another vertebra.
    """
    starts, tips = _candidates(vertebra, pedicle, side, tool)
    if len(starts) == 0:
        return None, None
    clearance = _clearances(vertebra, starts, tips)
    order = np.argsort(-clearance, kind="stable")[:SHORTLIST]
    paths = [
        path
        for index in order
        if (path := _evaluate(vertebra, pedicle, side, tool, starts[index], tips[index])) is not None
    ]
    if not paths:
        return None, None
    ranked = sorted(paths, key=lambda path: (-path.score, -path.margins_mm["medial"]))
    safe = [path for path in ranked if path.lacks() is None]
    clear = next((path for path in safe if not blocked(path)), None)
    return clear, (safe or sorted(paths, key=lambda path: -path.clearance_mm))[0]


def _candidates(
    vertebra: LocalVertebra, pedicle: Pedicle, side: str, tool: Cannula
) -> tuple[FloatArray, FloatArray]:
    """Isthmus points and tips of all candidates, local mm, each of shape (N, 3)."""
    axes = vertebra.axes
    isthmus = axes.to_local(np.array(pedicle.isthmus_ras_mm))
    along = axes.rotation @ np.array(pedicle.axis_ras)
    u = unit(np.cross(along, [0.0, 0.0, 1.0]))
    v = np.cross(u, along)
    room = max(0.5 * pedicle.inscribed_diameter_mm - tool.radius_mm, 0.0)
    grid = float(value("plan.isthmus_grid_mm"))
    line = grid * np.arange(-np.floor(room / grid), np.floor(room / grid) + 1)
    offsets = np.array([a * u + b * v for a in line for b in line if np.hypot(a, b) <= room + 1e-9])
    starts = isthmus + offsets
    tips = _tips(vertebra, side)
    if len(tips) == 0:
        return np.empty((0, 3)), np.empty((0, 3))
    pairs = [(start, tip) for start in starts for tip in tips if _allowed(start, tip, side)]
    if not pairs:
        return np.empty((0, 3)), np.empty((0, 3))
    return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def _tips(vertebra: LocalVertebra, side: str) -> FloatArray:
    """Places of the tip inside the body that exists, local mm, shape (N, 3)."""
    grid, surfaces = vertebra.grid, vertebra.surfaces
    x, y = grid.coordinate(0), grid.coordinate(1)
    covered = surfaces.footprint[np.abs(x - vertebra.x_mid_mm) <= 5.0].mean(axis=0) >= 0.5
    back, front = float(y[covered][0]), float(y[covered][-1])
    width = float(np.ptp(x[surfaces.footprint.any(axis=1)]))
    depth = ndimage.distance_transform_edt(np.pad(vertebra.body.mask, 1))[1:-1, 1:-1, 1:-1] * grid.step_mm
    clear = min(float(value("plan.tip_clearance_mm")), 0.5 * float(depth.max()))
    tips = []
    for along in value("plan.target_depth"):
        for across in value("plan.target_lateral"):
            local_x = vertebra.x_mid_mm + SIGN[side] * float(across) * width
            local_y = back + float(along) * (front - back)
            ix, iy = round(grid.index(local_x, 0)), round(grid.index(local_y, 1))
            column = vertebra.body.mask[ix, iy]
            if not column.any():
                continue
            z = grid.coordinate(2)[column]
            for height in value("plan.target_height"):
                local_z = float(z[0] + float(height) * (z[-1] - z[0]))
                if depth[ix, iy, round(grid.index(local_z, 2))] >= clear:
                    tips.append((local_x, local_y, local_z))
    return np.array(tips, dtype=np.float64).reshape(-1, 3)


def _allowed(start: FloatArray, tip: FloatArray, side: str) -> bool:
    convergence, craniocaudal = _angles(unit(tip - start), side)
    return bool(
        tip[1] > start[1]
        and -10.0 <= convergence <= float(value("plan.convergence_max_deg"))
        and abs(craniocaudal) <= float(value("plan.craniocaudal_max_deg"))
    )


def _angles(direction: FloatArray, side: str) -> tuple[float, float]:
    """Convergence toward the midline and rise toward the head, degrees, of a local direction."""
    right, anterior, superior = direction
    return (
        float(np.degrees(np.arctan2(-SIGN[side] * right, anterior))),
        float(np.degrees(np.arctan2(superior, anterior))),
    )


def _clearances(vertebra: LocalVertebra, starts: FloatArray, tips: FloatArray) -> FloatArray:
    """Least distance of each candidate's axis to the outer surface, isthmus ± its neighbourhood to the wall, mm."""
    grid = vertebra.grid
    distance = ndimage.distance_transform_edt(grid.inside) * grid.step_mm
    direction = tips - starts
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    reach = np.arange(-8.0, 8.0 + STEP_MM, STEP_MM)
    points = starts[:, None, :] + reach[None, :, None] * direction[:, None, :]
    index = (points - grid.low_mm) / grid.step_mm
    values = ndimage.map_coordinates(distance, np.moveaxis(index, -1, 0), order=1, mode="constant", cval=0.0)
    least: FloatArray = values.min(axis=1)
    return least


def _evaluate(
    vertebra: LocalVertebra, pedicle: Pedicle, side: str, tool: Cannula, start: FloatArray, tip: FloatArray
) -> BonePath | None:
    """One candidate in full, or ``None`` where it does not run from bone to body."""
    axes = vertebra.axes
    direction = unit(tip - start)
    entry = _entry(vertebra, start, direction)
    wall = _wall_crossing(vertebra, start, tip)
    if entry is None or wall is None:
        return None
    ras = axes.direction_to_world(direction)
    section = section_across(ras, SIGN[side] * axes.right, axes.superior)
    seated = entry + float(value("plan.seating_mm")) * direction
    if (wall - seated) @ direction <= STEP_MM:
        return None
    distances = wall_distances_mm(vertebra.field, axes.to_world(seated), axes.to_world(wall), section)
    margins = sector_margins_mm(distances, tool.radius_mm)
    convergence, craniocaudal = _angles(direction, side)
    return BonePath(
        entry_ras_mm=axes.to_world(entry),
        isthmus_ras_mm=axes.to_world(start),
        wall_ras_mm=axes.to_world(wall),
        tip_ras_mm=axes.to_world(tip),
        direction_ras=ras,
        margins_mm=margins,
        half_widths_mm=voxel_half_widths_mm(vertebra.field, section),
        convergence_deg=convergence,
        craniocaudal_deg=craniocaudal,
        score=_score(pedicle, margins, ras, tip),
    )


def _entry(vertebra: LocalVertebra, start: FloatArray, direction: FloatArray) -> FloatArray | None:
    """Where the axis leaves the bone behind the isthmus, local mm."""
    reach = np.arange(0.0, BEHIND_MM, STEP_MM)
    points = start - reach[:, None] * direction
    values = vertebra.field.sample(vertebra.axes.to_world(points))
    outside = np.flatnonzero(values < 0.5)
    if len(outside) == 0 or outside[0] == 0:
        return None
    last = int(outside[0]) - 1
    part = float((values[last] - 0.5) / max(float(values[last] - values[last + 1]), 1e-6))
    entry: FloatArray = start - (reach[last] + STEP_MM * part) * direction
    return entry


def _wall_crossing(vertebra: LocalVertebra, start: FloatArray, tip: FloatArray) -> FloatArray | None:
    """Where the axis passes from pedicle into body, local mm."""
    grid = vertebra.grid
    count = int(np.ceil(np.linalg.norm(tip - start) / STEP_MM)) + 1
    points = start + np.linspace(0.0, 1.0, count)[:, None] * (tip - start)
    ix = np.clip(
        np.rint((points[:, 0] - grid.low_mm[0]) / grid.step_mm).astype(int), 0, grid.values.shape[0] - 1
    )
    iz = np.clip(
        np.rint((points[:, 2] - grid.low_mm[2]) / grid.step_mm).astype(int), 0, grid.values.shape[2] - 1
    )
    inside = np.flatnonzero(points[:, 1] >= vertebra.body.wall_y_mm[ix, iz])
    if len(inside) == 0:
        return None
    crossing: FloatArray = points[int(inside[0])]
    return crossing


def _score(pedicle: Pedicle, margins: dict[str, float], direction_ras: FloatArray, tip: FloatArray) -> float:
    """Explainable sum: margins up to the preferred ones, place of the tip, following the pedicle's axis."""
    preferred, weight = value("plan.margin_preferred_mm"), value("plan.margin_weight")
    total = sum(float(weight[n]) * min(margins[n] / float(preferred[n]), 1.0) for n in margins)
    off_centre = abs(float(tip[2])) / float(value("plan.target_tolerance_mm"))
    total += float(value("plan.target_weight")) * (1.0 - min(off_centre, 1.0))
    turn = float(np.degrees(np.arccos(np.clip(direction_ras @ np.array(pedicle.axis_ras), -1.0, 1.0))))
    total += float(value("plan.axis_weight")) * (1.0 - min(turn / 20.0, 1.0))
    return total
