"""Mutated files: whatever is wrong with them, the answer is an image or an error with a remedy."""

from __future__ import annotations

import gzip
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from ct_maker import grid, sample, write_meta, write_nii, write_nrrd, write_series

from endplate.errors import EndplateError, InternalError
from endplate.imaging.dicom_series import list_series
from endplate.imaging.quality import inspect
from endplate.imaging.read import read_grid, read_image

SHAPE = (12, 10, 6)
AFFINE = grid(np.diag([-1.0, -1.0, 1.0]), spacing=(6.0, 6.0, 3.0), shape=SHAPE)
DATA = sample(AFFINE, SHAPE)
ROUNDS = 30


def mutations(whole: bytes, rounds: int, seed: int) -> Iterator[bytes]:
    """Bit flips, overwritten stretches, cuts, insertions and doubled parts, most of them in the header."""
    rng = np.random.default_rng(seed)
    for n in range(rounds):
        raw = bytearray(whole)
        for _ in range(int(rng.integers(1, 6))):
            reach = len(raw) if n % 3 == 0 else min(len(raw), 700)
            at = int(rng.integers(0, max(1, reach)))
            kind = int(rng.integers(0, 6))
            if kind == 0 and raw:
                raw[at % len(raw)] ^= 1 << int(rng.integers(0, 8))
            elif kind == 1:
                length = int(rng.integers(1, 9))
                raw[at : at + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
            elif kind == 2:
                raw[at : at + 4] = [b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"nan ", b"-1 9"][
                    int(rng.integers(4))
                ]
            elif kind == 3 and n % 5 == 0:
                del raw[at:]
            elif kind == 4:
                raw[at:at] = rng.integers(0, 256, int(rng.integers(1, 20)), dtype=np.uint8).tobytes()
            else:
                raw[at : at + 16] = raw[:16]
        yield bytes(raw)


def attempt(*calls: Callable[[], object]) -> None:
    """Run each call; only errors that carry a remedy may come out."""
    for call in calls:
        try:
            call()
        except InternalError:
            raise
        except EndplateError as error:
            if not (error.code and error.what and error.do):
                raise AssertionError("an error without words") from error


@pytest.mark.parametrize("name", ["n.nii", "n.nii.gz", "c.nrrd", "z.nrrd", "m.mha", "z.mha"])
def test_single_files(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    if "nii" in name:
        write_nii(path, DATA, AFFINE)
    elif name.endswith("nrrd"):
        write_nrrd(path, DATA, AFFINE, encoding="raw" if name[0] == "c" else "gzip")
    else:
        write_meta(path, DATA, AFFINE, packed=name[0] == "z")
    whole = path.read_bytes()
    assert read_image(path).shape == SHAPE
    for raw in mutations(whole, ROUNDS, seed=len(name)):
        path.write_bytes(raw)
        attempt(lambda: inspect(read_image(path)), lambda: read_grid(path, nearest=True))
    if name.endswith(".gz"):  # mutations below the compression reach the parser
        for raw in mutations(gzip.decompress(whole), ROUNDS, seed=3):
            path.write_bytes(gzip.compress(raw, 1))
            attempt(lambda: read_image(path))


def test_dicom_folder(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "d", DATA, AFFINE)
    victim = sorted(folder.iterdir())[2]
    whole = victim.read_bytes()
    for raw in mutations(whole, ROUNDS, seed=11):
        victim.write_bytes(raw)
        attempt(lambda: read_image(folder), lambda: list_series(folder))


def test_dicom_all_slices(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "d", DATA, AFFINE)
    files = {path: path.read_bytes() for path in sorted(folder.iterdir())}
    for seed in range(ROUNDS // 3):
        for path, whole in files.items():
            path.write_bytes(next(mutations(whole, 1, seed=seed)))
        attempt(lambda: read_image(folder), lambda: list_series(folder))


def test_zip_archive(tmp_path: Path) -> None:
    folder = write_series(tmp_path / "d", DATA, AFFINE)
    path = Path(shutil.make_archive(str(tmp_path / "x"), "zip", folder))
    whole = path.read_bytes()
    assert zipfile.is_zipfile(path)
    for raw in mutations(whole, ROUNDS // 2, seed=17):
        path.write_bytes(raw)
        attempt(lambda: read_image(path), lambda: list_series(path))
    tail = whole[-600:]  # the directory of the archive stands at its end
    for raw in mutations(tail, ROUNDS // 2, seed=19):
        path.write_bytes(whole[:-600] + raw)
        attempt(lambda: read_image(path), lambda: list_series(path))


def test_a_null_byte_in_the_name_of_the_voxel_file(tmp_path: Path) -> None:
    path = write_meta(tmp_path / "x.mhd", DATA, AFFINE, packed=False)
    path.write_bytes(path.read_bytes().replace(b"x.raw", b"x\0raw"))
    with pytest.raises(EndplateError):
        read_image(path)


@pytest.mark.filterwarnings("error")
def test_numbers_without_bound_are_refused_without_a_word_on_stderr(tmp_path: Path) -> None:
    path = write_nrrd(tmp_path / "x.nrrd", DATA, AFFINE)
    path.write_bytes(path.read_bytes().replace(b"(6,", b"(6e999,", 1))
    with pytest.raises(EndplateError) as caught:
        read_image(path)
    assert caught.value.code == "singular-affine"
