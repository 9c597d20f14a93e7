"""What lies behind the entry: other vertebrae in the needle's way, and the skin."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

STEP_MM = 0.5
"""Sampling step along the way."""

BEHIND_MM = 45.0
"""How far behind the entry other vertebrae are looked for."""

SKIN_REACH_MM = 300.0
"""How far behind the entry the skin is looked for."""

RIM_POINTS = 8
"""Points round the cannula's surface that are checked."""


@dataclass(frozen=True, eq=False)
class Way:
    """The needle's way outside the bone: from the entry backward."""

    entry_ras_mm: FloatArray
    direction_ras: FloatArray


def meets_other_bone(way: Way, labels: LabelMap, own_id: int, radius_mm: float) -> bool:
    """Say whether the cannula on its way to the entry passes through a vertebra other than its own."""
    back = np.arange(1.0, BEHIND_MM, STEP_MM)
    axis = way.entry_ras_mm - back[:, None] * way.direction_ras
    # Any vector not along the needle spans the rim.
    helper = np.array([1.0, 0.0, 0.0]) if abs(way.direction_ras[0]) < 0.9 else np.array([0.0, 1.0, 0.0])
    u = unit(np.cross(way.direction_ras, helper))
    v = np.cross(way.direction_ras, u)
    angle = 2.0 * np.pi * np.arange(RIM_POINTS) / RIM_POINTS
    rim = radius_mm * (np.cos(angle)[:, None] * u + np.sin(angle)[:, None] * v)
    points = np.concatenate([axis[:, None, :], axis[:, None, :] + rim], axis=1)
    found = _labels_at(labels, points)
    return bool(((found > 0) & (found != own_id)).any())


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


def _labels_at(labels: LabelMap, ras_mm: FloatArray) -> NDArray[np.uint8]:
    """Label ids at RAS points by nearest voxel, 0 outside the map."""
    shape = np.array(labels.volume.shape)
    index = np.rint(labels.volume.to_voxel(ras_mm)).astype(int)
    inside = ((index >= 0) & (index < shape)).all(axis=-1)
    index = np.clip(index, 0, shape - 1)
    ids: NDArray[np.uint8] = np.where(inside, labels.data[index[..., 0], index[..., 1], index[..., 2]], 0)
    return ids
