"""STL files: what a reader of the format finds, and closed cylinders."""

from __future__ import annotations

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.imaging.stl import cylinder, write_stl

ENDS = np.array([[10.0, -20.0, 30.0], [14.0, 25.0, 21.0]])


def volume(triangles: np.ndarray) -> float:
    """Signed volume by the divergence theorem; positive where normals point outward."""
    return float(np.einsum("ij,ij->", triangles[:, 0], np.cross(triangles[:, 1], triangles[:, 2])) / 6.0)


def edges(triangles: np.ndarray) -> Counter[tuple[tuple[float, ...], tuple[float, ...]]]:
    corners = [tuple(map(tuple, np.round(one, 9))) for one in triangles.tolist()]
    return Counter((one[n], one[(n + 1) % 3]) for one in corners for n in range(3))


def is_closed(triangles: np.ndarray) -> bool:
    """Every edge once in each direction."""
    count = edges(triangles)
    return all(n == 1 and count[(b, a)] == 1 for (a, b), n in count.items())


@pytest.mark.parametrize("end", [(0.0, 0.0, 9.0), (0.0, 0.0, -9.0), (9.0, 0.0, 0.0), (3.0, -4.0, 12.0)])
@pytest.mark.parametrize("bore", [0.0, 1.1])
@pytest.mark.parametrize("sides", [3, 16, 64])
def test_cylinders_are_closed_and_turn_outward(end: tuple[float, ...], bore: float, sides: int) -> None:
    triangles = cylinder((0.0, 0.0, 0.0), end, 1.6, sides, bore_radius_mm=bore)
    assert triangles.shape == ((8 if bore else 4) * sides, 3, 3)
    assert is_closed(triangles)
    polygon = sides / 2.0 * np.sin(2.0 * np.pi / sides)
    assert volume(triangles) == pytest.approx(polygon * (1.6**2 - bore**2) * np.linalg.norm(end), rel=1e-9)


def test_cylinders_lie_where_they_should() -> None:
    triangles = cylinder(*ENDS, 2.0, 48)
    axis = (ENDS[1] - ENDS[0]) / np.linalg.norm(ENDS[1] - ENDS[0])
    along = (triangles - ENDS[0]) @ axis
    across = np.linalg.norm((triangles - ENDS[0]) - along[..., None] * axis, axis=-1)
    assert along.min() == pytest.approx(0.0, abs=1e-9)
    assert along.max() == pytest.approx(np.linalg.norm(ENDS[1] - ENDS[0]))
    assert across.max() == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("end", "radius", "sides", "bore"),
    [
        ((0, 0, 0), 1, 8, 0),
        ((1, 0, 0), 0, 8, 0),
        ((1, 0, 0), 1, 2, 0),
        ((1, 0, 0), 1, 8, 1),
        ((np.nan, 0, 0), 1, 8, 0),
    ],
)
def test_no_cylinder_without_a_shape(end: tuple[float, ...], radius: float, sides: int, bore: float) -> None:
    with pytest.raises(ValueError, match="cylinder"):
        cylinder((0, 0, 0), end, radius, sides, bore_radius_mm=bore)


def test_a_file_holds_the_triangles_in_lps(tmp_path: Path) -> None:
    triangles = cylinder(*ENDS, 1.5, 12)
    path = tmp_path / "cannula.stl"
    write_stl(path, triangles, "11G cannula, L1 left – Ø")
    content = path.read_bytes()
    assert content.startswith(b"SPACE=LPS; 11G cannula, L1 left")
    assert content[:80].isascii()
    (count,) = struct.unpack("<I", content[80:84])
    assert count == len(triangles)
    assert len(content) == 84 + 50 * count
    for n, one in enumerate(triangles):
        values = struct.unpack("<12fH", content[84 + 50 * n : 134 + 50 * n])
        corners = np.array(values[3:12]).reshape(3, 3)
        assert np.allclose(corners, one * [-1.0, -1.0, 1.0], atol=1e-5)
        normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
        assert np.allclose(values[:3], normal / np.linalg.norm(normal), atol=1e-3)
        assert values[12] == 0
    stored = (
        np.frombuffer(content[84:], np.uint8)
        .reshape(count, 50)[:, 12:48]
        .copy()
        .view("<f4")
        .reshape(-1, 3, 3)
    )
    assert volume(stored.astype(float)) == pytest.approx(volume(triangles), rel=1e-4)
    first = path.read_bytes()
    write_stl(path, triangles, "11G cannula, L1 left – Ø")
    assert path.read_bytes() == first


def test_what_is_no_mesh_is_not_written(tmp_path: Path) -> None:
    for bad in (np.zeros((2, 3)), np.full((1, 3, 3), np.inf)):
        with pytest.raises(ValueError, match="triangles"):
            write_stl(tmp_path / "x.stl", bad)
    assert not list(tmp_path.iterdir())
    with pytest.raises(UsageError):
        write_stl(tmp_path / "no" / "x.stl", np.zeros((1, 3, 3)))
    write_stl(tmp_path / "empty.stl", np.zeros((0, 3, 3)))
    assert (tmp_path / "empty.stl").stat().st_size == 84
