"""``endplate treat`` on the phantom: the document, the script that it keeps, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pydicom
import pytest
from rich.console import Console

from endplate.case import Parameters, replan_case
from endplate.case.run import saved_parameters, treat_case
from endplate.cement.model import ROUTES
from endplate.cli.tables import show_treatment
from endplate.errors import NoSafePlanError
from endplate.outcome import treatment
from endplate.outcome.before_after import before_and_after
from endplate.outcome.model import BandOutcome, BandSet, Treatment
from endplate.planning.model import Plan, Refusal

Cli = Callable[..., Any]

HEADER = '{"schema": "endplate/actions/1"}\n'


@pytest.fixture(scope="module")
def planned(assessed_case: Path, tmp_path_factory: pytest.TempPathFactory, coarse_cement: None) -> Path:
    """The phantom's case with a plan of L1, treated as planned."""
    folder = tmp_path_factory.mktemp("treated") / "case"
    shutil.copytree(assessed_case, folder)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(treatment, "before_and_after", before_and_after)
        replan_case(folder, Parameters(levels=("L1",)))
    return folder


@pytest.fixture
def case(planned: Path, tmp_path: Path) -> Path:
    """A copy of it to change."""
    return Path(shutil.copytree(planned, tmp_path / "case"))


def code_of(said: Any) -> tuple[int, str]:
    return said.code, json.loads(said.out)["error"]["code"]


def files(case: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(case)): path.read_bytes()
        for path in case.rglob("*")
        if path.is_file() and path.name != "run.json"
    }


def test_the_document_has_every_key_and_balances(cli: Cli, planned: Path) -> None:
    document = json.loads((planned / "scenarios/planned/outcome.json").read_text())
    [level] = document["levels"]
    cement = level["cement"]
    assert level["level"] == "L1"
    assert set(cement["leaks_ml"]) == set(ROUTES)
    accounted = (
        cement["in_cannula_ml"]
        + cement["in_bone_ml"]
        + cement["in_cavity_ml"]
        + sum(cement["leaks_ml"].values())
    )
    assert accounted == pytest.approx(cement["delivered_ml"], rel=1e-6)
    assert cement["mass_error"] <= 1e-10
    assert cement["stopped_because"]
    assert 0.05 < cement["fill_fraction"] < 0.35
    strength = level["strength"]
    assert strength["stiffness_after_n_per_mm"] > strength["stiffness_before_n_per_mm"] > 0.0
    assert 2400.0 < document["session"]["time_s"] < 5400.0
    assert document["session"]["dose"]["area_product_gycm2"] > 0.0
    assert document["session"]["timeline"]


def test_its_own_record_gives_the_same_cement(cli: Cli, case: Path) -> None:
    before = files(case)
    script = case.parent / "script.jsonl"
    shutil.copy(case / "actions.jsonl", script)
    said = cli("treat", case, "--script", script, "--json")
    assert said.code == 0, said.err
    after = files(case)
    same = (
        "actions.jsonl",
        "scenarios/planned/procedure.json",
        "scenarios/planned/fill.npz",
        "cement.nii.gz",
    )
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    shown = cli("treat", case, "--script", script)
    assert "ml of cement in bone" in shown.out
    assert "saved result" in shown.out
    again = treat_case(case, saved_parameters(case), force=True)
    assert again.made == ("procedure", "outcome", "report"), "forced: what the treatment makes, and no more"


def test_what_cannot_be_played_leaves_the_case_usable(cli: Cli, case: Path, tmp_path: Path) -> None:
    before = files(case)
    script = tmp_path / "script.jsonl"
    for text, expected in (
        ("", (3, "actions-unreadable")),
        (HEADER.replace("actions/1", "actions/9"), (3, "actions-unreadable")),
        (HEADER.replace("}", ', "plan_sha256": "f"}'), (2, "actions-foreign")),
        (HEADER + '{"action": "drill"}\n', (2, "action-unknown")),
        (HEADER + '{"action": "shoot", "level": "T9", "view": "ap"}\n', (2, "level-not-planned")),
        (
            HEADER
            + '{"action": "inject", "level": "L1", "side": "left", "rate_ml_min": 0, "volume_ml": 1}\n',
            (2, "rate-zero"),
        ),
    ):
        script.write_text(text, "utf-8")
        assert code_of(cli("treat", case, "--script", script, "--json")) == expected
    assert code_of(cli("treat", case, "--script", tmp_path / "none.jsonl", "--json")) == (
        3,
        "actions-unreadable",
    )
    assert code_of(cli("treat", case, "--cement", "mortar", "--json")) == (2, "cement-unknown")
    assert code_of(cli("treat", case, "--voxel-mm", "0.01", "--json")) == (2, "bone-options")
    assert files(case) == before


def test_a_case_without_a_plan_or_a_needle_is_told(
    cli: Cli, assessed_case: Path, planned: Path, case: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code_of(cli("treat", assessed_case, "--json")) == (2, "treat-no-plan")
    assert code_of(cli("treat", planned.parent, "--json")) == (3, "case-missing")
    refusal = Refusal(code="margin-medial", reasons=())
    plan = Plan.model_validate_json((case / "scenarios/planned/plan.json").read_bytes())
    [level] = plan.plans
    without = level.model_copy(update={"paths": (), "access": "none", "refused": refusal})
    refused = plan.model_copy(update={"plans": (without,)})
    monkeypatch.setattr("endplate.planning.plan_levels", lambda *_, **__: refused)
    with pytest.raises(NoSafePlanError):
        replan_case(case, Parameters(levels=("L1",), technique="vertebroplasty"))
    assert not (case / "actions.jsonl").exists(), "what no longer fits the plan is not kept"
    said = cli("treat", case, "--json")
    assert code_of(said) == (5, "no-safe-plan")
    assert json.loads(said.out)["plans"]


def test_the_cement_goes_out_as_volume_and_as_segmentation(cli: Cli, case: Path, tmp_path: Path) -> None:
    document = json.loads((case / "scenarios/planned/outcome.json").read_text())
    said = cli("export", case, "--to", "slicer", "--out", tmp_path / "files")
    assert said.code == 0, said.err
    cement = nibabel.load(tmp_path / "files/cement.nii.gz")
    voxel_ml = np.prod(cement.header.get_zooms()) / 1000.0
    told = document["levels"][0]["cement"]
    inside = told["in_bone_ml"] + told["in_cavity_ml"]
    assert np.asarray(cement.dataobj).sum() * voxel_ml == pytest.approx(inside, rel=0.02)
    said = cli("export", case, "--to", "dicom", "--out", tmp_path / "files")
    assert said.code == 0, said.err
    segmentation = pydicom.dcmread(tmp_path / "files/cement.seg.dcm")
    assert segmentation.Modality == "SEG"
    assert [one.SegmentLabel for one in segmentation.SegmentSequence] == ["Simulated cement L1"]


def test_no_cement_is_exported_where_nothing_was_treated(cli: Cli, case: Path, tmp_path: Path) -> None:
    for name in ("outcome.json", "procedure.json"):
        (case / "scenarios/planned" / name).unlink()
    manifest = json.loads((case / "run.json").read_text())
    for stage in ("procedure", "outcome"):
        del manifest["stages"][stage]
    (case / "run.json").write_text(json.dumps(manifest))
    said = cli("export", case, "--to", "dicom", "--out", tmp_path / "files", "--json")
    assert code_of(said) == (2, "export-no-cement")


def test_bands_are_told_beside_the_one_course(planned: Path) -> None:
    document = Treatment.model_validate_json((planned / "scenarios/planned/outcome.json").read_bytes())
    band = BandOutcome(name="leaked_ml", unit="ml", low=0.02, median=0.1, high=0.47, members=64)
    found = BandSet(members=64, failed=0, seed=0, voxel_mm=2.0, varied=("bone",), bands=(band,))
    [level] = document.levels
    with_bands = document.model_copy(update={"levels": (level.model_copy(update={"bands": found}),)})
    told = []
    for one in (document, with_bands):
        out = Console(file=StringIO(), width=200)
        show_treatment(out, one)
        told.append(out.file.getvalue())
    line = "64 runs with bone, cement and needles varied: 0.02 to 0.47 ml leaked (5 to 95 %), 0.10 ml in the middle"
    assert line not in told[0]
    assert line in told[1]
    assert re.search(r"cement up to \d+ °C, canal \d+ °C", told[0])
