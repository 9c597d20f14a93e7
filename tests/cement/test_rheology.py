"""The law of thickening cement: its classes, its clock, its window."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.cement.rheology import CementLaw, cement_law, working_window
from endplate.devices.cements import shipped_cements
from endplate.errors import UsageError

CLASSES = tuple(shipped_cements())


@pytest.fixture
def law() -> CementLaw:
    return cement_law("medium-viscosity")


@pytest.mark.parametrize(
    ("name", "at_ready", "at_100_min", "at_1000_min"),
    [
        ("low-viscosity", 5.0, 8.0, 12.6),
        ("medium-viscosity", 50.0, 4.1, 11.0),
        ("high-viscosity", 150.0, None, 11.5),
    ],
)
def test_classes_thicken_when_they_should(
    name: str, at_ready: float, at_100_min: float | None, at_1000_min: float
) -> None:
    law = cement_law(name)
    minutes = np.arange(0.0, 14.0, 0.01)
    consistency, _ = law.power_law(60.0 * minutes)
    assert law.power_law(law.ready_s)[0] == pytest.approx(at_ready + law.gel_consistency_pas, abs=0.1)
    if at_100_min is not None:
        assert minutes[np.searchsorted(consistency, 100.0)] == pytest.approx(at_100_min, abs=0.1)
    assert minutes[np.searchsorted(consistency, 1000.0)] == pytest.approx(at_1000_min, abs=0.2)


@pytest.mark.parametrize("name", CLASSES)
def test_consistency_rises_and_index_falls_without_a_gap(name: str) -> None:
    ages = np.arange(0.0, 3600.0, 1.0)
    consistency, index = cement_law(name).power_law(ages)
    assert np.all(np.diff(consistency) >= 0.0)
    assert np.all(np.diff(index) <= 0.0)
    assert index.max() <= 0.65
    assert index.min() == pytest.approx(0.3)
    assert consistency.max() == pytest.approx(1e5)


def test_ageing_halves_the_setting_time_from_25_to_37(law: CementLaw) -> None:
    """Nicholas 2007 read it for three cements."""
    assert float(law.age_rate(37.0) / law.age_rate(25.0)) == pytest.approx(2.0, rel=0.05)
    assert float(law.age_rate(21.85)) == pytest.approx(1.0)


@pytest.mark.parametrize("room_c", [16.0, 22.0, 28.0])
@pytest.mark.parametrize("name", CLASSES)
def test_no_cement_is_stiff_or_set_within_its_window(name: str, room_c: float) -> None:
    law = cement_law(name)
    window = working_window(law, room_c)
    assert 0.0 < window.ready_s < window.end_s <= window.stiff_s <= window.set_s
    rate = float(law.age_rate(room_c))
    assert not law.is_set(window.end_s * rate)
    assert law.is_set(window.set_s * rate + 1e-6)
    assert float(law.viscosity_pas(window.end_s * rate, 1.0)) < law.unjectable_pas


def test_the_window_is_shorter_in_a_warm_room(law: CementLaw) -> None:
    cool, warm = working_window(law, 18.0), working_window(law, 26.0)
    assert warm.end_s < cool.end_s
    usual = working_window(law)
    assert (usual.end_s - usual.ready_s) / 60.0 == pytest.approx(7.0, rel=0.02)


def test_viscosity_is_held_within_its_limits(law: CementLaw) -> None:
    assert float(law.viscosity_pas(300.0, 0.0)) == law.ceiling_pas
    assert float(law.viscosity_pas(0.0, 1e9)) == law.floor_pas
    consistency, index = law.power_law(300.0)
    assert float(law.viscosity_pas(300.0, 8.0)) == pytest.approx(float(consistency * 8.0 ** (index - 1.0)))


def test_a_yield_stress_is_off_unless_given(law: CementLaw) -> None:
    assert float(law.yield_stress_pa(400.0)) == 0.0
    given = replace(law, yield_share=2.0)
    assert float(given.yield_stress_pa(400.0)) == pytest.approx(2.0 * float(given.power_law(400.0)[0]))


def test_a_shipped_cement_has_the_law_of_its_class() -> None:
    for name, cement in shipped_cements().items():
        assert cement_law(cement) == cement_law(name)


def test_a_site_cement_moves_with_its_figures() -> None:
    base = shipped_cements()["medium-viscosity"]
    thick = base.model_copy(
        update={"name": "ours", "start_viscosity_pas": (75.0, 225.0), "working_time_min": 14.0}
    )
    law, usual = cement_law(thick), cement_law(base)
    assert law.name == "ours"
    assert law.consistency_pas == pytest.approx(1.5 * usual.consistency_pas)
    assert law.stiff_s - law.ready_s == pytest.approx(2.0 * (usual.stiff_s - usual.ready_s), rel=0.02)
    assert law.cure.set_s > usual.cure.set_s


def test_a_thicker_sample_keeps_a_possible_window(law: CementLaw) -> None:
    thick = law.scaled(4.0)
    window = working_window(thick)
    assert window.end_s == window.stiff_s < working_window(law).end_s
    assert law.scaled(1.0) == law


@pytest.mark.parametrize("age", [-1.0, float("nan"), float("inf")])
def test_impossible_ages_are_refused(law: CementLaw, age: float) -> None:
    with pytest.raises(UsageError, match="age of cement"):
        law.power_law([10.0, age])


@pytest.mark.parametrize("temperature", [-300.0, -1.0, 151.0, 1e6, float("nan")])
def test_impossible_temperatures_are_refused(law: CementLaw, temperature: float) -> None:
    with pytest.raises(UsageError, match="temperature"):
        law.age_rate(temperature)


@pytest.mark.parametrize(
    "change",
    [
        {"consistency_pas": 0.0},
        {"consistency_pas": 2000.0},
        {"thickening_s": float("nan")},
        {"working_s": 2000.0},
        {"index_at_mixing": 1.2},
        {"floor_pas": 5000.0},
        {"ready_s": -1.0},
    ],
)
def test_impossible_laws_are_refused(law: CementLaw, change: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="No cement is like this"):
        replace(law, **change)


def test_unknown_classes_and_shears_are_refused(law: CementLaw) -> None:
    with pytest.raises(UsageError, match="class of cement"):
        cement_law("plaster")
    with pytest.raises(UsageError, match="shear"):
        law.viscosity_pas(100.0, -1.0)
    with pytest.raises(UsageError, match="multiplied"):
        law.scaled(0.0)
    much_too_thick = shipped_cements()["high-viscosity"].model_copy(
        update={"name": "putty", "start_viscosity_pas": (2000.0, 3000.0)}
    )
    with pytest.raises(UsageError, match="too thick"):
        cement_law(much_too_thick)
