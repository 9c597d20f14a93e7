"""Strength against closed forms, the public benchmark's vertebra and table, and augmented sections."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from records import row, write_record
from scipy import ndimage

from endplate.imaging.read import read_grid
from endplate.mechanics.caps import Caps, parse_caps
from endplate.mechanics.element import Elasticity
from endplate.mechanics.laws import density_law
from endplate.mechanics.orient import as_scanned
from endplate.mechanics.plasticity import Flow, Yielding
from endplate.mechanics.platen import Platens, ends_of
from endplate.mechanics.pressing import Pressed, StrengthOptions, press
from endplate.mechanics.problem import VoxelModel
from endplate.mechanics.ramp import Press
from endplate.mechanics.specimen import Specimen, specimen
from endplate.mechanics.tissue import bone_elasticity

ROOMS = ("mechanics: strength",)

PROTOTYPE_K, PUBLISHED_K, PUBLISHED_N, PUBLISHED_H = 10.54, 12.36, 1847.0, 29.0
"""verse004 L2: an independent prototype's stiffness (kN/mm), and the benchmark's published row."""

BINS = 128
"""Density bins of the benchmark's models."""

BLOCK_SEED = 3

METHOD = """Perfect plasticity against closed forms; then the vertebra verse004 L2 of the public benchmark (1 mm, law
2980·ρ^1.05 and 37.4·ρ^1.39, the benchmark's discs of 2500 MPa and 70 MPa, ends free sideways), its published table, and
sections with cement. The benchmark yields by Mohr-Coulomb with equal yield in tension and compression, which is
Tresca's criterion. Strength is the greatest force up to a shortening of 2 % of the height between the caps."""


@pytest.mark.validate
@pytest.mark.timeout(3600)
def test_strength(data_dir: Path) -> None:
    rows = [*_columns(), *_sections()]
    rows += _table(data_dir / "verse19fem_AppendixA_reference_strength.csv")
    vertebra, details = _benchmark(data_dir)
    rows += vertebra
    write_record(
        "strength",
        title="Strength of vertebrae",
        order=60,
        method=METHOD,
        rooms=ROOMS,
        rows=rows,
        details=details,
    )
    assert all(item["reached"] is not False for item in rows)


def _columns() -> list[dict[str, object]]:
    """V7: limit loads of columns."""
    rows = []
    cases: list[tuple[str, float, Flow, bool]] = [
        ("column, ν 0.3", 0.3, "isochoric", False),
        ("column of layers, ν 0, capped flow", 0.0, "capped", True),
        ("column of layers, ν 0.3, capped flow", 0.3, "capped", True),
    ]
    for what, poisson, flow, layered in cases:
        modulus, limit = np.full((12, 4, 4), 800.0), np.full((12, 4, 4), 6.0)
        if layered:
            modulus[5:7], limit[5:7] = 200.0, 1.5
        model = VoxelModel(modulus, (1.0, 1.0, 1.0), Elasticity.isotropic(poisson))
        upper, lower = np.zeros(modulus.shape, dtype=bool), np.zeros(modulus.shape, dtype=bool)
        upper[-1], lower[0] = True, True
        machine = Press(model, Platens(*ends_of(model, upper, lower), (1.0, 1.0, 1.0)))
        ramp = machine.to_failure(limit, Yielding("tresca", flow), [0.12, 0.24, 0.48])
        wanted, ours = float(limit.min()) * 16.0, float(ramp.force_n.max())
        rows.append(
            row(
                f"limit load of a {what}",
                f"{ours:.4f} N",
                f"{wanted:g} N = σ_y·A of the weakest layer",
                "0.1 %",
                "closed form; what is left is the tolerance of the ramp",
                reached=abs(ours / wanted - 1.0) <= 1e-3,
            )
        )
    return rows


def _table(path: Path) -> list[dict[str, object]]:
    """The published column F = 0.0068·K·H."""
    with path.open(encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    off = [
        abs(
            0.0068
            * float(one["Stiffness (linear) [N/mm]"])
            * float(one["Model height [mm]"])
            / 1000.0
            / float(one["F.Load (linear) [kN]"])
            - 1.0
        )
        for one in lines
        if one["F.Load (linear) [kN]"] and one["Stiffness (linear) [N/mm]"]
    ]
    return [
        row(
            "published table: F = 0.0068·K·H",
            f"{len(off)} rows, worst {100 * max(off):.4f} %",
            "column F.Load (linear), Walle 2025",
            "0.1 %",
            "the table prints its figures to four digits or more",
            reached=max(off) <= 1e-3,
        )
    ]


def _benchmark(folder: Path) -> tuple[list[dict[str, object]], list[str]]:
    """V9: verse004 L2."""
    placed = as_scanned(
        read_grid(folder / "verse004_L2_density_mgcc.nii.gz"),
        read_grid(folder / "verse004_L2_fe_labels.nii.gz", nearest=True),
    )
    caps = parse_caps("labels:5,6")
    made = specimen(placed.density_mgcc, placed.ids, (1, 2, 3, 4), caps, placed.spacing_mm, placed.affine)
    options = StrengthOptions(caps=caps)
    intact = press(made, replace(options, steps="fast"))
    shifted = _to_yield(_one_bin_up(made, placed.density_mgcc), options)
    settings = _settings(made, options)
    ours, strength = intact.stiffness_n_per_mm / 1000.0, float(intact.strength_n or 0.0)
    offset = float(shifted.offset_yield_n or 0.0)
    rows = [
        row(
            "verse004 L2: stiffness",
            f"{ours:.3f} kN/mm",
            f"{PROTOTYPE_K} kN/mm (independent prototype)",
            "1 %",
            "same model, other code",
            reached=abs(ours / PROTOTYPE_K - 1.0) <= 0.01,
        ),
        row(
            "verse004 L2: strength at 1 mm",
            f"{strength:.0f} N",
            f"{PUBLISHED_N:.0f} N (Walle 2025)",
            "10 %",
            "other plasticity code; the definition of failure is not printed there",
            reached=abs(strength / PUBLISHED_N - 1.0) <= 0.10,
        ),
        row(
            "verse004 L2: stiffness, densities one bin up",
            f"{shifted.stiffness_n_per_mm / 1000.0:.3f} kN/mm",
            f"{PUBLISHED_K} kN/mm (Walle 2025)",
            "2 %",
            "the setting that accounts for the published stiffness, see below",
            reached=abs(shifted.stiffness_n_per_mm / 1000.0 / PUBLISHED_K - 1.0) <= 0.02,
        ),
        row(
            "verse004 L2: 0.2 % offset yield, densities one bin up",
            f"{offset:.0f} N",
            f"{PUBLISHED_N:.0f} N (Walle 2025)",
            "5 %",
            "the same setting meets the published failure load, read at the offset yield",
            reached=abs(offset / PUBLISHED_N - 1.0) <= 0.05,
        ),
    ]
    return rows, [*settings, _curves(intact, shifted)]


def _to_yield(made: Specimen, options: StrengthOptions) -> Pressed:
    """A ramp of small steps round the offset yield."""
    tissue = made.tissue(density_law(options.law))
    model = made.model(tissue, bone_elasticity())
    machine, height = Press(model, made.platens(model)), made.height_mm
    linear = machine.linear(0.0068 * height)
    steps = [part * height for part in (0.005, 0.007, 0.009)]
    ramp = machine.to_failure(tissue.yield_mpa, options.yielding, steps, start=linear)
    return Pressed(made, tissue, height, linear, ramp, int(np.count_nonzero(model.modulus_mpa)))


def _one_bin_up(made: Specimen, whole: np.ndarray) -> Specimen:
    """Densities as 128 bins between the least and greatest density, each read one bin too high."""
    low, high = -31.0, float(np.floor(whole.max()))
    width = (high - low) / BINS
    bins = np.clip(np.floor((made.density_mgcc - low) / width), 0, BINS - 1)
    return replace(made, density_mgcc=low + (bins + 1.5) * width)


def _settings(made: Specimen, options: StrengthOptions) -> list[str]:
    """What each setting does to the stiffness."""
    linear = replace(options, linear_only=True)
    tried: list[tuple[str, Pressed]] = [
        ("as published: law × 1, discs 2500 MPa, ends free", press(made, linear)),
        ("ends clamped sideways", press(made, replace(linear, hold="clamped"))),
        ("discs all but rigid (100 GPa)", press(_capped(made, 1e5), linear)),
        ("straight-line law", press(made, replace(linear, law="kopperdahl-line"))),
        ("law × 1.28", press(made, replace(linear, law="scaled"))),
    ]
    lines = ["| setting | K, kN/mm | against published 12.36 |", "|---|---|---|"]
    for what, found in tried:
        stiff = found.stiffness_n_per_mm / 1000.0
        lines.append(f"| {what} | {stiff:.2f} | {100 * (stiff / PUBLISHED_K - 1):+.0f} % |")
    text = (
        "**The published stiffness.** No setting of ends, discs or law alone gives 12.36 kN/mm. The benchmark sorts "
        "densities into 128 bins of 15 mg/cm³; read one bin too high, every voxel gains 15 mg/cm³, and both the "
        "published stiffness and, at the 0.2 % offset yield, the published failure load come out within the bounds "
        "above. This accounts for the gap; it does not prove that the bins were shifted."
    )
    return [text, "\n".join(lines)]


def _capped(made: Specimen, modulus_mpa: float) -> Specimen:
    return replace(made, caps=replace(made.caps, modulus_mpa=modulus_mpa))


def _curves(intact: Pressed, shifted: Pressed) -> str:
    """Both curves as a table."""
    lines = ["| densities | shortening, % of the height | force, N |", "|---|---|---|"]
    for what, found in (("as given", intact), ("one bin up", shifted)):
        if found.ramp is not None:
            points = zip(found.ramp.shortening_mm, found.ramp.force_n, strict=True)
            lines += [
                f"| {what} | {100 * way / found.height_mm:.2f} | {force:.0f} |" for way, force in points
            ]
    return "\n".join(lines)


def _sections() -> list[dict[str, object]]:
    """V11: sections of bone with cement from end to end, and with a fill that touches neither end."""
    side, tall, step = 36.0, 26.0, 1.0
    shape = int(tall / step), int(side / step), int(side / step)
    noise = ndimage.gaussian_filter(np.random.default_rng(BLOCK_SEED).standard_normal(shape), 2.0 / step)
    density = 100.0 + 20.0 * noise / np.abs(noise).max()
    z, y, x = np.meshgrid(*((np.arange(n) + 0.5) * step for n in shape), indexing="ij")
    outline = ((x - side / 2) / (side / 2)) ** 2 + ((y - side / 2) / (0.4 * side)) ** 2 <= 1.0
    made = specimen(density, outline.astype(int), (1,), Caps("none"), (step,) * 3, np.eye(4))
    box = ndimage.find_objects(outline.astype(int))[0]
    options, law = StrengthOptions(steps="fast"), density_law()
    before = press(made, options)
    radius = np.hypot(x - side / 2, y - side / 2)
    gains = {}
    for what, (wide, half) in {"bridging": BRIDGE, "partial": PARTIAL}.items():
        fill = ((radius / wide) ** 2 + ((z - tall / 2) / half) ** 2 < 1.0).astype(float)[box]
        after = press(made, options, made.treated(law, fill, bond="derated"))
        gains[what] = (
            after.stiffness_n_per_mm / before.stiffness_n_per_mm - 1.0,
            float(after.strength_n or 0.0) / float(before.strength_n or 1.0) - 1.0,
            float(fill.sum() / made.bone.sum()),
        )
    stiff, strong, share = gains["bridging"]
    stiff_part, strong_part, share_part = gains["partial"]
    why = "a trend: the fill is a smooth body of our choice (wider contact with the ends gives more strength)"
    return [
        row(
            f"cement from end to end ({100 * share:.0f} % filled, de-rated)",
            f"K {100 * stiff:+.0f} %, F {100 * strong:+.0f} %",
            "K +33 %, F +47 % (Kinzl 2012)",
            "K ± 15, F ± 20 points",
            why,
            reached=abs(stiff - 0.33) <= 0.15 and abs(strong - 0.47) <= 0.20,
        ),
        row(
            f"cement that touches neither end ({100 * share_part:.0f} % filled, de-rated)",
            f"K {100 * stiff_part:+.0f} %, F {100 * strong_part:+.0f} %",
            "K up to +16 %, F not significant (Kinzl 2012)",
            "K ≤ 16 %, F < 10 %",
            why,
            reached=stiff_part <= 0.16 and strong_part < 0.10,
        ),
    ]


BRIDGE, PARTIAL = (7.0, 12.75), (7.0, 8.0)
"""Radius and half height of the two fills, mm; the first meets the ends with 0.5 % of their area."""
