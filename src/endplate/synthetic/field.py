"""The implicit surfaces of a vertebra: compiled point functions of packed parameters.

A field is negative inside and its zero set is the surface; near the surface it is the distance to first order.
All jitted code that other jitted code calls stands in this one file, because a compiled cache notices a change
of its own file only. Lengths mm; local coordinates x right, y forward, z up about the middle of the intact body.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

# Body parameters, one row a vertebra.
(
    B_HALF_WIDTH,
    B_DEPTH,
    B_EXPONENT,
    B_CONCAVITY,
    B_NARROWING,
    B_WAIST_LATERAL,
    B_WAIST_ANTERIOR,
    B_WAIST_POSTERIOR,
    B_SUP_HEIGHT,
    B_SUP_SLOPE,
    B_SUP_DISH,
    B_INF_HEIGHT,
    B_INF_SLOPE,
    B_INF_DISH,
    B_RETROPULSION,
    B_RETROPULSION_Z,
    B_BOUND,
    C_Y,
    C_HALF_AP,
    C_HALF_WIDTH,
    C_TAPER,
    C_SCALE,
    L_THICKNESS,
    L_TOP,
    L_TOP_SLOPE,
    L_BOTTOM,
    L_BEHIND,
    X_CORTEX,
    X_TRABECULAR,
    X_ARCH_CORTEX,
) = range(30)
BODY_SIZE = 32

TABLE_NODES = 65
"""Nodes of the collapse profiles over the AP fraction from TABLE_LOW to 1 − TABLE_LOW."""
TABLE_LOW = -0.1

RIM_ROUNDING_MM = 1.6
"""Radius-like width of the rounding between endplate and wall."""
BLEND_MM = 2.4
"""Width of the fillets between the parts of the arch, and between arch and body."""
CLEAR_OF_ISTHMUS_MM = 3.0
"""No part of the arch but the pedicle comes nearer to the isthmus section than this, more than a fillet's width."""
FACET_GAP_MM = 1.0
"""Joint space that the lower articular processes keep from the vertebra below."""
CANAL_EXPONENT = 2.4

DISH_INNER = 0.15
DISH_OUTER = 0.88
FAR = 1.0e3


@njit(cache=True)
def smooth_step(t):
    """C2 step from 0 to 1 on [0, 1]."""
    if t <= 0.0:
        return 0.0
    if t >= 1.0:
        return 1.0
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


@njit(cache=True)
def blend_max(a, b, width):
    """Maximum with a rounded edge; exactly the maximum where a and b differ by more than ``width``."""
    h = width - abs(a - b)
    if h <= 0.0:
        return max(a, b)
    return max(a, b) + h * h / (4.0 * width)


@njit(cache=True)
def blend_min(a, b, width):
    """Minimum with a fillet; exactly the minimum where a and b differ by more than ``width``."""
    return -blend_max(-a, -b, width)


@njit(cache=True)
def _table(table, fraction):
    """Linear interpolation of one collapse profile."""
    t = (fraction - TABLE_LOW) / (1.0 - 2.0 * TABLE_LOW) * (TABLE_NODES - 1)
    if t <= 0.0:
        return table[0]
    if t >= TABLE_NODES - 1:
        return table[TABLE_NODES - 1]
    i = int(t)
    return table[i] + (t - i) * (table[i + 1] - table[i])


@njit(cache=True)
def _outline(x, y, B, half_width, front, back):
    """Signed distance (first order) to the kidney-shaped outline, and its normalised radius.

    ``front`` and ``back`` are the midline y of the anterior and posterior wall in this section.
    """
    depth = front - back
    # The hollow of the posterior wall is a shift that fades toward the middle and the sides.
    hollow = B[B_CONCAVITY]
    shift = 0.0
    u = x / (0.36 * B[B_HALF_WIDTH] * 2.0)
    if abs(u) < 1.0 and y < back + 0.5 * depth:
        fade = smooth_step((back + 0.5 * depth - y) / (0.38 * depth))
        shift = hollow * (1.0 - u * u) ** 2 * fade
    half_depth = 0.5 * (depth + hollow)
    yy = (y - shift - 0.5 * (front + back - hollow)) / half_depth
    a = half_width * (1.0 - B[B_NARROWING] * 0.25 * (min(max(yy, -1.0), 1.0) + 1.0) ** 2)
    xx = abs(x) / a
    yy = abs(yy)
    p = B[B_EXPONENT]
    xq = xx ** (p - 1.0)
    yq = yy ** (p - 1.0)
    s = xq * xx + yq * yy
    if s < 1e-12:
        return -min(half_width, half_depth), 0.0
    radius = s ** (1.0 / p)
    gx = xq / a
    gy = yq / half_depth
    gradient = math.sqrt(gx * gx + gy * gy) * radius / s
    return (radius - 1.0) / gradient, radius


@njit(cache=True)
def endplates(x, y, B, T):
    """Height of the superior and inferior endplate over (x, y), with the outline's normalised radius there."""
    half_depth = 0.5 * B[B_DEPTH]
    _, radius = _outline(x, y, B, B[B_HALF_WIDTH], half_depth, -half_depth)
    dish = 1.0 - smooth_step((radius - DISH_INNER) / (DISH_OUTER - DISH_INNER))
    upper = B[B_SUP_HEIGHT] + B[B_SUP_SLOPE] * y - B[B_SUP_DISH] * dish
    lower = B[B_INF_HEIGHT] + B[B_INF_SLOPE] * y + B[B_INF_DISH] * dish
    fraction = y / B[B_DEPTH] + 0.5
    side = 1.0 - smooth_step((abs(x) / B[B_HALF_WIDTH] - 0.3) / 0.65)
    upper -= _table(T[0], fraction) + side * _table(T[1], fraction)
    lower += _table(T[2], fraction) + side * _table(T[3], fraction)
    return upper, lower, radius


@njit(cache=True)
def intact_gap(x, y, B):
    """Distance between the endplates over (x, y) as it was before the fracture."""
    half_depth = 0.5 * B[B_DEPTH]
    _, radius = _outline(x, y, B, B[B_HALF_WIDTH], half_depth, -half_depth)
    dish = 1.0 - smooth_step((radius - DISH_INNER) / (DISH_OUTER - DISH_INNER))
    height = B[B_SUP_HEIGHT] - B[B_INF_HEIGHT] + (B[B_SUP_SLOPE] - B[B_INF_SLOPE]) * y
    return height - (B[B_SUP_DISH] + B[B_INF_DISH]) * dish


@njit(cache=True)
def body_field(x, y, z, B, T):
    """Field of the vertebral body at a local point."""
    back = -0.5 * B[B_DEPTH]
    upper, lower, _ = endplates(x, y, B, T)
    # The retropulsed wall is the intact wall seen from further forward.
    if B[B_RETROPULSION] > 0.0 and y < 0.0:
        height = (z - B[B_RETROPULSION_Z]) / 6.0
        bulge = B[B_RETROPULSION] * math.exp(-((x / 8.0) ** 2) - height * height)
        y += bulge * smooth_step(-y / (0.45 * B[B_DEPTH]))
    gap = upper - lower
    zeta = (2.0 * z - upper - lower) / max(gap, 1.0)
    waist = max(0.0, 1.0 - zeta * zeta)
    half_width = B[B_HALF_WIDTH] * (1.0 - B[B_WAIST_LATERAL] * waist)
    front = -back - B[B_WAIST_ANTERIOR] * waist
    wall, _ = _outline(x, y, B, half_width, front, back + B[B_WAIST_POSTERIOR] * waist)
    plates = max(z - upper, lower - z)
    return blend_max(wall, plates, RIM_ROUNDING_MM)


@njit(cache=True)
def canal_field(x, y, B):
    """Field of the canal's tube at a local point (it runs along z)."""
    yy = (y - B[C_Y]) / B[C_HALF_AP]
    a = B[C_HALF_WIDTH] * B[C_SCALE] * (1.0 + B[C_TAPER] * min(max(yy, -1.3), 1.3))
    xx = abs(x) / a
    yy = abs(yy)
    xq = xx ** (CANAL_EXPONENT - 1.0)
    yq = yy ** (CANAL_EXPONENT - 1.0)
    s = xq * xx + yq * yy
    if s < 1e-12:
        return -min(B[C_HALF_AP], B[C_HALF_WIDTH])
    radius = s ** (1.0 / CANAL_EXPONENT)
    gx = xq / a
    gy = yq / B[C_HALF_AP]
    return (radius - 1.0) * s / (math.sqrt(gx * gx + gy * gy) * radius)


# One part of the arch: a capsule of elliptical section, tapered, from A along w.
(Q_A, Q_W, Q_U, Q_V) = (0, 3, 6, 9)
(Q_LENGTH, Q_RU0, Q_RV0, Q_RU1, Q_RV1, Q_CX, Q_CY, Q_CZ, Q_BOUND) = range(12, 21)
PART_SIZE = 21


@njit(cache=True)
def part_field(x, y, z, Q):
    """Field of one tapered elliptical capsule."""
    px = x - Q[0]
    py = y - Q[1]
    pz = z - Q[2]
    w = px * Q[3] + py * Q[4] + pz * Q[5]
    u = px * Q[6] + py * Q[7] + pz * Q[8]
    v = px * Q[9] + py * Q[10] + pz * Q[11]
    length = Q[Q_LENGTH]
    t = min(max(w / length, 0.0), 1.0)
    beyond = w - t * length
    ru = Q[Q_RU0] + t * (Q[Q_RU1] - Q[Q_RU0])
    rv = Q[Q_RV0] + t * (Q[Q_RV1] - Q[Q_RV0])
    rw = min(ru, rv)
    a = u / ru
    b = v / rv
    c = beyond / rw
    k0 = math.sqrt(a * a + b * b + c * c)
    if k0 < 1e-6:
        return -rw
    a /= ru
    b /= rv
    c /= rw
    return k0 * (k0 - 1.0) / math.sqrt(a * a + b * b + c * c)


# One pedicle: centre, axis w (forward), u (sideways), v (up), then its sizes.
(P_RU, P_RV, P_FLARE_U, P_FLARE_V, P_FRONT, P_BACK) = range(12, 18)
PEDICLE_SIZE = 18
FLARE_LENGTH_MM = 4.0
FLARE_MAX = 2.0


@njit(cache=True)
def pedicle_field(x, y, z, P):
    """Field of one hourglass pedicle, and the position along its axis (0 at the isthmus, forward positive)."""
    px = x - P[0]
    py = y - P[1]
    pz = z - P[2]
    t = px * P[3] + py * P[4] + pz * P[5]
    u = px * P[6] + py * P[7] + pz * P[8]
    v = px * P[9] + py * P[10] + pz * P[11]
    q = min((t / FLARE_LENGTH_MM) ** 2, FLARE_MAX)
    ru = P[P_RU] * (1.0 + P[P_FLARE_U] * q)
    rv = P[P_RV] * (1.0 + P[P_FLARE_V] * q)
    a = u / ru
    b = v / rv
    k0 = math.sqrt(a * a + b * b)
    if k0 < 1e-6:
        d = -min(ru, rv)
    else:
        a /= ru
        b /= rv
        d = k0 * (k0 - 1.0) / math.sqrt(a * a + b * b)
    return max(d, t - P[P_FRONT], -t - P[P_BACK]), t


@njit(cache=True)
def arch_field(x, y, z, B, P, Q, count):
    """Field of the arch before the canal is opened.

    ``P`` holds the left and right pedicle; ``Q`` the parts as (left, right, middle) groups of ``count`` each.
    """
    side = 1 if x > 0.0 else 0
    pedicle, t = pedicle_field(x, y, z, P[side])
    # The laminae are a shell round the canal, behind the articular pillars.
    shell = canal_field(x, y, B)
    behind = B[C_Y] - y
    thickness = B[L_THICKNESS] + 0.9 * min(max((B[L_TOP] - z) / (B[L_TOP] - B[L_BOTTOM]), 0.0), 1.0)
    top = z - (B[L_TOP] - B[L_TOP_SLOPE] * max(behind, 0.0))
    others = blend_max(shell - thickness, max(top, B[L_BOTTOM] - z), BLEND_MM)
    others = blend_max(others, -behind - B[L_BEHIND], 1.0)
    for group in (side, 2):
        for k in range(count[group]):
            part = Q[group, k]
            dx = x - part[Q_CX]
            dy = y - part[Q_CY]
            dz = z - part[Q_CZ]
            reach = part[Q_BOUND] + max(others, 0.0) + BLEND_MM
            if dx * dx + dy * dy + dz * dz < reach * reach:
                others = blend_min(others, part_field(x, y, z, part), BLEND_MM)
    others = max(others, t + CLEAR_OF_ISTHMUS_MM)
    return blend_min(pedicle, others, BLEND_MM)


@njit(cache=True)
def _to_local(p, M):
    """World → local: M rows 0–2 are the axes, row 3 the origin."""
    x = p[0] - M[3, 0]
    y = p[1] - M[3, 1]
    z = p[2] - M[3, 2]
    return (
        M[0, 0] * x + M[0, 1] * y + M[0, 2] * z,
        M[1, 0] * x + M[1, 1] * y + M[1, 2] * z,
        M[2, 0] * x + M[2, 1] * y + M[2, 2] * z,
    )


@njit(cache=True)
def _near_body(x, y, z, B, T):
    """Field of the body, or a lower bound of it far away."""
    reach = math.sqrt(x * x + y * y + z * z) - B[B_BOUND]
    if reach > 6.0:
        return reach
    return body_field(x, y, z, B, T)


@njit(cache=True)
def bone_field(x, y, z, B, T, P, Q, count):
    """Fields (vertebra without joints and canal, body) at a local point."""
    body = _near_body(x, y, z, B, T)
    if y > 4.0:
        return body, body
    arch = arch_field(x, y, z, B, P, Q, count)
    return blend_min(arch, body, BLEND_MM), body


@njit(cache=True)
def canal_at(px, py, pz, i, poses, planes, bodies):
    """Field of the whole canal near vertebra i: each tube reaches to the planes halfway to its neighbours.

    ``planes[i]`` (point, normal up) lies between vertebra i − 1 and i, i from 1.
    """
    p = (px, py, pz)
    j = i
    if i > 0:
        above = planes[i]
        if (px - above[0]) * above[3] + (py - above[1]) * above[4] + (pz - above[2]) * above[5] > 0.0:
            j = i - 1
    if i < len(poses) - 1:
        below = planes[i + 1]
        if (px - below[0]) * below[3] + (py - below[1]) * below[4] + (pz - below[2]) * below[5] < 0.0:
            j = i + 1
    x, y, _ = _to_local(p, poses[j])
    return canal_field(x, y, bodies[j])


@njit(cache=True)
def vertebra_field(px, py, pz, i, poses, planes, bodies, tables, pedicles, parts, counts):
    """Fields (vertebra, body, canal) of vertebra i at a world point.

    The vertebra's arch leaves the canal open and keeps the joint space to the vertebra below.
    """
    x, y, z = _to_local((px, py, pz), poses[i])
    bone, body = bone_field(x, y, z, bodies[i], tables[i], pedicles[i], parts[i], counts[i])
    canal = canal_at(px, py, pz, i, poses, planes, bodies)
    if bone < 3.0 and bone < body:
        bone = max(bone, -canal)
        if i + 1 < len(poses) and z < 0.0:
            x, y, z = _to_local((px, py, pz), poses[i + 1])
            below, _ = bone_field(
                x, y, z, bodies[i + 1], tables[i + 1], pedicles[i + 1], parts[i + 1], counts[i + 1]
            )
            bone = max(bone, FACET_GAP_MM - below)
        bone = min(bone, body)
    return bone, body, max(canal, -body)


@njit(cache=True)
def fields_at(points, i, poses, planes, bodies, tables, pedicles, parts, counts):
    """``vertebra_field`` at many world points, shape (n, 3) → (n, 3)."""
    out = np.empty((len(points), 3))
    for n in range(len(points)):
        a, b, c = vertebra_field(
            points[n, 0], points[n, 1], points[n, 2], i, poses, planes, bodies, tables, pedicles, parts, counts
        )
        out[n, 0] = a
        out[n, 1] = b
        out[n, 2] = c
    return out


@njit(cache=True)
def body_at(points, B, T):
    """``body_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = body_field(points[n, 0], points[n, 1], points[n, 2], B, T)
    return out


@njit(cache=True)
def endplates_at(xy, B, T):
    """``endplates`` at many (x, y), shape (n, 2) → (n, 3)."""
    out = np.empty((len(xy), 3))
    for n in range(len(xy)):
        out[n, 0], out[n, 1], out[n, 2] = endplates(xy[n, 0], xy[n, 1], B, T)
    return out


@njit(cache=True)
def canal_clearance(points, B):
    """Smallest canal field over local points, shape (n, 3)."""
    least = FAR
    for n in range(len(points)):
        least = min(least, canal_field(points[n, 0], points[n, 1], B))
    return least


@njit(cache=True)
def paint_labels(
    labels, subregions, start, stop, affine, i, label, poses, planes, bodies, tables, pedicles, parts, counts
):
    """Write vertebra i into the label arrays within the voxel box [start, stop)."""
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                px = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                py = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                pz = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                bone, body, canal = vertebra_field(
                    px, py, pz, i, poses, planes, bodies, tables, pedicles, parts, counts
                )
                if bone <= 0.0:
                    labels[a, b, c] = label
                    subregions[a, b, c] = 49 if body <= 0.0 else 41
                elif canal <= 0.0 and subregions[a, b, c] == 0:
                    above = planes[i]
                    below = planes[i + 1]
                    up = (px - above[0]) * above[3] + (py - above[1]) * above[4] + (pz - above[2]) * above[5]
                    down = (px - below[0]) * below[3] + (py - below[1]) * below[4] + (pz - below[2]) * below[5]
                    if up <= 0.0 and down > 0.0:
                        subregions[a, b, c] = 61


@njit(cache=True)
def outline_at(xy, B):
    """Distance to the rim's outline at many (x, y), shape (n, 2) → (n,)."""
    out = np.empty(len(xy))
    half_depth = 0.5 * B[B_DEPTH]
    for n in range(len(xy)):
        out[n], _ = _outline(xy[n, 0], xy[n, 1], B, B[B_HALF_WIDTH], half_depth, -half_depth)
    return out


@njit(cache=True)
def body_volume(xs, ys, zs, step, B, T):
    """Volume in mm³ and first moments in y and z of the body over a lattice.

    A voxel on the surface counts by its first-order coverage.
    """
    total = np.zeros(3)
    h = 0.25 * step
    for x in xs:
        for y in ys:
            for z in zs:
                d = body_field(x, y, z, B, T)
                if d > step:
                    continue
                if d < -1.6 * step:
                    total[0] += 1.0
                    total[1] += y
                    total[2] += z
                    continue
                gx = body_field(x + h, y, z, B, T) - body_field(x - h, y, z, B, T)
                gy = body_field(x, y + h, z, B, T) - body_field(x, y - h, z, B, T)
                gz = body_field(x, y, z + h, B, T) - body_field(x, y, z - h, B, T)
                slope = math.sqrt(gx * gx + gy * gy + gz * gz) / (2.0 * h)
                # Width of a cube seen along the normal; exact to first order for a plane cut.
                width = (abs(gx) + abs(gy) + abs(gz)) / (2.0 * h) / max(slope, 1e-9)
                share = min(max(0.5 - d / max(slope, 1e-9) / (step * width), 0.0), 1.0)
                total[0] += share
                total[1] += share * y
                total[2] += share * z
    return total * step * step * step


@njit(cache=True)
def canal_at_local(points, B):
    """``canal_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = canal_field(points[n, 0], points[n, 1], B)
    return out


@njit(cache=True)
def impaction(x, y, z, both, B, T):
    """Factor on the intact density that keeps each collapsed column's bone in it.

    The surplus rises linearly from nothing at the inferior endplate to twice its mean under the broken superior one
    (``both`` = 1: quadratically toward both).
    """
    upper, lower, _ = endplates(x, y, B, T)
    gap = max(upper - lower, 1.0)
    surplus = max(intact_gap(x, y, B) / gap - 1.0, 0.0)
    zeta = min(max((z - lower) / gap, 0.0), 1.0)
    weight = 3.0 * (2.0 * zeta - 1.0) ** 2 if both > 0.5 else 2.0 * zeta
    return 1.0 + surplus * weight


@njit(cache=True)
def impaction_at(points, both, B, T):
    """``impaction`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = impaction(points[n, 0], points[n, 1], points[n, 2], both, B, T)
    return out
