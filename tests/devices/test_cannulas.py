"""The catalogue of cannulas."""

from __future__ import annotations

import pytest

from endplate.devices.cannulas import cannula, cannulas
from endplate.errors import UsageError


def test_a_larger_gauge_is_a_thinner_cannula():
    diameters = [tool.outer_diameter_mm for tool in cannulas().values()]
    gauges = [int(tool.gauge.rstrip("G")) for tool in cannulas().values()]
    assert diameters == sorted(diameters, reverse=True)
    assert gauges == sorted(gauges)


def test_a_gauge_is_found_however_it_is_written():
    assert cannula("11g") == cannula(" 11G ") == cannula("11")
    assert cannula("11G").radius_mm == pytest.approx(0.5 * cannula("11G").outer_diameter_mm)


def test_recalled_diameters_are_marked():
    assert all(tool.recalled for tool in cannulas().values())


def test_an_unknown_gauge_names_the_known_ones():
    with pytest.raises(UsageError) as error:
        cannula("9G")
    assert "11G" in error.value.do
