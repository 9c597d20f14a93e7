"""Cement flows as Darcy's law says, loses nothing, and what cannot be is refused in words."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from endplate.cement.advance import advance
from endplate.cement.flow_grid import grid_of
from endplate.cement.flow_options import Options
from endplate.cement.model import ROUTES, Fill, Flow, Medium, PowerLaw, Source, empty
from endplate.cement.nozzle import nozzle
from endplate.errors import EndplateError, InputError, UsageError

K_M2 = 4e-8
THICK_PAS = 100.0
LOST = 1e-10


def body(n: int = 13, *, edge_mm: float = 2.0, held: bool = True) -> Medium:
    """A cube of spongy bone with its centre at the origin; its outer voxels are held at the outer pressure."""
    shape = (n, n, n)
    rim = np.ones(shape, dtype=bool)
    rim[1:-1, 1:-1, 1:-1] = False
    affine = np.diag([edge_mm, edge_mm, edge_mm, 1.0])
    affine[:3, 3] = -edge_mm * (n // 2)
    return Medium(
        affine=affine,
        porosity=np.full(shape, 0.85),
        permeability_m2=np.full((3, *shape), K_M2),
        exits=np.where(rim & held, ROUTES.index("cortical_lateral") + 1, 0).astype(np.int8),
        exit_conductance=np.where(rim & held, np.inf, 0.0),
        outer_pressure_pa=1000.0,
        marrow_pas=0.1,
    )


def law(consistency: float = THICK_PAS, index: float = 1.0) -> PowerLaw:
    return lambda age: (np.full(np.shape(age), consistency), np.full(np.shape(age), index))


def needle(x: float = 0.0, *, rate: float = 4.0, age: float = 60.0, window: float = 0.0) -> Source:
    return Source(np.array([x, 0.0, 0.0]), np.array([0.0, 1.0, 0.0]), 2.4, rate, age, window)


def with_walls(medium: Medium, where: Any) -> Medium:
    k = medium.permeability_m2.copy()
    k[:, where] = 0.0
    return replace(medium, permeability_m2=k)


def with_vein(medium: Medium, conductance: float) -> Medium:
    """One wide vein from near the middle to the front, with an exit at its end and none elsewhere."""
    n = medium.shape[0]
    exits = np.zeros(medium.shape, np.int8)
    exits[n // 2, -1, n // 2] = ROUTES.index("basivertebral") + 1
    k = medium.permeability_m2.copy()
    k[:, n // 2, n // 2 + 2 :, n // 2] = 1e-6
    return replace(
        medium, exits=exits, exit_conductance=np.where(exits > 0, conductance, 0.0), permeability_m2=k
    )


def test_a_sphere_grows_around_the_tip() -> None:
    medium = body(15)
    fill, flow = advance(medium, empty(medium), [needle()], law(), 60.0)
    axes = [2.0 * (np.arange(15) - 7)] * 3
    apart = np.sqrt(sum(x**2 for x in np.meshgrid(*axes, indexing="ij")))
    expected = (3.0 * 4000.0 / (4.0 * math.pi * 0.85)) ** (1 / 3)
    radius = (3.0 * 8.0 * np.count_nonzero(fill.saturation >= 0.5) / (4.0 * math.pi)) ** (1 / 3)
    assert radius == pytest.approx(expected, rel=0.03)
    assert apart[fill.saturation > 0.5].max() < expected + 1.0
    assert fill.injected_ml == pytest.approx(4.0, rel=1e-12)
    assert fill.mass_error(medium) < LOST
    assert fill.marrow_displaced_ml == pytest.approx(4.0, rel=1e-12)
    assert flow.steps >= 4.0 / Options().step_ml


@pytest.mark.parametrize("index", [1.0, 0.5])
def test_pressure_at_the_opening_is_that_of_a_sphere(index: float) -> None:
    consistency = 150.0
    medium = replace(body(23, edge_mm=1.0), marrow_pas=1e-3)
    fill, flow = advance(medium, empty(medium), [needle()], law(consistency, index), 30.0)
    r0, r1 = 1.2e-3, (3.0 * 2e-6 / (4.0 * math.pi * 0.85)) ** (1 / 3)
    h = consistency / 12 * (9 + 3 / index) ** index * (150 * K_M2 * 0.85) ** ((1 - index) / 2)
    span = math.log(r1 / r0) if index == 0.5 else 1 / r0 - 1 / r1
    exact = h / K_M2 * (4e-6 / 60 / (4 * math.pi)) ** index * span
    assert flow.nozzle_pa[0] - 1000.0 == pytest.approx(exact, rel=0.04)
    assert fill.mass_error(medium) < LOST


@pytest.mark.parametrize("flux", ["gated", "corey", "linear"])
@pytest.mark.parametrize("step_ml", [0.05, 2.0])
@pytest.mark.parametrize("conductance", [1e-12, math.inf])
def test_nothing_is_lost_where_cement_leaks(flux: str, step_ml: float, conductance: float) -> None:
    medium = with_vein(body(11), conductance)
    options = Options(flux=flux, step_ml=step_ml, faces="upstream" if flux == "corey" else "harmonic")
    sources = [needle(-4.0), needle(4.0, rate=2.0, age=90.0, window=4.0)]
    fill, _ = advance(medium, empty(medium), sources, law(), 60.0, options=options)
    assert fill.leaked_ml[ROUTES.index("basivertebral")] > 0.01
    assert sum(fill.leaked_ml) == fill.leaked_ml[ROUTES.index("basivertebral")]
    assert fill.mass_error(medium) < LOST
    assert fill.saturation.min() >= 0.0
    assert fill.saturation.max() < 1.0 + 1e-6
    wet = fill.saturation > 1e-6
    assert fill.age_s[wet].min() >= 60.0
    assert fill.age_s[wet].max() <= 90.0 + 60.0 + 1e-9
    assert np.isfinite(fill.pressure_pa).all()


def test_cement_does_not_cross_closed_bone() -> None:
    medium = body(13)
    wall = np.zeros(medium.shape, dtype=bool)
    wall[8] = True
    pocket = np.zeros(medium.shape, dtype=bool)
    pocket[2:5, 2:5, 2:5] = True
    hollow = pocket.copy()
    hollow[3, 3, 3] = False
    medium = with_walls(medium, wall | (pocket & hollow))
    fill, _ = advance(medium, empty(medium), [needle()], law(), 120.0, options=Options(step_ml=0.5))
    assert fill.saturation[8:].max() == 0.0
    assert fill.saturation[pocket].max() == 0.0
    assert fill.mass_error(medium) < LOST


def test_set_cement_and_a_cleft_beside_each_other() -> None:
    medium = body(13)
    k = medium.permeability_m2.copy()
    k[:, :, :, 6] = 1e-6
    k[:, :, 7:, :5] = 1e-12
    medium = replace(medium, permeability_m2=k)
    set_one = np.zeros(medium.shape)
    set_one[8:10, 4:9, 4:9] = 1.0
    fill = replace(empty(medium), saturation=set_one, age_s=np.where(set_one > 0, 1e4, 0.0))
    stiff = lambda age: (np.where(age > 5e3, 1e9, 20.0), np.full(np.shape(age), 1.0))  # noqa: E731
    after, flow = advance(medium, fill, [needle()], stiff, 30.0)
    before = float(fill.volume_ml(medium).sum())
    kept = float(after.volume_ml(medium).sum()) + sum(after.leaked_ml)
    assert kept - before == pytest.approx(2.0, rel=LOST)
    assert flow.iterations / flow.steps < 40
    assert np.abs(after.saturation - fill.saturation)[9, 5:8, 5:8].max() < 1e-3


def test_two_halves_are_one_whole_and_nothing_given_changes() -> None:
    medium = body(11)
    start = empty(medium)
    options = Options(step_ml=0.1, first_step_share=1.0)
    whole, _ = advance(medium, start, [needle()], law(), 30.0, options=options)
    half, _ = advance(medium, start, [needle()], law(), 15.0, options=options)
    kept = half.saturation.copy()
    both, _ = advance(medium, half, [needle()], law(), 15.0, options=options)
    assert np.array_equal(kept, half.saturation)
    assert start.saturation.max() == 0.0
    assert both.injected_ml == pytest.approx(whole.injected_ml)
    np.testing.assert_allclose(both.saturation, whole.saturation, atol=1e-3)
    again, _ = advance(medium, start, [needle()], law(), 30.0, options=options)
    assert again.saturation.tobytes() == whole.saturation.tobytes()
    assert again.pressure_pa.tobytes() == whole.pressure_pa.tobytes()


def test_older_cement_lies_further_out_and_ages_at_the_rate_of_the_body() -> None:
    medium = body(13)
    fill, _ = advance(medium, empty(medium), [needle()], law(), 60.0, age_rate=2.0)
    centre, rim = fill.age_s[6, 6, 6], fill.age_s[6, 6, 9]
    assert 60.0 < centre < 75.0
    assert centre < rim <= 60.0 + 120.0
    later, flow = advance(medium, fill, [needle(rate=0.0)], law(), 10.0, age_rate=2.0)
    assert later.age_s[6, 6, 6] == pytest.approx(centre + 20.0)
    assert np.array_equal(later.saturation, fill.saturation)
    assert (flow.steps, flow.nozzle_pa) == (0, (1000.0,))
    assert later.age_s[0, 0, 0] == 0.0


def test_a_drop_an_hour_is_no_hang() -> None:
    medium = body(9)
    fill, flow = advance(medium, empty(medium), [needle(rate=1e-30)], law(), 3600.0)
    assert fill.mass_error(medium) < LOST
    assert flow.nozzle_pa[0] == pytest.approx(1000.0)


def test_thin_front_of_buckley_and_leverett() -> None:
    n = 120
    medium = Medium(
        affine=np.eye(4),
        porosity=np.full((n, 1, 1), 0.5),
        permeability_m2=np.full((3, n, 1, 1), 1e-9),
        exits=np.array([0] * (n - 1) + [1], np.int8).reshape(n, 1, 1),
        exit_conductance=np.array([0.0] * (n - 1) + [np.inf]).reshape(n, 1, 1),
        outer_pressure_pa=0.0,
        marrow_pas=1.0,
    )
    source = Source(np.zeros(3), np.array([1.0, 0.0, 0.0]), 0.5, 6.0, 0.0)
    options = Options(flux="corey", faces="upstream", step_ml=1e-4, viscosity_range_pas=(1e-3, 1e5))
    pores = 0.5e-3
    fill, _ = advance(
        medium, empty(medium), [source], law(1.0), 0.4 * n * pores / 6.0 * 60.0, options=options
    )
    s = fill.saturation[:, 0, 0]
    front = float(np.interp(-0.35, -s, np.arange(n) + 0.5))
    assert front == pytest.approx(1.2071 * 0.4 * n, rel=0.04)
    assert fill.mass_error(medium) < LOST


def test_the_sphere_that_stands_for_a_voxel() -> None:
    medium = body(9)
    small = replace(needle(), inner_diameter_mm=0.5)
    one = nozzle(medium, grid_of(medium), small)
    assert one.cells.size == 1
    assert one.equivalent_m == pytest.approx(0.3149 * 2e-3, rel=1e-3)
    assert nozzle(medium, grid_of(medium), replace(small, window_mm=8.0)).cells.size > 3


REFUSED: list[tuple[str, type[EndplateError], Callable[[], tuple[Fill, Flow]]]] = [
    ("cement-no-vent", InputError, lambda: _inject(body(5, held=False))),
    ("cement-nothing-flows", InputError, lambda: _inject(with_walls(body(5), np.ones((5, 5, 5), bool)))),
    ("cement-tip-outside", InputError, lambda: _inject(body(5), needle(40.0))),
    ("cement-tip-outside", InputError, lambda: _inject(_closed_middle())),
    ("cement-source", UsageError, lambda: _inject(body(5), needle(rate=-1.0))),
    ("cement-source", UsageError, lambda: _inject(body(5), needle(rate=math.nan))),
    ("cement-source", UsageError, lambda: _inject(body(5), replace(needle(), inner_diameter_mm=0.0))),
    ("cement-law", InputError, lambda: _inject(body(5), cement=law(math.inf))),
    ("cement-flow-arguments", UsageError, lambda: _inject(body(5), duration=-1.0)),
    ("cement-flow-arguments", UsageError, lambda: _inject(body(5), start=empty(body(6)))),
    ("cement-flow-steps", UsageError, lambda: _inject(body(5), duration=1e9)),
    ("cement-medium", InputError, lambda: _inject(replace(body(5), porosity=np.full((5, 5, 5), np.nan)))),
    ("cement-medium", InputError, lambda: _inject(replace(body(5), marrow_pas=0.0))),
    ("cement-flow-options", UsageError, lambda: (Options(gate=1.0), None)[1]),  # type: ignore[list-item, return-value]
]


def _closed_middle() -> Medium:
    """The tip lies in a pocket without a way out, though marrow leaves the body elsewhere."""
    medium = body(9)
    shell = np.zeros(medium.shape, dtype=bool)
    shell[2:7, 2:7, 2:7] = True
    shell[3:6, 3:6, 3:6] = False
    return with_walls(medium, shell)


def _inject(
    medium: Medium,
    source: Source | None = None,
    *,
    cement: PowerLaw | None = None,
    duration: float = 3.0,
    start: Fill | None = None,
) -> tuple[Fill, Flow]:
    return advance(medium, start or empty(medium), [source or needle()], cement or law(), duration_s=duration)


@pytest.mark.parametrize(("code", "kind", "attempt"), REFUSED)
def test_what_cannot_be_is_refused_in_words(
    code: str, kind: type[EndplateError], attempt: Callable[[], Any]
) -> None:
    with pytest.raises(kind) as caught:
        attempt()
    assert caught.value.code == code
    assert caught.value.do
