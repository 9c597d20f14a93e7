"""Endplate surfaces, the planes fitted to them, and the three heights of a body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy import distances
from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.smooth import smooth_heights
from endplate.sources import value

FIT_STEPS = 12
"""Reweighting steps of the robust plane."""


@dataclass(frozen=True, eq=False)
class Surfaces:
    """Both endplates as heights over the axial plane of the vertebra's frame.

    Parameters
    ----------
    top_mm, bottom_mm:
        Shape (X, Y): local z of the body's upper and lower surface as the voxels have it; NaN without bone.
    top_smooth_mm, bottom_smooth_mm:
        The same without the steps of the voxels; NaN at the very rim.
    footprint:
        Shape (X, Y): the body's outline seen from above.
    """

    top_mm: FloatArray
    bottom_mm: FloatArray
    top_smooth_mm: FloatArray
    bottom_smooth_mm: FloatArray
    footprint: NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """z = ``centre[2]`` + gradient · (xy − centre[:2]) in the vertebra's frame.

    ``rmse_mm`` is over the points that the robust fit kept, ``kept`` their share.
    """

    centre_mm: FloatArray
    gradient: FloatArray
    rmse_mm: float
    kept: float

    @property
    def normal(self) -> FloatArray:
        """Unit normal toward the head, local axes."""
        return unit([-self.gradient[0], -self.gradient[1], 1.0])


@dataclass(frozen=True, eq=False)
class Height:
    """One height: the median of its window and the ends of the line drawn for it (local mm)."""

    value_mm: float
    upper_mm: FloatArray
    lower_mm: FloatArray


def find_surfaces(grid: LocalGrid, body: NDArray[np.bool_]) -> Surfaces:
    """Locate both endplates below and above each point of the body's outline, to a fraction of a voxel."""
    footprint: NDArray[np.bool_] = np.asarray(body.any(axis=2))
    top_index = body.shape[2] - 1 - body[:, :, ::-1].argmax(axis=2)
    bottom_index = body.argmax(axis=2)
    z = grid.coordinate(2)
    top = z[top_index] + grid.step_mm * _crossing(grid.values, top_index, +1)
    bottom = z[bottom_index] - grid.step_mm * _crossing(grid.values, bottom_index, -1)
    inner = _eroded(footprint, float(value("endplate.smoothing_rim_mm")), grid.step_mm)
    sigma = float(value("endplate.smoothing_mm"))
    return Surfaces(
        np.where(footprint, top, np.nan),
        np.where(footprint, bottom, np.nan),
        smooth_heights(top, inner, grid.step_mm, sigma),
        smooth_heights(bottom, inner, grid.step_mm, sigma),
        footprint,
    )


def fit_plane(surface_mm: FloatArray, surfaces: Surfaces, grid: LocalGrid) -> PlaneFit | None:
    """Robust plane through one surface inside the outline eroded by the rim; ``None`` with too few points."""
    inner = _eroded(surfaces.footprint, float(value("endplate.rim_mm")), grid.step_mm)
    use = inner & np.isfinite(surface_mm)
    if use.sum() * grid.step_mm**2 < float(value("endplate.area_min_mm2")):
        return None
    ix, iy = np.nonzero(use)
    xy = np.stack([grid.coordinate(0)[ix], grid.coordinate(1)[iy]], axis=1)
    z = surface_mm[use]
    centre = xy.mean(axis=0)
    design = np.column_stack([np.ones(len(z)), xy - centre])
    weight = np.ones(len(z))
    solution = np.zeros(3)
    for _ in range(FIT_STEPS):
        root = np.sqrt(weight)
        solution = np.linalg.lstsq(design * root[:, None], z * root, rcond=None)[0]
        residual = z - design @ solution
        scale = max(1.4826 * float(np.median(np.abs(residual))), 0.3)
        # Tukey weights: osteophytes and a crater's depth do not tilt the plane.
        weight = np.clip(1.0 - (residual / (4.685 * scale)) ** 2, 0.0, None) ** 2
    residual = z - design @ solution
    fits = weight > 0.0
    rmse = float(np.sqrt(np.mean(residual[fits] ** 2)))
    return PlaneFit(np.array([centre[0], centre[1], solution[0]]), solution[1:], rmse, float(fits.mean()))


def measure_heights(surfaces: Surfaces, grid: LocalGrid, x_mid_mm: float) -> dict[str, Height]:
    """Anterior, middle and posterior height: medians over windows of the mid-sagittal band.

    Parameters
    ----------
    x_mid_mm:
        Local x of the mid-sagittal plane.

    Notes
    -----
    Windows are fractions of the body's mid-sagittal depth, 0 at the posterior and 1 at the anterior wall.
    A column without bone (a body split by its crater) counts as no height.
    """
    x, y = grid.coordinate(0), grid.coordinate(1)
    band = np.abs(x - x_mid_mm) <= float(value("heights.band_half_width_mm"))
    heights = surfaces.top_smooth_mm - surfaces.bottom_smooth_mm
    back, front = _mid_extent(surfaces, grid, x_mid_mm)
    found: dict[str, Height] = {}
    for name, (low, high) in value("heights.windows").items():
        chosen = (y >= back + low * (front - back)) & (y <= back + high * (front - back))
        window = np.ix_(band, chosen)
        columns = heights[window]
        level = np.isfinite(columns)
        middle = float(np.median(np.where(level, columns, 0.0)))
        centre = 0.0
        if level.any():
            upper, lower = surfaces.top_smooth_mm[window][level], surfaces.bottom_smooth_mm[window][level]
            centre = 0.5 * (float(np.median(upper)) + float(np.median(lower)))
        y_line = float(back + 0.5 * (low + high) * (front - back))
        found[name] = Height(
            middle,
            np.array([x_mid_mm, y_line, centre + 0.5 * middle]),
            np.array([x_mid_mm, y_line, centre - 0.5 * middle]),
        )
    return found


def depth_mm(surfaces: Surfaces, grid: LocalGrid, x_mid_mm: float) -> float:
    """Greatest AP depth of the body in the mid-sagittal plane."""
    back, front = _mid_extent(surfaces, grid, x_mid_mm)
    return front - back


def width_mm(surfaces: Surfaces, grid: LocalGrid) -> float:
    """Greatest transverse width of the body's outline."""
    left, right = _extent(np.asarray(surfaces.footprint.any(axis=1)), grid.coordinate(0))
    return right - left


def sagittal_wedge_deg(superior: PlaneFit, inferior: PlaneFit) -> float:
    """Angle between the endplates in the sagittal plane; positive when the body is lower in front."""
    return float(np.degrees(np.arctan(inferior.gradient[1]) - np.arctan(superior.gradient[1])))


def _mid_extent(surfaces: Surfaces, grid: LocalGrid, x_mid_mm: float) -> tuple[float, float]:
    """Posterior and anterior end of the body in the mid-sagittal plane, local y."""
    slab = np.abs(grid.coordinate(0) - x_mid_mm) <= grid.step_mm
    return _extent(np.asarray(surfaces.footprint[slab].any(axis=0)), grid.coordinate(1))


def _extent(covered: NDArray[np.bool_], line: FloatArray) -> tuple[float, float]:
    """First and last end of what is covered along a line, to half a step."""
    above = np.flatnonzero(covered)
    half = 0.5 * float(line[1] - line[0])
    return float(line[above[0]]) - half, float(line[above[-1]]) + half


def _crossing(values: NDArray[np.float32], index: NDArray[np.intp], direction: int) -> FloatArray:
    """Fraction of a step from the last inside voxel to the 0.5 surface along z, shape (X, Y)."""
    ix, iy = np.ogrid[: index.shape[0], : index.shape[1]]
    here = values[ix, iy, index].astype(np.float64)
    beyond = values[ix, iy, np.clip(index + direction, 0, values.shape[2] - 1)].astype(np.float64)
    drop = np.maximum(here - beyond, 1e-6)
    fraction: FloatArray = np.clip((here - 0.5) / drop, 0.0, 1.0)
    return fraction


def _eroded(footprint: NDArray[np.bool_], rim_mm: float, step_mm: float) -> NDArray[np.bool_]:
    inner: NDArray[np.bool_] = distances.depth_mm(footprint, step_mm) > rim_mm
    return inner
