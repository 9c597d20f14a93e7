"""The implants of a phantom in its CT, and their exact masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.synthetic import implant_kernels as k
from endplate.synthetic.anatomy import SolvedSpine
from endplate.synthetic.grid import voxel_box
from endplate.synthetic.implant_shapes import solids_of

if TYPE_CHECKING:
    from endplate.synthetic.phantom import Phantom

CELL_MM = 0.35
"""Voxels are split into cells no larger than this."""


@dataclass(frozen=True, eq=False)
class ImplantTruth:
    """Exact masks on a grid: a voxel belongs to what its centre lies in.

    Parameters
    ----------
    material:
        Shape of the grid, uint8: 0 nothing, 1 cement, 2 metal.
    label_id:
        VerSe id of the level that each voxel of it was meant for.
    in_bone:
        The voxel's centre lies in that vertebra.
    """

    material: NDArray[np.uint8]
    label_id: NDArray[np.uint8]
    in_bone: NDArray[np.bool_]


def has_implants(spine: SolvedSpine) -> bool:
    """Whether anything is asked for."""
    return any(v.implants is not None for v in spine.spec.vertebrae)


def paint_implants(
    image: NDArray[np.float32], affine: FloatArray, spine: SolvedSpine, sigma_mm: float
) -> NDArray[np.float32] | None:
    """Lay all implants over a CT and return the CT number of metal by its share of each voxel.

    ``None`` where there is no metal. ``sigma_mm`` is the scanner's blur; the CT below is blurred already.
    """
    shape = (image.shape[0], image.shape[1], image.shape[2])
    cut = np.maximum(np.ceil(voxel_sizes_mm(affine) / CELL_MM - 1e-9), 2).astype(np.int64)
    metal: NDArray[np.float32] | None = None
    for row in solids_of(spine):
        start, stop = voxel_box(_box(row), shape, affine)
        k.paint_solid(image, start, stop, affine, cut, sigma_mm, row, spine.packed)
        if row[k.S_MATERIAL] == k.METAL:
            metal = np.zeros(shape, dtype=np.float32) if metal is None else metal
            k.paint_solid(metal, start, stop, affine, cut, sigma_mm, row, spine.packed)
    return metal


def implant_truth(phantom: Phantom) -> ImplantTruth:
    """The exact masks of a phantom's implants on its own grid."""
    spine, volume = phantom.spine, phantom.labels.volume
    number = np.full(volume.shape, -1, dtype=np.int16)
    solids = solids_of(spine)
    for n, row in enumerate(solids):
        start, stop = voxel_box(_box(row), volume.shape, volume.affine)
        k.mark_solid(number, start, stop, volume.affine, n, row, spine.packed)
    material = np.zeros(volume.shape, dtype=np.uint8)
    label_id = np.zeros(volume.shape, dtype=np.uint8)
    where = number >= 0
    if where.any():
        chosen = solids[number[where]]
        ids = np.array([v.label_id for v in spine.spec.vertebrae])
        material[where] = chosen[:, k.S_MATERIAL]
        label_id[where] = ids[chosen[:, k.S_LEVEL].astype(int)]
    return ImplantTruth(material, label_id, where & (phantom.labels.data == label_id))


def _box(row: FloatArray) -> FloatArray:
    """Corners of a box round a body, world points."""
    reach = float(row[k.S_RADII : k.S_RADII + 3].max()) + 2.0
    ends = np.array([row[k.S_START : k.S_START + 3], row[k.S_END : k.S_END + 3]])
    corners: FloatArray = np.array(
        [
            [x, y, z]
            for x in (ends[:, 0].min() - reach, ends[:, 0].max() + reach)
            for y in (ends[:, 1].min() - reach, ends[:, 1].max() + reach)
            for z in (ends[:, 2].min() - reach, ends[:, 2].max() + reach)
        ]
    )
    return corners
