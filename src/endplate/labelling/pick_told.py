"""Points with the words that the pick page says about those proposed."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.labelling.points import PointSet


@dataclass(frozen=True)
class ToldPoints(PointSet):
    """Points of which some were proposed.

    Parameters
    ----------
    told:
        Level and a few words on its proposed point.
    ends:
        Sentences: why no more points were proposed, and what is doubtful about all.
    """

    told: tuple[tuple[str, str], ...] = ()
    ends: tuple[str, ...] = ()
