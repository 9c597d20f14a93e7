"""Places and level names of points in files, with words for what is wrong with one of them."""

from __future__ import annotations

from typing import Any

from endplate.errors import InputError, UsageError
from endplate.imaging.levels import VERSE_IDS, parse_level
from endplate.imaging.lines import frame_named, point_ras_mm

MOST_POINTS = 500
"""A file of more points is none of a spine."""

LONGEST_NAME = 40

Place = tuple[float, float, float]


def place_ras_mm(stored: Any, frame: str, where: str) -> Place:
    """Return a point of a file in RAS mm; ``where`` names it for the user.

    Raises
    ------
    InputError
        ``points-place-broken``: not three finite numbers, or far from any patient.
    """
    try:
        return point_ras_mm(stored, frame, where)
    except InputError as error:
        raise InputError(
            "points-place-broken",
            error.what,
            do="Set this point again in the middle of its vertebral body and save the points again, or take it out of "
            "the file.",
        ) from None


def frame_of(stated: Any, default: str) -> str:
    """Return ``"RAS"`` or ``"LPS"``.

    Raises
    ------
    InputError
        ``points-frame-unknown``.
    """
    try:
        return frame_named(stated, default)
    except InputError as error:
        raise InputError(
            "points-frame-unknown",
            error.what,
            do="Save the points in RAS or LPS: left and right are never guessed.",
        ) from None


def level_of_point(name: str, number: int) -> str:
    """Return the level that a point of a file is named after; ``number`` counts from one.

    Raises
    ------
    InputError
        ``point-level-unknown``.
    """
    try:
        return parse_level(name)
    except UsageError:
        shown = "".join(c for c in name if c.isprintable()).strip()[:LONGEST_NAME]
        called = f"is named {shown!r}, which is no vertebral level" if shown else "has no name"
        raise InputError(
            "point-level-unknown",
            f"Point {number} of the file {called}.",
            do=f"Rename each point after its level: T12, L1, ... ({len(VERSE_IDS)} names, C1 to S1), and save again.",
        ) from None
