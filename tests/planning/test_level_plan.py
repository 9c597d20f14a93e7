"""The plan of a level as a whole: decisions in order, refusals in words, given paths, several levels."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from endplate.anatomy import assess
from endplate.anatomy.model import Spine
from endplate.errors import QualityGateError, UsageError
from endplate.imaging.calibration import Calibration
from endplate.planning import PlanOptions, plan_levels
from endplate.planning.model import LevelPlan, Plan
from endplate.planning.options import GivenPath
from endplate.planning.path import Breach
from endplate.planning.refusals import breach_reason, limit_name
from endplate.planning.rules import load_rules
from endplate.synthetic import FractureSpec, GridSpec, Phantom, build_phantom, default_spec

LEVELS = ("T12", "L1", "L2")


@cache
def spine_of(shape: str | None, pedicle_mm: float | None = None) -> tuple[Phantom, Spine]:
    fracture = {} if shape is None else {"L1": FractureSpec(shape, 0.35)}
    spec = default_spec(LEVELS, fracture=fracture)
    if pedicle_mm is not None:
        thin = replace(spec.vertebra("L1").pedicle_left, inscribed_diameter_mm=pedicle_mm)
        spec = spec.with_vertebra("L1", pedicle_left=thin, pedicle_right=thin)
    phantom = build_phantom(spec, GridSpec(margin_mm=4.0), ct=False)
    return phantom, assess(phantom.labels, None, Calibration.uncalibrated())


@cache
def planned(shape: str | None = None, pedicle_mm: float | None = None, **wishes: object) -> Plan:
    phantom, spine = spine_of(shape, pedicle_mm)
    return plan_levels(phantom.labels, None, spine, ("L1",), PlanOptions(reason="pain", **wishes))  # type: ignore[arg-type]


def level_of(plan: Plan) -> LevelPlan:
    (level,) = plan.plans
    return level


def test_a_wedge_is_proposed_balloons_and_every_choice_names_its_rule():
    level = level_of(planned("wedge"))
    assert (level.technique, level.access) == ("kyphoplasty", "bipedicular")
    rules = load_rules()
    named = {decision.rule_id for decision in level.decisions}
    assert {"access.approaches", "search.gauges", "balloon.endplate_mm"} <= named
    assert all(rule in rules.notes for rule in named)
    assert all(decision.text and decision.source for decision in level.decisions)
    assert level.balloon is not None
    assert level.cement.volume_ml is not None
    assert sum(level.cement.per_needle_ml) == pytest.approx(level.cement.volume_ml)
    assert level.cement.volume_ml <= level.cement.cap_ml


def test_the_balloon_lies_wholly_beyond_the_cannula():
    for path in level_of(planned("wedge")).paths:
        points = path.kyphoplasty
        assert points is not None
        entry, along = np.array(path.entry_ras_mm), np.subtract(path.tip_ras_mm, path.entry_ras_mm)
        along /= np.linalg.norm(along)
        wall, cannula, near, far, channel = (
            float((np.array(point) - entry) @ along)
            for point in (
                path.posterior_wall_ras_mm,
                points.cannula_end_ras_mm,
                *points.balloon_markers_ras_mm,
                points.channel_end_ras_mm,
            )
        )
        assert wall < cannula < near < far < channel
        assert points.balloon_to_anterior_wall_mm >= 4.0
        assert points.balloon_to_endplate_mm >= 2.0


def test_paths_keep_what_they_promise():
    for path in level_of(planned(None, technique="vertebroplasty", gauge="11G")).paths:
        margins = path.margins_mm
        assert path.approach == "transpedicular"
        assert min(margins.medial, margins.inferior) >= 1.0
        assert path.clearance_mm == min(margins.model_dump().values())
        assert path.skin_ras_mm is None  # no CT: no skin
        assert path.depths_mm.skin_to_bone is None
        assert [stop.name for stop in path.checkpoints] == [
            "docking",
            "mid-pedicle",
            "posterior-wall",
            "target",
        ]
        assert path.carm.console_text
        assert path.score
        assert path.missed == ()


def test_warnings_say_what_was_not_checked_and_what_must_be_asked():
    plan = planned(None, technique="vertebroplasty", gauge="11G")
    told = {found.code for found in level_of(plan).warnings}
    assert {"plan-confirm-level", "plan-unchecked", "plan-skin-not-in-view", "plan-supine-unknown"} <= told
    assert {"ask-infection", "ask-coagulation", "ask-neurology"} <= {f.code for f in plan.session.warnings}


def test_a_pedicle_too_narrow_is_refused_and_something_else_is_offered():
    level = level_of(planned(None, 4.0, technique="vertebroplasty", gauge="8G", approach="transpedicular"))
    assert level.refused is not None
    assert level.refused.code == "no-safe-path"
    assert {side.code for side in level.refused_sides} == {"pedicle-narrow"}
    assert not level.paths
    assert level.cement.volume_ml is None
    offered = {(one.side, one.approach) for one in level.alternatives}
    assert offered
    assert all(one.medial_mm >= 1.0 for one in level.alternatives)
    assert all((one.approach, one.gauge) != ("transpedicular", "8G") for one in level.alternatives)


def test_one_needle_as_asked_for():
    level = level_of(planned(None, technique="vertebroplasty", gauge="11G", access="unipedicular"))
    assert level.access == "unipedicular"
    assert len(level.paths) == 1


def test_a_given_path_is_measured_as_the_search_measured_it():
    phantom, spine = spine_of(None)
    options = PlanOptions(reason="pain", technique="vertebroplasty", gauge="11G")
    searched = level_of(planned(None, technique="vertebroplasty", gauge="11G"))
    given = [GivenPath(path.side, path.entry_ras_mm, path.tip_ras_mm) for path in searched.paths]
    level = level_of(plan_levels(phantom.labels, None, spine, ("L1",), options, given=given))
    for path in level.paths:
        (twin,) = (other for other in searched.paths if other.side == path.side)
        for name, margin in path.margins_mm.model_dump().items():
            assert margin == pytest.approx(getattr(twin.margins_mm, name), abs=0.02)
        assert path.missed == ()
        assert path.candidates == 0
    assert "given-path" in {found.code for found in level.warnings}


def test_a_given_path_through_the_canal_is_told_what_it_breaks():
    phantom, spine = spine_of(None)
    vertebra = spine.find("L1")
    assert vertebra is not None
    frame = vertebra.frame
    canal = np.array(vertebra.canal.centre_ras_mm)
    tip = np.array(frame.origin_ras_mm)
    start = canal - 60.0 * np.array(frame.anterior_ras) + 2.0 * np.array(frame.right_ras)
    given = [GivenPath("bad", tuple(start), tuple(tip))]
    options = PlanOptions(reason="pain", technique="vertebroplasty", gauge="11G")
    (path,) = level_of(plan_levels(phantom.labels, None, spine, ("L1",), options, given=given)).paths
    assert path.margins_mm.medial < 0.0
    assert any(one.code == "margin-medial" for one in path.missed)


@pytest.mark.parametrize(
    ("points", "code"),
    [
        (((0.0, -90.0, 0.0), (0.0, 400.0, 0.0)), "path-outside-body"),
        (((0.0, -90.0, 0.0), (900.0, 0.0, 0.0)), "path-outside-body"),
    ],
)
def test_a_given_path_elsewhere_is_refused(points, code):
    phantom, spine = spine_of(None)
    with pytest.raises(UsageError) as refused:
        plan_levels(
            phantom.labels, None, spine, ("L1",), PlanOptions(reason="pain"), given=[GivenPath("x", *points)]
        )
    assert refused.value.code == code


def test_two_given_paths_on_one_side_are_refused():
    phantom, spine = spine_of(None)
    searched = level_of(planned(None, technique="vertebroplasty", gauge="11G")).paths[0]
    given = [GivenPath(name, searched.entry_ras_mm, searched.tip_ras_mm) for name in ("a", "b")]
    with pytest.raises(UsageError) as refused:
        plan_levels(phantom.labels, None, spine, ("L1",), PlanOptions(reason="pain"), given=given)
    assert refused.value.code == "path-twice"


def test_several_levels_sum_up():
    phantom, spine = spine_of(None)
    options = PlanOptions(reason="pain", technique="vertebroplasty")
    plan = plan_levels(phantom.labels, None, spine, ("T12", "L1"), options)
    assert [level.level for level in plan.plans] == ["T12", "L1"]
    doses = [level.cement.volume_ml or 0.0 for level in plan.plans]
    assert plan.session.cement_total_ml == pytest.approx(sum(doses))
    cautioned = "session-cement-caution" in {found.code for found in plan.session.warnings}
    assert cautioned == (sum(doses) > 7.0)
    assert plan.rules.startswith("rules 1")


def test_a_level_that_is_not_there():
    phantom, spine = spine_of(None)
    with pytest.raises(QualityGateError) as refused:
        plan_levels(phantom.labels, None, spine, ("T5",), PlanOptions(reason="pain"))
    assert refused.value.code == "level-absent"


@pytest.mark.parametrize(
    ("code", "finding", "name"),
    [
        ("margin-medial", "refused-limit-margin", "medial margin (mm)"),
        ("bound-inferior", "refused-limit-derated", "inferior derated margin (mm)"),
        ("tip-anterior", "refused-limit-tip", "anterior distance of the tip (mm)"),
        ("convergence", "refused-limit-angle", "convergence (°)"),
        ("carm-reach", "refused-limit-angle", "C-arm angle (°)"),
        ("channel", "refused-limit-channel", "depth for the channel (mm)"),
        ("wall-defect", "refused-limit-defect", "distance from a hole of the posterior wall (mm)"),
        ("too-deep-for-tool", "refused-limit-length", "depth from the skin (mm)"),
        ("keep-out-aorta", "refused-limit-structure", "distance from the aorta (mm)"),
        ("neighbour-in-the-way", "refused-limit-structure", "distance from the neighbouring vertebra (mm)"),
    ],
)
def test_every_limit_has_words(code, finding, name):
    words = {"side": "Left", "gauge": "11G", "approach": "transpedicular"}
    told = breach_reason("L1", Breach(code, 0.4, 1.0), words)
    assert told.code == finding
    assert "11G" in told.text
    assert limit_name(code) == name
