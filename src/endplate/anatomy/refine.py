"""Endplates finer than the label's voxels, where the CT shows them.

A label knows a flat endplate that lies along a voxel plane to half a voxel only; the CT numbers of the voxels that
the endplate cuts tell where in them it lies. Each endplate's surface is moved to the edge in the CT, but never
further than the label's voxels leave open. What moves all endplates of a scan alike is a different notion of the
edge (thickness of the cortex, the annotator's habit), not rounding, and is left as the labels have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.edge import Edge, find_edge
from endplate.anatomy.edge_voxels import ScanBox, voxel_extent_mm
from endplate.anatomy.endplates import Height, fit_plane, measure_heights
from endplate.anatomy.locate import Located
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

MEDIAN_VARIANCE = float(np.pi / 2.0)
"""Variance of a median over that of a mean."""

Pair = tuple[Edge | None, Edge | None]
"""Superior, inferior."""


@dataclass(frozen=True, eq=False)
class Refined:
    """The vertebrae with endplates refined where the CT allows, and what is known of their heights.

    Parameters
    ----------
    located:
        As given, with new surfaces and planes.
    height_sd_mm:
        Shape (n, 3): one standard deviation of each height, in the order of the heights' windows.
    moved:
        Per vertebra: superior, inferior refined.
    common_mm:
        Offset between CT and labels that all endplates share and that is left out; 0 without refinement.
    """

    located: tuple[Located, ...]
    height_sd_mm: FloatArray
    moved: tuple[tuple[bool, bool], ...]
    common_mm: float


def refine_endplates(located: Sequence[Located], labels: LabelMap, image: Volume | None) -> Refined:
    """Move endplates to where the CT has them, to a fraction of a voxel.

    Parameters
    ----------
    located:
        All vertebrae of the map.
    labels:
        The map.
    image:
        The CT on the map's grid; without it, or on another grid, nothing is moved.

    Notes
    -----
    Endplates that the CT shows poorly (no cortex, gas, metal, blur, a misfit, a distance that rounding cannot
    explain) stay as they are.
    """
    if image is None or not image.same_grid_as(labels.volume):
        rounding = np.array([_rounding_sd_mm(item.vertebra) for item in located])
        return Refined(
            tuple(located),
            np.repeat(np.sqrt(2.0) * rounding[:, None], 3, axis=1),
            tuple((False, False) for _ in located),
            0.0,
        )
    edges = [
        (
            None if item.body_cut else _edge(item.vertebra, +1, image, labels),
            None if item.body_cut else _edge(item.vertebra, -1, image, labels),
        )
        for item in located
    ]
    common, common_sd = _common(located, edges)
    new, sd, moved = [], [], []
    for item, pair in zip(located, edges, strict=True):
        limit = float(value("refine.limit_share")) * voxel_extent_mm(item.vertebra)
        kept = [e if e is not None and abs(e.mean_mm - common) <= limit else None for e in pair]
        new.append(replace(item, vertebra=_moved(item.vertebra, kept, common, limit)))
        sd.append(_height_sd_mm(item.vertebra, kept, common_sd))
        moved.append((kept[0] is not None, kept[1] is not None))
    return Refined(tuple(new), np.array(sd).reshape(-1, 3), tuple(moved), common)


def _rounding_sd_mm(vertebra: LocalVertebra) -> float:
    """Standard deviation of an endplate that is known to ± half a voxel, uniformly."""
    return voxel_extent_mm(vertebra) / float(np.sqrt(12.0))


def _edge(vertebra: LocalVertebra, side: int, image: Volume, labels: LabelMap) -> Edge | None:
    """The edge of one endplate if the CT shows it well enough."""
    extent = voxel_extent_mm(vertebra)
    if extent > float(value("refine.extent_max_mm")):
        return None
    edge = find_edge(vertebra, side, ScanBox(image, labels, VERSE_IDS[vertebra.level]))
    if edge is None:
        return None
    clear = edge.contrast_hu >= max(
        float(value("refine.contrast_min_hu")), float(value("refine.contrast_scales")) * edge.scale_hu
    )
    exact = edge.sd_mm <= float(value("refine.sd_share_max")) * extent
    return edge if clear and exact and edge.kept >= float(value("refine.kept_min")) else None


def _common(located: Sequence[Located], edges: Sequence[Pair]) -> tuple[float, float]:
    """Offset that all endplates share, and how well it is known.

    Notes
    -----
    The median offset is shrunk by how far rounding alone may move the median of so few endplates. Of what remains, a
    dead zone is not told from none at all: so little lies within two good notions of the edge.
    """
    offsets = np.array([edge.mean_mm for pair in edges for edge in pair if edge is not None])
    prior = float(value("refine.common_sd_mm"))
    dead = float(value("refine.common_dead_mm"))
    if len(offsets) == 0:
        return 0.0, prior
    extent = float(np.mean([voxel_extent_mm(item.vertebra) for item in located]))
    middle = float(np.median(offsets))
    spread = float(value("refine.spread_share")) * extent
    if len(offsets) >= int(value("refine.spread_from")):
        spread = max(spread, 1.4826 * float(np.median(np.abs(offsets - middle))))
    variance = (MEDIAN_VARIANCE if len(offsets) > 2 else 1.0) * spread**2 / len(offsets)
    middle *= prior**2 / (prior**2 + variance)
    common = float(np.sign(middle) * max(abs(middle) - dead, 0.0))
    known = 1.0 / (1.0 / prior**2 + 1.0 / variance) + dead**2 / 3.0
    return common, float(np.sqrt(known))


def _moved(
    vertebra: LocalVertebra, edges: Sequence[Edge | None], common: float, limit: float
) -> LocalVertebra:
    """The vertebra with its endplates at the CT's edges."""
    surfaces = vertebra.surfaces
    top, bottom = (
        0.0 if edge is None else edge.trust * np.clip(edge.offset_mm - common, -limit, limit)
        for edge in edges
    )
    surfaces = replace(
        surfaces,
        top_smooth_mm=surfaces.top_smooth_mm + top,
        bottom_smooth_mm=surfaces.bottom_smooth_mm - bottom,
    )
    return replace(
        vertebra,
        surfaces=surfaces,
        superior=fit_plane(surfaces.top_smooth_mm, surfaces, vertebra.grid),
        inferior=fit_plane(surfaces.bottom_smooth_mm, surfaces, vertebra.grid),
    )


def _height_sd_mm(vertebra: LocalVertebra, edges: Sequence[Edge | None], common_sd: float) -> FloatArray:
    """One standard deviation of each height from both endplates and from the offset that they share, shape (3,)."""
    rounding = _rounding_sd_mm(vertebra)
    model = float(value("refine.model_sd_share")) * voxel_extent_mm(vertebra)
    heights = measure_heights(vertebra.surfaces, vertebra.grid, vertebra.x_mid_mm)
    sd = np.full(len(heights), np.sqrt(2.0) * rounding)
    broken = float(value("refine.broken_sd_mm"))
    for index, height in enumerate(heights.values()):
        if height is None:
            continue
        near = _near(vertebra, height)
        variance, shared = 0.0, 0.0
        for edge in edges:
            if edge is None:
                variance += rounding**2
                continue
            whole = float(edge.trust[near].mean()) if near.any() else 0.0
            variance += whole * (model**2 + edge.sd_mm**2) + (1.0 - whole) * (rounding**2 + broken**2)
            shared += whole * common_sd
        sd[index] = np.sqrt(variance + shared**2)
    return sd


def _near(vertebra: LocalVertebra, height: Height) -> NDArray[np.bool_]:
    """Columns of the body about a height's line, shape (X, Y)."""
    x, y = vertebra.grid.coordinate(0), vertebra.grid.coordinate(1)
    across = np.abs(x - height.upper_mm[0]) <= float(value("heights.band_half_width_mm"))
    along = np.abs(y - height.upper_mm[1]) <= float(value("refine.window_half_mm"))
    covered = np.isfinite(vertebra.surfaces.top_smooth_mm) & np.isfinite(vertebra.surfaces.bottom_smooth_mm)
    near: NDArray[np.bool_] = across[:, None] & along[None, :] & covered
    return near
