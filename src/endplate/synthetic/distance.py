"""Signed distance to the analytic surfaces: nearest of many exact surface points, then slid to the foot point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from endplate.imaging.geometry import FloatArray
from endplate.synthetic import raster
from endplate.synthetic.anatomy import SolvedSpine

ACCURACY_MM = 0.08
"""Bound on the error of :meth:`SurfaceDistance.at`, reached along sharp edges only (0.01 mm on the body)."""
_STEP_MM = 0.5
_BLOCK = 4
_SLIDES = 8
_STARTS = (1, 4, 12)
_DIFFERENCE_MM = 0.02
_MARGIN_MM = 6.0

COLUMNS = {"vertebra": 0, "body": 1, "canal": 2}
"""Field column of each part."""


@dataclass(frozen=True, eq=False)
class SurfaceDistance:
    """Signed distance to one part of one level."""

    spine: SolvedSpine
    index: int
    column: int
    points: FloatArray
    tree: cKDTree

    @classmethod
    def of(cls, spine: SolvedSpine, level: str, part: str) -> SurfaceDistance:
        """Sample the surface of a part (``"vertebra"``, ``"body"`` or ``"canal"``); takes about a second."""
        i = spine.index(level)
        corners = spine.bounds(i, _MARGIN_MM)
        low = corners.min(axis=0)
        count = np.ceil((corners.max(axis=0) - low) / (_STEP_MM * _BLOCK)).astype(np.int64)
        points = raster.surface_points(low, count, _BLOCK, _STEP_MM, COLUMNS[part], i, spine.packed)
        return cls(spine, i, COLUMNS[part], points, cKDTree(points))

    def _value(self, points: FloatArray) -> FloatArray:
        values: FloatArray = self.spine.fields(self.index, points)[:, self.column]
        return values

    def _gradient(self, points: FloatArray) -> FloatArray:
        gradient = np.empty_like(points)
        for axis in range(3):
            shift = np.zeros(3)
            shift[axis] = _DIFFERENCE_MM
            gradient[:, axis] = self._value(points + shift) - self._value(points - shift)
        return gradient / (2.0 * _DIFFERENCE_MM)

    def _onto_surface(self, points: FloatArray) -> FloatArray:
        for _ in range(2):
            gradient = self._gradient(points)
            square = np.maximum(np.einsum("ij,ij->i", gradient, gradient), 0.04)
            points = points - (self._value(points) / square)[:, None] * gradient
        return points

    def at(self, points_ras_mm: FloatArray) -> FloatArray:
        """Signed distance in mm (negative inside) at world points, shape (n, 3) → (n,)."""
        query = np.ascontiguousarray(points_ras_mm, dtype=np.float64).reshape(-1, 3)
        nearest = np.asarray(self.tree.query(query, k=list(_STARTS))[1])
        best = np.min([self._slide(query, self.points[nearest[:, k]]) for k in range(len(_STARTS))], axis=0)
        signed: FloatArray = np.where(self._value(query) <= 0.0, -best, best)
        return signed

    def _slide(self, query: FloatArray, foot: FloatArray) -> FloatArray:
        """Distance from the query points to their foot points, slid along the surface from given ones."""
        best: FloatArray = np.linalg.norm(query - foot, axis=1)
        reach = np.full(len(query), _STEP_MM)
        for _ in range(_SLIDES):
            gradient = self._gradient(foot)
            normal = gradient / np.maximum(np.linalg.norm(gradient, axis=1), 1e-9)[:, None]
            along = query - foot
            along -= np.einsum("ij,ij->i", along, normal)[:, None] * normal
            length = np.linalg.norm(along, axis=1)
            along *= np.minimum(1.0, reach / np.maximum(length, 1e-9))[:, None]
            slid = self._onto_surface(foot + along)
            distance = np.linalg.norm(query - slid, axis=1)
            # Only true surface points count; at an edge the slide overshoots, and smaller ones reach it.
            closer = (distance < best) & (np.abs(self._value(slid)) < 1e-3)
            foot = np.where(closer[:, None], slid, foot)
            best = np.where(closer, distance, best)
            reach = np.where(closer, reach, 0.5 * np.minimum(reach, length))
        return best
