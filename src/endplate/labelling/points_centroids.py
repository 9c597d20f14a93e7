"""Centroid files of VerSe and point files of TPTBox: middles of vertebral bodies in voxels or in space.

Sources: VerSe's README (centroid lists); TPTBox's point-of-interest files (forms ``docker``, ``POI``, ``POI_GLOBAL``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from endplate.errors import InputError
from endplate.imaging.geometry import LPS_FROM_RAS, FloatArray, apply_affine
from endplate.imaging.levels import LEVEL_OF_ID, VERSE_IDS
from endplate.imaging.poi import LABEL_MAX
from endplate.imaging.refusals import file_unreadable
from endplate.imaging.stored import placed
from endplate.imaging.volume import Volume
from endplate.labelling.model import Seed
from endplate.labelling.points_places import place_ras_mm

KIND = "centroid file"

CORPUS_ID = 50
"""TPTBox's id of the middle of a vertebral body. Source: TPTBox, vert_constants.py."""

CORPUS_NAMES = frozenset({"vertebra_corpus", str(CORPUS_ID)})

_PAIRS = ("RL", "AP", "SI")


def centroid_seeds(document: Sequence[Any], image: Volume) -> tuple[Seed, ...]:
    """Return the body middles of a centroid file; other points of it are passed over.

    Parameters
    ----------
    document:
        The file's JSON: a head that states axes or grid, and the points.
    image:
        The CT, whose voxels the points are where the file states no grid of its own.

    Raises
    ------
    InputError
        ``file-unreadable``, ``points-place-broken``.
    """
    head = document[0]
    to_ras = _to_ras(head, image)
    seeds = []
    for level, stored in _stored(head, document[1:]):
        where = f"The point of {level}"
        place = np.array(place_ras_mm(stored, "RAS", where), dtype=np.float64)
        seeds.append(Seed(level, apply_affine(to_ras, place)))
    return tuple(seeds)


def grid_along(image: Volume, letters: Sequence[Any]) -> FloatArray:
    """The image's grid with its axes in another order and direction: voxel → RAS mm.

    Raises
    ------
    InputError
        ``file-unreadable``: the letters name no axes.
    """
    own = image.axis_codes
    affine = np.eye(4)
    corner = np.zeros(3)
    used: set[int] = set()
    if len(letters) != 3:
        raise _no_axes()
    for column, letter in enumerate(letters):
        pair = next((pair for pair in _PAIRS if str(letter) in pair and len(str(letter)) == 1), None)
        if pair is None:
            raise _no_axes()
        axis = next(a for a in range(3) if own[a] in pair)
        used.add(axis)
        sign = 1.0 if own[axis] == letter else -1.0
        affine[:3, column] = sign * image.affine[:3, axis]
        corner[axis] = 0.0 if sign > 0 else image.shape[axis] - 1
    if len(used) != 3:
        raise _no_axes()
    affine[:3, 3] = image.to_world(corner)
    return affine


def _to_ras(head: Mapping[str, Any], image: Volume) -> FloatArray:
    if head.get("format") == "POI_GLOBAL":
        return LPS_FROM_RAS if head.get("coordinate_system", "nib") == "itk" else np.eye(4)
    rotation, zoom, origin = (head.get(key) for key in ("rotation", "zoom", "origin"))
    if rotation is not None and zoom is not None and origin is not None:
        grid = np.eye(4)
        try:
            grid[:3, :3] = np.array(rotation, dtype=np.float64) * np.array(zoom, dtype=np.float64)
            grid[:3, 3] = np.array(origin, dtype=np.float64)
        except (ValueError, TypeError):
            raise file_unreadable(KIND, "its grid is damaged") from None
        return placed(grid, KIND)
    direction = head.get("direction")
    if not isinstance(direction, list):
        raise _no_axes()
    return grid_along(image, direction)


def _stored(head: Mapping[str, Any], rest: Sequence[Any]) -> Iterator[tuple[str, Any]]:
    """Level and coordinates of every body middle."""
    if head.get("format") in {"POI", "POI_GLOBAL"}:
        levels = rest[0] if len(rest) == 1 and isinstance(rest[0], Mapping) else {}
        for key, points in levels.items():
            level = _level(key)
            for name, stored in points.items() if level and isinstance(points, Mapping) else ():
                if str(name).lower() in CORPUS_NAMES:
                    yield str(level), stored
        return
    for entry in rest:
        number = entry.get("label") if isinstance(entry, Mapping) else None
        if isinstance(number, bool) or not isinstance(number, int | float) or not float(number).is_integer():
            continue
        part, vertebra = divmod(int(number), LABEL_MAX)
        if part in (0, CORPUS_ID) and vertebra in LEVEL_OF_ID:
            yield LEVEL_OF_ID[vertebra], [entry.get(axis) for axis in "XYZ"]


def _level(key: Any) -> str | None:
    text = str(key).strip().upper()
    if text.isdecimal() and len(text) < 4:
        return LEVEL_OF_ID.get(int(text))
    return text if text in VERSE_IDS else None


def _no_axes() -> InputError:
    return file_unreadable(KIND, "it does not say along which axes its points are counted")
