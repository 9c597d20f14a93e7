"""Organs near the spine on the grid of the CT: what a needle must keep away from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.volume import Volume

ORGAN_IDS: dict[str, int] = {
    "aorta": 1,
    "inferior_vena_cava": 2,
    "lung": 3,
    "kidney": 4,
    "oesophagus": 5,
    "spinal_cord": 6,
    "rib": 7,
    "sacrum": 8,
    "spinal_canal": 9,
}
"""Id of every organ that Endplate knows, by canonical name; left and right, lobes and ribs share one."""

ORGAN_OF_ID: dict[int, str] = {number: name for name, number in ORGAN_IDS.items()}
"""Canonical name of every id."""


@dataclass(frozen=True, eq=False)
class OrganMap:
    """Organs on a grid, in canonical ids whatever map they came from.

    Parameters
    ----------
    volume:
        ``volume.data`` holds the ids of ``ORGAN_IDS`` (uint8, 0 for everything else).

    Raises
    ------
    ValueError
        Voxels that are no ids.
    """

    volume: Volume

    def __post_init__(self) -> None:
        if self.volume.data.dtype != np.uint8 or self.volume.data.max() > max(ORGAN_OF_ID):
            raise ValueError("an organ map holds uint8 ids of ORGAN_IDS")

    @property
    def data(self) -> NDArray[np.uint8]:
        """The ids, shape (I, J, K)."""
        ids: NDArray[np.uint8] = self.volume.data
        return ids

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Canonical names of the organs in the map, in the order of ``ORGAN_IDS``."""
        return tuple(name for name, number in ORGAN_IDS.items() if (self.data == number).any())

    def mask(self, name: str) -> NDArray[np.bool_]:
        """Voxels of one organ, shape (I, J, K).

        Raises
        ------
        KeyError
            No canonical name.
        """
        inside: NDArray[np.bool_] = self.data == ORGAN_IDS[name]
        return inside
