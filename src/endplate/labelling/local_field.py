"""The CT around a seed on an even grid: values and gradients that rays can be sampled from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.kernels import sample_linear
from endplate.imaging.volume import Volume
from endplate.labelling.surface_kernels import resample_held, sample_rays

STEP_MM = 0.8
"""Step of the even grid."""

SIGMA_MM = 0.7
"""σ of the smoothing before gradients are taken."""

HU_RANGE = (-150.0, 650.0)
"""Values are cut to this: lung, metal and cement must not outweigh a thin shell."""


@dataclass(frozen=True, eq=False)
class LocalField:
    """Values and gradients round a seed.

    Parameters
    ----------
    axes:
        The grid's frame; its origin is the middle of the grid.
    data:
        float32, shape (X, Y, Z, 4): HU (smoothed, cut) and gradient in HU per mm along the grid's axes.
    low_mm:
        Coordinates of the first grid point in the frame.
    even:
        float32, shape (X, Y, Z): HU on the same grid, cut to the range but not smoothed.
    """

    axes: Axes
    data: NDArray[np.float32]
    low_mm: FloatArray
    even: NDArray[np.float32]

    def raw(self, body_axes: Axes, points_mm: FloatArray) -> NDArray[np.float32]:
        """HU before smoothing at points, shape (..., 3) mm in a body's frame → (...)."""
        turn = body_axes.rotation @ self.axes.rotation.T
        shift = self.axes.to_local(body_axes.origin_ras_mm)
        index = ((points_mm @ turn + shift - self.low_mm) / STEP_MM).reshape(-1, 3)
        held = np.clip(index, 0.0, np.array(self.even.shape) - 1.0)
        found: NDArray[np.float32] = sample_linear(self.even, np.eye(4)[:3], held)
        return found.reshape(points_mm.shape[:-1])

    def rays(
        self, body_axes: Axes, points_mm: FloatArray, normals: FloatArray
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Value and outward fall per mm at points, shape (N, K, 3) mm in a body's frame, normals (N, 3) → (N, K)."""
        turn = body_axes.rotation @ self.axes.rotation.T
        shift = self.axes.to_local(body_axes.origin_ras_mm)
        index = (points_mm @ turn + shift - self.low_mm) / STEP_MM
        found = sample_rays(self.data, np.ascontiguousarray(index), np.ascontiguousarray(normals @ turn))
        return found[..., 0], found[..., 1]


def local_field(image: Volume, axes: Axes, reach_mm: FloatArray) -> LocalField:
    """Sample the CT on an even grid along ``axes``, ``reach_mm`` (3,) to each side of their origin."""
    count = 2 * np.ceil(np.asarray(reach_mm) / STEP_MM).astype(int) + 1
    low = -0.5 * STEP_MM * (count - 1)
    corners = np.array([[a, b, c] for a in (0, 1) for b in (0, 1) for c in (0, 1)]) * (count - 1) * STEP_MM
    voxels = image.to_voxel(axes.to_world(corners + low))
    start = np.clip(np.floor(voxels.min(axis=0)).astype(int) - 1, 0, np.array(image.shape) - 2)
    stop = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 2, start + 2, image.shape)
    crop = image.crop(start, stop)
    values = np.ascontiguousarray(np.clip(crop.data, *HU_RANGE), dtype=np.float32)
    to_world = np.eye(4)
    to_world[:3, :3] = axes.rotation.T * STEP_MM
    to_world[:3, 3] = axes.to_world(low)
    chain = np.ascontiguousarray((np.linalg.inv(crop.affine) @ to_world)[:3])
    even = resample_held(values, chain, (int(count[0]), int(count[1]), int(count[2])))
    smooth = ndimage.gaussian_filter(even, SIGMA_MM / STEP_MM, mode="nearest", truncate=3.0)
    data = np.empty((*smooth.shape, 4), dtype=np.float32)
    data[..., 0] = smooth
    for axis in range(3):
        data[..., axis + 1] = np.gradient(smooth, STEP_MM, axis=axis)
    return LocalField(axes, data, low, even)
