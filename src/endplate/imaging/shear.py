"""Sheared voxel grids, as a tilted CT gantry makes them, brought onto a rectangular grid."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.imaging.stored import check_size

ORTHOGONAL_TOLERANCE_MM = 0.05
"""A grid is rectangular when no voxel strays further than this from a rectangular one."""

TOLERATED_SHEAR_DEG = 0.1
"""Less shear comes from rounded direction cosines. It is left alone: the affine stays exact, and lengths
along the axes are right to two parts in a million, while resampling would blur."""

STEEPEST_SHEAR_DEG = 45.0
"""Gantries tilt by 30° at most; a steeper grid is a broken header."""


@dataclass(frozen=True, eq=False)
class Rectified:
    """An image on a rectangular grid; ``tilt_deg`` is 0 where nothing had to be resampled."""

    data: NDArray[Any]
    affine: FloatArray
    tilt_deg: float


def is_rectangular(affine: FloatArray, shape: tuple[int, ...]) -> bool:
    """Say whether the axes of a grid are perpendicular to within ``ORTHOGONAL_TOLERANCE_MM``."""
    sizes = voxel_sizes_mm(affine)
    for (a, b), degrees in _shear_deg(affine[:3, :3], sizes).items():
        shorter = min(float(sizes[a]) * (shape[a] - 1), float(sizes[b]) * (shape[b] - 1))
        if math.radians(degrees) * shorter > ORTHOGONAL_TOLERANCE_MM:
            return False
    return True


def rectify(data: NDArray[Any], affine: FloatArray, *, fill: float, nearest: bool = False) -> Rectified:
    """Return the image on a rectangular grid; the same arrays where it already lies on one.

    The axis along which slices are stacked is made perpendicular to the other two; every slice stays in its
    plane and moves within it, with linear interpolation, so values do not mix between slices. The grid grows
    to hold all slices; what no slice covers is ``fill``. With ``nearest`` (label maps) values are moved, not
    mixed.

    Parameters
    ----------
    data:
        Shape (I, J, K).
    affine:
        Voxel index → RAS mm.

    Raises
    ------
    InputError
        ``sheared-grid``: no two axes are perpendicular, or the shear is steeper than any gantry.
    """
    columns = affine[:3, :3]
    sizes = voxel_sizes_mm(affine)
    shear = _shear_deg(columns, sizes)
    if max(shear.values()) <= TOLERATED_SHEAR_DEG:
        return Rectified(data, affine, 0.0)
    stacked = [a for a in range(3) if shear[_others(a)] <= TOLERATED_SHEAR_DEG]
    if not stacked:
        raise _too_sheared()
    axis = max(stacked, key=lambda a: (round(float(sizes[a]), 3), a))
    p, q = _others(axis)
    normal = np.cross(columns[:, p], columns[:, q])
    normal /= np.linalg.norm(normal)
    upright = normal * float(normal @ columns[:, axis])
    tilt_deg = math.degrees(math.acos(min(1.0, float(np.linalg.norm(upright) / sizes[axis]))))
    if tilt_deg > STEEPEST_SHEAR_DEG:
        raise _too_sheared()
    drift = columns[:, axis] - upright
    shape = list(data.shape)
    offsets = np.zeros(3)
    steps = np.zeros(3)
    for plane_axis in (p, q):
        steps[plane_axis] = float(drift @ columns[:, plane_axis]) / float(sizes[plane_axis]) ** 2
        travel = steps[plane_axis] * (data.shape[axis] - 1)
        offsets[plane_axis] = math.ceil(max(0.0, -travel) - 1e-6)
        shape[plane_axis] += int(offsets[plane_axis]) + math.ceil(max(0.0, travel) - 1e-6)
    straight = np.array(affine, dtype=np.float64)
    straight[:3, axis] = upright
    straight[:3, 3] -= columns @ offsets
    result = _like(data, shape, fill)
    planes, targets = np.moveaxis(data, axis, 0), np.moveaxis(result, axis, 0)
    for index, (plane, target) in enumerate(zip(planes, targets, strict=True)):
        shifts = steps * index + offsets
        target[...] = _moved(plane, target.shape, (float(shifts[p]), float(shifts[q])), fill, nearest)
    return Rectified(result, straight, tilt_deg)


def _others(axis: int) -> tuple[int, int]:
    first, second = (a for a in range(3) if a != axis)
    return first, second


def _shear_deg(columns: FloatArray, sizes: FloatArray) -> dict[tuple[int, int], float]:
    """How far each pair of axes is from perpendicular."""
    unit = columns / sizes
    cosine = np.clip(np.abs(unit.T @ unit), 0.0, 1.0)
    return {(a, b): math.degrees(math.asin(cosine[a, b])) for a, b in combinations(range(3), 2)}


def _like(data: NDArray[Any], shape: list[int], fill: float) -> NDArray[Any]:
    """A filled array of ``shape`` with the memory order of ``data``."""
    check_size(tuple(shape), "tilted image")
    order = np.argsort([-abs(stride) for stride in data.strides], kind="stable")
    base = np.full([shape[a] for a in order], fill, dtype=data.dtype)
    return base.transpose(np.argsort(order))


def _moved(
    plane: NDArray[Any], shape: tuple[int, ...], shifts: tuple[float, float], fill: float, nearest: bool
) -> NDArray[Any]:
    """Move a slice within its plane by fractional ``shifts`` voxels onto a larger grid."""
    if nearest:
        moved = np.full(shape, fill, dtype=plane.dtype)
        start = [math.floor(shift + 0.5) for shift in shifts]
        rows, columns = (slice(s, s + n) for s, n in zip(start, plane.shape, strict=True))
        moved[rows, columns] = plane[: shape[0] - start[0], : shape[1] - start[1]]
        return moved
    values = plane.astype(np.float32)
    for axis, shift in enumerate(shifts):
        values = _shifted(np.moveaxis(values, axis, 0), shape[axis], shift, fill)
        values = np.moveaxis(values, 0, axis)
    return values if plane.dtype.kind == "f" else np.rint(values)


def _shifted(values: NDArray[np.float32], length: int, shift: float, fill: float) -> NDArray[np.float32]:
    """Shift along the first axis by linear interpolation; what has no two neighbours is ``fill``."""
    whole = math.floor(shift)
    part = np.float32(shift - whole)
    result = np.full((length, *values.shape[1:]), fill, dtype=np.float32)
    count = len(values)
    if part < 1e-4:
        result[whole : whole + count] = values[: length - whole]
    elif part > 1 - 1e-4:
        result[whole + 1 : whole + 1 + count] = values[: length - whole - 1]
    else:
        result[whole + 1 : whole + count] = (1 - part) * values[1:] + part * values[:-1]
    return result


def _too_sheared() -> InputError:
    return InputError(
        "sheared-grid",
        "The voxel grid is sheared in a way that no CT scanner makes, so lengths and angles in it are not "
        "those of the patient.",
        do="Give the original DICOM series, or convert it again without registering it to another image.",
    )
