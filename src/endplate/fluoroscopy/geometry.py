"""How the beam of a view sweeps through a volume, plane by plane.

All of it is told in voxel indices of a layout: a straight ray stays straight there, whatever the affine. Rays from one
point cut parallel planes in patterns that differ by scale and shift alone. So one pattern of rays, regular on a
*middle plane*, is regular on every plane of voxels, row by row and column by column. Where the detector lies parallel
to the planes its own pixels are such a pattern; else the middle plane has one of its own, which a perspective warp
carries to the detector.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.fluoroscopy.view import View
from endplate.fluoroscopy.volume_layouts import Layout
from endplate.imaging.geometry import FloatArray

PARALLEL = 1e-9
"""Share of a pixel step that may leave the planes and rows of voxels before a warp is needed."""

FINER = 1.0
"""Rays of the middle plane to a pixel of the detector, along each side, where a warp is needed."""

SAMPLES_PER_VOXEL = 2.2
"""Rays of the middle plane to a voxel there, at least, where a warp is needed."""

STEEPEST = 0.2
"""Least share of the main axis in the direction of any ray (voxel indices)."""

STEEP = 0.75
"""Voxels that a ray moves aside from plane to plane beyond which planes half way between are sampled too."""

SIMPSON = (1.0 / 3.0, 2.0 / 3.0)
"""What a plane of voxels and one half way between count for then."""

MARGIN = 2
"""Rays of the middle plane kept beyond the detector's edge."""

FAST = 2
"""The contiguous axis of a layout."""


@dataclass(frozen=True, eq=False)
class Beam:
    """A view in the voxel indices of a layout: the source, the first pixel and the steps from pixel to pixel."""

    source: FloatArray
    first: FloatArray
    column: FloatArray
    row: FloatArray
    shape: tuple[int, int]

    @staticmethod
    def of(view: View, affine: FloatArray) -> Beam:
        """Told in the indices that ``affine`` takes to RAS mm."""
        turn = np.linalg.inv(affine[:3, :3])
        return Beam(
            source=turn @ (view.source_ras_mm - affine[:3, 3]),
            first=turn @ (view.first_pixel_ras_mm - affine[:3, 3]),
            column=turn @ view.column_ras * view.pitch_mm,
            row=turn @ view.row_ras * view.pitch_mm,
            shape=view.shape,
        )

    def rays(self, column: ArrayLike, row: ArrayLike) -> FloatArray:
        """Ways from the source to pixels, shape (..., 3)."""
        c, r = np.asarray(column, dtype=np.float64)[..., None], np.asarray(row, dtype=np.float64)[..., None]
        return np.asarray(self.first - self.source + c * self.column + r * self.row)

    def corner_rays(self) -> FloatArray:
        """Ways to the outer corners of the detector, shape (4, 3)."""
        rows, columns = self.shape
        return self.rays(
            np.array([-0.5, columns - 0.5, -0.5, columns - 0.5]),
            np.array([-0.5, -0.5, rows - 0.5, rows - 0.5]),
        )

    @property
    def main(self) -> int:
        """The voxel axis along which the middle of the beam runs fastest."""
        return int(np.argmax(np.abs(self.middle_ray)))

    @property
    def steep(self) -> bool:
        """Rays move far aside from plane to plane."""
        moves = np.sort(np.abs(self.middle_ray))
        return bool(moves[1] > STEEP * moves[2])

    @property
    def middle_ray(self) -> FloatArray:
        """Way from the source to the middle of the detector."""
        rows, columns = self.shape
        return self.rays(0.5 * (columns - 1), 0.5 * (rows - 1))


@dataclass(frozen=True, eq=False)
class Sweep:
    """The pattern of rays of a middle plane and how it lies on every plane of voxels.

    Ray (u, b) meets plane ``k`` at index ``across[0, k] + across[1, k]·u`` on the axis across and at
    ``along[0, k] + along[1, k]·b`` on the contiguous one.

    Parameters
    ----------
    main, aside:
        The slow axes: planes of voxels are stacked along ``main``.
    planes:
        Bordered indices of the planes, from one side to the other; halves where rays are steep.
    portion:
        What each plane counts for in the sum, float32, shape (P,).
    across, along:
        Start and step on each plane, shape (2, P).
    size:
        Rays (along, across): rows b and columns u.
    beam:
        The view in voxel indices.
    middle:
        Index of the middle plane on ``main``.
    grid:
        Start and step across, start and step along, on the middle plane.
    direct:
        Rays are the detector's own pixels: (u, b) is (column, row).
    """

    main: int
    aside: int
    planes: FloatArray
    portion: NDArray[np.float32]
    across: FloatArray
    along: FloatArray
    size: tuple[int, int]
    beam: Beam
    middle: float
    grid: FloatArray
    direct: bool


def plan_sweep(view: View, layout: Layout) -> Sweep | None:
    """The sweep of a view through a layout; ``None`` where its rays are too steep for it."""
    beam = Beam.of(view, layout.affine)
    main = beam.main
    if main == FAST:
        return None
    aside = 1 - main
    corners = beam.corner_rays()
    toward = corners[:, main]
    share = toward / np.linalg.norm(corners, axis=1)
    if share.max() > -STEEPEST and share.min() < STEEPEST:
        return None
    straight = _leaves(beam.row, (main, aside)) and _leaves(beam.column, (main, FAST))
    if straight:
        middle = float(beam.first[main])
        grid = np.array([beam.first[aside], beam.column[aside], beam.first[FAST], beam.row[FAST]])
        size = beam.shape
    else:
        middle = float(
            beam.source[main] + toward.mean() * (view.source_isocentre_mm / view.source_detector_mm)
        )
        grid, size = _own_pattern(beam, corners, main, aside, middle)
    planes, portion = _planes(layout.counts[main], beam)
    scale = (planes - beam.source[main]) / (middle - beam.source[main])
    ahead = scale > 0.0
    planes, portion, scale = planes[ahead], portion[ahead], scale[ahead]
    return Sweep(
        main=main,
        aside=aside,
        planes=planes,
        portion=portion,
        across=_on_planes(beam.source[aside], grid[0], grid[1], scale),
        along=_on_planes(beam.source[FAST], grid[2], grid[3], scale),
        size=size,
        beam=beam,
        middle=middle,
        grid=grid,
        direct=straight,
    )


def _planes(count: int, beam: Beam) -> tuple[FloatArray, NDArray[np.float32]]:
    """Planes to sample and what each counts for: the trapezoidal rule, or Simpson's where rays are steep.

    Between two planes the volume is a cubic along a ray that stays in one cell; the steeper the ray, the more.
    """
    if not beam.steep:
        return np.arange(1, count + 1, dtype=np.float64), np.ones(count, dtype=np.float32)
    planes: FloatArray = 0.5 * np.arange(1, 2 * count + 2, dtype=np.float64)
    return planes, np.where(planes % 1.0 == 0.0, *SIMPSON).astype(np.float32)


def _leaves(step: FloatArray, axes: tuple[int, int]) -> bool:
    """A step does not move along some axes."""
    return bool(np.abs(step[list(axes)]).max() <= PARALLEL * np.abs(step).max())


def _on_planes(source: float, start: float, step: float, scale: FloatArray) -> FloatArray:
    return np.stack([source + (start - source) * scale, step * scale])


def _own_pattern(
    beam: Beam, corners: FloatArray, main: int, aside: int, middle: float
) -> tuple[FloatArray, tuple[int, int]]:
    """A regular pattern on the middle plane, fine enough for the detector and the voxels, that covers the detector."""
    reach = middle - beam.source[main]
    grid, size = [], []
    for axis in (aside, FAST):
        at = beam.source[axis] + corners[:, axis] * reach / corners[:, main]
        # How far the place on the middle plane moves from pixel to pixel, at each corner.
        moves = [
            (step[axis] - corners[:, axis] / corners[:, main] * step[main]) * reach / corners[:, main]
            for step in (beam.column, beam.row)
        ]
        finest = float(np.hypot(*moves).min())
        step = min(finest / FINER, 1.0 / SAMPLES_PER_VOXEL)
        count = int(np.ceil((at.max() - at.min()) / step)) + 1 + 2 * MARGIN
        grid += [at.min() - MARGIN * step, step]
        size.append(count)
    return np.array(grid), (size[1], size[0])
