"""A scan taken through a fracture's field: CT numbers by splines, labels by their implicit surfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy import distances
from endplate.anatomy.axes import Axes, FloatArray
from endplate.errors import QualityGateError
from endplate.imaging.geometry import voxel_sizes_mm
from endplate.imaging.volume import Volume
from endplate.synthetic.fracture_field import STILL_MM, FractureField

LAYER_MM = 0.4
"""A voxel's share of the moved bone is told from points along it that are no further apart than this."""

PAD_VOXELS = 6
"""Voxels round what moves that the splines may look at."""


@dataclass(frozen=True, eq=False)
class Moved:
    """The voxels that a field moves, and where each came from.

    Parameters
    ----------
    box:
        Voxel box that holds them and what they came from, with room for splines.
    index:
        Shape (n, 3): their indices in the box.
    source:
        Shape (n, 3): fractional box indices that they came from.
    layers:
        Shape (m, n, 3): the same for m points in each voxel, evenly along the voxel axis that follows the vertebra's.
    local_mm:
        Shape (n, 3): where they are now, in the vertebra's frame.
    jacobian:
        Shape (n,): volume after over before.
    """

    box: tuple[slice, slice, slice]
    index: NDArray[np.intp]
    source: FloatArray
    layers: FloatArray
    local_mm: FloatArray
    jacobian: FloatArray

    def put(self, box_array: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
        """A copy of an array over the box with the moved voxels changed."""
        changed = box_array.copy()
        changed[tuple(self.index.T)] = values
        return changed

    def take(self, box_array: NDArray[Any]) -> NDArray[Any]:
        """Values of an array over the box at the moved voxels."""
        taken: NDArray[Any] = box_array[tuple(self.index.T)]
        return taken


def find_moved(volume: Volume, axes: Axes, field: FractureField) -> Moved:
    """The voxels of a volume that a field moves.

    Raises
    ------
    QualityGateError
        ``fracture-at-edge``: something would have to come from outside the volume.
    """
    columns = field.columns
    x_count, y_count = columns.top_mm.shape
    last = columns.low_mm + columns.step_mm * np.array([x_count - 1, y_count - 1])
    low = np.array([*columns.low_mm, float((columns.bottom_mm - columns.below_mm).min())])
    high = np.array([*last, float((columns.top_mm + columns.above_mm).max())])
    corners = np.array(
        [[a, b, c] for a in (low[0], high[0]) for b in (low[1], high[1]) for c in (low[2], high[2])]
    )
    voxel = volume.to_voxel(axes.to_world(corners))
    start = np.clip(np.floor(voxel.min(axis=0)).astype(int), 0, np.array(volume.shape) - 1)
    stop = np.clip(np.ceil(voxel.max(axis=0)).astype(int) + 1, start + 1, volume.shape)
    grid = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(start, stop, strict=True)), indexing="ij"), -1
    )
    index = grid.reshape(-1, 3)
    local = axes.to_local(volume.to_world(index))
    within = ((local >= low) & (local <= high)).all(axis=1)
    index, local = index[within], local[within]
    near = field.amount(local[:, :2]) > STILL_MM
    if field.bulge is not None:
        near |= np.abs(local[:, 0] - field.bulge.x_mm) < field.bulge.half_width_mm
    index, local = index[near], local[near]
    came = field.inverse(local)
    moved = np.abs(came - local).max(axis=1) > STILL_MM
    index, local, came = index[moved], local[moved], came[moved]
    source = volume.to_voxel(axes.to_world(came))
    if not len(index) or (source < -0.5).any() or (source > np.array(volume.shape) - 0.5).any():
        raise QualityGateError(
            "fracture-at-edge",
            "The level stands so near the edge of the scan that its discs are not in view.",
            do="Choose a level further from the edge, or a scan that shows more.",
        )
    low_box = np.maximum(
        np.minimum(index.min(axis=0), np.floor(source.min(axis=0)).astype(int)) - PAD_VOXELS, 0
    )
    high_box = np.minimum(
        np.maximum(index.max(axis=0), np.ceil(source.max(axis=0)).astype(int)) + 1 + PAD_VOXELS, volume.shape
    )
    box = tuple(slice(int(a), int(b)) for a, b in zip(low_box, high_box, strict=True))
    return Moved(
        (box[0], box[1], box[2]),
        index - low_box,
        source - low_box,
        _layers(volume, axes, field, index) - low_box,
        local,
        field.jacobian(came),
    )


def _layers(volume: Volume, axes: Axes, field: FractureField, index: NDArray[np.intp]) -> FloatArray:
    """Where points along each voxel came from, fractional indices of the volume, shape (m, n, 3)."""
    along = int(np.argmax(np.abs(axes.superior @ (volume.affine[:3, :3] / volume.spacing_mm))))
    count = int(np.ceil(float(volume.spacing_mm[along]) / LAYER_MM))
    offset = np.zeros(3)
    found = []
    for place in (np.arange(count) + 0.5) / count - 0.5:
        offset[along] = place
        came = field.inverse(axes.to_local(volume.to_world(index + offset)))
        found.append(volume.to_voxel(axes.to_world(came)))
    return np.stack(found)


def sample_image(image: NDArray[Any], moved: Moved) -> FloatArray:
    """CT numbers that the moved voxels bring with them, shape (n,)."""
    part = np.asarray(image[moved.box], dtype=np.float64)
    low, high = float(part.min()), float(part.max())
    values: FloatArray = ndimage.map_coordinates(part, moved.source.T, order=3, mode="nearest")
    return np.clip(values, low, high)


@dataclass(frozen=True, eq=False)
class WarpedLabels:
    """Labels of the moved voxels and how deep each lay in its own vertebra.

    Parameters
    ----------
    ids:
        Shape (n,), uint8.
    depth_mm:
        Shape (n,): signed depth in the fractured vertebra, positive inside.
    """

    ids: NDArray[np.uint8]
    depth_mm: FloatArray


def sample_labels(
    labels: NDArray[np.uint8], affine: FloatArray, own: int, moved: Moved, own_voxels: int
) -> WarpedLabels:
    """Carry labels along by the signed distance to each one's surface: no holes, no steps of the nearest voxel.

    Parameters
    ----------
    labels, affine:
        The whole map.
    own:
        Id of the fractured vertebra.
    moved:
        What moves.
    own_voxels:
        How many of the moved voxels the fractured vertebra fills: those that hold the most of it get its label.
        Rounding to whole voxels would take or give half a slice of a level endplate.

    Notes
    -----
    The distance is cut at the smallest voxel size: else, across thick slices, a wall near by would draw the endplate
    down at its rim. How much of the vertebra a voxel holds is told where the voxel is now: depths of where it came from
    say little of it, because a crushed body is closer and a stretched disc wider than before.
    """
    part = labels[moved.box]
    spacing = voxel_sizes_mm(affine)
    best = np.zeros(len(moved.index))
    ids = np.zeros(len(moved.index), dtype=np.uint8)
    depth = np.full(len(moved.index), -np.inf)
    share = np.zeros(len(moved.index))
    for number in np.unique(part):
        if number == 0:
            continue
        mask = part == number
        signed = _distance(mask, spacing) - _distance(~mask, spacing)
        found = _sampled(signed, moved.source)
        if number == own:
            depth = found
            share = np.mean([_sampled(signed, layer) > 0.0 for layer in moved.layers], axis=0)
            continue
        deeper = found > best
        best, ids = np.where(deeper, found, best), np.where(deeper, np.uint8(number), ids)
    can_be = (share > 0.0) & (depth > np.where(ids == 0, -np.inf, best))
    # Of voxels that hold as much, the deeper ones first.
    order = np.lexsort((-depth[can_be], -share[can_be]))
    ids[np.flatnonzero(can_be)[order][:own_voxels]] = own
    return WarpedLabels(ids, depth)


def _sampled(field: FloatArray, index: FloatArray) -> FloatArray:
    values: FloatArray = ndimage.map_coordinates(field, index.T, order=1, mode="nearest")
    return values


def carry_labels(
    labels: Volume, own: int, moved: Moved, axes: Axes, field: FractureField
) -> tuple[NDArray[Any], WarpedLabels]:
    """All labels after the field: ids of the whole volume, and those of what moved.

    Parameters
    ----------
    labels:
        Before; not changed.
    own:
        Label of the vertebra that changes its shape.
    moved, axes, field:
        What moves, the vertebra's frame and the field.
    """
    part = labels.data[moved.box]
    stays = part == own
    still = int(np.count_nonzero(stays)) - int(np.count_nonzero(moved.take(stays)))
    count = own_voxels_after(labels, own, moved, still, axes, field)
    warped = sample_labels(labels.data, labels.affine, own, moved, count)
    ids = labels.data.copy()
    ids[moved.box] = moved.put(part, warped.ids)
    return ids, warped


def own_voxels_after(
    labels: Volume, own: int, moved: Moved, ids_still: int, axes: Axes, field: FractureField
) -> int:
    """How many moved voxels the fractured vertebra fills: its volume by the Jacobian, less what of it stays."""
    index = np.argwhere(labels.data[moved.box] == own) + np.array([s.start for s in moved.box])
    local = axes.to_local(labels.to_world(index))
    columns = field.columns
    last = columns.low_mm + columns.step_mm * (np.array(columns.top_mm.shape) - 1)
    known = ((local[:, :2] >= columns.low_mm) & (local[:, :2] <= last)).all(axis=1)
    volume = float(field.jacobian(local[known]).sum()) + float(np.count_nonzero(~known))
    return max(round(volume) - ids_still, 0)


def _distance(mask: NDArray[np.bool_], spacing_mm: FloatArray) -> FloatArray:
    """Distance inside a mask, cut at the smallest voxel size."""
    found: FloatArray = np.minimum(distances.distance_mm(mask, spacing_mm), float(spacing_mm.min()))
    return found
