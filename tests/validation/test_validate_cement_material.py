"""Cement as a material against closed forms and published bands: cannulas, kinetics, conduction, doses, peaks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import pi
from typing import Any

import numpy as np
import pytest
from records import row, write_record
from scipy.ndimage import binary_erosion, map_coordinates
from scipy.special import erf

from endplate.cement.cannula import Cannula, pressure_drop_pa
from endplate.cement.curing import GAS_CONSTANT, class_cure, recalled_kinetics
from endplate.cement.damage import cem43_min
from endplate.cement.heat import Heat, HeatOptions, Tissue, bone_interface, tissue_of, warm
from endplate.cement.heat_kernels import cure_step
from endplate.cement.rheology import CementLaw, cement_law
from endplate.sources import value

ROOMS = ("cement: material",)

METHOD = """Cement that neither thickens nor sets in tubes; the recalled kinetics at constant temperature and without
loss of heat; a hot sphere in a medium of its own kind; thermal doses; then the exotherm of 4, 6 and 10 mL in a block
shaped like a vertebral body (46 × 34 × 28 mm, a cortex of 1 mm, a canal behind), injected at a medium-viscosity age of
8 min, with body and tissue at 37 °C and the cement at 22 °C. Published temperatures are bands of cadaver and animal
studies with other volumes and cements: they show that the model is plausible, not that it is exact."""

FLOW_ML_MIN = 4.0
M3_S_PER_ML_MIN = 1e-6 / 60.0
FILLED = 0.85
"""Share of bone that cement can fill."""


@pytest.mark.validate
@pytest.mark.timeout(1200)
def test_cement_material() -> None:
    rows = [*_cannulas(), *_kinetics(), *_adiabatic(), *_sphere(), *_doses(), *_bands()]
    write_record(
        "cement-material",
        title="Bone cement as a material",
        order=70,
        method=METHOD,
        rooms=ROOMS,
        rows=rows,
    )
    assert all(item["reached"] is not False for item in rows)


def _constant(consistency_pas: float, index: float) -> CementLaw:
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


def _within(ours: float, reference: float, share: float) -> bool:
    return bool(abs(ours - reference) <= share * abs(reference))


def _cannulas() -> Iterator[dict[str, Any]]:
    law = _constant(100.0, 1.0)
    straight, stepped = Cannula(((120.0, 2.39),)), Cannula(((80.0, 4.78), (40.0, 2.39)))
    drop = pressure_drop_pa(straight, law, 300.0, FLOW_ML_MIN)
    exact = 8.0 * 100.0 * 0.12 * FLOW_ML_MIN * M3_S_PER_ML_MIN / (pi * 1.195e-3**4)
    yield row(
        "V7 pressure in 11G × 120 mm, 100 Pa·s, 4 mL/min",
        f"{drop / 1e6:.3f} MPa",
        f"{exact / 1e6:.3f} MPa (Hagen-Poiseuille)",
        "1 %",
        "closed form",
        reached=_within(drop, exact, 0.01),
    )
    power, index = _constant(150.0, 0.5), 0.5
    thin = pressure_drop_pa(straight, power, 300.0, FLOW_ML_MIN)
    speed = (3 * index + 1) / (index * pi * 1.195e-3**3) * FLOW_ML_MIN * M3_S_PER_ML_MIN
    closed = 2.0 * 150.0 * 0.12 / 1.195e-3 * speed**index
    yield row(
        "V7 the same with a power law, K 150 Pa·sⁿ, n 0.5",
        f"{thin / 1e6:.4f} MPa",
        f"{closed / 1e6:.4f} MPa",
        "1 %",
        "closed form",
        reached=_within(thin, closed, 0.01),
    )
    saved = 100.0 * (1.0 - pressure_drop_pa(stepped, law, 300.0, FLOW_ML_MIN) / drop)
    yield row(
        "V7 pressure saved by a proximal two thirds twice as wide, Newtonian",
        f"{saved:.1f} %",
        "about 63 % (Baroud and Steffen 2005, abstract)",
        "5 points",
        "the widened share of the length was not read: two thirds fits a Newtonian cement",
        reached=abs(saved - 63.0) <= 5.0,
    )
    less = 100.0 * (
        1.0
        - pressure_drop_pa(stepped, power, 300.0, FLOW_ML_MIN)
        / pressure_drop_pa(straight, power, 300.0, FLOW_ML_MIN)
    )
    yield row(
        "V7 the same with the power law",
        f"{less:.1f} %",
        "about 63 %",
        "–",
        "a cement that thins by shear gains less from a wide part",
        reached=None,
    )
    for permeability in (4e-8, 1e-8):
        bone = (
            FLOW_ML_MIN
            * M3_S_PER_ML_MIN
            / (4.0 * pi * permeability)
            * 100.0
            * (1.0 / 1.25e-3 - 1.0 / 11.9e-3)
        )
        share = 100.0 * drop / (drop + bone)
        yield row(
            f"V7 share of the cannula in all pressure, bone of {permeability:.0e} m², 6 mL",
            f"{share:.1f} %",
            "about 95 % (Baroud and Steffen 2005, abstract)",
            "≥ 93 %",
            "bone by the spherical closed form",
            reached=share >= 93.0,
        )


def _kinetics() -> Iterator[dict[str, Any]]:
    for temperature, minutes in ((20, 28.1), (22, 22.7), (25, 16.5), (30, 9.9), (37, 4.94)):
        ours = recalled_kinetics(float(temperature)).set_s / 60.0
        yield row(
            f"V9 half conversion of the recalled kinetics at {temperature} °C",
            f"{ours:.2f} min",
            f"{minutes:g} min (independent integration)",
            "1 %",
            "same equation, another program",
            reached=_within(ours, minutes, 0.01),
        )
    cure = class_cure("medium-viscosity")
    rates = [
        np.exp(
            1000.0
            * cure.activation_kj_mol
            / GAS_CONSTANT
            * (1.0 / cure.reference_k - 1.0 / (celsius + 273.15))
        )
        for celsius in (25.0, 37.0)
    ]
    yield row(
        "setting time at 37 °C over that at 25 °C, shipped classes",
        f"{rates[0] / rates[1]:.3f}",
        "about a half (Nicholas 2007, abstract)",
        "10 %",
        "the read word is 'about'",
        reached=_within(rates[0] / rates[1], 0.5, 0.1),
    )


def _adiabatic() -> Iterator[dict[str, Any]]:
    pure, matrix = 1180.0 * 1500.0, 2.0e6
    mixed = FILLED * pure + (1.0 - FILLED) * matrix
    for what, capacity, share, reference in (
        ("cement alone", pure, 1.0, 103.3),
        ("85 % cement in bone matrix of 2.0 MJ/(m³·K)", mixed, FILLED, 86.2),
    ):
        rise = _burnt(1180.0 * value("cement_heat.heat_j_kg") * share / capacity)
        yield row(
            f"V9 adiabatic rise, {what}",
            f"{rise:.1f} K",
            f"{reference:g} K",
            "1 %",
            "heat over heat capacity; the loop runs from no conversion to the end of its table",
            reached=_within(rise, reference, 0.01),
        )


def _burnt(full_rise_k: float) -> float:
    """Warming of one voxel that loses nothing, by the compiled loop, brought to a start at no conversion."""
    cure = class_cure("medium-viscosity")
    ages, conversions = cure.table
    temperature, age = np.array([37.0]), np.array([0.0])
    activation_k = 1000.0 * cure.activation_kj_mol / GAS_CONSTANT
    rise = np.array([full_rise_k / cure.final])
    for _ in range(8000):
        cure_step(
            temperature, np.array([0]), age, rise, conversions, ages[1], 1.0, activation_k, cure.reference_k
        )
    return float(temperature[0] - 37.0) * cure.final / (cure.final - cure.seed)


def _sphere() -> Iterator[dict[str, Any]]:
    radius, size = 11.9, 56
    own = value("cement_heat.cement")
    capacity = own["density_kg_m3"] * own["specific_heat_j_kgk"]
    diffusivity = own["conductivity_w_mk"] / capacity
    shape = (size,) * 3
    tissue = Tissue(np.full(shape, own["conductivity_w_mk"]), np.full(shape, capacity), np.zeros(shape))
    inert = replace(class_cure("medium-viscosity"), heat_j_kg=0.0)
    fraction = _ball(size, radius)
    for seconds in (60.0, 180.0, 300.0, 600.0):
        clock = seconds * 1.417e-7 / diffusivity
        options = HeatOptions(minutes=clock / 60.0, margin_mm=28.0)
        end = warm(np.eye(4), fraction, 0.0, inert, tissue, cement_c=57.0, options=options).end_c
        spread = 2.0 * np.sqrt(1e6 * diffusivity * clock)
        worst, ours, exact = 0.0, [], []
        for r in (1e-3, radius, radius + 3.0, radius + 5.0, radius + 10.0):
            ours.append((_around(end, r) - 37.0) / 20.0)
            above, below = (radius + r) / spread, (radius - r) / spread
            tail = spread / (2.0 * np.sqrt(pi) * r) * (np.exp(-(below**2)) - np.exp(-(above**2)))
            exact.append(float(0.5 * (erf(above) + erf(below)) - tail))
            worst = max(worst, abs(ours[-1] - exact[-1]))
        yield row(
            f"V8 hot sphere after {seconds:g} s, at r = 0, a, a+3, a+5, a+10 mm (1 mm voxels)",
            " ".join(f"{one:.3f}" for one in ours),
            " ".join(f"{one:.3f}" for one in exact),
            "0.01",
            "closed form; the diffusivity of the published case by scaling the time",
            reached=bool(worst <= 0.01),
        )


def _ball(size: int, radius: float, parts: int = 4) -> np.ndarray:
    fine = (np.arange(size * parts) + 0.5) / parts - 0.5 * size
    inside = fine[:, None, None] ** 2 + fine[None, :, None] ** 2 + fine[None, None, :] ** 2 < radius**2
    return inside.reshape(size, parts, size, parts, size, parts).mean(axis=(1, 3, 5))


def _around(field: np.ndarray, radius: float) -> float:
    """Mean over directions at a distance from the middle."""
    count = 200
    height = (np.arange(count) + 0.5) / count * 2.0 - 1.0
    turn = np.arange(count) * pi * (3.0 - np.sqrt(5.0))
    wide = np.sqrt(1.0 - height**2)
    at = radius * np.array([wide * np.cos(turn), wide * np.sin(turn), height])
    return float(map_coordinates(field, at + 0.5 * (field.shape[0] - 1), order=3).mean())


def _doses() -> Iterator[dict[str, Any]]:
    for celsius, seconds, minutes in (
        (47.0, 60.0, 16.0),
        (50.0, 30.0, 64.0),
        (45.0, 223.0, 223.0 / 60.0 * 4.0),
    ):
        ours = float(cem43_min(celsius, seconds))
        yield row(
            f"V10 thermal dose of {celsius:g} °C for {seconds:g} s",
            f"{ours:.2f} min at 43 °C",
            f"{minutes:.2f}",
            "exact",
            "definition",
            reached=abs(ours - minutes) < 1e-9,
        )


def _bands() -> Iterator[dict[str, Any]]:
    for volume in (6.0, 10.0):
        heat, _ = _block(volume, leak=False)
        yield _band(
            f"V11 {volume:g} mL: hottest cement",
            heat.region("cement").peak_c,
            49,
            112,
            "centre, Belkoff 2003",
        )
        yield _band(
            f"V11 {volume:g} mL: hottest voxel of the canal",
            heat.region("canal").peak_c,
            39,
            57,
            "Belkoff 2003",
        )
    usual, core = _block(4.0, leak=False)
    coarse, blunt = _block(4.0, leak=False, finest_mm=2.0)
    yield row(
        "4 mL on voxels of 2 mm: centre; canal; posterior cortex",
        f"{blunt:.1f}; {coarse.region('canal').peak_c:.1f}; {coarse.region('posterior cortex').peak_c:.1f} °C",
        f"on 1 mm: {core:.1f}; {usual.region('canal').peak_c:.1f}; {usual.region('posterior cortex').peak_c:.1f} °C",
        "–",
        "what a coarse grid, as in ensembles, makes of it",
        reached=None,
    )
    leaked, _ = _block(4.0, leak=True)
    wall = [heat.region("posterior cortex").peak_c for heat in (usual, leaked)]
    yield _band("V11 4 mL: posterior cortex without a leak", wall[0], 35, 45, "40 ± 5, porcine 2011")
    yield row(
        "V11 4 mL: what 0.9 mL in the canal adds at the posterior cortex",
        f"{wall[1] - wall[0]:.1f} °C",
        "≥ 10 °C (porcine 2011: 40.0 to 59.1 °C)",
        "≥ 10 °C",
        "size of the published leaks not read",
        reached=wall[1] - wall[0] >= 10.0,
    )
    yield row(
        "4 mL: centre of the cement",
        f"{core:.1f} °C",
        "68.1 ± 3.4 °C (porcine 2011)",
        "–",
        "volume and cement of that study not read; a continuum has no trabeculae that lead heat away",
        reached=None,
    )
    edge = usual.region("interface")
    yield row(
        "4 mL: hottest bone next to the cement; its dose; its time above 47 °C",
        f"{edge.peak_c:.1f} °C; {edge.cem43_min:.0f} min at 43 °C; {edge.above_s[1]:.0f} s",
        "47 °C for 60 s impairs bone (Eriksson 1983, secondary)",
        "–",
        "reported",
        reached=None,
    )


def _band(what: str, ours: float, low: float, high: float, source: str) -> dict[str, Any]:
    return row(
        what,
        f"{ours:.1f} °C",
        f"{low:g} to {high:g} °C ({source})",
        "within",
        "band of single measurements in cadavers or animals",
        reached=bool(low <= ours <= high),
    )


def _block(volume_ml: float, *, leak: bool, finest_mm: float = 1.0) -> tuple[Heat, float]:
    """Heat of a ball of cement in a block like a vertebral body, and the peak at its centre."""
    shape = (56, 64, 38)
    x, y, z = (np.arange(count)[:, None, None] + 0.5 for count in shape)
    y, z = y.reshape(1, -1, 1), z.reshape(1, 1, -1)
    body = ((x - 28.0) / 23.0) ** 2 + ((y - 42.0) / 17.0) ** 2 <= 1.0
    body = body & (abs(z - 19.0) <= 14.0)
    cortex = body & ~binary_erosion(body)
    canal = (((x - 28.0) / 11.0) ** 2 + ((y - 16.0) / 8.5) ** 2 <= 1.0) & (abs(z - 19.0) <= 14.0)
    radius = (3.0 * 1000.0 * volume_ml / (4.0 * pi * FILLED)) ** (1.0 / 3.0)
    ball = (x - 28.0) ** 2 + (y - 44.0) ** 2 + (z - 19.0) ** 2 < radius**2
    cement = np.where(ball & body & ~cortex, FILLED, 0.0)
    if leak:
        spilt = (abs(x - 28.0) <= 6.0) & (abs(y - 22.5) <= 2.5) & (abs(z - 19.0) <= 7.5)
        cement = np.where(spilt & ~body, 1.0, cement)
    behind = cortex & (abs(x - 28.0) <= 6.0) & (y < 30.0) & (abs(z - 19.0) <= 8.0)
    masks = {
        "canal": canal & (cement == 0.0),
        "posterior cortex": behind,
        "interface": bone_interface(cement, body),
    }
    cure = class_cure("medium-viscosity")
    heat = warm(
        np.eye(4),
        cement,
        480.0,
        cure,
        tissue_of(body & ~cortex, cortex),
        masks=masks,
        options=HeatOptions(finest_mm=finest_mm),
    )
    return heat, float(heat.peak_c[28, 44, 19])
