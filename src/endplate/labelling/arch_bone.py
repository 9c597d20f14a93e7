"""Which voxels behind the bodies are bone: a threshold half-way between soft tissue and the cortex near by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.sources import value


def bone_threshold_hu(values: NDArray[np.float32], step_mm: float) -> NDArray[np.float32]:
    """HU above which a voxel is bone, by place, shape as ``values``.

    The surface of a blurred edge lies at half its height, so the threshold is half-way between soft tissue and the
    brightest bone near by, kept within limits: thin or osteoporotic bone is not missed, dense bone is not swollen.
    """
    soft = float(value("labelling.arch_soft_hu"))
    low, high = value("labelling.arch_threshold_range_hu")
    reach = 2 * round(float(value("labelling.arch_peak_reach_mm")) / step_mm) + 1
    peak = ndimage.maximum_filter(values, size=reach, mode="nearest")
    # The peak's own steps are no edges of bone.
    peak = ndimage.uniform_filter(peak, size=reach, mode="nearest")
    threshold: NDArray[np.float32] = np.clip(0.5 * (peak + soft), low, high).astype(np.float32)
    return threshold


def occupancy(values: NDArray[np.float32], threshold: NDArray[np.float32]) -> NDArray[np.float32]:
    """Share of bone 0–1 from how far a voxel is above or below its threshold; one half at the surface."""
    width = float(value("labelling.arch_edge_hu"))
    share: NDArray[np.float32] = np.clip((values - threshold) / width + 0.5, 0.0, 1.0).astype(np.float32)
    return share
