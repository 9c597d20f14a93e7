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
WIDEST_MM = 240.0
"""The upright views show at most this much around the plane with most bone."""

SEARCH_MM = 40.0
"""The sagittal view is moved at most this far from the middle to where most bone is."""

COLUMN_MM = 50.0
"""The coronal view goes where most bone is in a strip of this width about the sagittal view."""

_COARSE_MM = 3.0


def plain_figures(scene: Scene) -> list[Figure]:
    """Sagittal, coronal and axial views without names; empty without a CT."""
    if scene.image is None:
        return []
    corners = corner_points_mm(scene.image.shape, scene.image.affine)
    low, high = corners.min(axis=0), corners.max(axis=0)
    middle, size = (low + high) / 2.0, np.maximum(high - low, 1.0)
    right, anterior, superior = PATIENT.right, PATIENT.anterior, PATIENT.superior
    spot = middle.copy()
    spot[0] += _toward_bone(
        scene, spot, right, (-anterior, -superior), (float(size[1]), float(size[2])), SEARCH_MM
    )
    half = float(size[1]) / 2.0
    spot[1] += _toward_bone(scene, spot, anterior, (-right, -superior), (COLUMN_MM, float(size[2])), half)
    wide = np.minimum(size, WIDEST_MM)
    views = (
        (
            "Sagittal",
            Plane(_kept(spot, 1, wide, low, high), -anterior, -superior, float(wide[1]), float(size[2])),
        ),
        (
            "Coronal",
            Plane(_kept(spot, 0, wide, low, high), -right, -superior, float(wide[0]), float(size[2])),
        ),
        ("Axial", Plane(middle, -right, -anterior, float(size[0]), float(size[1]))),
    )
    return [_figure(scene, heading, view) for heading, view in views]


def _kept(spot: FloatArray, axis: int, wide: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """The spot, moved along one axis so that the view stays within the scan."""
    moved = spot.copy()
    moved[axis] = np.clip(moved[axis], low[axis] + wide[axis] / 2.0, high[axis] - wide[axis] / 2.0)
    return moved


def _figure(scene: Scene, heading: str, view: Plane) -> Figure:
    width = min(WIDTH_PX, MAX_HEIGHT_PX * view.width_mm / view.height_mm)
    alt = f"{heading} view of the scan; no vertebra is labelled."
    picture = Picture(scene, view, width_px=width, alt=alt)
    picture.ct(style.window(), pixel_mm=max(PIXEL_MM, view.width_mm / width * 0.75))
    where = "through the middle" if heading == "Axial" else "where the scan holds most bone"
    return picture.figure(f"{heading} cut {where}. No vertebra was labelled.", heading=heading)


def _toward_bone(
    scene: Scene,
    centre: FloatArray,
    along: FloatArray,
    axes: tuple[FloatArray, FloatArray],
    size: tuple[float, float],
    reach: float,
) -> float:
    """How far along a direction the plane with most bone lies, mm; 0 where there is none."""
    if scene.image is None:
        return 0.0
    window = style.window()
    shifts = np.arange(-reach, reach + 0.5, _COARSE_MM)
    amount = []
    for shift in shifts:
        plane = Plane(centre + shift * along, *axes, *size)
        hu = np.nan_to_num(sample(scene.image, plane.points(_COARSE_MM)), nan=-1000.0)
        amount.append(float(np.clip(hu - window.level / 2.0, 0.0, window.width).sum()))
    return float(shifts[int(np.argmax(amount))]) if max(amount) > 0.0 else 0.0
