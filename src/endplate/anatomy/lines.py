"""Straight runs in a piece of metal: screws, rods and wires, also where they are joined."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray, unit
from endplate.imaging.volume import Volume
from endplate.sources import value

TRIALS = 3000
"""Pairs of points tried for each line; fixed by a seed."""
RUNS_MAX = 24
"""No piece of metal is searched for more lines than this."""
GAP_MM = 4.0
"""A run ends where its points leave a gap wider than this."""
RIDGE_SHARE = 0.72
"""Voxels at least this deep against the deepest nearby are the middle of the metal."""
RIDGE_REACH_MM = 4.5
"""How far around the deepest is looked for: more than the radius of a screw."""


@dataclass(frozen=True, eq=False)
class Run:
    """A straight run between two points, RAS mm."""

    start_ras_mm: FloatArray
    end_ras_mm: FloatArray

    @property
    def length_mm(self) -> float:
        """Its length."""
        return float(np.linalg.norm(self.end_ras_mm - self.start_ras_mm))

    @property
    def axis_ras(self) -> FloatArray:
        """Unit vector from start to end."""
        return unit(self.end_ras_mm - self.start_ras_mm)

    def along_and_away(self, points_ras_mm: FloatArray) -> tuple[FloatArray, FloatArray]:
        """How far along the run's line points lie, from its start, and how far from the line; shape (n,) each."""
        offset = points_ras_mm - self.start_ras_mm
        along: FloatArray = offset @ self.axis_ras
        away: FloatArray = np.linalg.norm(offset - along[:, None] * self.axis_ras, axis=1)
        return along, away


def straight_runs(piece: NDArray[np.bool_], crop: Volume) -> list[Run]:
    """All straight runs of a piece of metal, the longest first.

    Parameters
    ----------
    piece:
        The metal as it looks, on the grid of ``crop``.
    """
    spacing = crop.spacing_mm
    depth = ndimage.distance_transform_edt(np.pad(piece, 1), sampling=spacing)[1:-1, 1:-1, 1:-1]
    reach = 2 * np.ceil(RIDGE_REACH_MM / spacing).astype(int) + 1
    deepest = ndimage.maximum_filter(depth, size=tuple(int(n) for n in reach))
    ridge = piece & (depth >= RIDGE_SHARE * deepest)
    points = crop.to_world(np.argwhere(ridge))
    least = float(value("implants.line_length_min_mm"))
    tolerance = 0.7 + 0.5 * float(spacing.max())
    rng = np.random.default_rng(7)
    runs: list[Run] = []
    while len(points) >= 6 and len(runs) < RUNS_MAX:
        run = _best_run(points, tolerance, rng)
        if run is None or run.length_mm < least:
            break
        runs.append(run)
        along, away = run.along_and_away(points)
        taken = (away <= tolerance + 1.5) & (along > -2.0) & (along < run.length_mm + 2.0)
        points = points[~taken]
    return runs


def _best_run(points: FloatArray, tolerance: float, rng: np.random.Generator) -> Run | None:
    """The line through two of the points that most of the others lie on without a gap."""
    first = rng.integers(len(points), size=TRIALS)
    second = rng.integers(len(points), size=TRIALS)
    far = np.linalg.norm(points[first] - points[second], axis=1) >= 8.0
    first, second = first[far], second[far]
    if len(first) == 0:
        return None
    some = points[:: max(len(points) // 600, 1)]
    axes = points[second] - points[first]
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    offset = some[None] - points[first][:, None]
    along = np.einsum("tnk,tk->tn", offset, axes)
    away2 = np.einsum("tnk,tnk->tn", offset, offset) - along**2
    score = (away2 <= tolerance**2).sum(axis=1)
    best: Run | None = None
    most = 0
    for trial in np.argsort(-score, kind="stable")[:25]:
        run, count = _settled(points, Run(points[first[trial]], points[second[trial]]), tolerance)
        if count > most:
            best, most = run, count
    return best


def _settled(points: FloatArray, run: Run, tolerance: float) -> tuple[Run, int]:
    """A run fitted to its points, cut to its longest part without a gap, and how many points it holds."""
    held = points
    for _ in range(3):
        along, away = run.along_and_away(points)
        on = away <= tolerance
        if on.sum() < 4:
            return run, 0
        order = np.argsort(along[on], kind="stable")
        held = points[on][order]
        breaks = np.flatnonzero(np.diff(along[on][order]) > GAP_MM)
        parts = np.split(held, breaks + 1)
        held = max(parts, key=len)
        if len(held) < 4:
            return run, 0
        centre = held.mean(axis=0)
        axis = np.linalg.svd(held - centre, full_matrices=False)[2][0]
        reach = (held - centre) @ axis
        run = Run(centre + reach.min() * axis, centre + reach.max() * axis)
        if run.length_mm < 1.0:
            return run, 0
    return run, len(held)
