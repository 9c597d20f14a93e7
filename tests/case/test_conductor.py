"""The conductor on small stages of its own: reuse, resume, damage, dropping, determinism."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from endplate.case.conductor import Conductor
from endplate.case.files import TEMPORARY_PREFIX
from endplate.case.folder import CaseFolder, create_case, open_case
from endplate.case.request import Inputs, Parameters
from endplate.case.stage import Payload, Stage, StageView
from endplate.errors import InputError, InternalError, UsageError


class Workshop:
    """Three stages in a row, READ → SUM → PAGE, that count how often they run."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.stop_in: str | None = None
        self.stages = (
            Stage("read", "Reading", (), ("scheme",), ("read.txt",), ("case",), self.read, external=True),
            Stage("sum", "Adding", ("read.txt",), ("levels",), ("deep/sum.txt",), ("case",), self.sum),
            Stage(
                "page",
                "Writing",
                ("read.txt", "deep/sum.txt"),
                ("title",),
                ("page.txt",),
                ("case",),
                self.page,
                provenance=True,
            ),
        )

    def read(self, view: StageView) -> Mapping[str, Payload]:
        assert view.inputs is not None
        assert view.inputs.ct is not None
        return self._done("read", "read.txt", view.inputs.ct.read_bytes().upper())

    def sum(self, view: StageView) -> Mapping[str, Payload]:
        return self._done("sum", "deep/sum.txt", "+".join(view.parameters.levels).encode())

    def page(self, view: StageView) -> Mapping[str, Payload]:
        return self._done("page", "page.txt", f"{view.parameters.title}|{dict(view.provenance)}".encode())

    def _done(self, name: str, file: str, content: bytes) -> Mapping[str, Payload]:
        if self.stop_in == name:
            raise KeyboardInterrupt
        self.runs.append(name)
        return {file: content}


@pytest.fixture
def workshop() -> Workshop:
    return Workshop()


@pytest.fixture
def ct(tmp_path: Path) -> Path:
    path = tmp_path / "ct.nii"
    path.write_bytes(b"one scan")
    return path


ALL = ("read", "sum", "page")


def run(
    workshop: Workshop, out: Path, ct: Path, *wanted: str, force: bool = False, **parameters: object
) -> CaseFolder:
    inputs = Inputs(ct=ct)
    with create_case(out, inputs.records(), force=force) as case:
        asked = Parameters(**{"levels": ("L1",), **parameters})
        Conductor(case, inputs, asked, force=force, stages=workshop.stages).advance(wanted or ALL)
        return case


def content(folder: Path) -> dict[str, bytes]:
    """All files of a case; of the record only what is the same in equal runs."""
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    record = json.loads(files["run.json"])
    del record["timing"]
    return {**files, "run.json": json.dumps(record).encode()}


def test_stages_run_once(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    before = (tmp_path / "case/run.json").read_bytes()
    run(workshop, tmp_path / "case", ct)
    assert workshop.runs == ["read", "sum", "page"]
    assert (tmp_path / "case/run.json").read_bytes() == before
    assert set(content(tmp_path / "case")) == {"run.json", "read.txt", "deep/sum.txt", "page.txt"}


def test_equal_runs_give_equal_bytes(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    other = tmp_path / "elsewhere" / "Doe^Jane.nii"
    other.parent.mkdir()
    other.write_bytes(ct.read_bytes())
    run(workshop, tmp_path / "a", ct)
    run(workshop, tmp_path / "b", other)
    assert content(tmp_path / "a") == content(tmp_path / "b")
    assert b"Doe" not in b"".join(content(tmp_path / "b").values())


def test_only_what_a_parameter_shapes_runs_again(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    workshop.runs.clear()
    run(workshop, tmp_path / "case", ct, levels=("T12",))
    assert workshop.runs == ["sum", "page"]
    workshop.runs.clear()
    run(workshop, tmp_path / "case", ct, levels=("T12",), title="new")
    assert workshop.runs == ["page"]


def test_force_runs_every_wanted_stage_once(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    workshop.runs.clear()
    inputs = Inputs(ct=ct)
    with create_case(tmp_path / "case", inputs.records(), force=True) as case:
        conductor = Conductor(case, inputs, Parameters(levels=("L1",)), force=True, stages=workshop.stages)
        conductor.advance(("read", "sum"), later=("page",))
        conductor.advance(ALL)
    assert workshop.runs == ["read", "sum", "page"]


@pytest.mark.parametrize("damage", ["edited", "removed", "half"])
def test_damaged_output_is_made_anew_and_said(
    workshop: Workshop, tmp_path: Path, ct: Path, damage: str
) -> None:
    run(workshop, tmp_path / "case", ct)
    good = content(tmp_path / "case")
    workshop.runs.clear()
    victim = tmp_path / "case/deep/sum.txt"
    if damage == "edited":
        victim.write_bytes(b"L2")
    elif damage == "removed":
        victim.unlink()
    else:
        victim.write_bytes(victim.read_bytes()[:1])
    case = run(workshop, tmp_path / "case", ct)
    assert workshop.runs == ["sum"]
    assert any("deep/sum.txt" in note for note in case.notes)
    assert content(tmp_path / "case") == good


@pytest.mark.parametrize("stage", ALL)
def test_interrupted_run_resumes(workshop: Workshop, tmp_path: Path, ct: Path, stage: str) -> None:
    workshop.stop_in = stage
    with pytest.raises(KeyboardInterrupt):
        run(workshop, tmp_path / "case", ct)
    done = list(workshop.runs)
    assert done == list(ALL[: ALL.index(stage)])
    workshop.stop_in = None
    run(workshop, tmp_path / "case", ct)
    assert workshop.runs == list(ALL)
    run(workshop, tmp_path / "whole", ct)
    assert content(tmp_path / "case") == content(tmp_path / "whole")


def test_interrupted_before_anything_leaves_no_folder(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    workshop.stop_in = "read"
    with pytest.raises(KeyboardInterrupt):
        run(workshop, tmp_path / "case", ct)
    assert not (tmp_path / "case").exists()


def test_interrupted_rerun_leaves_the_earlier_result(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    before = content(tmp_path / "case")
    workshop.stop_in = "page"
    with pytest.raises(KeyboardInterrupt):
        run(workshop, tmp_path / "case", ct, title="new")
    assert content(tmp_path / "case") == before


@pytest.mark.parametrize("file", ["read.txt", "sum.txt", "page.txt", "run.json"])
def test_killed_while_writing(
    workshop: Workshop, tmp_path: Path, ct: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves a draft behind; the next run neither takes it for whole nor keeps it."""
    real = os.replace

    def killed(source: Path, target: Path) -> None:
        if Path(target).name == file:
            raise KeyboardInterrupt
        real(source, target)

    monkeypatch.setattr(os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        run(workshop, tmp_path / "case", ct)
    monkeypatch.undo()
    if (tmp_path / "case").exists():
        (tmp_path / "case" / f"{TEMPORARY_PREFIX}{file}").write_bytes(b"half")
        (tmp_path / "case" / f".{TEMPORARY_PREFIX}{file}.17.part").write_bytes(b"half")
    run(workshop, tmp_path / "case", ct)
    run(workshop, tmp_path / "whole", ct)
    assert content(tmp_path / "case") == content(tmp_path / "whole")


def test_other_scan_is_refused_and_nothing_changes(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    before = content(tmp_path / "case")
    other = tmp_path / "other.nii"
    other.write_bytes(b"another scan")
    with pytest.raises(UsageError) as refused:
        run(workshop, tmp_path / "case", other)
    assert refused.value.code == "case-of-another-scan"
    assert content(tmp_path / "case") == before
    run(workshop, tmp_path / "case", other, force=True)
    assert (tmp_path / "case/read.txt").read_bytes() == b"ANOTHER SCAN"


def test_stale_later_result_is_removed(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    case = run(workshop, tmp_path / "case", ct, "read", "sum", levels=("T12",))
    assert not (tmp_path / "case/page.txt").exists()
    assert "page" not in case.manifest.stages
    assert any("page" in note for note in case.notes)


def test_current_later_result_is_kept(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    run(workshop, tmp_path / "case", ct, "read", "sum")
    assert (tmp_path / "case/page.txt").exists()


def test_works_on_without_the_inputs(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    workshop.runs.clear()
    with open_case(tmp_path / "case") as case:
        Conductor(case, None, Parameters(levels=("L2",)), stages=workshop.stages).advance(ALL)
    assert workshop.runs == ["sum", "page"]


def test_damaged_scan_cannot_be_made_without_the_inputs(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    (tmp_path / "case/read.txt").write_bytes(b"other")
    with open_case(tmp_path / "case") as case, pytest.raises(UsageError) as refused:
        Conductor(case, None, Parameters(), stages=workshop.stages).advance(ALL)
    assert refused.value.code == "case-scan-damaged"


def test_damaged_record(workshop: Workshop, tmp_path: Path, ct: Path) -> None:
    run(workshop, tmp_path / "case", ct)
    (tmp_path / "case/run.json").write_text('{"schema": "endplate/man')
    with pytest.raises(InputError) as refused:
        run(workshop, tmp_path / "case", ct)
    assert refused.value.code == "case-manifest-damaged"
    run(workshop, tmp_path / "case", ct, force=True)
    assert json.loads((tmp_path / "case/run.json").read_text())["stages"].keys() == set(ALL)


def test_undeclared_reading_and_writing_are_defects(tmp_path: Path, ct: Path) -> None:
    def writes(view: StageView) -> Mapping[str, Payload]:
        return {"other.txt": b""}

    def reads(view: StageView) -> Mapping[str, Payload]:
        return {"a.txt": str(view.plan).encode()}

    for function in (writes, reads):
        stage = Stage("a", "A", (), (), ("a.txt",), ("case",), function)
        with (
            create_case(tmp_path / "case", Inputs(ct=ct).records(), force=False) as case,
            pytest.raises(InternalError, match="without declaring"),
        ):
            Conductor(case, Inputs(ct=ct), Parameters(), stages=(stage,)).advance(("a",))


def test_changed_code_makes_a_stage_anew(
    workshop: Workshop, tmp_path: Path, ct: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(workshop, tmp_path / "case", ct)
    workshop.runs.clear()
    monkeypatch.setattr("endplate.case.conductor.code_hash", lambda rooms: "0" * 64)
    run(workshop, tmp_path / "case", ct)
    assert workshop.runs == list(ALL)
