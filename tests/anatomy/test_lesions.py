"""Lesions and destroyed bone, on phantoms with and without; the study of hundreds is a validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from endplate.anatomy.assessment import assess
from endplate.anatomy.lesions import LesionSigns, find_lesions
from endplate.anatomy.locate import locate_vertebrae
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.synthetic import (
    ArchBreakSpec,
    FractureSpec,
    GridSpec,
    LesionSpec,
    Phantom,
    build_phantom,
    default_spec,
)

LEVELS = ("T12", "L1", "L2")
GRID = GridSpec((1.2, 1.2, 1.2), margin_mm=4.0, psf_fwhm_mm=0.9, noise_hu=12.0)


def _signs(phantom: Phantom, exclude: np.ndarray | None = None) -> dict[str, LesionSigns]:
    assert phantom.volume is not None
    vertebrae = [item.vertebra for item in locate_vertebrae(phantom.labels)]
    found = find_lesions(vertebrae, phantom.volume, exclude)
    return dict(zip(LEVELS, found, strict=True))


@pytest.fixture(scope="module")
def ill() -> Phantom:
    """A lytic body, a destroyed pedicle with a broken lamina, a blastic body with a destroyed, bulging wall."""
    spec = default_spec(LEVELS)
    spec = spec.with_vertebra("T12", lesions=(LesionSpec("lytic", 11.0, at=(0.45, 0.6, 0.55)),))
    spec = spec.with_vertebra(
        "L1",
        lesions=(LesionSpec("lytic", 12.0, "pedicle", "left", border_mm=2.0),),
        arch_breaks=(ArchBreakSpec("right lamina", 3.0),),
    )
    wall = LesionSpec("lytic", 12.0, "posterior wall", at=(-0.25, 0.0, 0.45))
    dense = LesionSpec("blastic", 10.0, at=(0.0, 0.65, 0.5), hu=550.0)
    spec = spec.with_vertebra("L2", lesions=(wall, dense), border_bulge_mm=4.0)
    return build_phantom(spec, GRID)


@pytest.fixture(scope="module")
def assessed(ill: Phantom) -> Spine:
    return assess(ill.labels, ill.volume, Calibration.uncalibrated())


@pytest.fixture(scope="module")
def hard() -> Phantom:
    """No lesion, but what looks like one: impacted bone, a gas cleft, thin bone, strong texture."""
    spec = default_spec(LEVELS, fracture={"L1": FractureSpec("biconcave", 0.3, cleft_ml=0.6)})
    spec = replace(spec, texture_cv=0.2).with_vertebra("L2", trabecular_mgcc=60.0)
    return build_phantom(spec, GRID)


def test_each_lesion_is_named_with_place_side_and_size(ill: Phantom, assessed: Spine) -> None:
    for vertebra in assessed.levels:
        true = ill.truth.levels[vertebra.level].lesions
        assert len(vertebra.lesions) == len(true)
        for lesion in true:
            found = min(
                vertebra.lesions,
                key=lambda item: float(np.linalg.norm(np.subtract(item.centre_ras_mm, lesion.centre_ras_mm))),
            )
            assert (found.kind, found.side) == (lesion.kind, lesion.side)
            assert np.linalg.norm(np.subtract(found.centre_ras_mm, lesion.centre_ras_mm)) < 3.5
            assert found.diameter_mm == pytest.approx(lesion.diameter_mm, rel=0.4)
            assert np.sign(found.contrast_hu) == (-1 if lesion.kind == "lytic" else 1)
            assert "pedicle" in found.destroyed or lesion.place != "pedicle"
            assert "posterior" in found.destroyed or lesion.place != "posterior wall"


def test_findings_name_what_is_not_excluded(assessed: Spine) -> None:
    codes = {v.level: {f.code for f in v.findings} for v in assessed.levels}
    assert "lesion-lytic" in codes["T12"]
    assert {"pedicle-destroyed", "posterior-elements-broken"} <= codes["L1"]
    assert {"lesion-blastic", "posterior-wall-destroyed", "posterior-border-bulging"} <= codes["L2"]
    ours = ("lesion-", "pedicle-destroyed", "posterior-")
    for vertebra in assessed.levels:
        for item in vertebra.findings:
            if item.code.startswith(ours):
                assert "alignancy or instability not excluded" in item.text
                assert item.severity in ("warning", "critical")
    broken = assessed.find("L1")
    assert broken is not None
    assert [item.place for item in broken.arch_breaks] == ["right lamina"]


def test_density_leaves_the_lesions_out(ill: Phantom, assessed: Spine) -> None:
    for level in ("T12", "L2"):
        found = assessed.find(level)
        assert found is not None
        true = ill.truth.levels[level].density.trabecular_hu
        assert found.density.mean_hu == pytest.approx(true, abs=6.0)


def test_what_only_looks_like_a_lesion_is_none(hard: Phantom) -> None:
    for signs in _signs(hard).values():
        assert signs.lesions == ()
        assert signs.arch_breaks == ()
        assert signs.posterior_bulge_mm is not None
        assert signs.posterior_bulge_mm < 1.5
        assert not signs.mask.any()


def test_an_excluded_place_is_not_judged(ill: Phantom) -> None:
    assert ill.volume is not None
    true = ill.truth.levels["T12"].lesions[0]
    index = np.stack(np.meshgrid(*(np.arange(n) for n in ill.volume.shape), indexing="ij"), axis=-1)
    away = np.linalg.norm(ill.volume.to_world(index) - true.centre_ras_mm, axis=-1)
    signs = _signs(ill, away < 8.0)
    assert signs["T12"].lesions == ()
    assert len(signs["L2"].lesions) == 2


def test_without_a_ct_nothing_is_said(ill: Phantom) -> None:
    spine = assess(ill.labels, None, Calibration.uncalibrated())
    assert all(v.lesions == () and v.posterior_bulge_mm is None for v in spine.levels)
