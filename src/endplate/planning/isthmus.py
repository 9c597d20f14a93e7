"""A pedicle's isthmus from coronal sections alone, where the measurement of the level found none it could trust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.canal import DIRECTIONS
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.model import Pedicle, Vec3
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value


def estimated_pedicle(geometry: LocalVertebra, bone: LocalGrid, sign: float) -> Pedicle | None:
    """The narrowest coronal section of the bone beside the canal, or ``None`` where none bridges body and arch.

    Parameters
    ----------
    geometry:
        The vertebra with its canal.
    bone:
        Its occupancy on a fine grid of the same axes.
    sign:
        Sign of local x on the side.

    Notes
    -----
    Good enough to send candidates through; the margins of a path never come from it.
    """
    canal = geometry.canal
    if canal is None:
        return None
    middle = canal.centre_at(0.0)
    ring = canal.typical_mm[:, None] * DIRECTIONS
    edge, front = float((sign * ring[:, 0]).max()), float(ring[:, 1].max())
    y = bone.coordinate(1)
    # Nearer to the canal's middle the articular pillar begins.
    back = middle[1] + float(value("search.estimate_from")) * front
    rows = np.flatnonzero((y >= back) & (y <= middle[1] + front + 2.0)).tolist()
    sections = [
        (row, part) for row in rows if (part := _section(bone, row, middle[0], edge, sign)) is not None
    ]
    if len(sections) < 3:
        return None
    narrow, part = min(sections, key=lambda item: int(item[1].sum()))
    centres = np.array([_centre(bone, row, mask) for row, mask in sections])
    reach = float(value("search.estimate_reach_mm"))
    near = centres[np.abs(centres[:, 1] - y[narrow]) <= reach]
    along = unit(near[-1] - near[0]) if len(near) > 1 else np.array([0.0, 1.0, 0.0])
    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1] * bone.step_mm
    at = np.unravel_index(int(np.argmax(depth)), depth.shape)
    isthmus = np.array([bone.coordinate(0)[at[0]], y[narrow], bone.coordinate(2)[at[1]]], dtype=np.float64)
    spread = [
        bone.step_mm * (float(np.ptp(np.flatnonzero(part.any(axis=1 - axis)))) + 1.0) for axis in (0, 1)
    ]
    axes = geometry.axes
    return Pedicle(
        inscribed_diameter_mm=2.0 * float(depth.max()),
        width_mm=spread[0] * float(along[1]),
        height_mm=spread[1],
        transverse_deg=float(np.degrees(np.arctan2(-sign * along[0], along[1]))),
        sagittal_deg=float(np.degrees(np.arctan2(along[2], along[1]))),
        isthmus_ras_mm=_vec(axes.to_world(isthmus)),
        axis_ras=_vec(axes.direction_to_world(along)),
        uncertainty_mm=float(value("search.estimate_reach_mm")),
    )


def _section(
    bone: LocalGrid, row: int, middle_mm: float, edge_mm: float, sign: float
) -> NDArray[np.bool_] | None:
    """The bone of one coronal slice that is nearest to the canal's edge, shape (X, Z)."""
    beside = sign * (bone.coordinate(0) - middle_mm)
    allowed = (beside > 0.5 * edge_mm) & (beside < edge_mm + float(value("search.estimate_width_mm")))
    number, count = ndimage.label(bone.inside[:, row, :] & allowed[:, None])
    best: NDArray[np.bool_] | None = None
    nearest = np.inf
    for index in range(1, count + 1):
        part = number == index
        if part.sum() * bone.step_mm**2 < float(value("search.estimate_area_min_mm2")):
            continue
        off = float(np.abs(beside[part.any(axis=1)] - edge_mm).min())
        if off < nearest:
            best, nearest = part, off
    return best


def _centre(bone: LocalGrid, row: int, part: NDArray[np.bool_]) -> FloatArray:
    x, z = np.nonzero(part)
    return np.array(
        [bone.coordinate(0)[x].mean(), bone.coordinate(1)[row], bone.coordinate(2)[z].mean()],
        dtype=np.float64,
    )


def _vec(point: FloatArray) -> Vec3:
    x, y, z = (round(float(component), 6) for component in point)
    return x, y, z
