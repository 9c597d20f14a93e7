"""The case folder: what may be written where, one run at a time, and clear words where the disk says no."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from endplate.case import files
from endplate.case.folder import create_case, open_case
from endplate.case.hashing import canonical_json, code_hash, input_record
from endplate.case.lock import LOCK_NAME, case_lock
from endplate.case.manifest import InputRecord
from endplate.errors import EndplateError, InputError, InternalError, UsageError

RECORDS = {"ct": InputRecord(kind="nifti", sha256="0" * 64)}


def test_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(UsageError) as refused, create_case(tmp_path, RECORDS, force=True):
        pytest.fail("opened a folder that is not a case")
    assert refused.value.code == "out-not-empty"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_file_as_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("")
    with pytest.raises(UsageError) as refused, create_case(tmp_path / "out", RECORDS, force=False):
        pytest.fail("opened a file")
    assert refused.value.code == "out-not-a-folder"


def test_no_case_to_open(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused, open_case(tmp_path):
        pytest.fail("opened no case")
    assert refused.value.code == "case-missing"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "full"),
        (errno.EDQUOT, "full"),
        (errno.EROFS, "cannot be written"),
        (errno.EACCES, "cannot be written"),
        (errno.EIO, "failed"),
    ],
)
def test_disk_refusals_have_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    (tmp_path / "a.txt").write_text("old")

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(UsageError, match=words) as refused:
        files.write_whole(tmp_path / "a.txt", lambda part: part.write_text("new"))
    assert refused.value.exit_code == 2
    assert refused.value.code == "output-not-writable"
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_full_disk_for_real(tmp_path: Path) -> None:
    """A device that is always full, where the system has one."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(UsageError, match="full"), files.clear_write_errors(tmp_path):
        Path("/dev/full").write_bytes(b"x" * 10)


def test_folder_under_a_file_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(UsageError) as refused,
        create_case(tmp_path / "file" / "case", RECORDS, force=False),
    ):
        pytest.fail("made a folder in a file")
    assert refused.value.code == "output-not-writable"


def test_second_run_is_refused(tmp_path: Path) -> None:
    with case_lock(tmp_path), pytest.raises(UsageError) as refused, case_lock(tmp_path):
        pytest.fail("two runs in one case")
    assert refused.value.code == "case-busy"
    assert str(os.getpid()) in refused.value.what
    assert not (tmp_path / LOCK_NAME).exists()


HOLD = """
import sys, time
from pathlib import Path
from endplate.case.lock import case_lock
with case_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_of_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(UsageError, match=str(holder.pid)), case_lock(tmp_path):
            pytest.fail("two runs in one case")
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
        assert (tmp_path / LOCK_NAME).exists()
        with case_lock(tmp_path) as stale:
            assert stale
    finally:
        holder.kill()
        holder.wait(timeout=30)
    with case_lock(tmp_path) as stale:
        assert not stale


def test_input_record_knows_content_not_names(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    for folder, names in ((a, ("Doe_1.dcm", "Doe_2.dcm")), (b, ("IM2", "IM1"))):
        folder.mkdir()
        for name, content in zip(names, (b"x", b"y"), strict=True):
            (folder / name).write_bytes(content)
    assert input_record(a) == input_record(b)
    assert "Doe" not in input_record(a).model_dump_json()
    (b / "IM1").write_bytes(b"z")
    assert input_record(a) != input_record(b)


def test_input_record_covers_detached_data(tmp_path: Path) -> None:
    (tmp_path / "ct.mhd").write_text("NDims = 3\nElementDataFile = ct.raw\n")
    (tmp_path / "ct.raw").write_bytes(b"1")
    before = input_record(tmp_path / "ct.mhd")
    (tmp_path / "ct.raw").write_bytes(b"2")
    assert input_record(tmp_path / "ct.mhd").sha256 != before.sha256


def test_missing_input(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        input_record(tmp_path / "Doe^Jane.nii.gz")
    assert refused.value.code == "file-not-found"
    assert "Doe" not in str(refused.value.to_json())


def test_code_hash_differs_by_room() -> None:
    assert code_hash(["imaging"]) == code_hash(["imaging", "imaging"])
    assert code_hash(["imaging"]) != code_hash(["anatomy"])


def test_json_has_no_nan() -> None:
    assert canonical_json({"b": 1, "a": [0.1]}) == b'{"a":[0.1],"b":1}'
    with pytest.raises(InternalError):
        canonical_json({"a": float("nan")})


def test_failed_run_leaves_no_empty_folder(tmp_path: Path) -> None:
    def fail() -> None:
        raise InputError("file-truncated", "x", do="y")

    with pytest.raises(EndplateError), create_case(tmp_path / "new", RECORDS, force=False):
        fail()
    assert not (tmp_path / "new").exists()


def test_new_case_is_dated_only_under_timing(tmp_path: Path) -> None:
    with create_case(tmp_path / "case", RECORDS, force=False) as case:
        case.save()
    record = json.loads((tmp_path / "case/run.json").read_text())
    year = time.strftime("%Y")
    assert year in json.dumps(record.pop("timing"))
    assert "host" not in record
    assert f'"{year}-' not in json.dumps(record)
