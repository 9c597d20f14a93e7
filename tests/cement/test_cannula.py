"""Pressure in cannulas against closed forms, and what an operator can do about it."""

from __future__ import annotations

from dataclasses import replace
from math import pi

import numpy as np
import pytest

from endplate.cement.cannula import (
    Cannula,
    Injector,
    deliver,
    greatest_rate_ml_min,
    injector,
    of_gauge,
    pressure_drop_pa,
)
from endplate.cement.rheology import CementLaw, cement_law
from endplate.errors import UsageError

AGE = 300.0


def constant(consistency_pas: float, index: float) -> CementLaw:
    """Cement that neither thickens nor sets while it is looked at."""
    return replace(
        cement_law("medium-viscosity"),
        consistency_pas=consistency_pas,
        thickening_s=1e12,
        index_at_mixing=index,
        index_least=index,
        index_fall_per_s=0.0,
        gel_consistency_pas=1e-9,
        floor_pas=1e-3,
    )


@pytest.mark.parametrize(
    ("length_mm", "bore_mm", "newtonian_mpa", "power_mpa"),
    [(120.0, 3.4, 0.24, 0.10), (120.0, 2.7, 0.61, 0.18), (120.0, 2.39, 1.00, 0.24), (120.0, 1.8, 3.1, 0.48)],
)
def test_drops_of_the_usual_gauges(
    length_mm: float, bore_mm: float, newtonian_mpa: float, power_mpa: float
) -> None:
    tube = Cannula(((length_mm, bore_mm),))
    newtonian = pressure_drop_pa(tube, constant(100.0, 1.0), AGE, 4.0)
    radius, flow = 5e-4 * bore_mm, 4e-6 / 60.0
    assert newtonian == pytest.approx(8.0 * 100.0 * 1e-3 * length_mm * flow / (pi * radius**4), rel=1e-6)
    assert newtonian / 1e6 == pytest.approx(newtonian_mpa, rel=0.02)
    assert pressure_drop_pa(tube, constant(150.0, 0.5), AGE, 4.0) / 1e6 == pytest.approx(power_mpa, abs=0.006)


@pytest.mark.parametrize(("index", "saved"), [(1.0, 0.625), (0.6, 0.57), (0.5, 0.55), (0.4, 0.52)])
def test_a_wide_proximal_part_saves_pressure(index: float, saved: float) -> None:
    straight = Cannula(((120.0, 2.39),))
    stepped = Cannula(((80.0, 4.78), (40.0, 2.39)))
    law = constant(150.0, index)
    drops = [pressure_drop_pa(tube, law, AGE, 4.0) for tube in (stepped, straight)]
    assert 1.0 - drops[0] / drops[1] == pytest.approx(saved, abs=0.006)


def test_old_cement_in_one_segment_counts_there() -> None:
    law = cement_law("medium-viscosity")
    tube = of_gauge("11G", length_mm=120.0).cut(2)
    young, old = (pressure_drop_pa(tube, law, age, 2.0) for age in (200.0, 500.0))
    assert pressure_drop_pa(tube, law, [200.0, 500.0], 2.0) == pytest.approx(0.5 * (young + old))


@pytest.mark.parametrize("name", ["low-viscosity", "medium-viscosity", "high-viscosity"])
@pytest.mark.parametrize("age", [150.0, 500.0, 900.0])
def test_the_greatest_rate_takes_the_whole_limit(name: str, age: float) -> None:
    law, tube = cement_law(name), Cannula(((80.0, 3.0), (40.0, 2.0)))
    rate = greatest_rate_ml_min(tube, law, age, 3e6, back_pa=2e5)
    assert pressure_drop_pa(tube, law, age, rate) == pytest.approx(2.8e6, rel=1e-6)


def test_an_operator_is_limited_then_stalls() -> None:
    law, tube, thumb = cement_law("medium-viscosity"), of_gauge("13G", length_mm=125.0), injector("syringe")
    early = deliver(tube, law, 200.0, 3.0, thumb, back_pa=5e4)
    assert (early.rate_ml_min, early.limited, early.stalled) == (3.0, False, False)
    assert early.pressure_pa == pytest.approx(early.cannula_pa + 5e4)
    late = deliver(tube, law, 880.0, 3.0, thumb)
    assert 0.0 < late.rate_ml_min < 3.0
    assert late.limited
    assert late.pressure_pa == pytest.approx(thumb.limit_pa, rel=1e-6)
    stiff = deliver(tube, law, 946.0, 3.0, thumb)
    assert stiff.stalled
    assert stiff.rate_ml_min == 0.0


def test_a_screw_goes_on_where_a_thumb_stalls() -> None:
    law, tube = cement_law("high-viscosity"), of_gauge("15G", length_mm=100.0)
    rates = [deliver(tube, law, 930.0, 3.0, injector(name)).rate_ml_min for name in ("syringe", "screw")]
    assert rates[1] > 2.0 * rates[0]


def test_set_cement_and_full_pressure_stand_still() -> None:
    law, tube = cement_law("low-viscosity"), of_gauge("11G")
    assert greatest_rate_ml_min(tube, law, law.cure.set_s, 1e8) == 0.0
    assert deliver(tube, law, 5000.0, 1.0, injector("screw")).stalled
    assert greatest_rate_ml_min(tube, law, 200.0, 1e5, back_pa=2e5) == 0.0
    thick = replace(law, yield_share=1e4)
    assert greatest_rate_ml_min(tube, thick, 300.0, 1e6) == 0.0


def test_a_rate_of_zero_takes_no_pressure() -> None:
    law, tube = cement_law("low-viscosity"), of_gauge("11G")
    assert pressure_drop_pa(tube, law, 200.0, 0.0) == 0.0
    still = deliver(tube, law, 200.0, 0.0, injector("syringe"), back_pa=1e4)
    assert (still.rate_ml_min, still.pressure_pa, still.stalled) == (0.0, 1e4, False)


def test_volume_of_cement_in_a_cannula() -> None:
    tube = Cannula(((80.0, 4.0), (40.0, 2.0)))
    assert tube.volumes_ml == pytest.approx((0.32 * pi, 0.04 * pi))
    assert tube.volume_ml == pytest.approx(tube.cut(5).volume_ml)
    assert tube.length_mm == 120.0
    assert tube.tip_inner_diameter_mm == 2.0
    assert of_gauge("11", length_mm=120.0).segments == ((120.0, 2.39),)


@pytest.mark.parametrize(
    "segments", [(), ((0.0, 2.0),), ((100.0, 0.0),), ((100.0, -2.0),), ((float("nan"), 2.0),)]
)
def test_impossible_cannulas_are_refused(segments: tuple[tuple[float, float], ...]) -> None:
    with pytest.raises(UsageError, match="cannula"):
        Cannula(segments)


def test_bad_requests_are_refused() -> None:
    law, tube = cement_law("low-viscosity"), of_gauge("11G")
    for rate in (-1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="rate of injection"):
            pressure_drop_pa(tube, law, 200.0, rate)
    with pytest.raises(UsageError, match="age of cement"):
        pressure_drop_pa(tube, law, -1.0, 1.0)
    with pytest.raises(UsageError, match="segments"):
        pressure_drop_pa(tube, law, [100.0, 200.0], 1.0)
    with pytest.raises(UsageError, match="pressure"):
        greatest_rate_ml_min(tube, law, 200.0, np.nan)
    with pytest.raises(UsageError, match="gauge"):
        of_gauge("9G")
    with pytest.raises(UsageError, match="injector"):
        injector("pump")
    with pytest.raises(UsageError, match="above 0"):
        Injector("odd", 0.0, 1.0)
