"""A body made of simple shapes for the tests of pictures: soft tissue in air with a block of bone."""

from __future__ import annotations

import numpy as np

from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose
from endplate.imaging.volume import ScanInfo, Volume

AP = CArmPose(180.0, 0.0)
LATERAL = CArmPose(-90.0, 0.0)
BONE_HU = 600.0


def body_ct(*, bone: bool = True, step: float = 4.0, head_mm: float = 120.0) -> Volume:
    """An elliptic trunk 300 × 200 mm about the origin; a bar of bone along it, 40 mm to the right."""
    half = np.array([176.0, 126.0, head_mm])
    counts = np.round(2.0 * half / step).astype(int)
    affine = np.diag([step, step, step, 1.0])
    affine[:3, 3] = -half + 0.5 * step
    x, y, _ = (affine[a, 3] + step * np.arange(counts[a]) for a in range(3))
    hu = np.full(counts, -1000.0, dtype=np.float32)
    inside = (x[:, None] / 150.0) ** 2 + (y[None, :] / 100.0) ** 2 < 1.0
    hu[inside] = 0.0
    if bone:
        bar = (np.abs(x - 40.0) < 12.0)[:, None] & (np.abs(y) < 20.0)[None, :]
        hu[bar] = BONE_HU
    return Volume(hu, affine, ScanInfo(kvp=120.0))


def view(pose: CArmPose = AP, pixels: int = 96, detector_mm: float = 200.0) -> View:
    return mobile_view(pose, (0.0, 0.0, 0.0), pixels=pixels, detector_mm=detector_mm)
