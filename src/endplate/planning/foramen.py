"""Where nerve roots and segmental arteries run, from the bones alone.

The foramen is the room between two pedicles of one side, without the bone in it. The segmental artery crosses the
body's side wall at half its height.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.kernels import sample_linear
from endplate.anatomy.mask import LocalGrid
from endplate.anatomy.vertebra import LocalVertebra
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class Arch:
    """A pedicle: isthmus centre (mm in the frame of the level planned), width and height."""

    isthmus_mm: FloatArray
    width_mm: float
    height_mm: float


def foramen_points(
    own: Arch, other: Arch | None, toward: int, sign: float, bones: Sequence[LocalGrid], surface: FloatArray
) -> FloatArray:
    """Points that fill a foramen, and the surface of the vertebra that bounds it, shape (N, 3).

    Parameters
    ----------
    own, other:
        The pedicle of the level and that of the neighbour on the same side (``None``: a usual height is assumed).
    toward:
        +1 above, −1 below.
    sign:
        Sign of x on this side.
    bones:
        Vertebrae, whose bone is no foramen.
    surface:
        Surface points of the level.
    """
    start = own.isthmus_mm + np.array([0.0, 0.0, toward * 0.5 * own.height_mm])
    if other is None:
        end = start + np.array([0.0, 0.0, toward * float(value("search.foramen_height_mm"))])
    else:
        end = other.isthmus_mm - np.array([0.0, 0.0, toward * 0.5 * other.height_mm])
    rise = end[2] - start[2]
    if toward * rise < 1.0:
        return np.empty((0, 3))
    step = float(value("search.foramen_step_mm"))
    half_depth = float(value("search.foramen_half_depth_mm"))
    half_width = 0.5 * own.width_mm
    x = np.arange(-half_width, half_width + step, step)
    y = np.arange(-half_depth, half_depth + step, step)
    # The box reaches into the pedicle's edge, so that its curved border is met; bone is taken out below.
    z = np.arange(-0.25 * own.height_mm, toward * rise + step, step)
    box = np.stack(np.meshgrid(x, y, z, indexing="ij"), axis=-1).reshape(-1, 3)
    part = (box[:, 2] / (toward * rise))[:, None]
    line = start + np.clip(part, 0.0, 1.0) * (end - start)
    points = np.column_stack(
        [line[:, 0] + sign * box[:, 0], line[:, 1] + box[:, 1], start[2] + toward * box[:, 2]]
    )
    free = np.ones(len(points), dtype=bool)
    for bone in bones:
        free &= _occupancy(bone, points) < 0.5
    edge = surface[
        (np.abs(surface[:, 0] - start[0]) < half_width)
        & (np.abs(surface[:, 1] - start[1]) < half_depth)
        & (toward * (surface[:, 2] - start[2]) > -0.25 * own.height_mm)
        & (toward * (surface[:, 2] - start[2]) < toward * rise)
    ]
    return np.ascontiguousarray(np.concatenate([points[free], edge]))


def segmental_points(geometry: LocalVertebra, surface: FloatArray, sign: float) -> FloatArray:
    """Surface of the body's side wall about half its height, where the segmental artery lies, shape (N, 3)."""
    surfaces, grid = geometry.surfaces, geometry.grid
    x, y = grid.coordinate(0), grid.coordinate(1)
    covered = surfaces.footprint
    if not covered.any():
        return np.empty((0, 3))
    columns = np.where(covered, 0.5 * (surfaces.top_smooth_mm + surfaces.bottom_smooth_mm), np.nan)
    middle = float(np.nanmedian(columns))
    low, high = y[covered.any(axis=0)][[0, -1]]
    reach = sign * (x[covered.any(axis=1)] - geometry.x_mid_mm)
    half_width = float(reach.max())
    side = sign * (surface[:, 0] - geometry.x_mid_mm)
    band = float(value("search.segmental_half_band_mm"))
    behind = float(value("search.segmental_from_depth"))
    chosen = (
        (side > 0.6 * half_width)
        & (side < half_width + 2.0)
        & (np.abs(surface[:, 2] - middle) < band)
        & (surface[:, 1] > low + behind * (high - low))
    )
    return np.ascontiguousarray(surface[chosen])


def _occupancy(grid: LocalGrid, points: FloatArray) -> NDArray[np.float32]:
    matrix = np.column_stack([np.eye(3) / grid.step_mm, -grid.low_mm / grid.step_mm])
    values: NDArray[np.float32] = sample_linear(grid.values, matrix, np.ascontiguousarray(points))
    return values
