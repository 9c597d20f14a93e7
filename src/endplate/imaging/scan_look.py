"""One look at a scan: its thinned view, reference tissues, contrast, kernel and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.imaging.coarse import CoarseScan, Mask
from endplate.imaging.contrast import contrast_phase
from endplate.imaging.kernel import judge_kernel
from endplate.imaging.organ_map import OrganMap
from endplate.imaging.references import find_references, muscle_mask
from endplate.imaging.scan_records import ContrastRecord, KernelRecord, ReferenceRecord
from endplate.imaging.spine_place import spine_place
from endplate.imaging.volume import LabelMap, Volume
from endplate.sources import value

FEWEST_EVEN = 200
"""Thinned voxels of muscle below which noise is looked for in fat too."""


@dataclass(frozen=True, eq=False)
class ScanLook:
    """What calibration and character of a scan are both judged from."""

    image: Volume
    coarse: CoarseScan
    references: dict[str, ReferenceRecord]
    contrast: ContrastRecord
    kernel: KernelRecord
    noise_hu: float | None

    @property
    def kvp(self) -> float | None:
        """Tube voltage that the file states, or ``None``."""
        stated = self.image.scan.kvp
        return stated if stated is not None and 40.0 <= stated <= 200.0 else None


def look(image: Volume, labels: LabelMap | None = None, organs: OrganMap | None = None) -> ScanLook:
    """Look at a CT in HU with its vertebra labels and organs on the same grid."""
    coarse = CoarseScan.of(image, labels, organs)
    place = spine_place(coarse)
    flesh = np.zeros(coarse.hu.shape, dtype=np.bool_) if place is None else muscle_mask(coarse, place)
    kernel, noise = judge_kernel(coarse, _even(coarse, flesh), image.scan.kernel)
    kvp = image.scan.kvp
    references = find_references(coarse, place, flesh, kvp, noise)
    if noise is None and "muscle" in references:
        noise = references["muscle"].sd_hu
    contrast = contrast_phase(references, image.scan.contrast_agent, kvp)
    return ScanLook(image, coarse, references, contrast, kernel, noise)


def _even(scan: CoarseScan, muscle: Mask) -> Mask:
    """Thinned voxels of muscle beside the spine; with the fat where they are few."""
    if int(muscle.sum()) >= FEWEST_EVEN:
        return muscle
    low, high = value("internal.tissue_range_hu")["adipose"]
    fat = scan.body & (scan.smooth >= low) & (scan.smooth <= high)
    soft = scan.body & (scan.smooth > 0.0) & (scan.smooth < 90.0)
    return muscle | scan.shrink(fat, 6.0) | scan.shrink(soft, 6.0)
