"""A shaded relief of labelled bone: parallel rays through the smoothed labels to their first surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.kernels import sample_linear
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, Volume
from endplate.report.slicing import Plane, unit

STEP_MM = 1.0
"""Step along a ray; the surface between two steps is interpolated."""

SMOOTHING_MM = 0.8
"""Gaussian that rounds the voxel stairs of the labels."""

SLAB = 24
"""Steps that are sampled at a time."""

SURFACE = 0.5
SLOPE_MM = 1.2
"""Half base of the differences that give the surface's direction."""

AMBIENT = 0.28
DEPTH_CUE = 0.40
"""Share of the light that is lost from the nearest to the farthest surface."""

LIGHT = (-0.45, -0.55, -0.75)
"""Where the light comes from, in picture axes (right, down, into the screen): upper left, before the picture."""


@dataclass(frozen=True, eq=False)
class Relief:
    """What the rays of a picture meet first; arrays have the shape (H, W) of the picture.

    ``depth_mm`` is the distance behind the plane (NaN where a ray meets nothing), ``light`` 0–1, ``own`` where the
    bone met is the chosen vertebra.
    """

    depth_mm: FloatArray
    light: FloatArray
    own: NDArray[np.bool_]


def relief(
    labels: LabelMap, own_id: int, ids: tuple[int, ...], plane: Plane, reach_mm: float, pixel_mm: float
) -> Relief:
    """Look at some labels along the normal of a plane, from ``reach_mm`` before it to as far behind.

    Parameters
    ----------
    labels:
        The label map.
    own_id:
        The chosen vertebra.
    ids:
        Labels that are seen, with the chosen one; all others are left out.
    plane:
        The picture.
    reach_mm, pixel_mm:
        Half length of the rays, and the pixel.
    """
    points = plane.points(pixel_mm)
    part = _crop(labels, plane, reach_mm)
    field, chosen = _smoothed(part, (own_id, *ids)), _smoothed(part, (own_id,))
    shape = points.shape[:2]
    depth = np.full(shape, np.nan)
    before = np.zeros(shape)
    steps = np.arange(-reach_mm, reach_mm + STEP_MM, STEP_MM)
    for start in range(0, len(steps), SLAB):
        stretch = steps[start : start + SLAB]
        open_rays = np.isnan(depth)
        if not open_rays.any():
            break
        rays = points[open_rays]
        values = _sampled(field, rays[:, None, :] + stretch[None, :, None] * plane.normal_ras)
        depth[open_rays] = _first_crossing(values, before[open_rays], stretch)
        before[open_rays] = values[:, -1]
    hit = np.isfinite(depth)
    light, own = np.zeros(shape), np.zeros(shape, dtype=np.bool_)
    if hit.any():
        surface = points[hit] + depth[hit][:, None] * plane.normal_ras
        light[hit] = _light(field, surface, depth[hit], plane)
        own[hit] = _sampled(chosen, surface) > 0.5 * SURFACE
    return Relief(depth, light, own)


def _crop(labels: LabelMap, plane: Plane, reach_mm: float) -> Volume:
    """The part of the labels that the rays can meet."""
    x, y = plane.width_mm, plane.height_mm
    corners = plane.unproject(np.array([[0.0, 0.0], [x, 0.0], [0.0, y], [x, y]]))
    box = np.concatenate([corners - reach_mm * plane.normal_ras, corners + reach_mm * plane.normal_ras])
    voxel = labels.volume.to_voxel(box)
    low, high = np.floor(voxel.min(axis=0)).astype(int), np.ceil(voxel.max(axis=0)).astype(int)
    return labels.volume.crop(low - 2, high + 3)


def _smoothed(part: Volume, ids: tuple[int, ...]) -> Volume:
    """Occupancy of some labels, 0–1, without voxel stairs."""
    mask = np.isin(part.data, ids).astype(np.float32)
    return Volume(ndimage.gaussian_filter(mask, SMOOTHING_MM / part.spacing_mm, mode="nearest"), part.affine)


def _sampled(field: Volume, points: FloatArray) -> FloatArray:
    """Linear samples at RAS points, shape (..., 3) → (...); 0 outside."""
    to_voxel = np.linalg.inv(field.affine)[:3]
    flat = np.ascontiguousarray(points.reshape(-1, 3))
    values = sample_linear(np.ascontiguousarray(field.data), to_voxel, flat)
    return np.asarray(values.reshape(points.shape[:-1]), dtype=np.float64)


def _first_crossing(values: FloatArray, before: FloatArray, steps: FloatArray) -> FloatArray:
    """Depth at which each row of samples first rises to the surface, NaN where it does not."""
    inside = values >= SURFACE
    found = inside.any(axis=1)
    first = np.argmax(inside, axis=1)
    rows = np.arange(len(values))
    after = values[rows, first]
    outside = np.where(first > 0, values[rows, np.maximum(first - 1, 0)], before)
    back = (after - SURFACE) / np.maximum(after - outside, 1e-6)
    return np.where(found, steps[first] - STEP_MM * np.clip(back, 0.0, 1.0), np.nan)


def _light(field: Volume, surface: FloatArray, depth: FloatArray, plane: Plane) -> FloatArray:
    """Lambert's law from one light, dimmed with depth; shape (N,)."""
    axes = np.stack([plane.right_ras, plane.down_ras, plane.normal_ras])
    slope = np.stack(
        [
            _sampled(field, surface + SLOPE_MM * axis) - _sampled(field, surface - SLOPE_MM * axis)
            for axis in axes
        ],
        axis=-1,
    )
    # Occupancy falls outward, so the outward direction is against its slope.
    outward = -slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-9)
    lit = AMBIENT + (1.0 - AMBIENT) * np.clip(outward @ unit(LIGHT), 0.0, 1.0)
    span = max(float(np.ptp(depth)), 1.0)
    return np.asarray(lit * (1.0 - DEPTH_CUE * (depth - depth.min()) / span))
