from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from endplate.papers.chart import Scale, error_bar, horizontal_axis, off_scale_arrow, range_bar, round_step
from endplate.papers.svg import Drawing, fixed
from endplate.papers.table import Cell, Row, Table


def parsed(drawing: Drawing) -> ET.Element:
    return ET.fromstring(str(drawing.markup()))


def test_coordinates_are_short_and_never_minus_zero() -> None:
    assert [fixed(v) for v in (0.0, -0.001, 1.0, 1.239, -2.5)] == ["0", "0", "1", "1.24", "-2.5"]


def test_all_text_is_escaped() -> None:
    drawing = Drawing(100, 50, alt='a "quoted" <alt> & more')
    drawing.text((1, 2), "<script>alert('x')</script> & co")
    drawing.line((0, 0), (1, 1), stroke='"><script>')
    svg = str(drawing.markup())
    assert "<script" not in svg
    tree = parsed(drawing)
    assert tree.attrib["aria-label"] == 'a "quoted" <alt> & more'
    assert tree.find("text").text == "<script>alert('x')</script> & co"


def test_a_hole_stays_a_hole() -> None:
    drawing = Drawing(10, 10, alt="ring")
    drawing.rings([[(0, 0), (9, 0), (9, 9)], [(3, 1), (5, 1), (5, 3)]], fill="#fff")
    path = parsed(drawing).find("path")
    assert path.attrib["fill-rule"] == "evenodd"
    assert path.attrib["d"].count("Z") == 2


def test_scale_maps_ends_and_holds_what_lies_beyond() -> None:
    scale = Scale(30.0, 130.0, 100.0, 300.0)
    assert scale(30.0) == 100.0
    assert scale(80.0) == 200.0
    assert scale(500.0) == 300.0
    assert not scale.holds(29.9)
    assert scale.ticks(5) == (40.0, 60.0, 80.0, 100.0, 120.0)
    with pytest.raises(ValueError, match="range"):
        Scale(1.0, 1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("raw", "step"), [(0.9, 1.0), (1.0, 1.0), (19.0, 20.0), (21.0, 50.0), (0.03, 0.05), (51, 100)]
)
def test_steps_are_round(raw: float, step: float) -> None:
    assert round_step(raw) == pytest.approx(step)


def test_marks_of_a_chart_stand_where_the_scale_says() -> None:
    drawing = Drawing(400, 60, alt="chart")
    scale = Scale(0.0, 100.0, 0.0, 400.0)
    range_bar(drawing, scale, 90.0, 110.0, 20.0, 10.0, fill="#ddd")
    error_bar(drawing, scale, 50.0, 5.0, 20.0, colour="#000")
    error_bar(drawing, scale, 50.0, None, 20.0, colour="#000")
    off_scale_arrow(drawing, scale, 40.0, 20.0, colour="#000")
    off_scale_arrow(drawing, scale, 140.0, 20.0, colour="#000")
    horizontal_axis(drawing, scale, 40.0, unit="%")
    tree = parsed(drawing)
    bar = tree.find("rect").attrib
    assert (float(bar["x"]), float(bar["width"])) == (360.0, 40.0)
    whisker = tree.find("line").attrib
    assert (float(whisker["x1"]), float(whisker["x2"])) == (180.0, 220.0)
    assert len(tree.findall("polygon")) == 1
    assert [text.text for text in tree.findall("text")][:2] == ["0%", "20%"]


def test_dashes_in_a_table_share_numbered_reasons() -> None:
    cells = (Cell("–", "cut"), Cell("1.0", "cut"), Cell("–", "no CT"), Cell("–"))
    table = Table("t", tuple((name, "") for name in "abcde"), (Row("L1", cells), Row("L2", cells[::-1])))
    assert table.reasons == ("cut", "no CT")
    assert [table.reason_number(cell) for cell in cells] == [1, None, 2, None]


def test_a_ragged_table_is_refused() -> None:
    with pytest.raises(ValueError, match="every column"):
        Table("t", (("a", ""), ("b", "")), (Row("L1", ()),))
    with pytest.raises(ValueError, match="groups"):
        Table("t", (("a", ""), ("b", "")), (), groups=(("x", 3),))
