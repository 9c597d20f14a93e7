"""Triangle meshes to binary STL files, and the cylinder of a cannula."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from endplate.imaging.geometry import FloatArray
from endplate.imaging.write import replacing

HEADER_BYTES = 80

SPACE_NOTE = "SPACE=LPS"
"""What 3D Slicer looks for in the header; LPS is what it takes an STL file for in any case."""

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])


def write_stl(path: Path, triangles_ras_mm: ArrayLike, header: str = "") -> None:
    """Write triangles as binary STL in LPS mm, with the note ``SPACE=LPS`` in the header.

    Parameters
    ----------
    path:
        Where to.
    triangles_ras_mm:
        Corners, shape (N, 3, 3), RAS mm, counter-clockwise seen from outside.
    header:
        Words for the header, ASCII, at most 68 characters of which are kept; nothing personal belongs there.

    Raises
    ------
    ValueError
        Not (N, 3, 3), or not finite.
    UsageError
        ``output-not-writable``.
    """
    triangles = np.asarray(triangles_ras_mm, dtype=np.float64)
    if triangles.ndim != 3 or triangles.shape[1:] != (3, 3) or not np.isfinite(triangles).all():
        raise ValueError("triangles are finite numbers of shape (N, 3, 3)")
    # Half a turn about z: the order of the corners still runs counter-clockwise from outside.
    lps = (triangles * [-1.0, -1.0, 1.0]).astype(np.float32) + np.float32(0.0)
    records = np.zeros(len(lps), dtype=_RECORD)
    records["normal"] = _normals(lps.astype(np.float64)) + 0.0
    records["corners"] = lps
    words = "".join(c for c in header if " " <= c <= "~")[: HEADER_BYTES - len(SPACE_NOTE) - 3]
    # A file that begins with "solid" is taken for the text kind of STL.
    note = f"{SPACE_NOTE}; {words}" if words else SPACE_NOTE
    with replacing(path) as file:
        file.write(note.encode("ascii").ljust(HEADER_BYTES, b" "))
        file.write(np.uint32(len(records)).astype("<u4").tobytes())
        file.write(records.tobytes())


def cylinder(
    start_ras_mm: ArrayLike,
    end_ras_mm: ArrayLike,
    radius_mm: float,
    sides: int = 32,
    *,
    bore_radius_mm: float = 0.0,
) -> FloatArray:
    """Return the closed surface of a straight cylinder, or of a tube where it has a bore.

    Parameters
    ----------
    start_ras_mm, end_ras_mm:
        Middles of the two end faces, shape (3,).
    radius_mm:
        Outer radius; corners lie on it, so that the faces between lie up to radius·(1 − cos(π/sides)) within.
    sides:
        Corners around, at least 3.
    bore_radius_mm:
        Inner radius, 0 for a solid cylinder.

    Returns
    -------
    ndarray
        Triangles, shape (4·sides, 3, 3) or (8·sides, 3, 3) with a bore, RAS mm, counter-clockwise seen from
        outside; every edge is shared by two triangles that run along it in opposite directions.

    Raises
    ------
    ValueError
        No length, no radius, fewer than 3 sides, or a bore as wide as the cylinder.
    """
    start, end = np.asarray(start_ras_mm, dtype=np.float64), np.asarray(end_ras_mm, dtype=np.float64)
    length = float(np.linalg.norm(end - start))
    if not (length > 0 and radius_mm > 0 and sides >= 3 and 0 <= bore_radius_mm < radius_mm):
        raise ValueError("a cylinder has a length, a radius, 3 or more sides and a bore narrower than itself")
    across, up = _across((end - start) / length)
    angle = 2.0 * np.pi * np.arange(sides) / sides
    ring = np.cos(angle)[:, None] * across + np.sin(angle)[:, None] * up
    outer = [middle + radius_mm * ring for middle in (start, end)]
    faces = [_band(outer[0], outer[1])]
    if bore_radius_mm > 0:
        inner = [middle + bore_radius_mm * ring for middle in (start, end)]
        faces += [_band(inner[1], inner[0]), _band(inner[0], outer[0]), _band(outer[1], inner[1])]
    else:
        faces += [_fan(start, outer[0][::-1]), _fan(end, outer[1])]
    return np.concatenate(faces)


def _across(axis: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors that make a right-handed frame with the axis."""
    helper = np.zeros(3)
    helper[int(np.argmin(np.abs(axis)))] = 1.0
    across = np.cross(helper, axis)
    across /= np.linalg.norm(across)
    return across, np.cross(axis, across)


def _band(first: FloatArray, second: FloatArray) -> FloatArray:
    """Triangles between two rings; seen from outside ``first`` runs to the right and ``second`` lies above."""
    first_next, second_next = np.roll(first, -1, axis=0), np.roll(second, -1, axis=0)
    lower = np.stack([first, first_next, second_next], axis=1)
    upper = np.stack([first, second_next, second], axis=1)
    return np.concatenate([lower, upper])


def _fan(middle: FloatArray, ring: FloatArray) -> FloatArray:
    """Triangles from the middle to a ring."""
    return np.stack([np.broadcast_to(middle, ring.shape), ring, np.roll(ring, -1, axis=0)], axis=1)


def _normals(triangles: NDArray[np.float64]) -> NDArray[np.float64]:
    cross = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    length = np.linalg.norm(cross, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(cross, length, out=np.zeros_like(cross), where=length > 0)
    return unit
