from __future__ import annotations

import math

import pytest

from endplate.papers import words


@pytest.mark.parametrize("unknown", [None, math.nan, math.inf, -math.inf])
def test_unknown_numbers_are_a_dash_and_nothing_else(unknown: float | None) -> None:
    assert words.number(unknown) == "–"
    assert words.quantity(unknown, "mm", uncertainty=0.3) == "–"
    assert words.percent(unknown) == "–"
    assert words.interval(unknown, 3.0, "mm") == "–"


def test_zero_never_has_a_sign() -> None:
    assert words.number(-0.04) == "0.0"
    assert words.number(0.0, signed=True) == "0.0"
    assert words.number(-0.06) == "−0.1"
    assert words.number(2.0, signed=True) == "+2.0"


def test_quantities_carry_unit_and_uncertainty() -> None:
    assert words.quantity(13.62, "mm", uncertainty=0.41) == "13.6 ± 0.4\u202fmm"
    assert words.quantity(12.0, "°") == "12.0°"
    assert words.percent(0.634) == "63\u202f%"
    assert words.interval(0.0, 12.34, "mm") == "0.0 to 12.3\u202fmm"


def test_dates_in_words() -> None:
    assert words.long_date("2024-03-01") == "1 March 2024"
    assert words.long_date(None) == words.long_date("20240301x") == "–"


def test_lists_in_words() -> None:
    assert words.listed([]) == ""
    assert words.listed(["T9"]) == "T9"
    assert words.listed(["T9", "T10", "L1"]) == "T9, T10 and L1"
