"""Conversion against an independent integration, and the one clock that flow and heat share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from endplate.cement.curing import GAS_CONSTANT, Cure, class_cure, recalled_kinetics
from endplate.errors import UsageError


@pytest.fixture
def cure() -> Cure:
    return class_cure("medium-viscosity")


def test_the_table_is_the_solution_of_the_kinetics(cure: Cure) -> None:
    ages = np.linspace(0.0, 3.5 * cure.set_s, 50)
    exact = solve_ivp(
        lambda _, conversion: cure.rate(conversion),
        (0.0, ages[-1]),
        [cure.seed],
        t_eval=ages,
        rtol=1e-9,
        atol=1e-11,
    )
    assert cure.conversion(ages) == pytest.approx(exact.y[0], abs=2e-6)
    assert cure.age_of(cure.conversion(ages)) == pytest.approx(ages, rel=1e-6, abs=1e-6)


def test_half_of_the_final_conversion_is_the_set_time(cure: Cure) -> None:
    assert cure.set_s == pytest.approx(15.8 * 60.0)
    assert float(cure.conversion(cure.set_s)) == pytest.approx(0.45, abs=1e-5)
    assert float(cure.set_at(600.0).conversion(600.0)) == pytest.approx(0.45, abs=1e-5)


def test_conversion_depends_on_the_equivalent_age_alone(cure: Cure) -> None:
    """Kinetics along a changing temperature end where the integral of the ageing rate says."""

    def temperature_c(time_s: float) -> float:
        return 22.0 + 15.0 * min(time_s / 300.0, 1.0)

    def faster(time_s: float) -> float:
        kelvin = temperature_c(time_s) + 273.15
        return float(
            np.exp(1000.0 * cure.activation_kj_mol / GAS_CONSTANT * (1.0 / cure.reference_k - 1.0 / kelvin))
        )

    def both(time_s: float, state: np.ndarray) -> list[float]:
        rate = faster(time_s)
        return [rate * float(cure.rate(state[0])), rate]

    end = solve_ivp(both, (0.0, 600.0), [cure.seed, 0.0], rtol=1e-9, atol=1e-11, max_step=5.0).y[:, -1]
    assert float(cure.conversion(end[1])) == pytest.approx(end[0], abs=1e-5)


@pytest.mark.parametrize(
    ("temperature_c", "half_min"), [(20.0, 28.1), (22.0, 22.7), (25.0, 16.5), (30.0, 9.9), (37.0, 4.94)]
)
def test_the_recalled_kinetics_reach_half_conversion(temperature_c: float, half_min: float) -> None:
    assert recalled_kinetics(temperature_c).set_s / 60.0 == pytest.approx(half_min, rel=0.01)


def test_adiabatic_rise(cure: Cure) -> None:
    assert cure.adiabatic_rise_k(1500.0) == pytest.approx(155.0 / 1.5)
    assert cure.adiabatic_rise_k(1500.0, cure.final) == 0.0


def test_old_cement_stays_at_its_final_conversion(cure: Cure) -> None:
    assert float(cure.conversion(1e7)) <= cure.final
    assert float(cure.conversion(1e7)) == pytest.approx(cure.final, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"final": 1.2}, "conversions"),
        ({"seed": 0.6}, "conversions"),
        ({"seed": 0.0}, "starts"),
        ({"order": 0.0}, "order"),
        ({"rate_per_s": float("nan")}, "no number"),
    ],
)
def test_impossible_kinetics_are_refused(cure: Cure, change: dict[str, float], words: str) -> None:
    figures = {name: getattr(cure, name) for name in cure.__dataclass_fields__} | change
    with pytest.raises(UsageError, match=words):
        Cure(**figures)
    with pytest.raises(UsageError, match="sets after"):
        cure.set_at(0.0)
