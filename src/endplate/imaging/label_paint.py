"""One map from many masks: which structures are wanted, painting them, and where two claim the same voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.label_names import level_in_name, organ_in_name
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.organ_map import ORGAN_IDS
from endplate.imaging.volume import Volume

IdOfName = Callable[[str], int]
"""Id under which a structure of that name is painted, 0 for one that is not wanted."""


@dataclass(frozen=True, eq=False)
class LabelSource:
    """Labels as their file holds them.

    Parameters
    ----------
    volume:
        Ids as written, or as painted from masks by name.
    names:
        Structure names by id; of painted ids those that were painted.
    painted:
        The ids come from names alone: they are those that the caller asked for.
    part:
        The file stores only what is not empty: it may cover a part of the CT.
    overlaps:
        Voxels that two painted structures claim, by their two ids, the painted one first.
    structures:
        How many structures the file names, wanted or not.
    conflicts:
        Painted ids whose code in the file says something else.
    """

    volume: Volume
    names: Mapping[int, str] = field(default_factory=dict)
    painted: bool = False
    part: bool = False
    overlaps: Mapping[tuple[int, int], int] = field(default_factory=dict)
    structures: int = 0
    conflicts: tuple[int, ...] = ()


def level_id(name: str) -> int:
    """VerSe id of the level that a structure is named after, else 0."""
    return VERSE_IDS.get(level_in_name(name) or "", 0)


def organ_id(name: str) -> int:
    """Canonical id of the organ that a structure is named after, else 0."""
    return ORGAN_IDS.get(organ_in_name(name) or "", 0)


def first_id(names: Sequence[str], id_of: IdOfName) -> int:
    """Id by the first of several names that is wanted, else 0."""
    return next((number for name in names if (number := id_of(name))), 0)


class Canvas:
    """A map of ids that masks are painted into; what is painted first stays.

    Parameters
    ----------
    shape:
        Voxels along i, j, k.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.ids: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8, order="F")
        self.overlaps: dict[tuple[int, int], int] = {}

    def paint(self, where: Any, inside: NDArray[np.bool_], number: int) -> None:
        """Paint the id into the part ``where`` (an index), in the voxels ``inside`` that are still empty."""
        target = self.ids[where]
        taken = target[inside]
        for other, count in enumerate(np.bincount(taken, minlength=1)):
            if other not in (0, number) and count:
                pair = (other, number)
                self.overlaps[pair] = self.overlaps.get(pair, 0) + int(count)
        target[inside & (target == 0)] = number
