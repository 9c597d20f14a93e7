"""The posterior wall: whether its cortex is there, and whether its border bulges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.lesion_field import BoneField
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class WallDefect:
    """A hole in the cortex of the posterior wall: the marrow voxels behind it, and its equivalent diameter."""

    mask: NDArray[np.bool_]
    diameter_mm: float
    peak_hu: float
    usual_hu: float


def vein_zone(vertebra: LocalVertebra) -> NDArray[np.bool_]:
    """Where the basivertebral vein enters and runs: a dark funnel in the middle of the posterior half of the body."""
    grid, mask = vertebra.grid, vertebra.body.mask
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    half_width, half_height, reach = (float(v) for v in value("lesion.vein_zone"))
    covered = np.flatnonzero(mask.any(axis=(0, 2)))
    back, front = float(y[covered[0]]), float(y[covered[-1]])
    column = mask[np.abs(x - vertebra.x_mid_mm) < 3.0]
    rows = np.flatnonzero(column.any(axis=(0, 1)))
    middle = 0.5 * float(z[rows[0]] + z[rows[-1]]) if len(rows) else 0.0
    along = np.clip((y - back) / max(front - back, 1.0) / reach, 0.0, None)
    narrow = np.clip(1.0 - 0.6 * along, 0.0, 1.0)
    wide = (np.abs(x - vertebra.x_mid_mm)[:, None] <= half_width * narrow[None, :])[:, :, None]
    high = (np.abs(z - middle)[None, :] <= half_height * narrow[:, None])[None, :, :]
    zone: NDArray[np.bool_] = wide & high & (along <= 1.0)[None, :, None] & mask
    return zone


def wall_defects(field: BoneField, expected_hu: float) -> list[WallDefect]:
    """Holes in the posterior wall's cortex with soft tissue behind them.

    Along every ray that met the wall the greatest HU across the label's surface is the cortex; a hole is a connected
    area where it is nearer to soft tissue than to the usual cortex of this wall, and where the marrow behind it is
    soft tissue too. The vein's own opening does not count.
    """
    vertebra, grid = field.vertebra, field.grid
    wall, seen = vertebra.body.wall_y_mm, vertebra.body.wall_seen
    eroded: NDArray[np.bool_] = ndimage.binary_erosion(seen, iterations=1)
    seen = eroded & vertebra.body.mask.any(axis=1)
    if seen.sum() * grid.step_mm**2 < float(value("lesion.wall_area_min_mm2")):
        return []
    index = (wall - grid.low_mm[1]) / grid.step_mm
    x, z = np.arange(wall.shape[0])[:, None], np.arange(wall.shape[1])[None, :]

    def line(offsets_mm: NDArray[np.floating]) -> NDArray[np.floating]:
        y = index[..., None] + offsets_mm / grid.step_mm
        points = [np.broadcast_to(x[..., None], y.shape), y, np.broadcast_to(z[..., None], y.shape)]
        sampled: NDArray[np.floating] = ndimage.map_coordinates(field.hu, points, order=1, mode="nearest")
        return sampled

    peak = line(np.arange(-1.6, 2.41, 0.4)).max(axis=2)
    behind = line(np.arange(2.0, 5.1, 0.6)).mean(axis=2)
    sigma = 1.2 / grid.step_mm
    weight = np.maximum(ndimage.gaussian_filter(seen.astype(float), sigma), 1e-6)
    peak = ndimage.gaussian_filter(np.where(seen, peak, 0.0), sigma) / weight
    behind = ndimage.gaussian_filter(np.where(seen, behind, 0.0), sigma) / weight
    # A lesion may take half of the wall: its better part is the usual one.
    usual = float(np.percentile(peak[seen], 75.0))
    soft = float(value("lesion.soft_tissue_hu"))
    share = float(value("lesion.wall_gone_share"))
    gone = seen & (peak < soft + share * (usual - soft))
    gone &= behind < max(soft + 0.5 * (expected_hu - soft), soft + 20.0)
    zone = vein_zone(vertebra).any(axis=1)
    pieces, count = ndimage.label(gone)
    found = []
    for number in range(1, count + 1):
        part = pieces == number
        area = float((part & ~zone).sum()) * grid.step_mm**2
        if area < float(value("lesion.wall_area_min_mm2")):
            continue
        depth = grid.coordinate(1)[None, :, None] - wall[:, None, :]
        mask = part[:, None, :] & (depth >= 0.0) & (depth <= 3.0) & vertebra.body.mask
        diameter = float(2.0 * np.sqrt(part.sum() * grid.step_mm**2 / np.pi))
        found.append(WallDefect(mask, diameter, float(peak[part].mean()), usual))
    return found


def posterior_bulge_mm(vertebra: LocalVertebra) -> float | None:
    """How far the posterior border stands behind the line of its own corners near the midline; ``None`` if unseen.

    Median over the columns within 4 mm of the midline; negative where the wall is hollow, as it is in health.
    """
    grid, body = vertebra.grid, vertebra.body
    if vertebra.canal is None:
        return None
    x, z = grid.coordinate(0), grid.coordinate(2)
    found = []
    for column in np.flatnonzero(np.abs(x - vertebra.x_mid_mm) <= float(value("lesion.bulge_band_mm"))):
        rows = np.flatnonzero(body.mask[column].any(axis=0) & body.wall_seen[column])
        if len(rows) * grid.step_mm < 8.0:
            continue
        height, wall = z[rows], body.wall_y_mm[column, rows]
        part = (height - height[0]) / (height[-1] - height[0])
        lower, upper = (part > 0.06) & (part < 0.18), (part > 0.82) & (part < 0.94)
        middle = (part > 0.25) & (part < 0.75)
        if not (lower.any() and upper.any() and middle.any()):
            continue
        a, b = float(np.median(wall[lower])), float(np.median(wall[upper]))
        line = a + (b - a) * (part - 0.12) / 0.76
        found.append(float(np.percentile((line - wall)[middle], 90.0)))
    return float(np.median(found)) if found else None
