"""Labels on the slices of a tilted gantry, placed on the straightened CT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import GRID_TOLERANCE_MM, FloatArray, apply_affine
from endplate.imaging.volume import Volume


def onto_straightened(ids: NDArray[np.uint8], affine: FloatArray, image: Volume) -> NDArray[np.uint8] | None:
    """Return labels of tilted slices on the grid of the CT that ``shear.rectify`` straightened.

    Every slice stays in its plane and moves within it by whole voxels, to the nearest, as the CT's own slices did.

    Parameters
    ----------
    ids:
        Labels, shape (columns, rows, slices); slices at the start or end of the CT's stack may be missing.
    affine:
        4×4, their voxel index → RAS mm; sheared.
    image:
        The straightened CT.

    Returns
    -------
    ndarray or None
        Ids on the CT's voxels; ``None`` where the slices are not the CT's, or labels lie outside it.
    """
    into = np.linalg.inv(image.affine) @ affine
    turn = np.rint(into[:3, :2])
    far = max(ids.shape)
    sizes = image.spacing_mm
    if (np.abs(turn).sum(axis=0) != 1).any() or (np.abs(turn).sum(axis=1) > 1).any():
        return None
    if (np.abs(into[:3, :2] - turn) * sizes[:, None]).max() * far > GRID_TOLERANCE_MM:
        return None
    axes = [int(np.flatnonzero(turn[:, column])[0]) for column in range(2)]
    stack = 3 - sum(axes)
    placed = np.zeros(image.shape, dtype=np.uint8, order="F")
    planes = np.moveaxis(placed, (axes[0], axes[1], stack), (0, 1, 2))
    for k in range(ids.shape[2]):
        plane = ids[:, :, k]
        if not plane.any():
            continue
        first = apply_affine(into, [0, 0, k])
        index = int(np.rint(first[stack]))
        if (
            abs(first[stack] - index) * sizes[stack] > GRID_TOLERANCE_MM
            or not 0 <= index < image.shape[stack]
        ):
            return None
        target = planes[:, :, index]
        for column, axis in enumerate(axes):
            if turn[axis, column] < 0:
                plane = np.flip(plane, column)
                first[axis] -= ids.shape[column] - 1
        i, j = np.argwhere(plane).T
        i, j = i + int(np.floor(first[axes[0]] + 0.5)), j + int(np.floor(first[axes[1]] + 0.5))
        if min(i.min(), j.min()) < 0 or i.max() >= target.shape[0] or j.max() >= target.shape[1]:
            return None
        target[i, j] = plane[plane > 0]
    return placed
