"""Needle paths as TPTBox points of interest: implant entries and targets, left and right (ids 90 to 93)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from endplate.errors import InputError
from endplate.imaging.geometry import FloatArray, apply_affine, as_affine, axis_codes, voxel_sizes_mm
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS, order
from endplate.imaging.lines import Point, point_ras_mm
from endplate.imaging.refusals import file_unreadable, reading
from endplate.imaging.stored import placed
from endplate.imaging.write import replacing

IMPLANT_IDS: dict[tuple[str, int], tuple[int, str]] = {
    ("left", 0): (90, "Implant_Entry_Left"),
    ("right", 0): (91, "Implant_Entry_Right"),
    ("left", 1): (92, "Implant_Target_Left"),
    ("right", 1): (93, "Implant_Target_Right"),
}
"""TPTBox id and name by side and end of a path (0 entry, 1 target). Source: TPTBox, vert_constants.py."""

LABEL_MAX = 256
"""In TPTBox's list form a point's label is LABEL_MAX · point id + vertebra id."""

DECIMALS = 7
"""TPTBox rounds to so many decimals itself."""

FILE_LIMIT_BYTES = 50_000_000

KIND = "point file"

Ends = tuple[Point, Point]


def write_poi(
    path: Path,
    paths_ras_mm: Mapping[str, Mapping[str, Ends]],
    *,
    shape: tuple[int, int, int],
    affine: ArrayLike,
) -> None:
    """Write entries and targets as a TPTBox point file on the grid of an image.

    Parameters
    ----------
    path:
        Where to; TPTBox wants the name to end in ``.json``.
    paths_ras_mm:
        By level, by side (``"left"``, ``"right"``): entry and target, RAS mm.
    shape, affine:
        Grid of the image: voxels, and 4×4 voxel index → RAS mm. TPTBox keeps points in voxels.

    Raises
    ------
    ValueError
        A level or side that there is not, a point that is not three finite numbers, an unusable affine.
    UsageError
        ``output-not-writable``.
    """
    grid = as_affine(affine)
    zoom = voxel_sizes_mm(grid)
    into_voxels = np.asarray(np.linalg.inv(grid), dtype=np.float64)
    points: dict[str, dict[str, list[float]]] = {}
    for level in sorted(_known(paths_ras_mm), key=order):
        for (side, end), (_, name) in IMPLANT_IDS.items():
            if side in paths_ras_mm[level]:
                place = apply_affine(into_voxels, paths_ras_mm[level][side][end])
                if place.shape != (3,) or not np.isfinite(place).all():
                    raise ValueError("a point is three finite numbers")
                points.setdefault(level, {})[name] = _rounded(place)
    head = {
        "direction": list(axis_codes(grid)),
        "zoom": _rounded(zoom),
        "origin": _rounded(grid[:3, 3]),
        "rotation": [_rounded(row) for row in grid[:3, :3] / zoom],
        "shape": [int(n) for n in shape],
        "format": "POI",
        "level_one_info": "Vertebra_Instance",
        "level_two_info": "Location",
    }
    with replacing(path) as file:
        file.write((json.dumps([head, points], indent=2) + "\n").encode("utf-8"))


def read_poi(path: Path, *, affine: ArrayLike | None = None) -> dict[str, dict[str, Ends]]:
    """Read the entries and targets of a TPTBox point file.

    Parameters
    ----------
    path:
        A file in TPTBox's forms ``POI``, ``POI_GLOBAL`` or ``docker``.
    affine:
        Grid of the image that the points are voxels of, for files that do not state their own.

    Returns
    -------
    dict
        By level, by side: entry and target, RAS mm. Other points of the file are passed over.

    Raises
    ------
    InputError
        ``file-unreadable``, ``poi-form-unknown``, ``poi-no-grid``, ``poi-no-paths``, ``poi-incomplete`` (an entry
        without its target), ``path-point-broken``.
    """
    with reading(path), path.open("rb") as file:
        content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise _unknown_form()
    try:
        document = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise file_unreadable(KIND, "it is not JSON, or it ends too early") from None
    if not (isinstance(document, list) and document and isinstance(document[0], dict)):
        raise _unknown_form()
    head = document[0]
    to_ras = _to_ras(head, affine)
    ends: dict[str, dict[str, dict[int, Point]]] = {}
    for level, side, end, stored in _stored_points(head, document[1:]):
        where = f"The {'target' if end else 'entry'} of {level} {side}"
        place = np.array(point_ras_mm(stored, "RAS", where), dtype=np.float64)
        mapped = apply_affine(to_ras, place)
        ends.setdefault(level, {}).setdefault(side, {})[end] = point_ras_mm(mapped.tolist(), "RAS", where)
    return _complete(ends)


def _known(paths: Mapping[str, Any]) -> list[str]:
    sides = {side for side, _ in IMPLANT_IDS}
    for level, of_level in paths.items():
        if level not in VERSE_IDS or set(of_level) - sides:
            raise ValueError("paths go by level and by side, left and right")
    return list(paths)


def _complete(ends: Mapping[str, Mapping[str, Mapping[int, Point]]]) -> dict[str, dict[str, Ends]]:
    if not ends:
        raise InputError(
            "poi-no-paths",
            "The point file has no implant entries and targets (TPTBox ids 90 to 93).",
            do="Save entry and target of each side under those ids.",
        )
    paths: dict[str, dict[str, Ends]] = {}
    for level in sorted(ends, key=order):
        for side in sorted(ends[level]):
            both = ends[level][side]
            if len(both) != 2:
                lacking = "target" if 0 in both else "entry"
                raise InputError(
                    "poi-incomplete",
                    f"The point file has no {lacking} for {level} {side}.",
                    do="Set both points of that side and save again.",
                )
            paths.setdefault(level, {})[side] = (both[0], both[1])
    return paths


def _stored_points(head: Mapping[str, Any], rest: list[Any]) -> Iterator[tuple[str, str, int, Any]]:
    """Level, side, end and stored coordinates of every implant point."""
    form = head.get("format")
    place = {number: key for key, (number, _) in IMPLANT_IDS.items()}
    by_name = {name.lower(): number for number, name in IMPLANT_IDS.values()}
    if form in {"POI", "POI_GLOBAL"}:
        if len(rest) != 1 or not isinstance(rest[0], dict):
            raise _unknown_form()
        for level_key, of_level in rest[0].items():
            level = _level(level_key)
            if level is None or not isinstance(of_level, dict):
                continue
            for key, stored in of_level.items():
                number = by_name.get(str(key).lower(), int(key) if str(key).isdecimal() else 0)
                if number in place:
                    yield level, *place[number], stored
    elif form in {None, "docker"}:
        for entry in rest:
            label = entry.get("label") if isinstance(entry, dict) else None
            if isinstance(label, int) and not isinstance(label, bool):
                level = LEVEL_OF_ID.get(label % LABEL_MAX)
                if level is not None and label // LABEL_MAX in place:
                    yield level, *place[label // LABEL_MAX], [entry.get(c) for c in "XYZ"]
    else:
        raise _unknown_form()


def _level(key: Any) -> str | None:
    """Return the level that a file names by word or by VerSe id."""
    text = str(key).strip()
    if text.isdecimal() and len(text) < 4:
        return LEVEL_OF_ID.get(int(text))
    return text.upper() if text.upper() in VERSE_IDS else None


def _to_ras(head: Mapping[str, Any], affine: ArrayLike | None) -> FloatArray:
    """Affine from the file's coordinates to RAS mm."""
    if head.get("format") == "POI_GLOBAL":
        frame = head.get("coordinate_system", "nib")
        if frame not in {"nib", "itk"}:
            raise _unknown_form()
        return np.diag([-1.0, -1.0, 1.0, 1.0] if frame == "itk" else [1.0, 1.0, 1.0, 1.0])
    own = _own_grid(head)
    if own is None:
        if affine is None:
            raise InputError(
                "poi-no-grid",
                "The point file keeps its points in voxels and does not say where these lie.",
                do="Give the CT with it, or save it again with origin, zoom and rotation.",
            )
        own = as_affine(affine)
    direction = head.get("direction")
    if isinstance(direction, list) and direction != list(axis_codes(own)):
        raise InputError(
            "poi-grid-differs",
            f"The point file counts its voxels along other axes than its grid ({''.join(axis_codes(own))}).",
            do="Save the points again on the grid of the CT.",
        )
    return own


def _own_grid(head: Mapping[str, Any]) -> FloatArray | None:
    """The grid that the file states, if it does."""
    rotation, zoom, origin = (head.get(key) for key in ("rotation", "zoom", "origin"))
    if rotation is None or zoom is None or origin is None:
        return None
    grid = np.eye(4)
    try:
        grid[:3, :3] = np.array(rotation, dtype=np.float64) * np.array(zoom, dtype=np.float64)
        grid[:3, 3] = np.array(origin, dtype=np.float64)
    except (ValueError, TypeError):
        raise file_unreadable(KIND, "its grid is damaged") from None
    return placed(grid, KIND)


def _rounded(values: Any) -> list[float]:
    return [round(float(v), DECIMALS) + 0.0 for v in values]


def _unknown_form() -> InputError:
    return InputError(
        "poi-form-unknown",
        "The file is not a point file in a form of TPTBox that Endplate knows (POI, POI_GLOBAL, docker).",
        do="Save the points with TPTBox's POI.save().",
    )
