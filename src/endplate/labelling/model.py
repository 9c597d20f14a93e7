"""What is known of a vertebra after a click: the seed, its body's surface and mask, and how good they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.imaging.geometry import apply_affine
from endplate.labelling.drum import BodySurface
from endplate.sources import Finding


@dataclass(frozen=True, eq=False)
class Seed:
    """One click: a level's name, which is the user's word, and a point inside its vertebral body.

    Parameters
    ----------
    level:
        Canonical name (``"L1"``).
    ras_mm:
        The point, shape (3,), RAS mm.
    """

    level: str
    ras_mm: FloatArray

    def __post_init__(self) -> None:
        point = np.array(self.ras_mm, dtype=np.float64)
        if point.shape != (3,) or not np.isfinite(point).all():
            raise ValueError(f"a seed is a point of three finite coordinates, not {self.ras_mm!r}")
        point.flags.writeable = False
        object.__setattr__(self, "ras_mm", point)


@dataclass(frozen=True, eq=False)
class LabelledBody:
    """One vertebral body found from its seed.

    Parameters
    ----------
    level, seed:
        As given.
    axes:
        The body's own frame: origin at its centre, rows of ``rotation`` the right, anterior and superior unit vectors.
    surface:
        The star-convex surface.
    mask:
        Shape (i, j, k) of a crop of the CT's grid: voxels whose centre lies in the body.
    start_ijk:
        Voxel of the CT at the crop's corner.
    affine:
        4×4, crop voxel → RAS mm.
    median_hu:
        Median HU of the spongy middle (what bone behind it is compared with).
    quality:
        0–1: the smallest of its parts.
    quality_parts:
        Named parts of the quality, each 0–1.
    assumed:
        Sentences on what was taken for granted (size from a table, direction of the image's axis, ...).
    findings:
        What the user must know of this level.
    """

    level: str
    seed: Seed
    axes: Axes
    surface: BodySurface
    mask: NDArray[np.bool_]
    start_ijk: tuple[int, int, int]
    affine: FloatArray
    median_hu: float
    quality: float
    quality_parts: tuple[tuple[str, float], ...]
    assumed: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def centre_ras_mm(self) -> FloatArray:
        """Centre of the body, shape (3,), RAS mm."""
        return self.axes.origin_ras_mm

    @property
    def box(self) -> tuple[slice, slice, slice]:
        """Where the crop stands in the CT's array: ``labels[body.box][body.mask] = id``."""
        i, j, k = (
            slice(first, first + size) for first, size in zip(self.start_ijk, self.mask.shape, strict=True)
        )
        return i, j, k

    @property
    def volume_ml(self) -> float:
        """Volume of the mask."""
        return float(self.mask.sum()) * abs(float(np.linalg.det(self.affine[:3, :3]))) * 1e-3

    @property
    def centroid_ras_mm(self) -> FloatArray:
        """Mean of the mask's voxel centres, RAS mm."""
        return apply_affine(self.affine, np.argwhere(self.mask).mean(axis=0))
