"""True AP, true lateral and bull's-eye against a vertebra whose place is known."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from room_case import FRONT, HEAD, RIGHT, frame, needle, pedicle, rotation

from endplate.anatomy.model import Endplate, Endplates
from endplate.imaging.carm import mobile_carm, project_parallel
from endplate.planning.checkpoints import pedicle_ring
from endplate.planning.model import CArm
from endplate.planning.views import bulls_eye, bulls_eye_pose, level_poses, level_views, pose_of

TURNS = {
    "straight": np.eye(3),
    "turned to the left": rotation(HEAD, 9.0),
    "leaning": rotation(FRONT, -7.0),
    "stooped": rotation(RIGHT, 14.0),
    "all": rotation(np.array([0.3, -0.5, 0.8]), 18.0),
}


def endplates(turn: np.ndarray, wedge_deg: float) -> Endplates:
    def plate(angle: float) -> Endplate:
        normal = turn @ rotation(RIGHT, angle) @ HEAD
        return Endplate(centre_ras_mm=(0, 0, 0), normal_ras=tuple(normal), rmse_mm=0.3, trust="trusted")

    return Endplates(superior=plate(-wedge_deg / 2.0), inferior=plate(wedge_deg / 2.0))


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("position", ["prone", "supine"])
def test_true_views_lay_the_vertebra_straight(turn, position):
    poses = level_poses(frame(turn), position)
    spinous = turn @ np.array([0.0, -60.0, -8.0])
    left, right = (np.array(pedicle(side, turn).isthmus_ras_mm) for side in ("left", "right"))
    on_left, middle, on_right = (project_parallel(poses.ap, point) for point in (left, spinous, right))
    assert on_right[0] < middle[0] < on_left[0], "the patient's right is on screen left"
    across = on_left - on_right
    assert (middle - 0.5 * (on_left + on_right)) @ across == pytest.approx(0.0, abs=1e-9), (
        "spinous process midway"
    )
    np.testing.assert_allclose(
        project_parallel(poses.lateral, left), project_parallel(poses.lateral, right), atol=1e-9
    )
    front = project_parallel(poses.lateral, turn @ FRONT)
    assert front[0] < -0.9, "the front is on screen left"


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_endplates_are_edge_on(turn):
    views = level_views(frame(turn), endplates(turn, 12.0))
    for seen in (views.lateral_endplates.superior_deg, views.lateral_endplates.inferior_deg):
        assert seen == pytest.approx(0.0, abs=1e-4), "a wedge is edge-on twice on lateral"
    for seen in (views.ap_endplates.superior_deg, views.ap_endplates.inferior_deg):
        assert seen == pytest.approx(6.0, abs=1e-4), "on AP its angle is shared"
    assert views.ap.reachable
    assert views.lateral.reachable


def test_words_of_a_patient_who_stoops_and_turns():
    # The front of the vertebra turned to the patient's left by 9°: the detector behind follows to the right.
    views = level_views(frame(rotation(HEAD, 9.0)), Endplates())
    assert (rotation(HEAD, 9.0) @ FRONT) @ RIGHT < 0.0
    assert views.ap.console_text == "Console: 9° toward the patient's right"
    assert views.ap_endplates.superior_deg is None
    # The front turned down: the beam from below must rise toward the back, the detector leans to the head.
    stooped = rotation(RIGHT, -14.0)
    assert (stooped @ FRONT) @ HEAD < 0.0
    assert level_views(frame(stooped), Endplates()).ap.console_text == "Console: 14° toward the head"


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
def test_bulls_eye_lays_entry_on_tip_inside_the_pedicles_eye(side, turn):
    """A10: entry and tip at most 0.5 mm apart at the reported angles, in the pedicle's ring."""
    points = needle(side, 13.0, 18.0, turn)
    carm = bulls_eye(points.entry_ras_mm, points.tip_ras_mm)
    pose = pose_of(carm)
    assert pose is not None
    entry, tip = (project_parallel(pose, point) for point in (points.entry_ras_mm, points.tip_ras_mm))
    assert np.linalg.norm(entry - tip) < 1e-3
    ring = project_parallel(pose, pedicle_ring(pedicle(side, turn)))
    assert (ring.min(axis=0) < tip).all()
    assert (tip < ring.max(axis=0)).all()
    cone = mobile_carm(pose, points.isthmus_ras_mm)
    assert np.linalg.norm(cone.project(points.entry_ras_mm) - cone.project(points.tip_ras_mm)) < 1e-3
    assert (
        f"patient's {side}"
        in bulls_eye_pose(
            *(needle(side, 13.0, 18.0).isthmus_ras_mm * 0.0, needle(side, 13.0, 18.0).direction_ras)
        ).console_text
    )


def test_out_of_reach_is_said():
    steep = bulls_eye([0.0, 0.0, 0.0], np.array([-1.5, 1.0, 0.0]))
    assert steep.reachable is False
    assert bulls_eye([0.0, 0.0, 0.0], np.array([-2.0, 1.0, 0.0])).reachable is False, "nor as a lateral view"
    assert steep.console_primary_deg == pytest.approx(-56.31, abs=0.01)
    assert bulls_eye([0.0, 0.0, 0.0], np.array([-1.0, 1.0, 0.0])).reachable is True


def test_a_document_without_angles_has_no_pose():
    assert pose_of(CArm(patient_position="prone")) is None
    assert pose_of(CArm(patient_position="unknown", primary_deg=0.0, secondary_deg=0.0)) is None
