"""A phantom that cannot be is refused with a reason and a remedy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from endplate.errors import UsageError
from endplate.synthetic import (
    DiscSpec,
    FractureSpec,
    GridSpec,
    PedicleSpec,
    build_phantom,
    default_spec,
    density_of_hu,
    hu_of_density,
    random_spec,
)

L1 = default_spec(("L1",)).vertebra("L1")


@pytest.mark.parametrize(
    "build",
    [
        lambda: FractureSpec("dent", 0.3),
        lambda: FractureSpec("wedge", 0.7),
        lambda: FractureSpec("wedge", -0.1),
        lambda: FractureSpec("wedge", float("nan")),
        lambda: FractureSpec("wedge", 0.3, endplate="inferior"),
        lambda: FractureSpec("crush", 0.3, retropulsion_mm=20.0),
        lambda: PedicleSpec(8.0, 6.0, 10.0),
        lambda: PedicleSpec(8.0, 15.0, 10.0, width_mm=9.0),
        lambda: PedicleSpec(8.0, 15.0, 60.0),
        lambda: DiscSpec(1.0),
        lambda: replace(L1, level="C5"),
        lambda: replace(L1, anterior_height_mm=2.0),
        lambda: replace(L1, middle_height_mm=12.0),
        lambda: replace(L1, anterior_height_mm=12.0, middle_height_mm=19.0),
        lambda: replace(L1, pedicle_left=PedicleSpec(8.0, 24.0, 10.0), posterior_height_mm=20.0),
        lambda: default_spec(("L1", "L3")),
        lambda: default_spec(("L2", "L1")),
        lambda: default_spec(()),
        lambda: default_spec(("S1",)),
        lambda: default_spec(("L1",), colour="white"),
        lambda: default_spec(("L1",), fracture={"L4": FractureSpec("wedge", 0.3)}),
        lambda: replace(default_spec(("L1", "L2")), discs=()),
        lambda: random_spec(1, ("L1", "L2"), fracture=FractureSpec("wedge", 0.3), fracture_level="T8"),
        lambda: GridSpec((0.0, 1.0, 1.0)),
        lambda: GridSpec(axes=("R", "L", "S")),
        lambda: GridSpec(oblique_axis="X"),
        lambda: GridSpec(margin_mm=-1.0),
        lambda: GridSpec(noise_hu=-1.0),
    ],
)
def test_refused(build):
    with pytest.raises(UsageError) as refusal:
        build()
    assert refusal.value.code == "phantom-spec-invalid"
    assert refusal.value.do


def test_a_grid_that_would_fill_the_memory_is_refused():
    with pytest.raises(UsageError):
        build_phantom(default_spec(("L1",)), GridSpec((0.1, 0.1, 0.1), margin_mm=200.0), ct=False)


def test_a_cleft_larger_than_the_body_is_refused():
    spec = default_spec(("L1",), fracture=FractureSpec("crush", 0.6, cleft_ml=4.0))
    with pytest.raises(UsageError, match="does not fit"):
        build_phantom(spec, GridSpec((2.0, 2.0, 2.0)))


def test_overrides_reach_one_level_or_all():
    spec = default_spec(("L1", "L2"), trabecular_mgcc={"L2": 80.0}, canal_ap_mm=16.0, texture_cv=0.0)
    assert [v.trabecular_mgcc for v in spec.vertebrae] == [120.0, 80.0]
    assert [v.canal_ap_mm for v in spec.vertebrae] == [16.0, 16.0]
    assert spec.texture_cv == 0.0


def test_random_spec_is_fixed_by_its_seed_and_the_fracture_changes_nothing_else():
    plain = random_spec(7)
    broken = random_spec(7, fracture=FractureSpec("wedge", 0.4))
    assert plain == random_spec(7)
    assert plain != random_spec(8)
    assert broken.with_fracture("L1", None) == plain
    assert broken.vertebra("L1").fracture is not None


def test_density_line_is_invertible():
    for density in (0.0, 37.5, 120.0, 1000.0):
        assert density_of_hu(hu_of_density(density)) == pytest.approx(density, abs=1e-9)
