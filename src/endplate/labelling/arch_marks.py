"""Where each level's own bone is certain: beside the canal at its pedicles, behind it at its laminae; and ribs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes
from endplate.anatomy.canal import DIRECTIONS
from endplate.labelling.arch_grid import WorkGrid
from endplate.labelling.arch_places import Place
from endplate.labelling.canal_tube import SLICE_STEP_MM, LevelCanal, local_box
from endplate.sources import value

ELSEWHERE = 250
"""Marker of bone that is no vertebral arch: ribs, spurs beside a body."""

_RIGHT = (DIRECTIONS[:, 0] > 0.7) & (DIRECTIONS[:, 1] > -0.2)
_LEFT = (DIRECTIONS[:, 0] < -0.7) & (DIRECTIONS[:, 1] > -0.2)
_BACK = DIRECTIONS[:, 1] < -0.6
_MIDBACK = DIRECTIONS[:, 1] < -0.9
SIDES = {"left": _LEFT, "right": _RIGHT}
"""Rays that feel for each pedicle."""


@dataclass(frozen=True, eq=False)
class Marks:
    """Markers of the arches and where bone may be taken at all.

    Parameters
    ----------
    marks:
        uint8, shape of the grid: index of the level + 1, or ``ELSEWHERE``.
    allowed:
        Behind the bodies, near the spine.
    pedicles_mm:
        Per level and side: lowest and highest slice of the pedicle in the level's frame, ``None`` where not seen.
    """

    marks: NDArray[np.uint8]
    allowed: NDArray[np.bool_]
    pedicles_mm: tuple[dict[str, tuple[float, float]], ...]


@dataclass(frozen=True)
class Laminae:
    """Heights in a level's frame: own lamina from ``bottom_mm`` to ``top_mm``, the neighbours' beyond the others."""

    bottom_mm: float
    top_mm: float
    next_above_mm: float
    next_below_mm: float


def find_marks(
    grid: WorkGrid,
    bone: NDArray[np.bool_],
    bodies: NDArray[np.bool_],
    found: Sequence[Place],
    canals: Sequence[LevelCanal | None],
) -> Marks:
    """Mark the certain bone of every level whose canal ring was seen."""
    marks = np.zeros(grid.shape, dtype=np.uint8)
    allowed = np.zeros(grid.shape, dtype=bool)
    pairs = list(zip(found, canals, strict=True))
    for place, canal in sorted(pairs, key=lambda pair: pair[0].known):
        axes = place.axes if canal is None else canal.axes
        _mark_elsewhere(grid, bone, bodies, place, axes, marks, allowed)
    pedicles = [{} if canal is None else _pedicle_spans(canal) for place, canal in pairs]
    for row, (place, canal) in enumerate(pairs):
        if canal is not None and pedicles[row]:
            # A neighbour whose own ring is not in the volume is marked from here.
            beyond = (
                0 if row == 0 or pedicles[row - 1] else row,
                0 if row + 1 == len(found) or pedicles[row + 1] else row + 2,
            )
            _mark_level(grid, bone & ~bodies, place, canal, pedicles[row], (row + 1, *beyond), marks)
    return Marks(marks, allowed, tuple(pedicles))


def _mark_elsewhere(
    grid: WorkGrid,
    bone: NDArray[np.bool_],
    bodies: NDArray[np.bool_],
    place: Place,
    axes: Axes,
    marks: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
) -> None:
    """Open the room behind one body, and mark what lies beside the body and far to the side."""
    half = float(value("labelling.slab_of_pitch")) * place.pitch_mm
    back = float(value("labelling.arch_reach_back_mm"))
    before = value("labelling.arch_before_wall_mm")
    front = place.wall_y_mm + float(before.get(place.level, before["T"]))
    beside = float(value("labelling.rib_beside_body_mm"))
    box, local = local_box(
        grid,
        axes,
        (-place.reach_mm - 10.0, place.wall_y_mm - back, -half),
        (place.reach_mm + 10.0, place.wall_y_mm + 12.0, half),
    )
    if local.size == 0:
        return
    aside, y, z = np.abs(local[..., 0]), local[..., 1], local[..., 2]
    slab = np.abs(z) <= half
    allowed[box] |= slab & (y > place.wall_y_mm - back) & (y <= front) & (aside <= place.reach_mm)
    far = aside > place.reach_mm
    rib_head = (aside > place.half_width_mm + beside) & (
        y > place.wall_y_mm - float(value("labelling.rib_before_wall_mm"))
    )
    lateral = rib_head if place.level.startswith("T") else aside > place.reach_mm
    own = np.abs(z) <= 0.5 * place.pitch_mm
    rib = own & (far | lateral) & (y > place.wall_y_mm - back) & (y < place.wall_y_mm + 12.0)
    rib &= aside < place.reach_mm + 10.0
    allowed[box] |= rib
    rib &= bone[box] & ~bodies[box]
    # What a neighbour's frame, perhaps only guessed, says of this level's own slab does not count.
    marks[box] = np.where(rib, np.uint8(ELSEWHERE), np.where(own, np.uint8(0), marks[box]))


def _pedicle_spans(canal: LevelCanal) -> dict[str, tuple[float, float]]:
    """Heights over which bone closes the canal to each side."""
    if not canal.measured:
        return {}
    near = float(value("labelling.pedicle_near_ring_mm"))
    spans: dict[str, tuple[float, float]] = {}
    for side, rays in SIDES.items():
        met = np.isfinite(canal.tube.radii_mm[:, rays]) & (
            canal.tube.radii_mm[:, rays] <= canal.tube.typical_mm[rays] + near
        )
        closed = met.mean(axis=1) >= float(value("labelling.pedicle_closed_share"))
        run = _longest_run(closed)
        if run is None:
            continue
        low, high = float(canal.z_mm[run[0]]), float(canal.z_mm[run[1]])
        if high - low >= float(value("labelling.pedicle_least_height_mm")):
            spans[side] = (low, high)
    return spans


def _laminae(canal: LevelCanal, middle_mm: float, pitch_mm: float) -> Laminae:
    """Between which heights the first bone behind the canal is the level's own lamina, and from where a neighbour's.

    The own lamina ends where a gap opens behind the canal, at the latest at a share of the way to the next level: in
    the chest the next lamina follows without a gap.
    """
    share = float(value("labelling.lamina_share_of_pitch"))
    near = canal.tube.typical_mm[_MIDBACK] + float(value("labelling.pedicle_near_ring_mm"))
    radii = canal.tube.radii_mm[:, _MIDBACK]
    met = (np.isfinite(radii) & (radii <= near)).mean(axis=1) >= 0.5
    z = canal.z_mm
    own = met & (z > middle_mm - share * pitch_mm) & (z < middle_mm + (1.0 - share) * pitch_mm)
    if not own.any():
        return Laminae(middle_mm, middle_mm, np.inf, -np.inf)
    runs = np.split(np.flatnonzero(own), np.flatnonzero(np.diff(np.flatnonzero(own)) > 1) + 1)
    run = max(runs, key=len)
    # Above the pedicles' middle the first bone may be the lower rim of the lamina above: it is not marked.
    bottom, top = float(z[run[0]]), float(z[run[-1]])
    gap = 2.0 * SLICE_STEP_MM
    # Where no gap is seen, a neighbour's lamina begins well beyond the middle between the two.
    far = float(value("labelling.next_lamina_of_pitch"))
    open_above = run[-1] + 1 < len(met) and not met[run[-1] + 1]
    open_below = run[0] > 0 and not met[run[0] - 1]
    return Laminae(
        bottom,
        min(top, middle_mm),
        max(top + gap, middle_mm) if open_above else middle_mm + (far - 0.3) * pitch_mm,
        bottom - gap if open_below else middle_mm - far * pitch_mm,
    )


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int] | None:
    """First and last index of the longest stretch of true values."""
    best: tuple[int, int] | None = None
    start = -1
    for row, flag in enumerate([*flags.tolist(), False]):
        if flag and start < 0:
            start = row
        if not flag and start >= 0:
            if best is None or row - 1 - start > best[1] - best[0]:
                best = (start, row - 1)
            start = -1
    return best


def _mark_level(
    grid: WorkGrid,
    bone: NDArray[np.bool_],
    place: Place,
    canal: LevelCanal,
    spans: dict[str, tuple[float, float]],
    numbers: tuple[int, int, int],
    marks: NDArray[np.uint8],
) -> None:
    """Mark the rim of the canal beside it over each pedicle's height, and behind it from there down.

    ``numbers`` are the markers of the level itself, and of the ones above and below where those must be marked too.
    """
    thick = float(value("labelling.mark_thickness_mm"))
    low, high = float(canal.z_mm[0]), float(canal.z_mm[-1])
    box, local = local_box(
        grid, canal.axes, (-26.0, place.wall_y_mm - 36.0, low), (26.0, place.wall_y_mm + 3.0, high)
    )
    if local.size == 0:
        return
    _, turn, distance = canal.polar(local)
    z = local[..., 2]
    slab = np.clip(np.rint((z - low) / SLICE_STEP_MM).astype(int), 0, len(canal.z_mm) - 1)
    rim = canal.tube.radii_mm[slab, turn]
    near = canal.tube.typical_mm[turn] + float(value("labelling.pedicle_near_ring_mm"))
    at_rim = np.isfinite(rim) & (rim <= near) & (distance >= rim - 0.5) & (distance <= rim + thick)
    certain = np.zeros(z.shape, dtype=bool)
    for side, (bottom, top) in spans.items():
        certain |= SIDES[side][turn] & (z >= bottom) & (z <= top)
    middle = float(np.mean([0.5 * (a + b) for a, b in spans.values()]))
    lamina = _laminae(canal, middle, place.pitch_mm)
    certain |= _BACK[turn] & (z <= lamina.top_mm) & (z >= lamina.bottom_mm)
    at_rim &= bone[box]
    own, above, below = numbers
    for number, where in (
        (above, _MIDBACK[turn] & (z >= lamina.next_above_mm)),
        (below, _MIDBACK[turn] & (z <= lamina.next_below_mm)),
        (own, certain),
    ):
        if number:
            marks[box] = np.where(where & at_rim, np.uint8(number), marks[box])
