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
    smooth = np.full(heights_mm.shape, np.nan)
    if not use.any():
        return smooth
    # Nothing outside the box of the points counts.
    box = ndimage.find_objects(use.view(np.uint8))[0]
    used = use[box]
    reach = int(np.ceil(REACH * sigma_mm / step_mm))
    # Coordinates in units of σ keep the moments of one size.
    t = np.arange(-reach, reach + 1) * step_mm / sigma_mm
    gauss = np.exp(-0.5 * t**2)
    kernels = [gauss * t**power for power in range(5)]
    weights = _moments(
        used.astype(np.float64), used, kernels, {(a[0] + b[0], a[1] + b[1]) for a in _POWERS for b in _POWERS}
    )
    data = _moments(np.where(used, heights_mm[box], 0.0), used, kernels, set(_POWERS))
    matrix = np.stack(
        [np.stack([weights[a[0] + b[0], a[1] + b[1]] for b in _POWERS], axis=-1) for a in _POWERS], axis=-2
    )
    right = np.stack([data[powers] for powers in _POWERS], axis=-1)
    # Where points lie in a line the quadratic is not defined across it: a slight ridge prefers the flatter one.
    ridge = 1e-3 * matrix[:, :1, :1] * np.diag([0.0, 1.0, 1.0, 1.0, 1.0, 1.0])
    solution = np.linalg.solve(matrix + ridge, right[..., None])[:, 0, 0]
    smooth[use] = solution
    return smooth


def _moments(
    array: FloatArray, use: NDArray[np.bool_], kernels: list[FloatArray], needed: set[tuple[int, int]]
) -> dict[tuple[int, int], FloatArray]:
    """Sums round every point of ``use`` under the kernels of each pair of powers, shape (N,)."""
    along = {
        p: ndimage.correlate1d(array, kernels[p], axis=0, mode="constant") for p in {p for p, _ in needed}
    }
    return {
        (p, q): ndimage.correlate1d(along[p], kernels[q], axis=1, mode="constant")[use] for p, q in needed
    }
