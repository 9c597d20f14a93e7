"""One vertebra's label as a smooth occupancy that can be sampled anywhere.

A binary map knows a surface only to half a voxel. Smoothed by about its own voxel and cut at one half, it gives
the surface of least staircase: exact for planes, and for a curvature radius R shifted by σ²/2R only.
"""

from __future__ import annotations

from dataclasses import dataclass

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.kernels import cast_out, resample_linear, sample_linear
from endplate.imaging.geometry import apply_affine, voxel_sizes_mm

SMOOTHING_VOXELS = 0.6
"""σ of the smoothing along each voxel axis, in voxels of that axis (at most ``SMOOTHING_MAX_MM``)."""

SMOOTHING_MIN_MM = 0.5
"""σ is not less than this, so that very fine voxels do not keep the annotator's jitter."""

SMOOTHING_MAX_MM = 1.0
"""σ is not more than this, so that thick slices do not wash thin pedicles out."""

SPECK_SHARE = 0.02
"""Separate pieces of a label smaller than this share of its largest piece are stray specks."""

PAD_MM = 4.0
"""Empty rim kept around a vertebra's crop."""


@dataclass(frozen=True, eq=False)
class LabelField:
    """Smoothed occupancy 0–1 of one label on a crop of its grid.

    Parameters
    ----------
    occupancy:
        Shape (I, J, K), float32; the surface lies at 0.5.
    affine:
        4×4, crop voxel → RAS mm.
    touches_edge:
        The label reaches the edge of the scan, so part of the vertebra is missing.
    voxels, dropped_voxels:
        Voxels of the vertebra, and of stray specks that were left out.
    """

    occupancy: NDArray[np.float32]
    affine: FloatArray
    touches_edge: bool
    voxels: int
    dropped_voxels: int

    @property
    def spacing_mm(self) -> FloatArray:
        """Voxel sizes of the grid, shape (3,)."""
        return voxel_sizes_mm(self.affine)

    def sample(self, ras_mm: FloatArray) -> NDArray[np.float32]:
        """Occupancy at RAS points, shape (..., 3) → (...); 0 outside."""
        inverse = np.linalg.inv(self.affine)[:3]
        points = np.ascontiguousarray(ras_mm, dtype=np.float64)
        flat = sample_linear(self.occupancy, inverse, points.reshape(-1, 3))
        values: NDArray[np.float32] = flat.reshape(points.shape[:-1])
        return values

    def cast_out(
        self, start_ras_mm: FloatArray, rays_ras: FloatArray, slab_mm: FloatArray, step: float, steps: int
    ) -> FloatArray:
        """Lengths of rays from inside to the surface, shape (N,), as ``kernels.cast_out`` with points in RAS mm."""
        inverse = np.linalg.inv(self.affine)[:3]
        lengths: FloatArray = cast_out(
            self.occupancy,
            inverse,
            np.ascontiguousarray(start_ras_mm, dtype=np.float64),
            np.ascontiguousarray(rays_ras, dtype=np.float64),
            np.ascontiguousarray(slab_mm, dtype=np.float64),
            step,
            steps,
        )
        return lengths


@dataclass(frozen=True, eq=False)
class LocalGrid:
    """A field sampled on a grid along the vertebra's own axes; arrays are indexed [right, anterior, superior]."""

    axes: Axes
    values: NDArray[np.float32]
    low_mm: FloatArray
    step_mm: float

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Voxels inside the surface."""
        mask: NDArray[np.bool_] = self.values >= 0.5
        return mask

    def coordinate(self, axis: int) -> FloatArray:
        """Local mm of the grid along one axis."""
        line: FloatArray = self.low_mm[axis] + self.step_mm * np.arange(self.values.shape[axis])
        return line

    def index(self, local_mm: float, axis: int) -> float:
        """Fractional grid index of a local coordinate."""
        return float((local_mm - self.low_mm[axis]) / self.step_mm)


def label_field(
    labels: NDArray[np.uint8], affine: FloatArray, box: tuple[slice, ...], number: int
) -> LabelField:
    """Cut out and smooth one label.

    Parameters
    ----------
    labels:
        The whole map, shape (I, J, K).
    affine:
        Its affine (RAS mm).
    box:
        Where the label is, as from ``scipy.ndimage.find_objects``.
    number:
        The label id.
    """
    spacing = voxel_sizes_mm(affine)
    pad = np.ceil(PAD_MM / spacing).astype(int)
    corner = np.array([s.start for s in box])
    whole = labels[box] == number
    kept, inner = _main_pieces(whole)
    dropped = int(np.count_nonzero(whole)) - int(np.count_nonzero(kept))
    start = corner + np.array([s.start for s in inner])
    stop = corner + np.array([s.stop for s in inner])
    touches = bool((start == 0).any() or (stop == np.array(labels.shape)).any())
    # A rim of air all round, also where the scan ends, keeps every surface closed.
    crop = np.pad(kept, [(int(p), int(p)) for p in pad])
    sigma = np.clip(SMOOTHING_VOXELS * spacing, SMOOTHING_MIN_MM, SMOOTHING_MAX_MM) / spacing
    smooth = ndimage.gaussian_filter(crop.astype(np.float32), sigma, mode="constant", truncate=3.0)
    local = np.array(affine, dtype=np.float64)
    local[:3, 3] = apply_affine(affine, start - pad)
    return LabelField(smooth, local, touches, int(np.count_nonzero(kept)), dropped)


def _main_pieces(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[slice, ...]]:
    """The mask without stray specks, cut to the box of what is left, and that box.

    A speck far from the bone would stretch the vertebra's grid over half the scan.
    """
    pieces, count = cc3d.connected_components(mask, connectivity=26, return_N=True)
    if count > 1:
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        sizes[0] = 0
        mask = (sizes >= SPECK_SHARE * sizes.max())[pieces]
    box: tuple[slice, ...] = ndimage.find_objects(mask.astype(np.uint8))[0]
    return mask[box], box


def resample(field: LabelField, axes: Axes, step_mm: float) -> LocalGrid:
    """Sample a field on a grid along ``axes`` that covers the whole label."""
    local = axes.to_local(apply_affine(field.affine, _column_ends(field.occupancy > 0.05)))
    low = local.min(axis=0) - 2.5
    count = np.ceil((local.max(axis=0) + 2.5 - low) / step_mm).astype(int) + 1
    # One affine from grid index to field voxel: cheaper than mapping points.
    to_world = np.eye(4)
    to_world[:3, :3] = axes.rotation.T * step_mm
    to_world[:3, 3] = axes.to_world(low)
    chain = (np.linalg.inv(field.affine) @ to_world)[:3]
    values = resample_linear(field.occupancy, chain, (int(count[0]), int(count[1]), int(count[2])))
    return LocalGrid(axes, values, low, step_mm)


def _column_ends(mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """First and last voxel of every column along the last axis: among them are the extremes in any direction."""
    columns = np.argwhere(mask.any(axis=2))
    stacks = mask[columns[:, 0], columns[:, 1]]
    first = stacks.argmax(axis=1)
    last = mask.shape[2] - 1 - stacks[:, ::-1].argmax(axis=1)
    return np.concatenate([np.column_stack([columns, first]), np.column_stack([columns, last])])
