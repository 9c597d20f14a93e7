"""Files of points: Endplate's own, which knows its CT, and those of other programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from endplate.errors import InputError, UsageError
from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.levels import VERSE_IDS, parse_level
from endplate.imaging.lines import frame_named, point_ras_mm
from endplate.imaging.refusals import file_unreadable, reading
from endplate.imaging.volume import Volume
from endplate.imaging.write import replacing
from endplate.labelling.model import Seed
from endplate.labelling.points import PointSet
from endplate.labelling.points_centroids import centroid_seeds

KIND = "points file"
FILE_LIMIT_BYTES = 20_000_000
MOST_POINTS = 500


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
        ``points-of-other-ct``, ``points-file-unknown``, ``points-none`` and what reading the forms refuses
        (``file-unreadable``, ``path-point-broken``, ``path-frame-unknown``, ``point-level-unknown``, ...).
    """
    document = _json(path)
    if isinstance(document, Mapping) and str(document.get("schema", "")).startswith("endplate/points/"):
        return _own(document, image)
    if isinstance(document, Mapping) and "markups" in document:
        return PointSet(_markups(document["markups"]), source="the Slicer point list")
    if isinstance(document, list) and document and isinstance(document[0], Mapping):
        return PointSet(centroid_seeds(document, image), source="the centroid file")
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


def _own(document: Mapping[str, Any], image: Volume) -> PointSet:
    try:
        stored = PointsFile.model_validate_json(json.dumps(document))
    except ValidationError:
        raise file_unreadable(KIND, "it is damaged, or a newer Endplate wrote it") from None
    if stored.ct_fingerprint != ct_fingerprint(image):
        raise InputError(
            "points-of-other-ct",
            "The points were set in another CT: its voxels or their place differ from this one.",
            do="Give the CT that the points were set in, or set them again in this one "
            "(`endplate label CT --pick --out page.html`).",
        )
    seeds: dict[bool, list[Seed]] = {False: [], True: []}
    for number, point in enumerate(stored.points, start=1):
        place = point_ras_mm(point.ras_mm, "RAS", f"Point {number}")
        seeds[point.proposed].append(Seed(_level(point.level, number), np.array(place)))
    return PointSet(tuple(seeds[False]), tuple(seeds[True]), "the points file")


def _markups(markups: Any) -> tuple[Seed, ...]:
    """Points of all point lists of a Slicer file; a point that is named after no level is not passed over."""
    seeds: list[Seed] = []
    for markup in markups if isinstance(markups, list) else []:
        if not isinstance(markup, Mapping) or markup.get("type") != "Fiducial":
            raise _unknown()
        if markup.get("coordinateUnits", "mm") not in ("mm", ["mm", "UCUM", "millimeter"]):
            raise _unknown()
        frame = frame_named(markup.get("coordinateSystem"), "LPS")
        points = markup.get("controlPoints")
        for point in points if isinstance(points, list) else []:
            number = len(seeds) + 1
            if not isinstance(point, Mapping) or number > MOST_POINTS:
                raise _unknown()
            if point.get("positionStatus", "defined") == "defined":
                place = point_ras_mm(point.get("position"), frame, f"Point {number}")
                seeds.append(Seed(_level(str(point.get("label") or ""), number), np.array(place)))
    return tuple(seeds)


def _level(name: str, number: int) -> str:
    try:
        return parse_level(name)
    except UsageError:
        raise InputError(
            "point-level-unknown",
            f"Point {number} of the file is not named after a vertebral level.",
            do=f"Name each point after its level: T12, L1, ... ({len(VERSE_IDS)} names, C1 to S1).",
        ) from None


def _json(path: Path) -> Any:
    with reading(path):
        if path.is_dir():
            raise _unknown()
        with path.open("rb") as file:
            content = file.read(FILE_LIMIT_BYTES + 1)
    if len(content) > FILE_LIMIT_BYTES:
        raise _unknown()
    try:
        return json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise file_unreadable(KIND, "it is not JSON, or it ends too early") from None


def _unknown() -> InputError:
    return InputError(
        "points-file-unknown",
        "The file holds no points in a form that Endplate knows.",
        do="Give the file saved by the pick page, a VerSe or TPTBox centroid file (.json), or a point list of 3D "
        "Slicer (.mrk.json) whose points are named after levels.",
    )
