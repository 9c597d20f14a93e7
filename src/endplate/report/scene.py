"""What lies behind every picture: the CT and the labels, read on any view."""

from __future__ import annotations

from functools import cached_property

import contourpy
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, Volume
from endplate.report.slicing import SplineOrder, View, sample
from endplate.report.style import OUTSIDE_RGB, Window

OUTLINE_PIXEL_MM = 0.6
"""Pixel of the pictures that label outlines are traced on."""

OUTLINE_SMOOTHING_VOXELS = 0.5
"""Gaussian that rounds the voxel stairs of an outline before it is traced."""

_BOX_MARGIN = 3
"""Voxels kept around a label, so that its smoothed edge lies inside the box."""

_REACH = 3
"""Outline pixels read around a label's box."""


class Scene:
    """The CT and the labels of one report; either may be missing.

    Parameters
    ----------
    image:
        CT in HU, or ``None``.
    labels:
        Vertebra labels, or ``None``.
    """

    def __init__(self, image: Volume | None, labels: LabelMap | None) -> None:
        self.image = image
        self.labels = labels
        self._masks: dict[int, Volume | None] = {}

    @property
    def empty(self) -> bool:
        """There is nothing to draw a picture from."""
        return self.image is None and self.labels is None

    @cached_property
    def boxes(self) -> dict[int, tuple[NDArray[np.int64], NDArray[np.int64]]]:
        """Voxel box [start, stop) of every label present, by VerSe id."""
        if self.labels is None:
            return {}
        found = ndimage.find_objects(self.labels.data)
        return {
            i + 1: (
                np.array([part.start for part in box], dtype=np.int64),
                np.array([part.stop for part in box], dtype=np.int64),
            )
            for i, box in enumerate(found)
            if box is not None
        }

    def grey(
        self, view: View, window: Window, pixel_mm: float, *, order: SplineOrder = 1
    ) -> NDArray[np.uint8]:
        """Palette indices of the CT on a view, shape (H, W): 0 outside the scan, 1 black to 255 white."""
        if self.image is None:
            raise ValueError("there is no CT to show")
        hu = sample(self.image, view.points(pixel_mm), order=order)
        share = (hu - (window.level - window.width / 2.0)) / window.width
        indices = 1.0 + np.rint(np.clip(share, 0.0, 1.0) * 254.0)
        return np.where(np.isnan(hu), 0.0, indices).astype(np.uint8)

    def outlines(self, view: View, label_id: int) -> list[FloatArray]:
        """Outlines of one label on a view: closed rings in picture mm, each of shape (N, 2)."""
        mask = self._mask(label_id)
        corners = self.corners_ras_mm((label_id,))
        if mask is None or not view.may_show(corners):
            return []
        points = view.points(OUTLINE_PIXEL_MM)
        step = np.array([view.width_mm / points.shape[1], view.height_mm / points.shape[0]])
        # Only the part of the picture that the label's box can reach is read.
        reach = view.project(corners) / step
        low = np.clip(np.floor(reach.min(axis=0)).astype(int) - _REACH, 0, None)
        high = np.ceil(reach.max(axis=0)).astype(int) + _REACH
        part = points[low[1] : high[1], low[0] : high[0]]
        if part.size == 0:
            return []
        inside = np.nan_to_num(sample(mask, part), nan=0.0)
        if not (inside > 0.5).any():
            return []
        lines = contourpy.contour_generator(z=np.pad(inside, 1)).lines(0.5)
        return [(np.asarray(line, dtype=np.float64) - 0.5 + low) * step for line in lines if len(line) > 3]

    def centroid_ras_mm(self, label_id: int) -> FloatArray | None:
        """Centre of a label in RAS mm, or ``None`` where it is not present."""
        if self.labels is None or label_id not in self.boxes:
            return None
        start, stop = self.boxes[label_id]
        part = self.labels.volume.crop(start, stop)
        return part.to_world(np.argwhere(part.data == label_id).mean(axis=0))

    def corners_ras_mm(self, label_ids: tuple[int, ...]) -> FloatArray:
        """Corners of the boxes of some labels in RAS mm, shape (8·n, 3)."""
        if self.labels is None:
            return np.empty((0, 3))
        corners = [
            [[box[a][0], box[b][1], box[c][2]] for a in (0, 1) for b in (0, 1) for c in (0, 1)]
            for box in (self.boxes[i] for i in label_ids if i in self.boxes)
        ]
        flat = np.array(corners, dtype=np.float64).reshape(-1, 3)
        return self.labels.volume.to_world(flat - 0.5)

    def covered(self, view: View, pixel_mm: float) -> NDArray[np.bool_]:
        """Which pixels of a view lie within the CT, shape (H, W); all of them without a CT."""
        points = view.points(pixel_mm)
        if self.image is None:
            return np.ones(points.shape[:2], dtype=np.bool_)
        voxel = self.image.to_voxel(points)
        inside = (voxel > -0.5) & (voxel < np.array(self.image.shape) - 0.5)
        return np.asarray(inside.all(axis=-1), dtype=np.bool_)

    def _mask(self, label_id: int) -> Volume | None:
        if label_id not in self._masks:
            self._masks[label_id] = self._cut_mask(label_id)
        return self._masks[label_id]

    def _cut_mask(self, label_id: int) -> Volume | None:
        if self.labels is None or label_id not in self.boxes:
            return None
        start, stop = self.boxes[label_id]
        part = self.labels.volume.crop(start - _BOX_MARGIN, stop + _BOX_MARGIN)
        share = ndimage.gaussian_filter(
            (part.data == label_id).astype(np.float32), OUTLINE_SMOOTHING_VOXELS, mode="nearest"
        )
        return Volume(data=share, affine=part.affine)


def ct_palette() -> NDArray[np.uint8]:
    """RGB of the palette indices of :meth:`Scene.grey`, shape (256, 3)."""
    ramp = np.rint(np.linspace(0.0, 255.0, 255)).astype(np.uint8)
    return np.vstack([np.array([OUTSIDE_RGB], np.uint8), np.repeat(ramp[:, None], 3, axis=1)])
