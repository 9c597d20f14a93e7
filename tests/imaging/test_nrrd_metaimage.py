"""NRRD and MetaImage: spaces, units, detached data, damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ct_maker import LPS, grid, sample, write_meta, write_nrrd

from endplate.errors import EndplateError
from endplate.imaging.read import read_grid, read_image

AFFINE = grid(np.diag([-1.0, -1.0, 1.0]))
DATA = sample(AFFINE)


def refusal(path: Path) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        read_image(path)
    assert caught.value.do
    return caught.value


def edit(path: Path, *changes: tuple[str, str]) -> Path:
    """Replace words of the text header."""
    raw = path.read_bytes()
    for old, new in changes:
        assert old.encode() in raw
        raw = raw.replace(old.encode(), new.encode(), 1)
    path.write_bytes(raw)
    return path


@pytest.mark.parametrize("space", ["LPS", "RAS", "LAS"])
@pytest.mark.parametrize("short", [False, True])
def test_every_anatomical_space_of_nrrd(space: str, short: bool, tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "x.nrrd", DATA, AFFINE, space=space)
    long = {
        "LPS": "left-posterior-superior",
        "RAS": "right-anterior-superior",
        "LAS": "left-anterior-superior",
    }
    if short:
        edit(path, (f"space: {long[space]}", f"space: {space}"))
    np.testing.assert_allclose(read_image(path).affine, AFFINE, atol=1e-6)


def test_nrrd_without_an_anatomical_place_is_refused(tmp_path: Path) -> None:
    for n, change in enumerate(
        [
            ("space: left-posterior-superior", "space: scanner-xyz"),
            ("space: left-posterior-superior", "# space"),
            ("space directions:", "# directions"),
            ("space origin:", "# origin"),
        ]
    ):
        path = edit(write_nrrd(tmp_path / f"{n}.nrrd", DATA, AFFINE), change)
        error = refusal(path)
        assert error.code == "no-orientation", change
        assert error.exit_code == 3


def test_nrrd_units_and_lists(tmp_path: Path) -> None:
    metres = AFFINE.copy()
    metres[:3] *= 1e-3
    path = write_nrrd(tmp_path / "x.nrrd", DATA, metres, **{"space units": ["m", "m", "m"]})
    np.testing.assert_allclose(read_image(path).affine, AFFINE, atol=1e-6)
    path = write_nrrd(tmp_path / "y.nrrd", DATA, AFFINE, **{"space units": ["mm", "mm", "furlong"]})
    assert refusal(path).code == "file-unsupported"
    channel = edit(
        write_nrrd(tmp_path / "z.nrrd", DATA, AFFINE, encoding="raw"),
        ("dimension: 3", "dimension: 4"),
        ("sizes: 56", "sizes: 1 56"),
        ("space directions: (", "space directions: none ("),
        ("kinds: domain", "kinds: list domain"),
    )
    np.testing.assert_array_equal(read_image(channel).data, DATA)


def test_detached_voxels_must_lie_beside_their_header(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    path = write_nrrd(tmp_path / "a" / "x.nhdr", DATA, AFFINE, encoding="raw")
    voxels = tmp_path / "a" / "x.raw"
    np.testing.assert_array_equal(read_image(path).data, DATA)
    hidden = voxels.rename(tmp_path / "x.raw")
    assert "is not there" in refusal(path).what
    edit(path, ("data file: x.raw", "data file: ../x.raw"))
    assert "outside its own folder" in refusal(path).what
    edit(path, ("data file: ../x.raw", f"data file: {hidden}"))
    assert refusal(path).code == "file-unsupported"
    meta = write_meta(tmp_path / "y.mhd", DATA, AFFINE, packed=False)
    edit(meta, ("ElementDataFile = y.raw", "ElementDataFile = ../../../etc/passwd"))
    assert refusal(meta).code == "file-unsupported"
    edit(meta, ("ElementDataFile = ../../../etc/passwd", "ElementDataFile = LIST"))
    assert "several files" in refusal(meta).what


def test_skipped_bytes(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "x.nhdr", DATA, AFFINE, encoding="raw")
    voxels = tmp_path / "x.raw"
    voxels.write_bytes(b"head" * 25 + voxels.read_bytes())
    for skip in (100, -1):
        path = edit(path, ("encoding: raw", f"byte skip: {skip}\nencoding: raw"))
        np.testing.assert_array_equal(read_image(path).data, DATA)
        path = edit(path, (f"byte skip: {skip}\n", ""))
    meta = write_meta(tmp_path / "y.mhd", DATA, AFFINE, packed=False, HeaderSize="-1")
    voxels = tmp_path / "y.raw"
    voxels.write_bytes(b"head" * 25 + voxels.read_bytes())
    np.testing.assert_array_equal(read_image(meta).data, DATA)


def test_hash_covers_header_and_voxels(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "x.nhdr", DATA, AFFINE, encoding="raw")
    first = read_image(path).scan.source_sha256
    write_nrrd(tmp_path / "x.nhdr", DATA + np.int16(1), AFFINE, encoding="raw")
    assert read_image(path).scan.source_sha256 != first


def test_metaimage_byte_order_scale_and_type(tmp_path: Path) -> None:
    path = write_meta(
        tmp_path / "x.mha", DATA.astype(">i2").view("i2"), AFFINE, BinaryDataByteOrderMSB="True", packed=False
    )
    np.testing.assert_array_equal(read_image(path).data, DATA)
    scaled = write_meta(
        tmp_path / "y.mha", DATA + np.int16(1024), AFFINE, ElementToIntensityFunctionOffset="-1024"
    )
    np.testing.assert_array_equal(read_image(scaled).data, DATA)
    floats = write_meta(tmp_path / "z.mha", DATA.astype(np.float32), AFFINE)
    assert read_image(floats).data.dtype == np.float32
    assert (
        read_grid(write_meta(tmp_path / "l.mha", (DATA > 300).astype(np.uint8), AFFINE)).data.dtype
        == np.uint8
    )


def test_metaimage_rows_of_the_matrix_are_voxel_axes(tmp_path: Path) -> None:
    path = write_meta(tmp_path / "x.mha", DATA, AFFINE)
    edit(path, ("TransformMatrix = 1 0 0 0 1 0 0 0 1", "TransformMatrix = 0 1 0 0 0 1 1 0 0"))
    expected = np.eye(4)
    expected[:3, :3] = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]], float) * [1.5, 1.5, 2.0]
    expected[:3, 3] = (LPS @ AFFINE)[:3, 3]
    np.testing.assert_allclose(read_image(path).affine, LPS @ expected, atol=1e-9)


def test_metaimage_refusals(tmp_path: Path) -> None:
    for n, (changes, code) in enumerate(
        [
            ({"TransformMatrix": ""}, "no-orientation"),
            ({"Offset": ""}, "no-orientation"),
            ({"ElementSpacing": ""}, "file-unreadable"),
            ({"ElementType": "MET_SHORT_ARRAY"}, "file-unsupported"),
            ({"ElementNumberOfChannels": "3"}, "not-three-dimensional"),
            ({"BinaryData": "False"}, "file-unsupported"),
            ({"DimSize": "56 44"}, "file-unreadable"),
            ({"ElementSpacing": "0 1 1"}, "singular-affine"),
            ({"DistanceUnits": "parsec"}, "file-unreadable"),
            ({"ElementToIntensityFunctionSlope": "nan"}, "file-unreadable"),
            ({"DimSize": "56 44 -30"}, "file-unreadable"),
        ]
    ):
        assert refusal(write_meta(tmp_path / f"{n}.mha", DATA, AFFINE, **changes)).code == code, changes


@pytest.mark.parametrize("keep", [0.0, 0.0003, 0.3, 0.99])
@pytest.mark.parametrize("name", ["x.nrrd", "r.nrrd", "x.mha", "r.mha"])
def test_truncated_files_are_refused(name: str, keep: float, tmp_path: Path) -> None:
    packed = name.startswith("x")
    if name.endswith("nrrd"):
        path = write_nrrd(tmp_path / name, DATA, AFFINE, encoding="gzip" if packed else "raw")
    else:
        path = write_meta(tmp_path / name, DATA, AFFINE, packed=packed)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * keep)])
    error = refusal(path)
    assert error.exit_code == 3
    if keep > 0.1:
        assert error.code == "file-truncated"


def test_text_encodings_and_odd_types_are_refused(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "x.nrrd", DATA[:4, :4, :4], AFFINE, encoding="ascii")
    assert refusal(path).code == "file-unsupported"
    assert refusal(edit(path, ("type: int16", "type: block"))).code == "file-unsupported"
    raw = edit(write_nrrd(tmp_path / "y.nrrd", DATA, AFFINE), ("endian: little", "# endian"))
    assert refusal(raw).code == "file-unreadable"
    assert refusal(edit(raw, ("dimension: 3", "dimension: 2"))).code == "file-unreadable"
    (tmp_path / "z.nrrd").write_bytes(b"hello")
    assert refusal(tmp_path / "z.nrrd").code == "file-unreadable"
