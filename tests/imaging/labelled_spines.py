"""Label maps of an analytic spine for tests: every level a body, an arch with a canal, and a spinous process.

Shapes are functions of position in RAS mm, so that the same spine can be drawn on any grid.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np

from endplate.imaging.levels import CRANIOCAUDAL
from endplate.imaging.schemes import SCHEMES
from endplate.sources import value

ORIENTATIONS = ("RAS", "LPS", "PIR", "ASL", "LIA", "SPR", "IRP")

_RAS = {"R": (0, 1.0), "L": (0, -1.0), "A": (1, 1.0), "P": (1, -1.0), "S": (2, 1.0), "I": (2, -1.0)}


def levels_between(top: str, bottom: str) -> tuple[str, ...]:
    """Levels of a usual spine from ``top`` to ``bottom``."""
    names = [name for name in CRANIOCAUDAL if name not in {"T13", "L6"}]
    return tuple(names[names.index(top) : names.index(bottom) + 1])


def usual(key: str, level: str) -> float:
    """Usual size of a level."""
    return float(value(key).get("C" if level[0] == "C" else level, 60.0))


def centres_mm(levels: Iterable[str], size: float = 1.0) -> dict[str, np.ndarray]:
    """Middles of the bodies: a gentle kyphosis, levels that are left out keep their room."""
    names = list(levels)
    places = {names[0]: np.zeros(3)}
    for upper, lower in pairwise(names):
        between = CRANIOCAUDAL[CRANIOCAUDAL.index(upper) : CRANIOCAUDAL.index(lower)]
        drop = sum(usual("labels.pitch_mm", n) for n in between if n == upper or n not in {"T13", "L6"})
        z = places[upper][2] - drop * size
        places[lower] = np.array([3.0 * np.sin(z / 80.0), 10.0 * np.cos(z / 90.0) - 10.0, z])
    return places


def draw(
    ids: dict[str, int],
    *,
    spacing: tuple[float, float, float] = (2.0, 2.0, 2.0),
    orientation: str = "RAS",
    rotation: np.ndarray | None = None,
    arches: bool = True,
    size: float = 1.0,
    cut_mm: tuple[float, float] = (0.0, 0.0),
    dtype: type = np.uint8,
) -> tuple[np.ndarray, np.ndarray]:
    """Draw levels with the given ids (in the order of the dict) on a grid; returns the map and its affine.

    ``cut_mm`` takes that much off the top and bottom of the field of view; ``rotation`` turns the grid.
    """
    places = centres_mm(ids, size)
    z = [p[2] for p in places.values()]
    low = np.array([-42.0, -80.0, min(z) - 30.0 + cut_mm[1]]) * 1.0
    high = np.array([42.0, 35.0, max(z) + 30.0 - cut_mm[0]])
    turn = np.eye(3) if rotation is None else rotation
    directions = np.zeros((3, 3))
    for axis, letter in enumerate(orientation):
        world, sign = _RAS[letter]
        directions[world, axis] = sign
    columns = turn @ directions * np.array(spacing)
    middle = (low + high) / 2.0
    span = np.abs(directions.T) @ np.abs(turn.T) @ (high - low)  # the turned box holds the whole spine
    shape = np.ceil(span / np.array(spacing)).astype(int) + 1
    affine = np.eye(4)
    affine[:3, :3] = columns
    affine[:3, 3] = middle - columns @ ((shape - 1) / 2.0)
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"), axis=-1)
    points = grid @ columns.T + affine[:3, 3]
    drawn = np.zeros(shape, dtype=dtype)
    for level, number in ids.items():
        drawn[_vertebra(points - places[level], level, size, arches=arches)] = number
    return drawn, affine


def scheme_ids(scheme: str, levels: Iterable[str]) -> dict[str, int]:
    """Id of each level in a scheme (the first that it lists)."""
    ids: dict[str, int] = {}
    for number, level in SCHEMES[scheme].level_of_id.items():
        ids.setdefault(level, number)
    return {level: ids[level] for level in levels}


def _vertebra(points: np.ndarray, level: str, size: float, *, arches: bool) -> np.ndarray:
    """Inside of a vertebra about its body's middle, points in RAS mm."""
    height = 0.75 * usual("labels.pitch_mm", level) * size
    half = np.sqrt(usual("labels.whole_volume_ml", level) * 1000.0 * size**3 / (2.9 * height))
    x, y, z = np.moveaxis(points, -1, 0)
    inside = ((x / half) ** 2 + (y / (0.75 * half)) ** 2 <= 1.0) & (np.abs(z) <= height / 2.0)
    if not arches or level == "S1":
        return inside
    back = y + 1.15 * half  # canal behind the body
    radius = np.hypot(x, back)
    ring = (radius <= 0.66 * half) & (radius >= 0.42 * half) & (y < 0.0)
    # the arch leans back and down like a real one
    lean = z + 0.25 * height + 0.2 * (-y - half)
    arch = ring & (np.abs(lean) <= 0.35 * height)
    process = (np.abs(x) <= 0.12 * half) & (back < -0.5 * half) & (back > -1.2 * half)
    return inside | arch | (process & (np.abs(lean) <= 0.3 * height))
