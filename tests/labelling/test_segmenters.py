"""Installed segmenters: their calls, and a program in their place that behaves, fails, hangs and writes rubbish.

What the program writes when it behaves has the ids, names and places of the real one, made from an analytic spine.
"""

from __future__ import annotations

import json
import os
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from labelled_spines import draw, levels_between, scheme_ids

from endplate.errors import EndplateError
from endplate.imaging.label_write import write_label_nifti
from endplate.imaging.levels import VERSE_IDS
from endplate.imaging.schemes import SCHEMES
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.labelling.segmenters.child import run_child, without_paths
from endplate.labelling.segmenters.contract import Segmented
from endplate.labelling.segmenters.programs import SEGMENTERS, segmenter_named
from endplate.labelling.segmenters.run import segment
from endplate.labelling.segmenters.version import Health, health_of, version_of

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the fake program is a script with a first line")

LEVELS = levels_between("T11", "L3")
TRUTH, AFFINE = draw(scheme_ids("verse", LEVELS), spacing=(3.0, 3.0, 3.0), orientation="LPS")
CT = Volume(np.full(TRUTH.shape, 40, dtype=np.int16), AFFINE)

BEHAVES = """
place = {place}
place.parent.mkdir(parents=True, exist_ok=True)
shutil.copy({ready!r}, place)
"""
PLACES = {
    "totalsegmentator": "Path(sys.argv[sys.argv.index('-o') + 1])",
    "spineps": "Path(sys.argv[3]).parent / 'derivatives_seg' / 'sub-ct_mod-ct_seg-vert_msk.nii.gz'",
    "totalspineseg": "Path(sys.argv[2]) / 'step2_output' / 'ct.nii.gz'",
}
TOOL_SCHEMES = {"totalsegmentator": "ts2", "spineps": "spineps", "totalspineseg": "tss"}


@dataclass
class Fake:
    """Puts a program of a segmenter's name on the search path."""

    folder: Path

    def install(self, name: str, body: str) -> None:
        path = self.folder / "bin" / SEGMENTERS[name].program
        path.parent.mkdir(exist_ok=True)
        path.write_text(
            f"#!{sys.executable} -S\nimport json, os, shutil, signal, subprocess, sys, time\nfrom pathlib import Path\n"
            f"Path({str(self.folder / 'call.json')!r}).write_text(json.dumps([sys.argv, os.getcwd()]))\n{body}\n"
        )
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def call(self) -> list[str]:
        return list(json.loads((self.folder / "call.json").read_text())[0])

    @property
    def work(self) -> Path:
        return Path(json.loads((self.folder / "call.json").read_text())[1])


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return Fake(tmp_path)


def in_scheme(name: str) -> np.ndarray:
    table = np.zeros(256, dtype=np.uint8)
    for level, number in scheme_ids(TOOL_SCHEMES[name], LEVELS).items():
        table[VERSE_IDS[level]] = number
    return table[TRUTH]


def ready(tmp_path: Path, name: str) -> Path:
    """What the tool writes of this CT: its ids, with names where it writes names."""
    path = tmp_path / f"{name}.nii.gz"
    ids = in_scheme(name)
    if name == "totalsegmentator":
        names = {n: f"vertebrae_{level}" for n, level in SCHEMES["ts2"].level_of_id.items() if level != "S1"}
        ids[:2, :2, :2] = 52
        write_label_nifti(Volume(ids, AFFINE), path, {**names, 52: "aorta"})
        return path
    if name == "spineps":
        ids[:2, :2, :2] = 100 + VERSE_IDS["L1"]  # a disc
    else:
        ids[:2, :2, :2] = 1  # the cord
    write_nifti(Volume(ids, AFFINE), path)
    return path


def run(name: str, *, limit_s: float = 60.0, say: Any = None) -> Segmented:
    return segment(CT, SEGMENTERS[name], limit_s=limit_s, say=say or (lambda _line, _whole: None))


def refusal(name: str, **how: Any) -> EndplateError:
    with pytest.raises(EndplateError) as caught:
        run(name, **how)
    assert caught.value.do
    return caught.value


def behaves(fake: Fake, name: str, before: str = "", after: str = "") -> None:
    fake.install(
        name, before + BEHAVES.format(place=PLACES[name], ready=str(ready(fake.folder, name))) + after
    )


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_every_tool_s_own_ids_become_ours(fake: Fake, name: str) -> None:
    behaves(fake, name)
    made = run(name)
    assert np.array_equal(made.labels.data, TRUTH)
    assert np.array_equal(made.labels.volume.affine, AFFINE)
    assert made.tool.name == SEGMENTERS[name].title
    assert made.tool.command[0] == SEGMENTERS[name].program
    assert not any(str(fake.folder) in word for word in made.tool.command)
    assert made.seconds >= 0
    assert not fake.work.exists()
    assert list(fake.folder.glob("endplate-segment-*")) == []


def test_the_calls(fake: Fake) -> None:
    for name in SEGMENTERS:
        behaves(fake, name)
        run(name)
        words = fake.call[1:]
        if name == "totalsegmentator":
            assert words[:1] == ["-i"]
            assert words[1].endswith("/ct.nii.gz")
            assert words[2] == "-o"
            assert words[4:6] == ["--ml", "--roi_subset"]
            assert {"vertebrae_L1", "vertebrae_T12", "aorta", "spinal_cord"} <= set(words)
            assert words[-2:] == ["-d", "cpu"]
        elif name == "spineps":
            assert words[:2] == ["sample", "-i"]
            assert words[2].endswith("/sub-ct_ct.nii.gz")
            assert words[3:] == ["-ms", "ct", "-mv", "ct_instance", "-ml", "ct_labeling", "-iic", "--cpu"]
        else:
            assert words[0].endswith("/ct.nii.gz")
            assert words[2:] == ["--keep-only", "step2_output", "--device", "cpu"]


def test_a_gpu_is_used_where_there_is_one() -> None:
    assert "gpu" in SEGMENTERS["totalsegmentator"].recorded(gpu=True)
    assert "--cpu" not in SEGMENTERS["spineps"].recorded(gpu=True)
    assert "cuda" in SEGMENTERS["totalspineseg"].recorded(gpu=True)


def test_organs_come_with_the_labels(fake: Fake) -> None:
    behaves(fake, "totalsegmentator")
    organs = run("totalsegmentator").organs
    assert organs is not None
    assert organs.names == ("aorta",)
    behaves(fake, "totalspineseg")
    organs = run("totalspineseg").organs
    assert organs is not None
    assert organs.names == ("spinal_cord",)


def test_subregions_come_as_body_arch_and_canal(fake: Fake) -> None:
    parts = np.zeros_like(TRUTH)
    places = np.argwhere(VERSE_IDS["L1"] == TRUTH)
    for number, place in zip((41, 42, 45, 49, 50, 60, 61, 63), places[:8], strict=True):
        parts[tuple(place)] = number
    path = fake.folder / "parts.nii.gz"
    write_nifti(Volume(parts, AFFINE), path)
    more = f"\nshutil.copy({str(path)!r}, place.parent / 'sub-ct_mod-ct_seg-spine_msk.nii.gz')\n"
    raw = (
        "\n(place.parent / 'output_raw_ct').mkdir()"
        "\n(place.parent / 'output_raw_ct' / 'sub-ct_seg-vert-raw_msk.nii.gz').write_text('raw')\n"
    )
    behaves(fake, "spineps", after=more + raw)
    made = run("spineps")
    assert made.subregions is not None
    found = [int(made.subregions.data[tuple(place)]) for place in places[:8]]
    assert found == [41, 41, 41, 49, 49, 61, 61, 0]


def test_labels_turned_to_other_axes_come_back_to_the_ct(fake: Fake) -> None:
    volume = Volume(in_scheme("totalspineseg"), AFFINE)
    turned = AFFINE @ np.array([[0, 0, -1, TRUTH.shape[0] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]])
    path = fake.folder / "turned.nii.gz"
    write_nifti(replace(volume, data=np.flip(volume.data.transpose(1, 2, 0), 2), affine=turned), path)
    fake.install("totalspineseg", BEHAVES.format(place=PLACES["totalspineseg"], ready=str(path)))
    assert np.array_equal(run("totalspineseg").labels.data, TRUTH)


def test_progress_is_passed_on_and_paths_are_not(fake: Fake) -> None:
    said: list[tuple[str, bool]] = []
    behaves(
        fake,
        "spineps",
        "print('Reading', sys.argv[3], flush=True)\n"
        "for n in range(3):\n    sys.stderr.write(f'\\r{n * 50}%|##  |'); sys.stderr.flush()\n"
        "sys.stderr.write('\\n\\x1b[31mDone \\u00e9\\x1b[0m\\n'); sys.stderr.flush()\n",
    )
    run("spineps", say=lambda line, whole: said.append((line, whole)))
    assert ("Reading …", True) in said
    assert ("50%|##  |", False) in said
    assert ("Done é", True) in said
    assert not any(str(fake.folder) in line for line, _ in said)


def test_a_tool_that_is_not_installed(fake: Fake) -> None:
    error = refusal("spineps")
    assert (error.code, error.exit_code) == ("segmenter-missing", 2)
    assert "pip install" in error.do


def test_a_name_that_is_no_tool() -> None:
    with pytest.raises(EndplateError) as caught:
        segmenter_named("nnunet")
    assert caught.value.code == "segmenter-unknown"
    assert segmenter_named(" SPINEPS ").name == "spineps"


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


def other_grid(volume: Volume) -> Volume:
    affine = volume.affine.copy()
    affine[:3, 3] += 7.0
    return replace(volume, affine=affine)


RUBBISH: dict[str, Callable[[Volume], Volume | bytes | None]] = {
    "nothing": lambda _: None,
    "an empty file": lambda _: b"",
    "no nifti": lambda _: b"<html>403 Forbidden</html>" * 30,
    "all zero": lambda volume: replace(volume, data=np.zeros_like(volume.data)),
    "another grid": other_grid,
    "a lower resolution": lambda volume: replace(volume, data=volume.data[::2, ::2, ::2]),
    "probabilities": lambda volume: replace(volume, data=volume.data / 7.0),
    "ids of no level": lambda volume: replace(volume, data=(volume.data > 0).astype(np.uint8) * 63),
    "an upside-down row": lambda volume: replace(volume, data=volume.data[:, :, ::-1]),
}


@pytest.mark.parametrize(
    ("name", "what"), [*(("spineps", what) for what in RUBBISH), ("totalspineseg", "nothing")]
)
def test_rubbish_is_refused_in_words(fake: Fake, name: str, what: str) -> None:
    written = RUBBISH[what](Volume(in_scheme(name), AFFINE))
    path = fake.folder / "rubbish.nii.gz"
    body = "print('all is well')\n"
    if isinstance(written, bytes):
        path.write_bytes(written)
    elif written is not None:
        write_nifti(written, path)
    if written is not None:
        body += BEHAVES.format(place=PLACES[name], ready=str(path))
    fake.install(name, body)
    error = refusal(name)
    assert (error.code, error.exit_code) == ("segmenter-output-unusable", 3)
    assert error.what.startswith(f"{SEGMENTERS[name].title} ended well, but its labels cannot be used: ")
    assert "all is well" in error.what
    assert str(fake.folder) not in error.what


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
