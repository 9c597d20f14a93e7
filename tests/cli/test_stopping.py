"""A run that is stopped from outside, by every signal that does so, and what is left of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture(autouse=True)
def _interrupts_count() -> Iterator[None]:
    """Tests that run in the background of a shell ignore an interrupt, and so would the programs they start."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def stop_while_measuring(files: Any, out: Path, number: signal.Signals) -> subprocess.Popen[str]:
    """Start an assessment, send the signal as soon as the vertebrae are being measured, and wait for the end."""
    words = ["assess", str(files.ct), "--labels", str(files.labels), "--out", str(out)]
    process = subprocess.Popen([sys.executable, "-m", "endplate", *words], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Measuring"):
            break
    reader = threading.Thread(target=process.stderr.read, daemon=True)
    reader.start()  # a full pipe would hold the process
    process.send_signal(number)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        # Python drops an exception that a handler raises while an object is being finalised: one asks again.
        process.send_signal(number)
        process.wait(timeout=60)
    reader.join(timeout=10)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_stopped_run_leaves_whole_files(phantom_files: Any, tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "case"
    assert stop_while_measuring(phantom_files, out, number).returncode == 130
    assert {path.name for path in out.iterdir()} == {"run.json", "scan.json", "image.nii.gz", "labels.nii.gz"}
    assert list(json.loads((out / "run.json").read_text())["stages"]) == ["scan"]


def test_killed_run_is_taken_over(
    cli: Callable[..., Any], phantom_files: Any, assessed_case: Path, tmp_path: Path
) -> None:
    out = tmp_path / "case"
    assert stop_while_measuring(phantom_files, out, signal.SIGKILL).returncode == -signal.SIGKILL
    assert (out / ".lock").exists()
    (out / ".part-spine.json").write_text("half")
    said = cli("assess", phantom_files.ct, "--labels", phantom_files.labels, "--out", out)
    assert said.code == 0, said.err
    assert "stopped" in said.err
    assert {path.name for path in out.iterdir()} == {path.name for path in assessed_case.iterdir()}
    for name in ("image.nii.gz", "labels.nii.gz", "scan.json", "spine.json", "report.html"):
        assert (out / name).read_bytes() == (assessed_case / name).read_bytes()
