"""One vertebra on a cubic grid along its own axes: shares, depths and CT numbers, whatever the CT's voxels are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes
from endplate.anatomy.canal import mask_slice
from endplate.anatomy.distances import distance_mm
from endplate.anatomy.model import Spine, Vertebra
from endplate.anatomy.vertebra import LocalVertebra
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray, apply_affine
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.framed import framed_bone, under_grid
from endplate.mechanics.orient import Grid, grid_around, mean_over_voxels

Mask = NDArray[np.bool_]

HALF = 0.5
"""Share of a voxel that must be bone for it to be bone."""

RIMS_PERCENTILE = 90.0
"""The anterior wall is hollow: its rims are this percentile of the body's depth."""

FAR_MM = 20.0
"""Signed depths are not asked for further out than this."""


@dataclass(frozen=True, eq=False)
class BoneGrid:
    """A vertebra resampled; arrays are (I, J, K) along right, anterior, superior of its frame.

    Parameters
    ----------
    vertebra, local:
        As measured, and found again in its frame.
    affine, step_mm:
        Voxel index → RAS mm, and the edge of a voxel.
    local_mm:
        Voxel centres in the frame, shape (I, J, K, 3).
    image:
        The CT round the grid.
    hu:
        Mean CT number of each voxel.
    body_share:
        Share of each voxel that is vertebral body.
    bone, body, others:
        Voxels of the vertebra, of its body, and of other labelled bones.
    depth_mm:
        Distance below the vertebra's surface, negative outside.
    forward_mm:
        Distance in front of the posterior wall along the anterior axis, negative behind it.
    canal:
        Voxels of the spinal canal; empty where the map has no arches.
    """

    vertebra: Vertebra
    local: LocalVertebra
    affine: FloatArray
    step_mm: float
    local_mm: FloatArray
    image: Volume
    hu: FloatArray
    body_share: FloatArray
    bone: Mask
    body: Mask
    others: Mask
    depth_mm: FloatArray
    forward_mm: FloatArray
    canal: Mask

    @property
    def axes(self) -> Axes:
        """The vertebra's frame."""
        return self.local.axes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along the three axes."""
        i, j, k = self.bone.shape
        return i, j, k

    @property
    def outward(self) -> FloatArray:
        """Unit vectors out of the bone in the frame, shape (I, J, K, 3); 0 where there is no direction."""
        smooth = ndimage.gaussian_filter(self.depth_mm, 0.8)
        slope = -np.stack([np.gradient(smooth, axis=axis) for axis in range(3)], axis=-1)
        length = np.linalg.norm(slope, axis=-1, keepdims=True)
        result: FloatArray = np.where(length > 1e-6, slope / np.maximum(length, 1e-6), 0.0)
        return result

    @property
    def body_depth_mm(self) -> float:
        """From the posterior wall to the front of the body near the midline, as a lateral view shows it: its rims."""
        near = np.abs(self.local_mm[..., 0] - self.local.x_mid_mm) <= 0.25 * self.body_width_mm
        front = np.where(self.body & near, self.forward_mm, 0.0).max(axis=1)
        covered = front > 0.0
        return float(np.percentile(front[covered], RIMS_PERCENTILE) + 0.5 * self.step_mm)

    @property
    def body_width_mm(self) -> float:
        """Greatest width of the body."""
        return float(np.count_nonzero(self.body.any(axis=(1, 2))) * self.step_mm)

    def index(self, ras_mm: FloatArray) -> FloatArray:
        """RAS mm, shape (…, 3) → fractional voxel indices."""
        inverse: FloatArray = np.asarray(np.linalg.inv(self.affine), dtype=np.float64)
        return apply_affine(inverse, ras_mm)


def bone_grid(
    image: Volume, labels: LabelMap, spine: Spine, level: str, *, voxel_mm: float, margin_mm: float
) -> BoneGrid:
    """Resample one vertebra.

    Parameters
    ----------
    image, labels, spine:
        CT in HU, VerSe ids on its grid, and what was measured.
    level:
        Name of the vertebra.
    voxel_mm, margin_mm:
        Edge of the new voxels and room round the body.

    Raises
    ------
    UsageError
        ``level-not-measured``, ``level-not-labelled``, ``voxel-size-impossible``, ``cement-other-grid``.
    """
    if not image.same_grid_as(labels.volume):
        raise UsageError(
            "cement-other-grid",
            "The labels do not lie on the grid of the CT.",
            do="Give labels and CT on one grid.",
        )
    bone = framed_bone(labels, spine, level)
    local, axes = bone.local, bone.axes
    fine, body = local.grid, local.body.mask
    places = fine.low_mm + fine.step_mm * np.argwhere(body)
    grid = grid_around(axes, places.min(axis=0) - margin_mm, places.max(axis=0) + margin_mm, voxel_mm)
    crop = under_grid(image, grid)
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in grid.shape[::-1]), indexing="ij"), axis=-1)
    world = apply_affine(grid.affine, ijk)
    local_mm = axes.to_local(world)
    body_share = _on_fine(local, body.astype(np.float32), local_mm, voxel_mm)
    bone_share = _on_fine(local, fine.inside.astype(np.float32), local_mm, voxel_mm)
    is_body = body_share >= HALF
    is_bone = (bone_share >= HALF) | is_body
    found = np.rint(labels.volume.to_voxel(world)).astype(np.intp)
    inside = ((found >= 0) & (found < np.array(labels.volume.shape))).all(axis=-1)
    found = np.clip(found, 0, np.array(labels.volume.shape) - 1)
    ids = np.where(inside, labels.data[found[..., 0], found[..., 1], found[..., 2]], 0)
    return BoneGrid(
        vertebra=bone.vertebra,
        local=local,
        affine=grid.affine,
        step_mm=voxel_mm,
        local_mm=local_mm,
        image=crop,
        hu=mean_over_voxels(crop, grid, outside=0.0).transpose(2, 1, 0),
        body_share=body_share,
        bone=is_bone,
        body=is_body,
        others=(ids > 0) & (ids != bone.vertebra.label_id) & ~is_bone,
        depth_mm=_signed_depth(local, local_mm),
        forward_mm=_forward(local, local_mm),
        canal=_canal(local, local_mm) & ~is_bone,
    )


def resampled(grid: BoneGrid, mask: Volume) -> FloatArray:
    """Share of each voxel of the grid that a mask on another grid fills."""
    nx, ny, nz = grid.shape
    target = Grid(grid.affine, (nz, ny, nx), grid.step_mm)
    data = Volume(np.asarray(mask.data, dtype=np.float32), mask.affine)
    return mean_over_voxels(under_grid(data, target), target).transpose(2, 1, 0)


def _fine_index(local: LocalVertebra, local_mm: FloatArray) -> list[FloatArray]:
    """Fractional indices into the vertebra's own grid, one array for each axis."""
    index = (local_mm - local.grid.low_mm) / local.grid.step_mm
    return [index[..., axis] for axis in range(3)]


def _on_fine(
    local: LocalVertebra, values: NDArray[np.float32], local_mm: FloatArray, step: float
) -> FloatArray:
    """Means over voxels of what lies on the vertebra's own grid, 0 beyond it."""
    count = max(2, int(np.ceil(step / local.grid.step_mm)))
    places = step * ((np.arange(count) + 0.5) / count - 0.5)
    total = np.zeros(local_mm.shape[:-1])
    for x in places:
        for y in places:
            for z in places:
                at = _fine_index(local, local_mm + np.array([x, y, z]))
                total += ndimage.map_coordinates(values, at, order=1, mode="constant", cval=0.0)
    mean: FloatArray = total / count**3
    return mean


def _signed_depth(local: LocalVertebra, local_mm: FloatArray) -> FloatArray:
    """Distance below the label's surface, negative outside."""
    inside, step = local.grid.inside, local.grid.step_mm
    signed = np.where(inside, distance_mm(inside, step) - 0.5 * step, 0.5 * step - distance_mm(~inside, step))
    found: FloatArray = ndimage.map_coordinates(
        np.clip(signed, -FAR_MM, FAR_MM), _fine_index(local, local_mm), order=1, mode="nearest"
    )
    return found


def _forward(local: LocalVertebra, local_mm: FloatArray) -> FloatArray:
    """Distance in front of the posterior wall along the anterior axis."""
    wall = local.body.wall_y_mm
    unknown = ~np.isfinite(wall)
    if unknown.any():
        nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
        wall = wall[tuple(nearest)]
    x, _, z = _fine_index(local, local_mm[:, :1])
    there = ndimage.map_coordinates(wall, [x, z], order=1, mode="nearest")
    forward: FloatArray = local_mm[..., 1] - there
    return forward


def _canal(local: LocalVertebra, local_mm: FloatArray) -> Mask:
    """Voxels of the canal; above and below the vertebra its last slices go on."""
    found = np.zeros(local_mm.shape[:-1], dtype=np.bool_)
    tube = local.canal
    if tube is None:
        return found
    last = len(local.grid.coordinate(2)) - 1
    for k in range(local_mm.shape[2]):
        z = float(local_mm[0, 0, k, 2])
        index = int(np.clip(round(local.grid.index(z, 2)), 0, last))
        found[:, :, k] = mask_slice(tube, local_mm[:, :, k, 0], local_mm[:, :, k, 1], z, index)
    return found
