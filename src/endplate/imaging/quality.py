"""Whether a volume is a CT that may be measured: gates that refuse, and findings that warn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from endplate.errors import QualityGateError
from endplate.imaging.refusals import wrong_modality
from endplate.imaging.stored import slabs
from endplate.imaging.volume import Volume
from endplate.sources import Finding, finding, value

SAMPLE_VOXELS = 2_000_000
"""About as many voxels are looked at for percentiles; a regular sample, so the result is always the same."""

ROUNDING_MM = 1e-3
"""Voxel sizes in files are rounded; a size within this of a limit does not exceed it."""

FEWEST_CT_VALUES = 64
"""An image of whole numbers from 0 with fewer different values is a label map."""


def inspect(volume: Volume) -> tuple[Finding, ...]:
    """Return what the user must know of a CT before it is measured.

    Raises
    ------
    InputError
        ``wrong-modality``: the values are not Hounsfield units.
    QualityGateError
        ``not-finite``, ``constant-image``, ``slices-too-thick``.
    """
    check_values(volume.data, volume.scan.modality)
    return inspect_slices(volume)


def inspect_slices(volume: Volume) -> tuple[Finding, ...]:
    """Return warnings about slice distance and thickness.

    The largest voxel size is the slice distance, however the grid is stored; the stated thickness counts too,
    since overlapping thick slices blur endplates as much as separate ones.

    Raises
    ------
    QualityGateError
        ``slices-too-thick``.
    """
    distance = float(volume.spacing_mm.max())
    thickness = volume.scan.slice_thickness_mm
    effective = max(distance, thickness or 0.0)
    limit, warn = value("imaging.refuse_slice_mm"), value("imaging.warn_slice_mm")
    if effective > limit + ROUNDING_MM:
        raise QualityGateError(
            "slices-too-thick",
            f"The slices are {effective:.1f} mm thick or apart; above {limit:.1f} mm heights, endplates and "
            "pedicle walls cannot be measured safely.",
            do="Ask for a thin reconstruction (1 mm or less); the scanner often keeps the raw data for days.",
        )
    found = []
    if effective > warn + ROUNDING_MM:
        found.append(finding("thick-slices", mm=effective, limit=warn))
    if thickness and distance > thickness * value("imaging.slice_gap_ratio"):
        found.append(finding("slice-gaps", thickness=thickness, spacing=distance))
    return tuple(found)


def check_values(data: NDArray[Any], modality: str | None = None) -> None:
    """Refuse an image whose values cannot be Hounsfield units of a trunk.

    ``modality`` as the file states it; ``None`` where it does not.

    Raises
    ------
    InputError
        ``wrong-modality``.
    QualityGateError
        ``not-finite``, ``constant-image``.
    """
    if modality not in (None, "CT"):
        raise wrong_modality("another kind of image")
    low, high = _finite_range(data)
    if low == high:
        raise QualityGateError(
            "constant-image",
            f"Every voxel has the same value ({low:g}): the image is empty.",
            do="Export or convert the CT again and look at it in a viewer.",
        )
    sample = _sample(data)
    tissue_low, tissue_high, tissue_part = value("imaging.hu_tissue")
    tissue = float(np.mean((sample > tissue_low) & (sample < tissue_high)))
    reason = None
    if low >= 0 and len(np.unique(sample)) < FEWEST_CT_VALUES and bool((sample == np.rint(sample)).all()):
        reason = "a label map or mask"
    elif low > value("imaging.hu_low_below"):
        reason = "an image without fat, air or noise below zero"
    elif high < value("imaging.hu_high_above"):
        reason = "an image without values of bone"
    elif float(np.percentile(sample, 99)) > value("imaging.hu_p99_below"):
        reason = "an image with values far above bone"
    elif tissue < tissue_part:
        reason = "an image without soft tissue"
    if reason is not None:
        raise wrong_modality(f"{reason} (values from {low:.4g} to {high:.4g})")


def set_floor(data: NDArray[Any]) -> tuple[NDArray[Any], tuple[Finding, ...]]:
    """Set what lies below the Hounsfield scale (filling outside the scanned field) to air.

    Writes into ``data`` where it may, which the reader that made it does.
    """
    air = value("imaging.air_hu")
    below = sum(int(np.count_nonzero(slab < air)) for slab in slabs(data))
    if not below:
        return data, ()
    writable = data if data.flags.writeable else data.copy()
    for slab in slabs(writable):
        np.maximum(slab, air, out=slab)
    return writable, (finding("padding-to-air", percent=100.0 * below / data.size, air=air),)


def _finite_range(data: NDArray[Any]) -> tuple[float, float]:
    """Return lowest and highest value; refuse NaN and infinity."""
    lows, highs, broken = [], [], 0
    for slab in slabs(data):
        low, high = float(slab.min()), float(slab.max())
        if not np.isfinite([low, high]).all():
            broken += int(slab.size - np.count_nonzero(np.isfinite(slab)))
        lows.append(low)
        highs.append(high)
    if broken:
        raise QualityGateError(
            "not-finite",
            f"{broken} voxels ({100.0 * broken / data.size:.2g} %) hold no number (NaN or infinity).",
            do="Convert the CT again from DICOM; a registration or resampling step left holes in it.",
        )
    return min(lows), max(highs)


def _sample(data: NDArray[Any]) -> NDArray[Any]:
    step = max(1, round((data.size / SAMPLE_VOXELS) ** (1 / 3)))
    return data[::step, ::step, ::step]
