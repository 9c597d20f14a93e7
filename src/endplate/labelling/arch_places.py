"""Where the arch of each level is to be looked for: the bodies' sizes and frames, and levels nobody clicked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray
from endplate.imaging.geometry import apply_affine
from endplate.imaging.levels import CRANIOCAUDAL, VERSE_IDS, order
from endplate.labelling.model import LabelledBody
from endplate.sources import value

MIDDLE_MM = 6.0
"""Half width of the band about the mid-plane in which the posterior wall is read."""


@dataclass(frozen=True, eq=False)
class Place:
    """One level: its frame, the size of its body and how far its arch may reach.

    Parameters
    ----------
    level:
        Its name, also of a level that nobody clicked.
    axes:
        Frame of the body, origin at its centre.
    half_width_mm, half_depth_mm, half_height_mm:
        Of the body.
    wall_y_mm:
        Anterior coordinate of the posterior wall in the mid-plane.
    reach_mm:
        How far to the side the transverse processes reach at most.
    pitch_mm:
        Distance to the next level's centre.
    known:
        The body is labelled. Another level is there only to keep its own arch: nothing of it is labelled.
    seen:
        A body was found there; else the place is guessed.
    """

    level: str
    axes: Axes
    half_width_mm: float
    half_depth_mm: float
    half_height_mm: float
    wall_y_mm: float
    reach_mm: float
    pitch_mm: float
    known: bool
    seen: bool

    @property
    def number(self) -> int:
        """VerSe id."""
        return VERSE_IDS[self.level]

    @property
    def centre_ras_mm(self) -> FloatArray:
        """Centre of the body, RAS mm."""
        return self.axes.origin_ras_mm


def places(bodies: Sequence[LabelledBody], guards: Sequence[LabelledBody] = ()) -> tuple[Place, ...]:
    """Places of the bodies from the head down, with those of the levels between them and next to them.

    Parameters
    ----------
    bodies:
        The bodies that are labelled.
    guards:
        Bodies beyond them that are known but not labelled; where there is none the next level's place is guessed.

    Raises
    ------
    ValueError
        No body.
    """
    if not bodies:
        raise ValueError("there is no body whose arch could be looked for")
    kept = {body.level for body in bodies}
    whole = sorted((*bodies, *guards), key=lambda body: order(body.level))
    own = _upright([replace(_place(body), known=body.level in kept) for body in whole])
    between: list[Place] = []
    for upper, lower in pairwise(own):
        between.append(upper)
        between += _missing(upper, lower)
    between.append(own[-1])
    first = _beyond(own[0], own[1] if len(own) > 1 else None, up=True) if own[0].known else None
    last = _beyond(own[-1], own[-2] if len(own) > 1 else None, up=False) if own[-1].known else None
    return _with_pitch([place for place in (first, *between, last) if place is not None])


def _with_pitch(row: Sequence[Place]) -> tuple[Place, ...]:
    """The same places with the distance to the next one, at the foot to the one above."""
    if len(row) < 2:
        return tuple(row)
    gaps = [
        float(np.linalg.norm(lower.centre_ras_mm - upper.centre_ras_mm)) for upper, lower in pairwise(row)
    ]
    return tuple(replace(place, pitch_mm=gap) for place, gap in zip(row, [*gaps, gaps[-1]], strict=True))


def _place(body: LabelledBody) -> Place:
    points = body.axes.to_local(apply_affine(body.affine, np.argwhere(body.mask)))
    low, high = np.percentile(points, [1.5, 98.5], axis=0)
    centre = 0.5 * (low + high)
    axes = body.axes.moved_to(body.axes.to_world(centre))
    points = points - centre
    half = 0.5 * (high - low)
    middle = (np.abs(points[:, 0]) < MIDDLE_MM) & (np.abs(points[:, 2]) < 0.3 * half[2])
    wall = float(np.percentile(points[middle, 1], 1.5)) if middle.any() else -float(half[1])
    return Place(
        body.level,
        axes,
        float(half[0]),
        float(half[1]),
        float(half[2]),
        wall,
        float(value("labelling.transverse_reach_mm")[body.level]),
        2.0 * float(half[2]) * float(value("labelling.pitch_of_height")),
        known=True,
        seen=True,
    )


def _upright(own: list[Place]) -> list[Place]:
    """Turn frames whose superior direction strays from the line of the centres back toward it.

    The body's own frame follows broken endplates; an arch does not.
    """
    if len(own) < 2:
        return own
    centres = np.array([place.centre_ras_mm for place in own])
    turned = []
    for row, place in enumerate(own):
        above, below = max(row - 1, 0), min(row + 1, len(own) - 1)
        chord = centres[above] - centres[below]
        turned.append(
            replace(place, axes=Axes.from_directions(place.centre_ras_mm, chord, place.axes.anterior))
        )
    return turned


def _missing(upper: Place, lower: Place) -> list[Place]:
    """Levels between two that were clicked, evenly spaced. T13 and L6 are not asked for."""
    names = [
        name
        for name in CRANIOCAUDAL[order(upper.level) + 1 : order(lower.level)]
        if name not in ("T13", "L6")
    ]
    found = []
    for row, name in enumerate(names):
        part = (row + 1) / (len(names) + 1)
        centre = (1.0 - part) * upper.centre_ras_mm + part * lower.centre_ras_mm
        found.append(_shifted(upper, name, centre))
    return found


def _beyond(end: Place, inner: Place | None, *, up: bool) -> Place | None:
    """The level above the first or below the last, one step further along the line of centres."""
    names = [name for name in CRANIOCAUDAL if name not in ("T13", "L6") or name == end.level]
    row = names.index(end.level) + (-1 if up else 1)
    if not 0 <= row < len(names):
        return None
    if inner is None or abs(order(inner.level) - order(end.level)) > 1:
        step = (end.pitch_mm if up else -end.pitch_mm) * end.axes.superior
    else:
        step = end.centre_ras_mm - inner.centre_ras_mm
    return _shifted(end, names[row], end.centre_ras_mm + step)


def _shifted(place: Place, level: str, centre_ras_mm: FloatArray) -> Place:
    reach = value("labelling.transverse_reach_mm")
    return replace(
        place,
        level=level,
        axes=place.axes.moved_to(centre_ras_mm),
        reach_mm=float(reach.get(level, place.reach_mm)),
        known=False,
        seen=False,
    )
