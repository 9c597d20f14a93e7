"""Where the shell of a vertebra is lost: holes and broken endplates seen in the CT, or given by the user.

A crack narrower than the CT can show is not found: a fracture without a visible gap leaves the shell closed unless the
user opens it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.posterior_wall import vein_zone
from endplate.cement.bone_grid import BoneGrid
from endplate.cement.permeability import slit_m2
from endplate.cement.structures import NEIGHBOURS_26, Places, ball
from endplate.errors import UsageError
from endplate.imaging.geometry import FloatArray
from endplate.sources import value

Mask = NDArray[np.bool_]

ACROSS_SHELL_MM = np.arange(-2.4, 1.61, 0.4)
"""Where the shell is looked for along the outward normal: from the label's inside to its outside."""
SMOOTHING_MM = 1.2
USUAL_PERCENTILE = 75.0
"""A defect may take half of a shell: its better part is the usual one."""


@dataclass(frozen=True)
class Defect:
    """A broken part of the shell, as given by the user.

    Parameters
    ----------
    centre_ras_mm:
        Where it is.
    radius_mm:
        All of the vertebra's surface within this is broken.
    aperture_mm:
        Width of the cracks there.
    """

    centre_ras_mm: tuple[float, float, float]
    radius_mm: float
    aperture_mm: float

    def __post_init__(self) -> None:
        if not (0.0 < self.radius_mm <= 40.0 and 0.0 < self.aperture_mm <= 5.0):
            raise UsageError(
                "defect-impossible",
                f"A defect of {self.radius_mm:g} mm radius with cracks of {self.aperture_mm:g} mm makes no sense.",
                do="Give a radius up to 40 mm and cracks up to 5 mm.",
            )


@dataclass(frozen=True, eq=False)
class LostShell:
    """Surface voxels whose shell is lost: the width of the cracks in each and the share of its area that they open.

    Both are 0 where the shell is whole.
    """

    mask: Mask
    aperture_mm: FloatArray
    open_share: FloatArray


def lost_shell(
    grid: BoneGrid, places: Places, given: tuple[Defect, ...], *, look: bool, cleft: Mask | None
) -> LostShell:
    """Find where the shell is lost.

    Parameters
    ----------
    grid, places:
        The vertebra.
    given:
        Defects that the user names.
    look:
        Whether the CT is searched.
    cleft:
        The gap of a fracture that has not healed: where it comes near the shell, that is taken as cracked. ``None``:
        not so.
    """
    aperture, share = np.zeros(grid.shape), np.zeros(grid.shape)
    usual, close = float(value("defect.aperture_mm")), float(value("defect.crack_spacing_mm"))
    if cleft is not None and cleft.any():
        away = ndimage.distance_transform_edt(~cleft) * grid.step_mm
        near = places.surface & grid.body & (away <= float(value("cleft.shell_mm")))
        aperture[near], share[near] = usual, usual / float(value("cleft.crack_spacing_mm"))
    if look:
        gone = seen_gone(grid, places) | _destroyed(grid, places)
        aperture[gone], share[gone] = usual, usual / close
    for one in given:
        there = places.surface & ball(grid, np.asarray(one.centre_ras_mm), one.radius_mm)
        aperture[there], share[there] = one.aperture_mm, min(one.aperture_mm / close, 1.0)
    return LostShell(aperture > 0.0, aperture, share)


def seen_gone(grid: BoneGrid, places: Places) -> Mask:
    """Surface of the body where the CT shows no shell.

    Along the outward normal the greatest CT number is the shell's. A connected area counts as lost where that stands
    above soft tissue by less than ``defect.gone_share`` of what this bone's usual shell does: endplates are compared
    with endplates, walls with walls. The opening of the basivertebral vein is no defect.
    """
    skin = places.surface & grid.body
    ends = places.endplate_superior | places.endplate_inferior
    vein = ndimage.map_coordinates(
        vein_zone(grid.local).astype(np.float32),
        list(np.moveaxis((grid.local_mm - grid.local.grid.low_mm) / grid.local.grid.step_mm, -1, 0)),
        order=1,
        mode="constant",
    )
    skin &= ndimage.maximum_filter(vein, size=3) < 0.5
    at = np.argwhere(skin)
    if len(at) == 0:
        return np.zeros_like(grid.bone)
    line = (
        grid.local_mm[tuple(at.T)][:, None, :]
        + (grid.depth_mm[tuple(at.T)][:, None] + ACROSS_SHELL_MM)[..., None]
        * grid.outward[tuple(at.T)][:, None, :]
    )
    ijk = grid.image.to_voxel(grid.axes.to_world(line))
    # Where the scan ends nothing is seen, so nothing is lost.
    within = ((ijk >= 0.0) & (ijk <= np.array(grid.image.shape) - 1.0)).all(axis=(1, 2))
    at, ijk = at[within], ijk[within]
    skin = np.zeros_like(skin)
    skin[tuple(at.T)] = True
    hu = ndimage.map_coordinates(
        np.asarray(grid.image.data, dtype=np.float32), list(np.moveaxis(ijk, -1, 0)), order=1, mode="nearest"
    )
    peak = np.zeros(grid.shape)
    peak[tuple(at.T)] = hu.max(axis=1)
    sigma = SMOOTHING_MM / grid.step_mm
    weight = np.maximum(ndimage.gaussian_filter(skin.astype(np.float64), sigma), 1e-6)
    peak = ndimage.gaussian_filter(np.where(skin, peak, 0.0), sigma) / weight
    gone = np.zeros_like(skin)
    soft, share = float(value("defect.soft_tissue_hu")), float(value("defect.gone_share"))
    for part in (skin & ends, skin & ~ends):
        if part.any():
            usual = float(np.percentile(peak[part], USUAL_PERCENTILE))
            gone |= part & (peak < soft + share * (usual - soft))
    return _large(gone, places.area_mm2)


def _destroyed(grid: BoneGrid, places: Places) -> Mask:
    """Surface over lytic lesions that have destroyed it."""
    found = np.zeros_like(grid.bone)
    for lesion in grid.vertebra.lesions:
        if lesion.kind == "lytic" and lesion.destroyed:
            found |= ball(grid, np.asarray(lesion.centre_ras_mm), 0.5 * lesion.diameter_mm)
    return found & places.surface


def crack_m2(lost: LostShell) -> FloatArray:
    """Permeability of a shell with cracks, m²: w²/12 times the share of its area that they open; 0 where whole."""
    result = np.zeros_like(lost.aperture_mm)
    for width in np.unique(lost.aperture_mm[lost.mask]):
        there = lost.aperture_mm == width
        result[there] = slit_m2(float(width)) * lost.open_share[there]
    return result


def _large(mask: Mask, area_mm2: FloatArray) -> Mask:
    """Connected pieces of at least the least area that counts."""
    pieces, _ = ndimage.label(mask, structure=NEIGHBOURS_26)
    areas = np.bincount(pieces.ravel(), weights=area_mm2.ravel())
    enough = areas >= float(value("defect.area_min_mm2"))
    enough[0] = False
    large: Mask = enough[pieces]
    return large
