"""The vertebral canal of one level as a star-shaped tube around a straight centre line.

The textbook way, the largest hole of each axial slice, takes the crater of a collapsed endplate for the canal.
Here the vertebra is first projected along its own axis: in projection the arch closes behind the canal whatever its
slope, the crater is roofed by what is left of the body or lies in front of the mask's centroid. The hole found
there seeds rays that feel for bone in every slice.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.distances import distance_mm
from endplate.anatomy.kernels import cast_in_slices
from endplate.anatomy.mask import LocalGrid
from endplate.sources import value

RAYS = 72
"""Rays per slice; ray 0 points to the right, a quarter turn on to the front."""

RAY_STEP_MM = 0.4
"""Sampling step along a ray; crossings are interpolated between steps."""

RING_CLOSED_FRACTION = 0.9
"""A slice's ring counts as closed when this share of its rays meets bone."""

_ANGLES = 2.0 * np.pi * np.arange(RAYS) / RAYS
DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)
"""Unit vector of each ray in the axial plane, shape (RAYS, 2)."""
LATERAL_COSINE = 0.98
"""Rays this close to sideways feel for the pedicles (about 10° to each side)."""

_FRONT = RAYS // 4
_BACK = 3 * RAYS // 4


@dataclass(frozen=True, eq=False)
class CanalTube:
    """The canal in the vertebra's frame.

    Parameters
    ----------
    centre_mm, slope:
        The centre line: (x, y) = ``centre_mm`` + ``slope`` · z.
    radii_mm:
        Shape (Z, RAYS): distance to bone from the centre line in each slice of the grid; NaN where a ray meets none.
    typical_mm:
        Shape (RAYS,): median radius over the closed slices.
    closed:
        Shape (Z,): slices whose ring is closed.
    """

    centre_mm: FloatArray
    slope: FloatArray
    radii_mm: FloatArray
    typical_mm: FloatArray
    closed: NDArray[np.bool_]

    def centre_at(self, z_mm: FloatArray | float) -> FloatArray:
        """Centre (x, y) at heights z, shape (..., 2)."""
        centre: FloatArray = self.centre_mm + np.multiply.outer(
            np.asarray(z_mm, dtype=np.float64), self.slope
        )
        return centre

    @property
    def filled_mm(self) -> FloatArray:
        """Radii with the rays that meet no bone taken from the typical ring, shape (Z, RAYS)."""
        filled: FloatArray = np.where(np.isfinite(self.radii_mm), self.radii_mm, self.typical_mm)
        return filled


def find_canal(grid: LocalGrid, *, seed_mm: FloatArray | None = None) -> CanalTube | None:
    """Find the canal of one vertebra, or ``None`` where no arch encloses one.

    Parameters
    ----------
    grid:
        The vertebra along its own axes.
    seed_mm:
        Where the canal of the neighbouring levels passes, (x, y) in this frame; found in the projection if not given.
    """
    seed = _projected_hole(grid) if seed_mm is None else seed_mm
    if seed is None:
        return None
    z = grid.coordinate(2)
    centre, slope = np.asarray(seed, dtype=np.float64), np.zeros(2)
    radii = np.empty(0)
    closed = np.zeros(len(z), dtype=bool)
    for _ in range(4):
        centres = centre + z[:, None] * slope
        radii = _cast(grid, centres)
        share = np.isfinite(radii).mean(axis=1)
        closed = share >= RING_CLOSED_FRACTION
        # Thin laminae at coarse voxels may leave no ring fully closed: take the best ones.
        if closed.sum() * grid.step_mm < 3.0:
            closed = share >= max(0.6, np.sort(share)[-max(3, round(4.0 / grid.step_mm))])
        if not closed.any():
            return None
        typical = _typical(radii[closed])
        if typical is None:
            return None
        ring = np.where(np.isfinite(radii), radii, typical)[closed]
        offset = _star_centroid(ring)
        # Where the posterior wall bulges the ring's centroid moves, but the tube stays straight: a robust line.
        centre, slope = _robust_line(z[closed], centres[closed] + offset, slope)
    tube = CanalTube(centre, slope, radii, _typical(radii[closed]), closed)  # type: ignore[arg-type]
    return tube if _plausible(tube) else None


def sagittal_diameters_mm(tube: CanalTube) -> FloatArray:
    """AP diameter of every slice, shape (Z,), perpendicular to the canal; the typical lamina where it is open."""
    filled = tube.filled_mm
    front = filled[:, _FRONT - 2 : _FRONT + 3].mean(axis=1)
    back = filled[:, _BACK - 2 : _BACK + 3].mean(axis=1)
    tilt = 1.0 / np.hypot(1.0, tube.slope[1])
    diameters: FloatArray = (front + back) * tilt
    return diameters


def width_mm(tube: CanalTube) -> float:
    """Transverse width between the pedicles: the narrowest place of the closed rings, perpendicular to the canal.

    Above and below the pedicles the same rays run on into the foramina.
    """
    x = tube.filled_mm[tube.closed] * DIRECTIONS[:, 0]
    right, left = DIRECTIONS[:, 0] > LATERAL_COSINE, DIRECTIONS[:, 0] < -LATERAL_COSINE
    width = x[:, right].mean(axis=1) - x[:, left].mean(axis=1)
    if len(width) >= 3:
        width = np.convolve(width, np.full(3, 1.0 / 3.0), mode="valid")
    return float(width.min() / np.hypot(1.0, tube.slope[0]))


def area_mm2(radii_mm: FloatArray) -> float:
    """Area of a star given by its radii, shape (RAYS,)."""
    return float(0.5 * np.sin(2.0 * np.pi / RAYS) * np.sum(radii_mm * np.roll(radii_mm, -1)))


def mask_slice(
    tube: CanalTube, x_mm: FloatArray, y_mm: FloatArray, z_mm: float, z_index: int
) -> NDArray[np.bool_]:
    """Which points of one slice lie inside the canal; shape of the broadcast x, y."""
    centre = tube.centre_at(z_mm)
    dx, dy = x_mm - centre[0], y_mm - centre[1]
    turn = (np.arctan2(dy, dx) / (2.0 * np.pi) * RAYS) % RAYS
    low = np.floor(turn).astype(int) % RAYS
    ring = tube.filled_mm[z_index]
    part = turn - np.floor(turn)
    limit = (1.0 - part) * ring[low] + part * ring[(low + 1) % RAYS]
    inside: NDArray[np.bool_] = np.hypot(dx, dy) < limit
    return inside


def _projected_hole(grid: LocalGrid) -> FloatArray | None:
    """Centre of the canal's hole in the projection along the vertebra's axis, (x, y) mm."""
    shadow: NDArray[np.bool_] = np.asarray(grid.inside.any(axis=2))
    if not shadow.any():
        return None
    weight = grid.inside.sum(axis=(0, 2))
    y_mid = float(weight @ grid.coordinate(1) / weight.sum())
    radius_min = float(value("canal.search_radius_min_mm"))
    for closing_mm in (0.0, 1.6, 2.8):
        closed = shadow
        if closing_mm:
            reach = int(np.ceil(closing_mm / grid.step_mm))
            padded = np.pad(shadow, reach)
            closed = ndimage.binary_closing(padded, iterations=reach)[reach:-reach, reach:-reach]
        holes = ndimage.binary_fill_holes(closed) & ~closed
        number, count = ndimage.label(holes)
        if not count:
            continue
        depth = distance_mm(holes, grid.step_mm)
        best, best_depth = None, radius_min
        for index in range(1, count + 1):
            part = number == index
            centroid = np.argwhere(part).mean(axis=0) * grid.step_mm + grid.low_mm[:2]
            if (
                centroid[1] < y_mid + float(value("canal.behind_centroid_mm"))
                and depth[part].max() > best_depth
            ):
                best, best_depth = centroid, float(depth[part].max())
        if best is not None:
            return np.asarray(best, dtype=np.float64)
    return None


def _cast(grid: LocalGrid, centres_mm: FloatArray) -> FloatArray:
    """First bone along every ray of every slice, shape (Z, RAYS), NaN where none."""
    centres = (centres_mm - grid.low_mm[:2]) / grid.step_mm
    steps = int(np.ceil(float(value("canal.search_radius_max_mm")) / RAY_STEP_MM))
    radii = cast_in_slices(grid.values, centres, DIRECTIONS, RAY_STEP_MM / grid.step_mm, steps)
    distances: FloatArray = radii * grid.step_mm
    return distances


def _typical(radii_mm: FloatArray) -> FloatArray | None:
    """Median ring; rays that met no bone in most slices are filled around the ring."""
    known = np.isfinite(radii_mm).sum(axis=0) > 0.3 * len(radii_mm)
    if known.sum() < RAYS // 2:
        return None
    middle = np.full(RAYS, np.nan)
    middle[known] = np.nanmedian(radii_mm[:, known], axis=0)
    turn = np.arange(RAYS)
    filled: FloatArray = np.interp(turn, turn[known], middle[known], period=RAYS)
    return filled


def _star_centroid(radii_mm: FloatArray) -> FloatArray:
    """Centroid of each star relative to its centre, shape (N, 2)."""
    points = radii_mm[..., None] * DIRECTIONS
    following = np.roll(points, -1, axis=1)
    cross = points[..., 0] * following[..., 1] - points[..., 1] * following[..., 0]
    centroid: FloatArray = ((points + following) * cross[..., None]).sum(axis=1) / (3.0 * cross.sum(axis=1))[
        :, None
    ]
    return centroid


def _robust_line(z: FloatArray, xy: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Line through (z, xy) with outliers weighed down; the slope is kept where the slices span too little."""
    if np.ptp(z) < 4.0:
        return np.median(xy - z[:, None] * slope, axis=0), slope
    weight = np.ones(len(z))
    for _ in range(5):
        design = np.stack([np.ones_like(z), z], axis=1) * weight[:, None]
        solution = np.linalg.lstsq(design, xy * weight[:, None], rcond=None)[0]
        residual = np.linalg.norm(xy - solution[0] - z[:, None] * solution[1], axis=1)
        weight = 1.0 / (1.0 + (residual / 1.0) ** 2)
    limit = float(value("canal.slope_max"))
    return solution[0], np.clip(solution[1], -limit, limit)


def _plausible(tube: CanalTube) -> bool:
    """Whether the typical ring has the size of a canal."""
    low, high = value("canal.ap_range_mm")
    width_low, width_high = value("canal.width_range_mm")
    depth = float(tube.typical_mm[_FRONT] + tube.typical_mm[_BACK])
    return bool(low <= depth <= high and width_low <= width_mm(tube) <= width_high)
