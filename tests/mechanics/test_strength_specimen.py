"""Laws, tissues, caps, grids and the document."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import ConvergenceError, InputError, QualityGateError, UsageError
from endplate.imaging.volume import Volume
from endplate.mechanics import ramp as ramping
from endplate.mechanics.caps import Caps, parse_caps
from endplate.mechanics.fields import interface, shell, strain_at_centres, stress_at_centres, von_mises
from endplate.mechanics.laws import LAWS, density_law
from endplate.mechanics.loads import daily_loads, trunk_share
from endplate.mechanics.orient import aligned, as_scanned
from endplate.mechanics.plasticity import Yielding
from endplate.mechanics.pressing import StrengthOptions, press
from endplate.mechanics.specimen import Specimen, specimen
from endplate.mechanics.strength import strength_of
from endplate.mechanics.tissue import CementMaterial, DamageBand, bone_elasticity, with_cement

QUIET = StrengthOptions(caps=Caps("none"), steps="fast")


def block(shape=(8, 6, 6), density=100.0, caps: Caps | None = None, spacing=(1.0, 1.0, 1.0)) -> Specimen:
    """A block of even bone."""
    ids = np.ones(shape, dtype=int)
    return specimen(np.full(shape, density), ids, (1,), caps or Caps("none"), spacing, np.eye(4))


def test_the_default_law_gives_its_published_values() -> None:
    law = density_law()
    density = np.array([50.0, 100.0, 200.0, 1000.0])
    assert law.modulus_mpa(density) == pytest.approx([128, 266, 550, 2980], rel=5e-3)
    assert law.yield_mpa(density) == pytest.approx([0.58, 1.52, 3.99, 37.4], rel=1e-2)
    assert density_law("kopperdahl-line").modulus_mpa(density[1:2]) == pytest.approx([288], rel=5e-3)


@pytest.mark.parametrize("name", LAWS)
def test_every_law_grows_and_stays_positive(name: str) -> None:
    law = density_law(name)
    density = np.linspace(-200.0, 1500.0, 60)
    for values in (law.modulus_mpa(density), law.yield_mpa(density)):
        assert values.min() > 0.0
        assert (np.diff(values) >= 0.0).all()
    assert law.text.startswith("E = ")


def test_an_unknown_law_names_the_others() -> None:
    with pytest.raises(UsageError) as told:
        density_law("carter")
    assert "kopperdahl" in told.value.do


def test_cement_replaces_bone_and_its_rind_is_derated() -> None:
    made = block((5, 5, 5)).tissue(density_law())
    cement = CementMaterial(2000.0, 70.0, 0.2, 0.6)
    full = np.zeros((5, 5, 5))
    full[1:4, 1:4, 1:4] = 1.0
    bonded = with_cement(made, full, cement)
    assert bonded.modulus_mpa[2, 2, 2] == pytest.approx(2000.0 * 0.64)  # no bone in it
    assert bonded.modulus_mpa[0, 0, 0] == made.modulus_mpa[0, 0, 0]
    half = with_cement(made, 0.5 * full, cement)
    assert half.modulus_mpa[2, 2, 2] == pytest.approx(0.5 * 1280.0 + 0.5 * made.modulus_mpa[2, 2, 2])
    derated = with_cement(made, full, cement, "derated")
    assert derated.modulus_mpa[2, 2, 2] == bonded.modulus_mpa[2, 2, 2]
    assert derated.modulus_mpa[1, 2, 2] == pytest.approx(0.6 * 1280.0)


def test_a_damage_band_lies_under_its_endplate() -> None:
    made = block((10, 4, 4))
    band = DamageBand("superior", 3.0, 0.5, 0.4)
    where = band.voxels(made.body, 1.0)
    assert where[7:].all()
    assert not where[:7].any()
    below = DamageBand("inferior", 2.0, 0.5, 0.4).voxels(made.body, 1.0)
    assert below[:2].all()
    assert below.sum() == 32
    crushed = StrengthOptions(caps=Caps("none"), steps="fast", yielding=Yielding("tresca", "capped"))
    broken = press(made, crushed, made.broken(density_law(), band))
    whole = press(made, crushed)
    assert broken.strength_n == pytest.approx(0.4 * whole.strength_n, rel=0.02)
    assert broken.stiffness_n_per_mm < whole.stiffness_n_per_mm


@pytest.mark.parametrize(
    ("text", "kind"), [("none", "none"), ("labels:5,6", "labels"), ("pmma:3:fit:2500", "pmma")]
)
def test_caps_are_read(text: str, kind: str) -> None:
    assert parse_caps(text).kind == kind


@pytest.mark.parametrize(
    "text", ["", "pmma", "pmma:3:2", "pmma:0:2:2500", "pmma:3:-1:9", "labels:5", "labels:5,5"]
)
def test_wrong_caps_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_caps(text)


def test_made_caps_fill_hollows_and_end_flat() -> None:
    ids = np.ones((12, 9, 9), dtype=int)
    ids[10:, 3:6, 3:6] = 0  # a hollow upper end
    made = specimen(
        np.full(ids.shape, 100.0), ids, (1,), parse_caps("pmma:3:fit:2500"), (1.0,) * 3, np.eye(4)
    )
    assert made.bone.shape[0] == 18
    assert made.upper[-1].all()
    assert made.upper[13:, 4, 4].all()
    assert not (made.upper & made.bone).any()
    assert made.affine[2, 3] == -3.0
    shallow = specimen(
        np.full(ids.shape, 100.0), ids, (1,), parse_caps("pmma:3:1:2500"), (1.0,) * 3, np.eye(4)
    )
    assert shallow.upper[14, 4, 4]
    assert not shallow.upper[13, 4, 4]
    assert made.height_mm == pytest.approx((72 * 12 + 9 * 10) / 81)


def test_what_cannot_be_bone_is_refused_or_told() -> None:
    with pytest.raises(InputError, match="g/cm³"):
        block(density=0.1)
    with pytest.raises(InputError, match="no numbers"):
        block(density=np.nan)
    with pytest.raises(QualityGateError, match="no voxel of the bone"):
        specimen(
            np.ones((3, 3, 3)), np.zeros((3, 3, 3), dtype=int), (1,), Caps("none"), (1.0,) * 3, np.eye(4)
        )
    density = np.full((6, 4, 4), 100.0)
    density[:2] = -50.0
    density[5, 0, 0] = 9000.0
    made = specimen(density, np.ones((6, 4, 4), dtype=int), (1,), Caps("none"), (1.0,) * 3, np.eye(4))
    assert {one.code for one in made.findings} == {"mechanics-negative-density", "mechanics-absurd-density"}
    assert made.density_mgcc.min() == 0.0


def test_floating_fragments_are_left_out_and_told() -> None:
    ids = np.zeros((8, 6, 12), dtype=int)
    ids[:, :, :5] = 1
    ids[3:5, 2:4, 8:10] = 1
    made = specimen(np.full(ids.shape, 100.0), ids, (1,), Caps("none"), (1.0,) * 3, np.eye(4))
    assert [one.code for one in made.findings] == ["mechanics-fragments"]
    assert made.bone.sum() == 8 * 6 * 5


def test_labelled_caps_must_be_there_and_the_right_way_up() -> None:
    ids = np.ones((6, 4, 4), dtype=int)
    ids[0], ids[-1] = 5, 6
    density = np.full(ids.shape, 100.0)
    made = specimen(density, ids, (1,), parse_caps("labels:5,6"), (1.0,) * 3, np.eye(4))
    assert made.height_mm == 4.0
    for text, code in (("labels:6,5", "caps-upside-down"), ("labels:5,7", "caps-not-in-mask")):
        with pytest.raises(QualityGateError) as told:
            specimen(density, ids, (1,), parse_caps(text), (1.0,) * 3, np.eye(4))
        assert told.value.code == code


def test_any_order_and_direction_of_axes_gives_the_same_grid() -> None:
    rng = np.random.default_rng(5)
    data = rng.uniform(50.0, 200.0, (4, 5, 6))
    ids = np.ones(data.shape)
    plain = as_scanned(
        Volume(data, np.diag([1.0, 1.0, 2.0, 1.0])), Volume(ids, np.diag([1.0, 1.0, 2.0, 1.0]))
    )
    affine = np.array([[0, 0, -1.0, 3], [-1.0, 0, 0, 4], [0, -2.0, 0, 10], [0, 0, 0, 1]])
    turned = np.transpose(data, (1, 2, 0))[::-1, ::-1, ::-1]
    other = as_scanned(Volume(turned, affine), Volume(np.ones(turned.shape), affine))
    assert np.array_equal(plain.density_mgcc, other.density_mgcc)
    assert other.spacing_mm == plain.spacing_mm == (1.0, 1.0, 2.0)
    assert np.allclose(plain.affine, other.affine)
    assert [one.code for one in plain.findings] == ["mechanics-anisotropic-voxels"]


def test_a_tilted_block_is_turned_upright() -> None:
    angle = np.radians(12.0)
    grid = np.stack(np.meshgrid(*(np.arange(40.0),) * 3, indexing="ij")) - 20.0
    x, y, z = grid
    up = np.cos(angle) * z + np.sin(angle) * y
    along = np.cos(angle) * y - np.sin(angle) * z
    inside = (abs(up) < 10.0) & (abs(along) < 13.0) & (abs(x) < 14.0)
    volume = Volume(np.where(inside, 120.0, 0.0), np.eye(4))
    placed = aligned(as_scanned(volume, Volume(inside.astype(int), np.eye(4))), (1,), 1.0)
    made = specimen(placed.density_mgcc, placed.ids, (1,), Caps("none"), placed.spacing_mm, placed.affine)
    assert made.height_mm == pytest.approx(20.0, abs=0.6)
    axis = made.affine[:3, 2]
    assert np.degrees(np.arccos(axis @ [0.0, np.sin(angle), np.cos(angle)])) < 0.5


def test_strain_and_stress_of_a_linear_field() -> None:
    made = block((4, 4, 4), spacing=(1.0, 0.5, 2.0))
    model = made.model(made.tissue(density_law()), bone_elasticity())
    z, y, x = np.meshgrid(np.arange(5) * 2.0, np.arange(5) * 0.5, np.arange(5) * 1.0, indexing="ij")
    moved = np.stack([-0.3e-3 * -x, -0.3e-3 * -y, -1e-3 * z])
    strain = strain_at_centres(moved, model.spacing_mm)
    assert strain[:, 1, 2, 3] == pytest.approx([0.3e-3, 0.3e-3, -1e-3, 0, 0, 0], abs=1e-12)
    stress = stress_at_centres(model, moved)
    assert stress[2] == pytest.approx(-1e-3 * model.modulus_mpa)
    assert stress[0] == pytest.approx(np.zeros_like(stress[0]), abs=1e-9)
    assert von_mises(stress) == pytest.approx(1e-3 * model.modulus_mpa)
    core = np.zeros((5, 5, 5), dtype=bool)
    core[1:4, 1:4, 1:4] = True
    assert shell(core).sum() == 26
    assert interface(~core, core).sum() == 54


def test_transverse_bone_is_softer_across_and_as_stiff_along() -> None:
    made = block((8, 5, 5))
    plain = press(made, StrengthOptions(caps=Caps("none"), linear_only=True))
    across = press(made, StrengthOptions(caps=Caps("none"), linear_only=True, transverse=True))
    assert across.stiffness_n_per_mm == pytest.approx(plain.stiffness_n_per_mm, rel=1e-4)
    assert bone_elasticity(transverse=True).matrix()[0, 0] < bone_elasticity().matrix()[0, 0]


def test_the_document_of_a_block_is_that_of_a_column() -> None:
    made = block((10, 6, 5), density=100.0)
    found = strength_of(made, QUIET).document
    law, area = density_law(), 30.0
    modulus, limit = (
        float(one[0]) for one in (law.modulus_mpa(np.array([100.0])), law.yield_mpa(np.array([100.0])))
    )
    assert found.stiffness_n_per_mm == pytest.approx(modulus * area / 10.0, rel=1e-4)
    assert found.strength_linear_n == pytest.approx(0.0068 * found.stiffness_n_per_mm * 10.0)
    assert found.strength_n == pytest.approx(limit * area, rel=1e-3)
    assert found.failure is not None
    assert not found.failure.still_rising
    assert found.failure.offset_yield_n == pytest.approx(limit * area, rel=0.05)
    low, high = found.interval.strength_n
    assert low < found.strength_n < high
    assert {part.name for part in found.interval.parts} >= {"calibration", "law", "voxel size"}
    assert found.factor == pytest.approx(found.strength_n / 1250.0)
    keys = set(found.model_dump(by_alias=True))
    assert keys >= {
        "schema",
        "stiffness_n_per_mm",
        "strength_linear_n",
        "strength_n",
        "elements",
        "iterations",
        "relative_residual",
        "loading",
        "law",
    }
    again = strength_of(made, QUIET).document
    assert again.model_dump_json() == found.model_dump_json()


def test_a_step_that_does_not_settle_carries_the_linear_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ramping, "MOST_ROUNDS", 1)
    with pytest.raises(ConvergenceError) as told:
        strength_of(block((6, 4, 4)), QUIET)
    assert told.value.exit_code == 6
    assert told.value.document is not None
    assert told.value.document["strength_n"] is None
    assert told.value.document["stiffness_n_per_mm"] > 0.0


def test_loads_shrink_towards_the_head() -> None:
    assert trunk_share("L3") == 1.0
    assert trunk_share("T12") < 1.0
    assert trunk_share("T5") < trunk_share("T12")
    loads = daily_loads("L1")
    assert [one.force_n for one in loads] == sorted(one.force_n for one in loads)
    assert {one.name for one in loads if not one.recalled} == {
        "walking",
        "rising from a chair",
        "lifting 5 to 10 kg",
    }
