"""Where each level's own bone is certain: beside the canal at its pedicles, behind it at its laminae; and what is rib."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.canal import DIRECTIONS, RAYS
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
    pedicles: list[dict[str, tuple[float, float]]] = []
    for row, (place, canal) in enumerate(zip(found, canals, strict=True)):
        axes = place.axes if canal is None else canal.axes
        _mark_elsewhere(grid, bone, bodies, place, axes, marks, allowed)
        pedicles.append({} if canal is None else _pedicle_spans(canal, place))
    for row, (place, canal) in enumerate(zip(found, canals, strict=True)):
        if canal is not None and pedicles[row]:
            _mark_level(grid, bone & ~bodies, place, canal, pedicles[row], row + 1, marks)
    return Marks(marks, allowed, tuple(pedicles))


def _mark_elsewhere(
    grid: WorkGrid,
    bone: NDArray[np.bool_],
    bodies: NDArray[np.bool_],
    place: Place,
    axes: object,
    marks: NDArray[np.uint8],
    allowed: NDArray[np.bool_],
) -> None:
    """Open the room behind one body, and mark what lies beside the body and far to the side."""
    from endplate.anatomy.axes import Axes

    assert isinstance(axes, Axes)
    half = float(value("labelling.slab_of_pitch")) * place.pitch_mm
    back = float(value("labelling.arch_reach_back_mm"))
    front = place.wall_y_mm + float(value("labelling.arch_before_wall_mm"))
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
    lateral = (aside > place.half_width_mm + beside) & (
        y > place.wall_y_mm - float(value("labelling.rib_before_wall_mm"))
    )
    rib = slab & (far | lateral) & (y > place.wall_y_mm - back) & (y < place.wall_y_mm + 12.0)
    rib &= aside < place.reach_mm + 10.0
    allowed[box] |= rib
    rib &= bone[box] & ~bodies[box]
    marks[box] = np.where(rib, np.uint8(ELSEWHERE), marks[box])


def _pedicle_spans(canal: LevelCanal, place: Place) -> dict[str, tuple[float, float]]:
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


def _lamina_end(canal: LevelCanal, middle_mm: float, pitch_mm: float) -> float:
    """How far down from the pedicles the first bone behind the canal is the level's own lamina.

    It ends where a gap opens behind the canal, at the latest at a share of the way to the next level: in the chest
    the next lamina follows without a gap.
    """
    lowest = middle_mm - float(value("labelling.lamina_share_of_pitch")) * pitch_mm
    near = canal.tube.typical_mm[_MIDBACK] + float(value("labelling.pedicle_near_ring_mm"))
    radii = canal.tube.radii_mm[:, _MIDBACK]
    met = (np.isfinite(radii) & (radii <= near)).mean(axis=1) >= 0.5
    row = int(np.argmin(np.abs(canal.z_mm - middle_mm)))
    while (
        row > 0 and canal.z_mm[row] > lowest and (met[row] or not met[: row + 1].any() or not met[row:].any())
    ):
        if not met[row] and met[row + 1 :].any() and canal.z_mm[row] < middle_mm - 2.0:
            break
        row -= 1
    return float(canal.z_mm[row])


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
    mark: int,
    marks: NDArray[np.uint8],
) -> None:
    """Mark the rim of the canal beside it over each pedicle's height, and behind it from there down."""
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
    lowest = _lamina_end(canal, middle, place.pitch_mm)
    certain |= _BACK[turn] & (z <= middle) & (z >= lowest)
    certain &= at_rim & bone[box]
    marks[box] = np.where(certain, np.uint8(mark), marks[box])


__all__ = ["ELSEWHERE", "RAYS", "SIDES", "Marks", "find_marks"]
