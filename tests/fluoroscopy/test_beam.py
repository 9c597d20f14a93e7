"""The table of the beam against brute force, and Beer–Lambert for tools."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from endplate.fluoroscopy.beam import Shadow, beam, tissue_split
from endplate.fluoroscopy.materials import material
from endplate.imaging.attenuation import tissue_hu

CASES = json.loads((Path(__file__).parent / "xray_brute_force.json").read_text())["cases"]
NAMES = {"steel_316l": "steel", "contrast_180": "contrast", "cobalt_chromium": "cobalt-chromium"}


def minus_ln(cases: list[dict]) -> np.ndarray:
    """−ln of the signal as pictures have it: the table, then the tools in place of soft tissue. One beam, one scene."""
    tools = {material(NAMES.get(name, name)): 10.0 * cm for name, cm in cases[0]["tools_cm"].items()}
    covered = sum(tools.values())
    soft = np.array([[10.0 * case["soft_cm"] + covered for case in cases]], np.float32)
    bone = np.array([[10.0 * case["bone_cm"] for case in cases]], np.float32)
    of = beam(cases[0]["kvp"])
    shadow = None
    if tools:
        paths = np.stack([np.full(soft.shape, mm, np.float32) for mm in tools.values()])
        shadow = Shadow(tuple(tools), paths, (0, 1, 0, len(cases)))
    return -np.log(of.add_tools(of.signal(soft, bone), soft, bone, shadow))[0].astype(float)


def test_the_table_is_within_one_per_cent_of_brute_force() -> None:
    scenes: dict[str, list[dict]] = {}
    for case in CASES:
        if case["minus_ln_t"] > 0.0:
            scenes.setdefault(f"{case['kvp']} {case['tools_cm']}", []).append(case)
    off = [
        abs(ours / case["minus_ln_t"] - 1.0)
        for cases in scenes.values()
        for ours, case in zip(minus_ln(cases), cases, strict=True)
    ]
    assert len(off) > 300
    assert max(off) < 0.01


def test_thin_paths_and_paths_beyond_the_table() -> None:
    of = beam(80.0)
    soft = material("soft")
    for mm in (0.1, 3.0, 7.5, 799.0):
        assert float(of.minus_ln(mm, 0.0)) == pytest.approx(of.spectrum.minus_ln_signal({soft: mm}), rel=0.02)
    steps = np.diff(of.minus_ln(np.array([780.0, 800.0, 820.0, 840.0]), 0.0))
    np.testing.assert_allclose(steps, steps[0], rtol=0.01)
    assert float(of.minus_ln(0.0, 0.0)) == pytest.approx(0.0, abs=1e-6)


def test_one_energy_is_a_straight_line() -> None:
    of = beam(80.0, monoenergetic=True)
    depth = of.minus_ln(np.array([50.0, 100.0, 200.0]), 0.0)
    np.testing.assert_allclose(depth / np.array([50.0, 100.0, 200.0]), depth[0] / 50.0, rtol=1e-4)
    many = beam(80.0).minus_ln(200.0, 10.0)
    assert float(of.minus_ln(200.0, 10.0)) == pytest.approx(float(many), rel=0.005)


def test_hounsfield_units_become_two_tissues() -> None:
    split = tissue_split(120.0)
    # Cortical bone's own HU by the published tables; both compilations agree to 2 per cent and HU subtract water.
    assert split.bone_hu == pytest.approx(tissue_hu("cortical_bone", 70.0), rel=0.03)
    soft, bone = split.split(np.array([-1024.0, -1000.0, 0.0, 80.0, split.bone_hu], np.float32))
    np.testing.assert_allclose(soft, [0.0, 0.0, 1.0, 1.08, 0.0], atol=1e-6)
    np.testing.assert_allclose(bone, [0.0, 0.0, 0.0, 0.0, 1.0], atol=1e-6)
    # In between the attenuation at the CT's energy is kept.
    between, share = split.split(np.array([600.0], np.float32))
    water = 1.0 + split.bone_hu / 1000.0
    assert float(between[0] + share[0] * water) == pytest.approx(1.6, abs=0.01)


def test_pixels_without_tools_keep_their_signal() -> None:
    of = beam(80.0)
    soft = np.full((4, 6), 200.0, np.float32)
    bone = np.zeros_like(soft)
    before = of.signal(soft, bone)
    paths = np.zeros((1, 2, 3), np.float32)
    paths[0, 0, 1] = 1.0
    after = of.add_tools(before, soft, bone, Shadow((material("steel"),), paths, (1, 3, 2, 5)))
    changed = np.argwhere(after != before)
    assert changed.tolist() == [[1, 3]]
    assert after[1, 3] < before[1, 3]
