"""Vertebral bodies from one click each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray, unit
from endplate.errors import QualityGateError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.levels import order
from endplate.imaging.volume import Volume
from endplate.labelling.body_quality import BodySigns
from endplate.labelling.drum import BodySurface, lattice
from endplate.labelling.drum_kernels import paint_surface
from endplate.labelling.growth import Grown, centred, grow_bodies, grow_body
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.seed_checks import CUT, check_seeds, doubt, where_is
from endplate.labelling.seeds import patient_scale, seed_axes
from endplate.sources import Finding, finding, value


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
    size = 1.0 if scale is None else scale
    grown = grow_bodies(image, seeds, frames, size, progress)
    _refuse(image, grown, frames, told, size)
    bodies = [labelled_body(image, item, tuple(assumed), told, alone=len(seeds) == 1) for item in grown]
    return _apart(bodies)


def _refuse(
    image: Volume, grown: Sequence[Grown], frames: Sequence[Axes], told: Sequence[Finding], scale: float
) -> None:
    """Refuse seeds that no body was found from, and two seeds in one body, all in one message."""
    words, hints = [], []
    for item, axes in zip(grown, frames, strict=True):
        why = doubt(item.signs)
        if why == CUT:
            words.append(f"{item.seed.level}: {why}")
        elif why is not None:
            words.append(f"{item.seed.level}: the point seems to lie {where_is(image, axes)} ({why})")
            hints += [f.text for f in told if f.level == item.seed.level and f.code == "seeds-close"]
            if _lies_mirrored(image, item.seed, scale):
                x, y, z = item.seed.ras_mm
                hints.append(
                    f"There is a body at the point's mirror image: if it was given in LPS, write "
                    f"{item.seed.level}:lps:{x:g},{y:g},{z:g}."
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
            do=" ".join([*hints, "Put each point into the middle of its body, or leave that level out."]),
        )


def _lies_mirrored(image: Volume, seed: Seed, scale: float) -> bool:
    """Whether a body lies where the point would be in the other convention for patient coordinates."""
    mirrored = Seed(seed.level, seed.ras_mm * np.array([-1.0, -1.0, 1.0]))
    voxel = image.to_voxel(mirrored.ras_mm)
    if (voxel < 0.0).any() or (voxel > np.array(image.shape) - 1.0).any():
        return False
    (axes,), _ = seed_axes([mirrored])
    return not grow_body(image, mirrored, centred(image, mirrored, axes, scale), scale).doubtful


def labelled_body(
    image: Volume, grown: Grown, assumed: tuple[str, ...], told: Sequence[Finding], *, alone: bool
) -> LabelledBody:
    """A grown surface as a mask, with what is known and told of it; ``alone``: it is the only one."""
    surface, signs = grown.found.surface, grown.signs
    mask, start = paint(image, surface)
    affine = image.affine.copy()
    affine[:3, 3] = image.to_world(start)
    parts = (*quality_parts(signs), ("start", _agreement(grown.apart_mm)))
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


def _agreement(apart_mm: float) -> float:
    """Quality 0–1 from how far bodies from other starts lie that are about as likely."""
    return float(np.clip(1.0 - apart_mm / float(value("labelling.grow_again")["apart_mm"]), 0.0, 1.0))


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
