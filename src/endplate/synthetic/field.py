"""The field of a whole vertebra among its neighbours: body, pedicles and arch, canal left open, joints left free.

World points are tuples of three. ``S`` is the packed spine, one row a vertebra (:mod:`endplate.synthetic.rows`).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from endplate.synthetic import rows as r
from endplate.synthetic import surfaces as s


@njit(cache=True, error_model="numpy")
def to_local(p: Any, B: Any) -> Any:
    """World point → local coordinates of a vertebra."""
    x = p[0] - B[r.O_ORIGIN]
    y = p[1] - B[r.O_ORIGIN + 1]
    z = p[2] - B[r.O_ORIGIN + 2]
    return (
        B[r.O_AXES] * x + B[r.O_AXES + 1] * y + B[r.O_AXES + 2] * z,
        B[r.O_AXES + 3] * x + B[r.O_AXES + 4] * y + B[r.O_AXES + 5] * z,
        B[r.O_AXES + 6] * x + B[r.O_AXES + 7] * y + B[r.O_AXES + 8] * z,
    )


@njit(cache=True, error_model="numpy")
def arch_field(x: Any, y: Any, z: Any, B: Any) -> Any:
    """Field of the arch before the canal is opened."""
    side = 1 if x > 0.0 else 0
    pedicle, t = s.pedicle_field(x, y, z, B, r.P_FIRST + side * r.PEDICLE_SIZE)
    # The laminae are a shell round the canal, behind the articular pillars.
    shell = s.canal_field(x, y, B)
    behind = B[r.C_Y] - y
    lowered = min(max((B[r.L_TOP] - z) / (B[r.L_TOP] - B[r.L_BOTTOM]), 0.0), 1.0)
    thickness = B[r.L_THICKNESS] + 0.9 * lowered
    top = z - (B[r.L_TOP] - B[r.L_TOP_SLOPE] * max(behind, 0.0))
    others = s.blend_max(shell - thickness, max(top, B[r.L_BOTTOM] - z), r.BLEND_MM)
    # Further down they leave room for the joint with the vertebra below.
    others = s.blend_max(
        others, B[r.C_HALF_AP] * (r.L_FRONT + r.L_FRONT_LOW * lowered * lowered) - behind, 1.0
    )
    for group in (side, 2):
        for k in range(int(B[r.Q_COUNTS + group])):
            part = r.Q_FIRST + group * r.GROUP_SIZE + k * r.PART_SIZE
            dx = x - B[part + r.Q_CX]
            dy = y - B[part + r.Q_CY]
            dz = z - B[part + r.Q_CZ]
            reach = B[part + r.Q_BOUND] + max(others, 0.0) + r.BLEND_MM
            if dx * dx + dy * dy + dz * dz < reach * reach:
                others = s.blend_min(others, s.part_field(x, y, z, B, part), r.BLEND_MM)
    others = max(others, t + r.CLEAR_OF_ISTHMUS_MM)
    return s.blend_min(pedicle, others, r.BLEND_MM)


@njit(cache=True, error_model="numpy")
def _near_body(x: Any, y: Any, z: Any, B: Any) -> Any:
    """Field of the body, or a lower bound of it far away."""
    reach = math.sqrt(x * x + y * y + z * z) - B[r.B_BOUND]
    if reach > 6.0:
        return reach
    return s.body_field(x, y, z, B)


@njit(cache=True, error_model="numpy")
def bone_field(x: Any, y: Any, z: Any, B: Any) -> Any:
    """Fields (vertebra without joints and canal, body) at a local point."""
    body = _near_body(x, y, z, B)
    if y > 4.0:
        # No part of the arch reaches the front half; the bound keeps the value a safe step size all the same.
        return min(body, y), body
    arch = arch_field(x, y, z, B)
    return s.blend_min(arch, body, r.BLEND_MM), body


@njit(cache=True, error_model="numpy")
def above_plane(p: Any, B: Any, first: Any) -> Any:
    """Height of a world point above the plane (point, unit normal) packed from ``first``."""
    x = (p[0] - B[first]) * B[first + 3]
    y = (p[1] - B[first + 1]) * B[first + 4]
    z = (p[2] - B[first + 2]) * B[first + 5]
    return x + y + z


@njit(cache=True, error_model="numpy")
def canal_at(p: Any, i: Any, S: Any) -> Any:
    """Field of the whole canal near vertebra i: each tube reaches to the planes halfway to its neighbours."""
    j = i
    if i > 0 and above_plane(p, S[i], r.N_ABOVE) > 0.0:
        j = i - 1
    if i < len(S) - 1 and above_plane(p, S[i], r.N_BELOW) < 0.0:
        j = i + 1
    x, y, _ = to_local(p, S[j])
    return s.canal_field(x, y, S[j])


@njit(cache=True, error_model="numpy")
def vertebra_field(p: Any, i: Any, S: Any) -> Any:
    """Fields (vertebra, body, free canal) of vertebra i at a world point, a tuple of three.

    The vertebra's arch leaves the canal open and keeps the joint space to the vertebra below.
    """
    x, y, z = to_local(p, S[i])
    bone, body = bone_field(x, y, z, S[i])
    canal = canal_at(p, i, S)
    if bone < 3.0 and bone < body:
        bone = max(bone, -canal)
        if i + 1 < len(S) and z < 0.0:
            x, y, z = to_local(p, S[i + 1])
            below, _ = bone_field(x, y, z, S[i + 1])
            bone = max(bone, r.FACET_GAP_MM - below)
        bone = min(bone, body)
    return bone, body, max(canal, -body)


@njit(cache=True, error_model="numpy")
def fields_at(points: Any, i: Any, S: Any) -> Any:
    """``vertebra_field`` at many world points, shape (n, 3) → (n, 3)."""
    out = np.empty((len(points), 3))
    for n in range(len(points)):
        p = (points[n, 0], points[n, 1], points[n, 2])
        out[n, 0], out[n, 1], out[n, 2] = vertebra_field(p, i, S)
    return out


@njit(cache=True, error_model="numpy")
def voxel_point(affine: Any, a: Any, b: Any, c: Any) -> Any:
    """World point of a (fractional) voxel index."""
    return (
        affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3],
        affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3],
        affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3],
    )
