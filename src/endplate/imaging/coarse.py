"""A thinned view of a CT in patient axes, in which tissues are looked for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.organ_map import OrganMap
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]
FloatArray = NDArray[np.float32]

SMOOTH_MM = 2.0
"""Width of the smoothing that keeps noise out of the masks; values are read from the unsmoothed image."""

ROUNDED = 0.3
"""Thinning may go beyond the aimed distance by this share of a voxel."""

LEAST_OUTSIDE = 0.01
"""Share of a slice that must lie outside the patient to be air round it, not gas or noise inside."""


@dataclass(frozen=True, eq=False)
class CoarseScan:
    """Every n-th voxel of a CT, its axes running to the right, to the front and to the head.

    Parameters
    ----------
    fine:
        All voxels in the same order of axes (a view), shape (I, J, K).
    hu:
        The thinned voxels, float32.
    labels, organs:
        Ids on the thinned grid, or ``None``.
    step:
        Fine voxels per thinned voxel along each axis.
    fine_mm, spacing_mm:
        Voxel sizes of both.
    """

    fine: NDArray[np.number]
    hu: FloatArray
    labels: NDArray[np.uint8] | None
    organs: NDArray[np.uint8] | None
    step: tuple[int, int, int]
    fine_mm: tuple[float, float, float]
    spacing_mm: tuple[float, float, float]

    @classmethod
    def of(cls, image: Volume, labels: LabelMap | None, organs: OrganMap | None) -> CoarseScan:
        """Thin a CT with its labels and organs, which lie on its grid.

        Raises
        ------
        ValueError
            Labels or organs of another shape.
        """
        order = _patient_order(image)
        sizes = [float(size) for size in image.spacing_mm]
        aim = float(value("internal.coarse_mm"))
        fine_mm = tuple(sizes[axis] for axis, _ in order)
        step = tuple(max(1, int(aim / size + ROUNDED)) for size in fine_mm)
        fine = _turn(image.data, order)
        thin = tuple(slice(n // 2, None, n) for n in step)
        maps = []
        for volume in (None if labels is None else labels.volume, None if organs is None else organs.volume):
            if volume is not None and volume.shape != image.shape:
                raise ValueError("labels and organs lie on the grid of the CT")
            maps.append(None if volume is None else np.ascontiguousarray(_turn(volume.data, order)[thin]))
        return cls(
            fine=fine,
            hu=np.ascontiguousarray(fine[thin], dtype=np.float32),
            labels=maps[0],
            organs=maps[1],
            step=(step[0], step[1], step[2]),
            fine_mm=(fine_mm[0], fine_mm[1], fine_mm[2]),
            spacing_mm=(fine_mm[0] * step[0], fine_mm[1] * step[1], fine_mm[2] * step[2]),
        )

    @property
    def voxel_ml(self) -> float:
        """Volume of a thinned voxel."""
        return float(np.prod(self.spacing_mm)) / MM3_PER_ML

    @cached_property
    def smooth(self) -> FloatArray:
        """The thinned image, smoothed."""
        sigma = [SMOOTH_MM / size for size in self.spacing_mm]
        result: FloatArray = ndimage.gaussian_filter(self.hu, sigma, mode="nearest")
        return result

    @cached_property
    def body(self) -> Mask:
        """The patient with lungs and gas: the largest part above air, holes in each slice filled."""
        above = ndimage.binary_opening(self.smooth > float(value("character.body_hu")), iterations=1)
        parts, count = ndimage.label(above)
        if count == 0:
            return np.zeros(self.hu.shape, dtype=np.bool_)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        body = parts == int(np.argmax(sizes))
        for k in range(body.shape[2]):
            body[:, :, k] = ndimage.binary_fill_holes(body[:, :, k])
        return np.asarray(body, dtype=np.bool_)

    @cached_property
    def outside_mm(self) -> FloatArray:
        """Distance of every voxel of the body from the air outside, in each slice; large where no air is in view."""
        away = np.full(self.hu.shape, 1.0e4, dtype=np.float32)
        for k in range(self.hu.shape[2]):
            inside = self.body[:, :, k]
            if inside.mean() < 1.0 - LEAST_OUTSIDE:
                away[:, :, k] = edt.edt(
                    np.ascontiguousarray(inside),
                    anisotropy=self.spacing_mm[:2],
                    black_border=False,
                    parallel=1,
                )
        return away

    def grow(self, mask: Mask, mm: float) -> Mask:
        """The mask grown by a distance."""
        if not mask.any():
            return mask
        reach = [int(mm / size) + 1 for size in self.spacing_mm]
        filled = [np.flatnonzero(mask.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
        box = tuple(
            slice(max(0, int(f[0]) - n), int(f[-1]) + n + 1) for f, n in zip(filled, reach, strict=True)
        )
        grown = np.zeros(mask.shape, dtype=np.bool_)
        grown[box] = self._distance(~mask[box]) <= mm
        return grown

    def shrink(self, mask: Mask, mm: float) -> Mask:
        """The mask shrunk by a distance; the edge of the field of view does not count as a surface."""
        if mask.all():
            return mask
        return np.asarray(self._distance(mask) > mm, dtype=np.bool_)

    def _distance(self, mask: Mask) -> FloatArray:
        """Distance of the mask's voxels from what is not mask, mm; the edge of the array is no surface."""
        distance: FloatArray = edt.edt(
            np.ascontiguousarray(mask), anisotropy=self.spacing_mm, black_border=False, parallel=1
        )
        return distance


def _patient_order(image: Volume) -> list[tuple[int, bool]]:
    """For the axes right, front, head: which voxel axis runs along each, and whether it must be turned."""
    order = []
    for letters in ("RL", "AP", "SI"):
        axis = next(i for i, letter in enumerate(image.axis_codes) if letter in letters)
        order.append((axis, image.axis_codes[axis] == letters[1]))
    return order


def _turn(data: NDArray[np.number], order: list[tuple[int, bool]]) -> NDArray[np.number]:
    turned = np.transpose(data, [axis for axis, _ in order])
    return turned[tuple(slice(None, None, -1) if flip else slice(None) for _, flip in order)]
