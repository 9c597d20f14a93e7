"""Files of points: Endplate's own, which knows its CT, and those of other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endplate.errors import InputError
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.refusals import file_unreadable, reading
from endplate.imaging.volume import Volume
from endplate.imaging.write import replacing
from endplate.labelling.model import Seed
from endplate.labelling.points import PointSet
from endplate.labelling.points_centroids import centroid_seeds
from endplate.labelling.points_fcsv import fcsv_seeds, is_fcsv
from endplate.labelling.points_places import MOST_POINTS, frame_of, level_of_point, place_ras_mm

KIND = "points file"
FILE_LIMIT_BYTES = 20_000_000


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class StoredPoint(_Document):
    """One point of Endplate's own file."""

    level: str
    ras_mm: tuple[float, float, float]
    proposed: bool = False
    """Proposed by the program and not confirmed by anybody."""


class PointsFile(_Document):
    """Endplate's own points file; it holds only for the CT that it names."""

    schema_: Literal["endplate/points/1"] = Field(default="endplate/points/1", alias="schema")
    frame: Literal["RAS"] = "RAS"
    unit: Literal["mm"] = "mm"
    ct_fingerprint: str
    points: tuple[StoredPoint, ...]


def read_points(path: Path, image: Volume) -> PointSet:
    """Read points of vertebral bodies.

    Parameters
    ----------
    path:
        Endplate's own points file, a centroid or POI file of VerSe or TPTBox, or a point list of 3D Slicer whose
        points are named after levels.
    image:
        The CT that they were set in.

    Raises
    ------
    InputError
        What :func:`open_points` refuses, ``points-of-other-ct``, and for a centroid file ``file-unreadable`` and
        ``points-place-broken``.
    """
    return open_points(path)(image)


def open_points(path: Path) -> Callable[[Volume], PointSet]:
    """Read a points file as far as it can be without its CT; what comes back takes the CT.

    Raises
    ------
    InputError
        ``file-not-found``, ``file-not-readable``, ``file-unreadable``, ``points-file-unknown``,
        ``points-place-broken``, ``points-frame-unknown``, ``point-level-unknown``.
    """
    text = _text(path)
    if is_fcsv(path.name, text):
        listed = PointSet(fcsv_seeds(text), source="the Slicer point list")
        return lambda _image: listed
    document = _json(text)
    if isinstance(document, Mapping) and str(document.get("schema", "")).startswith("endplate/points/"):
        stored, points = _own(document)
        return lambda image: _of_this_ct(stored, points, image)
    if isinstance(document, Mapping) and "markups" in document:
        marked = PointSet(_markups(document["markups"]), source="the Slicer point list")
        return lambda _image: marked
    if isinstance(document, list) and document and isinstance(document[0], Mapping):
        return lambda image: PointSet(centroid_seeds(document, image), source="the centroid file")
    raise _unknown()


def write_points(path: Path, points: PointSet, image: Volume) -> None:
    """Write Endplate's own points file; the same bytes for the same points and CT.

    Raises
    ------
    UsageError
        ``output-not-writable``.
    """
    document = points_document(points, ct_fingerprint(image))
    content = document.model_dump(mode="json", by_alias=True)
    with replacing(path) as file:
        file.write((json.dumps(content, indent=1) + "\n").encode("ascii"))


def points_document(points: PointSet, fingerprint: str) -> PointsFile:
    """The points as Endplate's own file has them."""
    stored = [
        StoredPoint(level=seed.level, ras_mm=rounded(seed), proposed=proposed)
        for proposed, seeds in ((False, points.seeds), (True, points.proposed))
        for seed in seeds
    ]
    return PointsFile(ct_fingerprint=fingerprint, points=tuple(stored))


def rounded(seed: Seed) -> tuple[float, float, float]:
    """A point to a thousandth of a millimetre."""
    x, y, z = (round(float(c), 3) + 0.0 for c in seed.ras_mm)
    return x, y, z


def _own(document: Mapping[str, Any]) -> tuple[PointsFile, PointSet]:
    try:
        stored = PointsFile.model_validate_json(json.dumps(document))
    except ValidationError:
        raise file_unreadable(KIND, "it is damaged, or a newer Endplate wrote it") from None
    seeds: dict[bool, list[Seed]] = {False: [], True: []}
    for number, point in enumerate(stored.points, start=1):
        place = place_ras_mm(point.ras_mm, "RAS", f"Point {number} ({point.level})")
        seeds[point.proposed].append(Seed(level_of_point(point.level, number), np.array(place)))
    return stored, PointSet(tuple(seeds[False]), tuple(seeds[True]), "the points file")


def _of_this_ct(stored: PointsFile, points: PointSet, image: Volume) -> PointSet:
    if stored.ct_fingerprint != ct_fingerprint(image):
        raise InputError(
            "points-of-other-ct",
            "The points were set in another CT: its voxels or their place differ from this one.",
            do="Give the CT that the points were set in, or set them again in this one "
            "(`endplate label CT --pick --out page.html`).",
        )
    return points


def _markups(markups: Any) -> tuple[Seed, ...]:
    """Points of all point lists of a Slicer file; a point that is named after no level is not passed over."""
    seeds: list[Seed] = []
    for markup in markups if isinstance(markups, list) else []:
        if not isinstance(markup, Mapping) or markup.get("type") != "Fiducial":
            raise _unknown()
        if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM", "millimeter"]):
            raise _unknown()
        frame = frame_of(markup.get("coordinateSystem"), "LPS")
        points = markup.get("controlPoints")
        for point in points if isinstance(points, list) else []:
            number = len(seeds) + 1
            if not isinstance(point, Mapping) or number > MOST_POINTS:
                raise _unknown()
            if point.get("positionStatus", "defined") == "defined":
                level = level_of_point(str(point.get("label") or ""), number)
                place = place_ras_mm(point.get("position"), frame, f"Point {number} ({level})")
                seeds.append(Seed(level, np.array(place)))
    return tuple(seeds)


def _text(path: Path) -> str:
    with reading(path):
        if path.is_dir():
            raise _unknown()
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise _unknown()
    try:
        return content.decode("utf-8-sig")
    except ValueError:
        raise file_unreadable(KIND, "it is not text") from None


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise file_unreadable(KIND, "it is not JSON, or it ends too early") from None


def _unknown() -> InputError:
    return InputError(
        "points-file-unknown",
        "The file holds no points in a form that Endplate knows.",
        do="Give the file saved by the pick page, a VerSe or TPTBox centroid file (.json), or a point list of 3D "
        "Slicer (.mrk.json, .fcsv) whose points are named after levels.",
    )
