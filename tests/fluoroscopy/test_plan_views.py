"""Views of a planned level, and whether a C-arm gets to them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.model import Endplates, Frame, Pedicle, Pedicles, Vertebra
from endplate.errors import UsageError
from endplate.fluoroscopy.plan_views import plan_shots, within_outline
from endplate.fluoroscopy.reach import CArmLimits, check_reach, default_limits
from endplate.fluoroscopy.view import View, mobile_view
from endplate.imaging.carm import CArmPose, TablePosition
from endplate.planning.model import (
    CArm,
    Checkpoint,
    Depths,
    LevelPlan,
    Margins,
    NeedlePath,
    Refusal,
)
from endplate.planning.views import bulls_eye, level_views

BODY = (0.0, -40.0, 100.0)
ENTRY, ISTHMUS, WALL, TIP = (
    (24.0, -86.0, 112.0),
    (19.0, -74.0, 109.0),
    (15.0, -64.0, 106.5),
    (4.0, -38.0, 100.0),
)
MARGINS = Margins(medial=2.0, lateral=2.0, superior=2.0, inferior=2.0)


def vertebra() -> Vertebra:
    frame = Frame(
        origin_ras_mm=BODY,
        right_ras=(1, 0, 0),
        anterior_ras=(0, 1, 0),
        superior_ras=(0, 0, 1),
        borrowed=False,
    )
    pedicle = Pedicle(
        inscribed_diameter_mm=7.0,
        width_mm=7.0,
        height_mm=12.0,
        transverse_deg=20.0,
        sagittal_deg=10.0,
        isthmus_ras_mm=(19.5, -74.0, 109.0),
        axis_ras=(-0.37, 0.9, -0.2),
        uncertainty_mm=0.5,
    )
    return Vertebra(level="L1", label_id=20, complete=True, frame=frame, pedicles=Pedicles(right=pedicle))


def plan(position: TablePosition = "prone") -> LevelPlan:
    level = vertebra()
    assert level.frame is not None
    stop = Checkpoint(
        name="docking",
        tip_ras_mm=ENTRY,
        depth_mm=0.0,
        lateral_of_medial_ring_mm=4.0,
        beyond_posterior_wall_mm=-20.0,
        ap_text="Tip on the bone.",
        lateral_text="Tip behind the wall.",
    )
    target = stop.model_copy(update={"name": "target", "tip_ras_mm": TIP})
    path = NeedlePath(
        side="right",
        approach="transpedicular",
        gauge="11G",
        outer_diameter_mm=3.2,
        entry_ras_mm=ENTRY,
        isthmus_ras_mm=ISTHMUS,
        posterior_wall_ras_mm=WALL,
        tip_ras_mm=TIP,
        margins_mm=MARGINS,
        margins_derated_mm=MARGINS,
        clearance_mm=2.0,
        uncertainty_mm=0.5,
        convergence_deg=20.0,
        craniocaudal_deg=10.0,
        depths_mm=Depths(bone_to_posterior_wall=25.0, bone_to_tip=53.0),
        carm=bulls_eye(ENTRY, TIP, position),
        checkpoints=(stop, target),
    )
    return LevelPlan(
        level="L1",
        technique="vertebroplasty",
        access="unipedicular",
        fracture_seen=True,
        paths=(path,),
        views=level_views(level.frame, Endplates(), position),
    )


@pytest.mark.parametrize("position", ["prone", "supine"])
def test_the_bulls_eye_shows_entry_and_tip_as_one_point_in_the_ring(position: TablePosition) -> None:
    shots = plan_shots(plan(position), vertebra(), pixels=256)
    eye = shots.bulls_eye("right")
    assert eye is not None
    assert shots.bulls_eye("left") is None
    assert eye.apart_mm <= 1e-4
    assert eye.inside is True
    assert np.allclose(eye.view.project(ENTRY)[:2], 127.5, atol=1e-3)
    assert eye.view.pose.position == position
    # The tube is under the table: the source lies on the patient's side that faces down.
    assert bool(eye.view.source_ras_mm[1] > BODY[1]) is (position == "prone")
    # One degree off is seen.
    turned = CArmPose(eye.view.pose.primary_deg + 1.0, eye.view.pose.secondary_deg, position)
    off = replace(eye.view, pose=turned)
    assert np.linalg.norm(np.diff(off.project([ENTRY, TIP])[:, :2], axis=0)) * off.pitch_mm > 0.5


def test_ap_and_lateral_are_centred_on_the_body_for_all_stops() -> None:
    shots = plan_shots(plan(), vertebra(), pixels=256)
    for view in (shots.ap, shots.lateral):
        assert np.allclose(view.project(BODY)[:2], 127.5)
    assert [(stop.side, stop.name) for stop in shots.stops] == [("right", "docking"), ("right", "target")]
    assert np.allclose(shots.stops[1].tip_ras_mm, TIP)
    ap = shots.ap.project([stop.tip_ras_mm for stop in shots.stops])
    # Patient's right on screen left, and the needle runs medially.
    assert ap[0, 0] < ap[1, 0] < 127.5
    lateral = shots.lateral.project([stop.tip_ras_mm for stop in shots.stops])
    # Front on screen left, and the needle runs forward and down.
    assert lateral[1, 0] < lateral[0, 0]
    assert lateral[1, 1] > lateral[0, 1]


def test_without_a_measured_vertebra_there_is_no_ring() -> None:
    eye = plan_shots(plan(), pixels=64).bulls_eyes[0]
    assert eye.ring_px is None
    assert eye.inside is None


def test_a_plan_without_views_is_refused() -> None:
    refused = LevelPlan(
        level="L2",
        technique="vertebroplasty",
        access="none",
        fracture_seen=True,
        refused=Refusal(code="no-path", reasons=()),
    )
    with pytest.raises(UsageError, match="L2 has no C-arm angles"):
        plan_shots(refused)
    blind = plan().paths[0].model_copy(update={"carm": CArm(patient_position="lateral")})
    nowhere = plan().model_copy(update={"paths": (blind,)})
    with pytest.raises(UsageError, match="L1 has no C-arm angles"):
        plan_shots(nowhere)


def test_inside_an_outline() -> None:
    hollow = np.array([[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [5.0, 4.0], [0.0, 10.0]])
    assert within_outline([2.0, 3.0], hollow)
    assert within_outline([9.0, 8.0], hollow)
    assert not within_outline([5.0, 6.0], hollow)
    assert not within_outline([-1.0, 3.0], hollow)


def set_to(primary: float, secondary: float = 0.0, position: TablePosition = "prone") -> View:
    return mobile_view(CArmPose(primary, secondary, position), np.zeros(3), pixels=64)


def codes(view: View, **more: object) -> dict[str, str]:
    return {one.code: one.severity for one in check_reach(view, **more).findings}  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("primary", "told"),
    [
        (180.0, {}),
        (150.0, {}),
        (-150.0, {}),
        (100.0, {"carm-orbit-side": "info"}),
        (65.0, {"carm-orbit": "critical"}),
    ],
)
def test_the_orbit_is_open_to_one_side(primary: float, told: dict[str, str]) -> None:
    assert codes(set_to(primary)) == told
    assert check_reach(set_to(primary)).reachable is ("critical" not in told.values())


def test_the_side_that_the_c_must_be_open_to_is_named() -> None:
    for primary, side in ((90.0, "left"), (-90.0, "right")):
        (only,) = check_reach(set_to(primary)).findings
        assert side in only.text


def test_the_tube_meets_the_table_when_tilted_far() -> None:
    assert codes(set_to(180.0, 30.0)) == {}
    assert codes(set_to(180.0, 60.0)) == {"carm-tube-table": "critical"}
    assert codes(set_to(0.0, -60.0, "supine")) == {"carm-tube-table": "critical"}
    thin = replace(default_limits(), housing_radius_mm=10.0)
    assert codes(set_to(180.0, 60.0), limits=thin) == {}


def test_the_skin_near_the_source_and_the_detector_is_told() -> None:
    """A ring of skin about a prone patient's isocentre: front 100 mm below, back 90 mm above."""
    turn = np.linspace(0.0, 2.0 * np.pi, 72, endpoint=False)
    ring = np.stack([160.0 * np.cos(turn), 5.0 + 95.0 * np.sin(turn), 0.0 * turn], axis=1)
    assert codes(set_to(180.0), skin_ras_mm=ring) == {}
    near = replace(default_limits(), source_skin_mm=450.0)
    assert codes(set_to(180.0), skin_ras_mm=ring, limits=near) == {"carm-source-skin": "warning"}
    assert check_reach(set_to(180.0), skin_ras_mm=ring, limits=near).reachable
    stout = ring * [1.0, 6.0, 1.0]
    assert codes(set_to(180.0), skin_ras_mm=stout)["carm-detector-skin"] == "critical"


def test_limits_that_hold_nothing_are_refused() -> None:
    for change in (
        {"orbit_deg": (10.0, 20.0)},
        {"source_skin_mm": -1.0},
        {"housing_radius_mm": float("nan")},
    ):
        with pytest.raises(UsageError, match="no limits"):
            CArmLimits(**{**default_limits().__dict__, **change})  # type: ignore[arg-type]
