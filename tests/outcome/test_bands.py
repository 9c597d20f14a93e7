"""Bands: members differ in what was drawn, needles miss and are drawn back, failures are counted."""

from __future__ import annotations

from dataclasses import replace

import cemented
import numpy as np
import pytest

from endplate.cement.bone_model import BoneModel
from endplate.cement.heat import HeatOptions
from endplate.devices.catalogue import load_catalogue
from endplate.errors import UsageError
from endplate.outcome.bands import BandOptions, band_set, uncertain
from endplate.outcome.before_after import Scan
from endplate.outcome.members import AXES, Member, Setting, drawn_back, play_member
from endplate.procedure.times import Settings

STRAIGHT = {"permeability": 1.0, "viscosity": 1.0, **{f"left.{axis}": 0.0 for axis in AXES}}


@pytest.fixture(scope="module")
def setting(scan: Scan) -> Setting:
    bone = cemented.bone_of(scan, voxel_mm=3.0)
    return Setting(
        bone=bone,
        plan=cemented.level_plan(bone),
        catalogue=load_catalogue(),
        cement="medium-viscosity",
        settings=Settings(),
        noise_sigma=0.3,
        heat=HeatOptions(minutes=3.0),
    )


def test_a_member_gives_its_numbers_and_gives_them_again(setting: Setting) -> None:
    member = Member(5, {**STRAIGHT, "permeability": 0.3, "viscosity": 1.4})
    first, again = play_member(setting, member), play_member(setting, member)
    assert first is not None
    assert first == again
    assert first["in_bone_ml"] == pytest.approx(1.0 - (first["leaked_ml"] or 0.0), abs=0.02)
    assert (first["peak_temperature_c"] or 0.0) > (first["canal_peak_c"] or 99.0)
    assert sum(first[name] or 0.0 for name in first if name.startswith("leaks_ml.")) == pytest.approx(
        first["leaked_ml"]
    )


def test_thicker_cement_needs_more_pressure(setting: Setting) -> None:
    thin, thick = (
        play_member(setting, Member(1, {**STRAIGHT, "viscosity": factor})) for factor in (0.6, 1.2)
    )
    assert thin is not None
    assert thick is not None
    assert (thick["peak_pressure_mpa"] or 0.0) > 1.5 * (thin["peak_pressure_mpa"] or 9.0)


def test_a_needle_that_misses_the_bone_is_a_failure_not_a_number(setting: Setting) -> None:
    assert play_member(setting, Member(1, {**STRAIGHT, "left.right": -60.0})) is None


def test_a_tip_in_the_shell_is_drawn_back_into_the_body(setting: Setting) -> None:
    bone, path = setting.bone, setting.plan.paths[0]
    forward = np.array(path.tip_ras_mm) - np.array(path.entry_ras_mm)
    forward /= np.linalg.norm(forward)
    assert drawn_back(path, bone) == path
    front = 12.0 + bone.grid.step_mm
    tip = tuple(float(one) for one in np.array(path.tip_ras_mm) + front * forward)
    deep = path.model_copy(update={"tip_ras_mm": tip})
    back = drawn_back(deep, bone)
    moved = (np.array(back.tip_ras_mm) - np.array(tip)) @ forward
    assert -6.0 <= moved < 0.0
    assert np.array(back.entry_ras_mm) - np.array(path.entry_ras_mm) == pytest.approx(moved * forward)


def test_what_is_uncertain_and_how_failures_count(bone: BoneModel) -> None:
    options = BandOptions(members=4)
    spread = uncertain(cemented.level_plan(bone), options)
    assert list(spread) == ["permeability", "viscosity", "left.right", "left.anterior", "left.superior"]
    played = [{"in_bone_ml": 1.0, "canal_peak_c": None}, None, {"in_bone_ml": 3.0, "canal_peak_c": 40.0}]
    found = band_set(played, options)
    assert (found.members, found.failed) == (3, 1)
    volume, warm = found.find("in_bone_ml"), found.find("canal_peak_c")
    assert volume is not None
    assert warm is not None
    assert (volume.median, volume.unit, volume.members) == (2.0, "ml", 2)
    assert (warm.median, warm.unit, warm.members) == (40.0, "°C", 1)
    assert found.find("leaks_ml.tract") is None


def test_an_ensemble_of_one_is_refused() -> None:
    with pytest.raises(UsageError) as caught:
        replace(BandOptions(), members=1)
    assert caught.value.code == "bands-members"
