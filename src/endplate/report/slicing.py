"""Cuts through a volume: where each picture point lies in the patient, and the picture letters that follow.

Picture coordinates are millimetres from the picture's upper left corner, x to the right and y down.
Conventions of the views: patient right on screen left; in sagittal views anterior on screen left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from endplate.imaging.geometry import AXIS_LETTERS, FloatArray
from endplate.imaging.volume import Volume

SECOND_LETTER_FROM = math.sin(math.radians(22.5))
"""A direction gets a second letter once it leans this far (22.5°) toward another axis."""

ORTHONORMAL_TOLERANCE = 1e-6
"""Axes of a plane must be unit and square to each other within this."""


SplineOrder = Literal[1, 3]
"""Linear or cubic interpolation."""


class Letters(NamedTuple):
    """The four orientation letters of a view."""

    left: str
    right: str
    top: str
    bottom: str


class View(Protocol):
    """What a picture needs to know of its cut."""

    @property
    def width_mm(self) -> float:
        """Picture width."""

    @property
    def height_mm(self) -> float:
        """Picture height."""

    @property
    def letters(self) -> Letters:
        """Orientation letters at the four edges."""

    def project(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → picture mm, shape (..., 2)."""

    def points(self, pixel_mm: float) -> FloatArray:
        """RAS mm of the pixel centres, shape (H, W, 3)."""

    def may_show(self, corners_ras_mm: FloatArray) -> bool:
        """Say whether any of a box with these corners, shape (N, 3), may be in the picture."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A flat cut.

    Parameters
    ----------
    centre_ras_mm:
        Point at the middle of the picture.
    right_ras, down_ras:
        Unit directions toward screen right and screen bottom, square to each other.
    width_mm, height_mm:
        Size of the picture.

    Raises
    ------
    ValueError
        The directions are not unit and square, or the picture has no size.
    """

    centre_ras_mm: FloatArray
    right_ras: FloatArray
    down_ras: FloatArray
    width_mm: float
    height_mm: float

    def __post_init__(self) -> None:
        for name in ("centre_ras_mm", "right_ras", "down_ras"):
            object.__setattr__(self, name, np.array(getattr(self, name), dtype=np.float64))
        axes = np.stack([self.right_ras, self.down_ras])
        if np.abs(axes @ axes.T - np.eye(2)).max() > ORTHONORMAL_TOLERANCE:
            raise ValueError("the directions of a plane are unit vectors, square to each other")
        if min(self.width_mm, self.height_mm) <= 0.0:
            raise ValueError("a plane has a size")

    @property
    def normal_ras(self) -> FloatArray:
        """Unit direction into the screen."""
        return np.cross(self.right_ras, self.down_ras)

    @property
    def letters(self) -> Letters:
        """Orientation letters at the four edges."""
        return Letters(
            left=direction_letters(-self.right_ras),
            right=direction_letters(self.right_ras),
            top=direction_letters(-self.down_ras),
            bottom=direction_letters(self.down_ras),
        )

    def project(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → picture mm, shape (..., 2), straight onto the plane."""
        offset = np.asarray(ras_mm, dtype=np.float64) - self.centre_ras_mm
        return np.stack(
            [offset @ self.right_ras + self.width_mm / 2.0, offset @ self.down_ras + self.height_mm / 2.0],
            axis=-1,
        )

    def may_show(self, corners_ras_mm: FloatArray) -> bool:
        """Say whether any of a box with these corners, shape (N, 3), may be in the picture."""
        if not self.overlaps(corners_ras_mm):
            return False
        depth = self.depth_mm(corners_ras_mm)
        return bool(depth.min() <= 0.0 <= depth.max())

    def overlaps(self, corners_ras_mm: FloatArray) -> bool:
        """Say whether a box, seen straight through the plane, overlaps the picture."""
        if len(corners_ras_mm) == 0:
            return False
        xy = self.project(corners_ras_mm)
        size = np.array([self.width_mm, self.height_mm])
        return bool((xy.max(axis=0) >= 0.0).all() and (xy.min(axis=0) <= size).all())

    def depth_mm(self, ras_mm: ArrayLike) -> FloatArray:
        """Distance of points from the plane in mm, positive behind the screen; shape (...)."""
        offset: FloatArray = (np.asarray(ras_mm, dtype=np.float64) - self.centre_ras_mm) @ self.normal_ras
        return offset

    def unproject(self, xy_mm: ArrayLike) -> FloatArray:
        """Picture mm, shape (..., 2) → RAS mm on the plane, shape (..., 3)."""
        xy = np.asarray(xy_mm, dtype=np.float64)
        along = (xy[..., 0:1] - self.width_mm / 2.0) * self.right_ras
        across = (xy[..., 1:2] - self.height_mm / 2.0) * self.down_ras
        return np.asarray(self.centre_ras_mm + along + across, dtype=np.float64)

    def points(self, pixel_mm: float) -> FloatArray:
        """RAS mm of the pixel centres, shape (H, W, 3); pixels are as near to ``pixel_mm`` as fits."""
        x, y = pixel_centres(self.width_mm, pixel_mm), pixel_centres(self.height_mm, pixel_mm)
        return self.unproject(np.stack(np.meshgrid(x, y), axis=-1))


@dataclass(frozen=True, eq=False)
class CurvedView:
    """A plane bent so that it follows a curve through the bodies: rows move along the plane's normal.

    Lengths within the picture are those of the flat plane; what lies to the side of the curve is not shown.

    Parameters
    ----------
    plane:
        The flat picture.
    knots_mm:
        Rows (picture y, mm) where the curve is known, ascending.
    offsets_mm:
        How far behind the plane the curve runs at each knot.
    """

    plane: Plane
    knots_mm: FloatArray
    offsets_mm: FloatArray

    @property
    def width_mm(self) -> float:
        """Picture width."""
        return self.plane.width_mm

    @property
    def height_mm(self) -> float:
        """Picture height."""
        return self.plane.height_mm

    @property
    def letters(self) -> Letters:
        """Orientation letters at the four edges."""
        return self.plane.letters

    def project(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → picture mm, shape (..., 2)."""
        return self.plane.project(ras_mm)

    def may_show(self, corners_ras_mm: FloatArray) -> bool:
        """Say whether any of a box with these corners, shape (N, 3), may be in the picture."""
        return self.plane.overlaps(corners_ras_mm)

    def points(self, pixel_mm: float) -> FloatArray:
        """RAS mm of the pixel centres on the bent surface, shape (H, W, 3)."""
        rows = pixel_centres(self.height_mm, pixel_mm)
        shift = np.interp(rows, self.knots_mm, self.offsets_mm)
        return np.asarray(
            self.plane.points(pixel_mm) + shift[:, None, None] * self.plane.normal_ras, dtype=np.float64
        )


def pixel_centres(length_mm: float, pixel_mm: float) -> FloatArray:
    """Centres of the whole pixels that fill a length, in mm from its start."""
    count = max(1, round(length_mm / pixel_mm))
    return (np.arange(count, dtype=np.float64) + 0.5) * (length_mm / count)


def direction_letters(direction_ras: ArrayLike) -> str:
    """Letters of a direction: the axis it mostly follows, then any it leans far toward (``"AR"``)."""
    way = unit(direction_ras)
    order = np.argsort(-np.abs(way), kind="stable")
    kept = [int(order[0])] + [int(i) for i in order[1:] if abs(way[i]) >= SECOND_LETTER_FROM]
    return "".join(AXIS_LETTERS[i][int(way[i] > 0.0)] for i in kept)


def unit(direction: ArrayLike) -> FloatArray:
    """Return a direction at length 1."""
    way = np.asarray(direction, dtype=np.float64)
    return np.asarray(way / np.linalg.norm(way), dtype=np.float64)


def square_to(direction: ArrayLike, axis: ArrayLike) -> FloatArray:
    """Return the unit part of ``direction`` that is square to the unit vector ``axis``."""
    along = np.asarray(axis, dtype=np.float64)
    rest = np.asarray(direction, dtype=np.float64)
    rest = rest - (rest @ along) * along
    return unit(rest)


def sample(volume: Volume, ras_mm: FloatArray, *, order: SplineOrder = 1) -> NDArray[np.float32]:
    """Values of a volume at points, shape (..., 3) → (...); NaN outside the grid.

    ``order`` is that of the spline (1 linear, 3 cubic). Only the box that holds the points is read.
    """
    voxel = volume.to_voxel(ras_mm).reshape(-1, 3)
    reach = order + 1
    low = np.clip(np.floor(voxel.min(axis=0)).astype(int) - reach, 0, np.array(volume.shape) - 1)
    high = np.clip(np.ceil(voxel.max(axis=0)).astype(int) + reach + 1, low + 1, volume.shape)
    box = volume.data[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))]
    values = ndimage.map_coordinates(
        box,
        (voxel - low).T,
        output=np.float32,
        order=order,
        mode="constant",
        cval=np.nan,
        prefilter=order > 1,
    )
    return np.asarray(values.reshape(ras_mm.shape[:-1]), dtype=np.float32)
