"""Views: pixels and points, positioner angles as DICOM defines them, bad detectors."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.fluoroscopy.projector import Projector
from endplate.fluoroscopy.view import Collimation, View, as_shown, mobile_view, shown_columns
from endplate.imaging.carm import CArmPose

CENTRE = np.array([12.0, -34.0, 56.0])


def seen_at(view: View, point: np.ndarray) -> np.ndarray:
    """Column and row at which a small cube about a point is shown, from a rendered image."""
    affine = np.eye(4)
    affine[:3, 3] = point - 2.0
    values = np.zeros((5, 5, 5), dtype=np.float32)
    values[1:4, 1:4, 1:4] = 1.0
    image = Projector(values, affine).line_integrals(view).astype(np.float64)
    rows, columns = np.indices(image.shape)
    return np.array([(image * columns).sum(), (image * rows).sum()]) / image.sum()


def test_points_and_pixels_go_both_ways() -> None:
    view = mobile_view(CArmPose(155.0, -12.0), CENTRE, pixels=300)
    points = CENTRE + np.random.default_rng(1).uniform(-60.0, 60.0, (50, 3))
    seen = view.project(points)
    ray = view.ray(seen[:, :2])
    along = ((points - view.source_ras_mm) * ray).sum(axis=1)
    assert np.allclose(view.source_ras_mm + along[:, None] * ray, points, atol=1e-9)
    assert np.allclose(seen[:, 2], (points - view.source_ras_mm) @ view.pose.detector_ras)
    assert np.allclose(view.project(CENTRE), [149.5, 149.5, view.source_isocentre_mm])
    assert np.isnan(view.project(view.source_ras_mm - view.pose.detector_ras)[:2]).all()


def test_a_length_at_the_isocentre_is_magnified() -> None:
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=512)
    ends = view.project(CENTRE + np.array([[-10.0, 0.0, 0.0], [10.0, 0.0, 0.0]]))
    assert np.isclose(abs(ends[1, 0] - ends[0, 0]) * view.pitch_mm, 20.0 * 1020.0 / 530.0)
    assert np.isclose(abs(ends[1, 0] - ends[0, 0]) * view.pixel_at_isocentre_mm, 20.0)
    assert np.isclose(view.magnified(2.0).pitch_mm, 0.5 * view.pitch_mm)
    smaller = view.resized(256, 256)
    assert np.isclose(smaller.pitch_mm * 256, view.pitch_mm * 512)


@pytest.mark.parametrize("primary", [30.0, -30.0])
def test_lao_and_rao_turn_the_detector_to_the_patients_left_and_right(primary: float) -> None:
    """+90 is the detector at the patient's left (PS3.3 C.8.7.5): LAO shows what is in front to the patient's right."""
    view = mobile_view(CArmPose(primary, 0.0, "supine"), CENTRE, pixels=256)
    column, _ = seen_at(view, CENTRE + np.array([0.0, 40.0, 0.0]))
    # The patient's right is on screen left.
    assert column < 100.0 if primary > 0.0 else column > 156.0
    toward_left = view.pose.detector_ras @ np.array([-1.0, 0.0, 0.0])
    assert toward_left * primary > 0.0


@pytest.mark.parametrize("secondary", [30.0, -30.0])
@pytest.mark.parametrize(("primary", "position", "front"), [(0.0, "supine", 1.0), (180.0, "prone", -1.0)])
def test_cran_and_caud_turn_the_detector_to_head_and_feet(
    secondary: float, primary: float, position: str, front: float
) -> None:
    """+90 is the detector at the head: CRAN shows what is nearer to the detector lower."""
    view = mobile_view(
        CArmPose(primary, secondary, "prone" if position == "prone" else "supine"), CENTRE, pixels=256
    )
    _, row = seen_at(view, CENTRE + np.array([0.0, 40.0 * front, 0.0]))
    assert row > 156.0 if secondary > 0.0 else row < 100.0


@pytest.mark.parametrize("primary", [150.0, -150.0])
def test_a_prone_patients_left_is_told_by_the_detector(primary: float) -> None:
    """Tube under the table: primary 180 at a console of 0; +150 has the detector behind and to the left."""
    pose = CArmPose(primary, 0.0, "prone")
    view = mobile_view(pose, CENTRE, pixels=256)
    # RAS: the patient's left is negative. What is nearer to the detector is deeper in the beam.
    left, right = (float(view.project(CENTRE + np.array([x, 0.0, 0.0]))[2]) for x in (-40.0, 40.0))
    assert (left > right) is (primary > 0.0)
    assert np.isclose(pose.console_primary_deg, 30.0 * np.sign(primary))
    assert ("toward the patient's left" in pose.console_text) is (primary > 0.0)
    # What is behind the isocentre is shown on the other side.
    column, _ = seen_at(view, CENTRE + np.array([0.0, -40.0, 0.0]))
    assert column < 100.0 if primary > 0.0 else column > 156.0


@pytest.mark.parametrize("pose", [(180.0, 0.0), (-90.0, 0.0), (160.0, 20.0), (20.0, -15.0), (-60.0, 10.0)])
def test_what_is_rendered_is_where_points_are_projected(pose: tuple[float, float]) -> None:
    view = mobile_view(CArmPose(*pose), CENTRE, pixels=256)
    for offset in ([25.0, 5.0, -10.0], [-8.0, -20.0, 30.0]):
        point = CENTRE + np.array(offset)
        assert np.abs(seen_at(view, point) - view.project(point)[:2]).max() < 0.1


def test_from_behind_mirrors_all_but_lateral_views() -> None:
    image = np.arange(12.0).reshape(3, 4)
    front = View(CArmPose(180.0, 0.0), CENTRE, 3, 4, 1.0, 500.0, 1000.0)
    side = View(CArmPose(-90.0, 0.0), CENTRE, 3, 4, 1.0, 500.0, 1000.0)
    assert np.array_equal(as_shown(image, front, "behind"), image[:, ::-1])
    assert np.array_equal(as_shown(image, front, "radiograph"), image)
    assert np.array_equal(as_shown(image, side, "behind"), image)
    assert np.allclose(shown_columns([0.0, 1.0], front, "behind"), [3.0, 2.0])
    with pytest.raises(UsageError, match="not known"):
        as_shown(image, front, "upside")  # type: ignore[arg-type]


def test_the_shutter_hides_what_is_beyond_it() -> None:
    view = mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=100)
    points = CENTRE + np.array([[0.0, 0.0, 0.0], [40.0, 0.0, 0.0], [500.0, 0.0, 0.0]])
    assert view.sees(points).tolist() == [True, True, False]
    assert view.collimated(Collimation(40, 40, 60, 60)).sees(points).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"rows": 0}, "detector-size"),
        ({"columns": -3}, "detector-size"),
        ({"rows": 2.5}, "detector-size"),
        ({"pitch_mm": 0.0}, "detector-size"),
        ({"pitch_mm": float("nan")}, "detector-size"),
        ({"source_isocentre_mm": 2000.0}, "carm-distances"),
        ({"isocentre_ras_mm": np.array([0.0, np.nan, 0.0])}, "isocentre-not-finite"),
    ],
)
def test_a_view_that_shows_nothing_is_refused(change: dict[str, object], code: str) -> None:
    good: dict[str, object] = {
        "pose": CArmPose(180.0, 0.0),
        "isocentre_ras_mm": CENTRE,
        "rows": 10,
        "columns": 10,
        "pitch_mm": 1.0,
        "source_isocentre_mm": 530.0,
        "source_detector_mm": 1020.0,
    }
    with pytest.raises(UsageError) as told:
        View(**(good | change))  # type: ignore[arg-type]
    assert told.value.code == code


def test_other_slips_are_refused() -> None:
    with pytest.raises(UsageError, match="shows nothing"):
        mobile_view(CArmPose(180.0, 0.0), CENTRE, pixels=0)
    with pytest.raises(UsageError, match="shut"):
        Collimation(5, 5, 5, 9)
    with pytest.raises(UsageError, match="magnified"):
        mobile_view(CArmPose(180.0, 0.0), CENTRE).magnified(0.0)
