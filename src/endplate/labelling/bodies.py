"""Vertebral bodies from one click each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.errors import QualityGateError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.levels import order
from endplate.imaging.volume import Volume
from endplate.labelling.body_quality import BodySigns, read_signs
from endplate.labelling.drum import BodySurface, lattice, plate_lines
from endplate.labelling.drum_kernels import paint_surface
from endplate.labelling.edge_fit import refine_edges
from endplate.labelling.local_field import local_field
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.pedicle_roots import bridge_roots
from endplate.labelling.plate_search import search_plates
from endplate.labelling.seed_checks import CUT, check_seeds, doubt, where_is
from endplate.labelling.seeds import first_drum, level_size, next_above, next_below, patient_scale, seed_axes
from endplate.labelling.surface_search import Found, Pass, follow, refit, search
from endplate.sources import Finding, finding, value

PASSES = (
    Pass(cells=12, low=0.30, high=1.80, step=0.03, side_sd=0.40, plate_sd=0.40),
    Pass(cells=12, low=0.40, high=1.60, step=0.025, side_sd=0.30, plate_sd=0.30),
    Pass(cells=12, low=0.50, high=1.50, step=0.02, side_sd=0.15, plate_sd=0.20),
    Pass(cells=20, low=0.60, high=1.40, step=0.0175, side_sd=0.12, plate_sd=0.15),
)
"""Rounds of the search, from coarse and free to fine and close."""

WALLS = Pass(cells=12, low=0.50, high=1.70, step=0.025, side_sd=0.35, plate_sd=0.10)
"""The round that looks for the side wall again between endplates that are known."""

PLATE_TURNS = 3
"""How often both endplates are searched, the frame following them in between."""


@dataclass(frozen=True, eq=False)
class Grown:
    """A surface grown from a seed, its signs, and where growing began."""

    seed: Seed
    start: Axes
    found: Found
    signs: BodySigns


def segment_bodies(
    image: Volume, seeds: Sequence[Seed], *, progress: Callable[[str, float], None] | None = None
) -> tuple[LabelledBody, ...]:
    """Find the vertebral body of each seed.

    Parameters
    ----------
    image:
        CT in HU.
    seeds:
        One point in each body, RAS mm, any order.
    progress:
        Called with a level's name and the fraction done.

    Returns
    -------
    One body a seed, in the order of ``seeds``. What is told of a level stands in its findings.

    Raises
    ------
    UsageError
        Seeds that contradict each other or the scan (``seed_checks.check_seeds``).
    QualityGateError
        A seed in air, metal, a disc, the canal or soft tissue, or in a body that the scan cuts: nothing is returned
        that merely looks like a body.
    """
    told = check_seeds(image, seeds)
    scale = patient_scale(seeds)
    frames, how = seed_axes(seeds)
    assumed = [f"first direction: {how}"]
    if scale is None:
        assumed.append("first size: the table's")
    grown = []
    for number, (seed, axes) in enumerate(zip(seeds, frames, strict=True)):
        beside = (_neighbour(seed, seeds, up=True), _neighbour(seed, seeds, up=False))
        grown.append(grow_body(image, seed, axes, 1.0 if scale is None else scale, beside))
        if progress is not None:
            progress(seed.level, (number + 1) / len(seeds))
    _refuse(image, grown)
    bodies = [_body(image, item, tuple(assumed), told, alone=len(seeds) == 1) for item in grown]
    return _apart(bodies)


def _neighbour(seed: Seed, seeds: Sequence[Seed], *, up: bool) -> FloatArray | None:
    """Where the seed of the level next to one is, if it was given."""
    name = next_above(seed.level) if up else next_below(seed.level)
    return next((other.ras_mm for other in seeds if other.level == name), None)


def grow_body(
    image: Volume,
    seed: Seed,
    axes: Axes,
    scale: float,
    beside: tuple[FloatArray | None, FloatArray | None] = (None, None),
) -> Grown:
    """The surface of one body from its seed, a first frame, the patient's scale and the seeds above and below."""
    start = axes
    drum = first_drum(seed.level, scale)
    half = np.array([drum.half_width_mm, drum.half_depth_mm, 0.5 * drum.height_mm])
    field = local_field(image, axes, float(value("labelling.field_reach")) * half + 6.0)
    found = search(field, axes, drum, PASSES[0])
    for stage in PASSES[1:-1]:
        axes, drum = refit(found, 0.8)
        found = search(field, axes, drum, stage)
    axes, drum = refit(found, 0.8)
    for turn in range(PLATE_TURNS):
        if turn == 1:
            # In a flat body most first rays end at its endplates; with these known its walls are looked for again.
            found = search(field, axes, drum, WALLS)
            axes, drum = refit(found, 0.8)
        elif turn > 1:
            axes, drum = follow(axes, drum)
        room = (_room(axes, half, seed.ras_mm, beside[0]), _room(axes, half, seed.ras_mm, beside[1]))
        drum = search_plates(field, axes, drum, room)
    found = bridge_roots(search(field, axes, drum, PASSES[-1]))
    found = bridge_roots(refine_edges(found, field))
    signs = read_signs(found, field, image, seed.ras_mm, level_size(seed.level), scale)
    return Grown(seed, start, found, signs)


def _room(
    axes: Axes, half: FloatArray, seed_ras_mm: FloatArray, other: FloatArray | None
) -> FloatArray | None:
    """Height over an endplate's map of the plane that it must not pass on the way to a neighbour's seed."""
    if other is None:
        return None
    normal = axes.rotation @ unit(other - seed_ras_mm)
    share = float(value("labelling.room_share"))
    point = axes.to_local(seed_ras_mm + share * (other - seed_ras_mm))
    lines = plate_lines()
    x, y = np.meshgrid(lines * half[0], lines * half[1], indexing="ij")
    along = normal[2] if abs(normal[2]) > 0.3 else np.copysign(0.3, normal[2])
    height: FloatArray = point[2] - (normal[0] * (x - point[0]) + normal[1] * (y - point[1])) / along
    return height


def _refuse(image: Volume, grown: Sequence[Grown]) -> None:
    """Refuse seeds that no body was found from, and two seeds in one body, all in one message."""
    words = []
    for item in grown:
        why = doubt(item.signs)
        if why == CUT:
            words.append(f"{item.seed.level}: {why}")
        elif why is not None:
            words.append(
                f"{item.seed.level}: the point seems to lie {where_is(image, item.start, item.signs)} ({why})"
            )
        for other in grown:
            if other is not item and bool(item.found.surface.inside(other.seed.ras_mm[None])[0]):
                words.append(f"{other.seed.level}: the point lies in the body of {item.seed.level}")
    if words:
        raise QualityGateError(
            "seed-not-in-body",
            "No vertebral body was found from "
            + ("this point. " if len(words) == 1 else "these points. ")
            + "; ".join(words)
            + ".",
            do="Put each point into the middle of its body, or leave that level out.",
        )


def _body(
    image: Volume, grown: Grown, assumed: tuple[str, ...], told: Sequence[Finding], *, alone: bool
) -> LabelledBody:
    surface, signs = grown.found.surface, grown.signs
    mask, start = paint(image, surface)
    affine = image.affine.copy()
    affine[:3, 3] = image.to_world(start)
    parts = quality_parts(signs)
    findings = [item for item in told if item.level == grown.seed.level]
    worst = min(signs.side_shell, signs.plate_shell)
    if worst < float(value("labelling.poor_shell")):
        findings.append(finding("body-surface-poor", level=grown.seed.level, share=worst))
    if alone:
        findings.append(finding("body-one-seed", level=grown.seed.level))
    return LabelledBody(
        level=grown.seed.level,
        seed=grown.seed,
        axes=surface.axes,
        surface=surface,
        mask=mask,
        start_ijk=(int(start[0]), int(start[1]), int(start[2])),
        affine=affine,
        median_hu=grown.found.inner_hu,
        quality=min(part for _, part in parts),
        quality_parts=parts,
        assumed=assumed,
        findings=tuple(findings),
    )


def quality_parts(signs: BodySigns) -> tuple[tuple[str, float], ...]:
    """Quality 0–1 from the shell of the side wall, that of the endplates, and the width against the usual."""
    limits = value("labelling.believed")
    low, good = float(limits["shell"]), float(limits["good_shell"])

    def share(seen: float) -> float:
        return float(np.clip(0.4 + 0.6 * (seen - low) / (good - low), 0.0, 1.0))

    narrow, wide = limits["width"]
    off = max((1.0 - signs.width_ratio) / (1.0 - narrow), (signs.width_ratio - 1.0) / (wide - 1.0), 0.0)
    size = float(np.clip(1.0 - max(off - 0.5, 0.0), 0.0, 1.0))
    return (("side wall", share(signs.side_shell)), ("endplates", share(signs.plate_shell)), ("width", size))


def _apart(bodies: Sequence[LabelledBody]) -> tuple[LabelledBody, ...]:
    """Divide bodies that overlap at the plane halfway between them, and say so where it matters."""
    row = sorted(bodies, key=lambda body: order(body.level))
    done = {body.level: body for body in row}
    for upper, lower in pairwise(row):
        points = apply_affine(done[upper.level].affine, np.argwhere(done[upper.level].mask))
        shared = lower.surface.inside(points)
        if not shared.any():
            continue
        middle = points[shared].mean(axis=0)
        normal = unit(upper.centre_ras_mm - lower.centre_ras_mm)
        heavy = float(shared.mean()) > float(value("labelling.touch_share"))
        for body, sign in ((upper, 1.0), (lower, -1.0)):
            now = done[body.level]
            index = np.argwhere(now.mask)
            keep = sign * ((apply_affine(now.affine, index) - middle) @ normal) > 0.0
            mask = np.zeros_like(now.mask)
            mask[tuple(index[keep].T)] = True
            told = finding("bodies-touch", level=body.level, upper=upper.level, lower=lower.level)
            findings = (*now.findings, told) if heavy else now.findings
            done[body.level] = replace(now, mask=mask, findings=findings)
    return tuple(done[body.level] for body in bodies)


def paint(image: Volume, surface: BodySurface) -> tuple[NDArray[np.bool_], FloatArray]:
    """The surface as a mask on a crop of the CT's grid, and the crop's first voxel."""
    voxels = image.to_voxel(surface.vertices_ras_mm)
    start = np.clip(np.floor(voxels.min(axis=0)).astype(int) - 1, 0, np.array(image.shape) - 1)
    stop = np.clip(np.ceil(voxels.max(axis=0)).astype(int) + 2, start + 1, image.shape)
    to_world = image.affine.copy()
    to_world[:3, 3] = image.to_world(start)
    to_local = np.eye(4)
    to_local[:3, :3] = surface.axes.rotation
    to_local[:3, 3] = -surface.axes.rotation @ surface.axes.origin_ras_mm
    nodes = lattice(surface.cells)
    shape = tuple(int(n) for n in stop - start)
    mask: NDArray[np.bool_] = paint_surface(
        shape,
        np.ascontiguousarray((to_local @ to_world)[:3]),
        surface.drum.half_sizes_mm,
        surface.drum.upper,
        surface.drum.lower,
        nodes.node_of,
        nodes.drum_factor * surface.factors,
    )
    return mask, start
