"""Size and place of every label in a map: what recognising a scheme and checking the order need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.geometry import FloatArray, apply_affine
from endplate.units import MM3_PER_ML


@dataclass(frozen=True)
class LabelStat:
    """One label of a map.

    Parameters
    ----------
    number:
        The id as written in the map.
    volume_ml:
        Its volume.
    centre_ras_mm:
        Its middle (median along each voxel axis, so that stray voxels do not move it), shape (3,).
    box:
        Its bounding box in voxels.
    cut:
        It touches the border of the volume.
    """

    number: int
    volume_ml: float
    centre_ras_mm: FloatArray
    box: tuple[slice, slice, slice]
    cut: bool


def measure_labels(ids: NDArray[np.unsignedinteger], affine: FloatArray) -> dict[int, LabelStat]:
    """Measure every non-zero label.

    Parameters
    ----------
    ids:
        Label map, shape (I, J, K), unsigned integers.
    affine:
        4×4, voxel index → RAS mm.

    Returns
    -------
    dict
        Measurements by id, ids rising.
    """
    voxel_ml = abs(float(np.linalg.det(affine[:3, :3]))) / MM3_PER_ML
    measured: dict[int, LabelStat] = {}
    for number, box in enumerate(ndimage.find_objects(ids), start=1):
        if box is None:
            continue
        inside = ids[box] == number
        counts = [inside.sum(axis=tuple(a for a in range(3) if a != axis)) for axis in range(3)]
        middle = [start.start + _median_index(count) for start, count in zip(box, counts, strict=True)]
        measured[number] = LabelStat(
            number=number,
            volume_ml=float(counts[0].sum()) * voxel_ml,
            centre_ras_mm=apply_affine(affine, middle),
            box=(box[0], box[1], box[2]),
            cut=any(part.start == 0 or part.stop == size for part, size in zip(box, ids.shape, strict=True)),
        )
    return measured


def merged(parts: list[LabelStat]) -> LabelStat:
    """Join labels that make up one level (S1 and the rest of the sacrum) into one measurement."""
    if len(parts) == 1:
        return parts[0]
    weights = np.array([part.volume_ml for part in parts])
    centres = np.array([part.centre_ras_mm for part in parts])
    low = [min(part.box[axis].start for part in parts) for axis in range(3)]
    high = [max(part.box[axis].stop for part in parts) for axis in range(3)]
    return LabelStat(
        number=parts[0].number,
        volume_ml=float(weights.sum()),
        centre_ras_mm=np.average(centres, axis=0, weights=weights),
        box=(slice(low[0], high[0]), slice(low[1], high[1]), slice(low[2], high[2])),
        cut=any(part.cut for part in parts),
    )


def by_level(stats: Mapping[int, LabelStat], level_of_id: Mapping[int, str]) -> dict[str, LabelStat]:
    """Measurements by level name for the ids that name a level."""
    parts: dict[str, list[LabelStat]] = {}
    for number, stat in stats.items():
        if number in level_of_id:
            parts.setdefault(level_of_id[number], []).append(stat)
    return {level: merged(found) for level, found in parts.items()}


def _median_index(counts: NDArray[np.integer]) -> float:
    """Median voxel index of a marginal histogram (between two voxels where they share it)."""
    cumulative = np.cumsum(counts)
    half = cumulative[-1] / 2.0
    low = int(np.searchsorted(cumulative, half, side="left"))
    high = int(np.searchsorted(cumulative, half, side="right"))
    return (low + min(high, len(counts) - 1)) / 2.0
