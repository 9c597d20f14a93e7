"""Connected areas that stand out of what is expected, and what is known of each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.anatomy.axes import FloatArray
from endplate.anatomy.lesion_field import MAD_TO_SD, BoneField, box_of, masked_smooth
from endplate.anatomy.model import LesionKind, LesionPlace
from endplate.sources import value

SEED_MM3 = 4.0
"""Smaller specks above the threshold begin no area."""
OTHER_HALF_MIN = 0.2
"""Least share of the voxels that says something of the bone's unevenness."""


@dataclass(frozen=True, eq=False)
class Region:
    """One area on the vertebra's grid.

    ``mask`` has the shape of the grid; ``contrast_sd`` is in standard deviations of the bone's own unevenness after
    smoothing to the scale at which the area was found. ``flatness`` is its thinnest by its middle extent (1: ball).
    """

    kind: LesionKind
    place: LesionPlace
    mask: NDArray[np.bool_]
    mean_hu: float
    contrast_hu: float
    contrast_sd: float
    flatness: float
    destroyed: tuple[str, ...] = ()


def volume_mm3(field: BoneField, mask: NDArray[np.bool_]) -> float:
    """Volume of a mask on the grid."""
    return float(mask.sum()) * field.grid.step_mm**3


def diameter_mm(field: BoneField, mask: NDArray[np.bool_]) -> float:
    """Diameter of the ball of the same volume."""
    return float((6.0 * volume_mm3(field, mask) / math.pi) ** (1.0 / 3.0))


def departures(
    field: BoneField,
    residual_hu: FloatArray,
    within: NDArray[np.bool_],
    kind: LesionKind,
    place: LesionPlace,
    least_hu: FloatArray,
) -> list[Region]:
    """Areas darker (lytic) or denser (blastic) than expected, at several scales, the clearest first.

    Parameters
    ----------
    field:
        The vertebra's HU.
    residual_hu:
        HU minus expectation.
    within:
        Where to look.
    kind, place:
        What to look for and what to call its place.
    least_hu:
        Least departure that counts, shape of the grid.
    """
    sign = -1.0 if kind == "lytic" else 1.0
    step = field.grid.step_mm
    floor = float(value("lesion.noise_floor_hu"))
    limit_sd = float(value("lesion.contrast_sd")[kind])
    least_mm = float(value("lesion.report_min_mm"))
    box = box_of(within)
    inside, residual, hu = within[box], residual_hu[box], field.hu[box]
    taken = np.zeros_like(inside)
    found: list[Region] = []
    for scale in value("lesion.scales_mm"):
        smooth = sign * masked_smooth(residual, inside, float(scale) / step)
        values = smooth[inside]
        noise = max(_unevenness(values), floor * 1.5 / (1.5 + float(scale)))
        threshold = np.maximum(limit_sd * noise, least_hu[box])
        pieces, count = ndimage.label(inside & (smooth > threshold))
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)
        for number in np.flatnonzero(sizes[1:] * step**3 > SEED_MM3) + 1:
            seed = pieces == number
            peak = float(np.percentile(smooth[seed], 90.0))
            grown = _half_way(inside, smooth, seed, 0.5 * peak)
            if (grown & taken).sum() > 0.3 * grown.sum() or diameter_mm(field, grown) < least_mm:
                continue
            taken |= grown
            core = grown & (smooth > 0.75 * peak)
            mask = np.zeros_like(within)
            mask[box] = grown
            found.append(
                Region(
                    kind=kind,
                    place=place,
                    mask=mask,
                    mean_hu=float(hu[core].mean()),
                    contrast_hu=float(residual[core].mean()),
                    contrast_sd=sign * float(peak / noise),
                    flatness=flatness(grown, step),
                )
            )
    return found


def _unevenness(values: FloatArray) -> float:
    """Standard deviation of bone from what departs from the expectation (0) in the other direction than lesions do.

    A lesion of a third of the body is in the deviation of all values, but not in that of the other half. The smaller
    of both counts: the other half may hold what is no bone either.
    """
    spread = MAD_TO_SD * float(np.median(np.abs(values - np.median(values))))
    other = values[values < 0.0]
    if len(other) < OTHER_HALF_MIN * len(values):
        return spread
    return min(spread, MAD_TO_SD * float(np.median(-other)))


def _half_way(
    within: NDArray[np.bool_], smooth: FloatArray, seed: NDArray[np.bool_], level: float
) -> NDArray[np.bool_]:
    """The connected area round a seed that keeps at least half of its contrast."""
    pieces, _ = ndimage.label(within & (smooth > level))
    numbers = np.unique(pieces[seed])
    area: NDArray[np.bool_] = np.isin(pieces, numbers[numbers > 0])
    return area


def flatness(mask: NDArray[np.bool_], step_mm: float) -> float:
    """Thinnest by middle extent of an area, from its second moments; 1 for a ball, near 0 for a plate."""
    index = np.argwhere(mask) * step_mm
    if len(index) < 8:
        return 0.0
    moments = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(index.T)), 0.0))
    return float(moments[0] / max(moments[1], 1e-6))


def merged(field: BoneField, regions: list[Region]) -> list[Region]:
    """Areas of one kind that nearly touch become one; it is named by its gravest place and largest part."""
    rank = {"pedicle": 2, "posterior wall": 1, "body": 0}
    reach = max(1, round(float(value("lesion.merge_mm")) / field.grid.step_mm))
    done: list[Region] = []
    for region in sorted(regions, key=lambda item: -int(item.mask.sum())):
        near = ndimage.binary_dilation(region.mask, iterations=reach)
        for index, other in enumerate(done):
            if other.kind != region.kind or not (near & other.mask).any():
                continue
            place = other.place
            if rank[region.place] > rank[place] and region.mask.sum() > 0.3 * other.mask.sum():
                place = region.place
            destroyed = tuple(sorted({*other.destroyed, *region.destroyed}))
            both = other.mask | region.mask
            done[index] = replace(other, place=place, mask=both, destroyed=destroyed)
            break
        else:
            done.append(region)
    return done
