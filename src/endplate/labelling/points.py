"""Points that users set in vertebral bodies: from words, from files, checked against the CT."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from endplate.errors import InputError, UsageError
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray, apply_affine
from endplate.imaging.levels import CRANIOCAUDAL, order, parse_level
from endplate.imaging.volume import Volume
from endplate.labelling.model import Seed
from endplate.sources import value

HOW = "LEVEL:X,Y,Z in RAS mm, LEVEL:lps:X,Y,Z or LEVEL:voxel:I,J,K"
"""The forms that a point can be written in."""

FRAMES = ("ras", "lps", "voxel")

FARTHEST_MM = 10_000.0
"""No scanner states a point of a patient farther from its origin."""

_HALF_VOXEL = 0.5
_ROUNDING = 1e-6


@dataclass(frozen=True)
class PointSet:
    """Points in one CT.

    Parameters
    ----------
    seeds:
        Set or confirmed by the user, from the head down.
    proposed:
        Not yet confirmed: shown, never used.
    source:
        Where they come from, in words.
    passed_over:
        Levels of a file that cannot be labelled from a point (atlas, axis, sacrum).
    """

    seeds: tuple[Seed, ...]
    proposed: tuple[Seed, ...] = ()
    source: str = "the command line"
    passed_over: tuple[str, ...] = ()


@dataclass(frozen=True)
class PointWord:
    """A point as written on the command line, before its CT is known.

    Parameters
    ----------
    level:
        Its level.
    place:
        Three finite numbers: mm, or voxels.
    frame:
        One of :data:`FRAMES`.
    """

    level: str
    place: tuple[float, float, float]
    frame: str

    def in_ct(self, image: Volume) -> Seed:
        """The point in RAS mm."""
        return Seed(self.level, in_ras_mm(np.array(self.place), self.frame, image))


def parse_word(text: str) -> PointWord:
    """Return the point that a word of the command line states (``"L3:12.5,-40,310"``, see :data:`HOW`).

    Raises
    ------
    UsageError
        ``point-broken``, ``level-unknown``.
    """
    name, _, rest = text.partition(":")
    frame, _, numbers = rest.rpartition(":")
    frame = frame.strip().lower() or "ras"
    if frame not in FRAMES:
        raise _broken(text)
    try:
        place = [float(part) for part in numbers.split(",")]
    except ValueError:
        raise _broken(text) from None
    if len(place) != 3 or not all(math.isfinite(c) for c in place):
        raise _broken(text)
    return PointWord(parse_level(name), (place[0], place[1], place[2]), frame)


def parse_point(text: str, image: Volume) -> Seed:
    """Return the point of a word (:func:`parse_word`) in a CT.

    Raises
    ------
    UsageError
        ``point-broken``, ``level-unknown``.
    """
    return parse_word(text).in_ct(image)


def in_ras_mm(place: FloatArray, frame: str, image: Volume) -> FloatArray:
    """Bring a point of a named frame (one of :data:`FRAMES`) to RAS mm."""
    if frame == "voxel":
        return image.to_world(place)
    return apply_affine(LPS_FROM_RAS, place) if frame == "lps" else place


def clickable_levels() -> tuple[str, ...]:
    """Levels whose body a point can be set in, from the head down: C3 to L6."""
    known = {*value("labelling.body_width_mm"), "T13", "L6"}
    return tuple(level for level in CRANIOCAUDAL if level in known)


def without_bodiless(points: PointSet) -> PointSet:
    """The points of a file without those of atlas, axis and sacrum, which centroid files have too."""
    known = clickable_levels()
    gone = tuple(seed.level for seed in points.seeds if seed.level not in known)
    seeds = tuple(seed for seed in points.seeds if seed.level in known)
    proposed = tuple(seed for seed in points.proposed if seed.level in known)
    return PointSet(seeds, proposed, points.source, (*points.passed_over, *gone))


def check_levels(levels: Sequence[str], source: str) -> None:
    """Refuse levels that cannot be labelled from a point, and two points of one level.

    Raises
    ------
    InputError
        ``point-level-bodiless``, ``point-level-twice``.
    """
    bodiless = [level for level in levels if level not in clickable_levels()]
    if bodiless:
        raise InputError(
            "point-level-bodiless",
            f"{', '.join(bodiless)} cannot be labelled from a point: a body between two discs is looked for.",
            do="Set points in C3 to L6 only; a segmenter labels atlas, axis and sacrum.",
        )
    twice = sorted({level for level in levels if levels.count(level) > 1}, key=order)
    if twice:
        raise InputError(
            "point-level-twice",
            f"{', '.join(twice)} has more than one point in {source}.",
            do="Keep one point a vertebra, in the middle of its body.",
        )


def check_points(points: PointSet, image: Volume) -> PointSet:
    """Return the points from the head down, after looking for what no click can be.

    Raises
    ------
    InputError
        ``points-none``, ``points-not-confirmed``, ``point-level-bodiless``, ``point-level-twice``,
        ``point-outside-ct``, ``point-places-equal``.
    """
    check_levels([seed.level for seed in points.seeds], points.source)
    if points.proposed and not points.seeds:
        raise InputError(
            "points-not-confirmed",
            f"All points in {points.source} are proposals that nobody has confirmed.",
            do="Confirm them in the page: endplate label CT --points FILE --pick --out page.html",
        )
    if not points.seeds:
        raise InputError(
            "points-none",
            f"There is no point in {points.source}.",
            do="Set one point in the middle of each vertebral body (`endplate label CT --pick --out page.html`).",
        )
    _apart(points.seeds)
    for seed in (*points.seeds, *points.proposed):
        _inside(seed, image)
    return PointSet(
        _from_the_head(points.seeds), _from_the_head(points.proposed), points.source, points.passed_over
    )


def without_set_levels(proposed: Iterable[Seed], seeds: Iterable[Seed]) -> tuple[Seed, ...]:
    """Proposals for levels that no seed has."""
    taken = {seed.level for seed in seeds}
    return tuple(seed for seed in proposed if seed.level not in taken)


def _apart(seeds: tuple[Seed, ...]) -> None:
    for place, seed in enumerate(seeds):
        for other in seeds[:place]:
            if math.dist(seed.ras_mm, other.ras_mm) < 1.0:
                raise InputError(
                    "point-places-equal",
                    f"{other.level} and {seed.level} have the same point.",
                    do="Set each point in the middle of its own vertebral body.",
                )


def _inside(seed: Seed, image: Volume) -> None:
    voxel = image.to_voxel(seed.ras_mm)
    low, high = -_HALF_VOXEL - _ROUNDING, np.array(image.shape) - _HALF_VOXEL + _ROUNDING
    if (voxel >= low).all() and (voxel <= high).all():
        return
    corners = image.to_world([[0, 0, 0], np.array(image.shape) - 1])
    spans = ", ".join(
        f"{axis} {min(pair):.0f} to {max(pair):.0f}" for axis, pair in zip("xyz", corners.T, strict=True)
    )
    x, y, z = seed.ras_mm
    mirrored = image.to_voxel([-x, -y, z])
    hint = ""
    if (mirrored >= low).all() and (mirrored <= high).all():
        hint = " As LPS it would lie inside: write LEVEL:lps:X,Y,Z if that is what it is."
    raise InputError(
        "point-outside-ct",
        f"The point of {seed.level}, ({x:.1f}, {y:.1f}, {z:.1f}) mm RAS, lies outside the CT (about {spans} mm).{hint}",
        do=f"Give the point as {HOW}.",
    )


def _from_the_head(seeds: Iterable[Seed]) -> tuple[Seed, ...]:
    return tuple(sorted(seeds, key=lambda seed: order(seed.level)))


def _broken(text: str) -> UsageError:
    return UsageError("point-broken", f"{text!r} is not a point.", do=f"Write {HOW}, as in L3:12.5,-40,310.")
