"""The vertebral canal behind each body: the soft tube that bone rings, followed from level to level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.canal import RAYS, CanalTube, find_canal
from endplate.anatomy.kernels import resample_linear
from endplate.anatomy.mask import LocalGrid
from endplate.labelling.arch_grid import WorkGrid
from endplate.labelling.arch_places import Place
from endplate.sources import value

SLICE_STEP_MM = 1.0
"""Step of the grid of one level on which the ring is looked for."""

HALF_SPAN_MM = 26.0
"""The grid reaches this far to both sides of the mid-plane."""


@dataclass(frozen=True, eq=False)
class LevelCanal:
    """The canal of one level.

    Parameters
    ----------
    axes:
        The level's frame, turned so that the canal lies straight behind the body.
    tube:
        The tube in that frame.
    z_mm:
        Heights of the tube's slices in that frame.
    measured:
        Its ring was seen at this level; else it was carried over from the neighbours.
    """

    axes: Axes
    tube: CanalTube
    z_mm: FloatArray
    measured: bool

    @property
    def limit_mm(self) -> FloatArray:
        """Radii of the tube, shape (Z, RAYS), where openings to the sides are closed."""
        room = float(value("labelling.canal_beyond_ring_mm"))
        limit: FloatArray = np.minimum(self.tube.filled_mm, self.tube.typical_mm + room)
        return limit

    def polar(self, local_mm: FloatArray) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
        """Distance of points from the centre line over the typical radius there, ray index, and that distance in mm."""
        offset = local_mm[..., :2] - self.tube.centre_at(local_mm[..., 2])
        distance = np.hypot(offset[..., 0], offset[..., 1])
        turn = (
            np.rint(np.arctan2(offset[..., 1], offset[..., 0]) / (2.0 * np.pi) * RAYS).astype(np.intp) % RAYS
        )
        return distance / self.tube.typical_mm[turn], turn, distance


def find_canals(
    grid: WorkGrid, bone: NDArray[np.float32], found: Sequence[Place]
) -> tuple[LevelCanal | None, ...]:
    """Find the canal of every level.

    Parameters
    ----------
    grid:
        The working grid.
    bone:
        Occupancy of bone 0–1 with the bodies filled, shape of the grid.
    found:
        The levels from the head down.

    Returns
    -------
    One canal a level; ``None`` where neither it nor a neighbour has one.
    """
    own: list[LevelCanal | None] = [_level_canal(grid, bone, place) for place in found]
    seen = [row for row, canal in enumerate(own) if canal is not None]
    if not seen:
        return tuple(own)
    filled = list(own)
    for row, place in enumerate(found):
        if own[row] is None:
            nearest = min(seen, key=lambda other: (abs(other - row), other))
            if abs(nearest - row) <= int(value("labelling.canal_carry_levels")):
                filled[row] = _carried(grid, bone, place, own[nearest])
    return tuple(filled)


def canal_mask(
    grid: WorkGrid, canals: Sequence[LevelCanal | None], found: Sequence[Place]
) -> NDArray[np.bool_]:
    """Voxels of the grid inside the tubes; each slab belongs to the nearest level along the spine."""
    inside = np.zeros(grid.shape, dtype=bool)
    for place, canal in zip(found, canals, strict=True):
        if canal is None:
            continue
        low, high = float(canal.z_mm[0]), float(canal.z_mm[-1])
        box, local = local_box(
            grid,
            canal.axes,
            (-HALF_SPAN_MM, place.wall_y_mm - 36.0, low),
            (HALF_SPAN_MM, place.wall_y_mm + 8.0, high),
        )
        if local.size == 0:
            continue
        _, turn, distance = canal.polar(local)
        slab = np.rint((local[..., 2] - low) / SLICE_STEP_MM).astype(int)
        kept = (slab >= 0) & (slab < len(canal.z_mm))
        limit = canal.limit_mm[np.clip(slab, 0, len(canal.z_mm) - 1), turn]
        inside[box] |= kept & (distance < limit)
    return inside


def local_box(
    grid: WorkGrid, axes: Axes, low_mm: Sequence[float], high_mm: Sequence[float]
) -> tuple[tuple[slice, slice, slice], FloatArray]:
    """The part of the grid round a box of a level's frame, and the local coordinates of its points (I, J, K, 3)."""
    corners = np.array(
        [
            [x, y, z]
            for x in (low_mm[0], high_mm[0])
            for y in (low_mm[1], high_mm[1])
            for z in (low_mm[2], high_mm[2])
        ]
    )
    index = grid.index(axes.to_world(corners))
    start = np.clip(np.floor(index.min(axis=0)).astype(int), 0, grid.shape)
    stop = np.clip(np.ceil(index.max(axis=0)).astype(int) + 1, start, grid.shape)
    box = (slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2]))
    # Local coordinates are linear in the index: three outer sums instead of a product of matrices.
    matrix = axes.rotation @ grid.affine[:3, :3]
    corner = axes.to_local(grid.affine[:3, 3])
    parts = [np.arange(start[n], stop[n])[:, None] * matrix[:, n] for n in range(3)]
    local = corner + parts[0][:, None, None] + parts[1][None, :, None] + parts[2][None, None, :]
    return box, local


def _level_canal(grid: WorkGrid, bone: NDArray[np.float32], place: Place) -> LevelCanal | None:
    axes = place.axes
    tube, z = _tube(grid, bone, place, axes, None)
    if tube is None:
        return None
    # The canal lies straight behind the body: turn the frame by what the first look shows.
    behind = axes.to_world(np.append(tube.centre_at(0.0), 0.0))
    axes = Axes.from_directions(axes.origin_ras_mm, axes.superior, axes.origin_ras_mm - behind)
    again, z = _tube(grid, bone, place, axes, None)
    return None if again is None else LevelCanal(axes, again, z, measured=True)


def _carried(
    grid: WorkGrid, bone: NDArray[np.float32], place: Place, other: LevelCanal | None
) -> LevelCanal | None:
    """The neighbour's tube behind this level; its ring is felt for once more from there."""
    assert other is not None
    shift = place.axes.to_local(other.axes.to_world(np.append(other.tube.centre_at(0.0), 0.0)))
    seed = np.array([shift[0], np.clip(shift[1], place.wall_y_mm - 14.0, place.wall_y_mm - 6.0)])
    axes = Axes.from_directions(place.axes.origin_ras_mm, place.axes.superior, other.axes.anterior)
    again, z = _tube(grid, bone, place, axes, seed)
    if again is not None:
        return LevelCanal(axes, again, z, measured=True)
    radii = np.full((len(z), RAYS), np.nan)
    tube = replace(
        other.tube,
        centre_mm=seed,
        slope=np.zeros(2),
        radii_mm=radii,
        closed=np.zeros(len(z), dtype=bool),
    )
    return LevelCanal(axes, tube, z, measured=False)


def _tube(
    grid: WorkGrid, bone: NDArray[np.float32], place: Place, axes: Axes, seed: FloatArray | None
) -> tuple[CanalTube | None, FloatArray]:
    """The tube felt from behind the posterior wall, and the heights of its slices."""
    half = place.half_height_mm + float(value("labelling.canal_beyond_body_mm"))
    low = np.array([-HALF_SPAN_MM, place.wall_y_mm - 40.0, -half])
    high = np.array([HALF_SPAN_MM, place.wall_y_mm + 6.0, half])
    count = np.floor((high - low) / SLICE_STEP_MM).astype(int) + 1
    to_world = np.eye(4)
    to_world[:3, :3] = axes.rotation.T * SLICE_STEP_MM
    to_world[:3, 3] = axes.to_world(low)
    chain = (np.linalg.inv(grid.affine) @ to_world)[:3]
    values = resample_linear(bone, np.ascontiguousarray(chain), (int(count[0]), int(count[1]), int(count[2])))
    local = LocalGrid(axes, values, low, SLICE_STEP_MM)
    z = local.coordinate(2)
    start = (
        np.array([0.0, place.wall_y_mm - float(value("labelling.canal_seed_behind_wall_mm"))])
        if seed is None
        else seed
    )
    return find_canal(local, seed_mm=start), z
