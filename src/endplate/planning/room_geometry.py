"""What the sheets for the room start from: the points of one needle and the poses of its level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.model import Side
from endplate.imaging.carm import CArmPose
from endplate.planning.model import Approach, NeedlePath


@dataclass(frozen=True, eq=False)
class PathPoints:
    """The points of one needle, RAS mm; ``skin_ras_mm`` is ``None`` where the skin is not in view."""

    side: Side
    approach: Approach
    entry_ras_mm: FloatArray
    isthmus_ras_mm: FloatArray
    wall_ras_mm: FloatArray
    tip_ras_mm: FloatArray
    skin_ras_mm: FloatArray | None = None

    @staticmethod
    def of(path: NeedlePath) -> PathPoints:
        """The points of a path in a plan."""
        skin = path.skin_ras_mm
        return PathPoints(
            path.side,
            path.approach,
            np.array(path.entry_ras_mm),
            np.array(path.isthmus_ras_mm),
            np.array(path.posterior_wall_ras_mm),
            np.array(path.tip_ras_mm),
            None if skin is None else np.array(skin),
        )

    @property
    def direction_ras(self) -> FloatArray:
        """Unit direction from the entry to the tip."""
        return unit(self.tip_ras_mm - self.entry_ras_mm)

    def depth_mm(self, point_ras_mm: FloatArray) -> float:
        """How deep a point lies along the needle from the entry into bone."""
        return float((point_ras_mm - self.entry_ras_mm) @ self.direction_ras)


@dataclass(frozen=True)
class LevelPoses:
    """The true AP and the true lateral pose of one level."""

    ap: CArmPose
    lateral: CArmPose
