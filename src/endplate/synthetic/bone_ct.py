"""HU of bone, canal and discs: compiled painting with partial volume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from endplate.synthetic import rows as r
from endplate.synthetic import surfaces as s
from endplate.synthetic.field import above_plane, to_local, vertebra_field, voxel_point

DISC_BULGE_MM = 0.6
"""How far a disc stands out of the rims."""
SLOPE_STEP_MM = 0.15
"""Step of the difference quotients of the field."""


@njit(cache=True, error_model="numpy")
def coverage(distance: Any, width: Any) -> Any:
    """Share of a cell of this width that lies inside a surface at this distance from its centre."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _noise(x: Any, y: Any, z: Any, tile: Any, step: Any) -> Any:
    """Trilinear sample of the periodic texture tile at a local point."""
    n = tile.shape[0]
    fx = x / step
    fy = y / step
    fz = z / step
    i = math.floor(fx)
    j = math.floor(fy)
    k = math.floor(fz)
    fx -= i
    fy -= j
    fz -= k
    i %= n
    j %= n
    k %= n
    ii = (i + 1) % n
    jj = (j + 1) % n
    kk = (k + 1) % n
    a = tile[i, j, k] * (1 - fx) + tile[ii, j, k] * fx
    b = tile[i, jj, k] * (1 - fx) + tile[ii, jj, k] * fx
    c = tile[i, j, kk] * (1 - fx) + tile[ii, j, kk] * fx
    d = tile[i, jj, kk] * (1 - fx) + tile[ii, jj, kk] * fx
    return (a * (1 - fy) + b * fy) * (1 - fz) + (c * (1 - fy) + d * fy) * fz


@njit(cache=True, error_model="numpy")
def marrow_hu(x: Any, y: Any, z: Any, in_body: Any, width: Any, B: Any, M: Any, E: Any, tile: Any) -> Any:
    """HU inside the cortex at a local point of a vertebra, averaged over a cell of this width."""
    density = B[r.X_TRABECULAR]
    texture = 1.0 + M[r.M_TEXTURE_CV] * _noise(
        x + E[r.E_TEXTURE_X], y + E[r.E_TEXTURE_Y], z + E[r.E_TEXTURE_Z], tile, M[r.M_TEXTURE_STEP_MM]
    )
    if not in_body:
        density = (M[r.M_ARCH_FACTOR] * density + M[r.M_ARCH_OFFSET_MGCC]) * max(texture, 0.1)
        return M[r.M_SLOPE] * density + M[r.M_INTERCEPT]
    if E[r.E_IMPACTED] > 0.5:
        density *= s.impaction(x, y, z, E[r.E_BOTH], B)
    hu = M[r.M_SLOPE] * density * max(texture, 0.1) + M[r.M_INTERCEPT]
    # The basivertebral vein enters through the middle of the posterior wall and tapers forward.
    run = (y + 0.5 * B[r.B_DEPTH]) / (0.45 * B[r.B_DEPTH])
    if run < 1.0:
        upper, lower, _ = s.endplates(0.0, y, B)
        radius = 2.0 - 1.3 * max(run, 0.0)
        away = math.sqrt(0.35 * x * x + (z - 0.5 * (upper + lower)) ** 2) - radius
        share = coverage(away, width)
        hu += share * (M[r.M_BLOOD] - hu)
    if E[r.E_CLEFT_RX] > 0.0:
        a = (x - E[r.E_CLEFT_X]) / E[r.E_CLEFT_RX]
        b = (y - E[r.E_CLEFT_Y]) / E[r.E_CLEFT_RY]
        c = (z - E[r.E_CLEFT_Z]) / E[r.E_CLEFT_RZ]
        share = coverage(s.ellipsoid(a, b, c, E[r.E_CLEFT_RX], E[r.E_CLEFT_RY], E[r.E_CLEFT_RZ]), width)
        hu += share * (M[r.M_GAS] - hu)
    return hu


@njit(cache=True, error_model="numpy")
def _canal_share(x: Any, y: Any, width: Any, B: Any, M: Any, E: Any) -> Any:
    """Share of a cell inside the canal's tube and the HU there: epidural fat, fluid and, down to L1, the cord."""
    tube = s.canal_field(x, y, B)
    share = coverage(tube, width)
    hu = M[r.M_EPIDURAL_FAT] + coverage(tube + 1.6, 1.2) * (M[r.M_CSF] - M[r.M_EPIDURAL_FAT])
    if E[r.E_CORD] > 0.0:
        cord = s.ellipsoid(x / 5.2, (y - B[r.C_Y]) / 3.9, 0.0, 5.2, 3.9, 5.2)
        hu += E[r.E_CORD] * coverage(cord, width) * (M[r.M_CORD] - hu)
    return share, hu


@njit(cache=True, error_model="numpy")
def _rim(x: Any, y: Any, B: Any) -> Any:
    """Distance to the rim's outline and its normalised radius."""
    half_depth = 0.5 * B[r.B_DEPTH]
    return s.outline(x, y, B, B[r.B_HALF_WIDTH], half_depth, -half_depth)


@njit(cache=True, error_model="numpy")
def _disc_above(p: Any, x: Any, y: Any, z: Any, side: Any, i: Any, S: Any) -> Any:
    """Field of the disc above level i at a world point with these local coordinates."""
    upper, _, _ = s.endplates(x, y, S[i])
    d = max(side - DISC_BULGE_MM, upper - z)
    if i == 0:
        return max(d, above_plane(p, S[0], r.N_ABOVE))
    x, y, z = to_local(p, S[i - 1])
    side, _ = _rim(x, y, S[i - 1])
    _, lower, _ = s.endplates(x, y, S[i - 1])
    return max(d, side - DISC_BULGE_MM, z - lower)


@njit(cache=True, error_model="numpy")
def _disc_hu(x: Any, y: Any, z: Any, radius: Any, width: Any, M: Any, E: Any) -> Any:
    """HU of a disc: a slightly less dense nucleus, perhaps with gas."""
    hu = M[r.M_DISC] - 12.0 * (1.0 - s.smooth_step(radius / 0.75))
    if E[r.E_VACUUM_RX] > 0.0:
        rx, rz = E[r.E_VACUUM_RX], E[r.E_VACUUM_RZ]
        gas = s.ellipsoid(x / rx, (y - E[r.E_VACUUM_Y]) / rx, (z - E[r.E_VACUUM_Z]) / rz, rx, rx, rz)
        hu += coverage(gas, width) * (M[r.M_GAS] - hu)
    return hu


@njit(cache=True, error_model="numpy")
def _enclosed_hu(hu: Any, p: Any, width: Any, i: Any, M: Any, E: Any, S: Any) -> Any:
    """HU of a voxel after canal and discs of level i were laid over it."""
    last = len(S) - 1
    B = S[i]
    x, y, z = to_local(p, B)
    down = above_plane(p, B, r.N_BELOW)
    if (i == 0 or above_plane(p, B, r.N_ABOVE) <= 0.0) and (i == last or down > 0.0):
        share, fluid = _canal_share(x, y, width, B, M, E)
        hu += share * (fluid - hu)
    side, radius = _rim(x, y, B)
    if side >= 3.0:
        return hu
    if z > 0.0:
        share = coverage(_disc_above(p, x, y, z, side, i, S), width)
        if share > 0.0:
            hu += share * (_disc_hu(x, y, z, radius, width, M, E) - hu)
    elif i == last:
        _, lower, _ = s.endplates(x, y, B)
        share = coverage(max(side - DISC_BULGE_MM, z - lower, -down), width)
        hu += share * (M[r.M_DISC] - hu)
    return hu


@njit(cache=True, error_model="numpy")
def paint_enclosed(
    image: Any, start: Any, stop: Any, affine: Any, width: Any, i: Any, M: Any, E: Any, S: Any
) -> None:
    """Write canal contents and the discs above (and below the last level) into the CT within a voxel box."""
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                p = voxel_point(affine, a, b, c)
                image[a, b, c] = _enclosed_hu(image[a, b, c], p, width, i, M, E, S)


@njit(cache=True, error_model="numpy")
def _slope(bone: Any, p: Any, i: Any, S: Any) -> Any:
    """Length of the field's gradient, which turns its value into a distance; kept near 1."""
    x, y, z = p
    gx = vertebra_field((x + SLOPE_STEP_MM, y, z), i, S)[0] - bone
    gy = vertebra_field((x, y + SLOPE_STEP_MM, z), i, S)[0] - bone
    gz = vertebra_field((x, y, z + SLOPE_STEP_MM), i, S)[0] - bone
    return min(max(math.sqrt(gx * gx + gy * gy + gz * gz) / SLOPE_STEP_MM, 0.85), 2.5)


@njit(cache=True, error_model="numpy")
def _cell_hu(
    base: Any, bone: Any, body: Any, slope: Any, p: Any, cell: Any, i: Any, M: Any, E: Any, tile: Any, S: Any
) -> Any:
    """HU of one cell: what is outside, cortex and marrow, by their depths along the normal."""
    B = S[i]
    depth = -bone / slope
    solid = coverage(-depth, cell)
    if solid <= 0.0:
        return base
    thick = B[r.X_CORTEX] if body <= 0.0 else B[r.X_ARCH_CORTEX]
    marrow = coverage(thick - depth, cell)
    cortex_hu = M[r.M_SLOPE] * M[r.M_CORTEX_MGCC] + M[r.M_INTERCEPT]
    hu = (solid - marrow) * cortex_hu + (1.0 - solid) * base
    if marrow > 0.0:
        x, y, z = to_local(p, B)
        hu += marrow * marrow_hu(x, y, z, body <= 0.0, cell, B, M, E, tile)
    return hu


@njit(cache=True, error_model="numpy")
def paint_bone(
    image: Any, start: Any, stop: Any, affine: Any, split: Any, i: Any, M: Any, E: Any, tile: Any, S: Any
) -> None:
    """Write vertebra i into the CT within a voxel box, with partial volume.

    Voxels that a surface or the cortex may cross are split into ``split[0]`` cells along each axis, others into
    ``split[1]``; a cortex thinner than a cell keeps its mass.
    """
    B = S[i]
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    reach = 0.5 * math.sqrt((sizes**2).sum()) + 0.1
    cell = (sizes[0] / split[0, 0] * sizes[1] / split[0, 1] * sizes[2] / split[0, 2]) ** (1.0 / 3.0)
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            c = start[2]
            while c < stop[2]:
                p = voxel_point(affine, a, b, c)
                bone, body, _ = vertebra_field(p, i, S)
                if r.SAFE_SHARE * bone > reach:
                    c += 1 + int((r.SAFE_SHARE * bone - reach) / sizes[2])
                    continue
                thick = B[r.X_CORTEX] if body <= 0.0 else B[r.X_ARCH_CORTEX]
                slope = 1.0
                deep = -r.SAFE_SHARE * bone > reach + thick
                if not deep:
                    slope = _slope(bone, p, i, S)
                    if bone > slope * 1.15 * reach:
                        c += 1
                        continue
                    deep = -bone > slope * (1.15 * reach + thick)
                cut = split[1] if deep else split[0]
                base = image[a, b, c]
                total = 0.0
                for u in range(cut[0]):
                    for v in range(cut[1]):
                        for w in range(cut[2]):
                            p = voxel_point(
                                affine,
                                a + (u + 0.5) / cut[0] - 0.5,
                                b + (v + 0.5) / cut[1] - 0.5,
                                c + (w + 0.5) / cut[2] - 0.5,
                            )
                            if not deep:
                                bone, body, _ = vertebra_field(p, i, S)
                            total += _cell_hu(base, bone, body, slope, p, cell, i, M, E, tile, S)
                image[a, b, c] = total / (cut[0] * cut[1] * cut[2])
                c += 1
