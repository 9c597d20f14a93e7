"""What others left in the bone: earlier cement, screws and other metal, found, masked and counted by level.

Other stages keep clear of it: density is not read beside it, lesions are not looked for in it, a needle cannot
pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.cement import find_cement
from endplate.anatomy.implant_places import count_by_level, in_bodies
from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.anatomy.metal import find_metal
from endplate.anatomy.model import Implants
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

Mask = NDArray[np.bool_]


HOLE_MAX_MM2 = 150.0
"""A hole of a label's slice smaller than this is no canal."""


class Material(IntEnum):
    """What a voxel of the map holds."""

    NONE = 0
    CEMENT = 1
    METAL = 2
    UNSURE = 3
    """Cement or very dense bone."""


@dataclass(frozen=True, eq=False)
class ImplantMap:
    """Implants on the grid of the CT.

    Parameters
    ----------
    volume:
        ``volume.data`` holds :class:`Material` (uint8).
    levels:
        What was found at each labelled level; a level without anything has an entry of zeros.
    """

    volume: Volume
    levels: Mapping[str, Implants] = field(default_factory=dict)

    @property
    def data(self) -> NDArray[np.uint8]:
        """The materials, shape of the CT."""
        material: NDArray[np.uint8] = self.volume.data
        return material

    @property
    def empty(self) -> bool:
        """Nothing was found."""
        return not self.data.any()

    def mask(self, *materials: Material) -> Mask:
        """Voxels of these materials; of all of them where none is named."""
        wanted = materials or (Material.CEMENT, Material.METAL, Material.UNSURE)
        found: Mask = np.isin(self.data, wanted)
        return found

    def near(self, margin_mm: float) -> Mask:
        """Voxels within a margin of any implant: what sampling of bone leaves out."""
        if self.empty:
            return np.zeros(self.data.shape, dtype=bool)
        near: Mask = (
            ndimage.distance_transform_edt(self.data == 0, sampling=self.volume.spacing_mm) <= margin_mm
        )
        return near

    def at(self, points_ras_mm: NDArray[np.float64]) -> NDArray[np.uint8]:
        """Material at world points, shape (n, 3) → (n,); nothing outside the scan."""
        index = np.rint(self.volume.to_voxel(points_ras_mm)).astype(int)
        inside = ((index >= 0) & (index < np.array(self.data.shape))).all(axis=1)
        found = np.zeros(len(index), dtype=np.uint8)
        found[inside] = self.data[tuple(index[inside].T)]
        return found


def find_implants(labels: LabelMap, image: Volume, located: Sequence[Located] | None = None) -> ImplantMap:
    """Find earlier cement and metal in and at the labelled vertebrae.

    Parameters
    ----------
    labels:
        VerSe ids on the grid of the CT; whether they cover or spare the implants does not matter.
    image:
        The CT.
    located:
        The vertebrae in their own frames, where they are known; else they are found when something dense is
        seen and its place must be named.

    Notes
    -----
    Deterministic. What is not within ``implants.reach_mm`` of a label is not looked at. The method and its limits are
    in docs/science/implants.md.
    """
    boxes = ndimage.find_objects((labels.data > 0).view(np.uint8))
    material = np.zeros(image.shape, dtype=np.uint8)
    if not boxes or boxes[0] is None:
        return ImplantMap(replace(image, data=material, findings=()))
    reach = np.ceil(float(value("implants.reach_mm")) / image.spacing_mm).astype(int)
    start = np.array([s.start for s in boxes[0]]) - reach
    stop = np.array([s.stop for s in boxes[0]]) + reach
    crop = image.crop(start, stop)
    low = np.clip(start, 0, np.array(image.shape) - 1)
    box = tuple(slice(int(a), int(a) + n) for a, n in zip(low, crop.shape, strict=True))
    near = replace(labels, volume=replace(labels.volume, data=labels.data[box], affine=crop.affine))
    # A label map drawn by hand or by a network may spare the implant: it is bone all the same.
    bone = _closed(near.data > 0, crop)
    metal = find_metal(crop, bone)
    dense = find_cement(crop, bone, near.data, None if metal is None else metal.bloomed)
    inner = material[box]
    if dense is not None:
        if dense.unsure.any():
            # Facets and laminae of worn joints are as dense as this: only a mass of the body counts.
            located = locate_vertebrae(near) if located is None else located
            inner[_of_bodies(dense.unsure, near, located)] = Material.UNSURE
        inner[dense.cement] = Material.CEMENT
    if metal is not None:
        inner[metal.mask] = Material.METAL
    return ImplantMap(
        replace(image, data=material, findings=()), count_by_level(near, crop, inner, metal, located)
    )


def _of_bodies(mask: Mask, near: LabelMap, located: Sequence[Located]) -> Mask:
    """The masses that lie in a vertebral body for the most part; only the vertebrae beside them are looked at."""
    index = np.argwhere(mask)
    start, stop = index.min(axis=0), index.max(axis=0) + 1
    box = tuple(slice(int(a), int(b)) for a, b in zip(start, stop, strict=True))
    part = replace(near, volume=near.volume.crop(start, stop))
    beside = set(np.unique(part.data).tolist())
    kept = np.zeros(mask.shape, dtype=bool)
    kept[box] = in_bodies(
        mask[box], part, [item for item in located if VERSE_IDS[item.vertebra.level] in beside]
    )
    return kept


def _closed(bone: Mask, crop: Volume) -> Mask:
    """Bone with small dense holes of its axial slices filled; the canal is larger and stays open."""
    across = int(np.argmax(np.abs(crop.affine[2, :3]) / crop.spacing_mm))
    others = [axis for axis in range(3) if axis != across]
    area = float(np.prod(crop.spacing_mm[others]))
    found = ndimage.find_objects(bone.view(np.uint8))
    assert found
    assert found[0] is not None
    box = found[0]
    # One slice at a time, but all in one go: nothing hangs together across slices.
    within = ndimage.generate_binary_structure(3, 1) & np.array([False, True, False]).reshape(
        [3 if axis == across else 1 for axis in range(3)]
    )
    wide = [(0, 0) if axis == across else (1, 1) for axis in range(3)]
    holes, count = ndimage.label(np.pad(~bone[box], wide, constant_values=True), structure=within)
    small = np.bincount(holes.ravel(), minlength=count + 1) * area < HOLE_MAX_MM2
    small[0] = False
    # The frame round a slice hangs on all that is open to the outside.
    rim = np.ones(holes.shape, dtype=bool)
    rim[tuple(slice(None) if axis == across else slice(1, -1) for axis in range(3))] = False
    small[np.unique(holes[rim])] = False
    inner = tuple(slice(None) if axis == across else slice(1, -1) for axis in range(3))
    closed = bone.copy()
    dense = crop.data[box] >= float(value("implants.unsure_core_hu"))
    closed[box] |= small[holes[inner]] & dense
    return closed
