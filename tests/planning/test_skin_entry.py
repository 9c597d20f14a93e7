"""The skin mark and its intervals, against the skin moved and the vertebra turned for real."""

from __future__ import annotations

import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from room_case import FRONT, HEAD, RIGHT, frame, needle, pedicle, rotation

from endplate.planning.room_geometry import PathPoints
from endplate.planning.skin import skin_entry

BACK = {"flat": (1e6, 1e6), "round": (170.0, 110.0)}
"""Half axes (side to side, front to back) of a trunk whose back lies 70 mm behind the body's centre."""


def skin_point(points: PathPoints, half_axes: tuple[float, float], shift_mm: float) -> np.ndarray:
    """Where the needle's line, going back from the entry, leaves an elliptic trunk moved back by ``shift_mm``."""
    a, b = half_axes
    centre = np.array([0.0, b - 70.0 - shift_mm, 0.0])
    start, way = points.entry_ras_mm - centre, -points.direction_ras
    k = np.array([1.0 / a**2, 1.0 / b**2, 0.0])
    quadratic = [way**2 @ k, 2.0 * (start * way) @ k, start**2 @ k - 1.0]
    return points.entry_ras_mm + max(np.roots(quadratic).real) * way


def with_skin(points: PathPoints, skin: np.ndarray | None) -> PathPoints:
    return PathPoints(
        points.side,
        points.approach,
        points.entry_ras_mm,
        points.isthmus_ras_mm,
        points.wall_ras_mm,
        points.tip_ras_mm,
        skin,
    )


@pytest.mark.parametrize("back", BACK.values(), ids=BACK)
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("convergence", [0.0, 15.0, 35.0])
def test_the_intervals_hold_a_shift_of_10_mm_and_a_turn_of_5_degrees(back, side, convergence):
    planned = needle(side, 13.0, convergence)
    lying = with_skin(planned, skin_point(planned, back, 0.0))
    entry = skin_entry(lying, frame(), pedicle(side))
    assert entry is not None
    for shift, axis, turn in product((-10.0, 0.0, 10.0), (RIGHT, FRONT, HEAD, np.ones(3)), (-5.0, 5.0)):
        # On the table the vertebra with its needle has turned under the skin, and the skin has moved.
        posture = rotation(axis, turn)
        moved = needle(side, 13.0, convergence, posture)
        mark = skin_point(moved, back, shift)
        axes = frame(posture)
        aside = abs(float(mark @ np.array(axes.right_ras)))
        depth = float(np.linalg.norm(mark - moved.entry_ras_mm))
        low, high = entry.from_midline_interval_mm
        assert low - 0.5 <= aside <= high + 0.5
        low, high = entry.depth_interval_mm
        assert low - 0.5 <= depth <= high + 0.5
        bend = np.degrees(np.arccos(np.clip(moved.direction_ras @ planned.direction_ras, -1.0, 1.0)))
        assert bend <= entry.angle_interval_deg + 1e-9


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_intervals_are_not_idle(side):
    planned = needle(side, 13.0, 30.0)
    entry = skin_entry(planned, frame(), pedicle(side))
    assert entry is not None
    assert entry.from_midline_mm == pytest.approx(13.0 + 54.0 * np.tan(np.radians(30.0)), abs=1e-5)
    assert entry.above_pedicle_mm == pytest.approx(0.0, abs=1e-5)
    low, high = entry.depth_interval_mm
    depth = 32.0 / np.cos(np.radians(30.0))
    # A shift alone makes 10 / cos 30° = 11.5 mm; a turn about the body's centre adds what the lever of the mark does.
    assert depth - 30.0 < low < depth - 11.5
    assert depth + 11.5 < high < depth + 30.0


def test_height_is_taken_on_the_true_ap_view():
    planned = needle("right", 13.0, 10.0)
    higher = planned.skin_ras_mm + 9.0 * HEAD
    entry = skin_entry(with_skin(planned, higher), frame(), pedicle("right"))
    assert entry is not None
    assert entry.above_pedicle_mm == pytest.approx(9.0, abs=1e-5)
    without = skin_entry(with_skin(planned, higher), frame(), None)
    assert without is not None
    assert without.above_pedicle_mm == pytest.approx(9.0, abs=1e-5), "the needle's isthmus stands in"


def test_no_skin_in_view_gives_no_mark():
    planned = with_skin(needle("left", 13.0, 10.0), None)
    assert skin_entry(planned, frame(), pedicle("left")) is None
