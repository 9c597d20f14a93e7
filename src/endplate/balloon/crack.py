"""Where a fracture lets the parts of a body move against each other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.model import Shape
from endplate.balloon.body import Bone, Mask
from endplate.imaging.geometry import apply_affine
from endplate.sources import value


@dataclass(frozen=True, eq=False)
class Crack:
    """The broken zone of a body.

    Parameters
    ----------
    voxels:
        Of the zone, shape (I, J, K).
    plug:
        Columns (I, J) whose endplates move against the rim; all columns unless the fracture is biconcave.
    """

    voxels: Mask
    plug: Mask


def crack_of(bone: Bone, shape: Shape | None, height_mm: float) -> Crack:
    """The broken zone at a height (mm along the superior axis of the frame), by the shape of the fracture.

    Wedge: a level zone, open in front, whose posterior part is whole and hinges. Crush: level throughout. Biconcave:
    a central plug cut loose from the rim up to both endplates and through its middle. No fracture: nothing.
    """
    columns: Mask = np.asarray(bone.body.any(axis=2))
    if shape is None:
        return Crack(np.zeros_like(bone.body), columns)
    local = frame_mm(bone)
    layers = max(1, round(float(value("balloon.crack_mm")) / bone.step_mm))
    away = np.abs(local[0, 0, :, 2] - height_mm)
    level = bone.body & np.isin(np.arange(away.size), np.argsort(away, kind="stable")[:layers])
    x, y = local[:, :, 0, 0], local[:, :, 0, 1]
    back, front = float(y[columns].min()), float(y[columns].max())
    if shape == "crush":
        return Crack(level, columns)
    if shape == "wedge":
        hinge = back + float(value("balloon.crack_hinge")) * (front - back)
        return Crack(level & (y >= hinge)[..., None], columns)
    left, right = float(x[columns].min()), float(x[columns].max())
    share = float(value("balloon.crack_plug"))
    apart = np.hypot(
        (x - 0.5 * (left + right)) / (share * (right - left)),
        (y - 0.5 * (back + front)) / (share * (front - back)),
    )
    plug = columns & (apart <= 1.0)
    # Corners count as neighbours: else the plug would hang on the edges that its voxels share with the rim.
    rim = plug & ~ndimage.binary_erosion(plug, np.ones((3, 3), dtype=np.bool_), iterations=layers)
    return Crack((level & plug[..., None]) | (bone.body & rim[..., None]), plug)


def frame_mm(bone: Bone) -> FloatArray:
    """Voxel centres in the vertebra's frame, shape (I, J, K, 3)."""
    ijk = np.stack(np.meshgrid(*(np.arange(n) for n in bone.body.shape), indexing="ij"), axis=-1)
    return bone.axes.to_local(apply_affine(bone.affine, ijk))
