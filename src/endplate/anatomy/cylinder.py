"""Screws, rods and wires as cylinders: axis, radius and ends from a profile that the scan has clipped.

The profile across a round bar of height A (its CT number above the surroundings) and radius R, seen through a
Gaussian blur σ, is A·P(ρ): the chance that a point at ρ, moved by the blur, falls within R; a voxel averages it over
its extent. Where the scan is clipped the profile is only known to be at least that high. For each metal that it may
be, all bars of a piece are fitted together: one blur, and each its radius, to the medians of rings round the axes,
which streaks hardly move. The metal that fits best is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, stats
from scipy.optimize import least_squares

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.lines import Run
from endplate.imaging.volume import Volume
from endplate.sources import value

RING_MM = 0.1
"""Width of the rings of the profile."""
PROFILE_REACH_MM = 8.0
"""How far from the axis the profile is looked at."""
CLEAR_OF_ENDS_MM = 3.0
CLEAR_OF_OTHERS_MM = 7.0
"""Rings leave out what lies nearer than this to another run: that run's own metal."""
FLANK_HU = 250.0
"""Less above the surroundings than this is noise and streak."""
USUAL_SIGMA_MM = 0.42
"""Blur of an ordinary scan (full width 1 mm) before the voxels."""
BLUR_SPREAD = 0.1
"""How much it differs between scanners and kernels (of its logarithm); holds the fitted blur to it."""
STREAK_HU, STREAK_SHARE = 120.0, 0.06
"""What streaks and the model's own faults may add to a ring: a CT number, and a share of what it has."""
OTHER_METAL_COST = 1.5
"""How much better (as half a sum of squares) another metal than titanium, the usual one, must fit."""
REACH_BEYOND_MM = 25.0
"""How far beyond a run its ends are looked for."""
END_STEP_MM = 0.2


@dataclass(frozen=True)
class Profile:
    """How metal goes over into its surroundings: CT number of the metal above them, theirs, and the blur."""

    height_hu: float
    background_hu: float
    sigma_mm: float

    @staticmethod
    def usual(crop: Volume, top: float | None) -> Profile:
        """The profile of titanium in an ordinary scan; in an unclipped one the height is what is seen."""
        background = float(value("implants.surroundings_hu")["bone"])
        height = float(value("implants.blooming_hu")["titanium"])
        if top is None:
            height = float(np.quantile(crop.data, 0.999))
        return Profile(height - background, background, USUAL_SIGMA_MM)

    def with_voxels(self, spacing_mm: FloatArray) -> Profile:
        """The same with the blur that voxels add."""
        sigma = float(np.sqrt(self.sigma_mm**2 + np.mean(spacing_mm**2) / 12.0))
        return Profile(self.height_hu, self.background_hu, sigma)

    def end_and_flank_mm(self, limit_hu: float, radius_mm: float) -> tuple[float, float]:
        """How far beyond a flat end, and beyond the flank of a bar, the CT number still reaches a limit."""
        share = float(np.clip((limit_hu - self.background_hu) / self.height_hu, 1e-3, 0.5))
        away = np.arange(0.0, 4.0, 0.02)
        flank = stats.ncx2.cdf((radius_mm / self.sigma_mm) ** 2, 2, ((radius_mm + away) / self.sigma_mm) ** 2)
        return float(self.sigma_mm * stats.norm.isf(share)), float(away[flank >= share].max(initial=0.0))


@dataclass(frozen=True, eq=False)
class Cylinder:
    """A bar between two points with a radius."""

    run: Run
    radius_mm: float
    bloom_mm: float
    """How much larger than this it looks."""
    profile: Profile

    def holds(self, crop: Volume, *, margin_mm: float = 0.0) -> NDArray[np.bool_]:
        """Voxels of a grid whose centre lies in the bar, or so near to it."""
        points = crop.to_world(np.indices(crop.shape).reshape(3, -1).T)
        along, away = self.run.along_and_away(points)
        inside = (away <= self.radius_mm + margin_mm) & (along >= 0.0) & (along <= self.run.length_mm)
        found: NDArray[np.bool_] = inside.reshape(crop.shape)
        return found


@dataclass(frozen=True, eq=False)
class Rings:
    """What is seen round the axis of one run.

    Parameters
    ----------
    run:
        The run, moved onto the middle of the metal.
    rho_mm, hu:
        Radius and median CT number of each ring, up to where the metal is lost in its surroundings.
    clipped:
        Rings known only to be at least that dense.
    background_hu:
        CT number further out.
    spread_mm:
        Offsets across the axis of the parts of a voxel, shape (n, 2), all ways round.
    """

    run: Run
    rho_mm: FloatArray
    hu: FloatArray
    clipped: NDArray[np.bool_]
    background_hu: float
    spread_mm: FloatArray


def seen_rings(crop: Volume, piece: NDArray[np.bool_], runs: Sequence[Run], top: float | None) -> list[Rings]:
    """What is seen round the straight runs of one piece of metal.

    Parameters
    ----------
    crop, piece:
        The scan and the metal as it looks in it.
    runs:
        The straight runs.
    top:
        CT number at which the scan is clipped, ``None`` if it is not.
    """
    index = np.argwhere(ndimage.binary_dilation(piece, iterations=4))
    points, hu = crop.to_world(index), crop.data[tuple(index.T)].astype(np.float64)
    return [r for run in runs if (r := _rings(points, hu, run, runs, crop, top)) is not None]


@dataclass(frozen=True, eq=False)
class Fit:
    """The metal of a scan: its CT number, the scan's blur, and the radius of each bar."""

    metal_hu: float
    sigma_mm: float
    radii_mm: FloatArray
    misfit: float


def fit_rings(rings: Sequence[Rings], top: float | None) -> Fit:
    """One metal and one blur for all bars of a scan: what fits best, titanium where others hardly fit better."""
    fits = [_fit(rings, metal_hu) for metal_hu in _metals_hu(rings, top)]
    return min(fits, key=lambda fit: fit.misfit + (0.0 if fit is fits[0] else OTHER_METAL_COST))


def cylinder_of(crop: Volume, ring: Rings, radius_mm: float, fit: Fit, top: float | None) -> Cylinder | None:
    """The bar with a fitted radius, or ``None`` where that is no bar's."""
    low, high = value("implants.screw_diameter_mm")
    if not 0.15 * low <= radius_mm <= 0.6 * high:
        return None
    profile = Profile(fit.metal_hu - ring.background_hu, ring.background_hu, fit.sigma_mm)
    return _ended(crop, ring.run, radius_mm, profile, top)


def _free_of(points: FloatArray, run: Run, others: Sequence[Run]) -> NDArray[np.bool_]:
    """Points that are not near another run."""
    free = np.ones(len(points), dtype=bool)
    for other in others:
        middle = 0.5 * (other.start_ras_mm + other.end_ras_mm)
        along, away = run.along_and_away(middle[None])
        same = away[0] < 2.0 and abs(float(other.axis_ras @ run.axis_ras)) > 0.97
        if same and -2.0 < along[0] < run.length_mm + 2.0:
            continue
        t, d = other.along_and_away(points)
        free &= (
            (d > CLEAR_OF_OTHERS_MM) | (t < -CLEAR_OF_OTHERS_MM) | (t > other.length_mm + CLEAR_OF_OTHERS_MM)
        )
    return free


def _recentred(points: FloatArray, hu: FloatArray, run: Run, others: Sequence[Run], top: float | None) -> Run:
    """The run moved onto the middle of the brightest voxels around it, slab by slab, outliers left out."""
    along, away = run.along_and_away(points)
    limit = float(value("implants.metal_seed_hu")) if top is None else 0.98 * top
    bright = (hu >= limit) & (away < 5.5) & (along >= 0.0) & (along <= run.length_mm)
    free = bright & _free_of(points, run, others)
    if free.sum() >= 30:
        bright = free
    slab = np.floor(along[bright] / 2.0).astype(int)
    if len(slab) < 10:
        return run
    numbers = np.unique(slab)
    centres = np.array([points[bright][slab == n].mean(axis=0) for n in numbers])
    if len(centres) < 4:
        return run
    keep = np.ones(len(centres), dtype=bool)
    line = run
    for _ in range(4):
        middle = centres[keep].mean(axis=0)
        axis = np.linalg.svd(centres[keep] - middle, full_matrices=False)[2][0]
        if axis @ run.axis_ras < 0.0:
            axis = -axis
        ends = [middle + ((p - middle) @ axis) * axis for p in (run.start_ras_mm, run.end_ras_mm)]
        line = Run(ends[0], ends[1])
        off = line.along_and_away(centres)[1]
        keep = off <= max(2.5 * float(np.median(off)), 0.25)
        if keep.sum() < 4:
            return line
    return line


def _rings(
    points: FloatArray, hu: FloatArray, run: Run, others: Sequence[Run], crop: Volume, top: float | None
) -> Rings | None:
    """The rings round one run, or ``None`` where too little of it stands free."""
    for _ in range(3):
        run = _recentred(points, hu, run, others, top)
    along, away = run.along_and_away(points)
    chosen = _free_of(points, run, others) & (away < PROFILE_REACH_MM)
    chosen &= (along > CLEAR_OF_ENDS_MM) & (along < run.length_mm - CLEAR_OF_ENDS_MM)
    ring = np.floor(away[chosen] / RING_MM).astype(int)
    used = np.flatnonzero(np.bincount(ring) >= 8) if len(ring) else np.empty(0, dtype=int)
    if len(used) < 8:
        return None
    rho = np.array([away[chosen][ring == n].mean() for n in used])
    level = np.array([np.median(hu[chosen][ring == n]) for n in used])
    far = rho > 0.75 * PROFILE_REACH_MM
    background = (
        float(np.median(level[far])) if far.any() else float(value("implants.surroundings_hu")["bone"])
    )
    clipped = np.zeros(len(rho), dtype=bool) if top is None else level >= 0.98 * top
    lost = np.flatnonzero((level - background < FLANK_HU) & ~clipped)
    end = int(lost[0]) if len(lost) else len(rho)
    if end < 4 or (top is not None and not clipped[:end].any()):
        return None
    return Rings(run, rho[:end], level[:end], clipped[:end], background, _spread(crop, run))


def _spread(crop: Volume, run: Run) -> FloatArray:
    """Offsets of a voxel's parts across the axis, turned all ways round (rings see the voxels from all sides)."""
    part = (np.arange(4) - 1.5) / 4.0
    parts = np.stack(np.meshgrid(part, part, part, indexing="ij"), axis=-1).reshape(-1, 3)
    offset = parts @ crop.affine[:3, :3].T
    axis = run.axis_ras
    side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.8 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    flat = np.stack([offset @ side, offset @ np.cross(axis, side)], axis=-1)
    turns = np.pi * np.arange(6) / 6.0
    turned = [flat @ np.array([[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]) for t in turns]
    spread: FloatArray = np.concatenate(turned)
    return spread


def _metals_hu(rings: Sequence[Rings], top: float | None) -> tuple[float, ...]:
    """CT numbers that the metal may have: those of metals where the scan is clipped, else the one seen."""
    if top is None:
        return (float(max(ring.hu.max() for ring in rings)),)
    known = value("implants.blooming_hu")
    return tuple(float(hu) for hu in known.values() if float(hu) > 1.05 * top) or (2.0 * top,)


def _fit(rings: Sequence[Rings], metal_hu: float) -> Fit:
    """Radii and blur for a metal of this CT number."""
    table = np.linspace(0.0, PROFILE_REACH_MM + 2.0, 160)
    reach = [
        np.linalg.norm(np.array([1.0, 0.0]) * r.rho_mm[:, None, None] + r.spread_mm[None], axis=-1)
        for r in rings
    ]

    def misfit(guess: FloatArray) -> FloatArray:
        sigma = float(np.exp(guess[-1]))
        rest = []
        for ring, far, radius in zip(rings, reach, np.exp(guess[:-1]), strict=True):
            bar = stats.ncx2.cdf((radius / sigma) ** 2, 2, (table / sigma) ** 2)
            share = np.interp(far, table, bar).mean(axis=1)
            model = (metal_hu - ring.background_hu) * share
            seen = ring.hu - ring.background_hu
            off = np.where(ring.clipped, np.minimum(model - seen, 0.0), model - seen)
            rest.append(off / np.hypot(STREAK_HU, STREAK_SHARE * seen))
        # The blur is held to that of an ordinary scan.
        return np.append(np.concatenate(rest), (guess[-1] - np.log(USUAL_SIGMA_MM)) / BLUR_SPREAD)

    looks = [
        float(r.rho_mm[r.clipped].max()) - 0.4
        if r.clipped.any()
        else float(r.rho_mm[np.argmin(np.abs(r.hu - 0.5 * (metal_hu + r.background_hu)))])
        for r in rings
    ]
    start = np.log([*np.clip(looks, 0.5, 6.0), USUAL_SIGMA_MM])
    low = np.log([*np.full(len(rings), 0.3), 0.2])
    high = np.log([*np.full(len(rings), 7.0), 1.5])
    result = least_squares(misfit, start, bounds=(low, high), loss="huber", f_scale=1.5)
    return Fit(metal_hu, float(np.exp(result.x[-1])), np.exp(result.x[:-1]), float(result.cost))


def _ended(crop: Volume, run: Run, radius: float, profile: Profile, top: float | None) -> Cylinder:
    """The bar cut to where it ends: by itself, or in a thicker piece such as a screw's head.

    At a free end the clipped part reaches further than the metal; that is taken back.
    """
    limit = profile.background_hu + 0.5 * profile.height_hu
    limit = limit if top is None else min(limit, 0.9 * top)
    inward, bloom = profile.end_and_flank_mm(limit, radius)
    reach = np.arange(-REACH_BEYOND_MM, run.length_mm + REACH_BEYOND_MM, END_STEP_MM)
    turn = np.pi * np.arange(12) / 6.0
    axis = run.axis_ras
    side = np.cross(axis, [0.0, 0.0, 1.0] if abs(axis[2]) < 0.8 else [0.0, 1.0, 0.0])
    side /= np.linalg.norm(side)
    circle = np.cos(turn)[:, None] * side + np.sin(turn)[:, None] * np.cross(axis, side)
    wide = radius + bloom + max(0.8, float(crop.spacing_mm.max()))
    line = run.start_ras_mm + reach[:, None] * axis

    def seen(points: FloatArray) -> FloatArray:
        values: FloatArray = ndimage.map_coordinates(
            np.asarray(crop.data, dtype=np.float32), crop.to_voxel(points).T, order=1, mode="nearest"
        )
        return values

    full = seen(line) >= limit
    around = seen((line[:, None] + wide * circle).reshape(-1, 3)).reshape(len(line), -1) >= limit
    thicker = around.mean(axis=1) > 0.6
    bar = full & ~thicker
    middle = int(np.argmin(np.abs(reach - 0.5 * run.length_mm)))
    inside = np.flatnonzero(bar)
    if len(inside) == 0:
        return Cylinder(run, radius, bloom, profile)
    centre = int(inside[np.argmin(np.abs(inside - middle))])
    before, after = np.flatnonzero(~bar[:centre]), np.flatnonzero(~bar[centre:])
    low = int(before[-1]) + 1 if len(before) else 0
    high = centre + int(after[0]) - 1 if len(after) else len(bar) - 1
    start = float(reach[low]) + (0.0 if low > 0 and thicker[low - 1] else inward)
    stop = float(reach[high]) - (0.0 if high + 1 < len(bar) and thicker[high + 1] else inward)
    if stop - start < END_STEP_MM:
        return Cylinder(run, radius, bloom, profile)
    ended = Run(run.start_ras_mm + start * axis, run.start_ras_mm + stop * axis)
    return Cylinder(ended, radius, bloom, profile)
