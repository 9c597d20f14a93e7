"""A height map smoothed by local quadratics: the steps of voxels go, tilt and curvature stay.

A flat endplate along a voxel plane is known to half a voxel only, but endplates are curved and tilted: every place
where the surface passes from one voxel layer to the next tells its exact height, and a local quadratic through many
such places finds it to a tenth of a voxel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray

REACH = 3.0
"""Kernels end at this many σ."""

_POWERS = ((0, 0), (1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
"""Terms of a quadratic in two coordinates."""


def smooth_heights(
    heights_mm: FloatArray, use: NDArray[np.bool_], step_mm: float, sigma_mm: float
) -> FloatArray:
    """Value of the Gaussian-weighted local quadratic at every point of ``use``, NaN elsewhere; shape (X, Y).

    Parameters
    ----------
    heights_mm:
        Shape (X, Y); only points of ``use`` count.
    use:
        Points to fit, shape (X, Y).
    step_mm, sigma_mm:
        Grid step and width of the weights.
    """
    weight = use.astype(np.float64)
    data = np.where(use, heights_mm, 0.0)
    reach = int(np.ceil(REACH * sigma_mm / step_mm))
    # Coordinates in units of σ keep the moments of one size.
    t = np.arange(-reach, reach + 1) * step_mm / sigma_mm
    gauss = np.exp(-0.5 * t**2)
    kernels = [gauss * t**power for power in range(5)]

    def moment(array: FloatArray, p: int, q: int) -> FloatArray:
        along = ndimage.correlate1d(array, kernels[p], axis=0, mode="constant")
        both: FloatArray = ndimage.correlate1d(along, kernels[q], axis=1, mode="constant")
        return both

    needed = {(a[0] + b[0], a[1] + b[1]) for a in _POWERS for b in _POWERS}
    moments = {powers: moment(weight, *powers)[use] for powers in needed}
    matrix = np.stack(
        [np.stack([moments[a[0] + b[0], a[1] + b[1]] for b in _POWERS], axis=-1) for a in _POWERS], axis=-2
    )
    right = np.stack([moment(data, *powers)[use] for powers in _POWERS], axis=-1)
    # Where points lie in a line the quadratic is not defined across it: a slight ridge prefers the flatter one.
    ridge = 1e-3 * matrix[:, :1, :1] * np.diag([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    solution = np.linalg.solve(matrix + ridge, right[..., None])[:, 0, 0]
    smooth = np.full(heights_mm.shape, np.nan)
    smooth[use] = solution
    return smooth
