"""Programs of segmenters: which version they are, whether they start, and what of their lines is passed on."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from endplate.labelling.segmenters.child import run_child, without_paths
from endplate.labelling.segmenters.version import Health, health_of, version_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake program is a script with a first line")


def test_the_version_is_asked_of_the_tool_s_own_python(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable}\nraise SystemExit('must not run')\n")
    assert version_of(script, "numpy") == np.__version__
    assert version_of(script, "no-such-distribution") is None
    script.write_text("#!/bin/sh\nexit 1\n")
    assert version_of(script, "numpy") is None
    assert version_of(tmp_path / "none", "numpy") is None


@pytest.mark.parametrize(
    ("body", "health"),
    [
        ("echo 2.18.0", Health("2.18.0", True)),
        ("echo 'Warning: Python 3.9 is old'; echo 2.18.0", Health("2.18.0", True)),
        ("echo TotalSpineSeg 20260807 >&2", Health("20260807", True)),
        ("echo usage: tool", Health(None, True)),
        ("test $1 = --help && exit 0; echo unknown option 1.2; exit 2", Health(None, True)),
        ("echo 2.18.0; exit 1", Health(None, False)),
        ("sleep 60", Health(None, False)),
    ],
)
def test_a_program_is_asked_whether_it_starts(tmp_path: Path, body: str, health: Health) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!/bin/sh\n{body}\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    limit = 0.5 if body.startswith("sleep") else 30.0
    assert health_of(script, "no-such-distribution", limit_s=limit) == health


def test_a_known_version_needs_no_answer_in_time(tmp_path: Path) -> None:
    script = tmp_path / "tool"
    script.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    assert health_of(script, "numpy", limit_s=0.5) == Health(np.__version__, None)
    script.write_text("not a program")
    assert health_of(script, "numpy").starts is False


def test_a_child_s_endless_line_is_cut(tmp_path: Path) -> None:
    said: list[str] = []
    code = "import sys; sys.stdout.write('x' * 200000); sys.stdout.flush()"
    ended = run_child(
        [sys.executable, "-c", code], tmp_path, limit_s=30, say=lambda line, _: said.append(line)
    )
    assert ended.code == 0
    assert max(map(len, said)) <= 300


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        ("read /home/jane.doe/ct/a.nii.gz now", "read … now"),
        (r"C:\Users\Jane\ct.nii failed", "… failed"),
        ("~/data/ct.nii: gone", "…: gone"),
        ("50% 3/4 [00:01<00:02, 1.5it/s]", "50% 3/4 [00:01<00:02, 1.5it/s]"),
        ("\x1b[31mred\x07", "red"),
    ],
)
def test_lines_lose_paths_and_codes(line: str, plain: str) -> None:
    assert without_paths(line) == plain
