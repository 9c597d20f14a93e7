"""Calibration by the rods of a phantom."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration, k2hpo4_from_cha, parse_calibration
from endplate.imaging.phantom_rods import Rod, fit_rods, parse_rods

CERTIFICATE = ((1012.25, -51.83), (1056.95, -53.40), (1103.57, 58.88), (1119.52, 157.05), (923.20, 375.83))
"""Water and K2HPO4 densities of five rods (mg/cm³), of the size that a Mindways certificate states."""


def test_solid_rods_give_their_line_back() -> None:
    rods = [Rod(1.25 * density + 4.0, density) for density in (0.0, 50.0, 100.0, 200.0)]
    line = fit_rods(rods, "rods")
    assert line.slope == pytest.approx(0.8)
    assert line.intercept == pytest.approx(-3.2)
    assert line.r_squared == pytest.approx(1.0)


def test_mindways_rods_by_the_manual() -> None:
    """HU that the manual's own model gives the rods; bone of density d in water must come back as d."""
    sigma_ref, beta_ref = 1.45, -1012.0
    rods = [Rod(sigma_ref * k + beta_ref + water, k, water) for water, k in CERTIFICATE]
    line = fit_rods(rods, "mindways")
    sigma_ct, beta_ct = sigma_ref - 0.2174, beta_ref + 999.6
    for density in (0.0, 80.0, 160.0):
        assert line.slope * (sigma_ct * density + beta_ct) + line.intercept == pytest.approx(
            density, abs=1e-6
        )


def test_hydroxyapatite_rods_end_in_k2hpo4() -> None:
    line = fit_rods([Rod(0.0, 0.0), Rod(260.0, 200.0)], "cha")
    assert line.slope * 260.0 + line.intercept == pytest.approx(k2hpo4_from_cha(200.0))


def test_typed_rods_become_a_calibration_that_states_its_kind() -> None:
    typed = parse_calibration("rods:1=0, 62=50, 126=100,251=200")
    assert typed.kind == "phantom"
    assert typed.slope == pytest.approx(0.8, abs=0.01)
    assert typed.relative_interval == 0.067
    assert typed.findings() == ()
    text = "mindways:" + ",".join(f"{1.45 * k - 1012.0 + w!r}={w}/{k}" for w, k in CERTIFICATE)
    assert parse_calibration(text).slope == pytest.approx(1.0 / (1.45 - 0.2174))


def test_scatter_of_the_rods_widens_the_interval() -> None:
    straight = parse_calibration("rods:0=0,125=100,250=200")
    bent = parse_calibration("rods:0=0,135=100,250=200")
    assert bent.absolute_interval > 3.0 * straight.absolute_interval


@pytest.mark.parametrize(
    "text", ["rods:", "rods:1", "rods:a=0,2=3", "mindways:1=2,3=4", "cha:1=2=3", "rods:nan=0,1=2"]
)
def test_unreadable_rods_say_how_to_write_them(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_calibration(text)
    assert caught.value.code == "calibration-unreadable"
    assert "=" in caught.value.do


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("rods:10=50", "calibration-rods-too-few"),
        ("rods:10=50,10=80", "calibration-rods-too-few"),
        ("rods:0=0,100=80,90=200,30=400", "calibration-rods-inconsistent"),
        ("rods:0=200,125=100,250=0", "calibration-rods-inconsistent"),
        ("rods:0=0,125=0.1,250=0.2", "calibration-implausible"),
    ],
)
def test_rods_that_are_no_line_are_refused(text: str, code: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_calibration(text)
    assert caught.value.code == code


def test_a_calibration_gives_a_volume_and_its_interval() -> None:
    calibration = Calibration("phantom", 0.8, 0.0, 0.1, 5.0)
    density = calibration.density_mgcc(np.array([[-50.0, 0.0], [100.0, 400.0]]))
    assert np.allclose(density, [[-40.0, 0.0], [80.0, 320.0]])
    assert np.allclose(calibration.interval_mgcc(density), [[5.0, 5.0], [8.0, 32.0]])
    assert parse_rods("rods:1=2,3=4")[1] == (Rod(1.0, 2.0), Rod(3.0, 4.0))
