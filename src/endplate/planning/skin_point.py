"""Where a needle passes the skin behind its entry."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.imaging.volume import Volume
from endplate.sources import value

STEP_MM = 0.5
"""Sampling step along the way."""

SKIN_REACH_MM = 300.0
"""How far behind the entry the skin is looked for."""


@dataclass(frozen=True, eq=False)
class Way:
    """The needle's way outside the bone: from the entry backward."""

    entry_ras_mm: FloatArray
    direction_ras: FloatArray


def skin_point(way: Way, image: Volume) -> FloatArray | None:
    """Where the way leaves the patient, RAS mm, or ``None`` where the skin is not in view."""
    back = np.arange(0.0, SKIN_REACH_MM, STEP_MM)
    points = way.entry_ras_mm - back[:, None] * way.direction_ras
    voxel = image.to_voxel(points)
    inside = ((voxel >= 0) & (voxel <= np.array(image.shape) - 1)).all(axis=1)
    seen = len(back) if inside.all() else int(np.argmin(inside))
    if seen < 2:
        return None
    low = np.floor(voxel[:seen].min(axis=0)).astype(int)
    high = np.minimum(np.ceil(voxel[:seen].max(axis=0)).astype(int) + 1, image.shape)
    crop = image.data[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))].astype(np.float32)
    hu = ndimage.map_coordinates(crop, (voxel[:seen] - low).T, order=1, mode="nearest")
    air = hu < float(value("plan.air_hu"))
    run = int(np.ceil(float(value("plan.air_depth_mm")) / STEP_MM))
    stretches = np.convolve(air, np.ones(run), mode="valid") >= run
    if not stretches.any():
        return None
    first: FloatArray = points[int(np.argmax(stretches))]
    return first
