"""Streaks of metal: what an error of the measured line integrals becomes after filtered back-projection.

Each slice is taken through a parallel beam. Line integrals through metal come out too small (beam hardening, scatter)
and noisy (the detector starves). The errors alone, filtered and back-projected, are the artefact: dark
bands along the longest paths, bright ones beside them, fine streaks from the noise. Nothing else of the slice is
reconstructed, so a slice without metal keeps its values.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.sources import value

VIEWS = 180
"""Directions of the beam over half a turn."""
WATER_PER_MM = 0.0193
"""Attenuation of water at about 70 keV."""


@njit(cache=True, error_model="numpy")
def _project(points: Any, weight: Any, bins: Any, first: Any, step: Any, views: Any) -> Any:
    """Line integrals of points with weights (attenuation times area) in all directions, shape (views, bins)."""
    out = np.zeros((views, bins))
    for t in range(views):
        angle = math.pi * t / views
        cos, sin = math.cos(angle), math.sin(angle)
        for n in range(len(points)):
            f = (points[n, 0] * cos + points[n, 1] * sin - first) / step
            i = math.floor(f)
            share = f - i
            if 0 <= i < bins - 1:
                out[t, i] += (1.0 - share) * weight[n] / step
                out[t, i + 1] += share * weight[n] / step
    return out


@njit(cache=True, error_model="numpy")
def _back_project(image: Any, size: Any, filtered: Any, first: Any, step: Any) -> None:
    """Add the back-projection of filtered line integrals to an image with pixels of this size, centred at 0."""
    views, bins = filtered.shape
    x0 = -0.5 * (image.shape[0] - 1) * size[0]
    y0 = -0.5 * (image.shape[1] - 1) * size[1]
    for t in range(views):
        angle = math.pi * t / views
        cos, sin = math.cos(angle), math.sin(angle)
        for a in range(image.shape[0]):
            base = (x0 + a * size[0]) * cos - first
            for b in range(image.shape[1]):
                f = (base + (y0 + b * size[1]) * sin) / step
                i = int(f)
                if 0 <= i < bins - 1:
                    share = f - i
                    image[a, b] += (1.0 - share) * filtered[t, i] + share * filtered[t, i + 1]


def _ramp(bins: int, step: float) -> FloatArray:
    """Frequency response of the ramp filter with a soft window, for line integrals padded to twice their length."""
    frequency = np.fft.rfftfreq(2 * bins, d=step)
    window = 0.5 * (1.0 + np.cos(math.pi * frequency / frequency.max()))
    response: FloatArray = frequency * window
    return response


def add_streaks(
    image: NDArray[np.float32], affine: FloatArray, metal_hu: NDArray[np.float32], strength: float, seed: int
) -> None:
    """Add the streaks of metal to a CT, slice by slice across the voxel axis nearest to the patient's long axis.

    ``metal_hu`` is the CT number of metal by its share of each voxel, 0 elsewhere.
    """
    sizes = voxel_sizes_mm(affine)
    across = int(np.argmax(np.abs(affine[2, :3]) / sizes))
    plane = [axis for axis in range(3) if axis != across]
    size = sizes[plane]
    slices, metal = np.moveaxis(image, across, 2), np.moveaxis(metal_hu, across, 2)
    shape = np.array(slices.shape[:2])
    step = float(size.min())
    bins = math.ceil(float(np.linalg.norm(shape * size)) / step) + 4
    first = -0.5 * (bins - 1) * step
    ramp = _ramp(bins, step)
    error = value("synthetic.metal_path_error")
    rng = np.random.default_rng([seed, 4])
    for k in np.flatnonzero(metal.any(axis=(0, 1))):
        index = np.argwhere(metal[:, :, k] > 0.0)
        points = (index - 0.5 * (shape - 1)) * size
        weight = metal[index[:, 0], index[:, 1], k].astype(np.float64) * 1e-3 * WATER_PER_MM * size.prod()
        path = _project(points, weight, bins, first, step, VIEWS)
        greatest = float(error["greatest"])
        short = greatest * (1.0 - np.exp(-float(error["share"]) * path**2 / greatest))
        starved = np.exp(np.minimum(path - short, float(error["starved"]))) / float(error["counts"])
        wrong = np.sqrt(starved) * (path > 0.05) * rng.standard_normal(path.shape) - short
        filtered = np.fft.irfft(np.fft.rfft(wrong, 2 * bins, axis=1) * ramp, axis=1)[:, :bins]
        artefact = np.zeros((int(shape[0]), int(shape[1])))
        _back_project(artefact, size, np.ascontiguousarray(filtered), first, step)
        # π/views for the angles, and from attenuation to HU.
        slices[:, :, k] += np.float32(strength * math.pi / VIEWS / WATER_PER_MM * 1000.0) * artefact.astype(
            np.float32
        )
