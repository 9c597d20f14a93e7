"""Forces of one layer of trilinear hexahedra, sixteen elements at a time, without a stored matrix.

The eight corner values of each displacement component are turned into the eight sums and differences (Walsh modes)
along x, y and z. There the element's stiffness falls apart: strain energy couples only modes of the same parity, in
blocks of at most three (:mod:`endplate.mechanics.element`). Neighbours along x are reached by moving lanes, so
nothing is scattered and no two elements write to the same place at a time.

A vector of nodal values is flat: component, z, y, x, with rows padded to ``row`` lanes (:mod:`.layout`).
"""

from __future__ import annotations

from typing import Any

from endplate.kernels import inlined
from endplate.mechanics.compiled import kernel
from endplate.mechanics.lanes import fill, load, moved_up, store, top_lane


@inlined
def _modes(u: Any, r00: Any, r01: Any, r10: Any, r11: Any) -> Any:
    """Sums (0) and differences (1) along x, y, z of one component at the corners of the elements.

    ``r00`` ... ``r11`` are the starts of the four rows of nodes: first digit z, second y. The mode 000 is a
    translation and does no work. Returned in the order 100, 010, 001, 110, 101, 011, 111 (x, y, z).
    """
    near, far = load(u, r00), load(u, r00 + 1)
    s00, d00 = near + far, far - near
    near, far = load(u, r01), load(u, r01 + 1)
    s01, d01 = near + far, far - near
    near, far = load(u, r10), load(u, r10 + 1)
    s10, d10 = near + far, far - near
    near, far = load(u, r11), load(u, r11 + 1)
    s11, d11 = near + far, far - near
    ss0, sd0, ss1, sd1 = s00 + s01, s01 - s00, s10 + s11, s11 - s10
    ds0, dd0, ds1, dd1 = d00 + d01, d01 - d00, d10 + d11, d11 - d10
    return ds0 + ds1, sd0 + sd1, ss1 - ss0, dd0 + dd1, ds1 - ds0, sd1 - sd0, dd1 - dd0


@inlined
def _add(out: Any, at: Any, even: Any, odd: Any, carried: Any) -> Any:
    """Add the forces of a row of elements to its nodes: ``even - odd`` on the left node, their sum on the right."""
    right = even + odd
    store(out, at, load(out, at) + (even - odd) + moved_up(carried, right))
    return right


@inlined
def _spread(
    below: Any,
    above: Any,
    q0: Any,
    q1: Any,
    f100: Any,
    f010: Any,
    f001: Any,
    f110: Any,
    f101: Any,
    f011: Any,
    f111: Any,
    carried: Any,
) -> Any:
    """Turn one component's forces on the modes back into forces on nodes, and add them to both planes."""
    odd_even0, odd_even1 = f100 - f101, f100 + f101
    odd_odd0, odd_odd1 = f110 - f111, f110 + f111
    even_odd0, even_odd1 = f010 - f011, f010 + f011
    p00 = _add(below, q0, (f001 - f001) - f001 - even_odd0, odd_even0 - odd_odd0, carried[0])
    p01 = _add(below, q1, even_odd0 - f001, odd_even0 + odd_odd0, carried[1])
    p10 = _add(above, q0, f001 - even_odd1, odd_even1 - odd_odd1, carried[2])
    p11 = _add(above, q1, f001 + even_odd1, odd_even1 + odd_odd1, carried[3])
    return p00, p01, p10, p11


@inlined
def _finish(below: Any, above: Any, q0: Any, q1: Any, carried: Any) -> None:
    """Add one component's forces of a row's last element to its right nodes, which no register held."""
    below[q0] += top_lane(carried[0])
    below[q1] += top_lane(carried[1])
    above[q0] += top_lane(carried[2])
    above[q1] += top_lane(carried[3])


@kernel()
def add_layer(
    u: Any,
    modulus: Any,
    c: Any,
    layer: Any,
    planes: Any,
    rows: Any,
    row: Any,
    width: Any,
    first: Any,
    last: Any,
    below: Any,
    above: Any,
) -> None:
    """Add the nodal forces of one layer of elements to the node planes below and above it.

    Parameters
    ----------
    u:
        Displacements, flat (3, planes, rows, row) and one register beyond, float32 or float64.
    modulus:
        Modulus of the elements, flat (planes − 1, rows − 1, row) and one register beyond, 0 in voids and padding.
    c:
        Constants of :func:`endplate.mechanics.element.mode_constants`, of the same type.
    layer, planes, rows, row, width:
        Which layer; nodes along z and y; padded nodes along x; lanes of a register.
    first, last:
        Shape (planes − 1, rows − 1): the lanes [first, last) of each row that hold elements, whole registers.
    below, above:
        Flat (3, rows, row) each and one register beyond, added to.
    """
    plane = rows * row
    component = planes * plane
    nothing = fill(c[0]) - fill(c[0])
    cxx, cyy, czz = fill(c[0]), fill(c[1]), fill(c[2])
    cxy, cxz, cyz = fill(c[3]), fill(c[4]), fill(c[5])
    gxy, gxz, gyz = fill(c[6]), fill(c[7]), fill(c[8])
    ax, az, axz = fill(c[9]), fill(c[10]), fill(c[11])
    bx, by, bxy = fill(c[12]), fill(c[13]), fill(c[14])
    dy, dz, dyz = fill(c[15]), fill(c[16]), fill(c[17])
    hxy, hxz, hyz = fill(c[18]), fill(c[19]), fill(c[20])
    tx, ty, tz = fill(c[21]), fill(c[22]), fill(c[23])
    for j in range(rows - 1):
        start, stop = first[layer, j], last[layer, j]
        if stop <= start:
            continue
        r00 = layer * plane + j * row
        r01 = r00 + row
        r10 = r00 + plane
        r11 = r01 + plane
        elements = (layer * (rows - 1) + j) * row
        q0 = j * row
        q1 = q0 + row
        in_x = in_y = in_z = (nothing, nothing, nothing, nothing)
        for i in range(start, stop, width):
            x100, x010, x001, x110, x101, x011, x111 = _modes(u, r00 + i, r01 + i, r10 + i, r11 + i)
            o = component + i
            y100, y010, y001, y110, y101, y011, y111 = _modes(u, r00 + o, r01 + o, r10 + o, r11 + o)
            o += component
            z100, z010, z001, z110, z101, z011, z111 = _modes(u, r00 + o, r01 + o, r10 + o, r11 + o)
            e = load(modulus, elements + i)
            # Stretches and shears of the whole element.
            fx = e * (cxx * x100 + cxy * y010 + cxz * z001)
            fy = e * (cxy * x100 + cyy * y010 + cyz * z001)
            fz = e * (cxz * x100 + cyz * y010 + czz * z001)
            sxy = e * gxy * (x010 + y100)
            sxz = e * gxz * (x001 + z100)
            syz = e * gyz * (y001 + z010)
            # Bending: pairs that share a direction of bending, and the three twists.
            fx110, fz011 = e * (ax * x110 + axz * z011), e * (axz * x110 + az * z011)
            fx101, fy011 = e * (bx * x101 + bxy * y011), e * (bxy * x101 + by * y011)
            fy110, fz101 = e * (dy * y110 + dyz * z101), e * (dyz * y110 + dz * z101)
            t1, t2, t3 = e * hxy * (x011 + y101), e * hxz * (x011 + z110), e * hyz * (y101 + z110)
            fx111, fy111, fz111 = e * tx * x111, e * ty * y111, e * tz * z111
            in_x = _spread(below, above, q0 + i, q1 + i, fx, sxy, sxz, fx110, fx101, t1 + t2, fx111, in_x)
            o = plane + i
            in_y = _spread(below, above, q0 + o, q1 + o, sxy, fy, syz, fy110, t1 + t3, fy011, fy111, in_y)
            o += plane
            in_z = _spread(below, above, q0 + o, q1 + o, sxz, syz, fz, t2 + t3, fz101, fz011, fz111, in_z)
        q0, q1 = q0 + stop, q1 + stop
        _finish(below, above, q0, q1, in_x)
        _finish(below, above, q0 + plane, q1 + plane, in_y)
        _finish(below, above, q0 + 2 * plane, q1 + 2 * plane, in_z)
