"""The analytic surfaces one by one: compiled point functions of packed parameters.

A field is negative inside and its zero set is the surface; near the surface it is the distance to first order.
Local coordinates in mm: x right, y forward, z up about the middle of the intact body. ``B`` is one vertebra's row
(:mod:`endplate.synthetic.rows`).
"""

from __future__ import annotations

import math
from typing import Any

from numba import njit

from endplate.synthetic import rows as r


@njit(cache=True, error_model="numpy")
def smooth_step(t: Any) -> Any:
    """C2 step from 0 to 1 on [0, 1]."""
    if t <= 0.0:
        return 0.0
    if t >= 1.0:
        return 1.0
    return t * t * t * (t * (6.0 * t - 15.0) + 10.0)


@njit(cache=True, error_model="numpy")
def blend_max(a: Any, b: Any, width: Any) -> Any:
    """Maximum with a rounded edge; exactly the maximum where a and b differ by more than ``width``."""
    h = width - abs(a - b)
    if h <= 0.0:
        return max(a, b)
    return max(a, b) + h * h / (4.0 * width)


@njit(cache=True, error_model="numpy")
def blend_min(a: Any, b: Any, width: Any) -> Any:
    """Minimum with a fillet; exactly the minimum where a and b differ by more than ``width``."""
    return -blend_max(-a, -b, width)


@njit(cache=True, error_model="numpy")
def _profile(B: Any, first: Any, fraction: Any) -> Any:
    """Linear interpolation of the collapse profile that starts at ``first``."""
    t = (fraction - r.TABLE_LOW) / (1.0 - 2.0 * r.TABLE_LOW) * (r.TABLE_NODES - 1)
    if t <= 0.0:
        return B[first]
    if t >= r.TABLE_NODES - 1:
        return B[first + r.TABLE_NODES - 1]
    i = int(t)
    low = B[first + i]
    return low + (t - i) * (B[first + i + 1] - low)


@njit(cache=True, error_model="numpy")
def outline(x: Any, y: Any, B: Any, half_width: Any, front: Any, back: Any) -> Any:
    """Signed distance (first order) to the kidney-shaped outline, and its normalised radius.

    ``front`` and ``back`` are the midline y of the anterior and posterior wall in this section.
    """
    depth = front - back
    # The hollow of the posterior wall is a shift that fades toward the middle and the sides.
    hollow = B[r.B_CONCAVITY]
    shift = 0.0
    u = x / (0.36 * B[r.B_HALF_WIDTH] * 2.0)
    if abs(u) < 1.0 and y < back + 0.5 * depth:
        fade = smooth_step((back + 0.5 * depth - y) / (0.38 * depth))
        shift = hollow * (1.0 - u * u) ** 2 * fade
    half_depth = 0.5 * (depth + hollow)
    yy = (y - shift - 0.5 * (front + back - hollow)) / half_depth
    a = half_width * (1.0 - B[r.B_NARROWING] * 0.25 * (min(max(yy, -1.0), 1.0) + 1.0) ** 2)
    xx = abs(x) / a
    yy = abs(yy)
    p = B[r.B_EXPONENT]
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
def endplates(x: Any, y: Any, B: Any) -> Any:
    """Height of the superior and inferior endplate over (x, y), with the outline's normalised radius there."""
    half_depth = 0.5 * B[r.B_DEPTH]
    _, radius = outline(x, y, B, B[r.B_HALF_WIDTH], half_depth, -half_depth)
    dish = 1.0 - smooth_step((radius - r.DISH_INNER) / (r.DISH_OUTER - r.DISH_INNER))
    upper = B[r.B_SUP_HEIGHT] + B[r.B_SUP_SLOPE] * y - B[r.B_SUP_DISH] * dish
    lower = B[r.B_INF_HEIGHT] + B[r.B_INF_SLOPE] * y + B[r.B_INF_DISH] * dish
    fraction = y / B[r.B_DEPTH] + 0.5
    side = 1.0 - smooth_step((abs(x) / B[r.B_HALF_WIDTH] - 0.3) / 0.65)
    upper -= _profile(B, r.T_SUP, fraction) + side * _profile(B, r.T_SUP_MIDDLE, fraction)
    lower += _profile(B, r.T_INF, fraction) + side * _profile(B, r.T_INF_MIDDLE, fraction)
    return upper, lower, radius


@njit(cache=True, error_model="numpy")
def intact_gap(x: Any, y: Any, B: Any) -> Any:
    """Distance between the endplates over (x, y) as it was before the fracture."""
    half_depth = 0.5 * B[r.B_DEPTH]
    _, radius = outline(x, y, B, B[r.B_HALF_WIDTH], half_depth, -half_depth)
    dish = 1.0 - smooth_step((radius - r.DISH_INNER) / (r.DISH_OUTER - r.DISH_INNER))
    height = B[r.B_SUP_HEIGHT] - B[r.B_INF_HEIGHT] + (B[r.B_SUP_SLOPE] - B[r.B_INF_SLOPE]) * y
    return height - (B[r.B_SUP_DISH] + B[r.B_INF_DISH]) * dish


@njit(cache=True, error_model="numpy")
def impaction(x: Any, y: Any, z: Any, both: Any, B: Any) -> Any:
    """Factor on the intact density that keeps each collapsed column's bone in it.

    The surplus rises linearly from nothing at the inferior endplate to twice its mean under the broken superior one
    (``both`` = 1: quadratically toward both).
    """
    upper, lower, _ = endplates(x, y, B)
    gap = max(upper - lower, 1.0)
    surplus = max(intact_gap(x, y, B) / gap - 1.0, 0.0)
    zeta = min(max((z - lower) / gap, 0.0), 1.0)
    weight = 0.4 + 1.8 * (2.0 * zeta - 1.0) ** 2 if both > 0.5 else 2.0 * zeta
    return 1.0 + surplus * weight


@njit(cache=True, error_model="numpy")
def body_field(x: Any, y: Any, z: Any, B: Any) -> Any:
    """Field of the vertebral body at a local point."""
    back = -0.5 * B[r.B_DEPTH]
    upper, lower, _ = endplates(x, y, B)
    # The retropulsed wall is the intact wall seen from further forward.
    if B[r.B_RETROPULSION] > 0.0 and y < 0.0:
        height = (z - B[r.B_RETROPULSION_Z]) / 6.0
        bulge = B[r.B_RETROPULSION] * math.exp(-((x / 8.0) ** 2) - height * height)
        y += bulge * smooth_step(-y / (0.45 * B[r.B_DEPTH]))
    gap = upper - lower
    zeta = (2.0 * z - upper - lower) / max(gap, 1.0)
    waist = max(0.0, 1.0 - zeta * zeta)
    half_width = B[r.B_HALF_WIDTH] * (1.0 - B[r.B_WAIST_LATERAL] * waist)
    front = -back - B[r.B_WAIST_ANTERIOR] * waist
    wall, _ = outline(x, y, B, half_width, front, back + B[r.B_WAIST_POSTERIOR] * waist)
    plates = max(z - upper, lower - z)
    return blend_max(wall, plates, r.RIM_ROUNDING_MM)


@njit(cache=True, error_model="numpy")
def canal_field(x: Any, y: Any, B: Any) -> Any:
    """Field of the canal's tube at a local point (it runs along z)."""
    yy = (y - B[r.C_Y]) / B[r.C_HALF_AP]
    a = B[r.C_HALF_WIDTH] * B[r.C_SCALE] * (1.0 + B[r.C_TAPER] * min(max(yy, -1.3), 1.3))
    xx = abs(x) / a
    yy = abs(yy)
    xq = xx ** (r.CANAL_EXPONENT - 1.0)
    yq = yy ** (r.CANAL_EXPONENT - 1.0)
    s = xq * xx + yq * yy
    if s < 1e-12:
        return -min(B[r.C_HALF_AP], B[r.C_HALF_WIDTH])
    radius = s ** (1.0 / r.CANAL_EXPONENT)
    gx = xq / a
    gy = yq / B[r.C_HALF_AP]
    distance = (radius - 1.0) * s / (math.sqrt(gx * gx + gy * gy) * radius)
    return max(distance, -min(B[r.C_HALF_AP], B[r.C_HALF_WIDTH]))


@njit(cache=True, error_model="numpy")
def part_field(x: Any, y: Any, z: Any, B: Any, first: Any) -> Any:
    """Field of the tapered elliptical capsule packed from ``first``."""
    px = x - B[first]
    py = y - B[first + 1]
    pz = z - B[first + 2]
    w = px * B[first + 3] + py * B[first + 4] + pz * B[first + 5]
    u = px * B[first + 6] + py * B[first + 7] + pz * B[first + 8]
    v = px * B[first + 9] + py * B[first + 10] + pz * B[first + 11]
    length = B[first + r.Q_LENGTH]
    t = min(max(w / length, 0.0), 1.0)
    beyond = w - t * length
    ru = B[first + r.Q_RU0] + t * (B[first + r.Q_RU1] - B[first + r.Q_RU0])
    rv = B[first + r.Q_RV0] + t * (B[first + r.Q_RV1] - B[first + r.Q_RV0])
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


@njit(cache=True, error_model="numpy")
def pedicle_field(x: Any, y: Any, z: Any, B: Any, first: Any) -> Any:
    """Field of the hourglass pedicle packed from ``first``, and how far forward of its isthmus the point lies."""
    px = x - B[first]
    py = y - B[first + 1]
    pz = z - B[first + 2]
    t = px * B[first + 3] + py * B[first + 4] + pz * B[first + 5]
    u = px * B[first + 6] + py * B[first + 7] + pz * B[first + 8]
    v = px * B[first + 9] + py * B[first + 10] + pz * B[first + 11]
    q = min((t / r.FLARE_LENGTH_MM) ** 2, r.FLARE_MAX)
    ru = B[first + r.P_RU] * (1.0 + B[first + r.P_FLARE_U] * q)
    rv = B[first + r.P_RV] * (1.0 + B[first + r.P_FLARE_V] * q)
    a = u / ru
    b = v / rv
    k0 = math.sqrt(a * a + b * b)
    if k0 < 1e-6:
        d = -min(ru, rv)
    else:
        a /= ru
        b /= rv
        d = max(k0 * (k0 - 1.0) / math.sqrt(a * a + b * b), -min(ru, rv))
    d = blend_max(d, t - B[first + r.P_FRONT], r.PEDICLE_END_MM)
    return max(d, -t - B[first + r.P_BACK]), t


@njit(cache=True, error_model="numpy")
def ellipsoid(a: Any, b: Any, c: Any, rx: Any, ry: Any, rz: Any) -> Any:
    """Distance (first order) to an ellipsoid from normalised coordinates."""
    k0 = math.sqrt(a * a + b * b + c * c)
    if k0 < 1e-6:
        return -min(rx, ry, rz)
    a /= rx
    b /= ry
    c /= rz
    return k0 * (k0 - 1.0) / math.sqrt(a * a + b * b + c * c)
