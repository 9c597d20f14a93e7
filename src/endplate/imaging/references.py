"""Reference tissues of the internal calibration, found by HU and by place against the labelled vertebrae."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from endplate.imaging.attenuation import by_kvp
from endplate.imaging.coarse import CoarseScan, Mask
from endplate.imaging.organ_map import ORGAN_IDS
from endplate.imaging.scan_records import ReferenceRecord
from endplate.imaging.spine_place import DISC_MM, SpinePlace, disc_statistics
from endplate.sources import value

AIR_WIDTH_HU = 25.0
"""Smoothed air lies within this of its commonest value; foam and cloth do not."""


def find_references(
    scan: CoarseScan, place: SpinePlace | None, flesh: Mask, kvp: float | None, noise_hu: float | None
) -> dict[str, ReferenceRecord]:
    """Every reference tissue that the scan shows, by name.

    ``flesh`` is :func:`muscle_mask`; ``kvp`` scales what enhanced blood may show; ``noise_hu`` is the noise of
    single voxels (``None``: not known).
    """
    found = [air(scan), adipose(scan), cortical_bone(scan)]
    if place is not None:
        found.append(_record(scan, "muscle", flesh, "beside and behind the vertebrae"))
        found.append(labelled_blood(scan) or blood(scan, place, kvp or 120.0, noise_hu or 15.0))
    return {record.tissue: record for record in found if record is not None}


def air(scan: CoarseScan) -> ReferenceRecord | None:
    """Air outside the patient, away from skin and clothes: the commonest value, which leaves out foam and cloth.

    Filling outside the scanned field is not air.
    """
    low, high = value("internal.tissue_range_hu")["air"]
    away = float(value("internal.places_mm")["skin_air"])
    outside = ~scan.grow(scan.body, away) & (scan.smooth >= low) & (scan.smooth <= high)
    if not outside.any():
        return None
    counts, edges = np.histogram(scan.smooth[outside], np.arange(low, high + 4.0, 4.0))
    common = float(edges[int(np.argmax(ndimage.uniform_filter1d(counts.astype(np.float64), 3)))]) + 2.0
    mask = outside & (np.abs(scan.smooth - common) <= AIR_WIDTH_HU)
    return _record(scan, "air", mask, "outside the patient")


def adipose(scan: CoarseScan) -> ReferenceRecord | None:
    """Fat under the skin; fat anywhere in the body where no skin is in view."""
    low, high = value("internal.tissue_range_hu")["adipose"]
    fat = scan.body & (scan.smooth >= low) & (scan.smooth <= high)
    core = scan.shrink(fat, 1.5 * max(scan.spacing_mm[:2]))
    near, far = value("internal.places_mm")["fat_depth"]
    under_skin = core & (scan.outside_mm >= near) & (scan.outside_mm <= far)
    found = _record(scan, "adipose", under_skin, "under the skin")
    return found or _record(scan, "adipose", core, "inside the body")


def muscle_mask(scan: CoarseScan, place: SpinePlace) -> Mask:
    """Voxels of muscle beside the spine, away from fat and bone."""
    low, high = value("internal.tissue_range_hu")["muscle"]
    soft = scan.body & (scan.smooth >= low) & (scan.smooth <= high)
    if scan.labels is not None:
        soft &= ~scan.grow(scan.labels > 0, 3.0)
    core = scan.shrink(soft, 1.5 * max(scan.spacing_mm[:2]))
    inner, outer = value("internal.places_mm")["muscle_side"]
    back = float(value("internal.places_mm")["muscle_back"])
    side, forward = place.offsets(scan)
    mask: Mask = (
        core & (np.abs(side) >= inner) & (np.abs(side) <= outer) & (forward <= 0.0) & (forward >= -back)
    )
    return mask


def labelled_blood(scan: CoarseScan) -> ReferenceRecord | None:
    """Blood of the aorta, or else of the vena cava, where an organ map names them."""
    if scan.organs is None:
        return None
    for organ in ("aorta", "inferior_vena_cava"):
        core = scan.shrink(scan.organs == ORGAN_IDS[organ], float(value("internal.places_mm")["vessel_core"]))
        found = _record(scan, "blood", core, f"labelled {organ.replace('_', ' ')}")
        if found is not None:
            return found
    return None


def blood(scan: CoarseScan, place: SpinePlace, kvp: float, noise_hu: float) -> ReferenceRecord | None:
    """Blood of a great vessel in front of the spine: in each slice the brightest even disc, over all slices the median.

    Vessels are the brightest even things there that are no bone, with contrast or without.
    """
    low, high = value("internal.tissue_range_hu")["blood"]
    high *= by_kvp("contrast.iodine_hu_per_mg_ml", kvp) / by_kvp("contrast.iodine_hu_per_mg_ml", 120.0)
    places = value("internal.places_mm")
    near, far = places["vessel_front"]
    side, _ = place.offsets(scan)
    front = place.ahead(scan)
    region = scan.body & (side >= -places["vessel_left"]) & (side <= places["vessel_right"])
    region &= (front >= near + DISC_MM) & (front <= far)
    if scan.labels is not None:
        region &= ~scan.grow(scan.labels > 0, DISC_MM + 1.0)
    mean, spread = disc_statistics(scan)
    even = region & (spread <= 1.6 * noise_hu + 6.0) & (mean >= low) & (mean <= high)
    slices = np.flatnonzero(even.any(axis=(0, 1)))
    if len(slices) < 3:
        return None
    best = np.array([mean[:, :, k][even[:, :, k]].max() for k in slices])
    middle = float(np.median(best))
    agree = np.abs(best - middle) <= max(25.0, 0.15 * abs(middle))
    if agree.mean() < 0.5:
        return None
    disc = round(np.pi * DISC_MM**2 / (scan.spacing_mm[0] * scan.spacing_mm[1]))
    return ReferenceRecord(
        tissue="blood",
        mean_hu=round(middle, 2),
        sd_hu=round(float(np.median([spread[:, :, k][even[:, :, k]].min() for k in slices])), 2),
        voxels=disc * int(agree.sum()),
        volume_ml=round(disc * int(agree.sum()) * scan.voxel_ml, 3),
        where="brightest even disc in front of the spine",
    )


def cortical_bone(scan: CoarseScan) -> ReferenceRecord | None:
    """Dense cortex inside the labels where it is thick enough to show its HU; none near metal."""
    if scan.labels is None:
        return None
    limits = value("internal.cortical_hu")
    fine = scan.fine
    near_bone = (
        np.kron(scan.labels > 0, np.ones(scan.step, dtype=np.bool_))
        if max(scan.step) > 1
        else scan.labels > 0
    )
    shape = tuple(min(a, b) for a, b in zip(fine.shape, near_bone.shape, strict=True))
    box = tuple(slice(0, n) for n in shape)
    hu = np.where(near_bone[box], fine[box], -1000)
    if (hu > float(limits["metal"])).sum() > int(limits["voxels"]):
        return None
    dense = hu > float(limits["around"])
    core = ndimage.binary_erosion(dense) & (hu > float(limits["core"]))
    count = int(core.sum())
    if count < int(limits["voxels"]):
        return None
    values = hu[core].astype(np.float64)
    volume = count * float(np.prod(scan.fine_mm)) / 1000.0
    return ReferenceRecord(
        tissue="cortical_bone",
        mean_hu=round(float(np.median(values)), 2),
        sd_hu=round(float(values.std()), 2),
        voxels=count,
        volume_ml=round(volume, 3),
        where="densest cortex of the labelled vertebrae",
    )


def _record(scan: CoarseScan, tissue: str, mask: Mask, where: str) -> ReferenceRecord | None:
    """The record of a region, or ``None`` where it is too small."""
    least = value("internal.roi_min")
    count = int(mask.sum())
    area = scan.spacing_mm[0] * scan.spacing_mm[1] * (int(mask.sum(axis=(0, 1)).max()) if count else 0)
    if count < int(least["voxels"]) or area < float(least["area_mm2"]):
        return None
    values = scan.hu[mask].astype(np.float64)
    return ReferenceRecord(
        tissue=tissue,
        mean_hu=round(float(np.median(values)), 2),
        sd_hu=round(float(values.std()), 2),
        voxels=count,
        volume_ml=round(count * scan.voxel_ml, 3),
        where=where,
    )
