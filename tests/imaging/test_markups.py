"""Straight paths in Slicer markups, plain JSON and CSV: round trips, frames, and words for broken files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from endplate.errors import InputError, UsageError
from endplate.imaging.markups import MarkupLine, read_markups, write_markups

coordinate = st.floats(-2000, 2000, allow_nan=False)
point = st.tuples(coordinate, coordinate, coordinate)


def lines_near(found: tuple[MarkupLine, ...], wanted: tuple[MarkupLine, ...]) -> bool:
    return [line.label for line in found] == [line.label for line in wanted] and all(
        np.allclose([a.start_ras_mm, a.end_ras_mm], [b.start_ras_mm, b.end_ras_mm], atol=1e-6)
        for a, b in zip(found, wanted, strict=True)
    )


def refusal(path: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        read_markups(path)
    assert caught.value.exit_code == 3
    assert caught.value.do
    return caught.value


def text(path: Path, content: object) -> Path:
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def slicer(points: list[object], **more: object) -> dict[str, object]:
    controls = [{"position": p} for p in points]
    return {"markups": [{"type": "Line", "coordinateSystem": "LPS", "controlPoints": controls, **more}]}


@given(st.lists(st.tuples(point, point), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_written_is_read_back(tmp_path: Path, ends: list[tuple[tuple[float, ...], ...]]) -> None:
    lines = tuple(
        MarkupLine(f"L{n} left", start, end)
        for n, (start, end) in enumerate(ends, start=1)
        if np.linalg.norm(np.subtract(start, end)) > 1e-3
    )
    if not lines:
        return
    path = tmp_path / "paths.mrk.json"
    write_markups(path, lines)
    first = path.read_bytes()
    assert lines_near(read_markups(path), lines)
    write_markups(path, lines)
    assert path.read_bytes() == first


def test_slicer_finds_what_its_schema_asks_for(tmp_path: Path) -> None:
    path = tmp_path / "paths.mrk.json"
    write_markups(path, [MarkupLine("L1 links – unten", (10.0, -20.0, 300.0), (1.0, 2.0, -0.0))])
    document = json.loads(path.read_text(encoding="utf-8"))
    assert document["@schema"].endswith("markups-schema-v1.0.3.json#")
    (markup,) = document["markups"]
    assert (markup["type"], markup["coordinateSystem"], markup["coordinateUnits"]) == ("Line", "LPS", "mm")
    assert markup["name"] == "L1 links – unten"
    assert [p["position"] for p in markup["controlPoints"]] == [[-10.0, 20.0, 300.0], [-1.0, -2.0, 0.0]]
    assert all(p["positionStatus"] == "defined" for p in markup["controlPoints"])
    assert (
        "-0.0" not in path.read_text(encoding="utf-8").replace('"orientation"', "").split("controlPoints")[0]
    )
    with pytest.raises(UsageError):
        write_markups(tmp_path / "missing" / "x.mrk.json", [])


def test_both_frames_units_and_point_lists_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.mrk.json"
    wanted = (MarkupLine("1", (-1.0, -2.0, 3.0), (-4.0, -5.0, 6.0)),)
    for content in (
        slicer([[1, 2, 3], [4, 5, 6]]),
        slicer([[-1, -2, 3], [-4, -5, 6]], coordinateSystem="RAS"),
        slicer([[1000, 2000, 3000], [4000, 5000, 6000]], coordinateUnits="um"),
        slicer([[1, 2, 3], [4, 5, 6]], coordinateUnits=["mm", "UCUM", "millimeter"]),
        slicer([[1, 2, 3], [4, 5, 6]], type="Fiducial"),
    ):
        assert lines_near(read_markups(text(path, content)), wanted)
    without = slicer([[1, 2, 3], [4, 5, 6]])
    del without["markups"][0]["coordinateSystem"]  # type: ignore[index]
    assert lines_near(read_markups(text(path, without)), wanted)


def test_broken_markups_are_refused_in_words(tmp_path: Path) -> None:
    path = tmp_path / "x.mrk.json"

    def code(content: object) -> str:
        return refusal(text(path, content)).code

    two = [[1, 2, 3], [4, 5, 6]]
    assert code(slicer(two[:1])) == "path-incomplete"
    assert code(slicer([])) == "path-incomplete"
    unset = slicer(two)
    unset["markups"][0]["controlPoints"][1]["positionStatus"] = "undefined"  # type: ignore[index]
    assert code(unset) == "path-incomplete"
    assert code(slicer([*two, [7, 8, 9]], type="Fiducial")) == "path-not-straight"
    assert code(slicer(two, type="Curve")) == "path-not-straight"
    assert "Curve" in refusal(path).what
    assert code(slicer(two, type="Plane")) == "path-not-straight"
    assert code(slicer(two, coordinateSystem="XYZ")) == "path-frame-unknown"
    assert code(slicer(two, coordinateUnits="in")) == "path-unit-unknown"
    assert code(slicer([two[0], two[0]])) == "path-without-length"
    assert code(slicer([two[0], [1, 2, float("nan")]])) == "path-point-broken"
    assert code(slicer([two[0], [1, 2]])) == "path-point-broken"
    assert code(slicer([two[0], [1, 2, "3"]])) == "path-point-broken"
    assert code(slicer([two[0], [1, 2, True]])) == "path-point-broken"
    assert code(slicer([two[0], [1, 2, 1e9]])) == "path-point-broken"
    assert code({"markups": []}) == "path-file-unknown"
    assert code({"markups": [3]}) == "path-file-unknown"
    assert code('{"markups": [') == "file-unreadable"
    assert code("[" * 100000) == "file-unreadable"
    path.write_bytes(b"\xff\xfe\x00")
    assert refusal(path).code == "file-unreadable"
    assert refusal(tmp_path).code == "path-file-unknown"
    assert refusal(tmp_path / "no.json").code == "file-not-found"


PLAIN = (MarkupLine("L1 left", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0)),)


@pytest.mark.parametrize(
    "content",
    [
        {"label": "L1 left", "entry": [1, 2, 3], "tip": [4, 5, 6]},
        [{"level": "L1", "side": "left", "entry_ras_mm": [1, 2, 3], "tip_ras_mm": [4, 5, 6]}],
        {"label": "L1 left", "start": [1, 2, 3], "end": [4, 5, 6]},
        {"label": "L1 left", "coordinateSystem": "LPS", "entry": [-1, -2, 3], "target": [-4, -5, 6]},
        {"label": "L1 left", "entry_lps_mm": [-1, -2, 3], "tip_lps_mm": [-4, -5, 6]},
        {"plans": [{"level": "L1", "paths": [{"side": "left", "entry": [1, 2, 3], "tip": [4, 5, 6]}]}]},
        "label,entry_x,entry_y,entry_z,tip_x,tip_y,tip_z\nL1 left,1,2,3,4,5,6\n",
        "level;side;entry_x_mm;entry_y_mm;entry_z_mm;tip_x_mm;tip_y_mm;tip_z_mm\nL1;left;1;2;3;4;5;6\n",
        "label,start_lps_x,start_lps_y,start_lps_z,end_lps_x,end_lps_y,end_lps_z\nL1 left,-1,-2,3,-4,-5,6\n",
        "# planned elsewhere\nL1 left, 1, 2, 3, 4, 5, 6\n",
        "\ufeffL1 left\t1\t2\t3\t4\t5\t6\r\n",
    ],
)
def test_plain_files_are_read(tmp_path: Path, content: object) -> None:
    name = "paths.csv" if isinstance(content, str) else "paths.json"
    assert lines_near(read_markups(text(tmp_path / name, content)), PLAIN)


def test_broken_plain_files_are_refused(tmp_path: Path) -> None:
    for content, code in (
        ("", "path-file-unknown"),
        ("1,2,3\n", "path-file-unknown"),
        ("L1,1,2,3,4,5,x\n", "path-point-broken"),
        ("L1;1,5;2;3;4;5;6\n", "path-point-broken"),
        ("label,entry_x,entry_y,tip_x,tip_y,tip_z\nL1,1,2,4,5,6\n", "path-point-broken"),
        ("label,entry_x,entry_y,entry_z,tip_x,tip_y,tip_z\n", "path-file-unknown"),
        (
            "entry_ras_x,entry_ras_y,entry_ras_z,tip_lps_x,tip_lps_y,tip_lps_z\n1,2,3,4,5,6\n",
            "path-frame-unknown",
        ),
    ):
        assert refusal(text(tmp_path / "x.csv", content)).code == code, content
    for document, code in (
        ({"entry": [1, 2, 3]}, "path-file-unknown"),
        ({}, "path-file-unknown"),
        ([], "path-file-unknown"),
        ([[[[[[[]]]]]]], "path-file-unknown"),
        ({"entry": [1, 2, 3], "tip": [1, 2, 3]}, "path-without-length"),
        ({"entry": [1, 2, 3], "tip": [1, None, 3]}, "path-point-broken"),
        ({"entry": [1, 2, 3], "tip": [4, 5, 6], "coordinateSystem": "voxels"}, "path-frame-unknown"),
    ):
        assert refusal(text(tmp_path / "x.json", document)).code == code, document


def test_a_line_is_never_half_valid() -> None:
    with pytest.raises(ValueError, match="finite"):
        MarkupLine("x", (0.0, 0.0, float("inf")), (1.0, 0.0, 0.0))
    with pytest.raises(ValueError, match="two places"):
        MarkupLine("x", (1.0, 2.0, 3.0), (1.0, 2.0, 3.0))
    assert MarkupLine("x", (0.0, 0.0, 0.0), (3.0, 4.0, 0.0)).length_mm == 5.0


def test_mutated_files_are_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    path = tmp_path / "x.mrk.json"
    write_markups(path, [MarkupLine("L1 left", (1.0, 2.0, 3.0), (4.0, 5.0, 6.0))])
    whole = path.read_bytes()
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
            content[int(rng.integers(0, len(content)))] = int(rng.integers(0, 256))
        path.write_bytes(
            bytes(content[: int(rng.integers(1, len(content)))] if rng.random() < 0.2 else content)
        )
        try:
            lines = read_markups(path)
        except InputError:
            refused += 1
            continue
        assert all(np.isfinite(line.length_mm) for line in lines)
    assert refused > 100
