"""Planning from the command line: given paths, the site file, export and comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from endplate.imaging.markups import read_markups


@pytest.fixture(scope="module")
def planned_case(phantom_files: Any, assessed_case: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The phantom's case with a plan of L1."""
    from endplate.case import Inputs, Parameters, run_case

    out = tmp_path_factory.mktemp("verbs") / "case"
    shutil.copytree(assessed_case, out)
    inputs = Inputs(ct=phantom_files.ct, labels=phantom_files.labels)
    run_case(out, inputs, Parameters(levels=("L1",), technique="vertebroplasty"))
    return out


@pytest.fixture
def case(planned_case: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(planned_case, tmp_path / "case"))


@pytest.mark.parametrize(("kind", "names"), [("slicer", 2), ("dicom", 1), ("stl", 2), ("tptbox", 1)])
def test_export_writes_what_the_plan_holds(
    cli: Any, case: Path, tmp_path: Path, kind: str, names: int
) -> None:
    said = cli("export", case, "--to", kind, "--out", tmp_path / "files", "--json")
    assert said.code == 0, said.err
    files = [Path(name) for name in json.loads(said.out)["files"]]
    assert len(files) == names
    assert all(file.stat().st_size > 100 for file in files)


def test_paths_go_out_and_come_back_the_same(cli: Any, case: Path, tmp_path: Path) -> None:
    plan = json.loads((case / "scenarios/planned/plan.json").read_text())
    cli("export", case, "--to", "slicer", "--out", tmp_path)
    lines = read_markups(tmp_path / "needles.mrk.json")
    assert len(lines) == len(plan["plans"][0]["paths"])
    said = cli("plan", case, "--path", tmp_path / "needles.mrk.json", "--json")
    assert said.code == 0, said.err
    again = json.loads(said.out)
    for given, searched in zip(again["plans"][0]["paths"], plan["plans"][0]["paths"], strict=True):
        assert given["margins_mm"] == pytest.approx(searched["margins_mm"], abs=0.02)
        assert given["missed"] == []
    saved = json.loads((case / "run.json").read_text())["parameters"]
    assert [name for name, *_ in saved["paths"]] == ["path 1", "path 2"]
    # A given path holds for one plan; the next one is searched again.
    assert "given-path" not in cli("plan", case, "--json").out


def test_a_plan_beside_itself_differs_by_nothing(cli: Any, case: Path) -> None:
    said = cli("compare", case, case / "scenarios/planned/plan.json", "--json")
    assert said.code == 0, said.err
    document = json.loads(said.out)
    assert document["schema"] == "endplate/compare/1"
    assert document["within_raters"] == 1.0
    assert all(needle["tip_mm"] == 0.0 for needle in document["needles"])
    assert "within raters" in cli("compare", case, case).out


def test_a_site_file_changes_the_plan_and_is_told(cli: Any, case: Path, tmp_path: Path) -> None:
    site = tmp_path / "house.yaml"
    site.write_text(
        'name: "Our house"\nrules:\n  cement:\n    cap_ml: {T1-T4: 2.0, T5-T9: 3.0, T10-T12: 4.5, L1-L6: 2.5}\n'
    )
    said = cli("plan", case, "--site", site, "--json")
    assert said.code == 0, said.err
    plan = json.loads(said.out)
    assert "Our house" in plan["rules"]
    assert plan["plans"][0]["cement"]["volume_ml"] <= 2.5
    assert "rule-changed" in {found["code"] for found in plan["session"]["warnings"]}
    assert str(tmp_path) not in (case / "run.json").read_text()


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (("--site", "{tmp}/none.yaml"), 3, "site file"),
        (("--path", "{tmp}/none.json"), 3, ""),
        (("--technique", "vertebroplasty", "--balloon", "15/3"), 2, "balloon"),
        (("--approach", "frontal"), 2, "approach"),
        (("--balloon", "99/9"), 2, "balloon"),
        (("--fracture-weeks", "-3"), 2, "age"),
    ],
)
def test_wishes_that_cannot_be(
    cli: Any, case: Path, tmp_path: Path, words: Any, code: int, told: str
) -> None:
    before = (case / "scenarios/planned/plan.json").read_bytes()
    said = cli("plan", case, *(word.format(tmp=tmp_path) for word in words))
    assert said.code == code, said.err
    assert told in said.err
    assert (case / "scenarios/planned/plan.json").read_bytes() == before


def test_export_of_nothing(cli: Any, assessed_case: Path, tmp_path: Path) -> None:
    said = cli("export", assessed_case, "--out", tmp_path)
    assert said.code == 2
    assert "needle path" in said.err
    assert cli("export", assessed_case, "--to", "paper", "--out", tmp_path).code == 2
    assert cli("export", assessed_case).code == 2
