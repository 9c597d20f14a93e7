"""Point lists of older 3D Slicer (.fcsv): a table whose head states frame and columns.

Source of the format: 3D Slicer, vtkMRMLMarkupsFiducialStorageNode (``# CoordinateSystem``, ``# columns``).
"""

from __future__ import annotations

import csv
import io

import numpy as np

from endplate.errors import InputError
from endplate.imaging.refusals import file_unreadable
from endplate.labelling.model import Seed
from endplate.labelling.points_places import MOST_POINTS, frame_of, level_of_point, place_ras_mm

KIND = "Slicer point list"
SUFFIX = ".fcsv"
HEAD = "# markups fiducial file"

FRAME_OF_NUMBER = {"0": "RAS", "1": "LPS"}
"""What older versions write in place of the frame's name."""

DEFAULT_FRAME = "RAS"
"""What a file is in that states no frame: all were, before frames were stated."""

DEFAULT_COLUMNS = ("id", "x", "y", "z", "ow", "ox", "oy", "oz", "vis", "sel", "lock", "label", "desc")


def is_fcsv(name: str, text: str) -> bool:
    """Say whether a file is such a list, by the end of its name or by its first line."""
    return name.lower().endswith(SUFFIX) or text.lstrip().lower().startswith(HEAD)


def fcsv_seeds(text: str) -> tuple[Seed, ...]:
    """Return all points; one that is named after no level is not passed over.

    Raises
    ------
    InputError
        ``file-unreadable``, ``points-place-broken``, ``points-frame-unknown``, ``point-level-unknown``.
    """
    frame: str | None = None
    columns: tuple[str, ...] = DEFAULT_COLUMNS
    rows: list[str] = []
    for line in text.splitlines():
        if line.startswith("#"):
            key, _, stated = line.lstrip("# ").partition("=")
            if key.strip().lower() == "coordinatesystem":
                frame = FRAME_OF_NUMBER.get(stated.strip(), stated)
            elif key.strip().lower() == "columns":
                columns = tuple(name.strip().lower() for name in stated.split(","))
        elif line.strip():
            rows.append(line)
    if not {"x", "y", "z", "label"} <= set(columns) or len(rows) > MOST_POINTS:
        raise _broken()
    where = frame_of(frame, DEFAULT_FRAME)
    seeds = []
    try:
        for number, cells in enumerate(csv.reader(io.StringIO("\n".join(rows))), start=1):
            named = dict(zip(columns, cells, strict=False))
            level = level_of_point(named.get("label", ""), number)
            stored = [_number(named.get(axis, "")) for axis in "xyz"]
            seeds.append(Seed(level, np.array(place_ras_mm(stored, where, f"Point {number} ({level})"))))
    except csv.Error:
        raise _broken() from None
    return tuple(seeds)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def _broken() -> InputError:
    return file_unreadable(KIND, "its columns name no place and label of a point, or it has too many rows")
