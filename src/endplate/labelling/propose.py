"""Points for the neighbours of a few seeds, for the user to confirm: never used by themselves.

From a body that was found, the next one is looked for along its own axis at the usual distance for the level and the
patient, a little nearer and a little further, and judged by the surface that grows there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.imaging.levels import order
from endplate.imaging.volume import Volume
from endplate.labelling.bodies import Grown, grow_body, quality_parts
from endplate.labelling.model import Seed
from endplate.labelling.seed_checks import check_seeds, doubt
from endplate.labelling.seeds import (
    expected_spacing_mm,
    level_size,
    next_above,
    next_below,
    ordered,
    patient_scale,
    seed_axes,
)
from endplate.sources import Finding, finding, value

TRIED = (1.0, 0.86, 1.14)
"""Distances that are tried, against the usual one."""

GOOD = 0.9
"""A surface of this quality ends the trying."""


STEP_TRUST = 0.92
"""Confidence that is left with every further step away from a seed."""


@dataclass(frozen=True, eq=False)
class Proposal:
    """A point for a level that the user did not click.

    Parameters
    ----------
    level:
        The name that follows from the user's own; it is not checked against anything else here.
    ras_mm:
        Centre of the body found there, shape (3,), RAS mm.
    confidence:
        0–1: quality of the surface that grows there, less where the distance is unusual and with every step away from
        a seed of the user's.
    how:
        One sentence: from what it was found.
    findings:
        What must be confirmed.
    """

    level: str
    ras_mm: FloatArray
    confidence: float
    how: str
    findings: tuple[Finding, ...]


def propose_neighbours(
    image: Volume,
    seeds: Sequence[Seed],
    *,
    above: int = 1,
    below: int = 1,
    progress: Callable[[str, float], None] | None = None,
) -> tuple[Proposal, ...]:
    """Propose points for levels between the seeds and next to them.

    Parameters
    ----------
    image:
        CT in HU.
    seeds:
        The user's points; one is enough.
    above, below:
        How many levels to look for beyond the seeds on either side. Fewer come back where none is found or the scan
        ends.
    progress:
        Called with a level's name and the fraction done.

    Returns
    -------
    Proposals from the head down. They are for the user to confirm.

    Raises
    ------
    UsageError, QualityGateError
        As ``seed_checks.check_seeds``.
    """
    check_seeds(image, seeds)
    row = ordered(seeds)
    scale = patient_scale(row)
    size = 1.0 if scale is None else scale
    frames, _ = seed_axes(row)
    between = [(u, lower, name) for u, lower in pairwise(row) for name in _missing(u.level, lower.level)]
    total = max(len(between) + above + below, 1)
    done = 0
    found: list[Proposal] = []
    for upper, lower, name in between:
        done += 1
        _report(progress, name, done / total)
        inner = _between(image, upper, lower, name, size)
        if inner is not None:
            found.append(inner)
    for sign, count, start in ((1.0, above, 0), (-1.0, below, len(row) - 1)):
        here = grow_body(image, row[start], frames[start], size)
        if doubt(here.signs) is not None:
            continue
        for step in range(count):
            nearest = next_above(here.seed.level) if sign > 0.0 else next_below(here.seed.level)
            done += 1
            if nearest is None:
                break
            _report(progress, nearest, done / total)
            following, confidence = _step(image, here, nearest, sign, size, row)
            if following is None:
                break
            how = f"along the axis of {here.seed.level}, {_apart(here, following):.0f} mm away"
            found.append(_proposal(following, confidence * STEP_TRUST**step, how))
            here = following
    return tuple(sorted(found, key=lambda item: order(item.level)))


def _report(progress: Callable[[str, float], None] | None, name: str, share: float) -> None:
    if progress is not None:
        progress(name, min(share, 1.0))


def _missing(upper: str, lower: str) -> list[str]:
    """Levels between two, from the head down."""
    names = []
    here = next_below(upper)
    while here is not None and here != lower:
        names.append(here)
        here = next_below(here)
    return names if here == lower else []


def _between(image: Volume, upper: Seed, lower: Seed, name: str, scale: float) -> Proposal | None:
    """A level between two seeds, at its share of their distance."""
    part, whole = expected_spacing_mm(upper.level, name), expected_spacing_mm(upper.level, lower.level)
    if part is None or whole is None:
        return None
    line = lower.ras_mm - upper.ras_mm
    axes = Axes.from_directions(upper.ras_mm + part / whole * line, -line, [0.0, 1.0, 0.0])
    best, confidence = _best(image, name, [(axes, 1.0)], scale)
    if best is None:
        return None
    return _proposal(best, confidence, f"between the points of {upper.level} and {lower.level}")


def _step(
    image: Volume, here: Grown, name: str, sign: float, scale: float, row: Sequence[Seed]
) -> tuple[Grown | None, float]:
    """The next body up (sign 1) or down from one that was found."""
    surface = here.found.surface
    axes = surface.axes
    size = level_size(here.seed.level)
    spacing = level_size(name).spacing_below_mm if sign > 0.0 else size.spacing_below_mm
    # From this body's own endplate: a collapsed body is nearer to its neighbour than the table has it.
    plate = surface.drum.upper if sign > 0.0 else surface.drum.lower
    own = float(np.median(sign * plate))
    rest = scale * spacing - 0.5 * scale * size.height_mm
    direction = sign * axes.superior
    if len(row) > 1:
        chord = unit(row[0].ras_mm - row[-1].ras_mm)
        direction = sign * unit(axes.superior + 0.5 * chord)
    tries = []
    for factor in TRIED:
        centre = axes.origin_ras_mm + direction * (own + factor * rest)
        tries.append((axes.moved_to(centre), factor))
    return _best(image, name, tries, scale)


def _best(
    image: Volume, name: str, tries: Sequence[tuple[Axes, float]], scale: float
) -> tuple[Grown | None, float]:
    """The best of some places, and how far it can be believed."""
    best: Grown | None = None
    most = float(value("labelling.proposal_least"))
    for axes, factor in tries:
        voxel = image.to_voxel(axes.origin_ras_mm)
        if (voxel < 0.0).any() or (voxel > np.array(image.shape) - 1.0).any():
            continue
        first = grow_body(image, Seed(name, axes.origin_ras_mm), axes, scale)
        # Grown again from its own centre: a point at the edge of a body gives a lopsided surface.
        centre = first.found.surface.axes
        grown = grow_body(image, Seed(name, centre.origin_ras_mm), centre, scale)
        if doubt(grown.signs) is not None:
            continue
        quality = min(part for _, part in quality_parts(grown.signs))
        confidence = quality * (1.0 - abs(factor - 1.0))
        if confidence > most:
            best, most = grown, confidence
        if most >= GOOD:
            break
    return best, most


def _apart(first: Grown, second: Grown) -> float:
    return float(
        np.linalg.norm(first.found.surface.axes.origin_ras_mm - second.found.surface.axes.origin_ras_mm)
    )


def _proposal(grown: Grown, confidence: float, how: str) -> Proposal:
    level = grown.seed.level
    told = finding("point-proposed", level=level, proposed=level, how=how, confidence=confidence)
    return Proposal(level, grown.found.surface.axes.origin_ras_mm, confidence, how, (told,))
