"""Heights and wedge angle of a body whose endplates a known field has moved: exact surfaces, no voxels.

The surfaces are moved point by point and measured by the definitions of ``endplate assess`` in the frame that the
moved endplates themselves define.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.anatomy.endplates import (
    PlaneFit,
    Surfaces,
    fit_plane,
    measure_heights,
    sagittal_wedge_deg,
)
from endplate.anatomy.expectation import HEIGHTS
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value
from endplate.synthetic.fracture_field import FractureField

FRAME_PASSES = 3
"""Times that the frame is found anew from the endplates seen in it."""

SLIDES = 12
"""Steps along a turned axis onto a surface; each leaves a tenth of the distance at most."""


@dataclass(frozen=True, eq=False)
class Measured:
    """Three heights (mm, in the order of ``HEIGHTS``), the wedge angle and the quality of both planes."""

    heights_mm: FloatArray
    wedge_deg: float | None
    rmse_mm: float


@dataclass(frozen=True, eq=False)
class BodyPoints:
    """One body in its frame before the fracture, local mm.

    Parameters
    ----------
    axes, low_mm, step_mm:
        The frame and the grid over its plane.
    top_mm, bottom_mm:
        Shape (X, Y): the endplates; NaN where there are none.
    inside_mm:
        Shape (n, 3): the body's surface voxels, which give its outline.
    x_mid_mm:
        The mid-sagittal plane.
    frame_borrowed:
        The superior axis is the neighbours', so the endplates do not turn it.
    """

    axes: Axes
    low_mm: FloatArray
    step_mm: float
    top_mm: FloatArray
    bottom_mm: FloatArray
    inside_mm: FloatArray
    x_mid_mm: float
    frame_borrowed: bool

    @staticmethod
    def of(vertebra: LocalVertebra) -> BodyPoints:
        """A measured vertebra: its endplates as refined, and the voxels of its body."""
        grid, surfaces = vertebra.grid, vertebra.surfaces
        # Only the outline of the body matters, so its surface is enough.
        shell = vertebra.body.mask & ~ndimage.binary_erosion(vertebra.body.mask)
        return BodyPoints(
            axes=vertebra.axes,
            low_mm=grid.low_mm[:2],
            step_mm=grid.step_mm,
            top_mm=surfaces.top_smooth_mm,
            bottom_mm=surfaces.bottom_smooth_mm,
            inside_mm=grid.low_mm + grid.step_mm * np.argwhere(shell),
            x_mid_mm=vertebra.x_mid_mm,
            frame_borrowed=vertebra.frame_borrowed,
        )

    def moved(self, field: FractureField) -> BodyPoints:
        """The body after the fracture, still in the old frame."""
        return replace(
            self,
            top_mm=self._carried(self.top_mm, field),
            bottom_mm=self._carried(self.bottom_mm, field),
            inside_mm=field.forward(self.inside_mm),
        )

    def _carried(self, surface: FloatArray, field: FractureField) -> FloatArray:
        known = np.isfinite(surface)
        ix, iy = np.nonzero(known)
        points = np.column_stack([self.low_mm + self.step_mm * np.column_stack([ix, iy]), surface[known]])
        carried = np.full_like(surface, np.nan)
        carried[known] = field.forward(points)[:, 2]
        return carried


def measure_points(points: BodyPoints) -> Measured:
    """Heights and wedge angle of a body, in the frame of its own endplates."""
    turn = np.eye(3)
    found: tuple[Surfaces, LocalGrid, PlaneFit | None, PlaneFit | None] | None = None
    for index in range(FRAME_PASSES):
        found = _surfaces(points, turn)
        _, _, superior, inferior = found
        if index == FRAME_PASSES - 1 or points.frame_borrowed or superior is None or inferior is None:
            break
        if max(superior.rmse_mm, inferior.rmse_mm) > float(value("endplate.rmse_borrow_mm")):
            break
        up = unit(superior.normal + inferior.normal) @ turn
        turn = Axes.from_directions(np.zeros(3), up, turn[1]).rotation
    assert found is not None
    surfaces, grid, superior, inferior = found
    heights = measure_heights(surfaces, grid, points.x_mid_mm)
    known = superior is not None and inferior is not None
    return Measured(
        np.array([heights[name].value_mm for name in HEIGHTS]),
        sagittal_wedge_deg(superior, inferior) if superior is not None and inferior is not None else None,
        max(superior.rmse_mm, inferior.rmse_mm) if known and superior and inferior else float("inf"),
    )


def _surfaces(
    points: BodyPoints, turn: FloatArray
) -> tuple[Surfaces, LocalGrid, PlaneFit | None, PlaneFit | None]:
    """Both endplates on a grid over the plane of the turned frame (rows of ``turn``: its axes)."""
    step = points.step_mm
    inside = points.inside_mm @ turn.T
    low = inside.min(axis=0) - 3.0 * step
    shape = tuple(int(n) for n in np.ceil((inside.max(axis=0) + 3.0 * step - low) / step)[:2] + 1)
    index = np.rint((inside[:, :2] - low[:2]) / step).astype(int)
    footprint = np.zeros(shape, dtype=bool)
    footprint[index[:, 0], index[:, 1]] = True
    footprint = ndimage.binary_fill_holes(ndimage.binary_closing(footprint, iterations=2))
    ix, iy = np.nonzero(footprint)
    places = low[:2] + step * np.column_stack([ix, iy])
    over, under = np.full(shape, np.nan), np.full(shape, np.nan)
    over[footprint] = _seen_from(points, points.top_mm, turn, places)
    under[footprint] = _seen_from(points, points.bottom_mm, turn, places)
    surfaces = Surfaces(over, under, over, under, footprint)
    axes = Axes(points.axes.origin_ras_mm, turn @ points.axes.rotation)
    grid = LocalGrid(axes, np.zeros((*shape, 1), np.float32), low, step)
    return surfaces, grid, fit_plane(over, surfaces, grid), fit_plane(under, surfaces, grid)


def _seen_from(points: BodyPoints, surface: FloatArray, turn: FloatArray, places: FloatArray) -> FloatArray:
    """Height of a surface over places (n, 2) of the turned frame's plane, along its axis; NaN beyond the surface."""
    missing = ~np.isfinite(surface)
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    filled = surface[tuple(nearest)]
    height = np.full(len(places), float(np.median(filled)))
    index = np.zeros((2, len(places)))
    for _ in range(SLIDES):
        # Slide along the turned axis until the point lies on the surface.
        old = np.column_stack([places, height]) @ turn
        index = ((old[:, :2] - points.low_mm) / points.step_mm).T
        off = ndimage.map_coordinates(filled, index, order=1, mode="nearest") - old[:, 2]
        height = height + off * turn[2, 2]
    known = ndimage.map_coordinates((~missing).astype(np.float64), index, order=1) >= 0.5
    return np.where(known, height, np.nan)
