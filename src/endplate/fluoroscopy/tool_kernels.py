"""Compiled chords of rays through the pieces of tools."""

from __future__ import annotations

from typing import Any

import numpy as np

from endplate.fluoroscopy.compiled import kernel

FAR = 1e300
"""No ray is that long (in its own length)."""


@kernel()
def _span(corners: Any, row: Any, columns: Any) -> Any:
    """Columns that the hull of a piece's projected corners covers within one row, a pixel wider on each side."""
    left, right = FAR, -FAR
    for i in range(8):
        for j in range(i + 1, 8):
            x0, y0, x1, y1 = corners[i, 0], corners[i, 1], corners[j, 0], corners[j, 1]
            if y0 > y1:
                x0, y0, x1, y1 = x1, y1, x0, y0
            low, high = max(y0, row - 1.0), min(y1, row + 1.0)
            if low > high:
                continue
            if y1 - y0 < 1e-9:
                left, right = min(left, x0, x1), max(right, x0, x1)
                continue
            slope = (x1 - x0) / (y1 - y0)
            a, b = x0 + slope * (low - y0), x0 + slope * (high - y0)
            left, right = min(left, a, b), max(right, a, b)
    if right < left or right < -1.0 or left > columns:
        return 0, 0
    return max(0, int(np.floor(max(left, 0.0))) - 1), min(columns, int(np.ceil(min(right, columns))) + 2)


@kernel()
def _clipped(begin: Any, end: Any, at: Any, way: Any, planes: Any, count: Any) -> Any:
    """Length of [begin, end] of a ray within all planes, as a share of the ray."""
    for n in range(count):
        rate = planes[n, 0] * way[0] + planes[n, 1] * way[1] + planes[n, 2] * way[2]
        room = planes[n, 3] - (planes[n, 0] * at[0] + planes[n, 1] * at[1] + planes[n, 2] * at[2])
        if rate > 0.0:
            end = min(end, room / rate)
        elif rate < 0.0:
            begin = max(begin, room / rate)
        elif room < 0.0:
            return 0.0
    return max(0.0, end - begin)


@kernel()
def _chord(at: Any, way: Any, form: Any, level: Any, planes: Any, count: Any) -> Any:
    """Share of a ray from ``at`` along ``way`` that lies in a piece; both told from its centre."""
    a, b, c = 0.0, 0.0, level
    for i in range(3):
        u = form[i, 0] * way[0] + form[i, 1] * way[1] + form[i, 2] * way[2]
        v = form[i, 0] * at[0] + form[i, 1] * at[1] + form[i, 2] * at[2]
        a += way[i] * u
        b += at[i] * u
        c += at[i] * v
    if a == 0.0:
        if b == 0.0:
            return _clipped(0.0, 1.0, at, way, planes, count) if c <= 0.0 else 0.0
        root = -0.5 * c / b
        if b > 0.0:
            return _clipped(0.0, min(1.0, root), at, way, planes, count)
        return _clipped(max(0.0, root), 1.0, at, way, planes, count)
    rest = b * b - a * c
    if rest <= 0.0:
        return _clipped(0.0, 1.0, at, way, planes, count) if a < 0.0 else 0.0
    rest = np.sqrt(rest)
    near, far = min((-b - rest) / a, (-b + rest) / a), max((-b - rest) / a, (-b + rest) / a)
    if a > 0.0:
        return _clipped(max(0.0, near), min(1.0, far), at, way, planes, count)
    # Between the two halves of a double cone; the planes leave one of them.
    return _clipped(0.0, min(1.0, near), at, way, planes, count) + _clipped(
        max(0.0, far), 1.0, at, way, planes, count
    )


@kernel()
def add_chords(
    rays: Any,
    ats: Any,
    forms: Any,
    levels: Any,
    planes: Any,
    counts: Any,
    corners: Any,
    materials: Any,
    signs: Any,
    lengths: Any,
    box: Any,
) -> None:
    """Add the chords of all pieces.

    Parameters
    ----------
    rays:
        Way from the source to pixel (0, 0) and steps to the next column and row, shape (3, 3), mm.
    ats:
        Source as seen from each piece's centre, shape (P, 3).
    forms, levels, planes, counts, signs:
        Of each piece (:class:`endplate.fluoroscopy.shapes.Piece`).
    corners:
        Column, row and depth of each piece's corners, shape (P, 8, 3).
    materials:
        Image of each piece.
    lengths:
        float32, shape (M, rows, columns); mm are added.
    box:
        Rows [top, bottom) and columns [left, right) touched so far; grows.
    """
    rows, columns = lengths.shape[1], lengths.shape[2]
    way = np.empty(3)
    for p in range(ats.shape[0]):
        top, bottom = 0, rows
        seen = True
        for n in range(8):
            seen &= corners[p, n, 2] > 0.0
        if seen:
            low, high = FAR, -FAR
            for n in range(8):
                low, high = min(low, corners[p, n, 1]), max(high, corners[p, n, 1])
            top = max(0, int(np.floor(max(low, 0.0))) - 1)
            bottom = min(rows, int(np.ceil(min(max(high, -2.0), rows))) + 2)
        for r in range(top, bottom):
            # Where a piece reaches behind the source its corners have no place: all columns are looked at.
            left, right = _span(corners[p], float(r), columns) if seen else (0, columns)
            if right <= left:
                continue
            box[0], box[1] = min(box[0], r), max(box[1], r + 1)
            box[2], box[3] = min(box[2], left), max(box[3], right)
            for c in range(left, right):
                for i in range(3):
                    way[i] = rays[0, i] + c * rays[1, i] + r * rays[2, i]
                share = _chord(ats[p], way, forms[p], levels[p], planes[p], counts[p])
                if share > 0.0:
                    length = share * np.sqrt(way[0] * way[0] + way[1] * way[1] + way[2] * way[2])
                    lengths[materials[p], r, c] += signs[p] * length
