"""Pieces of bone in a voxel grid that nothing holds."""

from __future__ import annotations

import cc3d
import numpy as np
from numpy.typing import NDArray

from endplate.mechanics.element import FloatArray


def loose_elements(modulus_mpa: FloatArray, fixed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Elements of pieces without a single prescribed freedom.

    Elements belong to one piece when they share a node. A piece that is held at all may still slide or turn; the
    solver finds one of its many answers, or none if a force drives it.

    Parameters
    ----------
    modulus_mpa:
        Shape (nz, ny, nx), 0 in voids.
    fixed:
        Prescribed freedoms, shape (3, nz + 1, ny + 1, nx + 1).

    Returns
    -------
    Shape (nz, ny, nx).
    """
    solid = modulus_mpa > 0.0
    held: NDArray[np.bool_] = np.logical_or.reduce(fixed, axis=0)
    if solid.all():
        return np.zeros(solid.shape, dtype=np.bool_) if held.any() else solid
    labels = cc3d.connected_components(solid.astype(np.uint8), connectivity=26)
    gripped = np.zeros(int(labels.max()) + 1, dtype=np.bool_)
    nz, ny, nx = solid.shape
    for z in (0, 1):
        for y in (0, 1):
            for x in (0, 1):
                gripped[labels[held[z : z + nz, y : y + ny, x : x + nx]]] = True
    gripped[0] = True  # voids
    loose: NDArray[np.bool_] = ~gripped[labels]
    return loose


def nodes_of(elements: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Nodes at the corners of elements, shape (nz + 1, ny + 1, nx + 1)."""
    nz, ny, nx = elements.shape
    near = np.zeros((nz + 1, ny + 1, nx + 1), dtype=np.bool_)
    for z in (0, 1):
        for y in (0, 1):
            for x in (0, 1):
                near[z : z + nz, y : y + ny, x : x + nx] |= elements
    return near
