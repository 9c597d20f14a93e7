"""Clicks on the sample CT: off the middle of their bodies, and in discs and the canal, where there is no body."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from label_study import SAMPLE_LEVELS, dice, given_bodies, painted
from numpy.typing import NDArray

from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.errors import EndplateError
from endplate.imaging.labels import read_labels
from endplate.imaging.read import read_image
from endplate.imaging.sample import fetch_sample
from endplate.imaging.volume import Volume
from endplate.labelling.bodies import segment_bodies
from endplate.labelling.model import Seed


@dataclass(frozen=True)
class Sample:
    """The CT, the bodies of the map that comes with it, and their vertebrae."""

    image: Volume
    bodies: dict[str, NDArray[np.bool_]]
    vertebrae: dict[str, Located]

    def middle(self, level: str) -> NDArray[np.float64]:
        """Centre of a body, RAS mm."""
        return self.image.to_world(np.argwhere(self.bodies[level]).mean(axis=0))


@cache
def sample() -> Sample:
    """The sample CT."""
    files = fetch_sample()
    labels = read_labels(files.labels)
    vertebrae = {one.vertebra.level: one for one in locate_vertebrae(labels)}
    return Sample(read_image(files.ct), given_bodies(labels), vertebrae)


def overlaps(off_mm: float, number: int) -> tuple[float, ...] | None:
    """Dice of the five bodies from clicks off by so much in random directions; ``None``: refused."""
    scan, rng = sample(), np.random.default_rng([number, round(10 * off_mm)])
    seeds = []
    for level in SAMPLE_LEVELS:
        turn = rng.normal(size=3)
        seeds.append(Seed(level, scan.middle(level) + off_mm * turn / np.linalg.norm(turn)))
    try:
        found = segment_bodies(scan.image, seeds)
    except EndplateError:
        return None
    return tuple(dice(painted(body, scan.image.shape), scan.bodies[body.level]) for body in found)


def no_bodies() -> dict[str, NDArray[np.float64]]:
    """Points that lie in no body, by what they lie in: discs, the canal, a pedicle, soft tissue before a body."""
    scan = sample()
    points = {}
    for upper, lower in pairwise(SAMPLE_LEVELS):
        above, below = scan.vertebrae[upper].vertebra, scan.vertebrae[lower].vertebra
        ends = []
        for vertebra, sign in ((above, -1.0), (below, 1.0)):
            local = vertebra.axes.to_local(scan.image.to_world(np.argwhere(scan.bodies[vertebra.level])))
            middle = local[np.hypot(local[:, 0], local[:, 1]) < 5.0]
            ends.append(vertebra.axes.to_world([0.0, 0.0, sign * float((sign * middle[:, 2]).max())]))
        points[f"disc {upper}/{lower} as {lower}"] = 0.5 * (ends[0] + ends[1])
    for level in ("T11", "L1"):
        vertebra = scan.vertebrae[level].vertebra
        assert vertebra.canal is not None
        points[f"canal as {level}"] = vertebra.axes.to_world(np.append(vertebra.canal.centre_at(0.0), 0.0))
        points[f"pedicle as {level}"] = vertebra.axes.to_world([12.0, -20.0, 4.0])
        points[f"before the body as {level}"] = vertebra.axes.to_world([0.0, 26.0, 0.0])
    return points


def refused(name: str, point: NDArray[np.float64], *, alone: bool) -> bool:
    """Whether a point in no body is refused, alone or with the right points of the other levels."""
    scan, level = sample(), name.rsplit(" ", 1)[1]
    seeds = [Seed(level, point)]
    if not alone:
        seeds += [Seed(other, scan.middle(other)) for other in SAMPLE_LEVELS if other != level]
    try:
        segment_bodies(scan.image, seeds)
    except EndplateError:
        return True
    return False
