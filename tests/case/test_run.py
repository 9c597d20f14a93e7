"""The whole way on the phantom: results, reuse, stopping and resuming, determinism, gates, work in a case."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endplate.case import Inputs, Parameters, assess_to_case, refresh_case, replan_case, run_case
from endplate.case.inline import assess_inline, plan_inline
from endplate.case.run import saved_parameters
from endplate.errors import Interrupted, QualityGateError, UsageError
from endplate.imaging.read import read_grid, read_image

ALL_FILES = {
    "run.json",
    "scan.json",
    "image.nii.gz",
    "labels.nii.gz",
    "spine.json",
    "scenarios/planned/plan.json",
    "scenarios/planned/xray.json",
    "strength.json",
    "failure.nii.gz",
    "scenarios/planned/procedure.json",
    "scenarios/planned/fill.npz",
    "scenarios/planned/outcome.json",
    "actions.jsonl",
    "cement.nii.gz",
    "cement-time.nii.gz",
    "cement-warmth.nii.gz",
    "cavity.nii.gz",
    "quality.json",
    "report.html",
    "sheets.html",
}

PLANNED_FILES = {
    "scenarios/planned/plan.json",
    "scenarios/planned/xray.json",
    "strength.json",
    "failure.nii.gz",
    "scenarios/planned/procedure.json",
    "scenarios/planned/fill.npz",
    "scenarios/planned/outcome.json",
    "actions.jsonl",
    "cement.nii.gz",
    "cement-time.nii.gz",
    "cement-warmth.nii.gz",
    "cavity.nii.gz",
    "sheets.html",
}


@pytest.fixture(scope="module")
def planned(phantom_files: Any, assessed_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom's case with a plan of the fractured L1."""
    out = tmp_path_factory.mktemp("planned") / "case"
    shutil.copytree(assessed_case, out)
    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    result = run_case(out, inputs, Parameters(levels=("L1",)))
    assert result.made == ("plan", "xray", "strength", "procedure", "outcome", "report")
    return out


@pytest.fixture
def case(planned: Path, tmp_path: Path) -> Path:
    """A copy of that case to change."""
    return Path(shutil.copytree(planned, tmp_path / "case"))


def content(folder: Path) -> dict[str, bytes]:
    files = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    record = json.loads(files["run.json"])
    del record["timing"]
    return {**files, "run.json": json.dumps(record).encode()}


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the stages that run from now on."""
    from endplate.case import conductor

    ran: list[str] = []
    real = conductor.Conductor._run

    def run(self: Any, stage: Any, wished: Any) -> None:
        ran.append(stage.name)
        real(self, stage, wished)

    monkeypatch.setattr(conductor.Conductor, "_run", run)
    return ran


def test_the_fractured_level_is_planned(planned: Path) -> None:
    assert set(content(planned)) == ALL_FILES
    plan = json.loads((planned / "scenarios/planned/plan.json").read_text())
    assert plan["schema"] == "endplate/plan/1"
    [level] = plan["plans"]
    assert (level["level"], level["fracture_seen"], level["refused"]) == ("L1", True, None)
    assert level["paths"]
    spine = json.loads((planned / "spine.json").read_text())
    levels = {level["level"]: level for level in spine["levels"]}
    assert {name: level["complete"] for name, level in levels.items()} == {
        "T11": False,
        "T12": True,
        "L1": True,
        "L2": True,
    }
    assert [name for name, level in levels.items() if level["fracture"]["flagged"]] == ["L1"]
    assert "density-internal" in {found["code"] for found in spine["findings"]}
    assert "<svg" in (planned / "report.html").read_text()


def test_the_kept_scan_is_the_slab_around_the_labels(planned: Path, phantom_files: Any) -> None:
    whole, kept = read_image(phantom_files.ct), read_grid(planned / "image.nii.gz")
    labels = read_grid(planned / "labels.nii.gz")
    assert kept.data.dtype == np.int16
    assert kept.same_grid_as(labels)
    start = np.rint(whole.to_voxel(kept.to_world((0, 0, 0)))).astype(int)
    box = tuple(slice(a, a + n) for a, n in zip(start, kept.shape, strict=True))
    assert np.array_equal(whole.data[box], kept.data)
    assert kept.shape[:2] == whole.shape[:2]


def test_a_second_run_does_nothing(case: Path, phantom_files: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, before = counted(monkeypatch), (case / "run.json").read_bytes()
    result = run_case(
        case, Inputs(ct=phantom_files.ct, labels=phantom_files.labels), Parameters(levels=("L1",))
    )
    assert (ran, result.made) == ([], ())
    assert (case / "run.json").read_bytes() == before
    assert result.to_json()["plan"] == json.loads((case / "scenarios/planned/plan.json").read_text())


def test_two_runs_give_the_same_bytes(planned: Path, phantom_files: Any, tmp_path: Path) -> None:
    folder = tmp_path / "Doe^Jane"
    folder.mkdir()
    ct, labels = folder / "ct_of_Doe.nii.gz", folder / "l.nii.gz"
    shutil.copy(phantom_files.ct, ct)
    shutil.copy(phantom_files.labels, labels)
    run_case(tmp_path / "other", Inputs(ct=ct, labels=labels), Parameters(levels=("L1",)))
    assert content(tmp_path / "other") == content(planned)


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("scan", "endplate.case.stage_work.read_scan"),
        ("assess", "endplate.anatomy.assessment.assess_with_implants"),
        ("plan", "endplate.planning.plan_levels"),
        ("report", "endplate.report.build.build_report"),
    ],
)
def test_stopped_in_any_stage_and_resumed(
    case: Path,
    planned: Path,
    phantom_files: Any,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    place: str,
) -> None:
    """Remove what this and later stages made, stop in the middle of the stage, and go on."""
    record = json.loads((case / "run.json").read_text())
    names = list(record["stages"])
    for later in names[names.index(stage) :]:
        for file in record["stages"].pop(later)["outputs"]:
            (case / file).unlink()
    (case / "run.json").write_text(json.dumps(record))

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    before = content(case)
    with monkeypatch.context() as patched:
        patched.setattr(place, stop)
        with pytest.raises(Interrupted) as stopped:
            run_case(case, inputs, Parameters(levels=("L1",)))
    assert stopped.value.exit_code == 130
    done = {file for name in names[: names.index(stage)] for file in record["stages"][name]["outputs"]}
    assert {name: before[name] for name in done} == {name: content(case)[name] for name in done}
    assert set(content(case)) == done | {"run.json"}
    if stage in {
        "plan",
        "xray",
        "strength",
        "procedure",
        "outcome",
        "report",
    }:  # the earlier ones are the slow ones, and are the same there
        ran = counted(monkeypatch)
        run_case(case, inputs, Parameters(levels=("L1",)))
        assert ran == names[names.index(stage) :]
        assert content(case) == content(planned)


def test_unflagged_level_with_a_reason(case: Path) -> None:
    result = replan_case(case, Parameters(levels=("L2",), reason="MRI oedema"))
    assert result.plan is not None
    [level] = result.plan.plans
    assert level.fracture_seen is False
    assert level.reason == "MRI oedema"
    assert "MRI oedema" in result.report.read_text("utf-8")


def test_refused_level_leaves_the_earlier_plan(case: Path) -> None:
    before = content(case)
    with pytest.raises(QualityGateError, match="L2"):
        replan_case(case, Parameters(levels=("L2",)))
    assert content(case) == before


def test_a_refused_request_never_reaches_a_later_report(
    case: Path, phantom_files: Any, planned: Path
) -> None:
    """The level that was refused must not be planned when only the report is asked for."""
    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    with pytest.raises(QualityGateError):
        run_case(case, inputs, Parameters(levels=("L2",)), force=True)
    assert saved_parameters(case).levels == ("L2",)
    result = refresh_case(case, saved_parameters(case))
    assert result.plan is not None
    assert [level.level for level in result.plan.plans] == ["L1"]
    assert content(case)["report.html"] == content(planned)["report.html"]


def test_plan_whose_level_may_no_longer_be_planned_is_dropped(
    case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update that grades otherwise: here the phantom's L1 is suddenly whole."""
    from endplate.anatomy import assessment
    from endplate.anatomy.model import Fracture

    real = assessment.assess_with_implants

    def assess_without_fracture(*words: Any, **named: Any) -> Any:
        spine, implants = real(*words, **named)
        levels = (level.model_copy(update={"fracture": Fracture(flagged=False)}) for level in spine.levels)
        return spine.model_copy(update={"levels": tuple(levels)}), implants

    monkeypatch.setattr(assessment, "assess_with_implants", assess_without_fracture)
    result = refresh_case(case, saved_parameters(case), force=True)
    assert result.plan is None
    assert not (case / "scenarios/planned/plan.json").exists()
    assert any("plan" in note for note in result.notes)


def test_report_anew_only_touches_the_report(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran, before = counted(monkeypatch), content(case)
    result = refresh_case(case, Parameters(levels=("L1",), title="Another title"))
    assert ran == ["report"]
    assert "Another title" in result.report.read_text("utf-8")
    changed = {name for name, data in content(case).items() if data != before[name]}
    assert changed == {"report.html", "run.json"}
    assert saved_parameters(case).title == "Another title"


def test_labels_alone(phantom_files: Any, tmp_path: Path) -> None:
    result = assess_to_case(tmp_path / "case", Inputs(labels=phantom_files.labels), Parameters())
    assert result.spine.geometry_only
    assert set(content(tmp_path / "case")) == ALL_FILES - {"image.nii.gz", "quality.json", *PLANNED_FILES}
    assert all(level.density.mean_hu is None for level in result.spine.levels)


def test_ct_alone(phantom_files: Any, tmp_path: Path) -> None:
    result = assess_to_case(tmp_path / "case", Inputs(ct=phantom_files.ct), Parameters())
    assert result.spine.levels == ()
    assert set(content(tmp_path / "case")) == ALL_FILES - {"labels.nii.gz", *PLANNED_FILES}
    with pytest.raises(UsageError, match="labels"):
        replan_case(tmp_path / "case", Parameters(levels=("L1",)))


def test_without_a_case_the_result_is_the_same(planned: Path, phantom_files: Any) -> None:
    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    plan = plan_inline(inputs, Parameters(levels=("L1",)))
    assert plan.model_dump(mode="json", by_alias=True) == json.loads(
        (planned / "scenarios/planned/plan.json").read_text()
    )


def test_forgotten_labels_do_not_empty_a_case(case: Path, phantom_files: Any) -> None:
    before = content(case)
    with pytest.raises(UsageError) as refused:
        assess_to_case(case, Inputs(ct=phantom_files.ct), Parameters())
    assert refused.value.code == "case-has-labels"
    assert content(case) == before


def test_case_inside_its_input(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        assess_to_case(tmp_path / "dicom/case", Inputs(ct=tmp_path), Parameters())
    assert refused.value.code == "out-inside-input"
    assert list(tmp_path.iterdir()) == []


def test_nothing_given() -> None:
    with pytest.raises(UsageError, match="Neither"):
        assess_inline(Inputs(), Parameters())


@pytest.mark.parametrize(
    "wrong",
    [
        {"calibration": ""},
        {"calibration": "0.8"},
        {"calibration": "1e9,0"},
        {"technique": "surgery"},
        {"access": "left"},
        {"gauge": "99G"},
    ],
    ids=str,
)
def test_wrong_choices_are_refused_before_anything_is_read(wrong: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        Parameters(**wrong)


def test_calibration_makes_only_what_depends_on_it(
    case: Path, phantom_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = counted(monkeypatch)
    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    result = run_case(case, inputs, Parameters(levels=("L1",), calibration="0.8,-3"))
    assert ran == ["assess", "plan", "xray", "strength", "procedure", "outcome", "report"]
    level = result.spine.find("L2")
    assert level is not None
    assert level.density.calibration == "line"
    assert "density-line-assumed" not in {found.code for found in result.spine.findings}


def test_changed_labels_are_the_same_case(
    case: Path, phantom_files: Any, tmp_path: Path, edit_labels: Callable[[Path, Path], Path]
) -> None:
    inputs = Inputs(ct=phantom_files.ct, labels=edit_labels(phantom_files.labels, tmp_path / "l.nii.gz"))
    result = assess_to_case(case, inputs, Parameters())
    assert [level.level for level in result.spine.levels] == ["T12", "L1", "L2"]
    assert "plan" not in json.loads((case / "run.json").read_text())["stages"]
    assert not (case / "scenarios/planned/plan.json").exists()


@pytest.fixture
def edit_labels() -> Callable[[Path, Path], Path]:
    """Take the cut T11 out of a label map."""
    from dataclasses import replace

    from endplate.imaging.levels import VERSE_IDS
    from endplate.imaging.write import write_nifti

    def edit(source: Path, target: Path) -> Path:
        volume = read_grid(source, nearest=True)
        kept = np.where(volume.data == VERSE_IDS["T11"], 0, volume.data).astype(np.uint8)
        write_nifti(replace(volume, data=kept), target)
        return target

    return edit


def test_image_bytes_hold_no_file_name(planned: Path) -> None:
    packed = (planned / "image.nii.gz").read_bytes()
    assert packed[3] == 0, "the gzip header keeps neither a name nor anything else"
    assert packed[4:8] == b"\0\0\0\0", "nor a time"
    assert gzip.decompress(packed)
