"""A batch of straight needles in one vertebra: where they enter, pass the posterior wall and end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Side
from endplate.planning.kernels import last_inside, wall_crossings
from endplate.planning.scene import SIGN, LevelScene
from endplate.sources import value

ACROSS = ("lateral", "superior", "medial", "inferior")
"""The four sectors around a needle, a quarter turn each, centred on these directions."""


@dataclass(frozen=True, eq=False)
class Needles:
    """C straight needles of one side, local mm; places on them are lengths from their origins.

    Parameters
    ----------
    side:
        Side of the entry.
    origins, directions, lateral, head:
        Shape (C, 3): a point on the axis (where it passes the isthmus, or beside it), the unit direction forward,
        and two unit vectors across it, away from the midline and toward the head.
    tip_at, entry_at, wall_at:
        Shape (C,): tip, entry into the bone that goes on to the tip, and posterior wall; NaN where there is none.
    """

    side: Side
    origins: FloatArray
    directions: FloatArray
    lateral: FloatArray
    head: FloatArray
    tip_at: FloatArray
    entry_at: FloatArray
    wall_at: FloatArray

    def __len__(self) -> int:
        return len(self.origins)

    def at(self, lengths: FloatArray) -> FloatArray:
        """Points of the axes at lengths, shape (C,) → (C, 3)."""
        points: FloatArray = self.origins + lengths[:, None] * self.directions
        return points

    @property
    def tips(self) -> FloatArray:
        """Ends of the needles, shape (C, 3)."""
        return self.at(self.tip_at)

    @property
    def convergence_deg(self) -> FloatArray:
        """Angle toward the midline in the axial plane of the vertebra."""
        angle: FloatArray = np.degrees(
            np.arctan2(-SIGN[self.side] * self.directions[:, 0], self.directions[:, 1])
        )
        return angle

    @property
    def craniocaudal_deg(self) -> FloatArray:
        """Rise toward the head in the sagittal plane of the vertebra."""
        angle: FloatArray = np.degrees(np.arctan2(self.directions[:, 2], self.directions[:, 1]))
        return angle

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_]) -> Needles:
        """Some of the needles."""
        return Needles(
            self.side,
            self.origins[chosen],
            self.directions[chosen],
            self.lateral[chosen],
            self.head[chosen],
            self.tip_at[chosen],
            self.entry_at[chosen],
            self.wall_at[chosen],
        )


def across(directions: FloatArray, side: Side) -> tuple[FloatArray, FloatArray]:
    """Unit vectors across needles, away from the midline and toward the head, each of shape (C, 3)."""
    lateral = np.zeros_like(directions)
    lateral[:, 0] = SIGN[side]
    lateral -= np.einsum("ij,ij->i", lateral, directions)[:, None] * directions
    lateral /= np.linalg.norm(lateral, axis=1)[:, None]
    head = np.cross(directions, lateral)
    head *= np.where(head[:, 2] < 0.0, -1.0, 1.0)[:, None]
    return lateral, head


def needles(scene: LevelScene, side: Side, through_mm: FloatArray, tips_mm: FloatArray) -> Needles:
    """Needles through points, shape (C, 3), to tips, shape (C, 3), followed back from the tip to where bone begins."""
    along = tips_mm - through_mm
    length = np.linalg.norm(along, axis=1)
    directions = np.ascontiguousarray(along / length[:, None])
    lateral, head = across(directions, side)
    origins = np.ascontiguousarray(through_mm, dtype=np.float64)
    bone, pace = scene.bone, float(value("search.pace_mm"))
    entry = last_inside(
        bone.values,
        bone.low_mm,
        bone.step_mm,
        origins,
        directions,
        length,
        float(value("search.reach_back_mm")),
        -pace,
    )
    wall = posterior_wall_at(scene, origins, directions, np.where(np.isfinite(entry), entry, length), length)
    return Needles(side, origins, directions, lateral, head, length, entry, wall)


def posterior_wall_at(
    scene: LevelScene, origins: FloatArray, directions: FloatArray, begin: FloatArray, end: FloatArray
) -> FloatArray:
    """Where axes pass the posterior wall, or its continuation lateral of the canal, between two lengths, shape (C,)."""
    grid = scene.geometry.grid
    found: FloatArray = wall_crossings(
        np.ascontiguousarray(scene.geometry.body.wall_y_mm),
        np.array([grid.low_mm[0], grid.low_mm[2]]),
        grid.step_mm,
        origins,
        directions,
        begin,
        end,
        float(value("search.pace_mm")),
    )
    return found
