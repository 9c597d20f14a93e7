"""The arch behind the pedicles: laminae, articular, transverse and spinous processes.

Their engineering shapes are scaled from the body, the canal and the distance to the neighbours; none reaches a
pedicle's isthmus section.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from endplate.imaging.geometry import FloatArray
from endplate.imaging.levels import order
from endplate.synthetic import rows as r
from endplate.synthetic.pedicle import SIDES, unit
from endplate.synthetic.spec import VertebraSpec

CLEAR_BACK_MM = 7.5
"""Distance along the pedicle axis from the isthmus back to the articular pillar."""


def _part(
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    flat: tuple[float, float, float],
    radii: tuple[float, float, float, float],
) -> FloatArray:
    """Pack a tapered elliptical capsule; ``radii`` are (across, along ``flat``) at start and end.

    ``flat`` is the direction of the section's second radius (made perpendicular to the axis).
    """
    a, b = np.asarray(start, dtype=float), np.asarray(end, dtype=float)
    w = b - a
    length = float(np.linalg.norm(w))
    w = w / length
    v = np.asarray(flat, dtype=float)
    v = unit(v - (v @ w) * w)
    u = np.cross(v, w)
    packed = np.zeros(r.PART_SIZE)
    packed[0:3], packed[3:6], packed[6:9], packed[9:12] = a, w, u, v
    packed[r.Q_LENGTH] = length
    packed[r.Q_RU0], packed[r.Q_RV0], packed[r.Q_RU1], packed[r.Q_RV1] = radii
    packed[r.Q_CX : r.Q_CZ + 1] = 0.5 * (a + b)
    packed[r.Q_BOUND] = 0.5 * length + max(radii)
    return packed


@dataclass(frozen=True)
class Room:
    """Distances along z from this isthmus to the isthmus above and below, and half the pedicle heights there."""

    up: float
    down: float
    half_height_up: float
    half_height_down: float


def build_arch(spec: VertebraSpec, row: FloatArray, room: Room) -> None:
    """Write laminae and parts of the arch behind the packed pedicles of one vertebra into its row."""
    lumbar = order(spec.level) >= order("L1")
    z = float(row[r.P_FIRST + 2])
    half_high = 0.5 * max(spec.pedicle_left.height_mm, spec.pedicle_right.height_mm)
    size = spec.body_width_mm / 42.0
    row[r.L_THICKNESS] = (6.0 if lumbar else 5.2) * min(max(size, 0.75), 1.2)
    row[r.L_TOP] = z + (0.42 if lumbar else 0.48) * half_high
    row[r.L_TOP_SLOPE] = 0.30 if lumbar else 0.18
    gap = 8.0 if lumbar else 4.5
    row[r.L_BOTTOM] = z - min(room.down - 0.30 * half_high - gap, 1.9 * half_high + (6.0 if lumbar else 9.0))
    groups = []
    for index, side in enumerate(SIDES):
        sign = 1.0 if side == "right" else -1.0
        start = r.P_FIRST + index * r.PEDICLE_SIZE
        build = _lumbar_side if lumbar else _thoracic_side
        groups.append(
            build(spec.level, row, row[start : start + r.PEDICLE_SIZE], sign, half_high, room, size)
        )
    groups.append(_spinous(spec.level, row, z, float(row[r.C_Y] - row[r.C_HALF_AP]), size))
    for index, parts in enumerate(groups):
        row[r.Q_COUNTS + index] = len(parts)
        for k, part in enumerate(parts):
            start = r.Q_FIRST + index * r.GROUP_SIZE + k * r.PART_SIZE
            row[start : start + r.PART_SIZE] = part


def _joint_heights(z: float, half_high: float, room: Room) -> tuple[float, float]:
    """Tip of the superior process, tip of the inferior process (centres of their rounded ends)."""
    ceiling = room.up - room.half_height_up
    superior = z + min(0.53 * room.up, ceiling - 5.5)
    inferior = z - (room.down - min(0.16 * room.down, 4.0))
    return max(superior, z + 0.4 * half_high), min(inferior, z - half_high - 1.0)


def _lumbar_side(
    level: str, row: FloatArray, pedicle: FloatArray, sign: float, half_high: float, room: Room, size: float
) -> list[FloatArray]:
    z = float(pedicle[2])
    ru = float(pedicle[r.P_RU])
    root = pedicle[0:3] - CLEAR_BACK_MM * pedicle[3:6]
    x, y = abs(float(root[0])), float(root[1])
    inner = float(row[r.C_HALF_WIDTH])
    back = float(row[r.C_Y] - row[r.C_HALF_AP])
    top, low = _joint_heights(z, half_high, room)
    wide = min(max(size, 0.8), 1.25)
    span = {"L1": 36.0, "L2": 39.0, "L3": 44.0, "L4": 42.0, "L5": 43.0}.get(level, 40.0) * wide
    joint = max(x + 0.5, inner + 3.5)
    superior = _part(
        (sign * (x + 0.2), y - 1.0, z - 0.2 * half_high),
        (sign * (joint + 1.2), y - 3.0, top),
        (0.25 * sign, 1.0, 0.0),
        (4.4 * wide, 4.8 * wide, 2.9 * wide, 4.6 * wide),
    )
    pillar = _part(
        (sign * x, y - 1.5, z + 0.1 * half_high),
        (sign * (inner + 0.5), back + 0.5, z - half_high - 1.5),
        (0.0, 1.0, 0.0),
        (max(4.2 * wide, 0.75 * ru), 4.8 * wide, 4.6 * wide, 4.2 * wide),
    )
    facet_x = max(inner - 1.0, joint - 4.4 * wide)
    inferior = _part(
        (sign * (inner + 0.2), back + 0.5, z - half_high - 1.0),
        (sign * facet_x, back - 2.5, low + 4.0 * wide),
        (0.3 * sign, 1.0, 0.0),
        (4.4 * wide, 4.6 * wide, 4.0 * wide, 4.6 * wide),
    )
    tip = max(span, x + 0.8 * ru + 10.0)
    transverse = _part(
        (sign * (x + 1.0), y - 1.0, z - 0.25 * half_high),
        (sign * tip, y - 6.0, z + 1.0),
        (0.0, 0.0, 1.0),
        (3.2 * wide, 5.4 * wide, 2.2 * wide, 4.0 * wide),
    )
    mammillary = _part(
        (sign * (joint + 1.0), y - 3.0, z + 0.3 * half_high),
        (sign * (joint + 2.0), y - 6.5, z + 0.75 * half_high),
        (0.0, 1.0, 0.0),
        (3.0 * wide, 3.0 * wide, 2.4 * wide, 2.4 * wide),
    )
    return [pillar, superior, inferior, transverse, mammillary]


def _thoracic_side(
    level: str, row: FloatArray, pedicle: FloatArray, sign: float, half_high: float, room: Room, size: float
) -> list[FloatArray]:
    z = float(pedicle[2])
    root = pedicle[0:3] - CLEAR_BACK_MM * pedicle[3:6]
    x, y = abs(float(root[0])), float(root[1])
    inner = float(row[r.C_HALF_WIDTH])
    back = float(row[r.C_Y] - row[r.C_HALF_AP])
    top, low = _joint_heights(z, half_high, room)
    wide = min(max(size, 0.62), 1.1)
    low_transitional = level in ("T11", "T12", "T13")
    pillar = _part(
        (sign * x, y - 0.5, z + 0.2 * half_high),
        (sign * max(inner, x - 1.5), y - 2.5, z - half_high - 1.0),
        (0.0, 1.0, 0.0),
        (5.0 * wide, 4.0 * wide, 5.0 * wide, 4.0 * wide),
    )
    joint = max(inner + 2.0, 0.8 * x)
    superior = _part(
        (sign * joint, y - 0.5, z),
        (sign * (joint + 0.5), y - 2.0, top),
        (0.15 * sign, 1.0, 0.0),
        (5.2 * wide, 4.0 * wide, 4.6 * wide, 2.3 * wide),
    )
    inferior = _part(
        (sign * (inner - 0.5), back - 0.5, z - half_high),
        (sign * (joint - 1.0), min(y - 8.0 * wide, back - 0.5), low + 3.0 * wide),
        (0.15 * sign, 1.0, 0.0),
        (5.0 * wide, 3.4 * wide, 4.6 * wide, 2.6 * wide),
    )
    if low_transitional:
        end = (sign * (x + (9.0 if level == "T12" else 12.0) * wide), y - 8.0, z + 0.5)
    else:
        end = (sign * (x + 19.0 * wide), y - 15.0 * wide, z + 2.5)
    transverse = _part(
        (sign * (x + 0.5), y - 2.5, z - 0.2 * half_high),
        end,
        (0.0, 0.0, 1.0),
        (4.4 * wide, 5.6 * wide, 4.0 * wide, 4.6 * wide),
    )
    return [pillar, superior, inferior, transverse]


def _spinous(level: str, row: FloatArray, z: float, back: float, size: float) -> list[FloatArray]:
    """The spinous process: a level plate in the lumbar spine, a steep rod in the middle of the chest."""
    length, drop, thin, high, tail = SPINOUS[level]
    root = (0.0, back - 2.5, 0.5 * (z + row[r.L_BOTTOM]) + 0.12 * (z - row[r.L_BOTTOM]))
    tip = (0.0, back - 2.5 - length, root[2] - drop)
    wide = min(max(size, 0.75), 1.2)
    plate = _part(root, tip, (0.0, 0.0, 1.0), (thin * wide, high * wide, 0.85 * thin * wide, tail * wide))
    knob = _part(
        (0.0, tip[1] + 3.0, tip[2] - 0.2 * tail),
        (0.0, tip[1] - 1.0, tip[2] - 0.35 * tail),
        (0.0, 0.0, 1.0),
        (1.2 * thin * wide, 0.8 * tail * wide, 1.45 * thin * wide, 0.7 * tail * wide),
    )
    return [plate, knob]


SPINOUS = {
    "T1": (28.0, 6.0, 2.8, 6.0, 5.0),
    "T2": (26.0, 9.0, 2.6, 6.0, 4.5),
    "T3": (26.0, 13.0, 2.5, 6.0, 4.5),
    "T4": (25.0, 17.0, 2.5, 6.0, 4.5),
    "T5": (24.0, 21.0, 2.5, 6.0, 4.2),
    "T6": (23.0, 23.0, 2.5, 6.0, 4.2),
    "T7": (23.0, 23.0, 2.5, 6.2, 4.4),
    "T8": (23.0, 20.0, 2.6, 6.4, 4.6),
    "T9": (23.0, 16.0, 2.7, 6.8, 5.0),
    "T10": (23.0, 12.0, 2.8, 7.0, 5.6),
    "T11": (22.0, 8.0, 2.9, 7.4, 6.4),
    "T12": (22.0, 5.0, 3.0, 8.0, 7.4),
    "T13": (23.0, 4.0, 3.0, 8.4, 8.0),
    "L1": (25.0, 3.5, 3.0, 8.8, 8.6),
    "L2": (27.0, 3.0, 3.1, 9.2, 9.2),
    "L3": (28.0, 2.5, 3.2, 9.4, 9.4),
    "L4": (26.0, 2.5, 3.3, 8.8, 8.4),
    "L5": (21.0, 3.0, 3.3, 7.4, 6.4),
    "L6": (19.0, 3.0, 3.3, 7.0, 6.0),
}
"""Engineering shape of the spinous process by level: length, drop, half thickness, half height at root and tip, mm."""
