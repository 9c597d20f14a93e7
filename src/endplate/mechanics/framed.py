"""A measured vertebra found again in its own frame: where every model of a bone begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import Axes
from endplate.anatomy.mask import label_field
from endplate.anatomy.model import Spine, Vertebra
from endplate.anatomy.vertebra import LocalVertebra, vertebra_in_frame
from endplate.errors import UsageError
from endplate.imaging.geometry import apply_affine
from endplate.imaging.volume import LabelMap, Volume
from endplate.mechanics.orient import Grid

MARGIN_VOXELS = 3
"""Voxels of the CT kept round a grid, so that interpolation at its rim sees them."""


@dataclass(frozen=True, eq=False)
class FramedBone:
    """What was measured of a vertebra, and its parts on a fine grid along its own axes."""

    vertebra: Vertebra
    local: LocalVertebra

    @property
    def axes(self) -> Axes:
        """The vertebra's frame."""
        return self.local.axes


def framed_bone(labels: LabelMap, spine: Spine, level: str) -> FramedBone:
    """Find a measured vertebra again in a label map.

    Parameters
    ----------
    labels:
        VerSe ids, on any grid.
    spine:
        The measurements; frame and canal are taken from there.
    level:
        Name of the vertebra.

    Raises
    ------
    UsageError
        ``level-not-measured`` or ``level-not-labelled``.
    """
    vertebra = spine.find(level)
    if vertebra is None or vertebra.frame is None:
        raise UsageError(
            "level-not-measured",
            f"{level} was not measured in this scan.",
            do="Name a level that `endplate assess` lists with its heights.",
        )
    boxes = ndimage.find_objects(np.asarray(labels.data))
    number = vertebra.label_id
    box = boxes[number - 1] if 0 < number <= len(boxes) else None
    if box is None:
        raise UsageError(
            "level-not-labelled", f"{level} is not in the label map.", do="Give the labels of this scan."
        )
    field = label_field(labels.data, labels.volume.affine, box, number)
    frame = vertebra.frame
    axes = Axes.from_directions(frame.origin_ras_mm, frame.superior_ras, frame.anterior_ras)
    centre = vertebra.canal.centre_ras_mm
    seed = None if centre is None else np.asarray(centre)
    return FramedBone(vertebra, vertebra_in_frame(level, field, axes, canal_seed_ras_mm=seed))


def under_grid(image: Volume, grid: Grid) -> Volume:
    """The part of a volume that a grid covers, and a little more."""
    nz, ny, nx = grid.shape
    ends = np.array([[x, y, z] for x in (0, nx) for y in (0, ny) for z in (0, nz)], dtype=np.float64)
    places = image.to_voxel(apply_affine(grid.affine, ends))
    return image.crop(
        np.floor(places.min(axis=0)) - MARGIN_VOXELS, np.ceil(places.max(axis=0)) + MARGIN_VOXELS
    )
