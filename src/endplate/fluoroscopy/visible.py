"""How much cement an operator could see in a view, against noise and against the bone around it.

Notes
-----
A detail of the size of ``xray.visible_detail_mm`` is seen where the change that cement makes in the logarithmic
picture, averaged over the detail, is at least ``xray.visible_rose`` times its noise. The noise holds the quanta of an
averaged frame over the detail and the anatomy: how much the patient's own picture varies from detail to detail around
it; tools are known and no part of that. Scatter lowers the contrast as on the monitor. A voxel of cement counts as
visible where its shadow does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.fluoroscopy.beam import Shadow
from endplate.fluoroscopy.noise import FLOOR, averaged_share, blur_share
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.render import Prepared, Settings, prepare
from endplate.fluoroscopy.scatter import COARSE, coarse, veil, widened
from endplate.fluoroscopy.scene import Filling, Scene
from endplate.fluoroscopy.view import View
from endplate.sources import value

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

SURROUNDINGS = 4.0
"""Side of the neighbourhood in which anatomy is judged, in details."""

MM3_PER_ML = 1000.0


@dataclass(frozen=True, eq=False)
class Visible:
    """What of some cement is seen in one view.

    Parameters
    ----------
    volume_ml:
        All of it.
    visible_ml:
        The part whose shadow is seen.
    in_field_ml:
        The part that lies in the open field.
    seen:
        Pixels in which it is seen, shape (rows, columns), in the view's own columns.
    """

    volume_ml: float
    visible_ml: float
    in_field_ml: float
    seen: Mask

    @property
    def fraction(self) -> float:
        """Visible share, 0–1; 0 where there is none."""
        return self.visible_ml / self.volume_ml if self.volume_ml > 0.0 else 0.0


def visible_cement(
    view: View,
    patient: Patient,
    cement: Filling,
    *,
    beside: Scene | None = None,
    settings: Settings | None = None,
) -> Visible:
    """The visible volume of cement in a view.

    Parameters
    ----------
    view, patient:
        As for a picture.
    cement:
        What is looked for: all of it, or a leak alone.
    beside:
        What else is in the beam: tools, and other cement that may hide a leak.
    settings:
        How the picture is taken.
    """
    if cement.empty:
        return Visible(0.0, 0.0, 0.0, np.zeros(view.shape, dtype=np.bool_))
    how = settings or Settings()
    ready = prepare(view, patient, how)
    around = beside or Scene()
    without = _signal(view, ready, around.shadow(view))
    whole = Scene(around.tools, (*around.fillings, cement))
    with_it = _signal(view, ready, whole.shadow(view))
    side = float(value("xray.visible_detail_mm")) / view.pixel_at_isocentre_mm
    change = _detail(np.log(without) - np.log(with_it), side)
    anatomy = _anatomy(np.log(_signal(view, ready, None)), side)
    noise = np.hypot(_quantum(with_it, ready, view, how, side), anatomy)
    seen = (change >= float(value("xray.visible_rose")) * noise) & ready.field & (cement.path(view)[0] > 0.0)
    volume, visible, within = _volumes(view, cement, seen, ready.field)
    return Visible(volume, visible, within, seen)


def _signal(view: View, ready: Prepared, shadow: Shadow | None) -> Float32:
    """Mean signal with scatter."""
    primary = ready.beam.add_tools(ready.signal, ready.paths.soft_mm, ready.paths.bone_mm, shadow)
    mist = widened(veil(coarse(primary), ready.scatter, ready.reference, view.pitch_mm), view.columns)
    mist = np.repeat(mist, COARSE, axis=0)[: view.rows]
    return np.asarray(np.maximum(primary + mist, np.float32(FLOOR)), dtype=np.float32)


def _detail(picture: Float32, side_px: float) -> Float32:
    """Means over details."""
    return np.asarray(
        ndimage.uniform_filter(picture, max(1, round(side_px)), mode="nearest"), dtype=np.float32
    )


def _quantum(signal: Float32, ready: Prepared, view: View, how: Settings, side_px: float) -> Float32:
    """Noise of the logarithm over a detail of the averaged picture."""
    photons = ready.photons_per_signal_mm2 * view.pitch_mm**2 * max(side_px, 1.0) ** 2
    weight = float(value("xray.frame_weight")) if how.frame_weight is None else how.frame_weight
    # Over a detail the blur of the detector no longer lowers the noise; over a single pixel it does.
    blur = 1.0 if side_px >= 2.0 else blur_share()
    return np.asarray(blur * averaged_share(weight) / np.sqrt(photons * signal), dtype=np.float32)


def _anatomy(logarithm: Float32, side_px: float) -> Float32:
    """How much the picture without cement varies from detail to detail, as a standard deviation."""
    detail = _detail(logarithm, side_px)
    wide = max(3, round(SURROUNDINGS * side_px))
    apart = detail - ndimage.uniform_filter(detail, wide, mode="nearest")
    return np.asarray(np.sqrt(ndimage.uniform_filter(apart**2, wide, mode="nearest")), dtype=np.float32)


def _volumes(view: View, cement: Filling, seen: Mask, field: Mask) -> tuple[float, float, float]:
    """All, visible and within the field, ml: voxel by voxel, by where each is shown."""
    fraction = np.asarray(cement.fraction.data, dtype=np.float64)
    held = np.argwhere(fraction > 0.0)
    amount = fraction[tuple(held.T)] * abs(float(np.linalg.det(cement.fraction.affine[:3, :3]))) / MM3_PER_ML
    places = view.project(cement.fraction.to_world(held))
    with np.errstate(invalid="ignore"):
        column, row = (np.floor(places[:, axis] + 0.5) for axis in (0, 1))
        inside = (
            (row >= 0) & (row < view.rows) & (column >= 0) & (column < view.columns) & (places[:, 2] > 0.0)
        )
    at = row[inside].astype(np.int64), column[inside].astype(np.int64)
    totals = (amount.sum(), amount[inside][seen[at]].sum(), amount[inside][field[at]].sum())
    volume, visible, within = (float(total) if math.isfinite(total) else 0.0 for total in totals)
    return volume, visible, within
