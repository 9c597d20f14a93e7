"""A program in the place of a segmenter that fails, fills the disk, hangs, is interrupted or heeds nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from fake_segmenters import Fake, behaves, refusal, run

from endplate.errors import EndplateError
from endplate.imaging.volume import Volume

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake program is a script with a first line")


def test_a_tool_that_fails_is_quoted_without_paths(fake: Fake) -> None:
    fake.install(
        "spineps", "print('starting'); sys.exit(f'RuntimeError: no weights in {os.getcwd()}/models/ct')"
    )
    error = refusal("spineps")
    assert (error.code, error.exit_code) == ("segmenter-failed", 3)
    assert "exit code 1" in error.what
    assert "RuntimeError: no weights in …" in error.what
    assert str(fake.folder) not in error.what
    assert not fake.work.exists()


def test_a_tool_killed_by_the_system(fake: Fake) -> None:
    fake.install("spineps", "os.kill(os.getpid(), signal.SIGKILL)")
    assert "signal 9" in refusal("spineps").what


def test_a_full_disk_is_told_as_such(fake: Fake) -> None:
    fake.install("spineps", "sys.exit('OSError: [Errno 28] No space left on device')")
    error = refusal("spineps")
    assert (error.code, error.exit_code) == ("segmenter-disk-full", 2)


def test_no_room_for_the_ct(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    behaves(fake, "spineps")

    def full(_volume: Volume, _path: Path) -> None:
        raise EndplateError("output-not-writable", "The disk is full.", do="Free some space.")

    monkeypatch.setattr("endplate.labelling.segmenters.run.write_nifti", full)
    assert refusal("spineps").code == "output-not-writable"
    assert list(fake.folder.glob("endplate-segment-*")) == []


def test_a_tool_that_cannot_be_started(fake: Fake) -> None:
    fake.install("spineps", "")
    (fake.folder / "bin" / "spineps").write_bytes(b"\x7fELF but no program")
    assert refusal("spineps").code == "segmenter-failed"


def alive(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    return True


def gone(number: int) -> bool:
    for _ in range(100):
        if not alive(number):
            return True
        try:  # a stopped child of nobody stays a zombie where no one reaps it
            if Path(f"/proc/{number}/stat").read_text().split()[2] == "Z":
                return True
        except OSError:
            return True
        time.sleep(0.05)
    return False


HANGS = """
child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])
Path({pids!r}).write_text(f'{{os.getpid()}} {{child.pid}}')
print('thinking', flush=True)
time.sleep(600)
"""


def test_a_tool_that_hangs_is_stopped_with_all_it_started(fake: Fake) -> None:
    pids = fake.folder / "pids"
    fake.install("totalspineseg", HANGS.format(pids=str(pids)))
    error = refusal("totalspineseg", limit_s=1.5)
    assert (error.code, error.exit_code) == ("segmenter-too-slow", 3)
    assert "thinking" in error.what
    assert "--time-limit" in error.do
    assert all(gone(int(pid)) for pid in pids.read_text().split())
    assert not fake.work.exists()


def test_an_interrupt_stops_the_tool(fake: Fake) -> None:
    pids = fake.folder / "pids"
    fake.install("totalspineseg", HANGS.format(pids=str(pids)))

    def run_and_stop(*arguments: Any, **named: Any) -> Any:
        from subprocess import Popen

        class Stopped(Popen):  # type: ignore[type-arg]
            asked = 0

            def wait(self, timeout: float | None = None) -> int:
                if pids.exists() and pids.read_text().count(" ") and not Stopped.asked:
                    Stopped.asked = 1
                    raise KeyboardInterrupt
                return super().wait(timeout)

        return Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("endplate.labelling.segmenters.child.subprocess.Popen", run_and_stop())
        with pytest.raises(KeyboardInterrupt):
            run("totalspineseg")
    assert all(gone(int(pid)) for pid in pids.read_text().split())
    assert not fake.work.exists()


def test_a_tool_that_heeds_no_request_is_killed(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endplate.labelling.segmenters.child.GRACE_S", 0.3)
    deaf = "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint(os.getpid(), flush=True)\ntime.sleep(600)"
    fake.install("spineps", deaf)
    said: list[str] = []
    refusal("spineps", limit_s=1.0, say=lambda line, _whole: said.append(line))
    assert gone(int(said[0]))
