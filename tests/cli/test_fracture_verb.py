"""``endplate fracture``: a new case that can be assessed, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from endplate.case.folder import read_manifest
from endplate.synthetic.virtual_fracture import FractureTruth

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def words(assessed_case: Path) -> tuple[object, ...]:
    return ("fracture", assessed_case, "--level", "L1", "--shape", "crush", "--loss", "0.15", "--json", "-q")


def test_a_broken_case_is_a_case(cli: Cli, words: tuple[object, ...], tmp_path: Path) -> None:
    out = tmp_path / "broken"
    said = cli(*words, "--out", out)
    assert said.code == 0, said.err
    truth = FractureTruth.model_validate_json(said.out)
    assert truth.schema_ == "endplate/fracture/1"
    assert truth.already_fractured
    assert {one.code for one in truth.findings} == {"virtual-fracture", "virtual-fracture-again"}
    assert truth.mass.relative_error < 1e-6
    assert FractureTruth.model_validate_json((out / "fracture.json").read_text("utf-8")).level == "L1"
    assert "fracture.json" in read_manifest(out).stages["scan"].outputs
    assert "SIMULATED" in (out / "report.html").read_text("utf-8")
    again = cli("assess", out, "--json", "-q")
    assert again.code == 0, again.err
    spine = json.loads(again.out)
    level = next(one for one in spine["levels"] if one["level"] == "L1")
    assert level["heights_mm"]["middle"] == pytest.approx(truth.heights_after_mm.middle, abs=1.0)
    assert any(one["code"] == "virtual-fracture" for one in spine["findings"])
    refused = cli(*words, "--out", out)
    assert refused.code == 2
    assert json.loads(refused.out)["error"]["code"] == "out-exists"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        (("--loss", "0.9"), "fracture-out-of-range"),
        (("--shape", "burst"), "fracture-option"),
        (("--level", "C9"), None),
        (("--cleft-ml", "50"), "fracture-out-of-range"),
        (("--cleft-filling", "air"), "fracture-option"),
    ],
)
def test_words_that_make_no_fracture(
    cli: Cli, words: tuple[object, ...], tmp_path: Path, more: tuple[str, ...], code: str | None
) -> None:
    said = cli(*words, "--out", tmp_path / "none", *more)
    assert said.code == 2
    if code is not None:
        assert json.loads(said.out)["error"]["code"] == code
    assert not (tmp_path / "none").exists()


def test_what_must_be_named(cli: Cli, assessed_case: Path, tmp_path: Path) -> None:
    said = cli("fracture", assessed_case, "--level", "L1", "--json")
    assert said.code == 2
    assert "--loss" in json.loads(said.out)["error"]["what"]
    asked = ("--level", "L1", "--shape", "wedge", "--loss", "0.2", "--out")
    assert cli("fracture", assessed_case, *asked, assessed_case / "x").code == 2
    assert cli("fracture", tmp_path, *asked, tmp_path / "y").code == 2
    assert cli("fracture", tmp_path / "no-case", *asked, tmp_path / "y").code == 3


def test_a_level_cut_by_the_scan(cli: Cli, words: tuple[object, ...], tmp_path: Path) -> None:
    said = cli(*words, "--out", tmp_path / "cut", "--level", "T11")
    assert said.code == 4, said.err
    assert json.loads(said.out)["error"]["code"] == "fracture-level-cut"
    assert not (tmp_path / "cut").exists()
