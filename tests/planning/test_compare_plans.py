"""Two plans beside each other: differences that are put in come out."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.planning.compare import compare, comparison_text
from endplate.planning.model import CArm, Depths, LevelPlan, Margins, NeedlePath, Plan


def path(
    side: str, *, moved: tuple[float, float, float] = (0.0, 0.0, 0.0), turned_deg: float = 0.0
) -> NeedlePath:
    entry, turn = np.array([20.0, -40.0, 3.0]) + moved, np.radians(turned_deg)
    way = np.array([np.sin(turn), np.cos(turn), 0.0])
    margins = Margins(medial=2.0, lateral=2.0, superior=2.0, inferior=2.0)
    at = {
        name: tuple(entry + depth * way)
        for name, depth in (("isthmus_ras_mm", 18.0), ("posterior_wall_ras_mm", 22.0), ("tip_ras_mm", 44.0))
    }
    return NeedlePath(
        side=side,
        approach="transpedicular",
        gauge="11G",
        outer_diameter_mm=3.05,
        entry_ras_mm=tuple(entry),
        margins_mm=margins,
        margins_derated_mm=margins,
        clearance_mm=2.0,
        uncertainty_mm=0.5,
        convergence_deg=0.0,
        craniocaudal_deg=0.0,
        depths_mm=Depths(bone_to_posterior_wall=22.0, bone_to_tip=44.0),
        carm=CArm(patient_position="prone"),
        **at,
    )


def plan(**levels: tuple[NeedlePath, ...]) -> Plan:
    return Plan(
        plans=tuple(
            LevelPlan(
                level=name, technique="vertebroplasty", access="bipedicular", fracture_seen=True, paths=paths
            )
            for name, paths in levels.items()
        )
    )


def test_a_plan_against_itself():
    same = plan(L1=(path("left"), path("right")))
    found = compare(same, same)
    assert [(one.level, one.side) for one in found.needles] == [("L1", "left"), ("L1", "right")]
    assert all(spread.largest == 0.0 for spread in found.spreads)
    assert found.within_raters == 1.0
    assert found.missing == ()


def test_what_is_put_in_comes_out():
    a = plan(L1=(path("left"), path("right")), L2=(path("left"),))
    b = plan(L1=(path("left", moved=(3.0, 0.0, 4.0)), path("right", turned_deg=6.0)), T12=(path("left"),))
    found = compare(a, b)
    left, right = found.needles
    assert (left.entry_mm, left.isthmus_mm, left.tip_mm, left.angle_deg) == pytest.approx(
        (5.0, 5.0, 5.0, 0.0)
    )
    assert left.within_raters, "5 mm is what raters differ by"
    assert right.entry_mm == 0.0
    assert right.angle_deg == pytest.approx(6.0)
    assert right.tip_mm == pytest.approx(2.0 * 44.0 * np.sin(np.radians(3.0)), abs=1e-5)
    assert not right.within_raters
    assert found.within_raters == 0.5
    assert [(one.level, one.only_in) for one in found.missing] == [("L2", "A"), ("T12", "B")]
    entry = found.spreads[0]
    assert (entry.name, entry.median, entry.largest) == ("entry", 2.5, 5.0)
    assert (found.raters_distance_mm, found.raters_angle_deg, found.source) == (5.0, 5.0, "scherer2023")


def test_in_words():
    a = plan(L1=(path("left"), path("right")))
    b = plan(L1=(path("left", moved=(0.0, 8.0, 0.0)),))
    text = comparison_text(compare(a, b))
    lines = text.splitlines()
    assert lines[1].split() == ["L1", "left", "8.0", "8.0", "8.0", "0.0", "no"]
    assert lines[2].split()[-3:] == ["only", "in", "A"]
    assert "5 mm and 5°" in lines[-1]
    assert len({len(line.split("within raters")[0]) for line in lines[:1]}) == 1


def test_nothing_in_common():
    found = compare(plan(L1=(path("left"),)), plan(L2=(path("left"),)))
    assert found.needles == ()
    assert found.spreads == ()
    assert found.within_raters is None
    assert "only in B" in comparison_text(found)
