"""Whole vertebrae or bodies only: does a label map show the canal that arches close?

A vertebra is looked at along its canal. Its shadow then has a hole, whatever the voxel size and however
the volume is turned, while the shadow of a body has none. The crater of a collapsed endplate, which single
slices show as a ring too, is not open from end to end and leaves no hole.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.geometry import FloatArray
from endplate.imaging.label_stats import LabelStat
from endplate.imaging.levels import order
from endplate.sources import value

STEP_MM = 1.5
"""Grid on which the shadow is cast; half of the coarsest usual label voxel (3 mm)."""

TILTS = np.tan(np.deg2rad([0.0, -8.0, 8.0, -16.0, 16.0, -24.0, 24.0]))
"""Slopes tried about the direction to the neighbours, sagittal and coronal: arches lean on their bodies."""

GAP_STEPS = 2
"""Half width of the gaps in a ring that are bridged, in steps: thin laminae break at coarse voxels."""

TRIED_LEVELS = 5
"""At most this many vertebrae are looked at, whole and large ones first."""

_NO_RING = frozenset({"C1", "C2", "S1"})


def shows_canal(
    ids: NDArray[np.unsignedinteger], affine: FloatArray, levels: Mapping[str, LabelStat]
) -> bool | None:
    """Say whether any vertebra of the map has a closed canal.

    Parameters
    ----------
    ids:
        Label map, shape (I, J, K).
    affine:
        4×4, voxel index → RAS mm.
    levels:
        Measurements of the vertebrae by level name, each of one label.

    Returns
    -------
    bool | None
        ``None`` where nothing can be said: no level between C3 and L6 that is more than a fragment.
    """
    usable = [
        name
        for name, stat in levels.items()
        if name not in _NO_RING and stat.volume_ml >= value("labels.fragment_ml")
    ]
    usable.sort(key=lambda name: (levels[name].cut, -levels[name].volume_ml, order(name)))
    limit = float(value("labels.canal_area_mm2"))
    for name in usable[:TRIED_LEVELS]:
        if canal_area_mm2(ids, affine, levels[name], spine_direction(name, levels)) >= limit:
            return True
    return False if usable else None


def spine_direction(level: str, levels: Mapping[str, LabelStat]) -> FloatArray:
    """Unit vector up the spine at a level, RAS: between its neighbours, straight up where it has none."""
    names = sorted(levels, key=order)
    place = names.index(level)
    ends = names[max(place - 1, 0)], names[min(place + 1, len(names) - 1)]
    up = levels[ends[0]].centre_ras_mm - levels[ends[1]].centre_ras_mm
    if up[2] <= 0.0:
        up = np.array([0.0, 0.0, 1.0])
    unit: FloatArray = up / np.linalg.norm(up)
    return unit


def canal_area_mm2(
    ids: NDArray[np.unsignedinteger], affine: FloatArray, stat: LabelStat, up_ras: FloatArray
) -> float:
    """Largest hole in the shadow of one label, over directions near ``up_ras``, in mm²."""
    points = _points_on_frame(ids[stat.box] == stat.number, affine, up_ras)
    if not len(points):
        return 0.0
    height = points[:, 2] - points[:, 2].mean()
    area = 0.0
    for slope_u in TILTS:
        for slope_v in TILTS:
            shift = np.rint(np.outer(height, [slope_u, slope_v])).astype(np.int64)
            area = max(area, _largest_hole(points[:, :2] + shift) * STEP_MM**2)
    return area


def _points_on_frame(inside: NDArray[np.bool_], affine: FloatArray, up_ras: FloatArray) -> NDArray[np.int64]:
    """Grid points, shape (N, 3), of a label on a cubic grid whose third axis runs along ``up_ras``."""
    side = np.cross(up_ras, [0.0, 1.0, 0.0] if abs(up_ras[1]) < 0.9 else [1.0, 0.0, 0.0])
    side /= np.linalg.norm(side)
    frame = np.stack([side, np.cross(up_ras, side), up_ras], axis=1) * STEP_MM
    to_voxel = np.linalg.inv(affine[:3, :3]) @ frame
    half = (np.array(inside.shape) - 1) / 2.0
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * (half + 1.0)
    reach = np.ceil(np.abs(corners @ np.linalg.inv(to_voxel).T).max(axis=0)).astype(int)
    sampled = ndimage.affine_transform(
        inside.astype(np.float32),
        to_voxel,
        offset=half - to_voxel @ reach,
        output_shape=tuple(2 * reach + 1),
        order=1,
    )
    points: NDArray[np.int64] = np.argwhere(sampled >= 0.5)
    return points


def _largest_hole(points: NDArray[np.int64]) -> int:
    """Cells of the largest hole enclosed by the shadow of points, shape (N, 2)."""
    margin = GAP_STEPS + 1
    low = points.min(axis=0) - margin
    shadow = np.zeros(points.max(axis=0) - low + 1 + margin, dtype=bool)
    shadow[tuple((points - low).T)] = True
    closed = ndimage.binary_closing(shadow, iterations=GAP_STEPS)
    holes, count = ndimage.label(ndimage.binary_fill_holes(closed) & ~closed)
    return int(np.bincount(holes.ravel())[1:].max()) if count else 0
