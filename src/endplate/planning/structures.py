"""Structures that a needle keeps away from, as points in the vertebra's frame: organs, air, implants, gas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import cc3d
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import Axes, FloatArray
from endplate.anatomy.implants import ImplantMap, Material
from endplate.anatomy.mask import label_field
from endplate.anatomy.model import Side
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.geometry import apply_affine
from endplate.imaging.organ_map import ORGAN_IDS, OrganMap
from endplate.imaging.volume import Volume
from endplate.planning.kernels import surface_points
from endplate.sources import value

Kind = Literal[
    "canal",
    "foramen",
    "facet",
    "neighbour",
    "cord",
    "lung",
    "aorta",
    "cava",
    "kidney",
    "oesophagus",
    "rib",
    "sacrum",
    "implant",
    "segmental_artery",
]
"""What rule a structure falls under."""

ORGAN_KINDS: dict[str, Kind] = {
    "aorta": "aorta",
    "inferior_vena_cava": "cava",
    "lung": "lung",
    "kidney": "kidney",
    "oesophagus": "oesophagus",
    "spinal_cord": "cord",
    "rib": "rib",
    "sacrum": "sacrum",
    "spinal_canal": "canal",
}
"""Rule of every organ by its name."""

EXPECTED = ("spinal_cord", "lung", "aorta", "inferior_vena_cava", "kidney", "oesophagus", "rib")
"""Organs that a plan says it did not check where no map names them."""


@dataclass(frozen=True, eq=False)
class Structure:
    """One thing to keep away from: its surface (and inside, where a needle may lie wholly in it) as points, mm.

    ``side`` is that of the needles it concerns, ``None`` for both.
    """

    name: str
    points: FloatArray
    source: Literal["labels", "organ labels", "HU"]
    kind: Kind = "canal"
    side: Side | None = None


def image_structures(
    image: Volume | None, organs: OrganMap | None, implants: ImplantMap | None, axes: Axes
) -> tuple[list[Structure], list[str]]:
    """Organs, air inside the trunk and implants near a level, and the names of what was not available."""
    found: list[Structure] = []
    named: tuple[str, ...] = ()
    if organs is not None:
        named = organs.names
        found += [one for name in named if (one := _organ(organs, name, axes)) is not None]
    unchecked = [name.replace("_", " ") for name in EXPECTED if name not in named]
    if "lung" not in named and image is not None:
        air = air_inside(image, axes)
        if len(air):
            found.append(Structure("air inside the trunk", air, "HU", kind="lung"))
        unchecked.remove("lung")
    if implants is None:
        unchecked.append("metal and old cement")
    else:
        metal = _implanted(implants, axes)
        if len(metal):
            found.append(Structure("metal or old cement", metal, "HU", kind="implant"))
    return found, unchecked


def _organ(organs: OrganMap, name: str, axes: Axes) -> Structure | None:
    near = _near(organs.volume, axes)
    number = ORGAN_IDS[name]
    ids: NDArray[np.uint8] = near.data
    if not (ids == number).any():
        return None
    (box,) = ndimage.find_objects((ids == number).astype(np.uint8))
    field = label_field(ids, near.affine, box, number)
    points = _points(field.occupancy, field.affine, axes)
    return Structure(name.replace("_", " "), points, "organ labels", kind=ORGAN_KINDS[name])


def _implanted(implants: ImplantMap, axes: Axes) -> FloatArray:
    near = _near(implants.volume, axes)
    hard = np.isin(near.data, (Material.CEMENT, Material.METAL))
    return _points(hard.astype(np.float32), near.affine, axes)


def air_inside(image: Volume, axes: Axes) -> FloatArray:
    """Surface of the air inside the trunk near a level (lung, or bowel), shape (N, 3).

    Air that reaches the back edge of the scan lies behind the patient; any other large air space is inside.
    """
    low = float(value("plan.air_hu"))
    pace = np.maximum(np.round(float(value("search.air_step_mm")) / image.spacing_mm).astype(int), 1)
    coarse = image.data[:: pace[0], :: pace[1], :: pace[2]] < low
    pieces, count = cc3d.connected_components(coarse, connectivity=6, return_N=True)
    if count == 0:
        return np.empty((0, 3))
    axis = int(np.argmax(np.abs(image.affine[1, :3])))
    behind = np.take(pieces, 0 if image.affine[1, axis] > 0 else -1, axis=axis)
    sizes = (
        np.bincount(pieces.ravel(), minlength=count + 1) * float(np.prod(image.spacing_mm * pace)) / 1000.0
    )
    inside = sizes >= float(value("search.air_volume_min_ml"))
    inside[0] = False
    inside[np.unique(behind)] = False
    if not inside.any():
        return np.empty((0, 3))
    start, near = _crop(image, axes)
    index = [
        np.minimum((start[a] + np.arange(near.shape[a])) // pace[a], pieces.shape[a] - 1) for a in range(3)
    ]
    # A coarse sample beside the air space still has air of it in its block.
    blocks = ndimage.binary_dilation(inside[pieces], structure=np.ones((3, 3, 3), dtype=bool))
    blocks &= ~np.isin(pieces, np.unique(behind[behind > 0]))
    air = (near.data < low) & blocks[np.ix_(*index)]
    return _points(air.astype(np.float32), near.affine, axes)


def gas_points(geometry: LocalVertebra, image: Volume | None) -> FloatArray:
    """Gas inside the body on its own grid, shape (N, 3), empty below the volume that is reported."""
    if image is None:
        return np.empty((0, 3))
    grid, mask = geometry.grid, geometry.body.mask
    depth = ndimage.distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1] * grid.step_mm
    index = np.argwhere(depth > float(value("gas.erosion_mm")))
    points = grid.low_mm + grid.step_mm * index
    voxel = np.rint(image.to_voxel(geometry.axes.to_world(points))).astype(int)
    seen = ((voxel >= 0) & (voxel < np.array(image.shape))).all(axis=1)
    points, voxel = points[seen], voxel[seen]
    gas = points[image.data[tuple(voxel.T)] < float(value("gas.threshold_hu"))]
    enough = len(gas) * grid.step_mm**3 / 1000.0 >= float(value("gas.report_min_ml"))
    return gas if enough else np.empty((0, 3))


def _near(volume: Volume, axes: Axes) -> Volume:
    return _crop(volume, axes)[1]


def _crop(volume: Volume, axes: Axes) -> tuple[NDArray[np.int64], Volume]:
    """The part of a volume around a level, and its first voxel."""
    reach = float(value("search.surroundings_mm"))
    centre = volume.to_voxel(axes.origin_ras_mm)
    start = np.floor(centre - reach / volume.spacing_mm).astype(np.int64)
    stop = np.ceil(centre + reach / volume.spacing_mm).astype(np.int64)
    start = np.clip(start, 0, np.array(volume.shape) - 1)
    return start, volume.crop(start, stop)


def _points(occupancy: NDArray[np.float32], affine: FloatArray, axes: Axes) -> FloatArray:
    """Surface points of a field on a voxel grid, in the vertebra's frame."""
    index = surface_points(np.ascontiguousarray(occupancy), np.zeros(3), 1.0)
    local: FloatArray = np.ascontiguousarray(axes.to_local(apply_affine(affine, index)))
    return local
