"""Earlier cement in a CT: a dense mass in the marrow, told from cortex, sclerosis and contrast, and cut at half height.

Cement is looked for where no cortex is: cores deep inside a labelled bone. From a core it is followed through all that
is denser than half way between it and its surroundings, thin sheets (cortex, which touches it) left out. So contrast in
vessels, kidneys or bowel, calcified aorta and ribs are never taken for it: they have no core inside a vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]

SOLID_SHARE = 0.8
"""All of a core is at least this dense against the mean asked of it."""
UNSURE_REACH_MM = 4.0
"""How far from its core a mass that may be bone is followed: cortex that touches it is not part of it."""
CORE_MIN_ML = 0.1
"""Cores of cement are at least this large together."""
PLATEAU_SHARE = 0.65
"""All of a mass of cement has on average this share of its cores' CT number."""
LEAK_SHARE = 0.6
"""A leaked mass outside bone is at least this dense against the cement it hangs on."""
REGROW_MM = 1.6
"""How far from its thick parts cement is followed into thinner ones."""
OPENING_MM = 1.0
"""Sheets and threads thinner than twice this are not thick parts."""
PLATEAU_VOXELS = 5
"""Window in which the plateau of a voxel's cement is looked for."""
NEIGHBOURS = np.ones((3, 3, 3), dtype=bool)


@dataclass(frozen=True, eq=False)
class DenseMass:
    """Dense masses of a scan on its grid: surely cement, and what may be cement or very dense bone."""

    cement: Mask
    unsure: Mask


def find_cement(image: Volume, bone: Mask, labels: NDArray[np.uint8], metal: Mask | None) -> DenseMass | None:
    """Cement with a core in labelled bone, or ``None``.

    Parameters
    ----------
    image:
        CT numbers.
    bone:
        Labelled bone on the same grid, with the holes that a label left for an implant filled.
    labels:
        Which bone: two bones that touch (joints) are not one thick one.
    metal:
        What looks like metal; its surroundings hold no core.
    """
    spacing = image.spacing_mm
    hu = np.asarray(image.data, dtype=np.float32)
    mean = ndimage.gaussian_filter(hu, 0.6 * float(value("implants.core_radius_mm")) / spacing)
    least = float(value("implants.unsure_core_hu"))
    seeds = (mean >= least) & bone
    if not seeds.any():
        return None
    depth = float(value("implants.core_depth_mm"))
    # Cortex on two sides of a thin bone is dense on average, but not throughout.
    reach = 2 * np.ceil(float(value("implants.core_radius_mm")) / spacing - 0.01).astype(int) + 1
    lowest = ndimage.minimum_filter(ndimage.gaussian_filter(hu, 0.5), size=tuple(int(n) for n in reach))
    seeds &= lowest >= SOLID_SHARE * least
    if not seeds.any():
        return None
    seeds &= ndimage.distance_transform_edt(_inside_one(bone, labels), sampling=spacing) >= depth
    if metal is not None:
        clear = ndimage.distance_transform_edt(~metal, sampling=spacing)
        slices = _slices_with(metal, image)
        seeds &= (clear > 2.0 * depth) & ((mean >= float(value("implants.cement_core_hu"))) | ~slices)
    if not seeds.any():
        return None
    dense = _above_half(hu, bone)
    if metal is not None:
        dense &= ~metal & (clear > float(value("implants.clear_mm")))
    pieces, _ = ndimage.label(dense, structure=NEIGHBOURS)
    seeded = np.unique(pieces[seeds & dense])
    dense = np.isin(pieces, seeded[seeded > 0])
    kept = _thick_parts(dense, seeds, mean, bone, spacing)
    pieces, count = ndimage.label(kept, structure=NEIGHBOURS)
    voxel_ml = float(np.prod(spacing)) / MM3_PER_ML
    cement, unsure = np.zeros(hu.shape, dtype=bool), np.zeros(hu.shape, dtype=bool)
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        piece = pieces[box] == number
        core = mean[box][piece & seeds[box]]
        if core.size == 0:
            continue
        volume, height = float(piece.sum()) * voxel_ml, float(np.quantile(core, 0.8))
        sure = height >= float(value("implants.cement_sure_hu")) or (
            height >= float(value("implants.cement_core_hu"))
            and volume >= float(value("implants.cement_sure_ml"))
        )
        # Dense bone has a few dense spots in a net of cortex; cement is dense throughout.
        sure &= core.size * voxel_ml >= CORE_MIN_ML
        sure &= float(hu[box][piece].mean()) >= PLATEAU_SHARE * height
        limits = value("implants.volume_min_ml")
        if sure and volume >= float(limits["cement"]):
            cement[box] |= piece
        else:
            away = ndimage.distance_transform_edt(~(seeds[box] & piece), sampling=spacing)
            piece &= away <= UNSURE_REACH_MM
            if float(piece.sum()) * voxel_ml >= float(limits["unsure"]):
                unsure[box] |= piece
    if count == 0 or not (cement.any() or unsure.any()):
        return None
    return DenseMass(cement, unsure)


def _inside_one(bone: Mask, labels: NDArray[np.uint8]) -> Mask:
    """Bone whose neighbouring voxels are all of one bone."""
    highest = ndimage.maximum_filter(labels, size=3)
    lowest = ndimage.minimum_filter(np.where(labels > 0, labels, np.uint8(255)), size=3)
    inside: Mask = bone & ((highest == lowest) | (highest == 0))
    return inside


def _slices_with(metal: Mask, image: Volume) -> Mask:
    """Voxels of the axial slices that hold metal, where bright streaks may be; broadcasts to the scan's shape."""
    across = int(np.argmax(np.abs(image.affine[2, :3]) / image.spacing_mm))
    others = tuple(axis for axis in range(3) if axis != across)
    held: Mask = np.asarray(metal.any(axis=others, keepdims=True))
    return held


def _above_half(hu: NDArray[np.float32], bone: Mask) -> Mask:
    """Voxels denser than half way between the plateau nearby and what surrounds cement there."""
    floor = float(value("implants.cement_floor_hu"))
    beside = value("implants.surroundings_hu")
    candidates = hu >= floor
    spots, _ = ndimage.label(candidates, structure=NEIGHBOURS)
    plateau = np.zeros_like(hu)
    # Voxel by voxel noise is no plateau.
    np.maximum(plateau, ndimage.median_filter(hu, size=3, mode="nearest"), out=plateau, where=spots > 0)
    plateau = ndimage.maximum_filter(plateau, size=PLATEAU_VOXELS)
    surroundings = np.where(bone, np.float32(beside["bone"]), np.float32(beside["soft"]))
    above: Mask = candidates & (hu >= 0.5 * (plateau + surroundings))
    return above


def _thick_parts(
    dense: Mask, seeds: Mask, mean: NDArray[np.float32], bone: Mask, spacing: NDArray[np.float64]
) -> Mask:
    """Thick parts that hold a core, or lie outside bone and are as dense, with what is close to them."""
    inner = ndimage.distance_transform_edt(dense, sampling=spacing)
    opened = ndimage.distance_transform_edt(
        inner <= max(OPENING_MM, 0.75 * float(spacing.max())), sampling=spacing
    )
    thick = dense & (opened <= max(OPENING_MM, 0.75 * float(spacing.max())))
    parts, count = ndimage.label(thick, structure=NEIGHBOURS)
    if count == 0:
        return seeds & dense
    index = np.arange(1, count + 1)
    held = ndimage.maximum(seeds, parts, index) > 0
    height = ndimage.maximum(mean, parts, index)
    free = ndimage.mean(~bone, parts, index) > 0.5
    core = float(np.median(height[held])) if held.any() else float(mean[seeds].max())
    chosen = np.isin(parts, index[held | (free & (height >= LEAK_SHARE * core))])
    chosen |= seeds & dense
    near = ndimage.distance_transform_edt(~chosen, sampling=spacing) <= REGROW_MM
    kept: Mask = dense & near
    return kept
