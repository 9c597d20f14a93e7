"""Compiled growth of marked pieces of bone through a mask: over the cheapest way, or by whole layers."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

COST_MAX = 600
"""Greatest cost of a step over a face."""

EDGE = 1.4142
"""Length of a step over an edge."""


@numba.njit(cache=True, nogil=True)
def claim(cost: Any, marks: Any) -> Any:
    """Give every voxel to the marker that reaches it over the cheapest way, in a fixed order.

    Parameters
    ----------
    cost:
        int16, shape (I, J, K): 1 to ``COST_MAX`` for a step into a voxel, 0 for voxels that nobody may take. The
        outermost layer counts as 0.
    marks:
        uint8, shape (I, J, K): the markers; 0 elsewhere.

    Returns
    -------
    uint8, shape (I, J, K): the marker that reached each voxel (0 where none did).

    Notes
    -----
    Dijkstra's algorithm with a ring of queues, one for each sum of costs. A voxel may wait in several queues: only the
    first that comes up counts.
    """
    n_i, n_j, n_k = cost.shape
    size = n_i * n_j * n_k
    ring = int(COST_MAX * EDGE) + 2
    flat_cost = np.ascontiguousarray(cost).reshape(size)
    flat_marks = np.ascontiguousarray(marks).reshape(size)
    out = np.zeros(size, dtype=np.uint8)
    done = np.zeros(size, dtype=np.bool_)
    sums = np.full(size, 2**31 - 1, dtype=np.int32)
    room = 1024
    voxel = np.empty(room, dtype=np.int32)
    following = np.empty(room, dtype=np.int32)
    head = np.full(ring, -1, dtype=np.int32)
    tail = np.full(ring, -1, dtype=np.int32)
    used = 0
    waiting = 0
    offsets = np.empty(18, dtype=np.int64)
    edge = np.empty(18, dtype=np.bool_)
    count = 0
    for a in range(-1, 2):
        for b in range(-1, 2):
            for c in range(-1, 2):
                moved = abs(a) + abs(b) + abs(c)
                if moved == 1 or moved == 2:
                    offsets[count] = (a * n_j + b) * n_k + c
                    edge[count] = moved == 2
                    count += 1
    for i in range(1, n_i - 1):
        for j in range(1, n_j - 1):
            for k in range(1, n_k - 1):
                index = (i * n_j + j) * n_k + k
                if flat_marks[index] > 0 and flat_cost[index] > 0:
                    if used == room:
                        room *= 2
                        voxel = np.append(voxel, np.empty(used, dtype=np.int32))
                        following = np.append(following, np.empty(used, dtype=np.int32))
                    voxel[used] = index
                    following[used] = -1
                    if head[0] < 0:
                        head[0] = used
                    else:
                        following[tail[0]] = used
                    tail[0] = used
                    used += 1
                    waiting += 1
                    out[index] = flat_marks[index]
                    sums[index] = 0
    now = 0
    while waiting > 0:
        slot = now % ring
        entry = head[slot]
        if entry < 0:
            now += 1
            continue
        head[slot] = following[entry]
        if head[slot] < 0:
            tail[slot] = -1
        waiting -= 1
        index = voxel[entry]
        if done[index]:
            continue
        done[index] = True
        for turn in range(18):
            other = index + offsets[turn]
            step = flat_cost[other]
            if step <= 0 or done[other]:
                continue
            k = other % n_k
            j = (other // n_k) % n_j
            i = other // (n_k * n_j)
            if i == 0 or j == 0 or k == 0 or i == n_i - 1 or j == n_j - 1 or k == n_k - 1:
                continue
            length = int(step * EDGE) if edge[turn] else int(step)
            total = now + length
            if total >= sums[other]:
                continue
            sums[other] = total
            out[other] = out[index]
            if used == room:
                room *= 2
                voxel = np.append(voxel, np.empty(used, dtype=np.int32))
                following = np.append(following, np.empty(used, dtype=np.int32))
            voxel[used] = other
            following[used] = -1
            place = total % ring
            if head[place] < 0:
                head[place] = used
            else:
                following[tail[place]] = used
            tail[place] = used
            used += 1
            waiting += 1
    return out.reshape(cost.shape)


@numba.njit(cache=True, nogil=True)
def spread(labels: Any, rounds: Any) -> Any:
    """Let labels grow into the background by ``rounds`` voxels (faces), the smallest label first where two meet.

    Parameters
    ----------
    labels:
        uint8, shape (I, J, K).
    rounds:
        How far.

    Returns
    -------
    uint8 of that shape.
    """
    n_i, n_j, n_k = labels.shape
    now = labels.copy()
    for _ in range(rounds):
        before = now.copy()
        for i in range(n_i):
            for j in range(n_j):
                for k in range(n_k):
                    if before[i, j, k] > 0:
                        continue
                    least = 255
                    if i > 0 and before[i - 1, j, k] > 0:
                        least = min(least, int(before[i - 1, j, k]))
                    if i < n_i - 1 and before[i + 1, j, k] > 0:
                        least = min(least, int(before[i + 1, j, k]))
                    if j > 0 and before[i, j - 1, k] > 0:
                        least = min(least, int(before[i, j - 1, k]))
                    if j < n_j - 1 and before[i, j + 1, k] > 0:
                        least = min(least, int(before[i, j + 1, k]))
                    if k > 0 and before[i, j, k - 1] > 0:
                        least = min(least, int(before[i, j, k - 1]))
                    if k < n_k - 1 and before[i, j, k + 1] > 0:
                        least = min(least, int(before[i, j, k + 1]))
                    if least < 255:
                        now[i, j, k] = least
    return now
