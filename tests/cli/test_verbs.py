"""The verbs on the phantom, end to end: what they print and what they leave behind."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from endplate.cli import health
from endplate.errors import InputError

demo_verb = import_module("endplate.cli.verbs.demo")

Cli = Callable[..., Any]

ROOT = Path(__file__).parents[2]

SCHEMAS = Registry().with_resources(
    (path.name, Resource.from_contents({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}))
    for path in (ROOT / "docs/schema").glob("*.json")
    for schema in [json.loads(path.read_text("utf-8"))]
)


def check(document: Any, name: str) -> None:
    """Hold a document against the published schema."""
    jsonschema.Draft202012Validator(SCHEMAS.contents(f"{name}.json"), registry=SCHEMAS).validate(document)


@pytest.fixture
def case(assessed_case: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(assessed_case, tmp_path / "case"))


def test_run_prints_what_it_saved(cli: Cli, phantom_files: Any, case: Path) -> None:
    words = ("run", phantom_files.ct, "--labels", phantom_files.labels, "--level", "L1", "--out", case)
    said = cli(*words, "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    check(document, "run-1")
    assert document["assess"] == json.loads((case / "spine.json").read_text())
    assert document["plan"] == json.loads((case / "scenarios/planned/plan.json").read_text())
    check(json.loads((case / "run.json").read_text()), "manifest-1")
    check(json.loads((case / "scan.json").read_text()), "scan-1")
    again = cli(*words)
    assert "report.html" in again.out
    assert "saved result" in again.out
    assert "grade" in again.out
    assert "not a medical device" in again.out
    planned = cli("plan", case, "--json")
    assert planned.code == 0, planned.err
    check(json.loads(planned.out), "plan-1")
    assert json.loads(planned.out) == document["plan"]


def test_assess_of_a_case_is_its_saved_result(cli: Cli, case: Path) -> None:
    said = cli("assess", case, "--json")
    assert said.code == 0
    check(json.loads(said.out), "assess-1")
    assert json.loads(said.out) == json.loads((case / "spine.json").read_text())
    refused = cli("assess", case, "--labels", "x.nii", "--json")
    assert (refused.code, json.loads(refused.out)["error"]["code"]) == (2, "option-with-case")


def test_run_on_a_case_is_told_apart(cli: Cli, case: Path) -> None:
    said = cli("run", case, "--labels", "l.nii", "--level", "L1", "--out", "elsewhere", "--json")
    assert json.loads(said.out)["error"]["code"] == "ct-is-a-case"


def test_report(cli: Cli, case: Path) -> None:
    said = cli("report", case, "--title", "For the ward", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["made"] == ["report"]
    assert "For the ward" in (case / "report.html").read_text("utf-8")


def test_errors_fit_their_schema(cli: Cli) -> None:
    check(json.loads(cli("assess", "--json").out), "error-1")


def test_quiet_run_is_silent_on_stderr(cli: Cli, case: Path) -> None:
    assert cli("assess", case, "-q").err == ""


def no_sample(*_: object, **__: object) -> None:
    raise InputError("sample-unavailable", "The package index cannot be reached.", do="Go online.")


@pytest.fixture
def coarse(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_verb, "PHANTOM_VOXEL_MM", (1.5, 1.5, 1.5))


def test_demo_offline_says_so_in_first_and_last_line_and_title(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, coarse: None
) -> None:
    monkeypatch.setattr("endplate.imaging.sample.fetch_sample", no_sample)
    said = cli("demo", "--out", tmp_path / "demo")
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert "phantom, not a patient" in lines[0]
    assert "The package index cannot be reached." in lines[0]
    assert "phantom, not a patient" in lines[-1]
    html = (tmp_path / "demo/report.html").read_text("utf-8")
    assert re.search(r"<title>[^<]*phantom, not a patient", html)
    spine = json.loads((tmp_path / "demo/spine.json").read_text())
    [flagged] = [v["level"] for v in spine["levels"] if v["fracture"]["flagged"]]
    assert flagged == "L1"


def test_demo_replaces_a_demo_but_no_other_case(
    cli: Cli, case: Path, monkeypatch: pytest.MonkeyPatch, phantom_files: Any
) -> None:
    other = SimpleNamespace(ct=phantom_files.labels, labels=phantom_files.labels)
    monkeypatch.setattr("endplate.imaging.sample.fetch_sample", lambda *_, **__: other)
    said = cli("demo", "--out", case, "--json")
    assert (said.code, json.loads(said.out)["error"]["code"]) == (2, "case-of-another-scan")
    record = json.loads((case / "run.json").read_text())
    record["parameters"]["title"] = demo_verb.PHANTOM_TITLE
    (case / "run.json").write_text(json.dumps(record))
    said = cli("demo", "--out", case, "--json")
    assert json.loads(said.out)["error"]["code"] == "wrong-modality", "it went on to read the new scan"


def test_doctor(cli: Cli) -> None:
    said = cli("doctor", "--json")
    assert said.code == 0, said.out
    facts = json.loads(said.out)
    assert facts["missing"] == []
    assert facts["libraries"]["numpy"]
    assert set(facts["extras"]) == {"dicom", "mesh", "pdf", "fhir", "app", "study"}
    assert "All that is required is here." in cli("doctor").out


def test_doctor_runs_the_main_job_to_warm_up(cli: Cli) -> None:
    said = cli("doctor", "--warm", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["compiled_s"] > 0
    assert "Planning the needle paths" in said.err


def test_doctor_without_a_required_library(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    real = health._version
    monkeypatch.setattr(health, "_version", lambda name: None if name == "edt" else real(name))
    said = cli("doctor", "--json")
    assert said.code == 1
    assert json.loads(said.out)["missing"] == ["edt"]
    assert "edt" in cli("doctor").out


def test_sample_without_network_says_what_to_do(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("endplate.imaging.sample.fetch_sample", no_sample)
    said = cli("sample", "--json")
    assert said.code == 3
    assert json.loads(said.out)["error"]["do"] == "Go online."


def test_example_in_the_readme(
    phantom_files: Any, case: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = case.parent
    shutil.copy(phantom_files.ct, folder / "ct.nii.gz")
    shutil.copy(phantom_files.labels, folder / "labels.nii.gz")
    monkeypatch.chdir(folder)
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    exec(compile(block, "README.md", "exec"), {})
    assert "anterior=" in capsys.readouterr().out


@pytest.mark.real_data
def test_real_scan_without_labels(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    said = cli(
        "assess", data_dir / "rider_pilot_0117_chest_thin_dicom.zip", "--out", tmp_path / "case", "--json"
    )
    assert said.code == 0, said.err
    document = json.loads(said.out)
    check(document, "assess-1")
    assert document["levels"] == []
    assert "no-labels" in {found["code"] for found in document["findings"]}
    assert "<svg" in (tmp_path / "case/report.html").read_text("utf-8")


@pytest.mark.real_data
def test_real_level_with_a_reason(cli: Cli, tmp_path: Path, data_dir: Path) -> None:
    words = ("run", data_dir / "tptbox_L3_ct.nii.gz", "--labels", data_dir / "tptbox_L3_vert_labels.nii.gz")
    words = (*words, "--level", "L3", "--out", tmp_path / "case")
    gate = cli(*words, "--json")
    assert (gate.code, json.loads(gate.out)["error"]["code"]) == (4, "level-not-flagged")
    said = cli(*words, "--reason", "MRI oedema", "--json")
    assert said.code in {0, 5}, said.err
    [level] = json.loads(said.out)["plan"]["plans"]
    assert (level["fracture_seen"], level["reason"]) == (False, "MRI oedema")
    assert (level["refused"] is not None) is (said.code == 5)
    cut = cli(*words[:-3], "L2", "--out", tmp_path / "case", "--json")
    assert (cut.code, json.loads(cut.out)["error"]["code"]) == (4, "level-cut")
