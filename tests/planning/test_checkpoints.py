"""Checkpoints against a needle and a ring placed by hand, and the rule of the medial ring."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from room_case import HEAD, RING_MM, RING_X_MM, frame, needle, pedicle, rotation

from endplate.planning.checkpoints import checkpoints, pedicle_ring, ring_findings, sight
from endplate.planning.depth_marks import DepthMark, depth_marks
from endplate.planning.model import Checkpoint
from endplate.planning.room_geometry import PathPoints

MEDIAL_BORDER_MM = RING_X_MM - RING_MM / 2.0


def stops_of(points: PathPoints, turn: np.ndarray | None = None, **more) -> tuple[Checkpoint, ...]:
    axes = frame(turn)
    seen = sight(points, axes, pedicle(points.side, turn), **more)
    return checkpoints(points, seen, body_depth_mm=32.0)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize(
    "turn", [None, rotation(np.array([0.2, 0.6, 0.7]), 15.0)], ids=["straight", "turned"]
)
def test_numbers_by_hand(side, turn):
    points = needle(side, 13.0, 20.0, turn)
    docking, middle, wall, target = stops_of(points, turn)
    slope = np.tan(np.radians(20.0))
    assert [stop.name for stop in (docking, middle, wall, target)] == [
        "docking",
        "mid-pedicle",
        "posterior-wall",
        "target",
    ]
    along = 1.0 / np.cos(np.radians(20.0))
    for stop, y in ((docking, -38.0), (middle, -20.0), (wall, -16.0), (target, 8.0)):
        assert stop.depth_mm == pytest.approx((y + 38.0) * along, abs=1e-5)
        assert stop.skin_depth_mm == pytest.approx((y + 70.0) * along, abs=1e-5)
        assert stop.beyond_posterior_wall_mm == pytest.approx(y + 16.0, abs=1e-5)
        from_midline = 13.0 - slope * (y + 16.0)
        # The ring is a circle of 48 points, whose outermost may lie 0.011 mm inside.
        assert stop.lateral_of_medial_ring_mm == pytest.approx(from_midline - MEDIAL_BORDER_MM, abs=0.012)
    assert docking.ap_text == "Tip on the bone, 7.0 mm lateral of the ring's middle."
    assert docking.lateral_text == "Tip on the bone, 22.0 mm behind the posterior wall."
    assert middle.ap_text == "Tip inside the ring, 5.5 mm lateral of its medial border."
    assert wall.ap_text == "Tip not past the ring's medial border: 4.0 mm lateral of it."
    assert wall.lateral_text == "Tip at the posterior wall; only now past the ring on AP."
    assert target.ap_text == f"Tip 4.3 mm {side} of the midline."
    assert target.lateral_text == "Tip 24.0 mm in front of the posterior wall, 75 % of depth."


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_path_that_passes_the_ring_before_the_wall_is_warned_of(side):
    # It crosses the wall 6 mm from the midline: 3 mm medial of the ring's border.
    points = needle(side, MEDIAL_BORDER_MM - 3.0, 35.0)
    stops = stops_of(points)
    assert stops[2].lateral_of_medial_ring_mm == pytest.approx(-3.0, abs=1e-5)
    assert "3.0 mm past the ring's medial border" in stops[2].ap_text
    (found,) = ring_findings("L1", points, stops)
    assert found.code == "needle-ring-before-wall"
    assert found.severity == "warning"
    assert found.text.startswith(f"{side.capitalize()} needle: on AP the tip is 3.0 mm past")


@pytest.mark.parametrize("convergence", [0.0, 15.0, 30.0, 40.0])
def test_a_path_with_its_margin_is_never_warned_of(convergence):
    # Cannula 3.05 mm thick, 1 mm from the medial border where it crosses the wall.
    points = needle("right", MEDIAL_BORDER_MM + 1.0 + 3.05 / 2.0, convergence)
    stops = stops_of(points)
    assert ring_findings("L1", points, stops) == ()
    # Only beyond the wall, on lateral, does it pass the border on AP.
    assert all(
        (stop.lateral_of_medial_ring_mm > 0.0) or (stop.beyond_posterior_wall_mm > 0.0) for stop in stops
    )


def test_the_wall_is_taken_at_the_needles_height():
    # A wall that slopes forward toward the head, given as points in no order.
    wall = np.array([[0.0, -12.0, 14.0], [0.0, -18.0, -16.0]])
    stops = stops_of(needle("right", 13.0, 0.0), wall_ras_mm=wall)
    assert stops[3].beyond_posterior_wall_mm == pytest.approx(8.0 - (-14.0), abs=1e-5)
    # In space the needle crosses at y = −16; on lateral only at −14, so there is the stop.
    assert stops[2].depth_mm == pytest.approx(24.0, abs=0.11)
    assert 0.0 <= stops[2].beyond_posterior_wall_mm < 0.11
    behind = stops_of(needle("right", 13.0, 0.0), wall_ras_mm=wall - [0.0, 6.0, 0.0])
    assert behind[2].depth_mm == pytest.approx(22.0, abs=1e-5), "never before it is crossed in space"
    never = stops_of(needle("right", 13.0, 0.0), wall_ras_mm=wall + np.array([0.0, 40.0, 0.0]))
    assert never[2].depth_mm == never[3].depth_mm
    assert "behind the posterior wall" in never[3].lateral_text


def test_an_isthmus_beyond_the_wall_is_no_stop():
    whole = needle("left", 13.0, 0.0)
    points = PathPoints(
        whole.side,
        whole.approach,
        whole.entry_ras_mm,
        whole.wall_ras_mm + np.array([0.0, 2.0, 0.0]),
        whole.wall_ras_mm,
        whole.tip_ras_mm,
    )
    stops = stops_of(points)
    assert [stop.name for stop in stops] == ["docking", "mid-pedicle", "posterior-wall", "target"]
    assert stops[1].depth_mm == pytest.approx(11.0, abs=1e-5)


def test_beside_the_pedicle_the_stops_come_in_their_own_order():
    whole = needle("left", 24.0, 30.0)
    points = PathPoints(
        whole.side,
        "extrapedicular",
        whole.wall_ras_mm,
        whole.isthmus_ras_mm,
        whole.wall_ras_mm,
        whole.tip_ras_mm,
    )
    stops = stops_of(points)
    assert [stop.name for stop in stops] == ["mid-pedicle", "docking", "posterior-wall", "target"]
    assert stops[0].depth_mm == pytest.approx(-4.0 / np.cos(np.radians(30.0)), abs=1e-5)


def test_without_pedicle_or_skin():
    whole = needle("left", 24.0, 30.0)
    points = PathPoints(
        whole.side,
        "extrapedicular",
        whole.entry_ras_mm,
        whole.isthmus_ras_mm,
        whole.wall_ras_mm,
        whole.tip_ras_mm,
    )
    axes = frame()
    stops = checkpoints(points, sight(points, axes, None))
    assert all(stop.lateral_of_medial_ring_mm is None and stop.skin_depth_mm is None for stop in stops)
    assert [stop.ap_text for stop in stops][1] == "Tip beside the ring."
    assert ring_findings("T6", points, stops) == ()
    assert depth_marks(stops) == ()
    beside = checkpoints(points, sight(points, axes, pedicle("left")))
    assert "mm lateral of its medial border" in beside[1].ap_text


def test_the_ring_is_the_outline_where_there_is_one():
    one = pedicle("right")
    np.testing.assert_allclose(
        np.linalg.norm(pedicle_ring(one) - np.array(one.isthmus_ras_mm), axis=1), RING_MM / 2.0
    )
    drawn = one.model_copy(update={"outline_ras_mm": ((9.0, 0.0, 0.0), (12.0, 0.0, 3.0), (15.0, 0.0, 0.0))})
    assert pedicle_ring(drawn).shape == (3, 3)
    assert HEAD @ pedicle_ring(drawn)[1] == 3.0


def test_rings_at_the_skin():
    stops = stops_of(needle("right", 13.0, 0.0))
    marks = depth_marks(stops)
    assert [mark.inside_mm for mark in marks] == pytest.approx([32.0, 50.0, 54.0, 78.0])
    assert [mark.text for mark in marks] == [
        "ring 3 + 2 mm",
        "ring 5",
        "ring 5 + 4 mm",
        "ring 7 + 8 mm",
    ]
    # Read in whole millimetres: 69.7 mm is ring 7, never "ring 6 and 10 mm".
    close = stops[3].model_copy(update={"skin_depth_mm": 69.7})
    assert depth_marks((close,))[0] == DepthMark("target", 69.7, 7, 0.0, 10.0)
    assert (
        depth_marks((close.model_copy(update={"skin_depth_mm": 6.0}),))[0].text == "6 mm inside, no ring yet"
    )
    assert depth_marks((close,), spacing_mm=5.0)[0].rings_inside == 14
