"""C-arm conventions, proven on points whose place in the patient is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from endplate.errors import UsageError
from endplate.imaging.carm import (
    CArmPose,
    CArmView,
    Reach,
    default_reach,
    mobile_carm,
    pose_for_direction,
    pose_of_detector,
    project_parallel,
    wrapped_deg,
)

RIGHT, FRONT, HEAD = np.eye(3)
MARKER_RIGHT, MARKER_FRONT, MARKER_HEAD = 30.0 * RIGHT, 30.0 * FRONT, 30.0 * HEAD

angles = st.tuples(st.floats(-179.9, 180.0), st.floats(-89.0, 89.0))


@pytest.mark.parametrize(
    ("primary", "secondary", "detector"),
    [
        (0.0, 0.0, FRONT),  # the patient faces the detector
        (90.0, 0.0, -RIGHT),  # LAO: the detector at the patient's left
        (-90.0, 0.0, RIGHT),  # RAO
        (180.0, 0.0, -FRONT),  # behind a prone patient whose chest faces the tube
        (0.0, 90.0, HEAD),  # CRAN
        (0.0, -90.0, -HEAD),  # CAUD
    ],
)
def test_the_standards_six_positions(primary, secondary, detector):
    pose = CArmPose(primary, secondary, "supine")
    np.testing.assert_allclose(pose.detector_ras, detector, atol=1e-12)
    np.testing.assert_allclose(pose.source_ras, -detector, atol=1e-12)


@pytest.mark.parametrize("position", ["prone", "supine"])
@given(angles=angles)
def test_angles_come_back_from_their_direction(position, angles):
    pose = CArmPose(*angles, position)
    again = pose_of_detector(7.0 * pose.detector_ras, position)
    assert wrapped_deg(again.primary_deg - pose.primary_deg) == pytest.approx(0.0, abs=1e-9)
    assert again.secondary_deg == pytest.approx(pose.secondary_deg, abs=1e-9)
    np.testing.assert_allclose(again.detector_ras, pose.detector_ras, atol=1e-12)


@given(angles=angles)
def test_the_pictures_axes_are_square_and_heads_up(angles):
    pose = CArmPose(*angles)
    axes = np.stack([pose.image_right_ras, pose.image_up_ras, pose.detector_ras])
    np.testing.assert_allclose(axes @ axes.T, np.eye(3), atol=1e-12)
    assert pose.image_up_ras @ HEAD >= 0.0


def test_a_prone_patients_upright_beam_is_primary_180_and_console_0():
    pose = CArmPose(180.0, 0.0, "prone")
    assert pose.console_primary_deg == 0.0
    assert pose.console_text == "Console: 0°, straight up"
    # The tube is under the table, so in front of a patient who lies on the belly.
    assert pose.source_ras @ FRONT == pytest.approx(1.0)
    assert CArmPose(0.0, 0.0, "supine").console_primary_deg == 0.0
    assert CArmPose(0.0, 0.0, "supine").source_ras @ FRONT == pytest.approx(-1.0)


@pytest.mark.parametrize("position", ["prone", "supine"])
@pytest.mark.parametrize(("toward", "word"), [(RIGHT, "right"), (-RIGHT, "left")])
def test_a_detector_tilted_to_one_side_is_told_as_that_side(position, toward, word):
    up = -FRONT if position == "prone" else FRONT
    tilt = np.radians(12.0)
    pose = pose_of_detector(np.cos(tilt) * up + np.sin(tilt) * toward, position)
    assert pose.console_text == f"Console: 12° toward the patient's {word}"
    # The geometry behind the word: parallax. The beam carries what lies near the tube toward the detector's side.
    near_tube = -40.0 * up
    shift = project_parallel(pose, near_tube) @ [1.0, 0.0]
    assert np.sign(shift) == np.sign(pose.image_right_ras @ toward)


@pytest.mark.parametrize(("toward", "word"), [(HEAD, "head"), (-HEAD, "feet")])
def test_a_detector_tilted_along_the_body(toward, word):
    tilt = np.radians(8.0)
    pose = pose_of_detector(-np.cos(tilt) * FRONT + np.sin(tilt) * toward)
    assert pose.console_text == f"Console: 8° toward the {word}"
    assert pose.patient_text == f"LAO 180°, {'CRAN' if word == 'head' else 'CAUD'} 8°"


@pytest.mark.parametrize("position", ["prone", "supine"])
def test_ap_shows_the_patients_right_on_screen_left(position):
    pose = pose_for_direction(FRONT, position)
    assert project_parallel(pose, MARKER_RIGHT) == pytest.approx([-30.0, 0.0], abs=1e-9)
    assert project_parallel(pose, MARKER_HEAD) == pytest.approx([0.0, 30.0], abs=1e-9)
    assert project_parallel(pose, MARKER_FRONT) == pytest.approx([0.0, 0.0], abs=1e-9)


@pytest.mark.parametrize("detector", [RIGHT, -RIGHT])
def test_lateral_shows_the_front_on_screen_left(detector):
    pose = pose_of_detector(detector)
    assert pose.lateral
    assert project_parallel(pose, MARKER_FRONT) == pytest.approx([-30.0, 0.0], abs=1e-9)
    assert project_parallel(pose, MARKER_HEAD) == pytest.approx([0.0, 30.0], abs=1e-9)


@given(
    way=st.tuples(*[st.floats(-1.0, 1.0)] * 3).filter(lambda v: abs(v[1]) > 0.05),
    position=st.sampled_from(["prone", "supine"]),
)
def test_bulls_eye_lays_a_line_on_one_point_with_the_tube_under_the_table(way, position):
    pose = pose_for_direction(way, position)
    line = np.outer([0.0, 20.0, 45.0], way)
    spots = project_parallel(pose, line)
    assert np.abs(spots - spots[0]).max() < 1e-9
    assert (pose.detector_ras @ FRONT < 0.0) == (position == "prone")
    backward = pose_for_direction(-np.array(way), position)
    np.testing.assert_allclose(backward.detector_ras, pose.detector_ras, atol=1e-12)


def test_a_needle_from_the_right_is_seen_with_the_detector_at_the_right():
    # Entry behind and to the right, tip in front at the midline, a little lower.
    entry, tip = np.array([25.0, -40.0, 5.0]), np.array([8.0, 0.0, 0.0])
    pose = pose_for_direction(tip - entry)
    assert pose.console_text == "Console: 23° toward the patient's right, 7° toward the head"


def test_cone_beam_by_hand():
    view = CArmView(CArmPose(180.0, 0.0), np.array([1.0, 2.0, 3.0]), 500.0, 1000.0)
    np.testing.assert_allclose(view.source_ras_mm, [1.0, 502.0, 3.0])
    np.testing.assert_allclose(view.detector_centre_ras_mm, [1.0, -498.0, 3.0])
    assert view.magnification == 2.0
    # 100 mm behind the isocentre (nearer the detector) 6 mm to the right: 6 · 1000/600 = 10 mm, on screen left.
    assert view.project([7.0, -98.0, 3.0]) == pytest.approx([-10.0, 0.0])
    assert view.project([1.0, 2.0, 13.0]) == pytest.approx([0.0, 20.0])
    assert np.isnan(view.project([1.0, 600.0, 3.0])).all(), "behind the source nothing is shown"


@given(angles=angles, point=st.tuples(*[st.floats(-150.0, 150.0)] * 3))
def test_a_detector_point_lies_on_the_ray_of_what_it_shows(angles, point):
    view = mobile_carm(CArmPose(*angles), [4.0, -60.0, 12.0])
    uv = view.project(point)
    way = np.array(point) - view.source_ras_mm
    np.testing.assert_allclose(view.ray(uv), way / np.linalg.norm(way), atol=1e-9)
    np.testing.assert_allclose(view.project(view.on_detector(uv)), uv, atol=1e-6)


def test_reach():
    reach = Reach(oblique_deg=50.0, lateral_deg=110.0, secondary_deg=30.0)
    assert reach == default_reach()
    assert reach.holds(CArmPose(131.0, 29.0))
    assert not reach.holds(CArmPose(129.0, 0.0)), "51° from straight up"
    assert not reach.holds(CArmPose(180.0, 31.0))
    assert not reach.holds(CArmPose(0.0, 0.0)), "the tube above a prone patient"
    assert not reach.holds(CArmPose(-90.0, 0.0)), "90° round is no oblique view"
    assert reach.holds(CArmPose(-90.0, 0.0), lateral=True)
    assert not reach.holds(CArmPose(-65.0, 0.0), lateral=True), "115° round"
    assert reach.holds(CArmPose(-49.0, 0.0, "supine"))


@pytest.mark.parametrize("angles", [(-180.0, 0.0), (181.0, 0.0), (0.0, 91.0), (float("nan"), 0.0)])
def test_angles_that_no_carm_has(angles):
    with pytest.raises(UsageError, match="no C-arm angles"):
        CArmPose(*angles)


def test_other_bad_input():
    with pytest.raises(UsageError, match="position"):
        CArmPose(0.0, 0.0, "sitting")
    with pytest.raises(UsageError, match="without length"):
        pose_for_direction([0.0, 0.0, 0.0])
    with pytest.raises(ValueError, match="between"):
        CArmView(CArmPose(0.0, 0.0), np.zeros(3), 900.0, 800.0)
