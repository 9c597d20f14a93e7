"""Metal in a CT: found where the scan is clipped, and cut back to its real size.

A scan shows metal larger than it is: its CT number is so high that a voxel holding a tenth of it is already clipped.
The border therefore lies where the *unclipped* profile would be half its height. That profile is fitted to what the
voxels around still show (:mod:`endplate.anatomy.cylinder` for screws, rods and wires); other shapes are cut back
voxel by voxel with the same profile.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

from endplate.anatomy.cylinder import Cylinder, Profile, Rings, cylinder_of, fit_rings, seen_rings
from endplate.anatomy.lines import Run, straight_runs
from endplate.imaging.volume import Volume
from endplate.sources import value
from endplate.units import MM3_PER_ML

Mask = NDArray[np.bool_]

CLIPPED_SHARE = 0.98
"""A voxel this near to the highest CT number counts as clipped."""
FINE_MM = 0.8
"""Where voxels are smaller, two layers of them may look like metal beyond it."""
CEMENT_INSIDE = 0.6
"""A piece without a straight run that lies inside bone by more than this share is dense cement."""
CLIPPED_MIN_VOXELS = 20
"""So many voxels at the highest CT number show that the scan is clipped there."""


@dataclass(frozen=True, eq=False)
class Metal:
    """The metal of a scan.

    Parameters
    ----------
    mask:
        Shape of the scan: voxels whose centre lies in metal.
    bloomed:
        Shape of the scan: the larger region that looks like metal.
    cylinders:
        Screws, rods and wires.
    """

    mask: Mask
    bloomed: Mask
    cylinders: tuple[Cylinder, ...]


def find_metal(image: Volume, bone: Mask) -> Metal | None:
    """Metal in touch with labelled bone, or ``None``.

    Parameters
    ----------
    image:
        CT numbers.
    bone:
        Labelled bone on the same grid.

    Notes
    -----
    A clipped mass that lies inside bone and is nowhere a straight run is dense cement, not metal.
    """
    highest = float(image.data.max())
    if highest < float(value("implants.metal_seed_hu")):
        return None
    clipped = int((image.data >= highest).sum()) >= CLIPPED_MIN_VOXELS
    top = highest if clipped else None
    pieces = _pieces(image, bone, top)
    if not pieces:
        return None
    rings = [ring for piece in pieces for ring in piece.rings]
    fit = fit_rings(rings, top) if rings else None
    mask, bloomed = np.zeros(image.shape, dtype=bool), np.zeros(image.shape, dtype=bool)
    cylinders: list[Cylinder] = []
    done = 0
    for piece in pieces:
        found = []
        if fit is not None:
            radii = fit.radii_mm[done : done + len(piece.rings)]
            made = [
                cylinder_of(piece.crop, ring, float(r), fit, top)
                for ring, r in zip(piece.rings, radii, strict=True)
            ]
            found = [cylinder for cylinder in made if cylinder is not None]
        done += len(piece.rings)
        profile = Profile.usual(piece.crop, top)
        if fit is not None:
            background = float(value("implants.surroundings_hu")["soft"])
            profile = Profile(fit.metal_hu - background, background, fit.sigma_mm)
        solid = _cut_back(piece.crop, piece.mask, profile.with_voxels(piece.crop.spacing_mm), top)
        for cylinder in found:
            solid &= ~cylinder.holds(piece.crop, margin_mm=cylinder.bloom_mm + 1.0)
        for cylinder in found:
            solid |= cylinder.holds(piece.crop)
        mask[piece.box] |= solid
        bloomed[piece.box] |= piece.mask | solid
        cylinders += found
    return Metal(mask, bloomed, tuple(cylinders))


@dataclass(frozen=True, eq=False)
class Piece:
    """One connected piece of what looks like metal, in a crop of the scan, with what is seen of its bars."""

    box: tuple[slice, slice, slice]
    crop: Volume
    mask: Mask
    rings: list[Rings]


def _pieces(image: Volume, bone: Mask, top: float | None) -> list[Piece]:
    """The pieces of metal in touch with bone."""
    pieces, count = ndimage.label(
        image.data >= float(value("implants.metal_seed_hu")), structure=np.ones((3, 3, 3))
    )
    if count == 0:
        return []
    voxel_ml = float(np.prod(image.spacing_mm)) / MM3_PER_ML
    sizes = np.bincount(pieces.ravel())
    margin = np.ceil(float(value("implants.bone_contact_mm")) / image.spacing_mm).astype(int)
    found = []
    for number, box in enumerate(ndimage.find_objects(pieces), start=1):
        if sizes[number] * voxel_ml < float(value("implants.volume_min_ml")["metal"]):
            continue
        start = [max(s.start - m - 4, 0) for s, m in zip(box, margin, strict=True)]
        stop = [min(s.stop + m + 4, n) for s, m, n in zip(box, margin, image.shape, strict=True)]
        wide = (slice(start[0], stop[0]), slice(start[1], stop[1]), slice(start[2], stop[2]))
        mask = pieces[wide] == number
        if not (_widened(mask, margin) & bone[wide]).any():
            continue
        crop = image.crop(start, stop)
        runs: list[Run] = straight_runs(mask, crop)
        if not runs and (mask & bone[wide]).sum() > CEMENT_INSIDE * mask.sum():
            continue
        found.append(Piece(wide, crop, mask, seen_rings(crop, mask, runs, top)))
    return found


def _widened(mask: Mask, voxels: NDArray[np.intp]) -> Mask:
    """A mask widened by a box of so many voxels each way."""
    wide: Mask = ndimage.maximum_filter(mask, size=tuple(int(2 * n + 1) for n in voxels))
    return wide


def _cut_back(crop: Volume, piece: Mask, profile: Profile, top: float | None) -> Mask:
    """Voxels of a bloomed piece whose centre lies within half the profile's height.

    A voxel that is not clipped tells that by itself. For a clipped one near the border, the voxels beside it that
    are not clipped say how far the border is from them, and so from it.
    """
    hu = np.asarray(crop.data, dtype=np.float64)
    full = hu >= (np.inf if top is None else CLIPPED_SHARE * top)
    share = np.clip((hu - profile.background_hu) / profile.height_hu, 1e-4, 1.0 - 1e-4)
    inside: Mask = piece & (full | (share >= 0.5))
    reach = 2 if float(crop.spacing_mm.min()) < FINE_MM else 1
    rim = (
        full
        & piece
        & ~ndimage.binary_erosion(full, np.ones((3, 3, 3), dtype=bool), iterations=reach, border_value=1)
    )
    index = np.argwhere(rim)
    if len(index) == 0:
        return inside
    smooth: NDArray[np.float64] = ndimage.gaussian_filter(full.astype(np.float64), 1.0)
    slopes = [np.gradient(smooth, step, axis=axis) for axis, step in enumerate(crop.spacing_mm)]
    normal = np.stack([-slope[rim] for slope in slopes], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    total, weight = np.zeros(len(index)), np.zeros(len(index))
    for step in product(range(-reach, reach + 1), repeat=3):
        away = np.array(step) * crop.spacing_mm
        distance = float(np.linalg.norm(away))
        if distance == 0.0:
            continue
        there = tuple(np.clip(index + step, 0, np.array(hu.shape) - 1).T)
        along = normal @ away
        part = np.where(~full[there] & (share[there] > 0.01), np.maximum(along / distance, 0.0) ** 4, 0.0)
        part /= distance
        total += part * (-profile.sigma_mm * ndtri(share[there]) - along)
        weight += part
    inside[rim] = (weight < 0.05) | (total <= 0.0)
    return inside
