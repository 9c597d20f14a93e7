"""Bring a label map onto the grid of its image, exactly or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from endplate.errors import InputError
from endplate.imaging.geometry import apply_affine, same_grid
from endplate.imaging.volume import Volume
from endplate.sources import finding

_TURN_TOLERANCE = 1e-3
"""An entry of the map between two grids may differ from -1, 0 or 1 by this; the corners decide."""


def onto_grid(labels: Volume, image: Volume, *, part: bool = False) -> Volume:
    """Return the labels on the image's voxel grid without resampling.

    The same grid stored in another axis order or direction is turned; a rounding difference of the affine is
    replaced by the image's affine. With ``part`` the labels may cover a part of the grid (formats that store only
    what is not empty), and reach beyond it where they are empty.

    Raises
    ------
    InputError
        ``label-grid-differs``: the voxels of the two do not coincide, or labels lie outside the image.
    """
    if not labels.same_grid_as(image):
        turned = _turned(labels, image)
        if turned is not None and part:
            turned = _within(turned, image)
        if turned is None or not turned.same_grid_as(image):
            raise _differs(labels, image)
        labels = turned
    return replace(labels, affine=image.affine)


def _turned(labels: Volume, image: Volume) -> Volume | None:
    """Return the labels with axes swapped and reversed to the image's, ``None`` if the axes do not fit."""
    step = np.linalg.inv(labels.affine[:3, :3]) @ image.affine[:3, :3]
    signs = np.rint(step)
    if np.abs(step - signs).max() > _TURN_TOLERANCE or not _is_turn(signs):
        return None
    axes = [int(np.flatnonzero(signs[:, column])[0]) for column in range(3)]
    directions = [int(signs[axis, column]) for column, axis in enumerate(axes)]
    if axes == [0, 1, 2] and directions == [1, 1, 1]:
        return labels
    start = np.zeros(3)
    for axis, direction in zip(axes, directions, strict=True):
        start[axis] = labels.shape[axis] - 1 if direction < 0 else 0
    affine = np.eye(4)
    affine[:3, :3] = labels.affine[:3, :3] @ signs
    affine[:3, 3] = apply_affine(labels.affine, start)
    data = labels.data.transpose(axes)[tuple(slice(None, None, direction) for direction in directions)]
    note = finding("labels-turned", stored="".join(labels.axis_codes), image="".join(image.axis_codes))
    return replace(labels, data=data, affine=affine, findings=(*labels.findings, note))


def _within(labels: Volume, image: Volume) -> Volume | None:
    """Return the labels in a volume of the image's size, ``None`` where their voxels are not the image's."""
    offset = np.rint(image.to_voxel(labels.affine[:3, 3])).astype(int)
    moved = image.affine.copy()
    moved[:3, 3] = image.to_world(offset)
    low, high = np.maximum(offset, 0), np.minimum(offset + labels.shape, image.shape)
    if not same_grid(labels.shape, labels.affine, labels.shape, moved) or (high <= low).any():
        return None
    inside = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
    own = tuple(slice(a, b) for a, b in zip(low - offset, high - offset, strict=True))
    if np.count_nonzero(labels.data) != np.count_nonzero(labels.data[own]):
        raise InputError(
            "label-grid-differs",
            "The label map lies on the voxels of the CT but has labels outside it: it was made from a larger CT.",
            do="Give the CT that the labels were made from, or cut the labels to this CT.",
        )
    data = np.zeros(image.shape, dtype=labels.data.dtype, order="F")
    data[inside] = labels.data[own]
    return replace(labels, data=data, affine=image.affine)


def _is_turn(signs: NDArray[np.float64]) -> bool:
    """Say whether every row and column has one entry of ±1."""
    ones = np.abs(signs)
    return bool((ones.sum(axis=0) == 1).all() and (ones.sum(axis=1) == 1).all() and ones.max() == 1)


def _differs(labels: Volume, image: Volume) -> InputError:
    return InputError(
        "label-grid-differs",
        f"The label map does not lie on the voxels of the CT. CT: {_in_words(image)}. "
        f"Labels: {_in_words(labels)}.{_apart(labels, image)}",
        do="Give the label map that was made from this CT, or resample it onto the CT with nearest-neighbour "
        "interpolation (3D Slicer: Resample Scalar/Vector/DWI Volume, reference CT, interpolation nn).",
    )


def _in_words(volume: Volume) -> str:
    shape = " × ".join(str(n) for n in volume.shape)
    spacing = " × ".join(f"{mm:.3g}" for mm in volume.spacing_mm)
    first = ", ".join(f"{mm:.1f}" for mm in volume.to_world([0, 0, 0]))
    return (
        f"{shape} voxels of {spacing} mm, axes {''.join(volume.axis_codes)}, first voxel at ({first}) mm RAS"
    )


def _apart(labels: Volume, image: Volume) -> str:
    """Say how far the middles lie apart: nothing tells a wrong patient from a wrong spacing sooner."""
    middles = [volume.to_world((np.array(volume.shape) - 1) / 2.0) for volume in (labels, image)]
    return f" Their middles lie {np.linalg.norm(middles[0] - middles[1]):.1f} mm apart."
