"""Seeds that cannot stand for a body are refused in words; those that may be wrong are told."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from endplate.anatomy.axes import Axes, FloatArray
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.volume import Volume
from endplate.labelling.body_quality import BodySigns
from endplate.labelling.model import Seed
from endplate.labelling.seeds import distance_mm, expected_spacing_mm, known_levels, ordered
from endplate.sources import Finding, finding, value

CUT = "the body is cut by the edge of the scan"
"""Said of a body that is not whole."""

RAYS = 16
"""Rays in a body's plane that look for a ring of bone."""


def check_seeds(image: Volume, seeds: Sequence[Seed]) -> tuple[Finding, ...]:
    """Check names, places and distances of seeds before anything is grown.

    Returns
    -------
    What is doubtful: a gap that leaves room for a level, dense matter near a seed.

    Raises
    ------
    UsageError
        No seed, a level twice or without a drum-shaped body, a seed outside the scan, names that do not run down the
        spine, two seeds in one body.
    QualityGateError
        A seed in air or in metal or cement.
    """
    _check_names(seeds)
    for seed in seeds:
        _check_place(image, seed)
    told = list(_distances(seeds))
    dense = float(value("labelling.dense_hu"))
    for seed in seeds:
        around = values_near(image, seed.ras_mm, 7.0)
        if float(np.mean(around > dense)) > 0.01:
            told.append(finding("seed-near-dense-matter", level=seed.level, hu=dense))
    return tuple(told)


def _check_names(seeds: Sequence[Seed]) -> None:
    if not seeds:
        raise UsageError("no-seeds", "No point was given.", do="Give one point inside each vertebral body.")
    names = [seed.level for seed in seeds]
    for name in names:
        if name not in known_levels():
            raise UsageError(
                "seed-level-unsupported",
                f"{name} has no drum-shaped body that could be found from a point.",
                do="Give points for levels from C3 to L5 (T13 and L6 too).",
            )
        if names.count(name) > 1:
            raise UsageError(
                "seed-level-twice",
                f"{name} was given more than one point.",
                do="Give one point a level.",
            )


def _check_place(image: Volume, seed: Seed) -> None:
    voxel = image.to_voxel(seed.ras_mm)
    if (voxel < -0.5).any() or (voxel > np.array(image.shape) - 0.5).any():
        x, y, z = (float(number) for number in seed.ras_mm)
        raise UsageError(
            "seed-outside",
            f"The point of {seed.level} ({x:.1f}, {y:.1f}, {z:.1f} mm RAS) lies outside the scan.",
            do="Check the point's frame: Endplate takes RAS millimetres; DICOM and ITK use LPS.",
        )
    median = float(np.median(values_near(image, seed.ras_mm, 2.5)))
    if median < float(value("labelling.air_hu")):
        raise QualityGateError(
            "seed-in-air",
            f"The point of {seed.level} lies in air or lung ({median:.0f} HU).",
            do="Put it into the middle of the vertebral body.",
        )
    if median > float(value("labelling.dense_hu")):
        raise QualityGateError(
            "seed-in-dense-matter",
            f"The point of {seed.level} lies in metal or cement ({median:.0f} HU); no surface can be grown from there.",
            do="Put it into spongy bone of the same body beside it, or leave the level out.",
        )


def _distances(seeds: Sequence[Seed]) -> list[Finding]:
    """Order down the spine and spacing of seeds."""
    row = ordered(seeds)
    if len(row) < 2:
        return []
    down = row[-1].ras_mm - row[0].ras_mm
    down = down / max(float(np.linalg.norm(down)), 1e-9)
    if down[2] > 0.5:
        raise UsageError(
            "seeds-upside-down",
            f"{row[0].level} lies below {row[-1].level}.",
            do="Check the names of the points, and that they are RAS (not LPS or voxel) coordinates.",
        )
    ratios = []
    for upper, lower in pairwise(row):
        usual = expected_spacing_mm(upper.level, lower.level)
        apart = distance_mm(upper.ras_mm, lower.ras_mm)
        least, most = value("labelling.spacing_range")
        if usual is None:
            continue
        if apart < float(value("labelling.same_body_spacing")) * usual:
            raise UsageError(
                "seeds-in-one-body",
                f"The points of {upper.level} and {lower.level} are {apart:.0f} mm apart: they lie in one body.",
                do="Put one point into each body.",
            )
        if float((lower.ras_mm - upper.ras_mm) @ down) < 0.3 * apart:
            raise UsageError(
                "seeds-out-of-order",
                f"The point of {lower.level} does not lie below that of {upper.level}.",
                do="Check the names of the points.",
            )
        ratios.append((upper, lower, apart, usual, apart / usual))
    told = []
    for place, (upper, lower, apart, usual, ratio) in enumerate(ratios):
        others = [other[4] for index, other in enumerate(ratios) if index != place]
        typical = float(np.median(others)) if others else 1.0
        code = (
            "seeds-far-apart"
            if ratio > most * typical
            else "seeds-close"
            if ratio < least * typical
            else None
        )
        if code is not None:
            told.append(
                finding(
                    code,
                    level=lower.level,
                    upper=upper.level,
                    lower=lower.level,
                    mm=apart,
                    usual=usual * typical,
                )
            )
    return told


def values_near(image: Volume, ras_mm: FloatArray, radius_mm: float) -> FloatArray:
    """HU of the voxels within a radius of a point, at least the nearest one."""
    voxel = image.to_voxel(ras_mm)
    reach = np.ceil(radius_mm / image.spacing_mm).astype(int)
    centre = np.clip(np.rint(voxel).astype(int), 0, np.array(image.shape) - 1)
    start, stop = np.maximum(centre - reach, 0), np.minimum(centre + reach + 1, image.shape)
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    index = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(start, stop, strict=True)), indexing="ij"), -1
    )
    inside = np.linalg.norm(image.to_world(index) - ras_mm, axis=-1) <= radius_mm
    inside[tuple(centre - start)] = True
    values: FloatArray = np.asarray(image.data[box], dtype=np.float64)[inside]
    return values


def doubt(signs: BodySigns) -> str | None:
    """Why a surface is no vertebral body, in words; ``None`` where it may be one."""
    limits = value("labelling.believed")
    low, high = limits["width"]
    flat = signs.side_shell < float(limits["flat_shell"]) and signs.height_ratio < float(
        limits["flat_height"]
    )
    reasons = (
        (not signs.seed_inside, "no body closes round it"),
        (signs.outside_share > float(limits["outside_share"]), CUT),
        (min(signs.side_shell, signs.plate_shell) < float(limits["shell"]), "no shell of bone surrounds it"),
        (signs.height_ratio < float(limits["height"]), "what was found is too flat for a body"),
        (not low <= signs.width_ratio <= high, "what was found is too narrow or too wide for a body"),
        (flat, "what was found is flat and without a shell at its sides, as a disc is"),
    )
    return next((words for applies, words in reasons if applies), None)


def where_is(image: Volume, axes: Axes) -> str:
    """In words where a point that is in no body lies, from the bone around it; ``axes`` stand at the point."""
    here = float(np.median(values_near(image, axes.origin_ras_mm, 2.0)))
    least = max(float(value("labelling.ring_hu")), here + 80.0)
    turn = 2.0 * np.pi * np.arange(RAYS) / RAYS
    flat = np.stack([np.cos(turn), np.sin(turn), np.zeros(RAYS)], axis=1)
    ring = _meets(image, axes, flat, 14.0, least)
    poles = _meets(image, axes, np.array([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]), 10.0, least)
    # A disc has an endplate close above and below it, the canal bone on all sides and none there.
    if poles == 1.0:
        return "in a disc"
    if here < float(value("labelling.soft_hu")) and ring >= 0.8:
        return "in the spinal canal"
    return "in a disc, in soft tissue or at the edge of the bone"


def _meets(image: Volume, axes: Axes, directions: FloatArray, reach_mm: float, least: float) -> float:
    """Share of rays that meet values of at least ``least`` within a reach."""
    along = np.arange(2.0, reach_mm, 0.7)
    points = axes.to_world(directions[:, None, :] * along[:, None])
    voxel = np.rint(image.to_voxel(points)).astype(int)
    valid = ((voxel >= 0) & (voxel < np.array(image.shape))).all(axis=-1)
    held = np.clip(voxel, 0, np.array(image.shape) - 1)
    values = np.where(valid, image.data[tuple(np.moveaxis(held, -1, 0))], -1000.0)
    return float((values >= least).any(axis=1).mean())
