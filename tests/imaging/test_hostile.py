"""A part of the mutated files of the validation, on every run."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest
from hostile import Seeds, attempt, hostile, make_seeds

from endplate.errors import EndplateError
from endplate.imaging.read import read_image

PART = 150


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    return make_seeds(tmp_path_factory.mktemp("seeds"))


def test_every_seed_is_read_as_it_is(seeds: Seeds, tmp_path: Path) -> None:
    for kind, files in {**seeds.folders, **{k: {k: v} for k, v in seeds.singles.items()}}.items():
        for name, content in files.items():
            path = tmp_path / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        assert attempt(tmp_path / kind / kind if kind in seeds.singles else tmp_path / kind) == "read", kind


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom's own, while the files are spoilt
def test_mutated_files_end_in_an_image_or_in_words(seeds: Seeds, tmp_path: Path) -> None:
    said = [attempt(hostile(seeds, number, tmp_path / "x")) for number in range(PART)]
    assert said.count("read") < 0.7 * PART
    assert len(set(said)) >= 8


def test_a_tower_of_sequences_is_no_traceback(seeds: Seeds, tmp_path: Path, monkeypatch) -> None:
    """Neither in the open nor from what the interpreter finalises at the limit of its stack."""
    unraisable: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", unraisable.append)
    name = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    for file, content in seeds.folders["explicit"].items():
        mark = b"\x08\x00\x60\x00CS"
        assert mark in content
        (tmp_path / file).write_bytes(content.replace(mark, name * 50_000 + mark, 1))
    with pytest.raises(EndplateError) as caught:
        read_image(tmp_path)
    assert caught.value.code == "file-unreadable"
    gc.collect()
    assert not unraisable


@pytest.mark.parametrize(("depth", "read"), [(32, True), (33, False)])
def test_sequences_as_deep_as_stated_are_read(seeds: Seeds, tmp_path: Path, depth: int, read: bool) -> None:
    start = b"\x08\x00\x40\x11SQ\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\x00\x00\x00\x00\xfe\xff\xdd\xe0\x00\x00\x00\x00"
    mark = b"\x08\x00\x60\x00CS"
    for file, content in seeds.folders["explicit"].items():
        (tmp_path / file).write_bytes(content.replace(mark, start * depth + end * depth + mark, 1))
    assert attempt(tmp_path) == ("read" if read else "file-unreadable")


def test_a_header_without_end_is_not_read_to_its_end(seeds: Seeds, tmp_path: Path, monkeypatch) -> None:
    """An element that claims gigabytes before the pixels, and a file that has them, cost no memory."""
    from endplate.imaging import dicom_files

    real = dicom_files.value
    monkeypatch.setattr(
        dicom_files, "value", lambda key: 20_000 if key == "imaging.max_header_bytes" else real(key)
    )
    most = 0
    read = dicom_files._Head.read

    def watched(head, count=-1):
        nonlocal most
        got = read(head, count)
        most = max(most, head.tell())
        return got

    monkeypatch.setattr(dicom_files._Head, "read", watched)
    for file, content in seeds.folders["explicit"].items():
        mark = b"\x10\x00\x10\x00PN"
        name = b"\x10\x00\x10\x00UN\x00\x00" + (4_000_000).to_bytes(4, "little") + bytes(4_000_000)
        (tmp_path / file).write_bytes(content.replace(mark, name + mark, 1))
    with pytest.raises(EndplateError):
        read_image(tmp_path)
    assert 1_000 < most <= 20_000
