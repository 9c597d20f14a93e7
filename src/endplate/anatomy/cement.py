"""Earlier cement in a CT: a dense mass in the marrow, told from cortex, sclerosis and contrast, and cut at half height.

Cement is looked for where no cortex is: cores deep inside a labelled bone. From a core it is followed through all that
is denser than half way between it and its surroundings, thin sheets (cortex, which touches it) left out. So contrast in
vessels, kidneys or bowel, calcified aorta and ribs are never taken for it: they have no core inside a vertebra.
"""

from __future__ import annotations

from dataclasses import dataclass

import edt
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]
Box = tuple[slice, slice, slice]

SOLID_SHARE = 0.8
"""All of a core is at least this dense against the mean asked of it."""
UNSURE_REACH_MM = 4.0
"""How far from its core or leak a mass that may be bone is followed: cortex that touches it is not part of it."""
CORE_MIN_ML = 0.1
"""Cores of cement are at least this large together."""
PLATEAU_SHARE = 0.65
"""All of a mass of cement has on average this share of its cores' CT number."""
LEAK_SHARE = 0.6
"""A leaked mass outside bone is at least this dense against the cement it hangs on."""
REGROW_MM = 1.6
"""How far from its thick parts cement is followed into thinner ones."""
SKIN_MM = 2.0
"""Cortex lies no deeper than this in a label: further in, all that is dense and hangs on cement is cement."""
UNSURE_FOLLOWED_MM = 25.0
"""How far from its cores a mass that may be bone is looked for at all."""
LEAK_REACH_MM = 60.0
"""How far from its cores cement is looked for."""
USUAL_FWHM_MM = 0.9
"""Point spread of an ordinary scanner, full width at half maximum."""
OPENING_MM = 1.0
"""Sheets and threads thinner than twice this are not thick parts."""
PLATEAU_VOXELS = 5
"""Window in which the plateau of a voxel's cement is looked for."""
SMOOTH_VOXELS = 0.5
"""Blur against noise, voxels."""
FWHM_PER_SD = float(2.0 * np.sqrt(2.0 * np.log(2.0)))
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
    found = _cores(image, bone, labels, metal)
    if found is None:
        return None
    cement, unsure = np.zeros(image.shape, dtype=bool), np.zeros(image.shape, dtype=bool)
    for box, seeds, mean in found:
        hu = np.asarray(image.data[box], dtype=np.float32)
        clear = (
            None if metal is None else _away(metal[box], image.spacing_mm) > float(value("implants.clear_mm"))
        )
        part = _masses(hu, bone[box], seeds, mean, clear, image.spacing_mm)
        cement[box] |= part.cement
        unsure[box] |= part.unsure
    unsure &= ~cement
    return DenseMass(cement, unsure) if cement.any() or unsure.any() else None


def _away(mask: Mask, spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance of each voxel's middle from the nearest voxel of a mask, mm; infinite where the mask is empty."""
    away: NDArray[np.float32] = edt.edt(
        np.ascontiguousarray(~mask), anisotropy=tuple(spacing.tolist()), parallel=1
    )
    return away


def _depth(mask: Mask, spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """Distance of each voxel of a mask from what is not of it; what lies beyond the array is not."""
    inner: NDArray[np.float32] = _away(~np.pad(mask, 1), spacing)[1:-1, 1:-1, 1:-1]
    return inner


def _box_of(mask: Mask, margin: NDArray[np.intp]) -> Box | None:
    """The box of a mask with a margin, within its shape."""
    first = np.flatnonzero(mask.any(axis=(1, 2)))
    if len(first) == 0:
        return None
    part: Mask = np.asarray(mask[int(first[0]) : int(first[-1]) + 1].any(axis=0))
    held = (first, np.flatnonzero(part.any(axis=1)), np.flatnonzero(part.any(axis=0)))
    one, two, three = (
        slice(max(int(h[0]) - int(m), 0), min(int(h[-1]) + 1 + int(m), n))
        for h, m, n in zip(held, margin, mask.shape, strict=True)
    )
    return one, two, three


def _voxels(length_mm: float, spacing: NDArray[np.float64]) -> NDArray[np.intp]:
    return np.ceil(length_mm / spacing - 0.01).astype(np.intp)


def _cores(
    image: Volume, bone: Mask, labels: NDArray[np.uint8], metal: Mask | None
) -> list[tuple[Box, Mask, NDArray[np.float32]]] | None:
    """Boxes of the scan with the cores of dense masses in them and the smoothed CT numbers they are judged by."""
    spacing = image.spacing_mm
    radius, depth = float(value("implants.core_radius_mm")), float(value("implants.core_depth_mm"))
    least, sure = float(value("implants.unsure_core_hu")), float(value("implants.cement_core_hu"))
    reach = _voxels(radius, spacing)
    outer = _box_of(bone, reach + 2)
    if outer is None:
        return None
    # Cortex on two sides of a thin bone is dense on average, but not throughout.
    smooth = ndimage.gaussian_filter(np.asarray(image.data[outer], dtype=np.float32), SMOOTH_VOXELS)
    solid = ndimage.minimum_filter(
        # Where the scan ends nothing is known to be dense throughout.
        (smooth >= SOLID_SHARE * least).view(np.uint8),
        size=tuple(2 * reach + 1),
        mode="constant",
        cval=0,
    )
    solid = bone[outer] & solid.view(bool)
    seeds = np.zeros(image.shape, dtype=bool)
    seeds[outer] = solid
    width = 0.6 * radius
    outer = _box_of(seeds, _voxels(max(4.5 * width, depth + 2.0 * float(spacing.max())), spacing) + 1)
    if outer is None:
        return None
    mean = np.zeros(image.shape, dtype=np.float32)
    mean[outer] = ndimage.gaussian_filter(np.asarray(image.data[outer], dtype=np.float32), width / spacing)
    inner = seeds[outer] & (mean[outer] >= least)
    if inner.any():
        inner &= _depth(_inside_one(bone[outer], labels[outer]), spacing) >= depth
    if metal is not None and inner.any():
        clear = _away(metal[outer], spacing)
        slices = _slices_with(metal[outer], image)
        inner &= (clear > 2.0 * depth) & ((mean[outer] >= sure) | ~slices)
    seeds[outer] = inner
    box = _box_of(seeds, _voxels(LEAK_REACH_MM, spacing))
    if box is None:
        return None
    if (mean[outer][inner] >= sure).any():
        # Leaks run far, and what hangs together is judged together.
        return [(box, seeds[box], _mean_in(image, box, width))]
    # What may be bone is followed a few millimetres only: each place alone.
    margin = _voxels(UNSURE_REACH_MM + REGROW_MM, spacing)
    places, _ = ndimage.label(ndimage.maximum_filter(seeds[box].view(np.uint8), size=tuple(2 * margin + 1)))
    margin = _voxels(UNSURE_FOLLOWED_MM, spacing)
    found = []
    for number in range(1, int(places.max()) + 1):
        mine = np.zeros(image.shape, dtype=bool)
        mine[box] = seeds[box] & (places == number)
        near = _box_of(mine, margin)
        assert near is not None
        found.append((near, mine[near], _mean_in(image, near, width)))
    return found


def _mean_in(image: Volume, box: Box, width_mm: float) -> NDArray[np.float32]:
    """CT numbers of a box averaged as cores are."""
    hu = np.asarray(image.data[box], dtype=np.float32)
    mean: NDArray[np.float32] = ndimage.gaussian_filter(hu, width_mm / image.spacing_mm)
    return mean


def _masses(
    hu: NDArray[np.float32],
    bone: Mask,
    seeds: Mask,
    mean: NDArray[np.float32],
    clear: Mask | None,
    spacing: NDArray[np.float64],
) -> DenseMass:
    """The dense masses that hang on cores, told apart by how dense and large they are."""
    cement, unsure = np.zeros(hu.shape, dtype=bool), np.zeros(hu.shape, dtype=bool)
    dense = _above_half(hu, bone, spacing)
    if clear is not None:
        dense &= clear
    pieces, _ = ndimage.label(dense, structure=NEIGHBOURS)
    dense = np.isin(pieces, np.unique(pieces[seeds & dense])) & dense
    if not dense.any():
        return DenseMass(cement, unsure)
    kept, inside = _followed(dense, seeds, mean, bone, spacing)
    pieces, _ = ndimage.label(kept, structure=NEIGHBOURS)
    voxel_ml = float(np.prod(spacing)) / MM3_PER_ML
    limits = value("implants.volume_min_ml")
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
        if sure and volume >= float(limits["cement"]):
            cement[box] |= piece
        else:
            piece &= (_away(seeds[box] & piece, spacing) <= UNSURE_REACH_MM) | inside[box]
            unsure[box] |= _large(piece, float(limits["unsure"]) / voxel_ml)
    return DenseMass(cement, unsure)


def _large(mask: Mask, voxels: float) -> Mask:
    """The connected pieces of a mask that have so many voxels."""
    pieces, _ = ndimage.label(mask, structure=NEIGHBOURS)
    enough = np.bincount(pieces.ravel()) >= voxels
    enough[0] = False
    large: Mask = enough[pieces]
    return large


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


def _sharpened(hu: NDArray[np.float32], spacing: NDArray[np.float64]) -> NDArray[np.float32]:
    """CT numbers with the blur of scanner and voxels undone to first order.

    A blur of variance s² adds s²/2 times the second derivative; the border of a small round lobule is
    shifted inward by it.
    """
    sharp = hu.copy()
    for axis, step in enumerate(spacing):
        variance = (USUAL_FWHM_MM / FWHM_PER_SD) ** 2 + step**2 / 12.0
        second = ndimage.correlate1d(hu, np.array([1.0, -2.0, 1.0]), axis=axis, mode="nearest")
        sharp -= np.float32(0.5 * variance / step**2) * second
    return sharp


def _above_half(hu: NDArray[np.float32], bone: Mask, spacing: NDArray[np.float64]) -> Mask:
    """Voxels denser than half way between the plateau nearby and what surrounds cement there."""
    floor = float(value("implants.cement_floor_hu"))
    beside = value("implants.surroundings_hu")
    # Voxel by voxel noise is no plateau.
    plateau = ndimage.maximum_filter(ndimage.gaussian_filter(hu, SMOOTH_VOXELS), size=PLATEAU_VOXELS)
    surroundings = np.where(bone, np.float32(beside["bone"]), np.float32(beside["soft"]))
    sharp = _sharpened(hu, spacing)
    above: Mask = (hu >= floor) & (sharp >= np.maximum(0.5 * (plateau + surroundings), floor))
    return above


def _followed(
    dense: Mask, seeds: Mask, mean: NDArray[np.float32], bone: Mask, spacing: NDArray[np.float64]
) -> tuple[Mask, Mask]:
    """What hangs on the cores, and what of it can be no cortex.

    Thick parts that hold a core, or lie outside bone and are as dense; what is close to them; and all that hangs
    on them deep in bone.
    """
    least = max(OPENING_MM, 0.75 * float(spacing.max()))
    inner = _depth(dense, spacing) > least
    thick = dense & (_away(inner, spacing) <= least)
    parts, count = ndimage.label(thick, structure=NEIGHBOURS)
    chosen, leaked = seeds & dense, np.zeros(dense.shape, dtype=bool)
    core = float(mean[seeds].max())
    if count:
        index = np.arange(1, count + 1)
        held = ndimage.maximum(seeds, parts, index) > 0
        height = ndimage.maximum(mean, parts, index)
        free = ndimage.mean(~bone, parts, index) > 0.5
        core = float(np.median(height[held])) if held.any() else core
        leaked = np.isin(parts, index[free & (height >= LEAK_SHARE * core)])
        chosen |= np.isin(parts, index[held]) | leaked
    near = dense & (_away(chosen, spacing) <= REGROW_MM)
    deep = dense & (_depth(bone, spacing) > SKIN_MM)
    if core >= float(value("implants.cement_core_hu")):
        # Beside bone a sheet as dense as that is no cortex, however thin.
        deep |= dense & ~bone & (mean >= LEAK_SHARE * core)
    pieces, _ = ndimage.label(near | deep, structure=NEIGHBOURS)
    hanging = np.unique(pieces[chosen])
    kept: Mask = np.isin(pieces, hanging[hanging > 0])
    leaked = (leaked | (thick & (mean >= LEAK_SHARE * core))) & ~bone
    free_of_cortex: Mask = kept & (deep | (_away(leaked, spacing) <= UNSURE_REACH_MM))
    return kept, free_of_cortex
