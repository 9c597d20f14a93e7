"""Vertebrae of simple solids, given by signed distances, on the engine's own grids."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from endplate.anatomy.axes import Axes
from endplate.anatomy.mask import LabelField, LocalGrid, label_field
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, ScanInfo, Volume

Solid = Callable[[np.ndarray], np.ndarray]
"""Signed distance in mm (negative inside) at local points, shape (..., 3)."""

UPRIGHT = Axes(np.zeros(3), np.eye(3))
"""The patient's own axes at the origin."""


def local_grid(solid: Solid, half_mm: tuple[float, float, float], step_mm: float = 0.8) -> LocalGrid:
    """A solid as a vertebra's grid: occupancy falls linearly over 2 mm across its surface."""
    low = -np.asarray(half_mm)
    counts = np.ceil(2.0 * np.asarray(half_mm) / step_mm).astype(int) + 1
    lines = [low[a] + step_mm * np.arange(counts[a]) for a in range(3)]
    points = np.stack(np.meshgrid(*lines, indexing="ij"), axis=-1)
    values = np.clip(0.5 - 0.5 * solid(points), 0.0, 1.0)
    return LocalGrid(UPRIGHT, values.astype(np.float32), low, step_mm)


def voxel_field(
    solid: Solid,
    half_mm: float,
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0),
    phase: tuple[float, float, float] = (0.31, 0.17, 0.43),
) -> LabelField:
    """A solid cut into labelled voxels and smoothed by the engine."""
    spacing = np.asarray(spacing_mm)
    counts = np.ceil(2.0 * half_mm / spacing).astype(int) + 1
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = -half_mm + np.asarray(phase) * spacing
    index = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1)
    labels = (solid(index * spacing + affine[:3, 3]) <= 0.0).astype(np.uint8)
    occupied = np.argwhere(labels)
    box = tuple(
        slice(int(a), int(b) + 1) for a, b in zip(occupied.min(axis=0), occupied.max(axis=0), strict=True)
    )
    return label_field(labels, affine, box, 1)


def ball(radius: float, centre: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solid:
    """A ball."""
    return lambda p: np.linalg.norm(p - np.asarray(centre), axis=-1) - radius


def column(a: float, b: float, low: float, high: float, centre: tuple[float, float] = (0.0, 0.0)) -> Solid:
    """An upright elliptic column; the distance is of first order near its side."""

    def distance(p: np.ndarray) -> np.ndarray:
        x, y = p[..., 0] - centre[0], p[..., 1] - centre[1]
        reach = np.hypot(x / a, y / b)
        slope = np.hypot(x / a**2, y / b**2) / np.maximum(reach, 1e-9)
        side = (reach - 1.0) / np.maximum(slope, 1e-3)
        return np.maximum(side, np.maximum(low - p[..., 2], p[..., 2] - high))

    return distance


def without(solid: Solid, hole: Solid) -> Solid:
    """One solid with another taken out."""
    return lambda p: np.maximum(solid(p), -hole(p))


def joined(*solids: Solid) -> Solid:
    """Several solids as one."""
    return lambda p: np.min([solid(p) for solid in solids], axis=0)


def tilted(solid: Solid, slope: tuple[float, float]) -> Solid:
    """A solid sheared so that its axis runs with (x, y) = slope · z."""

    def distance(p: np.ndarray) -> np.ndarray:
        moved = p.copy()
        moved[..., 0] -= slope[0] * p[..., 2]
        moved[..., 1] -= slope[1] * p[..., 2]
        return solid(moved)

    return distance


CANAL_CENTRE_MM = (0.0, -24.0)
"""Centre of the toy vertebra's canal in its frame."""

CANAL_HALF_MM = (11.0, 8.0)
"""Half width and half depth of the toy vertebra's canal."""


def toy_vertebra(
    *, crater_mm: float = 0.0, slope: tuple[float, float] = (0.0, 0.0), split_arch: bool = False
) -> Solid:
    """A body 42 × 32 × 24 mm and a ring of arch round a canal 22 × 16 mm; ``crater_mm`` drills through the body."""
    body = column(21.0, 16.0, -12.0, 12.0)
    if crater_mm:
        body = without(body, column(crater_mm, crater_mm, -40.0, 40.0))
    across, deep = CANAL_HALF_MM
    ring = tilted(column(across + 6.0, deep + 6.0, -7.0, 7.0, CANAL_CENTRE_MM), slope)
    solid = joined(body, ring)
    if split_arch:
        solid = without(solid, column(2.5, 10.0, -40.0, 40.0, (0.0, CANAL_CENTRE_MM[1] - deep - 3.0)))
    return without(solid, tilted(column(across, deep, -40.0, 40.0, CANAL_CENTRE_MM), slope))


def spine_map(solids: Sequence[Solid], frames: Sequence[Axes], voxel_mm: float = 1.5) -> LabelMap:
    """L3 and on: solids in the frames given, cut into one label map."""
    low, high = np.array([-33.0, -62.0, -75.0]), np.array([33.0, 40.0, 75.0])
    counts = np.ceil((high - low) / voxel_mm).astype(int)
    affine = np.diag([voxel_mm, voxel_mm, voxel_mm, 1.0])
    affine[:3, 3] = low
    index = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), axis=-1)
    points = index * voxel_mm + low
    labels = np.zeros(counts, dtype=np.uint8)
    for number, (solid, frame) in enumerate(zip(solids, frames, strict=True), start=VERSE_IDS["L3"]):
        labels[solid(frame.to_local(points)) <= 0.0] = number
    return LabelMap(
        Volume(labels, affine, ScanInfo(source_format="made")), "verse", body_only=False, counted_how="made"
    )


def lordosis(turn_deg: float, spacing_mm: float = 34.0) -> list[Axes]:
    """Three frames along an arc, the middle one upright at the origin, each turned by ``turn_deg`` to the next."""
    frames = []
    for place in (1, 0, -1):
        angle = -place * np.radians(turn_deg)
        half = 0.5 * angle
        origin = place * spacing_mm * np.array([0.0, np.sin(half), np.cos(half)])
        frames.append(Axes.from_directions(origin, [0.0, np.sin(angle), np.cos(angle)], [0.0, 1.0, 0.0]))
    return frames
