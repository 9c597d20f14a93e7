"""What the CT says inside a body: trabecular HU, gas in the body (cleft) and in the disc below (vacuum)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.distances import depth_mm
from endplate.anatomy.vertebra import LocalVertebra
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML


@dataclass(frozen=True)
class TrabecularSample:
    """HU in the trabecular volume of interest."""

    mean_hu: float
    sd_hu: float
    volume_ml: float


def trabecular_sample(
    vertebra: LocalVertebra, image: Volume, lesions: NDArray[np.bool_] | None = None
) -> TrabecularSample | None:
    """Mean HU of the body's trabecular middle, or ``None`` where too little lies clear of cortex and vein.

    The volume of interest is the body eroded from all surfaces, without its posterior third, where the
    basivertebral vein runs. ``lesions`` (on the vertebra's grid) are left out with a margin.
    """
    grid, mask = vertebra.grid, vertebra.body.mask
    box, start = _box(mask)
    covered = mask.any(axis=(0, 2))
    y = grid.coordinate(1)
    back, front = float(y[covered][0]), float(y[covered][-1])
    clear = y >= back + float(value("trabecular.posterior_fraction")) * (front - back)
    voxel_ml = grid.step_mm**3 / MM3_PER_ML
    depth = depth_mm(mask[box], grid.step_mm)
    inner = (depth >= float(value("trabecular.erosion_mm"))) & clear[box[1]][None, :, None]
    if lesions is not None and lesions.any():
        margin = max(1, round(float(value("lesion.density_margin_mm")) / grid.step_mm))
        inner &= ~ndimage.binary_dilation(lesions, iterations=margin)[box]
    if inner.sum() * voxel_ml < float(value("trabecular.volume_min_ml")):
        return None
    values = _sample(vertebra, image, start + np.argwhere(inner))
    if values.size == 0:
        return None
    return TrabecularSample(float(values.mean()), float(values.std()), float(inner.sum() * voxel_ml))


def cleft_gas_ml(vertebra: LocalVertebra, image: Volume) -> float:
    """Volume of gas inside the body, away from its surface."""
    grid = vertebra.grid
    # A cleft that reaches the surface would be missing from the map itself: close the body first.
    box, start = _box(vertebra.body.mask)
    closed = ndimage.binary_closing(np.pad(vertebra.body.mask[box], 4), iterations=3)[4:-4, 4:-4, 4:-4]
    inner = start + np.argwhere(depth_mm(closed, grid.step_mm) >= float(value("gas.erosion_mm")))
    gas = _sample(vertebra, image, inner) < float(value("gas.threshold_hu"))
    return float(gas.sum()) * grid.step_mm**3 / MM3_PER_ML


def disc_gas_ml(vertebra: LocalVertebra, image: Volume, labels: LabelMap) -> float | None:
    """Volume of gas between this body's lower endplate and the next labelled bone; ``None`` with nothing below."""
    surfaces, grid = vertebra.surfaces, vertebra.grid
    distance = depth_mm(surfaces.footprint, grid.step_mm)
    columns = np.argwhere((distance > float(value("gas.disc_rim_mm"))) & np.isfinite(surfaces.bottom_mm))
    if len(columns) == 0:
        return None
    reach = np.arange(1.0, float(value("gas.disc_reach_mm")), grid.step_mm)
    xy = grid.low_mm[:2] + grid.step_mm * columns
    z = surfaces.bottom_mm[columns[:, 0], columns[:, 1]][:, None] - reach[None, :]
    points = np.concatenate([np.broadcast_to(xy[:, None, :], (*z.shape, 2)), z[..., None]], axis=-1)
    world = vertebra.axes.to_world(points)
    voxel = np.rint(labels.volume.to_voxel(world)).astype(int)
    inside = ((voxel >= 0) & (voxel < np.array(labels.volume.shape))).all(axis=-1)
    voxel = np.clip(voxel, 0, np.array(labels.volume.shape) - 1)
    bone = (labels.data[voxel[..., 0], voxel[..., 1], voxel[..., 2]] > 0) & inside
    below = np.maximum.accumulate(bone, axis=1)
    if not below[:, -1].any():
        return None
    # Only columns that end on the next body; between this endplate and it.
    disc = ~below & below[:, -1:] & inside
    gas = _hu(image, world[disc]) < float(value("gas.threshold_hu"))
    return float(gas.sum()) * grid.step_mm**3 / MM3_PER_ML


def _box(mask: NDArray[np.bool_]) -> tuple[tuple[slice, ...], NDArray[np.intp]]:
    """The smallest box round a mask, and its first corner (the whole array of an empty mask)."""
    found = ndimage.find_objects(mask.view(np.uint8))
    box: tuple[slice, ...] = found[0] if found else tuple(slice(0, n) for n in mask.shape)
    return box, np.array([part.start for part in box])


def _sample(vertebra: LocalVertebra, image: Volume, index: NDArray[np.intp]) -> FloatArray:
    points = vertebra.axes.to_world(vertebra.grid.low_mm + vertebra.grid.step_mm * index)
    return _hu(image, points)


def _hu(image: Volume, ras_mm: FloatArray) -> FloatArray:
    """HU at world points, shape (N, 3) → those inside the scan, linear interpolation."""
    if len(ras_mm) == 0:
        return np.empty(0)
    ijk = image.to_voxel(ras_mm)
    inside = ((ijk >= 0) & (ijk <= np.array(image.shape) - 1)).all(axis=1)
    ijk = ijk[inside]
    if len(ijk) == 0:
        return np.empty(0)
    low = np.floor(ijk.min(axis=0)).astype(int)
    high = np.minimum(np.ceil(ijk.max(axis=0)).astype(int) + 1, image.shape)
    crop = image.data[tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))].astype(np.float32)
    values: FloatArray = ndimage.map_coordinates(crop, (ijk - low).T, order=1, mode="nearest")
    return values
