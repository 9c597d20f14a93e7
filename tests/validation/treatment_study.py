"""Vertebrae pressed before and after fills of known size, and one real vertebra treated by its plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from endplate.anatomy import assess
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.medium import vertebra_medium
from endplate.cement.rheology import cement_law
from endplate.devices.catalogue import load_catalogue
from endplate.imaging.calibration import Calibration
from endplate.imaging.geometry import FloatArray
from endplate.imaging.labels import read_labels
from endplate.imaging.read import read_image
from endplate.imaging.volume import Volume
from endplate.mechanics.levels import CaseStrength, LevelStrength
from endplate.mechanics.pressing import StrengthOptions
from endplate.mechanics.strength import press_vertebra
from endplate.outcome.bands import BandOptions, treatment_bands
from endplate.outcome.before_after import Scan, before_and_after
from endplate.outcome.fields import cement_maps
from endplate.outcome.model import BandSet, LevelOutcome, StrengthOutcome
from endplate.outcome.treatment import TreatedLevel, treatment
from endplate.planning import PlanOptions, plan_levels
from endplate.procedure.build import WorldOptions, build_world
from endplate.procedure.document import procedure_document
from endplate.procedure.scene import Scene
from endplate.procedure.script import play_plan
from endplate.synthetic import FractureSpec, GridSpec, build_phantom, default_spec

LEVEL = "L1"
LINE = Calibration.line(0.8, 0.0)
TRABECULAR_MGCC = 90.0
FILLS = (0.10, 0.162, 0.298)
"""Shares of the body: the last two are those at which Molloy 2003 found strength and stiffness restored."""

LOSS = 0.30
MEMBERS = 8


@dataclass(frozen=True)
class Filled:
    """One fill pressed: its share of the body, whether it reaches both endplates, and what it did."""

    share: float
    bridging: bool
    outcome: StrengthOutcome


def phantom() -> Scan:
    """Three osteoporotic levels, the middle one a wedge."""
    spec = default_spec(("T12", "L1", "L2"), fracture={LEVEL: FractureSpec("wedge", LOSS)})
    sparse = tuple(replace(one, trabecular_mgcc=TRABECULAR_MGCC) for one in spec.vertebrae)
    made = build_phantom(replace(spec, vertebrae=sparse), GridSpec(spacing=(1.0, 1.0, 1.0), margin_mm=8.0))
    assert made.volume is not None
    return Scan(made.volume, made.labels, assess(made.labels, made.volume, LINE), LINE)


def bone_of(scan: Scan, level: str = LEVEL, voxel_mm: float = 1.0) -> BoneModel:
    """The level as a porous body."""
    options = BoneOptions(voxel_mm=voxel_mm)
    return vertebra_medium(scan.image, scan.labels, scan.spine, level, scan.calibration, options)


def filled(bone: BoneModel, share: float, *, bridging: bool) -> FloatArray:
    """Cement in a share of the body's volume: two columns from endplate to endplate, or two balls between them.

    Their radius is found by halving, so that the share is met to a thousandth.
    """
    low, high = 1.0, 30.0
    field: FloatArray = np.zeros(bone.grid.shape)
    for _ in range(40):
        radius = 0.5 * (low + high)
        field = _two(bone, radius, bridging=bridging)
        held = float(field.sum()) * bone.medium.voxel_ml / bone.body_volume_ml
        low, high = (radius, high) if held < share else (low, radius)
    return field


def _two(bone: BoneModel, radius_mm: float, *, bridging: bool) -> FloatArray:
    place = bone.grid.local_mm
    aside = 0.2 * bone.grid.body_width_mm
    forward = bone.forward_mm - 0.62 * bone.grid.body_depth_mm
    high = place[..., 2] - place[bone.body][:, 2].mean()
    inside = bone.body & ~bone.cortex
    field: FloatArray = np.zeros(bone.grid.shape)
    for sign in (-1.0, 1.0):
        across = place[..., 0] - bone.grid.local.x_mid_mm - sign * aside
        away = np.sqrt(across**2 + forward**2 + (0.0 if bridging else 1.0) * high**2)
        field = np.maximum(field, np.where(inside, np.clip(radius_mm - away + 0.5, 0.0, 1.0), 0.0))
    return field


def known_levels(scan: Scan, options: StrengthOptions) -> CaseStrength:
    """All levels without cement, pressed once."""
    return CaseStrength(
        levels=tuple(
            LevelStrength(
                level=one.level,
                result=press_vertebra(
                    scan.image, scan.labels, scan.spine, one.level, scan.calibration, options
                ).document,
            )
            for one in scan.spine.levels
        )
    )


def pressed(
    scan: Scan, bone: BoneModel, known: CaseStrength, options: StrengthOptions, *, bridging: bool
) -> list[Filled]:
    """All fills of one kind."""
    found = []
    for share in FILLS:
        field = filled(bone, share, bridging=bridging).astype(np.float32)
        cement = Volume(field, bone.medium.affine)
        made = before_and_after(scan, LEVEL, cement, options=options, known=known)
        found.append(Filled(share, bridging, made.outcome))
    return found


def real_scene(folder: Path) -> Scene:
    """TPTBox L3 with its plan."""
    image = read_image(folder / "tptbox_L3_ct.nii.gz")
    labels = read_labels(folder / "tptbox_L3_vert_labels.nii.gz", image=image)
    calibration = Calibration.uncalibrated()
    spine = assess(labels, image, calibration)
    plan = plan_levels(labels, image, spine, ("L3",), PlanOptions(reason="a study of treatments"))
    return Scene(image, labels, spine, plan, calibration, load_catalogue())


def treated(scene: Scene, voxel_mm: float = 1.0) -> tuple[LevelOutcome, float]:
    """The plan of the real level played; the outcome, and the cement of its map over that in the bone."""
    bone = BoneOptions(voxel_mm=voxel_mm)
    made = build_world(scene, WorldOptions(bone=bone, exposure_pixels=0))
    played = play_plan(made.world)
    document = procedure_document(played, made.world, scene.plan, voxel_mm=voxel_mm, findings=made.findings)
    state = played.state
    levels = {
        name: TreatedLevel(
            made.bones[name],
            state.fills[name],
            state.arrivals.get(name),
            cement_law(scene.catalogue.cements[kind]),
        )
        for name, kind in state.fill_cements.items()
    }
    scan = Scan(scene.image, scene.labels, scene.spine, scene.calibration)
    result = treatment(document, levels, scan)
    level = result.document.levels[0]
    assert level.cement is not None
    maps = cement_maps(result.fields, scene.image)
    mapped = float(maps.fraction.data.sum()) * float(np.prod(scene.image.spacing_mm)) / 1000.0
    return level, mapped / level.cement.in_bone_ml


def real_bands(scene: Scene, workers: int) -> BandSet:
    """The ensemble of the real level."""
    return treatment_bands(scene, "L3", BandOptions(members=MEMBERS), workers=workers)
