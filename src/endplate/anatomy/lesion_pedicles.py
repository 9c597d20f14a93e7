"""Destroyed and dense pedicles: each is compared with the other side and with the neighbouring levels.

On an AP film a destroyed pedicle is the "winking owl"; on CT it is soft tissue where the other side has bone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.lesion_field import BoneField
from endplate.anatomy.lesion_regions import Region, diameter_mm, flatness
from endplate.anatomy.model import LesionKind, Side
from endplate.sources import value

ENOUGH_VOXELS = 30
"""Fewer voxels of a pedicle say nothing of it."""
SIDES: tuple[Side, ...] = ("left", "right")
_SIGN = {"left": -1.0, "right": 1.0}


def pedicle_zones(field: BoneField) -> dict[Side, NDArray[np.bool_]]:
    """The label beside the canal between posterior wall and the canal's middle, by side; empty without a canal."""
    vertebra, grid = field.vertebra, field.grid
    canal = vertebra.canal
    if canal is None:
        return {}
    x, y, z = (grid.coordinate(axis) for axis in range(3))
    centre = canal.centre_at(z)
    ring = canal.typical_mm
    half_width = float(0.5 * (ring[0] + ring[len(ring) // 2]))
    forward = (y[:, None] >= centre[None, :, 1])[None, :, :]
    zone = grid.inside & ~vertebra.body.mask & forward & field.known
    zones: dict[Side, NDArray[np.bool_]] = {}
    for side in SIDES:
        beside = (_SIGN[side] * (x[:, None] - centre[None, :, 0]) > 0.6 * half_width)[:, None, :]
        zones[side] = zone & beside
    return zones


@dataclass(frozen=True)
class PedicleHu:
    """Usual HU of one pedicle: of all that lies below its surface, and of its core (``None``: it has none)."""

    inner: float
    core: float | None


def pedicle_hu(field: BoneField) -> tuple[PedicleHu, ...]:
    """The pedicles that can be judged, for comparison by the neighbours."""
    rule = value("lesion.pedicle")
    found = []
    for zone in pedicle_zones(field).values():
        inner = zone & (field.depth_mm >= float(rule["depth_mm"]))
        core = zone & (field.depth_mm >= float(rule["core_mm"]))
        if inner.sum() > ENOUGH_VOXELS:
            dense = float(np.median(field.hu[core])) if core.sum() > ENOUGH_VOXELS else None
            found.append(PedicleHu(float(np.median(field.hu[inner])), dense))
    return tuple(found)


def pedicle_regions(field: BoneField, neighbours: tuple[PedicleHu, ...]) -> list[Region]:
    """Lytic and blastic areas of both pedicles."""
    rule, lytic = value("lesion.pedicle"), value("lesion.pedicle_lytic")
    zones = pedicle_zones(field)
    step = field.grid.step_mm
    smooth = ndimage.gaussian_filter(field.hu, 0.8 / step)
    inner = {side: zone & (field.depth_mm >= float(rule["depth_mm"])) for side, zone in zones.items()}
    found: list[Region] = []
    for side, zone in inner.items():
        other = inner["right" if side == "left" else "left"]
        known = [item.inner for item in neighbours]
        if other.sum() > ENOUGH_VOXELS:
            known.append(float(np.median(smooth[other])))
        if not known or not zone.any():
            continue
        usual = float(np.median(known))
        dark = zone & (smooth < min(float(lytic["max_hu"]), float(lytic["share"]) * usual))
        for area in _pieces(field, dark, zones[side]):
            here = float(smooth[area].mean())
            mirrored = _mirrored(field, area) & zones["right" if side == "left" else "left"]
            there = float(smooth[mirrored].mean()) if mirrored.sum() > 20 else usual
            gone = _cortex_gone(field, zones, side, area)
            whole = gone < float(lytic["cortex_gone"])
            if there - here < float(lytic["contained_hu" if whole else "mirror_hu"]):
                continue
            found.append(_region(field, "lytic", area, here, here - there, destroyed=not whole))
        if field.vertebra.field.touches_edge:
            continue  # Half a pedicle at the scan's edge says nothing of its density.
        cores = [item.core for item in neighbours if item.core is not None]
        found += _dense(field, smooth, zones, side, cores)
    return found


def _dense(
    field: BoneField,
    smooth: NDArray[np.float32],
    zones: dict[Side, NDArray[np.bool_]],
    side: Side,
    cores_hu: list[float],
) -> list[Region]:
    """Areas of one pedicle's core much denser than the other side's core and the neighbours' cores."""
    rule, blastic = value("lesion.pedicle"), value("lesion.pedicle_blastic")
    core = {name: zone & (field.depth_mm >= float(rule["core_mm"])) for name, zone in zones.items()}
    other = core["right" if side == "left" else "left"]
    if other.sum() < ENOUGH_VOXELS or core[side].sum() < ENOUGH_VOXELS:
        return []
    # The other side may be destroyed: the neighbours say what is usual too.
    usual = max(float(np.median(smooth[other])), float(np.median(cores_hu)) if cores_hu else 0.0)
    limit = usual + max(float(blastic["hu"]), float(blastic["share"]) * usual)
    if float(np.median(smooth[core[side]])) < usual + 0.25 * (limit - usual):
        return []
    dense = core[side] & (smooth > limit)
    found = []
    for area in _pieces(field, dense, zones[side]):
        here = float(smooth[area & core[side]].mean())
        small = diameter_mm(field, area) < float(blastic["small_mm"])
        if small and here - usual < float(blastic["small_hu"]):
            continue
        found.append(_region(field, "blastic", area, here, here - usual))
    return found


def _pieces(field: BoneField, mask: NDArray[np.bool_], zone: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    """Connected pieces, grown back to the label's surface, that are large enough to report."""
    pieces, count = ndimage.label(mask)
    reach = max(1, round(1.0 / field.grid.step_mm))
    kept = []
    for number in range(1, count + 1):
        piece = pieces == number
        grown = ndimage.binary_dilation(piece, iterations=reach) & zone
        if diameter_mm(field, piece) < 0.5 * float(value("lesion.report_min_mm")):
            continue
        if diameter_mm(field, grown) >= 0.9 * float(value("lesion.report_min_mm")):
            kept.append(grown)
    return kept


def _cortex_gone(
    field: BoneField, zones: dict[Side, NDArray[np.bool_]], side: Side, area: NDArray[np.bool_]
) -> float:
    """Share of the pedicle's surface beside an area that has no cortex, against the usual of both pedicles."""
    step = field.grid.step_mm
    # The densest within a voxel of the surface is the cortex, wherever the label's edge fell.
    peak = ndimage.maximum_filter(field.hu, size=2 * max(1, round(0.8 / step)) + 1)
    shell = {name: zone & (field.depth_mm <= 1.5 * step) for name, zone in zones.items()}
    both = np.concatenate([peak[mask] for mask in shell.values()])
    near = ndimage.binary_dilation(area, iterations=max(1, round(1.5 / step))) & shell[side]
    if not near.any():
        return 0.0
    soft = float(value("lesion.soft_tissue_hu"))
    usual = float(np.percentile(both, 60.0))
    limit = soft + float(value("lesion.wall_gone_share")) * (usual - soft)
    return float((peak[near] < limit).mean())


def _mirrored(field: BoneField, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The mask reflected in the mid-sagittal plane, a little wider."""
    grid = field.grid
    index = np.argwhere(mask)
    twice = 2.0 * (field.vertebra.x_mid_mm - grid.low_mm[0]) / grid.step_mm
    index[:, 0] = np.rint(twice - index[:, 0]).astype(int)
    index = index[(index[:, 0] >= 0) & (index[:, 0] < mask.shape[0])]
    reflected = np.zeros_like(mask)
    reflected[tuple(index.T)] = True
    wider: NDArray[np.bool_] = ndimage.binary_dilation(reflected, iterations=1)
    return wider


def _region(
    field: BoneField,
    kind: LesionKind,
    area: NDArray[np.bool_],
    hu: float,
    contrast: float,
    *,
    destroyed: bool = False,
) -> Region:
    return Region(
        kind=kind,
        place="pedicle",
        mask=area,
        mean_hu=hu,
        contrast_hu=contrast,
        contrast_sd=contrast / (4.0 * float(value("lesion.noise_floor_hu"))),
        flatness=flatness(area, field.grid.step_mm),
        destroyed=("pedicle",) if destroyed else (),
    )
