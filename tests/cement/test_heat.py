"""Conduction, curing heat and thermal dose against closed forms."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import map_coordinates
from scipy.special import erf

from endplate.cement.curing import class_cure
from endplate.cement.damage import cem43_min
from endplate.cement.heat import Heat, HeatOptions, Tissue, bone_interface, tissue_of, warm
from endplate.cement.heat_kernels import conduct, cure_step
from endplate.errors import UsageError
from endplate.sources import value

CURE = class_cure("medium-viscosity")


def cement_like(shape: tuple[int, ...]) -> Tissue:
    """Tissue that conducts and stores heat as cement does."""
    own = value("cement_heat.cement")
    capacity = own["density_kg_m3"] * own["specific_heat_j_kgk"]
    return Tissue(np.full(shape, own["conductivity_w_mk"]), np.full(shape, capacity), np.zeros(shape))


def ball(size: int, radius: float, parts: int = 4) -> np.ndarray:
    """Share of each voxel within a sphere about the middle of a cube."""
    fine = (np.arange(size * parts) + 0.5) / parts - 0.5 * size
    inside = fine[:, None, None] ** 2 + fine[None, :, None] ** 2 + fine[None, None, :] ** 2 < radius**2
    return inside.reshape(size, parts, size, parts, size, parts).mean(axis=(1, 3, 5))


def small(fraction: np.ndarray, **more: object) -> Heat:
    options = HeatOptions(minutes=6.0, margin_mm=6.0)
    return warm(np.eye(4), fraction, 480.0, CURE, cement_like(fraction.shape), options=options, **more)


def test_a_warm_sphere_cools_as_it_should() -> None:
    radius, seconds, size = 8.0, 60.0, 28
    inert = replace(CURE, heat_j_kg=0.0)
    options = HeatOptions(minutes=seconds / 60.0, margin_mm=14.0)
    found = warm(
        np.eye(4), ball(size, radius), 0.0, inert, cement_like((size,) * 3), cement_c=57.0, options=options
    )
    own = value("cement_heat.cement")
    spread = 2.0 * np.sqrt(1e6 * own["conductivity_w_mk"] / 1.77e6 * seconds)
    for r in (0.5, 4.0, 8.0):
        above, below = (radius + r) / spread, (radius - r) / spread
        exact = 0.5 * (erf(above) + erf(below)) - spread / (2.0 * np.sqrt(np.pi) * r) * (
            np.exp(-(below**2)) - np.exp(-(above**2))
        )
        middle = np.full(3, 0.5 * (size - 1))
        at = np.array([middle + r * np.eye(3)[axis] * sign for axis in range(3) for sign in (-1, 1)]).T
        ours = float(map_coordinates(found.end_c, at, order=3).mean() - 37.0) / 20.0
        assert ours == pytest.approx(exact, abs=0.01)


def test_curing_alone_warms_by_all_its_heat() -> None:
    """No conduction: adiabatic, and slower where it is colder."""
    ages, conversions = CURE.table
    ends = []
    for start in (22.0, 37.0):
        temperature, age, steps = np.array([start]), np.array([480.0]), 0
        while temperature[0] < start + 50.0 and steps < 10000:
            cure_step(
                temperature, np.array([0]), age, np.array([100.0]), conversions, ages[1], 0.5, 5412.0, 295.0
            )
            steps += 1
        ends.append(steps)
        for _ in range(8000):
            cure_step(
                temperature, np.array([0]), age, np.array([100.0]), conversions, ages[1], 0.5, 5412.0, 295.0
            )
        left = CURE.final - float(CURE.conversion(480.0))
        assert temperature[0] - start == pytest.approx(100.0 * left, rel=2e-3)
    assert ends[0] > 2 * ends[1] > 0


@pytest.mark.parametrize(
    ("temperature", "seconds", "minutes"), [(47.0, 60.0, 16.0), (50.0, 30.0, 64.0), (45.0, 223.0, 14.8667)]
)
def test_thermal_dose(temperature: float, seconds: float, minutes: float) -> None:
    assert float(cem43_min(temperature, seconds)) == pytest.approx(minutes, rel=1e-5)
    still = np.full((3, 3, 3), temperature)
    peak, dose, above, none = (
        np.zeros((1, 1, 1)),
        np.zeros((1, 1, 1)),
        np.zeros((2, 1, 1, 1)),
        np.zeros((1, 1, 1)),
    )
    faces = (np.zeros((2, 1, 1)), np.zeros((1, 2, 1)), np.zeros((1, 1, 2)))
    rule = (39.0, 43.0, np.log(0.5), np.log(0.25))
    limits = np.array([45.5, 46.0])
    for _ in range(10):
        conduct(still, still.copy(), *faces, none, none, peak, dose, above, limits, 0.1 * seconds, 37.0, rule)
    assert dose[0, 0, 0] == pytest.approx(minutes, rel=1e-5)
    assert peak[0, 0, 0] == temperature
    assert above[:, 0, 0, 0] == pytest.approx([seconds, seconds] if temperature > 46.0 else [0.0, 0.0])


def test_doses_below_the_turning_point_and_the_least() -> None:
    assert cem43_min([42.0, 38.9], [60.0, 1e6]) == pytest.approx([0.25, 0.0])


def test_cement_warms_bone_and_gets_hotter_than_it() -> None:
    fraction = np.zeros((16, 16, 16))
    fraction[3:13, 3:13, 3:13] = 0.85
    bone = np.ones(fraction.shape, dtype=bool)
    edge = bone_interface(fraction, bone)
    assert edge.sum() == 6 * 10 * 10
    found = small(fraction, masks={"interface": edge, "nothing": np.zeros_like(bone)})
    cement, interface, nothing = found.regions
    assert cement.name == "cement"
    assert cement.peak_c > interface.peak_c + 5.0
    assert interface.peak_c > 40.0
    assert interface.mean_peak_c <= interface.peak_c
    assert (nothing.voxels, nothing.peak_c, nothing.cem43_min) == (0, 37.0, 0.0)
    assert found.conversion.max() > 0.8
    assert np.all(found.conversion[fraction == 0.0] == 0.0)
    assert cement.curve_c.shape == found.times_s.shape
    assert cement.curve_c.max() <= cement.peak_c
    assert found.times_s[-1] == pytest.approx(360.0)
    assert np.all(np.diff(found.above_s, axis=0) <= 0.0)
    assert found.region("interface") is interface
    again = small(fraction)
    assert again.peak_c.tobytes() == found.peak_c.tobytes()


def test_more_perfusion_and_old_cement_stay_cooler() -> None:
    fraction = np.zeros((10, 10, 10))
    fraction[2:8, 2:8, 2:8] = 0.85
    options = HeatOptions(minutes=4.0, margin_mm=4.0)
    everywhere = np.ones(fraction.shape, dtype=bool)

    def peak(age: float, perfusion: float) -> float:
        tissue = tissue_of(everywhere, ~everywhere, perfusion_w_m3k=perfusion)
        return warm(np.eye(4), fraction, age, CURE, tissue, options=options).region("cement").peak_c

    assert peak(480.0, 2e4) < peak(480.0, 0.0) - 1.0
    assert peak(1e5, 0.0) <= 37.0


def test_the_edge_of_the_grid_is_no_edge_of_the_body() -> None:
    wide = np.zeros((20, 12, 12))
    wide[4:10, 3:9, 3:9] = 1.0
    cut = wide[4:]
    assert small(cut).peak_c == pytest.approx(small(wide).peak_c[4:])


def test_conduction_loses_no_heat() -> None:
    """What cement gave off by its conversion is found in the box, as long as nothing reaches its edge."""
    fraction = np.zeros((31, 31, 31))
    fraction[14:17, 14:17, 14:17] = 1.0
    tissue = cement_like(fraction.shape)
    options = HeatOptions(minutes=1.0, margin_mm=14.0)
    found = warm(np.eye(4), fraction, 700.0, CURE, tissue, cement_c=37.0, options=options)
    kept = float(((found.end_c - 37.0) * tissue.capacity_j_m3k).sum())
    cured = found.conversion - np.where(fraction > 0.0, CURE.conversion(700.0), 0.0)
    given = 1180.0 * CURE.heat_j_kg / CURE.final * float(cured.sum())
    assert given > 0.0
    assert kept == pytest.approx(given, rel=1e-3)


def test_the_order_and_size_of_the_axes() -> None:
    fraction = np.zeros((8, 6, 5))
    fraction[2:6, 2:5, 1:3] = 0.9
    options = HeatOptions(minutes=3.0, margin_mm=4.0)
    tissue = cement_like(fraction.shape)
    one = warm(np.diag([-1.0, 1.5, 2.0, 1.0]), fraction, 480.0, CURE, tissue, options=options)
    turned = np.array(
        [[0.0, 0.0, -1.0, 5.0], [0.0, 1.5, 0.0, 2.0], [2.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]]
    )
    other = warm(turned, fraction.T.copy(), 480.0, CURE, cement_like(fraction.T.shape), options=options)
    peaks = np.transpose(other.peak_c)
    assert peaks == pytest.approx(one.peak_c, abs=1e-9)
    assert peaks.max() > 42.0


def test_fine_voxels_are_taken_together() -> None:
    coarse = ball(8, 3.0)
    fine = np.repeat(np.repeat(np.repeat(coarse, 2, 0), 2, 1), 2, 2)
    options = HeatOptions(minutes=3.0, margin_mm=4.0)
    one = warm(np.eye(4), coarse, 480.0, CURE, cement_like(coarse.shape), options=options)
    halves = np.diag([0.5, 0.5, 0.5, 1.0])
    other = warm(halves, fine, 480.0, CURE, cement_like(fine.shape), options=options)
    assert other.peak_c[::2, ::2, ::2] == pytest.approx(one.peak_c)
    assert other.conversion[1::2, 1::2, 1::2] == pytest.approx(one.conversion)


def test_without_cement_the_body_keeps_its_temperature() -> None:
    found = small(np.zeros((4, 4, 4)))
    assert np.all(found.peak_c == 37.0)
    assert found.region("cement").voxels == 0
    assert found.above_s.max() == 0.0


def test_tissues_by_mask() -> None:
    cancellous, cortical = np.zeros((2, 2, 2), dtype=bool), np.zeros((2, 2, 2), dtype=bool)
    cancellous[0], cortical[0, 0] = True, True
    tissue = tissue_of(cancellous, cortical)
    table = value("cement_heat.tissues")
    for place, name in (((0, 0, 0), "cortical"), ((0, 1, 0), "cancellous"), ((1, 0, 0), "soft")):
        assert tissue.conductivity_w_mk[place] == table[name][2]
        assert tissue.capacity_j_m3k[place] == table[name][0] * table[name][1]


def test_bad_input_is_refused() -> None:
    fraction = np.full((3, 3, 3), 0.5)
    tissue = cement_like(fraction.shape)

    def tried(words: str, cement: np.ndarray = fraction, **more: object) -> None:
        with pytest.raises(UsageError, match=words):
            warm(np.eye(4), cement, more.pop("age", 0.0), CURE, tissue, **more)

    tried("one grid", np.full((2, 2, 2), 0.5))
    tried("one grid", masks={"canal": np.zeros((2, 3, 3), dtype=bool)})
    tried("0 to 1", np.full((3, 3, 3), 1.5))
    tried("0 to 1", np.full((3, 3, 3), np.nan))
    tried("named cement", masks={"cement": fraction > 0.0})
    tried("temperature", cement_c=-40.0)
    tried("age of cement", age=-5.0)
    tried("one grid", age=np.zeros((2, 2, 2)))
    with pytest.raises(UsageError, match="not above 0"):
        replace(tissue, conductivity_w_mk=np.zeros((3, 3, 3)))
    with pytest.raises(UsageError, match="one grid"):
        replace(tissue, perfusion_w_m3k=np.zeros((2, 3, 3)))
    with pytest.raises(UsageError, match="perfusion"):
        replace(tissue, perfusion_w_m3k=np.full((3, 3, 3), -1.0))
    with pytest.raises(UsageError, match="not above 0"):
        HeatOptions(minutes=0.0)
    with pytest.raises(UsageError, match="threshold"):
        HeatOptions(body_c=500.0)
    with pytest.raises(UsageError, match="nothing is counted"):
        HeatOptions(thresholds_c=(38.0,))
    with pytest.raises(UsageError, match="duration"):
        cem43_min(45.0, -1.0)
    with pytest.raises(UsageError, match="shape"):
        tissue_of(np.zeros((2, 2, 2), dtype=bool), np.zeros((3, 2, 2), dtype=bool))
