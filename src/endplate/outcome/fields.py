"""The volumes of a treatment on the CT's grid: cement, when it came, and how warm each place became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume

MARGIN_VOXELS = 2
LEAST = 0.01
"""Share of a voxel from which it has a time of arrival."""

FINE = 2
"""Points along each edge of a voxel of the CT over which a share is averaged."""


@dataclass(frozen=True, eq=False)
class LevelFields:
    """The fields of one level on the grid of its bone.

    Parameters
    ----------
    affine:
        4×4, voxel index → RAS mm.
    fraction:
        Share of each voxel's volume that is cement, 0–1, shape (I, J, K).
    arrival_s:
        When cement came, s since the skin was punctured; NaN where it did not; ``None`` where that is not known.
    peak_c:
        Greatest temperature; ``None`` where heat was not followed.
    cavity:
        Share of each voxel that balloons took, 0–1; ``None`` where there were none.
    """

    affine: FloatArray
    fraction: NDArray[np.float64]
    arrival_s: NDArray[np.float64] | None = None
    peak_c: NDArray[np.float64] | None = None
    cavity: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class CementMaps:
    """All levels on the CT's grid.

    Parameters
    ----------
    fraction:
        float32, cement's share of each voxel, 0–1.
    arrival_s:
        float32, when cement came to a voxel; 0 where there is none in the end.
    peak_c:
        float32, greatest temperature; 0 where it was not computed.
    cavity:
        float32, balloons' share of each voxel where they held most, 0–1; ``None`` where there were none.
    """

    fraction: Volume
    arrival_s: Volume | None = None
    peak_c: Volume | None = None
    cavity: Volume | None = None


def cement_maps(levels: Sequence[LevelFields], target: Volume) -> CementMaps:
    """Put the fields of all levels onto one grid; the cement's volume is kept, but for what lies beyond the CT.

    Parameters
    ----------
    levels:
        Of one treatment.
    target:
        The CT: only its grid counts.
    """
    fraction = np.zeros(target.shape, np.float32)
    arrival = np.zeros(target.shape, np.float32)
    peak = np.zeros(target.shape, np.float32)
    cavity = np.zeros(target.shape, np.float32)
    for level in levels:
        low, high = _reach(level, target)
        box = tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))
        share = _share(level.fraction, level, target, low, high)
        fraction[box] = np.clip(fraction[box] + share, 0.0, 1.0)
        if level.arrival_s is not None:
            came = _sampled(_everywhere(level.arrival_s), level, target, low, high)
            arrival[box] = np.where(share >= LEAST, np.maximum(came, arrival[box]), arrival[box])
        if level.peak_c is not None:
            warm = _sampled(level.peak_c, level, target, low, high)
            # A point that is only partly within the grid would be an average with nothing.
            inside = _sampled(np.ones(level.peak_c.shape), level, target, low, high) > 1.0 - 1e-9
            peak[box] = np.maximum(peak[box], np.where(inside, warm, 0.0))
        if level.cavity is not None:
            cavity[box] = np.clip(cavity[box] + _share(level.cavity, level, target, low, high), 0.0, 1.0)
    return CementMaps(
        Volume(fraction, target.affine),
        Volume(arrival, target.affine) if any(one.arrival_s is not None for one in levels) else None,
        Volume(peak, target.affine) if any(one.peak_c is not None for one in levels) else None,
        Volume(cavity, target.affine) if any(one.cavity is not None for one in levels) else None,
    )


def _reach(level: LevelFields, target: Volume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The box of the target, [low, high), that a level's grid can reach."""
    ends = np.array(level.fraction.shape) - 1.0
    corners = np.array([[i, j, k] for i in (0.0, 1.0) for j in (0.0, 1.0) for k in (0.0, 1.0)]) * ends
    voxel = target.to_voxel(corners @ level.affine[:3, :3].T + level.affine[:3, 3])
    shape = np.array(target.shape)
    low = np.clip(np.floor(voxel.min(axis=0)).astype(np.int64) - MARGIN_VOXELS, 0, shape)
    high = np.clip(np.ceil(voxel.max(axis=0)).astype(np.int64) + MARGIN_VOXELS + 1, low, shape)
    return low, high


def _share(
    field: NDArray[np.float64],
    level: LevelFields,
    target: Volume,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
) -> NDArray[np.float64]:
    """A share of volume, as its mean over points within each voxel of the box."""
    parts = [_sampled(field, level, target, low, high, shift) for shift in _shifts()]
    return np.asarray(np.mean(parts, axis=0), dtype=np.float64)


def _shifts() -> list[FloatArray]:
    """Points within a voxel of the target, in parts of its edges."""
    steps = (np.arange(FINE) + 0.5) / FINE - 0.5
    return [np.array([a, b, c]) for a in steps for b in steps for c in steps]


def _sampled(
    field: NDArray[np.float64],
    level: LevelFields,
    target: Volume,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    shift: FloatArray | None = None,
) -> NDArray[np.float64]:
    """A level's field at the voxels of a box of the target, linear; 0 outside the level's grid."""
    ijk = np.stack(
        np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1
    )
    world = target.to_world(ijk if shift is None else ijk + shift)
    inverse = np.linalg.inv(level.affine)
    places = world @ inverse[:3, :3].T + inverse[:3, 3]
    values = ndimage.map_coordinates(field, places.reshape(-1, 3).T, order=1, mode="constant", cval=0.0)
    return np.asarray(values.reshape(ijk.shape[:3]), dtype=np.float64)


def _everywhere(arrival_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Times carried on to voxels where cement did not come, from the nearest where it did."""
    unknown = np.isnan(arrival_s)
    if unknown.all():
        return np.zeros(arrival_s.shape)
    nearest = ndimage.distance_transform_edt(unknown, return_distances=False, return_indices=True)
    return np.asarray(arrival_s[tuple(nearest)], dtype=np.float64)
