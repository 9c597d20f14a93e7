"""The vertebra's own axes: a rigid frame and the maps to and from RAS mm."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Axes:
    """A right-handed frame: ``rotation`` rows are the right, anterior and superior unit vectors in RAS."""

    origin_ras_mm: FloatArray
    rotation: FloatArray

    @staticmethod
    def from_directions(
        origin_ras_mm: ArrayLike, superior_ras: ArrayLike, anterior_hint_ras: ArrayLike
    ) -> Axes:
        """Build axes from an exact superior and an approximate anterior direction (RAS)."""
        superior = unit(superior_ras)
        anterior = unit(reject(anterior_hint_ras, superior))
        right = np.cross(anterior, superior)
        return Axes(np.asarray(origin_ras_mm, dtype=np.float64), np.stack([right, anterior, superior]))

    @property
    def right(self) -> FloatArray:
        """Unit vector to the patient's right, RAS."""
        row: FloatArray = self.rotation[0]
        return row

    @property
    def anterior(self) -> FloatArray:
        """Unit vector to the front, RAS."""
        row: FloatArray = self.rotation[1]
        return row

    @property
    def superior(self) -> FloatArray:
        """Unit vector to the head, RAS."""
        row: FloatArray = self.rotation[2]
        return row

    def to_local(self, ras_mm: ArrayLike) -> FloatArray:
        """RAS mm, shape (..., 3) → (right, anterior, superior) mm from the origin."""
        local: FloatArray = (np.asarray(ras_mm, dtype=np.float64) - self.origin_ras_mm) @ self.rotation.T
        return local

    def to_world(self, local_mm: ArrayLike) -> FloatArray:
        """(right, anterior, superior) mm from the origin, shape (..., 3) → RAS mm."""
        world: FloatArray = np.asarray(local_mm, dtype=np.float64) @ self.rotation + self.origin_ras_mm
        return world

    def direction_to_world(self, local: ArrayLike) -> FloatArray:
        """A direction in the frame → RAS."""
        world: FloatArray = np.asarray(local, dtype=np.float64) @ self.rotation
        return world

    def moved_to(self, origin_ras_mm: ArrayLike) -> Axes:
        """The same directions at another origin."""
        return Axes(np.asarray(origin_ras_mm, dtype=np.float64), self.rotation)


def unit(vector: ArrayLike) -> FloatArray:
    """The vector at length one."""
    array = np.asarray(vector, dtype=np.float64)
    scaled: FloatArray = array / np.linalg.norm(array)
    return scaled


def reject(vector: ArrayLike, direction: FloatArray) -> FloatArray:
    """The part of ``vector`` perpendicular to the unit vector ``direction``."""
    array = np.asarray(vector, dtype=np.float64)
    rest: FloatArray = array - float(array @ direction) * direction
    return rest
