"""Vertebral bodies from one click each."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.imaging.volume import Volume
from endplate.labelling.drum import BodySurface, lattice
from endplate.labelling.drum_kernels import paint_surface
from endplate.labelling.edge_fit import refine_edges
from endplate.labelling.local_field import local_field
from endplate.labelling.model import LabelledBody, Seed
from endplate.labelling.pedicle_roots import bridge_roots
from endplate.labelling.plate_search import search_plates
from endplate.labelling.seeds import first_drum, patient_scale, seed_axes
from endplate.labelling.surface_search import Found, Pass, follow, refit, search

PASSES = (
    Pass(cells=12, low=0.30, high=1.80, step=0.03, side_sd=0.25, plate_sd=0.40),
    Pass(cells=12, low=0.40, high=1.60, step=0.025, side_sd=0.20, plate_sd=0.30),
    Pass(cells=12, low=0.50, high=1.50, step=0.02, side_sd=0.15, plate_sd=0.20),
    Pass(cells=20, low=0.60, high=1.40, step=0.0175, side_sd=0.12, plate_sd=0.15),
)
"""Rounds of the search, from coarse and free to fine and close."""


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
    One body a seed, in the order of ``seeds``.
    """
    scale = patient_scale(seeds)
    frames, how = seed_axes(seeds)
    assumed = [f"direction: {how}"]
    if scale is None:
        assumed.append("size: the table's, from one seed alone")
    bodies = []
    for number, (seed, axes) in enumerate(zip(seeds, frames, strict=True)):
        found = grow_body(image, seed, axes, 1.0 if scale is None else scale)
        bodies.append(_body(image, seed, found, tuple(assumed)))
        if progress is not None:
            progress(seed.level, (number + 1) / len(seeds))
    return tuple(bodies)


def grow_body(image: Volume, seed: Seed, axes: Axes, scale: float) -> Found:
    """The surface of one body from its seed, a first frame and the patient's scale."""
    drum = first_drum(seed.level, scale)
    half = np.array([drum.half_width_mm, drum.half_depth_mm, 0.5 * drum.height_mm])
    field = local_field(image, axes, 1.8 * half + 6.0)
    found = search(field, axes, drum, PASSES[0])
    for stage in PASSES[1:-1]:
        axes, drum = refit(found, 0.8)
        found = search(field, axes, drum, stage)
    axes, drum = refit(found, 0.8)
    for _ in range(2):
        drum = search_plates(field, axes, drum, found.scale_hu_mm, (None, None))
        axes, drum = follow(axes, drum)
    drum = search_plates(field, axes, drum, found.scale_hu_mm, (None, None))
    found = search(field, axes, drum, PASSES[-1])
    return bridge_roots(refine_edges(bridge_roots(found), field))


def _body(image: Volume, seed: Seed, found: Found, assumed: tuple[str, ...]) -> LabelledBody:
    mask, start = paint(image, found.surface)
    affine = image.affine.copy()
    affine[:3, 3] = image.to_world(start)
    parts = (("edge", float(np.clip(found.edge, 0.0, 1.0).mean())),)
    return LabelledBody(
        level=seed.level,
        seed=seed,
        axes=found.surface.axes,
        surface=found.surface,
        mask=mask,
        start_ijk=(int(start[0]), int(start[1]), int(start[2])),
        affine=affine,
        median_hu=found.inner_hu,
        quality=min(part for _, part in parts),
        quality_parts=parts,
        assumed=assumed,
    )


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
