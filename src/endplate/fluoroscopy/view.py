"""A view: a pose of the C-arm with its detector; world points to pixels and back.

Pixels are named (column, row); pixel (0, 0) is at the upper left, and whole numbers are pixel centres. Columns run
to the right and rows downward on the screen, as all our pictures are shown: head up, the patient's right on screen
left, the front on screen left in lateral views. ``as_shown`` mirrors a finished image for those who look from behind.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.errors import UsageError
from endplate.imaging.carm import CArmPose, CArmView
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

Shown = Literal["radiograph", "behind"]
"""Patient's right on screen left, or as the patient is seen from behind: right on screen right."""

LARGEST_SIDE = 8192
"""More pixels along a side are no detector but a slip of the pen."""


@dataclass(frozen=True)
class Collimation:
    """Open rectangle of the shutter in pixels: columns [left, right), rows [top, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (self.left < self.right and self.top < self.bottom):
            raise UsageError(
                "collimation-empty",
                "The collimator is shut: its rectangle holds no pixel.",
                do="Give left < right and top < bottom, in pixels.",
            )


@dataclass(frozen=True, eq=False)
class View:
    """What the C-arm is set to.

    Parameters
    ----------
    pose:
        Where the detector stands.
    isocentre_ras_mm:
        The point shown at the middle of the detector.
    rows, columns:
        Pixels of the detector.
    pitch_mm:
        Side of a pixel on the detector.
    source_isocentre_mm, source_detector_mm:
        Distances along the central ray.
    collimation:
        The shutter; ``None``: open.

    Raises
    ------
    UsageError
        ``detector-size``, ``carm-distances`` or ``isocentre-not-finite``.
    """

    pose: CArmPose
    isocentre_ras_mm: FloatArray
    rows: int
    columns: int
    pitch_mm: float
    source_isocentre_mm: float
    source_detector_mm: float
    collimation: Collimation | None = None

    def __post_init__(self) -> None:
        isocentre = np.array(self.isocentre_ras_mm, dtype=np.float64)
        if isocentre.shape != (3,) or not np.isfinite(isocentre).all():
            raise UsageError(
                "isocentre-not-finite",
                "The isocentre is not a point in space.",
                do="Give three finite numbers, RAS mm.",
            )
        isocentre.flags.writeable = False
        object.__setattr__(self, "isocentre_ras_mm", isocentre)
        sides = (self.rows, self.columns)
        if not all(float(n).is_integer() and 1 <= n <= LARGEST_SIDE for n in sides) or not (
            0.0 < self.pitch_mm < np.inf
        ):
            raise UsageError(
                "detector-size",
                f"A detector of {self.rows} × {self.columns} pixels of {self.pitch_mm} mm shows nothing.",
                do=f"Give 1 to {LARGEST_SIDE} rows and columns and a pixel size above 0 mm.",
            )
        if not 0.0 < self.source_isocentre_mm < self.source_detector_mm < np.inf:
            raise UsageError(
                "carm-distances",
                f"With {self.source_isocentre_mm} mm from source to isocentre and {self.source_detector_mm} mm to the "
                "detector, the isocentre is not between them.",
                do="Give a distance to the isocentre above 0 and below that to the detector.",
            )

    @cached_property
    def carm(self) -> CArmView:
        """The same view without its pixels."""
        return CArmView(
            self.pose, self.isocentre_ras_mm, float(self.source_isocentre_mm), float(self.source_detector_mm)
        )

    @property
    def source_ras_mm(self) -> FloatArray:
        """Where the X-rays come from."""
        return self.carm.source_ras_mm

    @property
    def detector_centre_ras_mm(self) -> FloatArray:
        """Where the central ray meets the detector."""
        return self.carm.detector_centre_ras_mm

    @property
    def column_ras(self) -> FloatArray:
        """Unit direction of growing column: to the right on the screen."""
        return self.pose.image_right_ras

    @property
    def row_ras(self) -> FloatArray:
        """Unit direction of growing row: down on the screen."""
        return -self.pose.image_up_ras

    @property
    def magnification(self) -> float:
        """Of what lies at the isocentre."""
        return self.source_detector_mm / self.source_isocentre_mm

    @property
    def pixel_at_isocentre_mm(self) -> float:
        """Side of a pixel, told at the isocentre."""
        return self.pitch_mm / self.magnification

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return int(self.rows), int(self.columns)

    @cached_property
    def first_pixel_ras_mm(self) -> FloatArray:
        """Centre of pixel (0, 0)."""
        across = 0.5 * (self.columns - 1) * self.column_ras + 0.5 * (self.rows - 1) * self.row_ras
        place: FloatArray = self.detector_centre_ras_mm - self.pitch_mm * across
        return place

    def project(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → column and row in pixels and depth in mm, shape (..., 3).

        The depth is the distance from the source along the central ray. Points level with the source or behind it
        have no place on the detector: their pixel is NaN.
        """
        points = np.asarray(ras_mm, dtype=np.float64)
        depth = (points - self.source_ras_mm) @ self.pose.detector_ras
        right_up = self.carm.project(points) / self.pitch_mm
        column = right_up[..., 0] + 0.5 * (self.columns - 1)
        row = 0.5 * (self.rows - 1) - right_up[..., 1]
        return np.stack([column, row, depth], axis=-1)

    def on_detector(self, pixel: ArrayLike) -> FloatArray:
        """Column and row, shape (..., 2) → RAS mm of that point of the detector, shape (..., 3)."""
        at = np.asarray(pixel, dtype=np.float64)
        across = at[..., :1] * self.column_ras + at[..., 1:2] * self.row_ras
        return np.asarray(self.first_pixel_ras_mm + self.pitch_mm * across, dtype=np.float64)

    def ray(self, pixel: ArrayLike) -> FloatArray:
        """Unit directions (RAS) from the source to detector points, shape (..., 2) → (..., 3)."""
        way = self.on_detector(pixel) - self.source_ras_mm
        return np.asarray(way / np.linalg.norm(way, axis=-1, keepdims=True), dtype=np.float64)

    def sees(self, ras_mm: ArrayLike) -> NDArray[np.bool_]:
        """Say which points, shape (..., 3), fall on the open part of the detector."""
        column, row, depth = np.moveaxis(self.project(ras_mm), -1, 0)
        shut = self.collimation
        left, top, right, bottom = (
            (0, 0, self.columns, self.rows)
            if shut is None
            else (
                max(shut.left, 0),
                max(shut.top, 0),
                min(shut.right, self.columns),
                min(shut.bottom, self.rows),
            )
        )
        inside = (column >= left - 0.5) & (column < right - 0.5) & (row >= top - 0.5) & (row < bottom - 0.5)
        return np.asarray(inside & (depth > 0.0), dtype=np.bool_)

    def magnified(self, factor: float) -> View:
        """The same pixels on a part of the detector smaller by ``factor``, as a magnified field shows it."""
        if not 0.0 < factor < np.inf:
            raise UsageError(
                "magnification", f"A field cannot be magnified {factor} times.", do="Give a factor above 0."
            )
        return replace(self, pitch_mm=self.pitch_mm / factor)

    def resized(self, rows: int, columns: int) -> View:
        """The same field of the detector on other pixels; an open shutter, as it is told in pixels."""
        return replace(
            self,
            rows=rows,
            columns=columns,
            pitch_mm=self.pitch_mm * self.columns / columns,
            collimation=None,
        )

    def collimated(self, collimation: Collimation | None) -> View:
        """The same view with another shutter."""
        return replace(self, collimation=collimation)


def mobile_view(
    pose: CArmPose,
    isocentre_ras_mm: ArrayLike,
    *,
    pixels: int | None = None,
    detector_mm: float | None = None,
) -> View:
    """A view with the distances and the square detector of a mobile C-arm.

    Parameters
    ----------
    pose, isocentre_ras_mm:
        As in :class:`View`.
    pixels:
        Along each side; ``None``: ``fluoroscopy.detector_pixels``.
    detector_mm:
        Side of the detector; ``None``: ``fluoroscopy.detector_mm``.
    """
    count = int(value("fluoroscopy.detector_pixels")) if pixels is None else pixels
    side = float(value("fluoroscopy.detector_mm")) if detector_mm is None else detector_mm
    return View(
        pose,
        np.asarray(isocentre_ras_mm, dtype=np.float64),
        rows=count,
        columns=count,
        pitch_mm=side / count if count else 0.0,
        source_isocentre_mm=float(value("carm.source_isocentre_mm")),
        source_detector_mm=float(value("carm.source_detector_mm")),
    )


def as_shown(image: NDArray[Any], view: View, shown: Shown) -> NDArray[Any]:
    """A finished image, shape (rows, columns, ...), turned for the screen; lateral views stay as they are.

    Only the picture is mirrored. Pixels of :meth:`View.project` go with it through :func:`shown_columns`.
    """
    return image[:, ::-1] if is_mirrored(view, shown) else image


def shown_columns(columns: ArrayLike, view: View, shown: Shown) -> FloatArray:
    """Columns of a view → columns of the image that :func:`as_shown` gives."""
    at = np.asarray(columns, dtype=np.float64)
    return view.columns - 1.0 - at if is_mirrored(view, shown) else at


def is_mirrored(view: View, shown: Shown) -> bool:
    """Say whether a way of showing turns left and right of this view."""
    if shown not in get_args(Shown):
        raise UsageError(
            "shown-unknown",
            f"The way of showing {shown!r} is not known.",
            do=f"Choose one of {', '.join(get_args(Shown))}.",
        )
    return shown == "behind" and not view.pose.lateral
