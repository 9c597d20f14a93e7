"""Compiled fields of the implants, and painting them with partial volume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from endplate.synthetic.bone_ct import coverage
from endplate.synthetic.field import vertebra_field, voxel_point

ELLIPSOID, CYLINDER, CAPSULE = 0.0, 1.0, 2.0
"""Kinds of bodies: a cylinder has flat ends, a capsule round ones."""
CEMENT, METAL = 1, 2
"""Materials, as they stand in the truth's masks."""

S_KIND = 0
S_START = 1
S_END = 4
S_RADII = 7
S_AXES = 10
S_HU = 19
S_LEVEL = 20
S_MATERIAL = 21
S_WITHIN = 22
SOLID_SIZE = 23

BODY_CLEAR_MM = 0.2
"""Cement in a body keeps this far from its surface."""


@njit(cache=True, error_model="numpy")
def solid_field(p: Any, Q: Any, S: Any) -> Any:
    """Signed distance to one body (first order for an ellipsoid), negative inside."""
    dx = p[0] - Q[S_START]
    dy = p[1] - Q[S_START + 1]
    dz = p[2] - Q[S_START + 2]
    if Q[S_KIND] < 0.5:
        u = (Q[S_AXES] * dx + Q[S_AXES + 1] * dy + Q[S_AXES + 2] * dz) / Q[S_RADII]
        v = (Q[S_AXES + 3] * dx + Q[S_AXES + 4] * dy + Q[S_AXES + 5] * dz) / Q[S_RADII + 1]
        w = (Q[S_AXES + 6] * dx + Q[S_AXES + 7] * dy + Q[S_AXES + 8] * dz) / Q[S_RADII + 2]
        length = math.sqrt(u * u + v * v + w * w)
        a, b, c = u / Q[S_RADII], v / Q[S_RADII + 1], w / Q[S_RADII + 2]
        slope = math.sqrt(a * a + b * b + c * c)
        field = -min(Q[S_RADII], Q[S_RADII + 1], Q[S_RADII + 2])
        if slope > 1e-9:
            field = length * (length - 1.0) / slope
    else:
        ex = Q[S_END] - Q[S_START]
        ey = Q[S_END + 1] - Q[S_START + 1]
        ez = Q[S_END + 2] - Q[S_START + 2]
        run = math.sqrt(ex * ex + ey * ey + ez * ez)
        along = (dx * ex + dy * ey + dz * ez) / run
        nearest = along
        if Q[S_KIND] > 1.5:
            nearest = min(max(along, 0.0), run)
        dx -= nearest * ex / run
        dy -= nearest * ey / run
        dz -= nearest * ez / run
        field = math.sqrt(dx * dx + dy * dy + dz * dz) - Q[S_RADII]
        if Q[S_KIND] < 1.5:
            field = max(field, -along, along - run)
    if Q[S_WITHIN] > 0.5 and field < 3.0:
        _, body, _ = vertebra_field(p, int(Q[S_LEVEL]), S)
        field = max(field, body + BODY_CLEAR_MM)
    return field


@njit(cache=True, error_model="numpy")
def solids_at(points: Any, Q: Any, S: Any) -> Any:
    """Number of the last body that holds each world point, shape (n, 3) → (n,); −1 for none."""
    out = np.full(len(points), -1, dtype=np.int64)
    for n in range(len(points)):
        p = (points[n, 0], points[n, 1], points[n, 2])
        for q in range(len(Q)):
            if solid_field(p, Q[q], S) <= 0.0:
                out[n] = q
    return out


@njit(cache=True, error_model="numpy")
def _edge(distance: Any, cell: Any, sigma: Any) -> Any:
    """Share of a cell inside a surface at this distance from its centre, seen through a Gaussian blur."""
    if sigma < 0.1 * cell:
        return coverage(distance, cell)
    return 0.5 * math.erfc(distance / (math.sqrt(2.0) * sigma))


@njit(cache=True, error_model="numpy")
def paint_solid(image: Any, start: Any, stop: Any, affine: Any, cut: Any, sigma: Any, Q: Any, S: Any) -> None:
    """Lay one body over the CT within a voxel box, its surface blurred; voxels near it are split into cells.

    The blur is that of a scanner before it samples: blurring the voxels afterwards would lose it where they are
    larger than it.
    """
    sizes = np.sqrt((affine[:3, :3] ** 2).sum(axis=0))
    reach = 0.5 * math.sqrt((sizes**2).sum()) + 0.1 + 4.0 * sigma
    cell = (sizes[0] / cut[0] * sizes[1] / cut[1] * sizes[2] / cut[2]) ** (1.0 / 3.0)
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                field = solid_field(voxel_point(affine, a, b, c), Q, S)
                if field > 1.5 * reach:
                    continue
                if field < -reach:
                    image[a, b, c] = Q[S_HU]
                    continue
                share = 0.0
                for u in range(cut[0]):
                    for v in range(cut[1]):
                        for w in range(cut[2]):
                            p = voxel_point(
                                affine,
                                a + (u + 0.5) / cut[0] - 0.5,
                                b + (v + 0.5) / cut[1] - 0.5,
                                c + (w + 0.5) / cut[2] - 0.5,
                            )
                            share += _edge(solid_field(p, Q, S), cell, sigma)
                share /= cut[0] * cut[1] * cut[2]
                image[a, b, c] += share * (Q[S_HU] - image[a, b, c])


@njit(cache=True, error_model="numpy")
def mark_solid(found: Any, start: Any, stop: Any, affine: Any, number: Any, Q: Any, S: Any) -> None:
    """Write the number of a body into the voxels whose centre lies in it."""
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                if solid_field(voxel_point(affine, a, b, c), Q, S) <= 0.0:
                    found[a, b, c] = number
