"""From clicks to frames: the spine's line through the seeds and each body's first guess of size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.interpolate import CubicSpline

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.imaging.levels import order
from endplate.labelling.drum import Drum
from endplate.labelling.model import Seed
from endplate.sources import value


@dataclass(frozen=True)
class LevelSize:
    """Usual sizes of a level in mm; ``spacing_below_mm`` from its centre to that of the next."""

    width_mm: float
    depth_mm: float
    height_mm: float
    spacing_below_mm: float


def level_size(level: str) -> LevelSize:
    """Usual sizes of a level from the tables; T13 is taken as T12, L6 as L5."""
    name = {"T13": "T12", "L6": "L5"}.get(level, level)
    following = next_below(name)
    height, disc = _height(name), float(value("labelling.disc_height_mm")[name])
    below = _height(following) if following is not None else height
    return LevelSize(
        float(value("labelling.body_width_mm")[name]),
        float(value("labelling.body_depth_mm")[name]),
        height,
        0.5 * (height + below) + disc,
    )


def known_levels() -> frozenset[str]:
    """Levels whose body can be found from a point."""
    return frozenset(value("labelling.body_width_mm")) | {"T13", "L6"}


def _height(name: str) -> float:
    return float(value("labelling.body_height_mm")[name])


def next_below(level: str) -> str | None:
    """The level below one, without transitional ones; ``None`` below L5."""
    return _step(level, 1)


def next_above(level: str) -> str | None:
    """The level above one, without transitional ones; ``None`` above C3."""
    return _step(level, -1)


def _step(level: str, by: int) -> str | None:
    names = tuple(value("labelling.body_width_mm"))
    if level == "T13":
        return "L1" if by > 0 else "T12"
    if level == "L6":
        return None if by > 0 else "L5"
    place = names.index(level) + by
    return names[place] if 0 <= place < len(names) else None


def ordered(seeds: Sequence[Seed]) -> tuple[Seed, ...]:
    """The seeds from the head down by their names."""
    return tuple(sorted(seeds, key=lambda seed: order(seed.level)))


def expected_spacing_mm(upper: str, lower: str) -> float | None:
    """Usual distance between the centres of two levels; ``None`` where the lower does not stand below the upper."""
    total = 0.0
    here: str | None = upper
    while here is not None and here != lower:
        total += level_size(here).spacing_below_mm
        here = next_below(here)
    return total if here == lower and total > 0.0 else None


def patient_scale(seeds: Sequence[Seed]) -> float | None:
    """Size of the patient against the tables from the seeds' distances; ``None`` from one seed."""
    row = ordered(seeds)
    ratios = []
    for upper, lower in pairwise(row):
        usual = expected_spacing_mm(upper.level, lower.level)
        if usual is not None:
            ratios.append(float(np.linalg.norm(upper.ras_mm - lower.ras_mm)) / usual)
    # A level left out, or two seeds in one body, say nothing of the patient.
    least, most = value("labelling.spacing_range")
    ratios = [ratio for ratio in ratios if least <= ratio <= most]
    if not ratios:
        return None
    # A collapsed body brings its neighbours closer: the upper half of the ratios speaks for the patient.
    low, high = value("labelling.scale_range")
    # It says less of the size of bodies than of their spacing, so half of it is believed.
    return float(np.clip(1.0 + 0.5 * (np.percentile(ratios, 65.0) - 1.0), low, high))


def seed_axes(seeds: Sequence[Seed]) -> tuple[tuple[Axes, ...], str]:
    """A frame at each seed (in the order given), and in words where its direction comes from.

    Three or more seeds: a spline through them. Two: the line between them. One: the image's own head direction.
    """
    row = ordered(seeds)
    points = np.array([seed.ras_mm for seed in row])
    forward = np.array([0.0, 1.0, 0.0])
    if len(row) >= 3:
        along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
        down = np.atleast_2d(CubicSpline(along, points, bc_type="natural")(along, 1))
        how = "the line through the seeds"
    elif len(row) == 2:
        down = np.repeat(np.diff(points, axis=0), 2, axis=0)
        how = "the line between two seeds"
    else:
        down = np.array([[0.0, 0.0, -1.0]])
        how = "the head direction of the image"
    frames = {
        seed.level: Axes.from_directions(seed.ras_mm, -unit(direction), forward)
        for seed, direction in zip(row, down, strict=True)
    }
    return tuple(frames[seed.level] for seed in seeds), how


def first_drum(level: str, scale: float) -> Drum:
    """The drum of a level's usual size."""
    size = level_size(level)
    half_height = 0.5 * size.height_mm * scale
    # Tables hold the width of the endplates; the mean over the waisted body is less.
    side = 0.5 * scale * float(value("labelling.waist_share"))
    return Drum.of_planes(
        side * size.width_mm,
        side * size.depth_mm,
        np.array([half_height, 0.0, 0.0, 0.5]),
        np.array([-half_height, 0.0, 0.0, 0.5]),
    )


def distance_mm(first: FloatArray, second: FloatArray) -> float:
    """Distance of two points."""
    return float(np.linalg.norm(np.asarray(first) - np.asarray(second)))
