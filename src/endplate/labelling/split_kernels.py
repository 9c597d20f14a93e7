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
def _offsets(n_j: Any, n_k: Any) -> Any:
    """Steps over faces and edges in a flat array, and which go over an edge."""
    offsets = np.empty(18, dtype=np.int64)
    edge = np.empty(18, dtype=np.bool_)
    count = 0
    for a in range(-1, 2):
        for b in range(-1, 2):
            for c in range(-1, 2):
                moved = abs(a) + abs(b) + abs(c)
                if 1 <= moved <= 2:
                    offsets[count] = (a * n_j + b) * n_k + c
                    edge[count] = moved == 2
                    count += 1
    return offsets, edge


@numba.njit(cache=True, nogil=True)
def _append(queue: Any, head: Any, tail: Any, used: Any, index: Any, place: Any) -> Any:
    """Put a voxel at the end of one queue; ``queue`` holds voxel and next entry. Returns a longer one when full."""
    if used == queue.shape[0]:
        longer = np.empty((2 * used, 2), dtype=np.int32)
        longer[:used] = queue
        queue = longer
    queue[used, 0] = index
    queue[used, 1] = -1
    if head[place] < 0:
        head[place] = used
    else:
        queue[tail[place], 1] = used
    tail[place] = used
    return queue


@numba.njit(cache=True, nogil=True)
def claim(cost: Any, marks: Any, late: Any, delay: Any) -> Any:
    """Give every voxel to the marker that reaches it over the cheapest way, in a fixed order.

    Parameters
    ----------
    cost:
        int16, shape (I, J, K): 1 to ``COST_MAX`` for a step into a voxel, 0 for voxels that nobody may take. The
        outermost layer must be 0.
    marks:
        uint8, shape (I, J, K): the markers; 0 elsewhere.
    late, delay:
        A marker that starts late, and by how much cost (at most ``COST_MAX``).

    Returns
    -------
    uint8, shape (I, J, K): the marker that reached each voxel (0 where none did).

    Notes
    -----
    Dijkstra's algorithm with a ring of queues, one for each sum of costs. A voxel may wait in several queues: only the
    first that comes up counts.
    """
    size = cost.size
    ring = int(COST_MAX * EDGE) + 2
    flat_cost = np.ascontiguousarray(cost).reshape(size)
    flat_marks = np.ascontiguousarray(marks).reshape(size)
    out = np.zeros(size, dtype=np.uint8)
    done = np.zeros(size, dtype=np.bool_)
    sums = np.full(size, 2**31 - 1, dtype=np.int32)
    queue = np.empty((1024, 2), dtype=np.int32)
    head = np.full(ring, -1, dtype=np.int32)
    tail = np.full(ring, -1, dtype=np.int32)
    offsets, edge = _offsets(cost.shape[1], cost.shape[2])
    used, left = 0, 0
    for index in range(size):
        if flat_marks[index] > 0 and flat_cost[index] > 0:
            begin = int(delay) if flat_marks[index] == late else 0
            queue = _append(queue, head, tail, used, index, begin)
            used += 1
            left += 1
            out[index] = flat_marks[index]
            sums[index] = begin
    now = 0
    while left > 0:
        slot = now % ring
        entry = head[slot]
        if entry < 0:
            now += 1
            continue
        head[slot] = queue[entry, 1]
        left -= 1
        index = queue[entry, 0]
        if done[index]:
            continue
        done[index] = True
        for turn in range(18):
            other = index + offsets[turn]
            step = int(flat_cost[other])
            total = now + (int(step * EDGE) if edge[turn] else step)
            if step <= 0 or done[other] or total >= sums[other]:
                continue
            sums[other] = total
            out[other] = out[index]
            queue = _append(queue, head, tail, used, other, total % ring)
            used += 1
            left += 1
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


@numba.njit(cache=True, nogil=True)
def enclosed(state: Any, steps: Any, least: Any) -> Any:
    """Mark free voxels from which most directions meet the own bone before anything else.

    Parameters
    ----------
    state:
        uint8, shape (I, J, K): 0 free, 1 own bone, 2 never to be marked and not looked through.
    steps:
        How far to look along each of 26 directions, in voxels of a step over a face.
    least:
        How many of the 26 directions must meet own bone.

    Returns
    -------
    bool of that shape.
    """
    n_i, n_j, n_k = state.shape
    out = np.zeros(state.shape, dtype=np.bool_)
    for i in range(n_i):
        for j in range(n_j):
            for k in range(n_k):
                if state[i, j, k] != 0:
                    continue
                met = 0
                left = 26
                for a in range(-1, 2):
                    for b in range(-1, 2):
                        for c in range(-1, 2):
                            moved = abs(a) + abs(b) + abs(c)
                            if moved == 0 or met + left < least:
                                continue
                            left -= 1
                            length = (
                                steps
                                if moved == 1
                                else (int(0.71 * steps) if moved == 2 else int(0.58 * steps))
                            )
                            x, y, z = i, j, k
                            for _ in range(length):
                                x, y, z = x + a, y + b, z + c
                                if x < 0 or y < 0 or z < 0 or x >= n_i or y >= n_j or z >= n_k:
                                    break
                                seen = state[x, y, z]
                                if seen == 0:
                                    continue
                                if seen == 1:
                                    met += 1
                                break
                out[i, j, k] = met >= least
    return out
