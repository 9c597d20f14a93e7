"""A plan takes the error that its labels state off every margin, and says so."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endplate.anatomy import assess
from endplate.imaging.calibration import Calibration
from endplate.imaging.label_origin import LabelOrigin, LevelOrigin
from endplate.planning import PlanOptions, plan_levels
from endplate.planning.label_trust import rules_for_labels
from endplate.planning.model import NeedlePath
from endplate.planning.options import GivenPath
from endplate.planning.rules import load_rules
from endplate.synthetic import GridSpec, build_phantom, default_spec

RULES = load_rules()


def clicked(error_mm: float) -> LabelOrigin:
    return LabelOrigin(made_by="clicks", levels=(LevelOrigin(level="L1", label_error_mm=error_mm),))


@pytest.mark.parametrize(
    ("origin", "level"),
    [(None, "L1"), (LabelOrigin(made_by="given"), "L1"), (clicked(1.5), "L2"), (clicked(0.1), "L1")],
    ids=["unknown", "nothing stated", "another level", "less than the rule"],
)
def test_the_rule_stands_where_labels_state_no_more(origin: LabelOrigin | None, level: str) -> None:
    assert rules_for_labels(RULES, origin, level) is RULES


def test_the_error_stated_is_taken_off_each_margin_of_the_same_needle():
    phantom = build_phantom(default_spec(("T12", "L1", "L2")), GridSpec(margin_mm=4.0), ct=False)
    spine = assess(phantom.labels, None, Calibration.uncalibrated())
    doubtful = replace(phantom.labels, origin=clicked(RULES.search.label_error_mm + 1.25))

    def needle(labels, given=()) -> tuple[NeedlePath, set[str]]:
        (level,) = plan_levels(labels, None, spine, ("L1",), PlanOptions(reason="pain"), given=given).plans
        return level.paths[0], {one.code for one in level.warnings}

    path, told = needle(phantom.labels)
    assert path.entry_ras_mm is not None
    way = (GivenPath("same", path.entry_ras_mm, path.tip_ras_mm),)
    sure, _ = needle(phantom.labels, way)
    unsure, warned = needle(doubtful, way)
    assert unsure.margins_mm == sure.margins_mm
    for direction, margin in unsure.margins_derated_mm.model_dump().items():
        assert margin == pytest.approx(getattr(sure.margins_derated_mm, direction) - 1.25, abs=1e-5)
    assert "plan-labels-derated" in warned
    assert "plan-labels-derated" not in told
