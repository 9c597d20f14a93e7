"""``endplate strength``: of files, of a case, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from endplate.case.case_files import CaseFiles
from endplate.case.folder import read_manifest
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.volume import Volume
from endplate.imaging.write import write_nifti
from endplate.mechanics.laws import density_law
from endplate.mechanics.pressing import StrengthOptions, press
from endplate.mechanics.vertebra_model import segment_specimen, vertebra_specimen

Cli = Callable[..., Any]

SIDE, TALL = 6, 10


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A block of even bone with a cap of two voxels at each end, 1 × 1 × 1.5 mm."""
    ids = np.zeros((SIDE + 4, SIDE + 4, TALL + 4), np.uint8)
    inner = (slice(2, -2), slice(2, -2))
    ids[(*inner, slice(2, -2))] = 7
    ids[(*inner, slice(0, 2))], ids[(*inner, slice(-2, None))] = 30, 31
    density = np.where(ids == 7, 150.0, 0.0).astype(np.float32)
    affine = np.diag([1.0, 1.0, 1.5, 1.0])
    paths = tmp_path / "density.nii.gz", tmp_path / "mask.nii.gz"
    for data, path in zip((density, ids), paths, strict=True):
        write_nifti(Volume(data, affine), path)
    return paths


def test_a_block_without_caps_is_a_column(cli: Cli, files: tuple[Path, Path]) -> None:
    density, mask = files
    words = ("strength", "--density-mgcc", density, "--mask", mask, "--body", "7", "--caps", "none", "--json")
    said = cli(*words)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    law = density_law()
    modulus, limit = law.modulus_mpa(np.array([150.0]))[0], law.yield_mpa(np.array([150.0]))[0]
    assert found["stiffness_n_per_mm"] == pytest.approx(modulus * SIDE**2 / (1.5 * TALL), rel=1e-4)
    assert found["strength_n"] == pytest.approx(limit * SIDE**2, rel=1e-3)
    assert found["strength_linear_n"] == pytest.approx(0.0068 * found["stiffness_n_per_mm"] * 1.5 * TALL)
    assert found["elements"] == SIDE**2 * TALL
    assert found["relative_residual"] < 1e-5
    assert "2980" in found["law"]
    assert next(one["code"] for one in found["findings"]) == "mechanics-anisotropic-voxels"
    assert cli(*words).out == said.out


def test_caps_of_the_mask_and_words_for_people(cli: Cli, files: tuple[Path, Path]) -> None:
    density, mask = files
    words = ("strength", "--density-mgcc", density, "--mask", mask, "--body", "7", "--caps", "labels:30,31")
    said = cli(*words, "--linear-only", "--law", "kopperdahl-line")
    assert said.code == 0, said.err
    assert "Stiffness" in said.out
    assert "height 15.0 mm" in said.out
    assert "not a medical device" in said.out


def test_a_level_of_a_case(cli: Cli, assessed_case: Path) -> None:
    words = ("strength", assessed_case, "--level", "L1", "--voxel-mm", "2", "--linear-only", "--json")
    said = cli(*words)
    assert said.code == 0, said.err
    found = json.loads(said.out)
    assert found["level"] == "L1"
    assert found["strength_n"] is None
    assert found["stiffness_n_per_mm"] > 500.0
    assert 15.0 < found["height_mm"] < 35.0
    assert cli("strength", assessed_case, "--level", "C3", "--json").code == 2


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), "strength-incomplete"),
        (("--caps", "none"), "strength-incomplete"),
        (("--body", "7"), "strength-incomplete"),
        (("--body", "7", "--caps", "glue"), "caps-unreadable"),
        (("--body", "x", "--caps", "none"), "body-unreadable"),
        (("--body", "7", "--caps", "none", "--law", "carter"), "law-unknown"),
        (("--body", "7", "--caps", "none", "--yield", "rankine"), "yielding-unknown"),
        (("--body", "7", "--caps", "none", "--align", "me"), "align-unknown"),
        (("--body", "7", "--caps", "none", "--level", "L1"), "option-without-case"),
    ],
)
def test_what_is_missing_or_wrong_is_a_usage_error(
    cli: Cli, files: tuple[Path, Path], words: tuple[str, ...], code: str
) -> None:
    density, mask = files
    said = cli("strength", "--density-mgcc", density, "--mask", mask, *words, "--json")
    assert said.code == 2
    assert json.loads(said.out)["error"]["code"] == code


@pytest.mark.parametrize(
    ("body", "caps", "code"), [("9", "none", "no-bone-in-mask"), ("7", "labels:3,31", "caps-not-in-mask")]
)
def test_ids_that_are_not_in_the_mask_fail_the_gate(
    cli: Cli, files: tuple[Path, Path], body: str, caps: str, code: str
) -> None:
    density, mask = files
    said = cli(
        "strength", "--density-mgcc", density, "--mask", mask, "--body", body, "--caps", caps, "--json"
    )
    assert said.code == 4
    assert json.loads(said.out)["error"]["code"] == code


def test_two_levels_with_their_disc_are_one_model(assessed_case: Path) -> None:
    manifest = read_manifest(assessed_case)
    record = {key: sha for stage in manifest.stages.values() for key, sha in stage.outputs.items()}
    case = CaseFiles(assessed_case, record)
    assert case.scan.image is not None
    assert case.scan.labels is not None
    assert case.spine is not None
    names = [one.level for one in case.spine.levels if one.complete][:2]
    options = StrengthOptions(voxel_mm=3.0, linear_only=True)
    line = Calibration.line(0.8, 0.0)
    both = segment_specimen(case.scan.image, case.scan.labels, case.spine, names, line, options)
    assert both.disc is not None
    assert both.disc.any()
    assert not (both.disc & both.bone).any()
    pair = press(both, options)
    single = press(
        vertebra_specimen(case.scan.image, case.scan.labels, case.spine, names[0], line, options), options
    )
    # A soft disc between: far softer than one body, and both bodies carry the same force.
    assert pair.stiffness_n_per_mm < 0.5 * single.stiffness_n_per_mm
    with pytest.raises(UsageError, match="two or three"):
        segment_specimen(case.scan.image, case.scan.labels, case.spine, names[:1], line, options)
