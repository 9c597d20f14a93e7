"""The X-ray pages: every view and stop is there, small, marked and the same each time."""

from __future__ import annotations

import base64
import struct
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "report"))

import toy_spine
from xray_toy import xray_plan

from endplate.fluoroscopy.album import Xrays, take_xrays
from endplate.imaging.volume import Volume
from endplate.report.xray import xray_html, xray_pages

LARGEST_PNG = 60_000


@pytest.fixture(scope="module")
def image() -> Volume:
    return toy_spine.toy_volumes()[0]


@pytest.fixture(scope="module")
def album(image: Volume) -> Xrays:
    return take_xrays(image, xray_plan(), toy_spine.toy_spine())


def test_the_album_holds_all_views_and_stops(album: Xrays) -> None:
    level = album.levels[0]
    assert [picture.name for picture in level.views] == [
        "AP",
        "Lateral",
        "Bull's-eye right",
        "Bull's-eye left",
    ]
    assert len(level.stops) == 16
    assert [picture.kind for picture in level.stops] == ["ap", "lateral"] * 8
    assert {picture.stop for picture in level.stops} == {"docking", "mid-pedicle", "posterior-wall", "target"}
    assert all(picture.caption for picture in level.stops)
    for eye in level.views[2:]:
        assert "inside the pedicle's outline" in eye.caption
        assert len(eye.ring_px) > 8
    assert len({picture.png_base64 for picture in level.stops}) == 16


def test_pictures_are_small_grey_pngs(album: Xrays) -> None:
    for picture in (*album.levels[0].views, *album.levels[0].stops):
        content = base64.b64decode(picture.png_base64)
        width, height, depth, colour = struct.unpack(">IIBB", content[16:26])
        assert (width, height) == (picture.width, picture.height)
        assert 256 <= width <= 384
        assert (depth, colour) == (8, 0)
        assert len(content) < LARGEST_PNG


def test_the_ring_lies_where_the_needle_is_shown(album: Xrays) -> None:
    for eye in album.levels[0].views[2:]:
        columns = [x for x, _ in eye.ring_px]
        rows = [y for _, y in eye.ring_px]
        middle = 0.5 * (eye.width - 1)
        assert min(columns) < middle < max(columns)
        assert min(rows) < middle < max(rows)


def test_the_page_shows_the_kept_album_and_loads_nothing(image: Volume, album: Xrays) -> None:
    sections = xray_pages(album)
    assert [section.level for section in sections] == ["L1"]
    assert [len(sections[0].views), len(sections[0].stops)] == [4, 8]
    page = xray_html(sections)
    assert page.count("data:image/png;base64,") == 4 + 16 + 1
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    assert "not an acquisition" in page
    assert "Docking right" in page
    assert page == xray_html(xray_pages(Xrays.model_validate_json(album.model_dump_json())))


def test_without_ct_or_plan_there_is_no_page(image: Volume) -> None:
    spine = toy_spine.toy_spine()
    for taken in (
        take_xrays(None, xray_plan(), spine),
        take_xrays(image, None, spine),
        take_xrays(image, toy_spine.toy_plan(), spine),  # a plan without views
    ):
        assert xray_pages(taken) == []
    assert xray_pages(None) == []
    assert xray_html([]) == ""
