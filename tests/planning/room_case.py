"""A vertebra on paper for the tests of the room: a frame, a ring, a needle, all placed by hand."""

from __future__ import annotations

import numpy as np

from endplate.anatomy.model import Frame, Pedicle
from endplate.planning.room_geometry import PathPoints

RIGHT, FRONT, HEAD = np.eye(3)
RING_X_MM, RING_Z_MM, RING_MM = 14.0, 4.0, 10.0
WALL_Y_MM = -16.0
ISTHMUS_Y_MM = -20.0


def rotation(axis: np.ndarray, angle_deg: float) -> np.ndarray:
    turn = np.radians(angle_deg)
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(turn) * cross + (1.0 - np.cos(turn)) * cross @ cross


def vec(point: np.ndarray) -> tuple[float, float, float]:
    return float(point[0]), float(point[1]), float(point[2])


def frame(turn: np.ndarray | None = None) -> Frame:
    """Axes of the vertebra (patient's axes when not turned); its centre is the world's origin."""
    turned = np.eye(3) if turn is None else turn
    return Frame(
        origin_ras_mm=(0.0, 0.0, 0.0),
        right_ras=vec(turned @ RIGHT),
        anterior_ras=vec(turned @ FRONT),
        superior_ras=vec(turned @ HEAD),
        borrowed=False,
    )


def pedicle(side: str, turn: np.ndarray | None = None) -> Pedicle:
    turned = np.eye(3) if turn is None else turn
    sign = 1.0 if side == "right" else -1.0
    return Pedicle(
        inscribed_diameter_mm=RING_MM,
        width_mm=RING_MM,
        height_mm=RING_MM,
        transverse_deg=0.0,
        sagittal_deg=0.0,
        isthmus_ras_mm=vec(turned @ [sign * RING_X_MM, ISTHMUS_Y_MM, RING_Z_MM]),
        axis_ras=vec(turned @ FRONT),
        uncertainty_mm=0.3,
    )


def needle(
    side: str, at_wall_mm: float, convergence_deg: float, turn: np.ndarray | None = None
) -> PathPoints:
    """A level needle that crosses the posterior wall ``at_wall_mm`` from the midline on its side.

    Entry at y = −38, isthmus plane, wall, tip at y = +8; skin at y = −70.
    """
    turned = np.eye(3) if turn is None else turn
    sign = 1.0 if side == "right" else -1.0
    slope = np.tan(np.radians(convergence_deg))

    def at(y: float) -> np.ndarray:
        return turned @ np.array([sign * (at_wall_mm - slope * (y - WALL_Y_MM)), y, RING_Z_MM])

    return PathPoints(
        "right" if sign > 0 else "left",
        "transpedicular",
        at(-38.0),
        at(ISTHMUS_Y_MM),
        at(WALL_Y_MM),
        at(8.0),
        at(-70.0),
    )
