"""Growth of marked bone: the cheapest way wins, a rib starts late, spongy bone is what its own bone surrounds."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.labelling.arch_bone import bone_threshold_hu, occupancy
from endplate.labelling.split_kernels import claim, enclosed, spread


def _bar(length: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """A bar of bone with a marker at each end."""
    cost = np.zeros((length, 7, 7), dtype=np.int16)
    cost[1:-1, 2:5, 2:5] = 20
    marks = np.zeros(cost.shape, dtype=np.uint8)
    marks[1, 2:5, 2:5], marks[-2, 2:5, 2:5] = 1, 2
    return cost, marks


def _border(labels: np.ndarray) -> int:
    """First index along the bar that the second marker has."""
    return int(np.argmax(labels[:, 3, 3] == 2))


def test_two_levels_meet_in_the_middle_of_even_bone() -> None:
    cost, marks = _bar()
    labels = claim(cost, marks, 250, 0)
    assert _border(labels) == 20
    assert set(np.unique(labels[cost > 0])) == {1, 2}


def test_a_joint_moves_the_border_to_itself() -> None:
    cost, marks = _bar()
    cost[12:14, 2:5, 2:5] = 400
    assert _border(claim(cost, marks, 250, 0)) in (12, 13, 14)


def test_a_late_marker_loses_half_its_delay() -> None:
    cost, marks = _bar()
    marks[marks == 2] = 250
    labels = claim(cost, marks, 250, 10 * 20)
    assert int(np.argmax(labels[:, 3, 3] == 250)) == 25


def test_what_no_marker_reaches_stays_empty() -> None:
    cost, marks = _bar()
    cost[10:12] = 0
    marks[marks == 2] = 0
    labels = claim(cost, marks, 250, 0)
    assert (labels[:10][cost[:10] > 0] == 1).all()
    assert not labels[12:].any()


def test_spreading_stops_after_its_rounds() -> None:
    labels = np.zeros((9, 9, 9), dtype=np.uint8)
    labels[4, 4, 4] = 3
    grown = spread(labels, 2)
    index = np.abs(np.indices(labels.shape) - 4).sum(axis=0)
    assert np.array_equal(grown > 0, index <= 2)


@pytest.mark.parametrize(("opening", "filled"), [(0, True), (9, False)])
def test_only_a_surrounded_hollow_counts_as_inside(opening: int, *, filled: bool) -> None:
    state = np.zeros((15, 15, 15), dtype=np.uint8)
    state[3:12, 3:12, 3:12] = 1
    state[4:11, 4:11, 4:11] = 0
    if opening:
        state[3:12, 3:12, 6:12] = 0
    inside = enclosed(state, 12, 21)
    assert bool(inside[7, 7, 5]) is filled
    assert not inside[0, 0, 0]


def test_another_bone_does_not_surround() -> None:
    state = np.zeros((15, 15, 15), dtype=np.uint8)
    state[3:12, 3:12, 3:12] = 2
    state[4:11, 4:11, 4:11] = 0
    assert not enclosed(state, 12, 21).any()


@pytest.mark.parametrize("peak", [350.0, 450.0])
def test_the_surface_of_a_blurred_edge_lies_at_half_its_height(peak: float) -> None:
    low = 50.0
    x = np.arange(30, dtype=np.float32)
    ramp = low + (peak - low) * np.clip((x - 13.0) / 4.0, 0.0, 1.0)
    values = np.broadcast_to(ramp[:, None, None], (30, 12, 12)).astype(np.float32)
    share = occupancy(values, bone_threshold_hu(values, 1.0))[:, 6, 6]
    first = int(np.argmax(share >= 0.5))
    assert first == 15
    # The peak is averaged over its reach: the threshold may be off by a tenth of the edge's height.
    assert share[15] == pytest.approx(0.5, abs=0.15)
