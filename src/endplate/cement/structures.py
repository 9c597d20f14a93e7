"""Parts of a vertebra that cement meets: cortex, endplates, discs, foramina, cleft, lytic lesions, earlier implants."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.implants import Material, find_implants
from endplate.cement.bone_grid import HALF, BoneGrid, resampled
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

Mask = NDArray[np.bool_]

NEIGHBOURS_26 = np.ones((3, 3, 3), dtype=np.bool_)
BACKWARD = 0.7
"""In a map without arches a wall that looks back by this part of its normal is the posterior one."""
SEARCH_MARGIN_MM = 20.0
"""Room round a vertebra in which its implants are found again."""


@dataclass(frozen=True, eq=False)
class Places:
    """Masks of one vertebra and what lies round it, all of the grid's shape.

    ``surface`` holds the outermost voxels of the bone; ``cortex`` its closed outer layer; both endplates are the
    surface of the body that faces a disc. ``area_mm2`` is what each surface voxel stands for of the true surface, which
    slants.
    """

    surface: Mask
    cortex: Mask
    endplate_superior: Mask
    endplate_inferior: Mask
    disc_superior: Mask
    disc_inferior: Mask
    foramina: Mask
    area_mm2: FloatArray


def find_places(grid: BoneGrid, cortex_mm: float) -> Places:
    """Name the parts of a vertebra.

    Parameters
    ----------
    grid:
        The vertebra.
    cortex_mm:
        Thickness of the closed layer. A voxel belongs to it by the depth of its centre, so that the layer has the same
        volume whatever the voxel size.
    """
    outside = np.pad(~grid.bone, 1, mode="edge")
    surface = grid.bone & ndimage.binary_dilation(outside)[1:-1, 1:-1, 1:-1]
    footprint = grid.body.any(axis=2, keepdims=True)
    above = footprint & ~np.maximum.accumulate(grid.body[:, :, ::-1], axis=2)[:, :, ::-1]
    below = footprint & ~np.maximum.accumulate(grid.body, axis=2)
    free = ~grid.bone & ~grid.others & ~grid.canal
    superior = _until_bone(above, free, grid)
    inferior = _until_bone(below[:, :, ::-1], free[:, :, ::-1], grid)[:, :, ::-1]
    up = np.zeros_like(grid.body)
    up[:, :, :-1] = above[:, :, 1:]
    down = np.zeros_like(grid.body)
    down[:, :, 1:] = below[:, :, :-1]
    return Places(
        surface=surface,
        cortex=grid.bone & (grid.depth_mm < cortex_mm),
        endplate_superior=grid.body & up,
        endplate_inferior=grid.body & down,
        disc_superior=superior,
        disc_inferior=inferior,
        foramina=_foramina(grid) & free & ~superior & ~inferior,
        area_mm2=_area_mm2(grid, surface),
    )


def _area_mm2(grid: BoneGrid, surface: Mask) -> FloatArray:
    """Area of each surface voxel: its free faces are more than the slanted surface by the sum of the normal's parts."""
    free = np.pad(~grid.bone, 1, mode="edge")
    faces = np.zeros(grid.shape)
    for axis in range(3):
        for shift in (0, 2):
            part = [slice(1, -1)] * 3
            part[axis] = slice(shift, shift + grid.shape[axis])
            faces += free[tuple(part)]
    steps = np.maximum(np.abs(grid.outward).sum(axis=-1), 1.0)
    area: FloatArray = np.where(surface, faces * grid.step_mm**2 / steps, 0.0)
    return area


def _until_bone(beyond: Mask, free: Mask, grid: BoneGrid) -> Mask:
    """Voxels beyond an endplate, upward, as far as nothing is met and no further than a disc is high."""
    met = np.maximum.accumulate(beyond & ~free, axis=2)
    height = np.cumsum(beyond, axis=2) * grid.step_mm
    room: Mask = beyond & ~met & (height <= float(value("place.disc_mm")))
    return room


def _foramina(grid: BoneGrid) -> Mask:
    """Room beside the canal where the nerve roots leave it."""
    tube = grid.local.canal
    if tube is None:
        return np.zeros_like(grid.bone)
    reach = value("place.foramen_mm")
    centre = tube.centre_at(grid.local_mm[..., 2])
    half = 0.5 * float(np.ptp(tube.typical_mm * np.cos(2.0 * np.pi * np.arange(72) / 72)))
    aside = np.abs(grid.local_mm[..., 0] - centre[..., 0])
    back = centre[..., 1] - float(reach["behind"])
    room: Mask = (
        (aside > 0.8 * half)
        & (aside < half + float(reach["across"]))
        & (grid.forward_mm < 0.0)
        & (grid.local_mm[..., 1] > back)
    )
    return room


def route_of_surface(grid: BoneGrid, places: Places) -> NDArray[np.object_]:
    """The name of the cortical or disc route at each voxel of the surface, shape (I, J, K); empty elsewhere.

    A step outward tells: into the canal is posterior, into a foramen is foramen, out of an endplate is disc; the rest
    of the wall is anterior within ``place.anterior_deg`` of the front and lateral beyond.
    """
    names = np.full(grid.shape, "", dtype=object)
    ijk = np.argwhere(places.surface)
    at = tuple(ijk.T)
    normal = grid.outward[at]
    local = grid.local_mm[at]
    middle = _middle(grid)
    turn = np.degrees(np.arctan2(np.abs(local[:, 0] - middle[0]), np.maximum(local[:, 1] - middle[1], -1e6)))
    found = np.where(
        turn <= float(value("place.anterior_deg")), "cortical_anterior", "cortical_lateral"
    ).astype(object)
    canal = ndimage.binary_dilation(grid.canal, iterations=1)
    for out_mm in (3.0, 1.5):
        step = np.rint(ijk + normal * (out_mm / grid.step_mm)).astype(np.intp)
        ahead = tuple(np.clip(step, 0, np.array(grid.shape) - 1).T)
        found[places.foramina[ahead]] = "foramen"
        found[canal[ahead]] = "cortical_posterior"
    if grid.local.canal is None:
        found[normal[:, 1] < -BACKWARD] = "cortical_posterior"
    upward = normal[:, 2]
    found[places.endplate_superior[at] & (upward > 0.5)] = "disc_superior"
    found[places.endplate_inferior[at] & (upward < -0.5)] = "disc_inferior"
    names[at] = found
    return names


def _middle(grid: BoneGrid) -> FloatArray:
    """Middle of the body in its frame."""
    middle: FloatArray = grid.local_mm[grid.body].mean(axis=0)
    return middle


def gas_cleft(grid: BoneGrid, places: Places) -> Mask:
    """Gas inside the body: a cleft. Fluid in a cleft is as dense as marrow and cannot be told on CT.

    A cleft may be missing from the label itself, so the body is closed first.
    """
    steps = max(1, round(2.0 / grid.step_mm))
    closed = ndimage.binary_closing(np.pad(grid.body, steps), iterations=steps)[
        steps:-steps, steps:-steps, steps:-steps
    ]
    beneath = ~(places.disc_superior | places.disc_inferior) | grid.body
    gas: Mask = (grid.hu < float(value("gas.threshold_hu"))) & closed & beneath & ~grid.canal
    gas &= (grid.depth_mm >= float(value("gas.erosion_mm"))) | ~grid.body
    return gas


def cleft_width_mm(cleft: Mask, step_mm: float) -> float:
    """Width of a cleft: that of the slab with the same least spread, within the limits of what is one; 0 of none."""
    if not cleft.any():
        return 0.0
    low, high = value("cleft.aperture_mm")
    ijk = np.argwhere(cleft).astype(np.float64)
    least = float(np.linalg.eigvalsh(np.cov(ijk, rowvar=False, bias=True))[0]) if len(ijk) > 1 else 0.0
    width = step_mm * float(np.sqrt(12.0 * max(least, 0.0) + 1.0))
    return float(np.clip(width, float(low), float(high)))


def lytic_balls(grid: BoneGrid) -> Mask:
    """Lytic lesions of this vertebra as the balls of their volumes."""
    found = np.zeros_like(grid.bone)
    for lesion in grid.vertebra.lesions:
        if lesion.kind == "lytic":
            found |= ball(grid, np.asarray(lesion.centre_ras_mm), 0.5 * lesion.diameter_mm)
    return found & grid.bone


def ball(grid: BoneGrid, centre_ras_mm: FloatArray, radius_mm: float) -> Mask:
    """Voxels whose centres lie in a ball."""
    away = grid.local_mm - grid.axes.to_local(centre_ras_mm)
    inside: Mask = (away**2).sum(axis=-1) <= radius_mm**2
    return inside


def earlier_implants(grid: BoneGrid, image: Volume, labels: LabelMap) -> Mask:
    """Cement and metal of an earlier procedure in this bone; nothing flows through them."""
    known = grid.vertebra.implants
    if known is None or known.cement_ml + known.metal_ml + known.unsure_ml <= 0.0:
        return np.zeros_like(grid.bone)
    field = grid.local.field
    reach = np.ceil(SEARCH_MARGIN_MM / image.spacing_mm)
    corners = image.to_voxel(grid.axes.to_world(grid.local_mm[[0, -1], [0, -1], [0, -1]]))
    low = np.minimum(corners.min(axis=0), image.to_voxel(field.affine[:3, 3])) - reach
    high = corners.max(axis=0) + reach
    crop = image.crop(np.floor(low), np.ceil(high))
    near = labels.volume.crop(np.floor(low), np.ceil(high))
    found = find_implants(LabelMap(near, labels.scheme, labels.body_only, labels.counted_how), crop)
    dense = found.mask(Material.CEMENT, Material.METAL).astype(np.float32)
    blocked: Mask = resampled(grid, Volume(dense, crop.affine)) >= HALF
    return blocked
