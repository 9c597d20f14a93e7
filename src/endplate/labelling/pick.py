"""The pick page: one HTML file with the CT in it, in which a person clicks into vertebral bodies and saves the points.

It works from a local disk without a network. The images in it are coarser than the CT and serve for clicking only.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from endplate.imaging.fingerprint import ct_fingerprint
from endplate.imaging.geometry import FloatArray, voxel_sizes_mm
from endplate.imaging.volume import Volume
from endplate.imaging.write import replacing
from endplate.labelling.pick_start import spine_start
from endplate.labelling.pick_told import ToldPoints
from endplate.labelling.points import PointSet, clickable_levels
from endplate.labelling.points_files import points_document
from endplate.papers.page import render
from endplate.sources import value

WINDOWS: tuple[tuple[str, tuple[float, float]], ...] = (
    ("Bone", (-200.0, 900.0)),
    ("Soft", (-120.0, 240.0)),
    ("Wide", (-900.0, 1800.0)),
)
"""Names and ranges in HU of the window presets, keys 1 to 3."""

CODE_HU = (-1000.0, -200.0, 600.0, 2500.0)
CODE_AT = (0.0, 15.0, 235.0, 255.0)
"""Hounsfield units to one byte: steps of 3.6 HU where soft tissue and spongy bone are, coarse outside."""

SCRIPTS = ("pick_points.js", "pick_views.js", "pick_page.js")
"""The page's scripts, in the order in which they build on each other."""

BODY_HU = -300.0
"""Voxels above are no air: the planes are cut to them."""

PACKING = 6
"""zlib's usual effort: the best takes three times as long for two per cent."""

ROUNDING = 1e-6
"""A voxel of a millimetre fits into a pixel of a millimetre."""

COARSER = 1.1
"""Factor by which pixels grow until the images fit."""

MOST_PACKED = 4.0
"""CTs take about half of their size when packed; one that takes a fourth is mostly air."""

LEAST_PIXELS = 32
"""Images smaller than this along every axis are not made coarser still."""

_BASE64 = 4.0 / 3.0


@dataclass(frozen=True, eq=False)
class Planes:
    """The CT as the page holds it.

    Parameters
    ----------
    codes:
        One byte a voxel, shape (R, A, S), axes toward the patient's right, front and head.
    affine:
        4×4, voxel → RAS mm.
    packed:
        Codes as differences along the first axis, zlib, base64.
    """

    codes: NDArray[np.uint8]
    affine: FloatArray
    packed: str

    @property
    def pixel_words(self) -> str:
        """Voxel sizes toward R, A and S for people."""
        return " × ".join(f"{size:.2g}" for size in voxel_sizes_mm(self.affine))


def write_pick_page(path: Path, image: Volume, points: PointSet | None = None) -> None:
    """Write the page; the same bytes for the same CT and points.

    Parameters
    ----------
    path:
        A file of that name is replaced.
    image:
        The CT.
    points:
        Points to begin with; those proposed are shown as such until they are confirmed.

    Raises
    ------
    UsageError
        ``output-not-writable``.
    """
    text = pick_page(image, points)
    with replacing(path, "page") as file:
        file.write(text.encode("utf-8"))


def pick_page(image: Volume, points: PointSet | None = None) -> str:
    """The page as HTML text."""
    planes = planes_of(image)
    fingerprint = ct_fingerprint(image)
    stored = [] if points is None else points_document(points, fingerprint).model_dump(mode="json")["points"]
    told, ends = (dict(points.told), points.ends) if isinstance(points, ToldPoints) else ({}, ())
    hu_of_code = np.interp(np.arange(256), CODE_AT, CODE_HU)
    data: dict[str, Any] = {
        "ct_fingerprint": fingerprint,
        "shape": list(planes.codes.shape),
        "affine": [[round(float(c), 6) for c in row] for row in planes.affine[:3]],
        "hu_of_code": [round(float(hu)) for hu in hu_of_code],
        "air_hu": float(value("labelling.air_hu")),
        "dense_hu": float(value("labelling.dense_hu")),
        "start": spine_start(planes.codes, hu_of_code, voxel_sizes_mm(planes.affine)),
        "windows": [{"name": name, "range": list(span)} for name, span in WINDOWS],
        "levels": list(clickable_levels()),
        "points": stored,
        "told": told,
        "ends": ends,
    }
    # "<" inside a script element could end it.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    folder = resources.files("endplate.labelling") / "templates"
    script = "\n".join((folder / name).read_text("utf-8") for name in SCRIPTS)
    return render(
        "endplate.labelling",
        "pick.html",
        style=Markup((folder / "pick.css").read_text("utf-8")),  # our own file
        script=Markup(script),  # our own files
        data=Markup(text),  # escaped above
        planes=planes.packed,
        ends=ends,
        windows=[{"name": name} for name, _ in WINDOWS],
        pixel=planes.pixel_words,
        fingerprint=fingerprint,
    )


def planes_of(image: Volume) -> Planes:
    """The CT turned to R, A, S, cut to the body, and made coarser until it fits into the page."""
    turned, affine = _turned(image)
    turned, affine = _cut_to_body(turned, affine)
    limit = float(value("labelling.pick_megabytes")) * 1e6 / _BASE64
    pixel_mm = float(value("labelling.pick_plane_mm"))
    while True:
        factors = _factors(turned.shape, affine, pixel_mm)
        count = float(np.prod([n // f for n, f in zip(turned.shape, factors, strict=True)]))
        least = max(n // f for n, f in zip(turned.shape, factors, strict=True)) < LEAST_PIXELS
        if count <= MOST_PACKED * limit or least:  # else packing it would be in vain
            codes, coarse = _coarser(turned, affine, factors)
            packed = zlib.compress(_differences(codes), PACKING)
            if len(packed) <= limit or least:
                return Planes(codes, coarse, base64.b64encode(packed).decode("ascii"))
        while _factors(turned.shape, affine, pixel_mm) == factors:
            pixel_mm *= COARSER


def code_of_hu(hu: NDArray[Any]) -> NDArray[np.uint8]:
    """Hounsfield units as bytes."""
    codes: NDArray[np.uint8] = np.rint(np.interp(hu, CODE_HU, CODE_AT)).astype(np.uint8)
    return codes


def _turned(image: Volume) -> tuple[NDArray[Any], FloatArray]:
    """The image with axes toward R, A and S, not resampled."""
    codes = image.axis_codes
    order = [next(axis for axis in range(3) if codes[axis] in pair) for pair in ("RL", "AP", "SI")]
    data = image.data.transpose(order)
    affine = np.eye(4)
    corner = np.zeros(3)
    flips = []
    for column, axis in enumerate(order):
        forward = codes[axis] in "RAS"
        affine[:3, column] = image.affine[:3, axis] if forward else -image.affine[:3, axis]
        corner[axis] = 0.0 if forward else image.shape[axis] - 1
        flips.append(slice(None, None, 1 if forward else -1))
    affine[:3, 3] = image.to_world(corner)
    return data[tuple(flips)], affine


def _cut_to_body(data: NDArray[Any], affine: FloatArray) -> tuple[NDArray[Any], FloatArray]:
    box = []
    for axis in range(3):
        others = tuple(a for a in range(3) if a != axis)
        inside = np.flatnonzero((data > BODY_HU).any(axis=others))
        box.append(slice(int(inside[0]), int(inside[-1]) + 1) if inside.size else slice(None))
    moved = affine.copy()
    start = np.array([part.start or 0 for part in box], dtype=np.float64)
    moved[:3, 3] = affine[:3, :3] @ start + affine[:3, 3]
    return data[tuple(box)], moved


def _factors(shape: tuple[int, ...], affine: FloatArray, pixel_mm: float) -> tuple[int, int, int]:
    """Voxels along each axis that make up one pixel."""
    sizes = voxel_sizes_mm(affine)
    i, j, k = (min(n, max(1, int(pixel_mm / size + ROUNDING))) for n, size in zip(shape, sizes, strict=True))
    return i, j, k


def _coarser(
    data: NDArray[Any], affine: FloatArray, factors: tuple[int, int, int]
) -> tuple[NDArray[np.uint8], FloatArray]:
    """Means over blocks of voxels; slice by slice, so that no second whole copy is made."""
    fi, fj, fk = factors
    ni, nj, nk = (n // f for n, f in zip(data.shape, factors, strict=True))
    codes = np.zeros((ni, nj, nk), dtype=np.uint8, order="F")
    for k in range(nk):
        block = data[: ni * fi, : nj * fj, k * fk : (k + 1) * fk].astype(np.float32)
        codes[:, :, k] = code_of_hu(block.reshape(ni, fi, nj, fj, fk).mean(axis=(1, 3, 4)))
    coarse = affine.copy()
    coarse[:3, :3] = affine[:3, :3] * np.array(factors)
    coarse[:3, 3] = affine[:3, 3] + affine[:3, :3] @ ((np.array(factors) - 1) / 2.0)
    return codes, coarse


def _differences(codes: NDArray[np.uint8]) -> bytes:
    """Each row as its first byte and the differences that follow, modulo 256; rows run along the first axis."""
    rows = codes.transpose(2, 1, 0)
    apart = np.diff(rows, axis=2, prepend=np.zeros_like(rows[:, :, :1]))
    return np.ascontiguousarray(apart).tobytes()
