"""Compiled loops of the projector: tables of a sweep, the sweep itself, and the way from its rays to pixels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from endplate.fluoroscopy.compiled import kernel
from endplate.fluoroscopy.lanes import BLOCK, FUSED, WIDTH, add_rows, blend_between, blend_columns


@kernel(parallel=True)
def fill_tables(
    along: Any, portion: Any, count: Any, height: Any, depth: Any, where: Any, weight: Any, window: Any
) -> None:
    """For each group of fused planes and each row of rays: which voxels along the contiguous axis, and their weights.

    Parameters
    ----------
    along:
        Start and step of the rows on each plane, shape (2, P).
    portion:
        float32, what each plane counts for, shape (P,).
    count:
        Voxels along the axis without the border.
    height:
        Rows of rays.
    depth:
        Rows of a plane's interpolated voxels; the last two are zero.
    where:
        int32, flat (groups, height, FUSED): place in the interpolated rows.
    weight:
        float32, flat (groups, height, FUSED, 2).
    window:
        int64, shape (groups, 4): first voxel and number of voxels in view, first row and end of the rows in view.
    """
    planes = along.shape[1]
    for g in numba.prange(window.shape[0]):
        low, high, first, end = count + 2, -1, height, 0
        for k in range(g * FUSED, min((g + 1) * FUSED, planes)):
            start, step = along[0, k], along[1, k]
            a, b = start, start + step * (height - 1)
            near, far = min(a, b), max(a, b)
            if far < 0.0 or near >= count + 1.0:
                continue
            low = min(low, int(max(near, 0.0)))
            high = max(high, int(min(far, count + 0.5)))
            # Rows whose place is in [0, count + 1); a row more on either side costs nothing.
            b0 = (0.0 - start) / step
            b1 = (count + 1.0 - start) / step
            first = min(first, max(0, int(np.floor(min(b0, b1))) - 1))
            end = max(end, min(height, int(np.ceil(max(b0, b1))) + 2))
        if high < low:
            window[g, 0], window[g, 1], window[g, 2], window[g, 3] = 0, 0, 0, 0
            continue
        window[g, 0], window[g, 1], window[g, 2], window[g, 3] = low, high + 2 - low, first, end
        for k in range(FUSED):
            plane = g * FUSED + k
            start, step = 0.0, 0.0
            if plane < planes:
                start, step = along[0, plane], along[1, plane]
            for b in range(first, end):
                place = start + step * b
                t = (g * height + b) * FUSED + k
                if plane < planes and 0.0 <= place < count + 1.0:
                    voxel = int(place)
                    where[t] = (k * depth + voxel - low) * BLOCK
                    weight[2 * t] = portion[plane] * (1.0 - (place - voxel))
                    weight[2 * t + 1] = portion[plane] * (place - voxel)
                else:
                    where[t] = (depth - 2) * BLOCK
                    weight[2 * t] = 0.0
                    weight[2 * t + 1] = 0.0


@kernel()
def _columns(
    across: Any, k: Any, u: Any, count: Any, plane: Any, row: Any, where: Any, weight: Any, at: Any
) -> Any:
    """Which rows of voxels a block of columns meets on plane ``k``, and their weights; says whether any."""
    start, step = across[0, k], across[1, k]
    met = False
    for c in range(BLOCK):
        place = start + step * (u + c)
        inside = 0.0 <= place < count + 1.0
        voxel = int(place) if inside else 0
        where[at + c] = plane + voxel * row
        weight[at + c] = place - voxel if inside else 0.0
        met |= inside
    return met


@kernel(parallel=True)
def sweep(
    volume: Any,
    layout: Any,
    planes: Any,
    across: Any,
    tables: Any,
    height: Any,
    depth: Any,
    work: Any,
    total: Any,
) -> None:
    """Add up all planes for each ray: flat (blocks, height, BLOCK) in ``total``.

    Parameters
    ----------
    volume:
        Flat data of the layout.
    layout:
        Stride from plane to plane, from row to row, and number of rows without the border.
    planes:
        Bordered index of each plane; those half way between two planes of voxels are not whole.
    across:
        Start and step of the columns on each plane, shape (2, P).
    tables:
        ``where``, ``weight``, ``window`` of :func:`fill_tables`.
    height, depth:
        As there.
    work:
        float32, shape (threads, FUSED·depth·BLOCK).
    total:
        float32, flat.
    """
    stride, row, count = layout
    where, weight, window = tables
    threads = work.shape[0]
    blocks = total.size // (height * BLOCK)
    # Blocks are dealt in turn: the middle of the body, where there is most to add, falls to every thread.
    for t in numba.prange(threads):
        rows = work[t]
        rows[(depth - 2) * BLOCK : depth * BLOCK] = 0.0
        offset = np.empty(BLOCK * FUSED, np.int64)
        share = np.empty(BLOCK * FUSED, np.float32)
        for block in range(t, blocks, threads):
            total[block * height * BLOCK : (block + 1) * height * BLOCK] = 0.0
            for g in range(window.shape[0]):
                low, voxels, first, end = window[g, 0], window[g, 1], window[g, 2], window[g, 3]
                fused = min(FUSED, planes.size - g * FUSED)
                met = False
                for k in range(fused):
                    plane = int(planes[g * FUSED + k]) * stride
                    met |= _columns(
                        across, g * FUSED + k, block * BLOCK, count, plane, row, offset, share, k * BLOCK
                    )
                if not met or voxels == 0:
                    continue
                for k in range(fused):
                    between = planes[g * FUSED + k] > int(planes[g * FUSED + k])
                    for c in range(0, BLOCK, WIDTH):
                        for z in range(0, voxels, WIDTH):
                            to, u = (k * depth + z) * BLOCK + c, k * BLOCK + c
                            if between:
                                blend_between(volume, offset, share, u, row, low + z, rows, to, stride)
                            else:
                                blend_columns(volume, offset, share, u, row, low + z, rows, to)
                for b in range(first, end):
                    at = (block * height + b) * BLOCK
                    add_rows(total, at, rows, where, weight, (g * height + b) * FUSED)


@kernel(parallel=True)
def to_pixels(total: Any, height: Any, rays: Any, out: Any) -> None:
    """Line integrals of pixels that are the rays themselves: sums by the length of a step.

    Parameters
    ----------
    total:
        From :func:`sweep`.
    height:
        Rows of rays.
    rays:
        Way of a ray at pixel (0, 0) and its change by column and row, shape (6, 3): three components in mm, then the
        main axis, that across and the contiguous one in voxels.
    out:
        float32, shape (rows, columns).
    """
    for r in numba.prange(out.shape[0]):
        for c in range(out.shape[1]):
            x = rays[0, 0] + c * rays[0, 1] + r * rays[0, 2]
            y = rays[1, 0] + c * rays[1, 1] + r * rays[1, 2]
            z = rays[2, 0] + c * rays[2, 1] + r * rays[2, 2]
            planes = abs(rays[3, 0] + c * rays[3, 1] + r * rays[3, 2])
            block = c // BLOCK
            value = total[(block * height + r) * BLOCK + c - block * BLOCK]
            out[r, c] = value * (np.sqrt(x * x + y * y + z * z) / planes)


@kernel()
def _cubic(total: Any, at: Any, step: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """Four values of the sum, a step apart, by their weights."""
    return a * total[at] + b * total[at + step] + c * total[at + 2 * step] + d * total[at + 3 * step]


@kernel()
def _weights(t: Any) -> Any:
    """Of the cubic of Catmull and Rom a share ``t`` of the way from the second of four values to the third."""
    a = t * (t * (1.0 - 0.5 * t) - 0.5)
    d = 0.5 * t * t * (t - 1.0)
    b = 1.0 + t * t * (1.5 * t - 2.5)
    return a, b, 1.0 - a - b - d, d


@kernel(parallel=True)
def warp_to_pixels(total: Any, size: Any, source: Any, grid: Any, rays: Any, out: Any) -> None:
    """Line integrals of pixels between the rays of the middle plane: bicubic there, by the length of a step.

    Parameters
    ----------
    total:
        From :func:`sweep`.
    size:
        Rows and columns of rays, four of each at least.
    source:
        Way from the source to the middle plane on the main axis; the source across and along, in voxels.
    grid:
        Start and step across, start and step along.
    rays, out:
        As in :func:`to_pixels`.
    """
    height, width = size
    reach, aside, fast = source
    per_column, per_row = 1.0 / grid[1], 1.0 / grid[3]
    last_u, last_b = width - 2.001, height - 2.001
    for r in numba.prange(out.shape[0]):
        for c in range(out.shape[1]):
            x = rays[0, 0] + c * rays[0, 1] + r * rays[0, 2]
            y = rays[1, 0] + c * rays[1, 1] + r * rays[1, 2]
            z = rays[2, 0] + c * rays[2, 1] + r * rays[2, 2]
            toward = rays[3, 0] + c * rays[3, 1] + r * rays[3, 2]
            across = rays[4, 0] + c * rays[4, 1] + r * rays[4, 2]
            along = rays[5, 0] + c * rays[5, 1] + r * rays[5, 2]
            to_plane = reach / toward
            u = min(max((aside + across * to_plane - grid[0]) * per_column, 1.0), last_u)
            b = min(max((fast + along * to_plane - grid[2]) * per_row, 1.0), last_b)
            i, j = int(u), int(b)
            k0, k1, k2, k3 = _weights(np.float32(b - j))
            w0, w1, w2, w3 = _weights(np.float32(u - i))
            value = np.float32(0.0)
            i -= 1
            for w in (w0, w1, w2, w3):
                at = ((i // BLOCK) * height + j - 1) * BLOCK + i % BLOCK
                value += w * _cubic(total, at, BLOCK, k0, k1, k2, k3)
                i += 1
            out[r, c] = value * (np.sqrt(x * x + y * y + z * z) / abs(toward))
