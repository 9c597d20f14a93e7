"""The canal and the pedicles.

The pedicles are exact: hourglasses of elliptical section round a straight axis, placed beside the canal so that
neither the canal nor the body's fillet reaches their isthmus section.
"""

from __future__ import annotations

import math

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.imaging.levels import order
from endplate.synthetic import rows as r
from endplate.synthetic import sampling
from endplate.synthetic.body import BodyModel
from endplate.synthetic.body_measure import posterior_wall_mm
from endplate.synthetic.spec import PedicleSpec, VertebraSpec, refuse

SIDES = ("left", "right")
"""Order of the sides in every array."""
CANAL_CLEARANCE_MM = 0.1
"""The pedicles stand off the canal's tube by at least this."""
ISTHMUS_BEHIND_MM = 3.4
"""Least distance of the isthmus behind the posterior wall in the midline."""


def unit(v: FloatArray) -> FloatArray:
    """A vector scaled to length 1."""
    scaled: FloatArray = v / np.linalg.norm(v)
    return scaled


def set_canal(spec: VertebraSpec, model: BodyModel, isthmus_z: float) -> None:
    """Write the canal's tube into the packed row; it touches the posterior wall at pedicle height."""
    row = model.row
    wall = posterior_wall_mm(row, isthmus_z)
    row[r.C_HALF_AP] = 0.5 * spec.canal_ap_mm
    row[r.C_Y] = wall - 0.5 * spec.canal_ap_mm
    row[r.C_HALF_WIDTH] = 0.5 * spec.canal_width_mm
    row[r.C_TAPER] = 0.16 if order(spec.level) >= order("L1") else 0.08
    v = np.linspace(-1.0, 1.0, 2001)
    flat = (1.0 - np.abs(v) ** r.CANAL_EXPONENT) ** (1.0 / r.CANAL_EXPONENT)
    row[r.C_SCALE] = 1.0 / float((flat * (1.0 + row[r.C_TAPER] * v)).max())


def pedicle_axis(spec: PedicleSpec, side: str, axes: FloatArray) -> FloatArray:
    """Unit axis pointing forward, local coordinates; ``axes`` are the true frame's rows."""
    medial = -1.0 if side == "right" else 1.0
    in_frame = np.array(
        [medial * math.tan(math.radians(spec.transverse_deg)), 1.0, math.tan(math.radians(spec.sagittal_deg))]
    )
    return unit(in_frame @ axes)


def build_pedicles(spec: VertebraSpec, model: BodyModel, isthmus_z: float) -> None:
    """Write both pedicles (left, right) into the packed row."""
    pair = [_pedicle(spec, model, side, isthmus_z) for side in SIDES]
    model.row[r.P_FIRST : r.Q_COUNTS] = np.concatenate(pair)


def _pedicle(spec: VertebraSpec, model: BodyModel, side: str, z: float) -> FloatArray:
    given = spec.pedicle(side)
    sign = 1.0 if side == "right" else -1.0
    w = pedicle_axis(given, side, model.measures.axes)
    u = unit(np.cross(w, np.array([0.0, 0.0, 1.0])))  # to the right
    v = np.cross(u, w)
    ru, rv = 0.5 * given.width, 0.5 * given.height_mm
    packed = np.zeros(r.PEDICLE_SIZE)
    packed[3:6], packed[6:9], packed[9:12] = w, u, v
    packed[r.P_RU], packed[r.P_RV] = ru, rv
    packed[r.P_FLARE_U], packed[r.P_FLARE_V] = 0.13, 0.07
    angles = np.linspace(0.0, 2.0 * np.pi, 48, endpoint=False)
    ring = ru * np.cos(angles)[:, None] * u + rv * np.sin(angles)[:, None] * v
    t = np.linspace(-3.0, 5.0, 13)
    flare = np.minimum((t / r.FLARE_LENGTH_MM) ** 2, r.FLARE_MAX)
    tube = t[:, None, None] * w + (
        (1.0 + packed[r.P_FLARE_U] * flare)[:, None, None] * (np.cos(angles)[:, None] * ru * u)
        + (1.0 + packed[r.P_FLARE_V] * flare)[:, None, None] * (np.sin(angles)[:, None] * rv * v)
    )
    tube = tube.reshape(-1, 3)
    wall = posterior_wall_mm(model.row, z)
    y = wall - ISTHMUS_BEHIND_MM
    for _ in range(80):
        x = _lateral_place(model.row, tube, y, z, sign)
        centre = np.array([sign * x, y, z])
        if sampling.body_at(centre + ring, model.row).min() > r.BLEND_MM + 0.2:
            break
        y -= 0.25
    else:
        raise refuse(
            f"The {side} pedicle of {spec.level} has no isthmus clear of the body.",
            "Choose a narrower pedicle or a smaller transverse angle.",
        )
    packed[0:3] = centre
    packed[r.P_FRONT] = _front_end(model, centre, w)
    packed[r.P_BACK] = 9.0
    return packed


def _lateral_place(row: FloatArray, tube: FloatArray, y: float, z: float, sign: float) -> float:
    """Smallest distance from the mid-plane at which the pedicle clears the canal."""
    low, high = 0.0, float(row[r.C_HALF_WIDTH] * 2.0 + 25.0)
    for _ in range(30):
        middle = 0.5 * (low + high)
        placed = tube + np.array([sign * middle, y, z])
        beside = float((placed[:, 0] * sign).min()) > 0.0
        clear = beside and sampling.canal_clearance(placed, row) > CANAL_CLEARANCE_MM
        low, high = (low, middle) if clear else (middle, high)
    return high


def _front_end(model: BodyModel, centre: FloatArray, w: FloatArray) -> float:
    """How far forward the pedicle runs: until its axis is 2.5 mm inside the body, or as deep as it comes."""
    t = np.arange(r.PEDICLE_END_MM + 0.5, 18.01, 0.25)
    depth = sampling.body_at(centre + t[:, None] * w, model.row)
    inside = np.nonzero(depth < -2.5)[0]
    return float(t[inside[0]] if len(inside) else t[np.argmin(depth)])
