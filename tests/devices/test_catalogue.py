"""Balloons, cements, access systems, and what a site file may change of them."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from endplate.devices.balloons import capsule_diameter_mm, capsule_volume_ml, shipped_balloons
from endplate.devices.cannulas import Cannula, cannula
from endplate.devices.catalogue import Catalogue, load_catalogue
from endplate.errors import InputError, UsageError
from endplate.sources import citations


def changed(folder: Path, devices: str) -> Catalogue:
    path = folder / "house.yaml"
    path.write_text("devices:\n" + devices, "utf-8")
    return load_catalogue(path)


def test_a_capsule_at_its_limits():
    # A sphere of 10 mm has 0.5236 ml; a capsule of 20 mm and 10 mm has a cylinder of 10 mm more.
    assert capsule_volume_ml(10.0, 10.0) == pytest.approx(math.pi / 6.0, rel=1e-12)
    assert capsule_volume_ml(20.0, 10.0) == pytest.approx(math.pi / 6.0 + math.pi / 4.0, rel=1e-12)
    # Beyond that, a sphere: 4 ml is 19.695 mm thick, whatever the balloon's length.
    assert capsule_diameter_mm(10.0, 4.0) == capsule_diameter_mm(15.0, 4.0) == pytest.approx(19.695, abs=1e-3)


@given(length=st.floats(8.0, 30.0), volume=st.floats(0.01, 8.0))
def test_diameter_and_volume_are_each_others_inverse(length, volume):
    assert capsule_volume_ml(length, capsule_diameter_mm(length, volume)) == pytest.approx(volume, rel=1e-9)


@given(length=st.floats(8.0, 30.0), volume=st.floats(0.01, 7.0), more=st.floats(0.01, 1.0))
def test_more_volume_is_thicker_and_a_longer_balloon_thinner(length, volume, more):
    assert capsule_diameter_mm(length, volume + more) > capsule_diameter_mm(length, volume)
    assert capsule_diameter_mm(length + more, volume) <= capsule_diameter_mm(length, volume)


def test_balloons_keep_to_their_limits():
    balloon = shipped_balloons()["15/3"]
    assert balloon.inflated_diameter_mm(0.0) == balloon.uninflated_diameter_mm
    assert balloon.marker_spacing_mm == 15.0
    assert balloon.inflated_length_mm(1.0) == 15.0
    assert balloon.inflated_length_mm(4.0) == balloon.inflated_diameter_mm(4.0) > 15.0
    for volume in (-0.1, 4.1):
        with pytest.raises(UsageError, match="cannot be put into"):
            balloon.inflated_diameter_mm(volume)


def test_the_rated_pressure_is_400_psi():
    assert {item.rated_pressure_mpa for item in shipped_balloons().values()} == {2.758}


def test_every_device_says_where_it_comes_from():
    catalogue = load_catalogue()
    devices = [
        *catalogue.cannulas.values(),
        *catalogue.access_systems.values(),
        *catalogue.balloons.values(),
        *catalogue.cements.values(),
    ]
    assert len(devices) == 5 + 2 + 5 + 3
    for device in devices:
        assert set(device.source.split(", ")) <= set(citations())
        assert device.recalled
    assert "length_mm" not in catalogue.balloons["20/3"].recalled_figures
    assert catalogue.provenance == "devices 1"
    with pytest.raises(ValidationError):
        devices[0].outer_diameter_mm = 1.0


def test_order_of_the_catalogue():
    catalogue = load_catalogue()
    assert list(catalogue.balloons) == ["20/3", "15/3", "15/2", "10/3", "10/2"]
    assert list(catalogue.cements) == ["low-viscosity", "medium-viscosity", "high-viscosity"]
    assert list(catalogue.access_systems) == ["8G", "10G"]


def test_every_balloon_passes_the_access_it_names_and_no_thinner_one():
    catalogue = load_catalogue()
    slender = {item.name for item in catalogue.balloons_through(catalogue.access_systems["10G"])}
    assert slender == {"15/2", "10/2"}
    usual = {item.name for item in catalogue.balloons_through(catalogue.access_systems["8G"])}
    assert usual == set(catalogue.balloons)


def test_kyphoplasty_has_working_cannulas_of_its_own():
    catalogue = load_catalogue()
    assert catalogue.tool("10g", "kyphoplasty").outer_diameter_mm == 3.5
    assert catalogue.tool("10g", "vertebroplasty").outer_diameter_mm == 3.4
    with pytest.raises(UsageError, match="No balloon passes a 13G cannula") as error:
        catalogue.tool("13", "kyphoplasty")
    assert error.value.code == "gauge-too-thin"
    with pytest.raises(UsageError, match="no cannula of gauge"):
        catalogue.tool("9G", "kyphoplasty")
    with pytest.raises(UsageError, match="no balloon '25/3'"):
        catalogue.balloon("25/3")


def test_lengths_reach_a_depth():
    tool = cannula("11G")
    assert tool.length_for(99.0) == 100.0
    assert tool.length_for(100.1) == 125.0
    assert tool.length_for(151.0) is None


def test_a_site_file_changes_one_figure_of_a_device(tmp_path):
    catalogue = changed(tmp_path, "  cannulas:\n    11G: {outer_diameter_mm: 3.2}\n")
    tool = catalogue.tool("11G", "vertebroplasty")
    assert (tool.outer_diameter_mm, tool.inner_diameter_mm) == (3.2, 2.39)
    assert "outer_diameter_mm" not in tool.recalled_figures
    assert "inner_diameter_mm" in tool.recalled_figures
    assert catalogue.changed == ("cannulas 11G",)
    assert "house.yaml" in catalogue.provenance
    assert cannula("11G").outer_diameter_mm == 3.05


def test_a_site_file_adds_a_device(tmp_path):
    text = (
        "  balloons:\n    12/2:\n      length_mm: 12\n      nominal_volume_ml: 2\n      max_volume_ml: 2.5\n"
        "      rated_pressure_mpa: 2.0\n      uninflated_diameter_mm: 2.6\n      access_gauge: 10G\n"
    )
    catalogue = changed(tmp_path, text)
    assert not catalogue.balloon("12/2").recalled
    assert list(catalogue.balloons)[3] == "12/2"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (
            "  cannulas:\n    11G: {outer_diameter_mm: 25.0}\n",
            3,
            "25.0 mm is thicker than almost any pedicle",
        ),
        ("  cannulas:\n    11G: {inner_diameter_mm: 3.1}\n", 3, "bore is not thinner"),
        ("  cannulas:\n    9G: {outer_diameter_mm: 3.7}\n", 3, "inner_diameter_mm: field required"),
        ("  cannulas:\n    wide: {outer_diameter_mm: 3.7}\n", 3, "wide"),
        ("  balloons:\n    15/3:\n      max_volume_ml: -4\n", 4, "greater than 0"),
        ("  balloons:\n    15/3:\n      max_volume_ml: 2\n", 3, "nominal volume is above"),
        ("  balloons:\n    15/3:\n      max_volum_ml: 2\n", 4, "did you mean 'max_volume_ml'"),
        ("  balloons:\n    15/3:\n      access_gauge: 12G\n", 4, "not there"),
        ("  balloons:\n    15/3:\n      access_gauge: 10G\n", 4, "does not pass the bore"),
        ("  cements:\n    low-viscosity:\n      start_viscosity_pas: [5, 1]\n", 3, "runs backward"),
        ("  ballons:\n    15/3: {}\n", 2, "did you mean 'balloons'"),
        ("  balloons:\n    15/3: 4\n", 3, "not a table of figures"),
    ],
)
def test_nonsense_is_refused_with_its_line(tmp_path, text, line, words):
    with pytest.raises(InputError) as caught:
        changed(tmp_path, text)
    assert words in caught.value.what
    assert f"house.yaml, line {line}:" in caught.value.what


def test_a_cannula_is_never_half_valid():
    figures = {"gauge": "12G", "inner_diameter_mm": 2.0, "lengths_mm": (100.0,), "source": "x"}
    assert Cannula(outer_diameter_mm=2.8, **figures).radius_mm == 1.4
    for outer in (-1.0, 0.0, 1.9, 25.0, math.nan):
        with pytest.raises(ValidationError):
            Cannula(outer_diameter_mm=outer, **figures)
