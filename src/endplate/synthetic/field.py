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
    X_CORTEX,
    X_TRABECULAR,
    X_ARCH_CORTEX,
) = range(29)
BODY_SIZE = 29

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
L_FRONT = -0.05
"""Front of the laminae behind the canal's middle at their top, in half depths of the canal."""
L_FRONT_LOW = 0.85
"""How much further back it lies at their bottom."""

SAFE_SHARE = 0.45
"""Share of a field's value that is surely no more than the distance to the surface."""

DISH_INNER = 0.15
DISH_OUTER = 0.88
FAR = 1.0e3


@njit(cache=True, error_model="numpy")
def smooth_step(t):
    """C2 step from 0 to 1 on [0, 1]."""
    if t <= 0.0:
        return 0.0
    if t >= 1.0:
        return 1.0
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


@njit(cache=True, error_model="numpy")
def blend_max(a, b, width):
    """Maximum with a rounded edge; exactly the maximum where a and b differ by more than ``width``."""
    h = width - abs(a - b)
    if h <= 0.0:
        return max(a, b)
    return max(a, b) + h * h / (4.0 * width)


@njit(cache=True, error_model="numpy")
def blend_min(a, b, width):
    """Minimum with a fillet; exactly the minimum where a and b differ by more than ``width``."""
    return -blend_max(-a, -b, width)


@njit(cache=True, error_model="numpy")
def _table(table, fraction):
    """Linear interpolation of one collapse profile."""
    t = (fraction - TABLE_LOW) / (1.0 - 2.0 * TABLE_LOW) * (TABLE_NODES - 1)
    if t <= 0.0:
        return table[0]
    if t >= TABLE_NODES - 1:
        return table[TABLE_NODES - 1]
    i = int(t)
    return table[i] + (t - i) * (table[i + 1] - table[i])


@njit(cache=True, error_model="numpy")
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
    return max((radius - 1.0) / gradient, -min(half_width, half_depth)), radius


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def intact_gap(x, y, B):
    """Distance between the endplates over (x, y) as it was before the fracture."""
    half_depth = 0.5 * B[B_DEPTH]
    _, radius = _outline(x, y, B, B[B_HALF_WIDTH], half_depth, -half_depth)
    dish = 1.0 - smooth_step((radius - DISH_INNER) / (DISH_OUTER - DISH_INNER))
    height = B[B_SUP_HEIGHT] - B[B_INF_HEIGHT] + (B[B_SUP_SLOPE] - B[B_INF_SLOPE]) * y
    return height - (B[B_SUP_DISH] + B[B_INF_DISH]) * dish


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
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
    distance = (radius - 1.0) * s / (math.sqrt(gx * gx + gy * gy) * radius)
    return max(distance, -min(B[C_HALF_AP], B[C_HALF_WIDTH]))


# One part of the arch: a capsule of elliptical section, tapered, from A along w.
(Q_A, Q_W, Q_U, Q_V) = (0, 3, 6, 9)
(Q_LENGTH, Q_RU0, Q_RV0, Q_RU1, Q_RV1, Q_CX, Q_CY, Q_CZ, Q_BOUND) = range(12, 21)
PART_SIZE = 21


@njit(cache=True, error_model="numpy")
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
    # Deep inside, the first-order distance would count the long axis: no depth exceeds the short one.
    return max(k0 * (k0 - 1.0) / math.sqrt(a * a + b * b + c * c), -rw)


# One pedicle: centre, axis w (forward), u (sideways), v (up), then its sizes.
(P_RU, P_RV, P_FLARE_U, P_FLARE_V, P_FRONT, P_BACK) = range(12, 18)
PEDICLE_SIZE = 18
FLARE_LENGTH_MM = 4.0
FLARE_MAX = 2.0
PEDICLE_END_MM = 3.0
"""Rounding of a pedicle's front end inside the body; the end lies further than this from the isthmus."""


@njit(cache=True, error_model="numpy")
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
        d = max(k0 * (k0 - 1.0) / math.sqrt(a * a + b * b), -min(ru, rv))
    d = blend_max(d, t - P[P_FRONT], PEDICLE_END_MM)
    return max(d, -t - P[P_BACK]), t


@njit(cache=True, error_model="numpy")
def arch_field(x, y, z, B, P, Q, count):
    """Field of the arch before the canal is opened.

    ``P`` holds the left and right pedicle; ``Q`` the parts as (left, right, middle) groups of ``count`` each.
    """
    side = 1 if x > 0.0 else 0
    pedicle, t = pedicle_field(x, y, z, P[side])
    # The laminae are a shell round the canal, behind the articular pillars.
    shell = canal_field(x, y, B)
    behind = B[C_Y] - y
    lowered = min(max((B[L_TOP] - z) / (B[L_TOP] - B[L_BOTTOM]), 0.0), 1.0)
    thickness = B[L_THICKNESS] + 0.9 * lowered
    top = z - (B[L_TOP] - B[L_TOP_SLOPE] * max(behind, 0.0))
    others = blend_max(shell - thickness, max(top, B[L_BOTTOM] - z), BLEND_MM)
    # Further down they leave room for the joint with the vertebra below.
    others = blend_max(others, B[C_HALF_AP] * (L_FRONT + L_FRONT_LOW * lowered * lowered) - behind, 1.0)
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


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def _near_body(x, y, z, B, T):
    """Field of the body, or a lower bound of it far away."""
    reach = math.sqrt(x * x + y * y + z * z) - B[B_BOUND]
    if reach > 6.0:
        return reach
    return body_field(x, y, z, B, T)


@njit(cache=True, error_model="numpy")
def bone_field(x, y, z, B, T, P, Q, count):
    """Fields (vertebra without joints and canal, body) at a local point."""
    body = _near_body(x, y, z, B, T)
    if y > 4.0:
        # No part of the arch reaches the front half; the bound keeps the value a safe step size all the same.
        return min(body, y), body
    arch = arch_field(x, y, z, B, P, Q, count)
    return blend_min(arch, body, BLEND_MM), body


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def fields_at(points, i, poses, planes, bodies, tables, pedicles, parts, counts):
    """``vertebra_field`` at many world points, shape (n, 3) → (n, 3)."""
    out = np.empty((len(points), 3))
    for n in range(len(points)):
        a, b, c = vertebra_field(
            points[n, 0],
            points[n, 1],
            points[n, 2],
            i,
            poses,
            planes,
            bodies,
            tables,
            pedicles,
            parts,
            counts,
        )
        out[n, 0] = a
        out[n, 1] = b
        out[n, 2] = c
    return out


@njit(cache=True, error_model="numpy")
def body_at(points, B, T):
    """``body_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = body_field(points[n, 0], points[n, 1], points[n, 2], B, T)
    return out


@njit(cache=True, error_model="numpy")
def endplates_at(xy, B, T):
    """``endplates`` at many (x, y), shape (n, 2) → (n, 3)."""
    out = np.empty((len(xy), 3))
    for n in range(len(xy)):
        out[n, 0], out[n, 1], out[n, 2] = endplates(xy[n, 0], xy[n, 1], B, T)
    return out


@njit(cache=True, error_model="numpy")
def canal_clearance(points, B):
    """Smallest canal field over local points, shape (n, 3)."""
    least = FAR
    for n in range(len(points)):
        least = min(least, canal_field(points[n, 0], points[n, 1], B))
    return least


@njit(cache=True, error_model="numpy")
def region_at(px, py, pz, i, poses, planes, bodies, tables, pedicles, parts, counts):
    """Subregion (49 body, 41 arch, 61 canal of this level, 0 none) and a distance within which it cannot change."""
    bone, body, canal = vertebra_field(px, py, pz, i, poses, planes, bodies, tables, pedicles, parts, counts)
    if bone <= 0.0:
        if body <= 0.0:
            return 49, -body
        return 41, min(-bone, body)
    above = planes[i]
    below = planes[i + 1]
    up = (px - above[0]) * above[3] + (py - above[1]) * above[4] + (pz - above[2]) * above[5]
    down = (px - below[0]) * below[3] + (py - below[1]) * below[4] + (pz - below[2]) * below[5]
    if canal <= 0.0 and up <= 0.0 and down > 0.0:
        return 61, min(bone, -canal, -up, down)
    return 0, min(bone, max(canal, up, -down, 0.0))


@njit(cache=True, error_model="numpy")
def paint_labels(
    labels, subregions, start, stop, affine, i, label, poses, planes, bodies, tables, pedicles, parts, counts
):
    """Write vertebra i into the label arrays within the voxel box [start, stop).

    Runs of voxels are skipped by half the distance within which the region cannot change.
    """
    step = math.sqrt(affine[0, 2] ** 2 + affine[1, 2] ** 2 + affine[2, 2] ** 2)
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            c = start[2]
            while c < stop[2]:
                px = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                py = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                pz = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                region, safe = region_at(
                    px, py, pz, i, poses, planes, bodies, tables, pedicles, parts, counts
                )
                end = min(c + 1 + int(SAFE_SHARE * safe / step), stop[2])
                if region == 61:
                    for k in range(c, end):
                        if subregions[a, b, k] == 0:
                            subregions[a, b, k] = 61
                elif region > 0:
                    for k in range(c, end):
                        labels[a, b, k] = label
                        subregions[a, b, k] = region
                c = end


@njit(cache=True, error_model="numpy")
def outline_at(xy, B):
    """Distance to the rim's outline at many (x, y), shape (n, 2) → (n,)."""
    out = np.empty(len(xy))
    half_depth = 0.5 * B[B_DEPTH]
    for n in range(len(xy)):
        out[n], _ = _outline(xy[n, 0], xy[n, 1], B, B[B_HALF_WIDTH], half_depth, -half_depth)
    return out


@njit(cache=True, error_model="numpy")
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


@njit(cache=True, error_model="numpy")
def canal_at_local(points, B):
    """``canal_field`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = canal_field(points[n, 0], points[n, 1], B)
    return out


@njit(cache=True, error_model="numpy")
def impaction(x, y, z, both, B, T):
    """Factor on the intact density that keeps each collapsed column's bone in it.

    The surplus rises linearly from nothing at the inferior endplate to twice its mean under the broken superior one
    (``both`` = 1: quadratically toward both).
    """
    upper, lower, _ = endplates(x, y, B, T)
    gap = max(upper - lower, 1.0)
    surplus = max(intact_gap(x, y, B) / gap - 1.0, 0.0)
    zeta = min(max((z - lower) / gap, 0.0), 1.0)
    weight = 0.4 + 1.8 * (2.0 * zeta - 1.0) ** 2 if both > 0.5 else 2.0 * zeta
    return 1.0 + surplus * weight


@njit(cache=True, error_model="numpy")
def impaction_at(points, both, B, T):
    """``impaction`` at many local points, shape (n, 3) → (n,)."""
    out = np.empty(len(points))
    for n in range(len(points)):
        out[n] = impaction(points[n, 0], points[n, 1], points[n, 2], both, B, T)
    return out


# CT of bone and of what the bones enclose. Row of material numbers, HU unless said otherwise.
(
    M_SLOPE,
    M_INTERCEPT,
    M_CORTEX_MGCC,
    M_ARCH_FACTOR,
    M_ARCH_OFFSET_MGCC,
    M_DISC,
    M_CORD,
    M_CSF,
    M_EPIDURAL_FAT,
    M_BLOOD,
    M_GAS,
    M_TEXTURE_CV,
    M_TEXTURE_STEP_MM,
) = range(13)
MATERIAL_SIZE = 13

# Row of what a fracture or a degenerated disc adds to a level.
(
    E_BOTH,
    E_IMPACTED,
    E_CLEFT_X,
    E_CLEFT_Y,
    E_CLEFT_Z,
    E_CLEFT_RX,
    E_CLEFT_RY,
    E_CLEFT_RZ,
    E_DISC_ABOVE_MM,
    E_DISC_BELOW_MM,
    E_VACUUM_Y,
    E_VACUUM_Z,
    E_VACUUM_RX,
    E_VACUUM_RZ,
    E_CORD,
    E_TEXTURE_X,
    E_TEXTURE_Y,
    E_TEXTURE_Z,
) = range(18)
EXTRA_SIZE = 18


@njit(cache=True, error_model="numpy")
def coverage(distance, width):
    """Share of a cell of this width that lies inside a surface at this distance from its centre."""
    return min(max(0.5 - distance / width, 0.0), 1.0)


@njit(cache=True, error_model="numpy")
def _noise(x, y, z, tile, step):
    """Trilinear sample of the periodic texture tile at a local point."""
    n = tile.shape[0]
    fx = x / step
    fy = y / step
    fz = z / step
    i = math.floor(fx)
    j = math.floor(fy)
    k = math.floor(fz)
    fx -= i
    fy -= j
    fz -= k
    i = int(i) % n
    j = int(j) % n
    k = int(k) % n
    ii = (i + 1) % n
    jj = (j + 1) % n
    kk = (k + 1) % n
    a = tile[i, j, k] * (1 - fx) + tile[ii, j, k] * fx
    b = tile[i, jj, k] * (1 - fx) + tile[ii, jj, k] * fx
    c = tile[i, j, kk] * (1 - fx) + tile[ii, j, kk] * fx
    d = tile[i, jj, kk] * (1 - fx) + tile[ii, jj, kk] * fx
    return (a * (1 - fy) + b * fy) * (1 - fz) + (c * (1 - fy) + d * fy) * fz


@njit(cache=True, error_model="numpy")
def marrow_hu(x, y, z, in_body, width, B, T, M, E, tile):
    """HU inside the cortex at a local point of a vertebra, averaged over a cell of this width."""
    density = B[X_TRABECULAR]
    texture = 1.0 + M[M_TEXTURE_CV] * _noise(
        x + E[E_TEXTURE_X], y + E[E_TEXTURE_Y], z + E[E_TEXTURE_Z], tile, M[M_TEXTURE_STEP_MM]
    )
    if not in_body:
        density = (M[M_ARCH_FACTOR] * density + M[M_ARCH_OFFSET_MGCC]) * max(texture, 0.1)
        return M[M_SLOPE] * density + M[M_INTERCEPT]
    if E[E_IMPACTED] > 0.5:
        density *= impaction(x, y, z, E[E_BOTH], B, T)
    hu = M[M_SLOPE] * density * max(texture, 0.1) + M[M_INTERCEPT]
    # The basivertebral vein enters through the middle of the posterior wall and tapers forward.
    run = (y + 0.5 * B[B_DEPTH]) / (0.45 * B[B_DEPTH])
    if run < 1.0:
        upper, lower, _ = endplates(0.0, y, B, T)
        radius = 2.0 - 1.3 * max(run, 0.0)
        away = math.sqrt(0.35 * x * x + (z - 0.5 * (upper + lower)) ** 2) - radius
        share = coverage(away, width)
        hu += share * (M[M_BLOOD] - hu)
    if E[E_CLEFT_RX] > 0.0:
        a = (x - E[E_CLEFT_X]) / E[E_CLEFT_RX]
        b = (y - E[E_CLEFT_Y]) / E[E_CLEFT_RY]
        c = (z - E[E_CLEFT_Z]) / E[E_CLEFT_RZ]
        share = coverage(_ellipsoid(a, b, c, E[E_CLEFT_RX], E[E_CLEFT_RY], E[E_CLEFT_RZ]), width)
        hu += share * (M[M_GAS] - hu)
    return hu


@njit(cache=True, error_model="numpy")
def _ellipsoid(a, b, c, rx, ry, rz):
    """Distance (first order) to an ellipsoid from normalised coordinates."""
    k0 = math.sqrt(a * a + b * b + c * c)
    if k0 < 1e-6:
        return -min(rx, ry, rz)
    a /= rx
    b /= ry
    c /= rz
    return k0 * (k0 - 1.0) / math.sqrt(a * a + b * b + c * c)


@njit(cache=True, error_model="numpy")
def paint_enclosed(image, start, stop, affine, width, i, M, E, poses, planes, bodies, tables):
    """Write canal contents and the discs above (and below the last level) into the CT within a voxel box."""
    last = len(poses) - 1
    B = bodies[i]
    T = tables[i]
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            for c in range(start[2], stop[2]):
                px = affine[0, 0] * a + affine[0, 1] * b + affine[0, 2] * c + affine[0, 3]
                py = affine[1, 0] * a + affine[1, 1] * b + affine[1, 2] * c + affine[1, 3]
                pz = affine[2, 0] * a + affine[2, 1] * b + affine[2, 2] * c + affine[2, 3]
                x, y, z = _to_local((px, py, pz), poses[i])
                hu = image[a, b, c]
                above = planes[i]
                below = planes[i + 1]
                up = (px - above[0]) * above[3] + (py - above[1]) * above[4] + (pz - above[2]) * above[5]
                down = (px - below[0]) * below[3] + (py - below[1]) * below[4] + (pz - below[2]) * below[5]
                if (up <= 0.0 or i == 0) and (down > 0.0 or i == last):
                    tube = canal_field(x, y, B)
                    share = coverage(tube, width)
                    if share > 0.0:
                        fluid = M[M_EPIDURAL_FAT] + coverage(tube + 1.6, 1.2) * (M[M_CSF] - M[M_EPIDURAL_FAT])
                        if E[E_CORD] > 0.0:
                            cord = _ellipsoid(x / 5.2, (y - B[C_Y]) / 3.9, 0.0, 5.2, 3.9, 5.2)
                            fluid += E[E_CORD] * coverage(cord, width) * (M[M_CORD] - fluid)
                        hu += share * (fluid - hu)
                # The disc above this level, or the half disc below the last.
                half_depth = 0.5 * B[B_DEPTH]
                if z > 0.0:
                    side, radius = _outline(x, y, B, B[B_HALF_WIDTH], half_depth, -half_depth)
                    if side < 3.0:
                        upper, _, _ = endplates(x, y, B, T)
                        d = max(side - 0.6, upper - z)
                        if i == 0:
                            d = max(d, up)
                        else:
                            x2, y2, z2 = _to_local((px, py, pz), poses[i - 1])
                            B2 = bodies[i - 1]
                            half2 = 0.5 * B2[B_DEPTH]
                            side2, _ = _outline(x2, y2, B2, B2[B_HALF_WIDTH], half2, -half2)
                            _, lower2, _ = endplates(x2, y2, B2, tables[i - 1])
                            d = max(d, side2 - 0.6, z2 - lower2)
                        share = coverage(d, width)
                        if share > 0.0:
                            disc = M[M_DISC] - 12.0 * (1.0 - smooth_step(radius / 0.75))
                            if E[E_VACUUM_RX] > 0.0:
                                v = _ellipsoid(
                                    x / E[E_VACUUM_RX],
                                    (y - E[E_VACUUM_Y]) / E[E_VACUUM_RX],
                                    (z - E[E_VACUUM_Z]) / E[E_VACUUM_RZ],
                                    E[E_VACUUM_RX],
                                    E[E_VACUUM_RX],
                                    E[E_VACUUM_RZ],
                                )
                                disc += coverage(v, width) * (M[M_GAS] - disc)
                            hu += share * (disc - hu)
                elif i == last:
                    side, _ = _outline(x, y, B, B[B_HALF_WIDTH], half_depth, -half_depth)
                    if side < 3.0:
                        _, lower, _ = endplates(x, y, B, T)
                        share = coverage(max(side - 0.6, z - lower, -down), width)
                        hu += share * (M[M_DISC] - hu)
                image[a, b, c] = hu


@njit(cache=True, error_model="numpy")
def paint_bone(
    image, start, stop, affine, split, i, M, E, tile, poses, planes, bodies, tables, pedicles, parts, counts
):
    """Write vertebra i into the CT within a voxel box, with partial volume.

    Voxels that a surface or the cortex may cross are split into ``split`` cells along each axis; within a cell
    cortex and marrow share by their depths along the normal, so that a cortex thinner than a cell keeps its mass.
    """
    B = bodies[i]
    T = tables[i]
    sizes = np.empty(3)
    for k in range(3):
        sizes[k] = math.sqrt(affine[0, k] ** 2 + affine[1, k] ** 2 + affine[2, k] ** 2)
    reach = 0.5 * math.sqrt(sizes[0] ** 2 + sizes[1] ** 2 + sizes[2] ** 2) + 0.1
    cell = (sizes[0] / split[0] * sizes[1] / split[1] * sizes[2] / split[2]) ** (1.0 / 3.0)
    cortex_hu = M[M_SLOPE] * M[M_CORTEX_MGCC] + M[M_INTERCEPT]
    deep_split = np.empty(3, dtype=np.int64)
    for k in range(3):
        deep_split[k] = max(1, int(math.ceil(sizes[k] - 0.01)))
    h = 0.15
    p = np.empty(3)
    for a in range(start[0], stop[0]):
        for b in range(start[1], stop[1]):
            c = start[2]
            while c < stop[2]:
                for k in range(3):
                    p[k] = affine[k, 0] * a + affine[k, 1] * b + affine[k, 2] * c + affine[k, 3]
                bone, body, _ = vertebra_field(
                    p[0], p[1], p[2], i, poses, planes, bodies, tables, pedicles, parts, counts
                )
                if SAFE_SHARE * bone > reach:
                    c += 1 + int((SAFE_SHARE * bone - reach) / sizes[2])
                    continue
                thick = B[X_CORTEX] if body <= 0.0 else B[X_ARCH_CORTEX]
                slope = 1.0
                deep = -SAFE_SHARE * bone > reach + thick
                if not deep:
                    gradient = 0.0
                    for k in range(3):
                        p[k] += h
                        beside, _, _ = vertebra_field(
                            p[0], p[1], p[2], i, poses, planes, bodies, tables, pedicles, parts, counts
                        )
                        p[k] -= h
                        gradient += (beside - bone) ** 2
                    slope = min(max(math.sqrt(gradient) / h, 0.85), 2.5)
                    if bone > slope * 1.15 * reach:
                        c += 1
                        continue
                    deep = -bone > slope * (1.15 * reach + thick)
                cut = deep_split if deep else split
                base = image[a, b, c]
                total = 0.0
                for u in range(cut[0]):
                    for v in range(cut[1]):
                        for w in range(cut[2]):
                            fa = a + (u + 0.5) / cut[0] - 0.5
                            fb = b + (v + 0.5) / cut[1] - 0.5
                            fc = c + (w + 0.5) / cut[2] - 0.5
                            for k in range(3):
                                p[k] = (
                                    affine[k, 0] * fa + affine[k, 1] * fb + affine[k, 2] * fc + affine[k, 3]
                                )
                            if not deep:
                                bone, body, _ = vertebra_field(
                                    p[0],
                                    p[1],
                                    p[2],
                                    i,
                                    poses,
                                    planes,
                                    bodies,
                                    tables,
                                    pedicles,
                                    parts,
                                    counts,
                                )
                            depth = -bone / slope
                            solid = coverage(-depth, cell)
                            if solid <= 0.0:
                                total += base
                                continue
                            in_body = body <= 0.0
                            thick = B[X_CORTEX] if in_body else B[X_ARCH_CORTEX]
                            marrow = coverage(thick - depth, cell)
                            hu = (solid - marrow) * cortex_hu + (1.0 - solid) * base
                            if marrow > 0.0:
                                x, y, z = _to_local((p[0], p[1], p[2]), poses[i])
                                hu += marrow * marrow_hu(x, y, z, in_body, cell, B, T, M, E, tile)
                            total += hu
                image[a, b, c] = total / (cut[0] * cut[1] * cut[2])
                c += 1


@njit(cache=True, error_model="numpy")
def surface_points(
    low, count, block, step, column, i, poses, planes, bodies, tables, pedicles, parts, counts
):
    """Points on the zero set of one field column of vertebra i on the edges of a world lattice, shape (n, 3).

    The lattice starts at ``low`` with ``count`` blocks of ``block`` cells of size ``step`` along each axis; blocks
    that the surface cannot reach are left out.
    """
    found = []
    size = block * step
    half = 0.5 * size
    values = np.empty((block + 1, block + 1, block + 1))
    p = np.empty(3)
    for a in range(count[0]):
        for b in range(count[1]):
            for c in range(count[2]):
                x0 = low[0] + a * size
                y0 = low[1] + b * size
                z0 = low[2] + c * size
                middle = vertebra_field(
                    x0 + half, y0 + half, z0 + half, i, poses, planes, bodies, tables, pedicles, parts, counts
                )[column]
                if SAFE_SHARE * abs(middle) > 1.8 * half:
                    continue
                for u in range(block + 1):
                    for v in range(block + 1):
                        for w in range(block + 1):
                            values[u, v, w] = vertebra_field(
                                x0 + u * step,
                                y0 + v * step,
                                z0 + w * step,
                                i,
                                poses,
                                planes,
                                bodies,
                                tables,
                                pedicles,
                                parts,
                                counts,
                            )[column]
                for u in range(block):
                    for v in range(block):
                        for w in range(block):
                            here = values[u, v, w]
                            for axis in range(3):
                                du = 1 if axis == 0 else 0
                                dv = 1 if axis == 1 else 0
                                dw = 1 if axis == 2 else 0
                                there = values[u + du, v + dv, w + dw]
                                if (here <= 0.0) == (there <= 0.0):
                                    continue
                                p[0] = x0 + u * step
                                p[1] = y0 + v * step
                                p[2] = z0 + w * step
                                near = 0.0
                                far = step
                                for _ in range(12):
                                    t = 0.5 * (near + far)
                                    value = vertebra_field(
                                        p[0] + du * t,
                                        p[1] + dv * t,
                                        p[2] + dw * t,
                                        i,
                                        poses,
                                        planes,
                                        bodies,
                                        tables,
                                        pedicles,
                                        parts,
                                        counts,
                                    )[column]
                                    if (value <= 0.0) == (here <= 0.0):
                                        near = t
                                    else:
                                        far = t
                                t = 0.5 * (near + far)
                                found.append((p[0] + du * t, p[1] + dv * t, p[2] + dw * t))
    points = np.empty((len(found), 3))
    for n in range(len(found)):
        points[n, 0] = found[n][0]
        points[n, 1] = found[n][1]
        points[n, 2] = found[n][2]
    return points
