"""Segmentations of 3D Slicer (.seg.nrrd): segments in one shared map, or in layers where they overlap.

Source of the format: Slicer's developer guide, "Segmentation labelmap file format (.seg.nrrd)". The origin in the
file is that of the stored voxels, so a file cropped to its segments needs no further offset.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from endplate.errors import InputError
from endplate.imaging.label_codes import NAME_OF_CODE
from endplate.imaging.label_paint import Canvas, IdOfName, LabelSource, first_id
from endplate.imaging.layout import layout_voxels
from endplate.imaging.nrrd_file import (
    KIND,
    NrrdHeader,
    damaged_header,
    nrrd_header,
    space_axes,
    voxel_layout,
    world_affine,
)
from endplate.imaging.read import read_grid
from endplate.imaging.refusals import file_truncated, file_unreadable, not_three_dimensional
from endplate.imaging.shear import rectify
from endplate.imaging.volume import ScanInfo, Volume

MOST_SEGMENTS = 5000

_KEY = re.compile(r"^Segment(\d{1,4})_(Name|LabelValue|Layer|Tags)$")
_CODE = re.compile(r"~(?:SCT|SRT)\^([^~^|]+)\^")


@dataclass(frozen=True)
class Segment:
    """One segment: its layer, its value there, and its names (as written, then by its codes)."""

    layer: int
    value: int
    names: tuple[str, ...]


def is_segmentation(path: Path) -> bool:
    """Say whether an NRRD file is a Slicer segmentation; a file that cannot be read is none."""
    with path.open("rb") as file:
        if not file.read(4).startswith(b"NRRD"):
            return False
    try:
        return bool(segments_of(nrrd_header(path)))
    except InputError:
        return False


def read_seg_nrrd(path: Path, id_of: IdOfName) -> LabelSource:
    """Read a Slicer segmentation: a shared map with its own ids, layers painted with the ids wanted.

    Raises
    ------
    InputError
        ``labels-empty`` (Slicer writes one voxel for a segmentation without any), and those of reading NRRD.
    """
    header = nrrd_header(path)
    segments = segments_of(header)
    with damaged_header():
        sizes, spatial = space_axes(header.fields)
    if all(n == 1 for n in sizes):
        raise InputError(
            "labels-empty",
            "The segmentation is empty: it has no segment with a voxel.",
            do="Save the segmentation again with its segments filled.",
        )
    layers = _layer_count(sizes, spatial)
    if layers == 1 and len({segment.value for segment in segments}) == len(segments):
        names = {segment.value: _best(segment, id_of) for segment in segments}
        volume = read_grid(path, nearest=True)
        return LabelSource(volume, names, part=True, structures=len(segments))
    return _painted(path, header, segments, id_of)


def segments_of(header: NrrdHeader) -> tuple[Segment, ...]:
    """Return the segments that a header describes, in the file's order."""
    found: dict[int, dict[str, str]] = {}
    for key, text in header.fields.items():
        match = _KEY.match(str(key))
        if match and len(found) < MOST_SEGMENTS:
            found.setdefault(int(match.group(1)), {})[match.group(2)] = str(text)
    segments = []
    for number in sorted(found):
        stated = found[number]
        # Before segments shared layers each had its own, in the file's order, with the value one.
        layer, value = stated.get("Layer", str(number)), stated.get("LabelValue", "1")
        if "Name" not in stated and "Tags" not in stated:
            continue
        if not (layer.isdecimal() and value.isdecimal() and len(layer) < 6 and len(value) < 6):
            raise file_unreadable(KIND, "its list of segments is damaged")
        codes = (NAME_OF_CODE.get(code) for code in _CODE.findall(stated.get("Tags", "")))
        names = (stated.get("Name", ""), *(name for name in codes if name))
        segments.append(Segment(int(layer), int(value), names))
    return tuple(segments)


def _layer_count(sizes: tuple[int, ...], spatial: list[int]) -> int:
    rest = [axis for axis in range(len(sizes)) if axis not in spatial]
    if len(spatial) != 3 or len(rest) > 1 or (rest and rest[0] not in (0, 3)):
        raise not_three_dimensional(KIND, sizes)
    return sizes[rest[0]] if rest else 1


def _painted(path: Path, header: NrrdHeader, segments: tuple[Segment, ...], id_of: IdOfName) -> LabelSource:
    with damaged_header():
        sizes, spatial = space_axes(header.fields)
        list_first = len(sizes) == 4 and spatial == [1, 2, 3]
        count = _layer_count(sizes, spatial)
        i, j, k = (sizes[axis] for axis in spatial)
        flat = (count * i, j, k) if list_first else (i, j, k * count)
        layout = voxel_layout(header.fields, flat)
        affine = world_affine(header.fields, spatial)
    if layout.data_file is None and not header.ended:
        raise file_truncated(KIND)
    data, sha256 = layout_voxels(path, layout, header.data_at, KIND)
    layers: Any = data.reshape((count, i, j, k) if list_first else (i, j, k, count), order="F")
    canvas = Canvas((i, j, k))
    numbered = ((first_id(segment.names, id_of), segment) for segment in segments)
    wanted = sorted((pair for pair in numbered if pair[0]), key=lambda pair: pair[0])
    names: dict[int, str] = {}
    for number, segment in wanted:
        place = segment.layer if count > 1 else 0
        if place >= count:
            raise file_unreadable(KIND, "a segment lies in a layer that the file does not have")
        layer = layers[place] if list_first else layers[..., place]
        canvas.paint(..., layer == segment.value, number)
        names[number] = _best(segment, id_of)
    upright = rectify(canvas.ids, affine, fill=0.0, nearest=True)
    volume = Volume(upright.data.astype(np.uint8, copy=False), upright.affine, ScanInfo("NRRD", sha256))
    return LabelSource(
        volume, names, painted=True, part=True, overlaps=canvas.overlaps, structures=len(segments)
    )


def _best(segment: Segment, id_of: IdOfName) -> str:
    """The name by which the segment is wanted, else its own."""
    return next((name for name in segment.names if id_of(name)), segment.names[0])
