"""A phantom vertebra as a porous medium: its parts, its ways out, and what stays the same whatever the voxels are."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from endplate.anatomy.axes import Axes
from endplate.anatomy.model import Canal, Implants, Lesion, Spine, Vertebra
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.cavity import Opening, with_cavity
from endplate.cement.defects import Defect, lost_shell
from endplate.cement.exits import Tract
from endplate.cement.measures import in_canal_ml, measure_fill, toward_lung_ml
from endplate.cement.medium import vertebra_medium, with_options, with_tracts
from endplate.cement.model import ROUTES, Fill, empty
from endplate.cement.veins import poiseuille_m3
from endplate.errors import UsageError
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec

LINE = Calibration.line(0.8, 0.0)
COARSE = BoneOptions(voxel_mm=2.0)


@cache
def phantom() -> Phantom:
    """One vertebra, L1."""
    return build_phantom(default_spec(("L1",)), GridSpec(spacing=(2.0, 2.0, 2.0)))


@cache
def spine() -> Spine:
    """Its measurements, from the phantom's truth."""
    truth = phantom().truth.levels["L1"]
    vertebra = Vertebra(
        level="L1",
        label_id=truth.label_id,
        complete=True,
        frame=truth.frame,
        canal=Canal(centre_ras_mm=truth.canal.centre_ras_mm),
    )
    return Spine(levels=(vertebra,))


def scan() -> Volume:
    image = phantom().volume
    assert image is not None
    return image


def scan_local_mm() -> FloatArray:
    """Places of the scan's voxels in the vertebra's frame."""
    frame = phantom().truth.levels["L1"].frame
    axes = Axes.from_directions(frame.origin_ras_mm, frame.superior_ras, frame.anterior_ras)
    ijk = np.stack(np.meshgrid(*map(np.arange, scan().shape), indexing="ij"), axis=-1)
    return axes.to_local(scan().to_world(ijk))


def with_hu(where: NDArray[np.bool_], hu: float) -> Volume:
    """The scan with other CT numbers somewhere."""
    return replace(scan(), data=np.where(where, hu, scan().data))


def made(options: BoneOptions = COARSE, image: Volume | None = None, **changes: object) -> BoneModel:
    """The vertebra as a medium, with changes of its measurements."""
    vertebra = spine().levels[0].model_copy(update=changes)
    image = scan() if image is None else image
    return vertebra_medium(image, phantom().labels, Spine(levels=(vertebra,)), "L1", LINE, options)


@cache
def usual() -> BoneModel:
    return made()


def routes(bone: BoneModel) -> set[str]:
    return {ROUTES[code - 1] for code in np.unique(bone.medium.exits) if code}


def place(bone: BoneModel, right: float, anterior: float, superior: float) -> tuple[float, float, float]:
    """RAS mm of a place in the vertebra's frame."""
    x, y, z = bone.grid.axes.to_world([right, anterior, superior])
    return float(x), float(y), float(z)


def test_the_body_has_its_volume_and_the_bone_its_porosity() -> None:
    truth = phantom().truth.levels["L1"]
    bone = usual()
    assert bone.body_volume_ml == pytest.approx(truth.body_volume_ml, rel=0.05)
    assert bone.grid.body_depth_mm == pytest.approx(truth.body_depth_mm, rel=0.08)
    middle = np.linalg.norm(bone.grid.local_mm, axis=-1) < 6.0
    fraction = (1.06 * truth.density.trabecular_mgcc + 38.9) / 0.6 / 2000.0
    inner = middle & ~bone.veins
    assert bone.medium.porosity[inner] == pytest.approx(1.0 - fraction, abs=0.03)
    ratio = bone.medium.permeability_m2[1][inner] / bone.medium.permeability_m2[2][inner]
    assert ratio == pytest.approx(0.78, abs=0.01)


def test_the_grid_follows_the_vertebra_and_not_the_scan() -> None:
    bone = usual()
    frame = phantom().truth.levels["L1"].frame
    axes = bone.medium.affine[:3, :3] / 2.0
    assert (
        pytest.approx(np.array([frame.right_ras, frame.anterior_ras, frame.superior_ras]), abs=1e-9) == axes.T
    )
    finer = made(replace(COARSE, voxel_mm=1.2))
    for one in (bone, finer):
        assert one.body_volume_ml == pytest.approx(bone.body_volume_ml, rel=0.01)
        room = one.medium.porosity[one.body].sum() * one.medium.voxel_ml
        assert room == pytest.approx(20.0, rel=0.06)
        assert one.posterior_quarter.sum() * one.medium.voxel_ml == pytest.approx(0.27 * 28.8, rel=0.1)


def test_cement_is_let_out_by_veins_only_where_the_shell_is_whole() -> None:
    bone = usual()
    assert routes(bone) == {"basivertebral", "segmental"}
    exits = bone.medium.exits
    total = bone.medium.exit_conductance[exits == 1 + ROUTES.index("basivertebral")].sum()
    assert total == pytest.approx(poiseuille_m3(1.5, 10.0), rel=1e-9)
    four = bone.medium.exit_conductance[exits == 1 + ROUTES.index("segmental")].sum()
    assert four == pytest.approx(4.0 * poiseuille_m3(1.0, 10.0), rel=1e-9)
    local = bone.grid.local_mm
    assert (local[exits == 1 + ROUTES.index("segmental")][:, 1] > 0.0).all()
    back = exits == 1 + ROUTES.index("basivertebral")
    assert (np.abs(bone.forward_mm[back]) < 2.0).all()
    # Nothing flows outside the bone or in its shell, but for the veins.
    assert not (bone.medium.porosity[~bone.grid.bone] > 0.0).any()
    assert not (bone.medium.porosity[bone.cortex & ~bone.veins] > 0.0).any()
    assert ((bone.medium.porosity > 0.0) == (bone.medium.permeability_m2.min(axis=0) > 0.0)).all()


def test_without_veins_there_is_no_vent_and_it_is_told() -> None:
    closed = with_options(usual(), replace(COARSE, basivertebral_mm=0.0, segmental_mm=0.0))
    assert routes(closed) == set()
    assert [one.severity for one in closed.findings if one.code == "cement-no-vent"] == ["critical"]
    assert "cement-no-vent" not in {one.code for one in usual().findings}


def test_scale_and_noise_change_bone_and_not_veins() -> None:
    bone = usual()
    tenth = with_options(bone, replace(COARSE, permeability_scale=0.1))
    free = (bone.medium.porosity > 0.0) & ~bone.veins
    ratio = tenth.medium.permeability_m2[:, free] / bone.medium.permeability_m2[:, free]
    assert ratio == pytest.approx(0.1)
    assert (tenth.medium.exit_conductance == bone.medium.exit_conductance).all()
    noisy = with_options(bone, replace(COARSE, noise_sigma=0.5, seed=3))
    spread = np.log(noisy.medium.permeability_m2[0][free] / bone.medium.permeability_m2[0][free])
    assert spread.std() == pytest.approx(0.5, abs=0.03)
    assert (noisy.medium.porosity == bone.medium.porosity).all()
    none = with_options(bone, replace(COARSE, permeability_scale=0.0))
    assert (none.medium.permeability_m2[:, free] == 0.0).all()
    with pytest.raises(UsageError, match="voxel_mm"):
        with_options(bone, BoneOptions(voxel_mm=1.0))


@pytest.mark.parametrize(
    ("where", "route"),
    [
        ((0.0, 16.0, 0.0), "cortical_anterior"),
        ((20.0, 0.0, 0.0), "cortical_lateral"),
        ((5.0, -16.5, -4.0), "cortical_posterior"),
        ((0.0, 0.0, 12.5), "disc_superior"),
        ((0.0, 0.0, -12.5), "disc_inferior"),
        ((-17.5, -20.0, -4.0), "foramen"),
    ],
)
def test_a_defect_opens_the_way_of_its_place(where: tuple[float, float, float], route: str) -> None:
    """Its conductance is that of cracks 0.5 mm wide in half of its area, a millimetre long."""
    hole = Defect(place(usual(), *where), 5.0, 0.5)
    whole = usual()
    lost = lost_shell(whole.grid, whole.places, (hole,), look=False, cleft=None)
    opened = with_options(replace(whole, lost=lost), replace(COARSE, basivertebral_mm=0.0, segmental_mm=0.0))
    exits = opened.medium.exits
    mine = exits == 1 + ROUTES.index(route)
    assert mine.any()
    share = opened.medium.exit_conductance[mine].sum() / opened.medium.exit_conductance.sum()
    assert share > 0.6
    area_m2 = opened.places.area_mm2[exits > 0].sum() * 1e-6
    law = (0.5e-3) ** 2 / 12.0 * 0.5 * area_m2 / 1e-3
    assert opened.medium.exit_conductance.sum() == pytest.approx(law, rel=1e-9)
    assert "cement-shell-open" in {one.code for one in opened.findings}


def test_lost_cortex_is_found_in_the_image() -> None:
    away = np.linalg.norm(scan_local_mm() - np.array([9.0, -15.0, 0.0]), axis=-1)
    broken = made(image=with_hu(away < 8.0, 45.0))
    assert not usual().lost.mask.any()
    assert broken.lost.mask.any()
    lost = broken.grid.local_mm[broken.lost.mask]
    assert np.linalg.norm(lost - np.array([9.0, -15.0, 0.0]), axis=1).max() < 11.0
    assert "cortical_posterior" in routes(broken)
    assert not made(replace(COARSE, find_defects=False), with_hu(away < 8.0, 45.0)).lost.mask.any()


def test_a_cleft_is_open_room_and_cracks_the_shell_beside_it() -> None:
    x, y, z = np.moveaxis(scan_local_mm(), -1, 0)
    gas = (np.abs(x) < 9.0) & (np.abs(y - 3.0) < 7.0) & (np.abs(z - 8.0) < 2.0)
    bone = made(image=with_hu(gas, -800.0))
    assert bone.cleft.sum() * bone.medium.voxel_ml == pytest.approx(gas.sum() * 0.008, rel=0.3)
    assert (bone.medium.porosity[bone.cleft] == 1.0).all()
    assert bone.medium.permeability_m2[0][bone.cleft].min() > 8e-8
    assert "disc_superior" in routes(bone)
    codes = {one.code for one in bone.findings}
    assert {"cement-cleft-open", "cement-cleft-cracks"} <= codes
    sealed = replace(COARSE, cleft_cracks=False, find_defects=False)
    assert "disc_superior" not in routes(made(sealed, with_hu(gas, -800.0)))


def test_a_cleft_of_fluid_is_taken_from_a_mask() -> None:
    image = scan()
    mask = np.zeros(image.shape, dtype=np.uint8)
    centre = np.rint(image.to_voxel(np.asarray(place(usual(), 0.0, 4.0, 2.0)))).astype(int)
    i, j, k = centre
    mask[i - 3 : i + 4, j - 3 : j + 4, k - 1 : k + 2] = 1
    bone = made(replace(COARSE, cleft=Volume(mask, image.affine)))
    assert bone.cleft.sum() * bone.medium.voxel_ml == pytest.approx(mask.sum() * 2.0**3 / 1000.0, rel=0.4)


def test_lytic_bone_holds_soft_tissue() -> None:
    bone = usual()
    lesion = Lesion(
        kind="lytic",
        place="body",
        side="middle",
        centre_ras_mm=place(bone, 8.0, 5.0, 0.0),
        diameter_mm=10.0,
        volume_ml=0.5,
        mean_hu=40.0,
        contrast_hu=-100.0,
        contrast_sd=-5.0,
    )
    sick = made(lesions=(lesion,))
    i, j, k = np.rint(sick.grid.index(np.asarray(lesion.centre_ras_mm))).astype(int)
    assert sick.medium.porosity[i, j, k] == pytest.approx(0.93)
    assert sick.medium.permeability_m2[:, i, j, k] == pytest.approx(3e-9 * np.array([0.92, 0.92, 1.18]))


def test_earlier_cement_lets_nothing_through() -> None:
    away = np.linalg.norm(scan_local_mm() - np.array([-8.0, 5.0, 0.0]), axis=-1)
    bone = made(image=with_hu(away < 7.0, 2000.0), implants=Implants(cement_ml=1.4))
    assert bone.blocked.sum() * bone.medium.voxel_ml == pytest.approx(4.0 / 3.0 * np.pi * 0.343, rel=0.25)
    assert (bone.medium.porosity[bone.blocked] == 0.0).all()
    assert "cement-implants-closed" in {one.code for one in bone.findings}


def test_a_needle_leaves_a_gap_back_to_its_entry() -> None:
    bone = usual()
    way = Tract(place(bone, -19.0, -34.0, 5.0), place(bone, -8.0, 6.0, 0.0), 3.05)
    drilled = with_tracts(bone, (way,))
    mouth = drilled.medium.exits == 1 + ROUTES.index("tract")
    assert mouth.sum() == 1
    assert 0.0 < drilled.medium.exit_conductance[mouth].sum() < poiseuille_m3(1.0, 10.0)
    assert (drilled.medium.porosity >= bone.medium.porosity).all()
    # The gap is no wall to what flows across it.
    open_ = bone.medium.porosity > 0.0
    assert (drilled.medium.permeability_m2[:, open_] > 0.85 * bone.medium.permeability_m2[:, open_]).all()
    with pytest.raises(UsageError, match="does not touch"):
        with_tracts(bone, (Tract((0.0, 0.0, 900.0), (0.0, 0.0, 950.0), 3.0),))


def ball(bone: BoneModel, held: float = 0.0) -> tuple[np.ndarray, Opening]:
    """Distance from the middle of a round cavity of 9 mm, with the bone round it half as solid again."""
    away = np.linalg.norm(bone.grid.local_mm - np.array([0.0, 4.0, 0.0]), axis=-1)
    share = np.clip((9.0 - away) / 2.0 + 0.5, 0.0, 1.0)
    denser = np.where((share < 1.0) & (away < 12.0), 1.5, 1.0)
    return away, Opening(bone.medium.affine, share, held * share, denser, np.zeros_like(share))


def test_a_cavity_is_open_and_the_bone_round_it_is_denser() -> None:
    bone = usual()
    away, opening = ball(bone)
    hollow = with_cavity(bone, opening)
    core = opening.cavity == 1.0
    assert (hollow.medium.porosity[core] == 1.0).all()
    assert (hollow.medium.permeability_m2[:, core] == 1e-6).all()
    shell = (away > 10.5) & (away < 11.0) & ~bone.veins
    before, after = (1.0 - one.medium.porosity[shell] for one in (bone, hollow))
    assert after == pytest.approx(1.5 * before)
    assert (hollow.medium.permeability_m2[0][shell] < bone.medium.permeability_m2[0][shell]).all()
    far = away > 13.0
    assert (hollow.medium.porosity[far] == bone.medium.porosity[far]).all()
    finer = opening.onto(
        bone.medium.affine @ np.diag([0.5, 0.5, 0.5, 1.0]), tuple(2 * n for n in opening.cavity.shape)
    )
    assert with_cavity(bone, finer).cavity == pytest.approx(hollow.cavity)
    with pytest.raises(UsageError, match="No part"):
        with_cavity(bone, replace(opening, cavity=np.zeros(bone.medium.shape)))


def test_no_cement_goes_where_a_balloon_still_is() -> None:
    bone = usual()
    _, opening = ball(bone, held=1.0)
    full = with_cavity(bone, opening)
    core = opening.cavity == 1.0
    assert not full.medium.porosity[core].any()
    assert not full.medium.permeability_m2[:, core].any()
    assert not full.cavity.any()
    empty_again = with_cavity(bone, replace(opening, held=0.0 * opening.held))
    assert (empty_again.medium.porosity[core] == 1.0).all()


def test_a_shell_that_a_balloon_broke_lets_cement_out() -> None:
    bone = usual()
    front = bone.places.surface & bone.body & (bone.routes == "cortical_anterior")
    seat = np.argwhere(front)[len(np.argwhere(front)) // 2]
    away = (
        np.linalg.norm(np.stack(np.indices(bone.medium.shape), axis=-1) - seat, axis=-1) * bone.grid.step_mm
    )
    share = np.where(away <= 6.0, 1.0, 0.0) * bone.body
    opening = Opening(
        bone.medium.affine,
        share,
        np.zeros_like(share),
        np.ones_like(share),
        share * (bone.places.surface & (away <= 3.0)),
    )
    out = 1 + ROUTES.index("cortical_anterior")
    whole, open_ = (with_cavity(bone, one) for one in (replace(opening, breached=0.0 * share), opening))
    near = away <= 6.0
    assert not (whole.medium.exits[near] == out).any()
    assert (open_.medium.exits[near] == out).any()
    assert open_.medium.exit_conductance[near].sum() > 0.0
    assert open_.lost.mask[near].any()


def test_what_a_fill_measures() -> None:
    bone = usual()
    upright = (np.abs(bone.grid.local_mm[..., 0]) < 6.0) & (np.abs(bone.grid.local_mm[..., 1]) < 6.0)
    full = np.where(upright & (bone.medium.porosity > 0.0), 1.0, 0.0)
    leaked = tuple(float(n) for n in range(len(ROUTES)))
    fill = replace(empty(bone.medium), saturation=full, leaked_ml=leaked, marrow_displaced_ml=3.0)
    inside = float(fill.volume_ml(bone.medium).sum())
    found = measure_fill(bone, replace(fill, injected_ml=inside + sum(leaked)))
    assert found.touches_endplates
    assert found.in_bone_ml == pytest.approx(inside)
    assert found.fill_fraction == pytest.approx(inside / bone.body_volume_ml)
    assert found.mass_error < 1e-12
    assert found.behind_most_mm == pytest.approx(bone.forward_mm[full > 0.0].min() - 1.0)
    assert found.posterior_quarter_ml == 0.0
    by_route = found.leaks_ml
    assert sum(by_route.values()) == pytest.approx(sum(leaked))
    canal = by_route["basivertebral"] + by_route["cortical_posterior"] + by_route["foramen"]
    assert found.in_canal_ml == pytest.approx(canal) == pytest.approx(in_canal_ml(leaked))
    assert found.toward_lung_ml == by_route["segmental"] == toward_lung_ml(leaked)
    assert found.findings == ()


def test_cement_near_the_posterior_wall_is_warned_of() -> None:
    bone = usual()
    near = bone.posterior_quarter & (bone.medium.porosity > 0.0) & (np.abs(bone.grid.local_mm[..., 0]) < 8.0)
    fill = replace(empty(bone.medium), saturation=near.astype(float))
    found = measure_fill(bone, fill)
    assert found.behind_most_mm is not None
    assert found.behind_most_mm < 3.0
    assert found.posterior_quarter_ml == pytest.approx(found.in_bone_ml)
    assert [one.code for one in found.findings] == ["cement-near-wall"]
    nothing: Fill = empty(bone.medium)
    assert measure_fill(bone, nothing).behind_most_mm is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"voxel_mm": 9.0},
        {"permeability_scale": -1.0},
        {"permeability_scale": float("nan")},
        {"noise_sigma": -0.1},
        {"anisotropy": (1.0, 0.0, 1.0)},
        {"cortex_mm": 0.0},
        {"segmental_mm": 50.0},
        {"marrow_pas": 0.0},
        {"outer_pressure_pa": -1.0},
    ],
)
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(COARSE, **wrong)


def test_impossible_places_are_refused() -> None:
    with pytest.raises(UsageError):
        Defect((0.0, 0.0, 0.0), -1.0, 0.5)
    with pytest.raises(UsageError):
        Tract((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 3.0)
    with pytest.raises(UsageError, match="L4"):
        vertebra_medium(scan(), phantom().labels, spine(), "L4", LINE, COARSE)
