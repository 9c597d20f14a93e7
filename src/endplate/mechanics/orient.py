"""Bringing densities and labels onto a grid whose z axis is the load's."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, unit
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import Volume
from endplate.mechanics.element import FloatArray
from endplate.sources import Finding, finding

FINE = 2
"""Points along each side of a voxel at which a finer image is averaged."""

OBLIQUE_DEG = 1.0
"""Angle between a grid's third axis and the patient's from which it is told."""

PASSES = 3
"""Refinements of the endplates' direction."""

CORE_SHARE = 0.7
"""Inner part of an end's outline that its plane is fitted to: the rim bends over."""

MOST_TILT_DEG = 45.0
"""Endplates further from the grid's axis are not believed."""


@dataclass(frozen=True, eq=False)
class Placed:
    """Densities and labels on one grid, shape (nz, ny, nx), z along the load.

    ``affine`` maps (x, y, z) indices to RAS mm.
    """

    density_mgcc: FloatArray
    ids: NDArray[np.int64]
    spacing_mm: tuple[float, float, float]
    affine: FloatArray
    findings: tuple[Finding, ...] = ()


def as_scanned(density: Volume, mask: Volume) -> Placed:
    """The grid as it is, its axes put in the order x, y, z of the patient; nothing is resampled.

    Raises
    ------
    UsageError
        The mask lies on another grid.
    """
    if not density.same_grid_as(mask):
        raise UsageError(
            "mask-other-grid",
            "The mask does not lie on the grid of the density.",
            do="Give both on one grid (same shape and affine).",
        )
    directions = density.affine[:3, :3] / density.spacing_mm
    order = _axis_order(np.abs(directions))
    flips = [directions[axis, source] < 0.0 for axis, source in enumerate(order)]
    arrays = []
    for data in (density.data, mask.data):
        turned = np.transpose(np.asarray(data), order)
        arrays.append(turned[tuple(slice(None, None, -1 if flip else 1) for flip in flips)])
    affine = np.eye(4)
    for axis, (source, flip) in enumerate(zip(order, flips, strict=True)):
        affine[:3, axis] = -density.affine[:3, source] if flip else density.affine[:3, source]
    corner = np.zeros(3)
    for source, flip in zip(order, flips, strict=True):
        corner[source] = density.shape[source] - 1 if flip else 0
    affine[:3, 3] = apply_affine(density.affine, corner)
    spacing = tuple(float(density.spacing_mm[source]) for source in order)
    found: list[Finding] = []
    angle = float(np.degrees(np.arccos(np.clip(affine[2, 2] / spacing[2], -1.0, 1.0))))
    if angle > OBLIQUE_DEG:
        found.append(finding("mechanics-oblique-grid", angle=angle))
    if max(spacing) > 1.01 * min(spacing):
        found.append(finding("mechanics-anisotropic-voxels", x=spacing[0], y=spacing[1], z=spacing[2]))
    return Placed(
        np.ascontiguousarray(arrays[0].transpose(2, 1, 0), dtype=np.float64),
        np.ascontiguousarray(np.rint(arrays[1].transpose(2, 1, 0)).astype(np.int64)),
        (spacing[0], spacing[1], spacing[2]),
        affine,
        tuple(found),
    )


def _axis_order(cosines: FloatArray) -> list[int]:
    """For each world axis the grid axis nearest to it, each taken once; z first."""
    order = [0, 0, 0]
    left = {0, 1, 2}
    for axis in (2, 1, 0):
        order[axis] = max(left, key=lambda source: cosines[axis, source])
        left.discard(order[axis])
    return order


def aligned(placed: Placed, body_ids: tuple[int, ...], step_mm: float) -> Placed:
    """The same on a cubic grid whose z axis is the mean normal of the body's two ends.

    Labels are kept where most of a voxel has them; densities are means over whole voxels, the marrow and soft tissue
    at the boundary included.

    Raises
    ------
    QualityGateError
        The body's ends point nowhere near the grid's z axis.
    """
    body = np.isin(placed.ids, body_ids)
    if not body.any():
        raise QualityGateError(
            "no-bone-in-mask", "The mask holds no voxel of the body.", do="Check the ids given with --body."
        )
    normal = _end_normal(body, np.asarray(placed.spacing_mm))
    direction = unit(placed.affine[:3, :3] / np.asarray(placed.spacing_mm) @ normal)
    anterior = placed.affine[:3, 1] / placed.spacing_mm[1]
    filled = np.argwhere(placed.ids > 0)[:, ::-1]
    centre = apply_affine(placed.affine, filled.mean(axis=0))
    axes = Axes.from_directions(centre, direction, anterior)
    corners = axes.to_local(apply_affine(placed.affine, filled))
    grid = grid_around(axes, corners.min(axis=0), corners.max(axis=0), step_mm)
    volume = Volume(placed.density_mgcc.transpose(2, 1, 0), placed.affine)
    density = mean_over_voxels(volume, grid)
    ids = np.zeros(grid.shape, dtype=np.int64)
    most = np.full(grid.shape, 0.0)
    total = np.zeros(grid.shape)
    for number in (int(one) for one in np.unique(placed.ids) if one != 0):
        share = mean_over_voxels(
            Volume((placed.ids == number).astype(np.float32).transpose(2, 1, 0), placed.affine), grid
        )
        total += share
        better = share > most
        ids[better], most = number, np.maximum(most, share)
    ids[total < 0.5] = 0
    return replace(
        placed, density_mgcc=density, ids=ids, spacing_mm=(step_mm,) * 3, affine=grid.affine, findings=()
    )


@dataclass(frozen=True, eq=False)
class Grid:
    """A cubic grid in a frame: ``affine`` maps (x, y, z) indices to RAS mm; ``shape`` is (nz, ny, nx)."""

    affine: FloatArray
    shape: tuple[int, int, int]
    step_mm: float

    def points(self, offset: FloatArray) -> FloatArray:
        """RAS mm of all voxels shifted by a part of a voxel, shape (nz, ny, nx, 3)."""
        nz, ny, nx = self.shape
        z, y, x = np.meshgrid(np.arange(nz), np.arange(ny), np.arange(nx), indexing="ij")
        return apply_affine(self.affine, np.stack([x, y, z], axis=-1) + offset)


def grid_around(axes: Axes, low_mm: FloatArray, high_mm: FloatArray, step_mm: float) -> Grid:
    """A cubic grid in a frame that covers a box given in it.

    Raises
    ------
    UsageError
        A voxel size that makes no sense.
    """
    if not 0.2 <= step_mm <= 5.0:
        raise UsageError(
            "voxel-size-impossible",
            f"Voxels of {step_mm:g} mm make no model of a vertebra.",
            do="Give a voxel size from 0.2 to 5 mm; 1 mm is usual.",
        )
    start = np.floor(low_mm / step_mm) - 1.0
    count = (np.ceil(high_mm / step_mm) + 2.0 - start).astype(int)
    affine = np.eye(4)
    affine[:3, :3] = axes.rotation.T * step_mm
    affine[:3, 3] = axes.to_world((start + 0.5) * step_mm)
    return Grid(affine, (int(count[2]), int(count[1]), int(count[0])), step_mm)


def mean_over_voxels(volume: Volume, grid: Grid, *, outside: float = 0.0) -> FloatArray:
    """Mean of an image over each voxel of a grid, shape of the grid."""
    data = np.asarray(volume.data, dtype=np.float32)
    total = np.zeros(grid.shape)
    places = (np.arange(FINE) + 0.5) / FINE - 0.5
    for z in places:
        for y in places:
            for x in places:
                at = volume.to_voxel(grid.points(np.array([x, y, z]))).reshape(-1, 3).T
                total += ndimage.map_coordinates(data, at, order=1, mode="constant", cval=outside).reshape(
                    grid.shape
                )
    mean: FloatArray = total / FINE**3
    return mean


def _end_normal(body: NDArray[np.bool_], spacing_mm: FloatArray) -> FloatArray:
    """Mean normal of the planes of both ends of a body, in grid axes x, y, z, pointing up."""
    planes = body.shape[0]
    columns: NDArray[np.bool_] = np.asarray(body.any(axis=0))
    depth = ndimage.distance_transform_edt(columns)
    core = depth > (1.0 - CORE_SHARE) * float(depth.max())
    top = (planes - body[::-1].argmax(axis=0)) * spacing_mm[2]
    bottom = body.argmax(axis=0) * spacing_mm[2]
    y, x = np.nonzero(core)
    slopes = np.mean([_slopes(x * spacing_mm[0], y * spacing_mm[1], s[y, x]) for s in (top, bottom)], axis=0)
    normal = unit(np.array([-slopes[0], -slopes[1], 1.0]))
    if np.degrees(np.arccos(normal[2])) > MOST_TILT_DEG:
        raise QualityGateError(
            "endplates-not-found",
            "The ends of the body could not be told: they point nowhere near the grid's z axis.",
            do="Use --align none, or give a map in which the body alone has the ids of --body.",
        )
    return normal


def _slopes(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Slopes of a plane through points; points far off it are left out in turn."""
    kept = np.ones(z.size, dtype=np.bool_)
    found: FloatArray = np.zeros(3)
    for _ in range(PASSES):
        table = np.stack([x[kept], y[kept], np.ones(int(kept.sum()))], axis=1)
        found = np.asarray(np.linalg.lstsq(table, z[kept], rcond=None)[0], dtype=np.float64)
        off = np.abs(z - found @ np.stack([x, y, np.ones(z.size)]))
        kept = off <= max(2.0 * float(np.median(off[kept])), 1e-6)
    slopes: FloatArray = found[:2]
    return slopes
