"""What the world of a procedure is made from."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Spine
from endplate.devices.catalogue import Catalogue
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import LabelMap, Volume
from endplate.planning.model import Plan


@dataclass(frozen=True, eq=False)
class Scene:
    """What a world is made from.

    Parameters
    ----------
    image, labels:
        The CT in HU and its labels, on one grid.
    spine, plan:
        As measured and planned.
    calibration:
        HU → density.
    catalogue:
        Cannulas, balloons and cements.
    """

    image: Volume
    labels: LabelMap
    spine: Spine
    plan: Plan
    calibration: Calibration
    catalogue: Catalogue
