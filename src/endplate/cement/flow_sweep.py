"""How far cement comes in one step: implicit upwind transport, each voxel once, from high pressure to low.

Flow runs down the pressure, so that voxels taken in the order of falling pressure always know what flows into them:
one scalar equation a voxel and no bound on the step. Before a voxel passes on what it holds, its outflows are scaled
to what flows in. So the fluxes are free of sources to the last bit whatever the pressure solver left over, saturation
stays between 0 and 1, and no cement is lost.

Only voxels that hold cement, or get some in this step, are visited: those that held some are sorted, those that the
front reaches are merged in through a heap.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from endplate.cement.compiled import kernel

GATED, LINEAR, COREY = 0, 1, 2
"""Cement's share of what leaves a voxel: none below a gate and linear above it; its saturation; by quadratic
relative permeabilities and the ratio of viscosities."""

NOTHING = 1e-9
"""Saturation below which a voxel passes no cement on; it ends the tail of an implicit front."""

NEWTON_STEPS = 60
CLOSE = 1e-13


@kernel()
def passed(kind: int, gate: float, ratio: float, pore: float, held: float, out: float) -> Any:
    """Cement that leaves a voxel, as volume.

    ``held`` is what it would hold if none left, ``out`` the fluid that leaves it, both as volumes; ``ratio`` is the
    viscosity of cement over that of marrow.
    """
    if held <= NOTHING * pore or out <= 0.0:
        return 0.0
    if kind == GATED:
        if held <= gate * pore:
            return 0.0
        s = (held + out * gate / (1.0 - gate)) / (pore + out / (1.0 - gate))
        return max(held - pore * min(s, held / pore), 0.0)
    if kind == LINEAR:
        return held * out / (pore + out)
    low, high = 0.0, min(held / pore, 1.0)
    s = high
    for _ in range(NEWTON_STEPS):
        rest = 1.0 - s
        mixed = s * s + ratio * rest * rest
        share = s * s / mixed
        error = pore * s + out * share - held
        if error > 0.0:
            high = s
        else:
            low = s
        slope = pore + out * 2.0 * ratio * s * rest / (mixed * mixed)
        new = s - error / slope
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - s) <= CLOSE * s:
            s = new
            break
        s = new
    return min(max(held - pore * s, 0.0), out)


@kernel()
def _push(key: Any, place: Any, count: int, p: float, c: int) -> int:
    at = count
    while at > 0:
        above = (at - 1) // 2
        if key[above] >= p:
            break
        key[at], place[at] = key[above], place[above]
        at = above
    key[at], place[at] = p, c
    return count + 1


@kernel()
def _pop(key: Any, place: Any, count: int) -> int:
    """Take the greatest off the heap; it is at ``place[count - 1]`` afterwards."""
    top = place[0]
    count -= 1
    p, c = key[count], place[count]
    at = 0
    while True:
        child = 2 * at + 1
        if child >= count:
            break
        if child + 1 < count and key[child + 1] > key[child]:
            child += 1
        if key[child] <= p:
            break
        key[at], place[at] = key[child], place[child]
        at = child
    key[at], place[at] = p, c
    place[count] = top
    return count


@kernel()
def _outflows(c: int, p: Any, faces: Any, plane: int, row: int, done: Any, to: Any, out: Any) -> Any:
    """Flow out of a voxel to each of its neighbours, and the sums of what leaves and of what dry ones bring.

    What voxels that are done bring is counted when they pass it on.
    """
    tx, ty, tz = faces
    here = p[c]
    to[0], to[1], to[2], to[3], to[4], to[5] = c - plane, c + plane, c - row, c + row, c - 1, c + 1
    out[0] = tx[c] * (here - p[c - plane])
    out[1] = tx[c + plane] * (here - p[c + plane])
    out[2] = ty[c] * (here - p[c - row])
    out[3] = ty[c + row] * (here - p[c + row])
    out[4] = tz[c] * (here - p[c - 1])
    out[5] = tz[c + 1] * (here - p[c + 1])
    leaves = brought = 0.0
    for f in range(6):
        if done[to[f]] == 1:
            out[f] = 0.0
        elif out[f] > 0.0:
            leaves += out[f]
        else:
            brought -= out[f]
            out[f] = 0.0
    return leaves, brought


@kernel()
def sweep(
    order: Any,
    p: Any,
    faces: Any,
    exits: Any,
    pore: Any,
    ratio: Any,
    brought: Any,
    saturation: Any,
    age: Any,
    work: Any,
    law: Any,
    step_s: float,
    plane: int,
    row: int,
    leaked: Any,
) -> int:
    """Move ``saturation`` and ``age`` on by ``step_s`` in place; add what leaves to ``leaked`` (m³, by route).

    ``order`` holds the voxels with cement and the sources, by falling pressure. ``brought`` is what sources bring in
    m³/s and its age, ``law`` the kind of flux and its gate; ``work`` is memory. Returns the number of voxels visited,
    which the last array of ``work`` lists.
    """
    exit_conductance, route, is_held = exits
    flow_in, age_in = brought
    done, queued, total, cement, aged, key, heap, visited = work
    done[:] = 0
    queued[:] = 0
    total[:] = 0.0
    cement[:] = 0.0
    aged[:] = 0.0
    out = np.empty(6)
    to = np.empty(6, np.int64)
    for m in range(order.size):
        queued[order[m]] = 1
    count, at, seen = 0, 0, 0
    while at < order.size or count > 0:
        if count > 0 and (at == order.size or key[0] >= p[order[at]]):
            count = _pop(key, heap, count)
            c = heap[count]
        else:
            c = order[at]
            at += 1
        leaves, dry = _outflows(c, p, faces, plane, row, done, to, out)
        done[c] = 1
        arrives = total[c] + flow_in[c] + dry
        # A voxel held at the outer pressure is the end of every way: whatever arrives leaves the body.
        exit_flow = 1.0 if is_held[c] else max(exit_conductance[c] * p[c], 0.0)
        if is_held[c]:
            leaves = 0.0
            out[:] = 0.0
        leaves += exit_flow
        before = pore[c] * saturation[c]
        entered = cement[c] + step_s * flow_in[c]
        volume = before + entered
        if entered > 0.0:
            age[c] = (before * age[c] + aged[c] + step_s * flow_in[c] * age_in[c]) / volume
        gone = 0.0
        if leaves > 0.0:
            gone = passed(law[0], law[1], ratio[c], pore[c], volume, step_s * arrives)
            leaked[route[c]] += gone / leaves * exit_flow
        saturation[c] = (volume - gone) / pore[c]
        visited[seen] = c
        seen += 1
        for f in range(6):
            if out[f] > 0.0:
                other, share = to[f], out[f] / leaves
                total[other] += share * arrives
                cement[other] += share * gone
                aged[other] += share * gone * age[c]
                if gone > 0.0 and queued[other] == 0:
                    queued[other] = 1
                    count = _push(key, heap, count, p[other], other)
    return seen
