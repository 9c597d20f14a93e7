"""Views of a scan in which no vertebra is known: through its middle, along the patient's axes."""

from __future__ import annotations

import numpy as np

from endplate.imaging.geometry import FloatArray, corner_points_mm
from endplate.report import style
from endplate.report.axes import PATIENT
from endplate.report.picture import Figure, Picture
from endplate.report.scene import Scene
from endplate.report.slicing import Plane, sample

PIXEL_MM = 0.6
WIDTH_PX = 345.0
MAX_HEIGHT_PX = 520.0
SEARCH_MM = 40.0
"""The sagittal view is moved at most this far from the middle to where most bone is."""

_COARSE_MM = 3.0


def plain_figures(scene: Scene) -> list[Figure]:
    """Sagittal, coronal and axial views without names; empty without a CT."""
    if scene.image is None:
        return []
    corners = corner_points_mm(scene.image.shape, scene.image.affine)
    low, high = corners.min(axis=0), corners.max(axis=0)
    centre = (low + high) / 2.0
    size = np.maximum(high - low, 1.0)
    centre[0] += _toward_bone(scene, centre, size)
    right, anterior, superior = PATIENT.right, PATIENT.anterior, PATIENT.superior
    middle = (low + high) / 2.0
    views = (
        ("Sagittal", Plane(centre, -anterior, -superior, float(size[1]), float(size[2]))),
        ("Coronal", Plane(middle, -right, -superior, float(size[0]), float(size[2]))),
        ("Axial", Plane(middle, -right, -anterior, float(size[0]), float(size[1]))),
    )
    return [_figure(scene, heading, view) for heading, view in views]


def _figure(scene: Scene, heading: str, view: Plane) -> Figure:
    width = min(WIDTH_PX, MAX_HEIGHT_PX * view.width_mm / view.height_mm)
    picture = Picture(
        scene, view, width_px=width, alt=f"{heading} view of the scan; no vertebra is labelled."
    )
    picture.ct(style.window(), pixel_mm=max(PIXEL_MM, view.width_mm / width * 0.75))
    where = (
        "through the plane with most bone near the middle" if heading == "Sagittal" else "through the middle"
    )
    return picture.figure(f"{heading} cut {where} of the scan. No vertebra was labelled.", heading=heading)


def _toward_bone(scene: Scene, centre: FloatArray, size: FloatArray) -> float:
    """How far to the patient's right of the middle the most bone lies in one sagittal plane, mm."""
    if scene.image is None:
        return 0.0
    window = style.window()
    shifts = np.arange(-SEARCH_MM, SEARCH_MM + 0.5, _COARSE_MM)
    amount = []
    for shift in shifts:
        plane = Plane(
            centre + shift * PATIENT.right,
            -PATIENT.anterior,
            -PATIENT.superior,
            float(size[1]),
            float(size[2]),
        )
        hu = np.nan_to_num(sample(scene.image, plane.points(_COARSE_MM)), nan=-1000.0)
        amount.append(float(np.clip(hu - window.level / 2.0, 0.0, window.width).sum()))
    return float(shifts[int(np.argmax(amount))]) if max(amount) > 0.0 else 0.0
