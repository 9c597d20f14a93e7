"""Straight paths to and from other programs: 3D Slicer markups (.mrk.json); plain JSON and CSV come in too."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from endplate.errors import InputError
from endplate.imaging.lines import (
    MOST_LINES,
    MarkupLine,
    Point,
    frame_named,
    line_between,
    lines_of_csv,
    lines_of_json,
    named,
    no_path,
    point_ras_mm,
)
from endplate.imaging.refusals import file_unreadable, reading
from endplate.imaging.write import replacing

__all__ = ["MarkupLine", "read_markups", "write_markups"]

SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
"""The version of the format, which Slicer looks for in the file."""

DEFAULT_FRAME = "LPS"
"""What a markup is in that states no frame: the schema says so."""

MM_PER_UNIT = {"mm": 1.0, "um": 0.001}
"""Units of length that the schema knows; mm where none is stated."""

FILE_LIMIT_BYTES = 10_000_000

DECIMALS = 6
"""A nanometre: coordinates are written no finer."""

KIND = "path file"


def write_markups(path: Path, lines: Sequence[MarkupLine]) -> None:
    """Write lines as one Slicer markups file, in LPS; the same bytes for the same lines.

    Raises
    ------
    UsageError
        ``output-not-writable``.
    """
    document = {"@schema": SCHEMA, "markups": [_markup(line) for line in lines]}
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def read_markups(path: Path) -> tuple[MarkupLine, ...]:
    """Read straight paths: Slicer markups (lines, or point lists of two points), plain JSON, or CSV.

    Points come back in RAS mm; start is the first point. Slicer's files state LPS or RAS (LPS where they state
    nothing); plain files are RAS unless they state LPS.

    Raises
    ------
    InputError
        ``file-not-found``, ``file-not-readable``, ``file-unreadable``, ``path-file-unknown`` (no path in it),
        ``path-not-straight`` (a curve, a plane, more than two points), ``path-incomplete`` (one point),
        ``path-point-broken``, ``path-frame-unknown``, ``path-unit-unknown``, ``path-without-length``.
    """
    with reading(path):
        if path.is_dir():
            raise no_path()
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise no_path()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise file_unreadable(KIND, "it is not text") from None
    if not text.lstrip().startswith(("{", "[")):
        if path.name.lower().endswith(".json"):
            raise file_unreadable(KIND, "it is not JSON")
        return lines_of_csv(text)
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise file_unreadable(KIND, "it is not JSON, or it ends too early") from None
    if isinstance(document, Mapping) and "markups" in document:
        return _markup_lines(document["markups"])
    return lines_of_json(document)


def _markup(line: MarkupLine) -> dict[str, Any]:
    ends = (("entry", line.start_ras_mm), ("tip", line.end_ras_mm))
    return {
        "type": "Line",
        "name": line.label,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": True,
        "fixedNumberOfControlPoints": True,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": 2,
        "controlPoints": [
            {
                "id": str(number),
                "label": f"{line.label} {name}".strip(),
                "description": "",
                "associatedNodeID": "",
                "position": [round(-x, DECIMALS) + 0.0, round(-y, DECIMALS) + 0.0, round(z, DECIMALS) + 0.0],
                "orientation": [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0],
                "selected": True,
                "locked": True,
                "visibility": True,
                "positionStatus": "defined",
            }
            for number, (name, (x, y, z)) in enumerate(ends, start=1)
        ],
        "measurements": [],
    }


def _markup_lines(markups: Any) -> tuple[MarkupLine, ...]:
    if not isinstance(markups, list) or not markups or len(markups) > MOST_LINES:
        raise no_path()
    return tuple(_line(markup, number) for number, markup in enumerate(markups, start=1))


def _line(markup: Any, number: int) -> MarkupLine:
    if not isinstance(markup, Mapping):
        raise no_path()
    label = str(markup.get("name") or "")[:200]
    kind = str(markup.get("type"))
    if kind not in {"Line", "Fiducial"}:
        what = kind if kind in {"Angle", "Curve", "ClosedCurve", "Plane", "ROI"} else "unknown markup"
        raise _not_straight(f"Markup {number} of the file is of type {what}")
    frame = frame_named(markup.get("coordinateSystem"), DEFAULT_FRAME)
    scale = _scale(markup.get("coordinateUnits"))
    points = markup.get("controlPoints")
    points = points if isinstance(points, list) else []
    if len(points) > 2:
        raise _not_straight(f"Markup {number} of the file has {len(points)} points")
    placed = [
        _position(point, frame, scale, f"Point {n} of {named(label)}")
        for n, point in enumerate(points, start=1)
        if isinstance(point, Mapping) and point.get("positionStatus", "defined") == "defined"
    ]
    if len(placed) != 2:
        raise InputError(
            "path-incomplete",
            f"{named(label).capitalize()} has {len(placed)} of its two points.",
            do="Place both points in Slicer, the entry first and the tip second, and save again.",
        )
    return line_between(label or _first_label(points) or str(number), placed[0], placed[1])


def _position(point: Mapping[str, Any], frame: str, scale: float, where: str) -> Point:
    return point_ras_mm(point.get("position"), frame, where, scale=scale)


def _first_label(points: list[Any]) -> str:
    return str(points[0].get("label") or "") if isinstance(points[0], Mapping) else ""


def _scale(unit: Any) -> float:
    """Return mm per unit; the schema writes a unit as a word or as a code of three words."""
    if isinstance(unit, list) and unit:
        unit = unit[0]
    scale = MM_PER_UNIT.get("mm" if unit is None else str(unit))
    if scale is None:
        raise InputError(
            "path-unit-unknown", "The markups are in a unit of length other than mm.", do="Save them in mm."
        )
    return scale


def _not_straight(what: str) -> InputError:
    return InputError(
        "path-not-straight",
        f"{what}; a needle is a straight line between two points.",
        do="Save a line markup, or a point list of two points: the entry first, the tip second.",
    )
