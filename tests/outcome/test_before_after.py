"""Strength before and after: more cement carries more, its bond matters, neighbours tell what is whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.model import Spine
from endplate.cement.bone_model import BoneModel
from endplate.cement.cavity import Opening, with_cavity
from endplate.cement.model import Fill
from endplate.errors import UsageError
from endplate.imaging.volume import Volume
from endplate.mechanics.levels import CaseStrength, LevelStrength
from endplate.mechanics.pressing import StrengthOptions
from endplate.mechanics.strength import press_vertebra
from endplate.mechanics.strength_model import StrengthDocument
from endplate.mechanics.vertebra_model import vertebra_specimen
from endplate.outcome import before_after as module
from endplate.outcome.before_after import BeforeAfter, Scan, before_and_after, opened, saturation_on
from endplate.outcome.intact import intact_expectation

OPTIONS = StrengthOptions(voxel_mm=3.0, steps="fast")
Known = dict[str, StrengthDocument]


def field(bone: BoneModel, saturation: np.ndarray) -> Volume:
    return Volume(saturation.astype(np.float32), bone.medium.affine)


@pytest.fixture(scope="module")
def known(scan: Scan) -> CaseStrength:
    levels = []
    for level in ("T12", "L1", "L2"):
        made = press_vertebra(scan.image, scan.labels, scan.spine, level, scan.calibration, OPTIONS)
        levels.append(LevelStrength(level=level, result=made.document))
    return CaseStrength(levels=tuple(levels))


@pytest.fixture(scope="module")
def pressed(scan: Scan, bone: BoneModel, fill: Fill, known: CaseStrength) -> BeforeAfter:
    return before_and_after(scan, "L1", field(bone, fill.saturation), options=OPTIONS, known=known)


def test_a_pillar_from_endplate_to_endplate_stiffens_and_strengthens(pressed: BeforeAfter) -> None:
    found = pressed.outcome
    assert found.before_n is not None
    assert found.after_derated_n is not None
    assert found.after_bonded_n is not None
    assert found.before_n < found.after_derated_n < found.after_bonded_n
    assert found.stiffness_before_n_per_mm is not None
    assert found.stiffness_after_n_per_mm is not None
    assert found.stiffness_after_derated_n_per_mm is not None
    assert (
        found.stiffness_before_n_per_mm
        < found.stiffness_after_derated_n_per_mm
        < found.stiffness_after_n_per_mm
    )


def test_before_is_the_broken_bone_and_whole_bone_stands_between_its_neighbours(
    pressed: BeforeAfter, known: CaseStrength
) -> None:
    own, above, below = (known.find(level) for level in ("L1", "T12", "L2"))
    assert own is not None
    assert own.broken is not None
    assert above is not None
    assert below is not None
    found = pressed.outcome
    assert found.before_n == own.broken.strength_n
    assert found.broken_band_mm == own.broken.band_mm
    assert found.intact_expectation_n == pytest.approx(
        0.5 * ((above.strength_n or 0) + (below.strength_n or 0))
    )
    assert found.intact_from == "the whole neighbours T12 and L2"
    assert {one.code for one in pressed.findings} == {"outcome-broken-band", "outcome-strength-meaning"}


def test_the_model_holds_the_cement_that_the_fill_has(
    pressed: BeforeAfter, bone: BoneModel, fill: Fill
) -> None:
    full = float(fill.saturation.sum()) * bone.medium.voxel_ml
    assert pressed.outcome.augmented_ml == pytest.approx(full, rel=0.05)


def test_resampling_onto_the_model_keeps_a_uniform_field(scan: Scan, bone: BoneModel) -> None:
    made = vertebra_specimen(scan.image, scan.labels, scan.spine, "L1", scan.calibration, OPTIONS)
    share = saturation_on(made, field(bone, np.full(bone.medium.shape, 0.25)))
    assert share[made.bone] == pytest.approx(0.25)


def test_without_cement_before_and_after_are_the_same_bone(
    scan: Scan, bone: BoneModel, known: CaseStrength
) -> None:
    nothing = field(bone, np.zeros(bone.medium.shape))
    found = before_and_after(scan, "L1", nothing, options=OPTIONS, known=known)
    assert found.outcome.after_bonded_n == pytest.approx(found.outcome.before_n, rel=1e-6)
    assert found.outcome.after_derated_n == pytest.approx(found.outcome.before_n, rel=1e-6)
    assert "outcome-no-cement-in-body" in {one.code for one in found.findings}


def test_an_earlier_result_is_taken_only_where_bone_and_options_agree(
    scan: Scan, known: CaseStrength
) -> None:
    made = vertebra_specimen(scan.image, scan.labels, scan.spine, "L1", scan.calibration, OPTIONS)
    document = known.find("L1")
    assert document is not None
    assert module.agrees(document, made, OPTIONS)
    others = [
        replace(OPTIONS, law="morgan"),
        replace(OPTIONS, steps="full"),
        replace(OPTIONS, hold="clamped"),
        replace(OPTIONS, tilting=True),
        replace(OPTIONS, transverse=True),
        replace(OPTIONS, linear_only=True),
        OPTIONS.quick(),
    ]
    assert not any(module.agrees(document, made, other) for other in others)
    denser = replace(made, density_mgcc=1.01 * made.density_mgcc)
    assert not module.agrees(document, denser, OPTIONS)


def test_a_level_that_is_not_there_is_unknown_and_told(scan: Scan, bone: BoneModel, fill: Fill) -> None:
    found = before_and_after(scan, "L5", field(bone, fill.saturation), options=OPTIONS)
    assert found.outcome.before_n is None
    assert [one.code for one in found.findings] == ["outcome-strength-missing"]


def test_neighbours_that_are_broken_or_fail_are_passed_over(scan: Scan, known: CaseStrength) -> None:
    documents = {level: known.find(level) for level in ("T12", "L1", "L2")}

    def press(level: str) -> StrengthDocument:
        found = documents[level]
        if level == "L2" or found is None:
            raise UsageError("no", "This one cannot be pressed.", do="Nothing.")
        return found

    one = intact_expectation(scan.spine, "L1", documents["L1"], press)
    assert documents["T12"] is not None
    assert one.strength_n == documents["T12"].strength_n
    assert one.source == "the whole neighbour T12"
    alone = Spine(levels=tuple(v for v in scan.spine.levels if v.level == "L1"))
    own = intact_expectation(alone, "L1", documents["L1"], press)
    assert documents["L1"] is not None
    assert own.strength_n == documents["L1"].strength_n
    assert own.source == "the bone of L1 without damage"
    assert intact_expectation(alone, "L1", None, press).strength_n is None


def cavity(bone: BoneModel) -> Opening:
    """Two thirds of a ball of 9 mm in the middle of the body, with the bone within 3 mm of it twice as dense."""
    middle = bone.grid.local_mm[bone.body].mean(axis=0)
    away = np.linalg.norm(bone.grid.local_mm - middle, axis=-1)
    share = np.where(away <= 9.0, 1.0, 0.0)
    denser = np.where((away > 9.0) & (away <= 12.0), 2.0, 1.0)
    none = np.zeros_like(share)
    return Opening(bone.medium.affine, share, none, denser, none)


def test_a_cavity_takes_bone_away_and_what_lies_round_it_is_denser(scan: Scan, bone: BoneModel) -> None:
    opening = cavity(bone)
    made = vertebra_specimen(
        scan.image, scan.labels, scan.spine, "L1", scan.calibration, OPTIONS, voxel_mm=OPTIONS.voxel_mm
    )
    hollow = opened(made, opening)
    assert opened(made, None) is made
    inside = made.sample(Volume(opening.cavity, opening.affine)) > 0.999
    ratio = hollow.density_mgcc / np.maximum(made.density_mgcc, 1.0)
    assert inside.any()
    assert (hollow.density_mgcc[inside & made.bone] < 0.3 * made.density_mgcc[inside & made.bone]).all()
    assert ratio[made.bone & (made.density_mgcc > 1.0)].max() > 1.4
    assert (hollow.density_mgcc[~made.bone] == made.density_mgcc[~made.bone]).all()


def test_a_cavity_left_empty_weakens_and_one_full_of_cement_does_not(
    scan: Scan, bone: BoneModel, known: CaseStrength
) -> None:
    opening = replace(cavity(bone), solid_ratio=np.ones(bone.medium.shape))
    hollow = with_cavity(bone, opening)
    linear = replace(OPTIONS, linear_only=True)
    full = np.where(hollow.cavity > 0.5, 1.0, 0.0)
    empty, filled = (
        before_and_after(scan, "L1", field(bone, part), options=linear, known=known, opening=opening).outcome
        for part in (0.0 * full, full)
    )
    assert empty.stiffness_before_n_per_mm is not None
    assert empty.stiffness_after_n_per_mm is not None
    assert filled.stiffness_after_n_per_mm is not None
    assert empty.stiffness_after_n_per_mm < empty.stiffness_before_n_per_mm < filled.stiffness_after_n_per_mm
