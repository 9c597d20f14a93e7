"""Points for the neighbours of a few seeds, for the user to confirm: never used by themselves.

From a body that was found, the next one is looked for along its own axis at the usual distance for the level and the
patient, a little nearer and a little further, and judged by the surface that grows there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.imaging.levels import order
from endplate.imaging.volume import Volume
from endplate.labelling.bodies import quality_parts
from endplate.labelling.growth import Grown, grow_body
from endplate.labelling.model import Seed
from endplate.labelling.seed_checks import CUT, check_seeds, doubt
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


NOTHING = "no body was seen there clearly enough"
"""Said where nothing that grows looks like a body."""

OUTSIDE = "the scan ends there"
"""Said where the next body would lie outside."""


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
        One sentence: from what it was found, and why the row ends there if it does.
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
    note: Callable[[str], None] | None = None,
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
    note:
        Called with a sentence where names are doubted, and one for every place where proposing ended, and why.

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
    found: list[_Next] = []
    grown: list[Grown] = []
    ends: list[str] = []
    for upper, lower, name in between:
        done += 1
        _report(progress, name, done / total)
        inner = _between(image, upper, lower, name, size)
        if isinstance(inner, str):
            ends.append(f"No point is proposed for {name}, between {upper.level} and {lower.level}: {inner}.")
        else:
            found.append(inner)
    for sign, count, start in ((1.0, above, 0), (-1.0, below, len(row) - 1)):
        if count < 1:
            continue
        first = grow_body(image, row[start], frames[start], size)
        if doubt(first.signs) is None:
            grown.append(first)

        def tell(name: str) -> None:
            nonlocal done
            done += 1
            _report(progress, name, done / total)

        side, why = _side(image, first, row, sign, count, size, tell)
        last = side[-1].grown.seed.level if side else first.seed.level
        ends.append(f"Nothing more is proposed {'above' if sign > 0.0 else 'below'} {last}: {why}.")
        found += [*side[:-1], *(replace(outer, end=ends[-1]) for outer in side[-1:])]
    share = _share_of_width([*grown, *(item.grown for item in found)], size)
    doubtful = [] if not found or _fits(share) else [_name_doubt(found[0].grown.seed.level, share).text]
    if note is not None:
        for sentence in (*doubtful, *ends):
            note(sentence)
    return tuple(sorted((_proposal(item, share) for item in found), key=lambda item: order(item.level)))


@dataclass(frozen=True, eq=False)
class _Next:
    """A body found, how far it can be believed, from what it was found, and why it is the last if it is."""

    grown: Grown
    confidence: float
    how: str
    end: str | None = None


def _side(
    image: Volume,
    first: Grown,
    row: Sequence[Seed],
    sign: float,
    count: int,
    scale: float,
    tell: Callable[[str], None],
) -> tuple[list[_Next], str]:
    """Bodies one after the other up (sign 1) or down, and why there are no more."""
    side: list[_Next] = []
    here = first
    doubted = doubt(first.signs)
    if doubted is not None:
        return side, f"at its own point, {doubted}"
    while len(side) < count:
        nearest = next_above(here.seed.level) if sign > 0.0 else next_below(here.seed.level)
        if nearest is None:
            return side, "it is the last level that can be found from a point"
        tell(nearest)
        following, confidence, why = _step(image, here, nearest, sign, scale, row)
        if following is None:
            return side, why
        how = f"along the axis of {here.seed.level}, {_apart(here, following):.0f} mm away"
        side.append(_Next(following, confidence * STEP_TRUST ** len(side), how))
        here = following
    return side, f"no more than {count} on a side at a time; confirm these, then propose again"


def _share_of_width(grown: Sequence[Grown], scale: float) -> float:
    """Width of the bodies against that usual for their names, at the size of the tables.

    A size taken from the points' distances would hide what wrong names do.
    """
    return scale * float(np.median([body.signs.width_ratio for body in grown])) if grown else 1.0


def _fits(share: float) -> bool:
    """Widths are as their names have it."""
    low, high = value("labelling.name_width")
    return bool(low <= share <= high)


def _name_doubt(level: str, share: float) -> Finding:
    """That bodies are too narrow or too wide for their names, and of which level such a body would be."""
    like = _as_wide(share * level_size(level).width_mm)
    return finding("proposal-name-doubtful", level=level, named=level, share=share, like=like)


def _as_wide(width_mm: float) -> str:
    """The level that is usually as wide."""
    names: tuple[str, ...] = tuple(value("labelling.body_width_mm"))
    return min(names, key=lambda name: abs(level_size(name).width_mm - width_mm))


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


def _between(image: Volume, upper: Seed, lower: Seed, name: str, scale: float) -> _Next | str:
    """A level between two seeds, at its share of their distance; in words why there is none."""
    part, whole = expected_spacing_mm(upper.level, name), expected_spacing_mm(upper.level, lower.level)
    if part is None or whole is None:
        return "its usual place is not known"
    line = lower.ras_mm - upper.ras_mm
    axes = Axes.from_directions(upper.ras_mm + part / whole * line, -line, [0.0, 1.0, 0.0])
    best, confidence, why = _best(image, name, [(axes, 1.0)], scale)
    if best is None:
        return why
    return _Next(best, confidence, f"between the points of {upper.level} and {lower.level}")


def _step(
    image: Volume, here: Grown, name: str, sign: float, scale: float, row: Sequence[Seed]
) -> tuple[Grown | None, float, str]:
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
) -> tuple[Grown | None, float, str]:
    """The best of some places, how far it can be believed, and in words why there is none."""
    best: Grown | None = None
    reasons: list[str] = []
    most = float(value("labelling.proposal_least"))
    for axes, factor in tries:
        voxel = image.to_voxel(axes.origin_ras_mm)
        if (voxel < 0.0).any() or (voxel > np.array(image.shape) - 1.0).any():
            reasons.append(OUTSIDE)
            continue
        first = grow_body(image, Seed(name, axes.origin_ras_mm), axes, scale)
        # Grown again from its own centre: a point at the edge of a body gives a lopsided surface.
        centre = first.found.surface.axes
        grown = grow_body(image, Seed(name, centre.origin_ras_mm), centre, scale)
        why = doubt(grown.signs)
        if why is not None:
            reasons.append(CUT if why == CUT else f"{NOTHING} ({why})")
            continue
        quality = min(part for _, part in quality_parts(grown.signs))
        confidence = quality * (1.0 - abs(factor - 1.0))
        if confidence > most:
            best, most = grown, confidence
        else:
            reasons.append(NOTHING)
        if most >= GOOD:
            break
    if best is not None:
        return best, most, ""
    # The usual distance comes first, but a scan that ends explains what was seen at its edge.
    edge = next((why for why in (CUT, OUTSIDE) if why in reasons), None)
    return None, most, edge or reasons[0]


def _apart(first: Grown, second: Grown) -> float:
    return float(
        np.linalg.norm(first.found.surface.axes.origin_ras_mm - second.found.surface.axes.origin_ras_mm)
    )


def _proposal(item: _Next, share: float) -> Proposal:
    """A proposal, believed less where the bodies are ``share`` times as wide as is usual for their names."""
    level = item.grown.seed.level
    fits = _fits(share)
    confidence = item.confidence * (1.0 if fits else float(value("labelling.name_doubt")))
    told = [finding("point-proposed", level=level, proposed=level, how=item.how, confidence=confidence)]
    if not fits:
        told.append(_name_doubt(level, share))
    how = item.how
    if item.end is not None:
        told.append(finding("proposals-ended", level=level, why=item.end))
        how = f"{how}. {item.end.rstrip('.')}"
    return Proposal(level, item.grown.found.surface.axes.origin_ras_mm, confidence, how, tuple(told))
