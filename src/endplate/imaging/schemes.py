"""Label schemes: which number means which vertebra in the maps that segmenters write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from endplate.errors import UsageError
from endplate.imaging.levels import VERSE_IDS, order

_CERVICAL = tuple(f"C{n}" for n in range(1, 8))
_THORACIC = tuple(f"T{n}" for n in range(1, 13))
_LUMBAR = tuple(f"L{n}" for n in range(1, 6))
_PRESACRAL = (*_CERVICAL, *_THORACIC, *_LUMBAR)


@dataclass(frozen=True)
class Scheme:
    """One numbering of vertebrae.

    Parameters
    ----------
    name:
        What ``--scheme`` takes.
    title:
        What a reader calls it.
    level_of_id:
        Level name of every vertebra id; two ids may share one level (S1 and the rest of the sacrum).
    below_s1:
        Ids of sacral pieces and coccyx, from head to foot: dropped, but they must lie in this order.
    others:
        Ids of other structures that the scheme knows (organs, ribs, discs): dropped.
    body_only:
        The tool writes vertebral bodies without arches.
    citation:
        Key of the source of the numbers.
    """

    name: str
    title: str
    level_of_id: Mapping[int, str]
    citation: str
    below_s1: tuple[int, ...] = ()
    others: frozenset[int] = field(default_factory=frozenset)
    body_only: bool = False

    def __post_init__(self) -> None:
        unknown = set(self.level_of_id.values()) - set(VERSE_IDS)
        if unknown or set(self.level_of_id) & self.others or min(self.level_of_id) < 1:
            raise ValueError(f"the label scheme {self.name!r} contradicts itself")
        object.__setattr__(self, "level_of_id", MappingProxyType(dict(self.level_of_id)))

    @property
    def vocabulary(self) -> frozenset[int]:
        """Every id that the scheme gives a meaning."""
        return frozenset(self.level_of_id) | frozenset(self.below_s1) | self.others

    def levels(self, ids: frozenset[int]) -> tuple[str, ...]:
        """Levels that the ids name, from head to foot, each once."""
        return tuple(sorted({self.level_of_id[i] for i in ids if i in self.level_of_id}, key=order))

    def canonical_ids(self, highest: int) -> NDArray[np.uint8]:
        """Look-up table, shape (highest + 1,): id of this scheme → VerSe id, 0 for all that is no level."""
        table = np.zeros(highest + 1, dtype=np.uint8)
        for number, level in self.level_of_id.items():
            if number <= highest:
                table[number] = VERSE_IDS[level]
        return table


def _rising(levels: tuple[str, ...], first: int) -> dict[int, str]:
    return {first + n: level for n, level in enumerate(levels)}


def _falling(levels: tuple[str, ...], first: int) -> dict[int, str]:
    return {first - n: level for n, level in enumerate(levels)}


def _span(*ranges: tuple[int, int]) -> frozenset[int]:
    return frozenset(number for low, high in ranges for number in range(low, high + 1))


_VERSE_LEVELS = {**_rising(_PRESACRAL, 1), 25: "L6", 26: "S1", 28: "T13"}
_VERSE_BELOW_S1 = (29, 30, 31, 32, 33, 27)

SCHEMES: Mapping[str, Scheme] = MappingProxyType(
    {
        scheme.name: scheme
        for scheme in (
            Scheme("verse", "VerSe", _VERSE_LEVELS, "verse2021", below_s1=_VERSE_BELOW_S1),
            Scheme(
                "spineps",
                "SPINEPS/TPTBox vertebra",
                _VERSE_LEVELS,
                "tptbox",
                below_s1=_VERSE_BELOW_S1,
                # ribs X + 32, discs X + 100, endplates X + 200 of vertebra X
                others=_span((40, 51), (60, 60), (101, 133), (201, 233)),
            ),
            Scheme(
                "ts2",
                "TotalSegmentator v2",
                {**_falling(_PRESACRAL, 50), 26: "S1", 25: "S1"},
                "totalsegmentator",
                others=_span((1, 24), (51, 118)),
            ),
            Scheme(
                "ts1",
                "TotalSegmentator v1",
                {**_falling(_PRESACRAL, 41), 92: "S1"},
                "totalsegmentator",
                # 200 to 224: cord, canal and discs that early TotalSpineSeg versions added to these ids
                others=_span((1, 17), (42, 91), (93, 104), (200, 224)),
            ),
            Scheme(
                "ts_mr",
                "TotalSegmentator vertebrae_mr",
                {**_falling(_PRESACRAL, 25), 1: "S1"},
                "totalsegmentator",
            ),
            Scheme(
                "ts_pp",
                "TotalSegmentator vertebrae_pp (bodies)",
                _rising(_PRESACRAL, 1),
                "totalsegmentator",
                body_only=True,
            ),
            Scheme(
                "tss",
                "TotalSpineSeg",
                {
                    **_rising(_CERVICAL, 11),
                    **_rising(_THORACIC, 21),
                    **_rising((*_LUMBAR, "L6"), 41),
                    50: "S1",
                },
                "totalspineseg",
                # cord, canal, L7, discs
                others=_span((1, 2), (47, 47), (63, 67), (71, 82), (91, 95), (100, 100)),
            ),
        )
    }
)
"""Every scheme by name."""

SUBREGION_IDS = _span((41, 53), (58, 64), (70, 80), (100, 100)) | {26}
"""Ids of the SPINEPS/TPTBox subregion map (41 arch, 42 spinous process, 49 and 50 body, ...): parts of a
vertebra, the same numbers at every level, so no level map."""


def scheme_named(name: str) -> Scheme:
    """Return one scheme.

    Raises
    ------
    UsageError
        There is no scheme of that name.
    """
    known = SCHEMES.get(name.strip().lower())
    if known is None:
        raise UsageError(
            "label-scheme-name-unknown",
            f"{name!r} is not a label scheme that Endplate knows.",
            do=f"Give --scheme auto or one of: {', '.join(SCHEMES)}.",
        )
    return known
