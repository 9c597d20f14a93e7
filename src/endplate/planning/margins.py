"""Margins of a straight cannula in bone: distances to the outer surface all around it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.anatomy.axes import FloatArray, unit
from endplate.anatomy.mask import LabelField

DIRECTIONS = ("lateral", "superior", "medial", "inferior")
"""The four sectors around a needle, a quarter turn each, centred on these directions."""

RAYS_PER_SECTOR = 8
"""Rays in each sector; a margin is the smallest of its sector."""

RAY_STEP_MM = 0.4
"""Sampling step along a ray; crossings are interpolated."""

REACH_MM = 12.0
"""Margins beyond this are of no interest and reported as this."""

STATION_MM = 0.7
"""Distance between the stations along the needle at which margins are measured."""


@dataclass(frozen=True, eq=False)
class Section:
    """Two unit vectors across a needle: ``lateral_ras`` and ``head_ras``."""

    lateral_ras: FloatArray
    head_ras: FloatArray


def section_across(direction_ras: FloatArray, lateral_ras: FloatArray, head_ras: FloatArray) -> Section:
    """Directions across a needle, perpendicular to it and to each other."""
    lateral = unit(lateral_ras - (lateral_ras @ direction_ras) * direction_ras)
    head = np.cross(direction_ras, lateral)
    return Section(lateral, head if head @ head_ras > 0 else -head)


def wall_distances_mm(
    field: LabelField, start_ras_mm: FloatArray, end_ras_mm: FloatArray, section: Section
) -> FloatArray:
    """Distance from the needle's axis to the bone's outer surface, shape (stations, 4 · RAYS_PER_SECTOR).

    Parameters
    ----------
    field:
        The vertebra; the canal is outside it, so a medial ray stops at the canal.
    start_ras_mm, end_ras_mm:
        The stretch of needle to measure.
    section:
        Directions across it; rays start in the middle of the lateral sector's first ray and turn to the head.
    """
    length = float(np.linalg.norm(end_ras_mm - start_ras_mm))
    count = max(2, int(np.ceil(length / STATION_MM)) + 1)
    stations = start_ras_mm + np.linspace(0.0, 1.0, count)[:, None] * (end_ras_mm - start_ras_mm)
    rays = 4 * RAYS_PER_SECTOR
    angle = 2.0 * np.pi * (np.arange(rays) + 0.5) / rays - 0.25 * np.pi
    directions = np.cos(angle)[:, None] * section.lateral_ras + np.sin(angle)[:, None] * section.head_ras
    reach = np.arange(0.0, REACH_MM + RAY_STEP_MM, RAY_STEP_MM)
    points = stations[:, None, None, :] + reach[None, None, :, None] * directions[None, :, None, :]
    values = field.sample(points)
    outside = values < 0.5
    hit = np.where(outside.any(axis=2), outside.argmax(axis=2), len(reach) - 1)
    rows, columns = np.ogrid[: values.shape[0], : values.shape[1]]
    before, after = values[rows, columns, np.maximum(hit - 1, 0)], values[rows, columns, hit]
    part = np.clip((before - 0.5) / np.maximum(before - after, 1e-6), 0.0, 1.0)
    distance = np.where(hit == 0, 0.0, reach[np.maximum(hit - 1, 0)] + RAY_STEP_MM * part)
    result: FloatArray = np.minimum(distance, REACH_MM)
    return result


def sector_margins_mm(distances_mm: FloatArray, radius_mm: float) -> dict[str, float]:
    """Smallest distance from the cannula's surface to the outer surface in each sector."""
    sectors = distances_mm.reshape(len(distances_mm), 4, RAYS_PER_SECTOR).min(axis=(0, 2))
    return {name: float(sectors[index] - radius_mm) for index, name in enumerate(DIRECTIONS)}


def voxel_half_widths_mm(field: LabelField, section: Section) -> dict[str, float]:
    """Half the extent of a voxel along each direction: how far the true surface may lie inside the map's."""
    directions = field.affine[:3, :3]
    lateral = 0.5 * float(np.linalg.norm(section.lateral_ras @ directions))
    head = 0.5 * float(np.linalg.norm(section.head_ras @ directions))
    return {"lateral": lateral, "medial": lateral, "superior": head, "inferior": head}
