"""Where the pick page opens: a place in the spine, found by how bone surrounds soft tissue in axial planes.

The canal has bone round it on all sides, plane after plane; a table, ribs, a vessel full of contrast and the heart have
nothing such. The bodies stand in front of it. The place serves to begin with and for nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from endplate.imaging.geometry import FloatArray

GRID_MM = 3.0
"""Pixels of the search in axial planes."""

PLANES_MM = 5.0
"""Distance of the planes that are searched."""

BONE_HU = 180.0
"""Bone after voxels were joined to the grid."""

SOFT_HU = (-150.0, 100.0)
"""The canal and the fat in it: what bone surrounds there. Contrast in a heart or vessel is above."""

REACH_MM = 27.0
"""Bone is met within it: the half of a wide canal, or of a body without spongy bone."""

RAYS = 16
"""Directions in which bone is looked for."""

MET = 0.8
"""Share of the directions in which bone is met, from which a place counts as surrounded."""

BLUR_MM = 9.0
"""Small islands (a humerus, a rib) weigh less than a body with its canal."""

NEAR_MM = 40.0
"""How far the spine may stand aside from its usual column at one height."""

FORWARD_MM = 22.0
"""From the middle of the canal to the middle of the body; less than usual, as marrow without bone counts as canal."""

SLAB_MM = 12.0
"""Planes round the middle that are joined for its place."""


def spine_start(
    codes: NDArray[np.uint8], hu_of_code: FloatArray, spacing_mm: FloatArray
) -> tuple[float, float, float]:
    """A voxel in a vertebral body or a disc at half height; the middle of the volume where no spine is seen.

    Parameters
    ----------
    codes:
        One byte a voxel, shape (R, A, S), axes toward the patient's right, front and head.
    hu_of_code:
        HU of every byte, shape (256,).
    spacing_mm:
        Sizes of a voxel along these axes, shape (3,), mm.
    """
    middle = tuple((n - 1) / 2.0 for n in codes.shape)
    steps = [
        max(1, round(mm / size)) for mm, size in zip((GRID_MM, GRID_MM, PLANES_MM), spacing_mm, strict=True)
    ]
    if any(n < 2 * step for n, step in zip(codes.shape, steps, strict=True)):
        return middle[0], middle[1], middle[2]
    coarse = _joined(codes, hu_of_code, steps)
    sizes = np.asarray(spacing_mm) * steps
    round_it = surrounded(coarse, float(np.mean(sizes[:2])))
    blur = BLUR_MM / sizes[:2]
    likely = _likely(coarse)
    column = gaussian_filter(round_it.sum(axis=2), blur) * likely
    if column.max() <= 0.0:
        return middle[0], middle[1], middle[2]
    i = int(np.unravel_index(int(column.argmax()), column.shape)[0])
    # Planes near half height count most; the spine's own bow is followed there.
    planes = gaussian_filter1d(round_it, SLAB_MM / sizes[2], axis=2)[:, :, coarse.shape[2] // 2]
    here = gaussian_filter(planes, blur) * likely
    far = np.abs(np.arange(here.shape[0]) - i) * sizes[0] > NEAR_MM
    here[far] = 0.0
    at = np.unravel_index(int((here if here.max() > 0.0 else column).argmax()), here.shape)
    i, j = int(at[0]), min(here.shape[1] - 1, int(at[1]) + round(FORWARD_MM / sizes[1]))
    return _fine(i, steps[0], codes.shape[0]), _fine(j, steps[1], codes.shape[1]), middle[2]


def surrounded(hu: NDArray[np.float32], pixel_mm: float) -> NDArray[np.float32]:
    """1 where soft tissue has bone round it in its axial plane, else 0; shape of ``hu``."""
    bone = hu > BONE_HU
    met = np.zeros(bone.shape, dtype=np.uint8)
    reach = max(1, round(REACH_MM / pixel_mm))
    for turn in 2.0 * np.pi * np.arange(RAYS) / RAYS:
        hit = np.zeros_like(bone)
        steps = {(round(far * np.cos(turn)), round(far * np.sin(turn))) for far in range(1, reach + 1)}
        for di, dj in steps:
            _or_shifted(hit, bone, di, dj)
        met += hit
    inside = (met >= MET * RAYS) & (hu > SOFT_HU[0]) & (hu < SOFT_HU[1])
    return inside.astype(np.float32)


def _or_shifted(into: NDArray[np.bool_], bone: NDArray[np.bool_], di: int, dj: int) -> None:
    """Mark the voxels from which bone stands at an offset."""
    n, m = bone.shape[:2]
    if abs(di) >= n or abs(dj) >= m:
        return
    from_i, from_j = slice(max(0, di), n + min(0, di)), slice(max(0, dj), m + min(0, dj))
    to_i, to_j = slice(max(0, -di), n + min(0, -di)), slice(max(0, -dj), m + min(0, -dj))
    into[to_i, to_j] |= bone[from_i, from_j]


def _joined(codes: NDArray[np.uint8], hu_of_code: FloatArray, steps: list[int]) -> NDArray[np.float32]:
    """HU: means over blocks in the plane, of every n-th plane."""
    fi, fj, fk = steps
    ni, nj = codes.shape[0] // fi, codes.shape[1] // fj
    part = np.asarray(hu_of_code, dtype=np.float32)[codes[: ni * fi, : nj * fj, fk // 2 :: fk]]
    means: NDArray[np.float32] = part.reshape(ni, fi, nj, fj, part.shape[2]).mean(axis=(1, 3))
    return means


def _likely(hu: NDArray[np.float32]) -> FloatArray:
    """Weights in the plane: 1 at the middle and the back of what is no air, less at the sides and in front."""
    across, along = (_share(hu, axis) for axis in (0, 1))
    aside = np.abs(across - 0.5)
    weights: FloatArray = (
        np.clip(1.5 - 2.0 * aside, 0.1, 1.0)[:, None] * np.clip(1.5 - along, 0.25, 1.0)[None]
    )
    return weights


def _share(hu: NDArray[np.float32], axis: int) -> FloatArray:
    """Places along an axis as shares of the extent of what is no air, 0 where the axis begins."""
    others = tuple(other for other in range(3) if other != axis)
    body = np.flatnonzero((hu > SOFT_HU[0]).mean(axis=others) > 0.05)
    first, last = (int(body[0]), int(body[-1])) if body.size else (0, hu.shape[axis] - 1)
    share: FloatArray = (np.arange(hu.shape[axis]) - first) / max(1, last - first)
    return share


def _fine(at: int, step: int, size: int) -> float:
    """Middle of a block in voxels."""
    return float(min(size - 1, at * step + (step - 1) / 2.0))
