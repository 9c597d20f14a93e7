"""The voxels of a CT that lie next to one endplate, and where the label is smooth enough to look for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.distances import distance_mm
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

MAX_CANDIDATES = 80_000
"""Voxels of the box round an endplate that are looked at; finer scans are thinned evenly."""

MAX_VOXELS = 4_000
"""Voxels that an endplate is fitted to."""

THINNING_PER_MM = np.array([7.548776662, 5.698402910, 3.247179572])
"""Turns a millimetre of a wave along each RAS axis: voxels of low phase are an even sample of the space.

It depends on where a voxel lies and not on the order of the array, so a turned scan gives the same endplates.
"""

THICKNESS_SHARE = 0.45
"""Voxels further inside than this share of the body's height belong to the other endplate."""


@dataclass(frozen=True, eq=False)
class EdgeVoxels:
    """Voxels near an endplate, in an order in which any first part is an even sample.

    Parameters
    ----------
    xy_mm:
        Shape (N, 2): place over the endplate, local mm.
    outside_mm:
        Shape (N,): distance outside the label's surface, along its normal.
    hu:
        CT numbers.
    box_mm, variance_mm2:
        The voxel seen along the normal: its longest edge, and the variance that its other edges add.
    """

    xy_mm: FloatArray
    outside_mm: FloatArray
    hu: FloatArray
    box_mm: FloatArray
    variance_mm2: FloatArray


@dataclass(frozen=True, eq=False)
class ScanBox:
    """A CT and its label map on one grid, and which label is the vertebra's own."""

    image: Volume
    labels: LabelMap
    label_id: int


def voxel_extent_mm(vertebra: LocalVertebra) -> float:
    """Extent of a voxel along the vertebra's axis."""
    return float(np.linalg.norm(vertebra.axes.superior @ vertebra.field.affine[:3, :3]))


def surface_trust(raw: FloatArray, smooth: FloatArray, extent: float, step_mm: float) -> FloatArray:
    """Where the smooth surface stands for the label, 0–1, shape (X, Y): not at cliffs, broken rims or lips.

    Rounding moves the label from a smooth surface by a quarter of a voxel on average, never by half a voxel over a
    whole neighbourhood.
    """
    known = np.isfinite(raw) & np.isfinite(smooth)
    reach = float(value("refine.rough_reach_mm"))
    weight = ndimage.gaussian_filter(known.astype(np.float64), reach / step_mm)
    apart = np.where(known, np.abs(raw - smooth), 0.0)
    rough = ndimage.gaussian_filter(apart, reach / step_mm) / np.maximum(weight, 1e-6)
    broken = rough > float(value("refine.rough_share")) * max(
        extent, float(value("refine.rough_extent_min_mm"))
    )
    good = ~(broken & known)
    if good.all():
        return known.astype(np.float64)
    far = distance_mm(good, step_mm)
    trust: FloatArray = np.where(known, np.clip(far / reach, 0.0, 1.0), 0.0)
    return trust


def along_z(surface: FloatArray, step_mm: float) -> FloatArray:
    """Length along z of one mm along the surface's normal, shape (X, Y)."""
    slope_x, slope_y = np.gradient(_filled(surface), step_mm)
    length: FloatArray = np.sqrt(1.0 + slope_x**2 + slope_y**2)
    return length


def _filled(surface: FloatArray) -> FloatArray:
    """The surface continued over the rim by its nearest value."""
    nearest = ndimage.distance_transform_edt(
        ~np.isfinite(surface), return_distances=False, return_indices=True
    )
    full: FloatArray = surface[tuple(nearest)]
    return full


def near_voxels(
    vertebra: LocalVertebra, side: int, surface_mm: FloatArray, scan: ScanBox
) -> EdgeVoxels | None:
    """Collect the voxels next to one endplate that show it and no other bone; ``None`` where they are too few.

    Parameters
    ----------
    vertebra:
        As found from its label.
    side:
        +1 for the superior, −1 for the inferior endplate.
    surface_mm:
        Shape (X, Y): the label's smooth surface, NaN where it is not trusted.
    scan:
        The CT.
    """
    grid = vertebra.grid
    inward, outward = (float(mm) + voxel_extent_mm(vertebra) for mm in value("refine.reach_mm"))
    below, above = (inward, outward) if side > 0 else (outward, inward)
    found = _box(vertebra, surface_mm, below, above, scan.image)
    if found is None:
        return None
    box, index, points = found
    full = _filled(surface_mm)
    slopes = np.gradient(full, grid.step_mm)
    thickness = vertebra.surfaces.top_smooth_mm - vertebra.surfaces.bottom_smooth_mm
    thickness = np.where(np.isfinite(thickness), thickness, 0.0)

    at = ((points[:, :2] - grid.low_mm[:2]) / grid.step_mm).T
    known = np.isfinite(surface_mm).astype(np.float32)
    over = np.flatnonzero(ndimage.map_coordinates(known, at, order=1) > 0.99)
    points, index, at = points[over], index[over], at[:, over]
    base, dx, dy, thick = _interpolated(np.stack([full, *slopes, thickness]), at)
    length = np.sqrt(1.0 + dx**2 + dy**2)
    outside = side * (points[:, 2] - base) / length
    near = (outside < outward) & (outside > -np.minimum(inward, THICKNESS_SHARE * thick))
    near &= ~_other_bone(scan, box)[tuple(index.T)]
    hu = scan.image.data[box][tuple(index.T)].astype(np.float64)
    chosen = np.flatnonzero(near & np.isfinite(hu))
    turns = vertebra.axes.to_world(points[chosen]) @ THINNING_PER_MM
    chosen = chosen[np.argsort(turns - np.floor(turns))][:MAX_VOXELS]
    if len(chosen) < int(value("refine.voxels_min")):
        return None
    if float(np.mean(hu[chosen] > float(value("refine.metal_hu")))) > float(value("refine.metal_share_max")):
        return None
    normal = np.stack([-dx, -dy, np.ones_like(dx)], axis=1)[chosen] / length[chosen, None]
    edges = np.sort(np.abs(normal @ (vertebra.axes.rotation @ scan.image.affine[:3, :3])), axis=1)
    return EdgeVoxels(
        points[chosen, :2],
        outside[chosen],
        hu[chosen],
        edges[:, 2],
        (edges[:, 0] ** 2 + edges[:, 1] ** 2) / 12.0,
    )


def _interpolated(maps: FloatArray, at: FloatArray) -> FloatArray:
    """Several maps, shape (M, X, Y), at fractional indices, shape (2, N) → (M, N)."""
    return np.stack(
        [np.asarray(ndimage.map_coordinates(part, at, order=1), dtype=np.float64) for part in maps]
    )


def _box(
    vertebra: LocalVertebra, surface_mm: FloatArray, below_mm: float, above_mm: float, image: Volume
) -> tuple[tuple[slice, ...], NDArray[np.intp], FloatArray] | None:
    """The box of the CT round a surface, the voxels looked at in it, shape (N, 3), and their local mm."""
    grid, axes = vertebra.grid, vertebra.axes
    ix, iy = np.nonzero(np.isfinite(surface_mm))
    x, y, z = grid.coordinate(0)[ix], grid.coordinate(1)[iy], surface_mm[ix, iy]
    ends = ((x.min(), x.max()), (y.min(), y.max()), (z.min() - below_mm, z.max() + above_mm))
    corners = np.stack(np.meshgrid(*ends, indexing="ij"), axis=-1).reshape(-1, 3)
    ijk = image.to_voxel(axes.to_world(corners))
    low = np.clip(np.floor(ijk.min(axis=0)).astype(int), 0, image.shape)
    high = np.clip(np.ceil(ijk.max(axis=0)).astype(int) + 1, 0, image.shape)
    shape = high - low
    if shape.min() < 1:
        return None
    to_local = axes.rotation @ image.affine[:3, :3]
    start = to_local @ low + axes.to_local(image.affine[:3, 3])
    # The phase of a voxel is a sum over the three axes of its box.
    a, b, c = (
        per_voxel * np.arange(n)
        for per_voxel, n in zip(THINNING_PER_MM @ image.affine[:3, :3], shape, strict=True)
    )
    phase = float(THINNING_PER_MM @ image.to_world(low)) + a[:, None, None] + b[:, None] + c
    phase -= np.floor(phase)
    index = np.argwhere(phase <= MAX_CANDIDATES / phase.size)
    points = index @ to_local.T + start
    box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
    return box, index, points


def _other_bone(scan: ScanBox, box: tuple[slice, ...]) -> NDArray[np.bool_]:
    """The neighbouring vertebrae and their blurred edge, in a box."""
    crop = scan.labels.data[box]
    other: NDArray[np.bool_] = np.asarray((crop > 0) & (crop != scan.label_id))
    if not other.any():
        return other
    spacing = scan.labels.volume.spacing_mm
    reach = 1 + np.ceil(float(value("refine.neighbour_mm")) / spacing).astype(int)
    grown: NDArray[np.bool_] = ndimage.maximum_filter(other, size=tuple(int(2 * r - 1) for r in reach))
    return grown
