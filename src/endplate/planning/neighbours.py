"""The vertebrae beside a level: in the way of a needle behind its entry, and their facet joint beside it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from endplate.anatomy.axes import Axes
from endplate.anatomy.mask import LocalGrid, label_field, resample
from endplate.anatomy.model import Vertebra
from endplate.imaging.levels import LEVEL_OF_ID, order
from endplate.imaging.volume import LabelMap
from endplate.planning.kernels import surface_points
from endplate.planning.structures import Structure
from endplate.sources import value

NEIGHBOURS = 2
"""Vertebrae this many levels away may still reach behind the entry with their spinous process."""

Boxes = Sequence[tuple[slice, ...] | None]
"""Where each label lies, by id less one."""


def neighbours(
    labels: LabelMap, boxes: Boxes, vertebra: Vertebra, axes: Axes
) -> list[tuple[Structure, LocalGrid]]:
    """Every other vertebra nearby, and what of the one above may meet the entry as facet."""
    step = float(value("search.neighbour_step_mm"))
    found: list[tuple[Structure, LocalGrid]] = []
    for number, box in enumerate(boxes, start=1):
        level = LEVEL_OF_ID.get(number)
        if box is None or level is None or number == vertebra.label_id:
            continue
        if abs(order(level) - order(vertebra.level)) > NEIGHBOURS:
            continue
        if np.count_nonzero(labels.data[box] == number) < float(value("search.neighbour_voxels_min")):
            continue
        grid = resample(label_field(labels.data, labels.volume.affine, box, number), axes, step)
        points = surface_points(grid.values, grid.low_mm, grid.step_mm)
        found.append((Structure(level, points, "labels", kind="neighbour"), grid))
        if _is_next_above(level, vertebra.level):
            found.append((Structure("facet joint above", points, "labels", kind="facet"), grid))
    return found


def _is_next_above(other: str, level: str) -> bool:
    gap = order(level) - order(other)
    return gap == 1 or (gap == 2 and {other, level} == {"T12", "L1"})
