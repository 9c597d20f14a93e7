"""Where the spine runs in each slice: from labels, or roughly from bone where there are none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.coarse import CoarseScan, FloatArray, Mask

Line = NDArray[np.float64]

BONE_HU = 220.0
"""Cortex and dense trabeculae, smoothed, where no labels say what is bone."""

VESSEL_SPREAD_HU = 35.0
"""A disc of blood varies less than this; one of bone more."""

DISC_MM = 5.0
"""Radius of the disc in which blood must be even."""

SIDE_MM = 45.0
"""The spine lies within this of the middle of the body."""


@dataclass(frozen=True, eq=False)
class SpinePlace:
    """Per slice, in mm along the thinned axes: middle across, middle front to back, and the front of the bodies.

    ``nan`` in slices without spine.
    """

    across_mm: Line
    along_mm: Line
    front_mm: Line

    def offsets(self, scan: CoarseScan) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Every voxel's distance to the right of and in front of the vertebra's middle; nan elsewhere."""
        x = np.arange(scan.hu.shape[0])[:, None, None] * scan.spacing_mm[0]
        y = np.arange(scan.hu.shape[1])[None, :, None] * scan.spacing_mm[1]
        return x - self.across_mm[None, None, :], y - self.along_mm[None, None, :]

    def ahead(self, scan: CoarseScan) -> NDArray[np.float64]:
        """Every voxel's distance in front of the vertebral bodies."""
        y = np.arange(scan.hu.shape[1])[None, :, None] * scan.spacing_mm[1]
        return np.asarray(y - self.front_mm[None, None, :], dtype=np.float64)


def spine_place(scan: CoarseScan) -> SpinePlace | None:
    """Find the spine, or ``None`` where nothing looks like it."""
    bone = scan.labels > 0 if scan.labels is not None else _bone(scan)
    depth = scan.hu.shape[2]
    across, along, front = (np.full(depth, np.nan) for _ in range(3))
    for k in np.flatnonzero(bone.any(axis=(0, 1))):
        x, y = np.nonzero(bone[:, :, k])
        if len(x) < 8:
            continue
        middle = float(np.median(x))
        near = np.abs(x - middle) * scan.spacing_mm[0] <= 12.0
        across[k] = middle * scan.spacing_mm[0]
        along[k] = 0.5 * float(y.min() + y.max()) * scan.spacing_mm[1]
        if near.any():
            front[k] = float(np.percentile(y[near], 98)) * scan.spacing_mm[1]
    known = np.flatnonzero(np.isfinite(front))
    if known.size == 0:
        return None
    inner = np.arange(known[0], known[-1] + 1)
    window = max(1, int(12.0 / scan.spacing_mm[2]))
    for line, reduce in ((across, np.median), (along, np.median), (front, np.max)):
        filled = np.interp(inner, known, line[known])
        # Between two bodies only their rims show: the farthest front near by holds.
        line[inner] = [reduce(filled[max(0, i - window) : i + window + 1]) for i in range(len(inner))]
    return SpinePlace(across, along, front)


def _bone(scan: CoarseScan) -> Mask:
    """Bone in the middle of the back half of the body."""
    inside = np.nonzero(scan.body)
    if len(inside[0]) == 0:
        return np.zeros(scan.hu.shape, dtype=np.bool_)
    x = np.arange(scan.hu.shape[0])[:, None, None] * scan.spacing_mm[0]
    y = np.arange(scan.hu.shape[1])[None, :, None] * scan.spacing_mm[1]
    middle = float(np.mean(inside[0])) * scan.spacing_mm[0]
    half = float(np.mean(inside[1])) * scan.spacing_mm[1]
    mean, spread = disc_statistics(scan)
    # Vessels full of contrast are as bright as bone, but even.
    vessel = scan.grow(scan.body & (mean > BONE_HU) & (spread < VESSEL_SPREAD_HU), DISC_MM + 2.0)
    bone: Mask = scan.body & ~vessel & (scan.smooth > BONE_HU) & (np.abs(x - middle) <= SIDE_MM) & (y <= half)
    return bone


def disc_statistics(scan: CoarseScan, where: Mask | None = None) -> tuple[FloatArray, FloatArray]:
    """Mean and standard deviation in a disc round every voxel, over three slices.

    Outside the box that holds ``where`` both are ``inf``.
    """
    reach = [int(DISC_MM / size) for size in scan.spacing_mm[:2]]
    u, v = np.meshgrid(*(np.arange(-n, n + 1) for n in reach), indexing="ij")
    disc = (u * scan.spacing_mm[0]) ** 2 + (v * scan.spacing_mm[1]) ** 2 <= DISC_MM**2
    weights = (disc / disc.sum()).astype(np.float32)[:, :, None]
    box: tuple[slice, ...] = (slice(None),) * 3
    if where is not None:
        filled = [np.flatnonzero(where.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        if any(len(f) == 0 for f in filled):
            nowhere = np.full(scan.hu.shape, np.inf, dtype=np.float32)
            return nowhere, nowhere
        box = tuple(
            slice(max(0, int(f[0]) - n - 1), int(f[-1]) + n + 2)
            for f, n in zip(filled, (*reach, 1), strict=True)
        )
    hu = scan.hu[box]
    mean, spread = (np.full(scan.hu.shape, np.inf, dtype=np.float32) for _ in range(2))
    level = ndimage.convolve(ndimage.uniform_filter1d(hu, 3, axis=2, mode="nearest"), weights, mode="nearest")
    square = ndimage.uniform_filter1d(np.square(hu), 3, axis=2, mode="nearest")
    square = ndimage.convolve(square, weights, mode="nearest")
    mean[box] = level
    spread[box] = np.sqrt(np.maximum(square - np.square(level), 0.0))
    return mean, spread
