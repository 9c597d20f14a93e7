"""Compiled inner loops of the surface search: fields in the body's frame, costs along rays, the best surface.

The search is a labelling of the cube's nodes (how far out along its ray each lies) solved by sequential
tree-reweighted message passing with a convex penalty between neighbours.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np


@numba.njit(cache=True, nogil=True, error_model="numpy")
def resample_held(values: Any, matrix: Any, shape: Any) -> Any:
    """Trilinear resampling; outside the grid the nearest value is held, so that no edge arises there.

    Parameters
    ----------
    values:
        float32, shape (I, J, K), at least two voxels along each axis.
    matrix:
        float64, shape (3, 4): index of the new grid → fractional index of ``values``.
    shape:
        Three integers.

    Returns
    -------
    float32 of that shape.
    """
    n_i, n_j, n_k = values.shape
    out = np.empty((shape[0], shape[1], shape[2]), dtype=np.float32)
    for x in range(shape[0]):
        for y in range(shape[1]):
            for z in range(shape[2]):
                i = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
                j = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
                k = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
                i = min(max(i, 0.0), n_i - 1.0)
                j = min(max(j, 0.0), n_j - 1.0)
                k = min(max(k, 0.0), n_k - 1.0)
                a, b, c = min(int(i), n_i - 2), min(int(j), n_j - 2), min(int(k), n_k - 2)
                u, v, w = i - a, j - b, k - c
                near = (1.0 - v) * ((1.0 - w) * values[a, b, c] + w * values[a, b, c + 1]) + v * (
                    (1.0 - w) * values[a, b + 1, c] + w * values[a, b + 1, c + 1]
                )
                far = (1.0 - v) * ((1.0 - w) * values[a + 1, b, c] + w * values[a + 1, b, c + 1]) + v * (
                    (1.0 - w) * values[a + 1, b + 1, c] + w * values[a + 1, b + 1, c + 1]
                )
                out[x, y, z] = (1.0 - u) * near + u * far
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def sample_rays(field: Any, points: Any, normals: Any) -> Any:
    """Value and outward drop along rays.

    Parameters
    ----------
    field:
        float32, shape (X, Y, Z, 4): value and its gradient per mm along the grid's axes.
    points:
        float64, shape (N, K, 3): fractional grid indices.
    normals:
        float64, shape (N, 3): outward unit normals in the grid's axes.

    Returns
    -------
    float32, shape (N, K, 2): value, and the fall per mm along the normal; held at the border of the grid.
    """
    n_x, n_y, n_z, _ = field.shape
    out = np.empty((points.shape[0], points.shape[1], 2), dtype=np.float32)
    for node in range(points.shape[0]):
        for step in range(points.shape[1]):
            i = min(max(points[node, step, 0], 0.0), n_x - 1.001)
            j = min(max(points[node, step, 1], 0.0), n_y - 1.001)
            k = min(max(points[node, step, 2], 0.0), n_z - 1.001)
            a, b, c = int(i), int(j), int(k)
            u, v, w = i - a, j - b, k - c
            level = 0.0
            drop = 0.0
            for da in range(2):
                for db in range(2):
                    for dc in range(2):
                        share = (u if da else 1.0 - u) * (v if db else 1.0 - v) * (w if dc else 1.0 - w)
                        near = field[a + da, b + db, c + dc]
                        level += share * near[0]
                        drop -= share * (
                            near[1] * normals[node, 0]
                            + near[2] * normals[node, 1]
                            + near[3] * normals[node, 2]
                        )
            out[node, step, 0] = level
            out[node, step, 1] = drop
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def crossed(drops: Any, step_mm: Any, tolerance: Any, lag_mm: Any, most: Any) -> Any:
    """How much outward fall a ray has crossed before each of its samples, in clear edges × mm.

    Parameters
    ----------
    drops:
        float32, shape (N, K): falls in units of a clear edge.
    step_mm:
        float64, shape (N,): distance of samples along each ray.
    tolerance:
        Falls below this do not count.
    lag_mm:
        Falls nearer than this count for nothing yet: the edge itself is not held against the surface on it.
    most:
        Upper bound of the sum.
    """
    out = np.zeros(drops.shape, dtype=np.float32)
    for node in range(drops.shape[0]):
        lag = int(np.ceil(lag_mm / step_mm[node]))
        total = 0.0
        for step in range(lag, drops.shape[1]):
            over = drops[node, step - lag] - tolerance
            if over > 0.0:
                total += min(over, 1.0) * step_mm[node]
            out[node, step] = min(total, most)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _penalties(weight: Any, linear_from: Any, band: Any) -> Any:
    """Penalty of 0 … ``band`` steps: their square, going on evenly from ``linear_from``; float32."""
    out = np.empty(band + 1, dtype=np.float32)
    for step in range(band + 1):
        far = min(step, linear_from)
        out[step] = weight * far * (2 * step - far)
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _send(belief: Any, share: Any, back: Any, penalty: Any, rest: Any, message: Any) -> Any:
    """Message of a node: least over its labels of the shared belief less what came back, plus the penalty."""
    count = belief.shape[0]
    for label in range(count):
        rest[label] = share * belief[label] - back[label]
        message[label] = rest[label]
    # One pass a step, so that the inner loops run over plain rows.
    for step in range(1, min(penalty.shape[0], count)):
        extra = penalty[step]
        for label in range(count - step):
            above = rest[label + step] + extra
            message[label] = above if above < message[label] else message[label]
        for label in range(count - step):
            below = rest[label] + extra
            message[label + step] = below if below < message[label + step] else message[label + step]
    least = message[0]
    for label in range(1, count):
        least = min(least, message[label])
    for label in range(count):
        message[label] -= least


@numba.njit(cache=True, nogil=True, error_model="numpy")
def best_surface(  # noqa: PLR0912 - one loop nest
    cost: Any, neighbours: Any, slots: Any, weight: Any, linear_from: Any, band: Any, rounds: Any
) -> Any:
    """Label each node so that costs and weight·bend between neighbours are least together.

    Parameters
    ----------
    cost:
        float32, shape (N, K).
    neighbours:
        int32, shape (N, 4): node beside, -1 for none.
    slots:
        int32, shape (N, 4): in which slot of that node this one stands.
    weight, linear_from, band:
        Penalty of one step; it grows with the square up to ``linear_from`` steps and evenly from there. Messages look
        at most ``band`` steps away.
    rounds:
        Forward and backward passes.

    Returns
    -------
    int32, shape (N,).
    """
    nodes, count = cost.shape
    incoming = np.zeros((nodes, 4, count), dtype=np.float32)
    belief = np.empty(count, dtype=np.float32)
    rest = np.empty(count, dtype=np.float32)
    penalty = _penalties(weight, linear_from, band)
    share = np.empty(nodes, dtype=np.float32)
    for node in range(nodes):
        earlier = 0
        later = 0
        for slot in range(4):
            other = neighbours[node, slot]
            if other >= 0:
                if other < node:
                    earlier += 1
                else:
                    later += 1
        share[node] = 1.0 / max(earlier, later)
    for turn in range(2 * rounds):
        forward = turn % 2 == 0
        for place in range(nodes):
            node = place if forward else nodes - 1 - place
            for label in range(count):
                belief[label] = cost[node, label]
            for slot in range(4):
                if neighbours[node, slot] >= 0:
                    for label in range(count):
                        belief[label] += incoming[node, slot, label]
            for slot in range(4):
                other = neighbours[node, slot]
                if other >= 0 and (other > node) == forward:
                    _send(
                        belief,
                        share[node],
                        incoming[node, slot],
                        penalty,
                        rest,
                        incoming[other, slots[node, slot]],
                    )
    chosen = np.zeros(nodes, dtype=np.int32)
    for node in range(nodes):
        best = np.float32(1e30)
        for label in range(count):
            here = cost[node, label]
            for slot in range(4):
                other = neighbours[node, slot]
                if other >= 0:
                    if other < node:
                        step = abs(label - chosen[other])
                        here += penalty[step] if step <= band else 1e3 + step
                    else:
                        here += incoming[node, slot, label]
            if here < best:
                best = here
                chosen[node] = label
    return chosen
