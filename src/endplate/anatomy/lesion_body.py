"""Lytic and blastic areas of the vertebral body, and what looks like them but is not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.lesion_field import BoneField, box_of, distance_mm, expect, masked_smooth
from endplate.anatomy.lesion_regions import Region, departures, diameter_mm
from endplate.anatomy.posterior_wall import vein_zone, wall_defects
from endplate.sources import value


def body_regions(field: BoneField, usual_hu: float | None) -> list[Region]:
    """Areas of the body that are no vein, no endplate's own density and no Schmorl node.

    ``usual_hu`` is the neighbours' marrow, ``None`` where there is none.
    """
    expectation = expect(field, usual_hu)
    if expectation is None:
        return []
    least = value("lesion.contrast_min")
    expected = expectation.expected_hu
    found = []
    dark = np.maximum(float(least["lytic_hu"]), float(least["lytic_share"]) * expected)
    dense = np.maximum(float(least["blastic_hu"]), float(least["blastic_share"]) * expected)
    residual = expectation.residual_hu
    levelled = _without_roots(field, residual)
    for region in departures(field, residual, field.marrow, "lytic", "body", dark):
        low, high = value("lesion.lytic_hu_range")
        if not low <= region.mean_hu <= high:
            continue
        if _is_vein(field, region.mask) or _at_endplate(field, region):
            continue
        if _is_schmorl(field, region.mask, residual) or _is_paired(field, region, residual):
            continue
        found.append(region)
    for region in departures(field, levelled, field.marrow, "blastic", "body", dense):
        if region.mean_hu < float(value("lesion.blastic_min_hu")):
            continue
        # The cortex round the vein's opening is dense, but not as large as this.
        small = diameter_mm(field, region.mask) < float(value("lesion.vein_rim_mm"))
        if (small and _is_vein(field, region.mask)) or _at_endplate(field, region):
            continue
        if _is_paired(field, region, residual):
            continue
        found.append(region)
    return found + _wall_regions(field, expected)


def _wall_regions(field: BoneField, expected: FloatArray) -> list[Region]:
    usual = float(np.median(expected[field.marrow]))
    found = []
    for defect in wall_defects(field, usual):
        hu = float(field.hu[defect.mask].mean()) if defect.mask.any() else defect.peak_hu
        found.append(
            Region(
                kind="lytic",
                place="posterior wall",
                mask=defect.mask,
                mean_hu=hu,
                contrast_hu=hu - usual,
                contrast_sd=(hu - usual) / float(value("lesion.noise_floor_hu")),
                flatness=1.0,
                destroyed=("posterior",),
            )
        )
    return found


def _without_roots(field: BoneField, residual: FloatArray) -> FloatArray:
    """The residual without the dense bone with which both pedicles root in the body.

    Near a pedicle the excess that stands at the mirrored place too is taken away: roots come in pairs, lesions do not.
    """
    vertebra, grid = field.vertebra, field.grid
    reach = float(value("lesion.root_reach_mm"))
    box = list(box_of(vertebra.body.mask))
    # The arch lies behind the body: look for it a little further back only.
    box[1] = slice(max(box[1].start - round(reach / grid.step_mm), 0), box[1].stop)
    near = tuple(box)
    arch = grid.inside[near] & ~vertebra.body.mask[near]
    root = np.zeros_like(vertebra.body.mask)
    root[near] = distance_mm(~arch, grid.step_mm) <= reach
    # Beside the midline a lesion would be taken from itself, and roots do not reach there.
    covered = np.flatnonzero(vertebra.body.mask.any(axis=(1, 2)))
    clear = float(value("lesion.root_midline_share")) * 0.5 * (covered[-1] - covered[0] + 1) * grid.step_mm
    root[np.abs(grid.coordinate(0) - vertebra.x_mid_mm) < clear] = False
    smooth = masked_smooth(residual, field.marrow, 1.5 / grid.step_mm)
    smooth = ndimage.grey_dilation(smooth, size=(3, 3, 3))
    mirrored = _reflected(field, smooth)
    levelled: FloatArray = np.where(root & field.marrow, residual - np.maximum(mirrored, 0.0), residual)
    return levelled


def _reflected(field: BoneField, values: NDArray[Any]) -> NDArray[Any]:
    """An array of the grid reflected in the mid-sagittal plane, 0 where that leaves the grid."""
    twice = 2.0 * field.grid.index(field.vertebra.x_mid_mm, 0)
    there = np.rint(twice - np.arange(values.shape[0])).astype(int)
    valid = (there >= 0) & (there < values.shape[0])
    mirrored = np.zeros_like(values)
    mirrored[valid] = values[there[valid]]
    return mirrored


def _is_paired(field: BoneField, region: Region, residual: FloatArray) -> bool:
    """Whether an area of one side stands at the mirrored place too: anatomy comes in pairs."""
    there = _reflected(field, region.mask)
    if (there & region.mask).sum() > float(value("lesion.paired")["overlap"]) * region.mask.sum():
        return False
    there &= field.marrow
    if there.sum() < 0.3 * region.mask.sum():
        return False
    share = float(residual[there].mean()) / float(residual[region.mask].mean())
    return share > float(value("lesion.paired")["share"])


def _is_vein(field: BoneField, mask: NDArray[np.bool_]) -> bool:
    zone = vein_zone(field.vertebra)
    return bool((mask & zone).sum() > float(value("lesion.vein_share")) * mask.sum())


def _plate_distance_mm(field: BoneField) -> NDArray[np.float64]:
    """Distance to the nearer endplate along the vertebra's axis, shape of the grid; large outside the body."""
    mask = field.vertebra.body.mask
    above = np.cumsum(mask[:, :, ::-1], axis=2)[:, :, ::-1]
    below = np.cumsum(mask, axis=2)
    distance: NDArray[np.float64] = np.where(mask, np.minimum(above, below) * field.grid.step_mm, 1e3)
    return distance


def _at_endplate(field: BoneField, region: Region) -> bool:
    """Whether a flat area lies along an endplate: sclerosis, impacted bone, the edge of a Schmorl node."""
    band = value("lesion.endplate_band")
    small = region.kind == "blastic" and diameter_mm(field, region.mask) < float(band["small_mm"])
    if region.flatness > float(band["flatness"]) and not small:
        return False
    near = _plate_distance_mm(field)[region.mask] <= float(band["reach_mm"])
    return bool(near.mean() > float(band["share"]))


def _is_schmorl(field: BoneField, mask: NDArray[np.bool_], residual: FloatArray) -> bool:
    """Whether a dark area opens to an endplate, is shallow, and has a dense rim."""
    rule = value("lesion.schmorl")
    distance = _plate_distance_mm(field)[mask]
    clear = float(value("lesion.cortex_clear_mm")) + 1.5 * field.grid.step_mm
    if (distance <= clear).mean() < float(rule["open_share"]):
        return False
    if float(np.percentile(distance, 95.0)) > float(rule["depth_mm"]):
        return False
    inner = ndimage.binary_dilation(mask, iterations=max(1, round(0.8 / field.grid.step_mm)))
    outer = ndimage.binary_dilation(inner, iterations=max(1, round(2.0 / field.grid.step_mm)))
    rim = outer & ~inner & field.marrow
    return bool(rim.any() and float(residual[rim].mean()) > float(rule["rim_hu"]))
