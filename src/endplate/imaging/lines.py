"""A straight path from entry to tip, and its plain files: JSON objects and CSV tables."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from endplate.errors import InputError

Point = tuple[float, float, float]

FARTHEST_MM = 10_000.0
"""No scanner states a point of a patient farther from its origin."""

MOST_LINES = 1000
"""A file of more paths is none of a plan."""

LABEL_LENGTH = 80

FRAMES: dict[str, Point] = {"RAS": (1.0, 1.0, 1.0), "LPS": (-1.0, -1.0, 1.0)}
"""Signs that bring a point of a named frame to RAS (and back)."""

HOW_PLAIN = (
    "A plain file has, for each path, entry and tip as three numbers in RAS mm: "
    '[{"label": "L1 left", "entry": [x, y, z], "tip": [x, y, z]}], or a table with the columns '
    "label, entry_x, entry_y, entry_z, tip_x, tip_y, tip_z."
)
"""The remedy for a plain file that cannot be used."""

_START, _END = ("entry", "start"), ("tip", "target", "end")
_GROUPS = ("plans", "paths", "lines")
_COLUMN = re.compile(r"^(entry|start|tip|target|end)_?(ras|lps)?_?([xyz])(?:_?(ras|lps))?(?:_?mm)?$")


@dataclass(frozen=True)
class MarkupLine:
    """One straight path.

    Parameters
    ----------
    label:
        Its name in a list: ``"L1 left"``.
    start_ras_mm, end_ras_mm:
        Where it begins (skin or bone) and ends (tip), RAS mm.

    Raises
    ------
    ValueError
        A point is not three finite numbers, or both are the same place.
    """

    label: str
    start_ras_mm: Point
    end_ras_mm: Point

    def __post_init__(self) -> None:
        for name in ("start_ras_mm", "end_ras_mm"):
            point = tuple(float(c) + 0.0 for c in getattr(self, name))
            if len(point) != 3 or not all(math.isfinite(c) for c in point):
                raise ValueError("a point is three finite numbers")
            object.__setattr__(self, name, point)
        if self.length_mm < 1e-6:
            raise ValueError("the ends of a line are two places")

    @property
    def length_mm(self) -> float:
        """From start to end."""
        return math.dist(self.start_ras_mm, self.end_ras_mm)


def line_between(label: Any, start: Point, end: Point) -> MarkupLine:
    """Build a line from a file's points.

    Raises
    ------
    InputError
        ``path-without-length``.
    """
    words = "".join(c for c in str(label) if c.isprintable()).strip()[:LABEL_LENGTH]
    if math.dist(start, end) < 1e-6:
        raise InputError(
            "path-without-length",
            f"Start and end of {named(words)} are the same point.",
            do="Give two different points: where the needle enters, and its tip.",
        )
    return MarkupLine(words, start, end)


def point_ras_mm(value: Any, frame: str, where: str, *, scale: float = 1.0) -> Point:
    """Turn a point of a file into RAS mm; ``where`` names it for the user.

    Raises
    ------
    InputError
        ``path-point-broken``: not three finite numbers, or far from any patient.
    """
    numbers = list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else []
    if len(numbers) != 3 or not all(_is_number(c) for c in numbers):
        raise _broken_point(where, "is not three finite numbers")
    x, y, z = (float(c) * scale for c in numbers)
    if max(abs(x), abs(y), abs(z)) > FARTHEST_MM:
        raise _broken_point(where, f"lies more than {FARTHEST_MM / 1000:.0f} m from the scanner's origin")
    signs = FRAMES[frame]
    return x * signs[0] + 0.0, y * signs[1] + 0.0, z * signs[2] + 0.0


def frame_named(value: Any, default: str) -> str:
    """Return ``"RAS"`` or ``"LPS"``.

    Raises
    ------
    InputError
        ``path-frame-unknown``.
    """
    frame = str(default if value is None else value).strip().upper()
    if frame not in FRAMES:
        raise InputError(
            "path-frame-unknown",
            "The file names a coordinate system that is neither RAS nor LPS.",
            do="Save the path in LPS or RAS: left and right are never guessed.",
        )
    return frame


def lines_of_json(document: Any) -> tuple[MarkupLine, ...]:
    """Read plain JSON: one path, a list of paths, or a document whose plans hold paths.

    A path has entry (or start) and tip (or target, end): three numbers in RAS mm, or in the frame that
    ``coordinateSystem`` or the key itself (``entry_lps_mm``) states.

    Raises
    ------
    InputError
        ``path-file-unknown``, ``path-point-broken``, ``path-frame-unknown``, ``path-without-length``.
    """
    lines = tuple(
        line_between(label, start, end) for label, start, end in _paths(document, "RAS", (), depth=0)
    )
    if not lines:
        raise no_path()
    return lines


def lines_of_csv(text: str) -> tuple[MarkupLine, ...]:
    """Read a table: a header and one path a row, or bare rows of six numbers (entry, tip; RAS mm).

    Raises
    ------
    InputError
        As ``lines_of_json``.
    """
    rows = [[cell.strip() for cell in row] for row in _rows(text)]
    rows = [row for row in rows if any(row) and not row[0].startswith("#")]
    if not rows:
        raise no_path()
    header = [cell.lower() for cell in rows[0]]
    columns = {name: match for name in header if (match := _COLUMN.match(name))}
    if not columns:
        return tuple(_bare(row, n) for n, row in enumerate(rows, start=1))
    return tuple(_by_header(header, columns, row, n) for n, row in enumerate(rows[1:], start=1)) or _none()


def no_path() -> InputError:
    """The file holds no path that could be understood."""
    return InputError("path-file-unknown", "The file holds no path from an entry to a tip.", do=HOW_PLAIN)


def named(label: str) -> str:
    """The path in words."""
    return f"the path {label!r}" if label else "a path"


def _paths(node: Any, frame: str, names: tuple[str, ...], depth: int) -> Iterable[tuple[str, Point, Point]]:
    """Walk a document down to its paths; a level or side on the way names them."""
    if depth > 4:
        raise no_path()
    if isinstance(node, list):
        for child in node[: MOST_LINES + 1]:
            yield from _paths(child, frame, names, depth + 1)
        return
    if not isinstance(node, Mapping):
        raise no_path()
    frame = frame_named(node.get("coordinateSystem", node.get("coordinate_system")), frame)
    own = node.get("label")
    names = (str(own),) if own else (*names, *(str(node[k]) for k in ("level", "side") if node.get(k)))
    groups = [node[key] for key in _GROUPS if isinstance(node.get(key), list)]
    if groups:
        for group in groups:
            yield from _paths(group, frame, names, depth + 1)
        return
    label = " ".join(names)
    yield label, _end(node, _START, frame, label), _end(node, _END, frame, label)


def _end(node: Mapping[str, Any], keys: tuple[str, ...], frame: str, label: str) -> Point:
    for key in keys:
        for stored, stated in ((key, frame), (f"{key}_ras_mm", "RAS"), (f"{key}_lps_mm", "LPS")):
            if stored in node:
                return point_ras_mm(node[stored], stated, f"The {key} of {named(label)}")
    raise InputError("path-file-unknown", f"{named(label).capitalize()} has no {keys[0]}.", do=HOW_PLAIN)


def _rows(text: str) -> list[list[str]]:
    """Cells of a table with commas, semicolons or tabs; a decimal comma is no number here."""
    first = text.lstrip("\ufeff").partition("\n")[0]
    mark = max(",;\t", key=first.count)
    try:
        rows = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=mark))
    except csv.Error:
        raise no_path() from None
    if len(rows) > MOST_LINES:
        raise no_path()
    return rows


def _bare(row: list[str], number: int) -> MarkupLine:
    label, cells = ("", row) if len(row) == 6 else (row[0], row[1:])
    if len(cells) != 6:
        raise no_path()
    where = label or f"row {number}"
    start = point_ras_mm([_float(c) for c in cells[:3]], "RAS", f"The entry of {named(where)}")
    end = point_ras_mm([_float(c) for c in cells[3:]], "RAS", f"The tip of {named(where)}")
    return line_between(label or str(number), start, end)


def _by_header(
    header: list[str], columns: Mapping[str, re.Match[str]], row: list[str], number: int
) -> MarkupLine:
    cells = dict(zip(header, row, strict=False))
    label = cells.get("label") or " ".join(filter(None, (cells.get("level"), cells.get("side"))))
    label = label or str(number)
    points: dict[str, dict[str, Any]] = {}
    frames: set[str] = set()
    for name, match in columns.items():
        which = "entry" if match[1] in _START else "tip"
        points.setdefault(which, {})[match[3]] = _float(cells.get(name, ""))
        frames.add((match[2] or match[4] or cells.get("coordinatesystem") or "ras").upper())
    if len(frames) != 1:
        raise frame_mix()
    frame = frame_named(frames.pop(), "RAS")
    start, end = (
        point_ras_mm([points.get(name, {}).get(c) for c in "xyz"], frame, f"The {name} of {named(label)}")
        for name in ("entry", "tip")
    )
    return line_between(label, start, end)


def frame_mix() -> InputError:
    """One table states two frames."""
    return InputError("path-frame-unknown", "The table mixes RAS and LPS.", do=HOW_PLAIN)


def _none() -> tuple[MarkupLine, ...]:
    raise no_path()


def _float(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _broken_point(where: str, why: str) -> InputError:
    return InputError(
        "path-point-broken", f"{where} {why}.", do="Set both ends of the path and save it again. " + HOW_PLAIN
    )
