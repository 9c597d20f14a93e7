"""Label maps that have lost how they were made: the user is told, and their edges are trusted least."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from endplate.imaging.label_origin import LabelOrigin, LevelOrigin, stated_origin
from endplate.sources import Finding, finding, value

TAKEN = "How these labels were made is not known any more; the greatest error of Endplate's own is taken."
"""What is assumed of every level of such a map."""


def origin_or_worst(path: Path, levels: Iterable[str]) -> tuple[LabelOrigin | None, tuple[Finding, ...]]:
    """Return how a label map was made; where that was lost, the most that its edges may be off by.

    A margin that was derated once stays so when the map is moved without its sidecar or saved by another program.

    Parameters
    ----------
    path:
        A label map of any form.
    levels:
        The levels it names.

    Raises
    ------
    InputError
        As :func:`endplate.imaging.label_origin.read_label_origin`.
    """
    stated = stated_origin(path)
    if stated.origin is not None or (stated.stale is None and not stated.lost):
        return stated.origin, ()
    known = [] if stated.stale is None else [one.label_error_mm for one in stated.stale.levels]
    errors = [error for error in known if error is not None]
    if not stated.lost and not errors:  # nothing was taken off before, either
        return None, (finding("labels-origin-stale"),)
    worst = max((greatest_error_mm(), *errors))
    code = "labels-origin-lost" if stated.stale is None else "labels-origin-stale-derated"
    return (
        LabelOrigin(
            made_by="given" if stated.stale is None else stated.stale.made_by,
            levels=tuple(
                LevelOrigin(level=level, label_error_mm=worst, assumed=(TAKEN,)) for level in levels
            ),
        ),
        (finding(code, error=worst),),
    )


def greatest_error_mm() -> float:
    """The most that Endplate states for the edge of a label: where a part of its quality is nil."""
    return float(value("labelling.label_error_mm")) + float(value("labelling.label_error_more_mm"))
