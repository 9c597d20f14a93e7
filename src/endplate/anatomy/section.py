"""Plane sections of a vertebra: rays to the wall, star-shaped outlines and the largest circle inscribed in one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.mask import LabelField

RAYS = 64
"""Rays of an outline."""

RAY_STEP_MM = 0.35
"""Sampling step along a ray; crossings are interpolated."""

SLAB_MM = (-0.7, 0.0, 0.7)
"""Offsets across the section whose occupancies are averaged: steps of the voxels cancel along the axis."""

_ANGLES = 2.0 * np.pi * np.arange(RAYS) / RAYS
DIRECTIONS = np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=-1)
"""Unit vector of each ray in plane coordinates, shape (RAYS, 2)."""


@dataclass(frozen=True, eq=False)
class Plane:
    """A section plane: a point and two unit vectors in RAS mm; ``across`` = u × v is its normal."""

    centre_ras_mm: FloatArray
    u_ras: FloatArray
    v_ras: FloatArray

    @property
    def normal_ras(self) -> FloatArray:
        """Unit normal."""
        normal: FloatArray = np.cross(self.u_ras, self.v_ras)
        return normal

    def about(self, centre_mm: FloatArray) -> Plane:
        """The same plane with its centre moved within it."""
        return Plane(self.to_world(centre_mm), self.u_ras, self.v_ras)

    def to_world(self, uv_mm: FloatArray) -> FloatArray:
        """Plane coordinates, shape (..., 2) → RAS mm."""
        world: FloatArray = self.centre_ras_mm + uv_mm[..., :1] * self.u_ras + uv_mm[..., 1:] * self.v_ras
        return world


@dataclass(frozen=True, eq=False)
class Outline:
    """A star-shaped outline in plane coordinates, shape (RAYS, 2) mm, around ``centre_mm``."""

    points_mm: FloatArray
    centre_mm: FloatArray

    @property
    def area_mm2(self) -> float:
        """Enclosed area."""
        x, y = self.points_mm.T
        return float(0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)))

    @property
    def centroid_mm(self) -> FloatArray:
        """Centroid of the enclosed area, plane coordinates."""
        x, y = (self.points_mm - self.centre_mm).T
        cross = x * np.roll(y, -1) - y * np.roll(x, -1)
        scale = 3.0 * cross.sum()
        moment = np.array([((x + np.roll(x, -1)) * cross).sum(), ((y + np.roll(y, -1)) * cross).sum()])
        centroid: FloatArray = self.centre_mm + moment / scale
        return centroid

    def extent_mm(self, axis: int) -> float:
        """Width (axis 0) or height (axis 1) of the outline."""
        return float(np.ptp(self.points_mm[:, axis]))


def inscribed_circle(outline: Outline) -> tuple[float, FloatArray]:
    """Diameter and centre (plane mm) of the largest circle inside an outline."""
    dense = _densify(outline.points_mm)
    centre, span = outline.centroid_mm, 3.0
    best = 0.0
    for _ in range(6):
        line = np.linspace(-span, span, 9)
        candidates = centre + np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)
        distance = np.linalg.norm(candidates[:, None, :] - dense[None, :, :], axis=2).min(axis=1)
        distance[~_inside(candidates, outline.points_mm)] = -1.0
        index = int(np.argmax(distance))
        if distance[index] <= best:
            span /= 3.0
            continue
        centre, best, span = candidates[index], float(distance[index]), span / 3.0
    return 2.0 * best, centre


def cast_radii(
    field: LabelField, plane: Plane, reach_mm: float, rays: FloatArray = DIRECTIONS
) -> FloatArray | None:
    """Distance to the 0.5 surface along every ray, in lengths of the ray's vector, cut at ``reach_mm``.

    ``rays`` are plane vectors, shape (RAYS, 2); ``None`` where the centre is outside.
    """
    steps = int(np.ceil((reach_mm + RAY_STEP_MM) / RAY_STEP_MM))
    vectors = rays[:, :1] * plane.u_ras + rays[:, 1:] * plane.v_ras
    start = np.repeat(plane.centre_ras_mm[None], len(rays), axis=0)
    crossing = field.cast_out(
        start, vectors, np.multiply.outer(SLAB_MM, plane.normal_ras), RAY_STEP_MM, steps
    )
    if np.isnan(crossing[0]):
        return None
    radii: FloatArray = np.minimum(crossing, reach_mm)
    return radii


def _inside(points: FloatArray, polygon: FloatArray) -> NDArray[np.bool_]:
    """Which points, shape (N, 2), lie inside a closed polygon: those whose ray to the side crosses it oddly often."""
    following = np.roll(polygon, -1, axis=0)
    above = polygon[:, 1] > points[:, 1:]
    spans = above != (following[:, 1] > points[:, 1:])
    rise = following[:, 1] - polygon[:, 1]
    part = (points[:, 1:] - polygon[:, 1]) / np.where(rise == 0.0, 1.0, rise)
    crossing = polygon[:, 0] + part * (following[:, 0] - polygon[:, 0])
    inside: NDArray[np.bool_] = (spans & (points[:, :1] < crossing)).sum(axis=1) % 2 == 1
    return inside


def _densify(points: FloatArray) -> FloatArray:
    following = np.roll(points, -1, axis=0)
    dense: FloatArray = np.concatenate([points + t * (following - points) for t in (0.0, 0.25, 0.5, 0.75)])
    return dense
