"""The same virtual fractures treated by kyphoplasty and by vertebroplasty, each by its own plan with one dose."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from balloon_study import POROTIC, Case, intact

from endplate.anatomy import assess
from endplate.balloon.model import Options, Posture
from endplate.cement.bone_options import BoneOptions
from endplate.devices.catalogue import load_catalogue
from endplate.errors import EndplateError
from endplate.imaging.geometry import FloatArray
from endplate.outcome.balloon import balloon_outcome
from endplate.outcome.bands import BandOptions, treatment_bands
from endplate.planning import PlanOptions, plan_levels
from endplate.planning.model import LevelPlan, Plan
from endplate.procedure.balloon_bone import BalloonOptions
from endplate.procedure.build import WorldOptions, build_world
from endplate.procedure.document import LevelProcedure, procedure_document
from endplate.procedure.scene import Scene
from endplate.procedure.script import play_plan
from endplate.procedure.times import Settings
from endplate.synthetic.virtual_fracture import VirtualFracture, fracture_scan

VOXEL_MM = 1.0
MEMBERS = 8
BALLOON_ML = 3.0
"""Inflated to this or to what stops a balloon first; the plan's volume keeps clear of endplates that have not yet
risen, an operator goes on until something stops him."""


@dataclass(frozen=True)
class Treated:
    """One technique in one fracture.

    Parameters
    ----------
    needles:
        How many.
    dose_ml, in_cavity_ml, leaked_ml:
        Cement given, in the balloons' cavity, and outside the body.
    leaked_band_ml:
        5th, 50th and 95th percentile of the leaks over an ensemble.
    roughness:
        Surface of the cement over that of a ball of its volume.
    bone_kpa:
        Greatest pressure at a needle's tip.
    gain_mm, turned_deg:
        Net gain of the anterior height, and by how much the wedge became less; 0 without balloons.
    volumes_ml:
        Most that each balloon held.
    """

    needles: int
    dose_ml: float
    in_cavity_ml: float
    leaked_ml: float
    leaked_band_ml: tuple[float, float, float]
    roughness: float
    bone_kpa: float
    gain_mm: float = 0.0
    turned_deg: float = 0.0
    volumes_ml: tuple[float, ...] = ()


@dataclass(frozen=True)
class Pair:
    """Both techniques in one fracture, or why there is no plan."""

    case: Case
    kyphoplasty: Treated | None
    vertebroplasty: Treated | None
    why: str = ""


def cases() -> list[Case]:
    """Two levels, three shapes, two losses. At T12 of this phantom no 8G cannula keeps its margins."""
    return [
        Case("phantom", level, shape, loss, VOXEL_MM)
        for level in ("L1", "L3")
        for shape in ("wedge", "crush", "biconcave")
        for loss in (0.2, 0.3)
    ]


def treat(case: Case) -> Pair:
    """Break the vertebra, plan both ways, treat both ways with the dose that the kyphoplasty took."""
    try:
        scene = _broken(case)
        first = _planned(scene, case.level, PlanOptions(technique="kyphoplasty", catalogue=scene.catalogue))
        second = _planned(
            scene, case.level, PlanOptions(technique="vertebroplasty", catalogue=scene.catalogue)
        )
    except EndplateError as error:
        return Pair(case, None, None, f"{error.code}: {error.what}")
    if not first.paths or not second.paths:
        return Pair(case, None, None, "no plan: " + _why(first if not first.paths else second))
    kyphoplasty = _played(scene, first, None)
    return Pair(case, kyphoplasty, _played(scene, second, kyphoplasty.dose_ml))


def _why(plan: LevelPlan) -> str:
    return "no path" if plan.refused is None else plan.refused.code


@cache
def _broken(case: Case) -> Scene:
    image, labels, spine, calibration = intact(case.source, case.level)
    wanted = VirtualFracture(level=case.level, shape=case.shape, loss=case.loss)  # type: ignore[arg-type]
    broken = fracture_scan(image, labels, spine, wanted, calibration)
    measured = assess(broken.labels, broken.image, POROTIC)
    return Scene(broken.image, broken.labels, measured, Plan(plans=()), POROTIC, load_catalogue())


def _planned(scene: Scene, level: str, options: PlanOptions) -> LevelPlan:
    reason = replace(options, reason="virtual fracture")
    return plan_levels(scene.labels, scene.image, scene.spine, (level,), reason).plans[0]


def _played(scene: Scene, plan: LevelPlan, dose_ml: float | None) -> Treated:
    """One technique by its plan, with the dose that is given."""
    inflation = BalloonOptions(Options(posture=Posture.none(), crack=True))
    how = WorldOptions(
        bone=BoneOptions(voxel_mm=VOXEL_MM),
        settings=Settings(balloon_ml=BALLOON_ML),
        balloon=inflation,
        exposure_pixels=0,
    )
    if dose_ml is not None:
        plan = plan.model_copy(update={"cement": plan.cement.model_copy(update={"volume_ml": dose_ml})})
    whole = replace(scene, plan=Plan(plans=(plan,)))
    made = build_world(whole, how)
    played = play_plan(made.world)
    done = procedure_document(played, made.world, whole.plan, voxel_mm=VOXEL_MM).levels[0]
    hollow = played.state.hollows.get(plan.level)
    bands = treatment_bands(
        whole,
        plan.level,
        BandOptions(members=MEMBERS),
        opening=None if hollow is None else hollow.opening,
        workers=1,
    )
    leaked = bands.find("leaked_ml")
    assert leaked is not None
    fill = played.state.fills[plan.level]
    return _told(done, fill.saturation >= 0.5, (leaked.low, leaked.median, leaked.high))


def _told(done: LevelProcedure, cement: np.ndarray, leaked: tuple[float, float, float]) -> Treated:
    gain = turned = 0.0
    volumes: tuple[float, ...] = ()
    if done.balloon is not None:
        outcome = balloon_outcome(done.balloon, filled=True)
        stages = {stage.name: stage for stage in outcome.stages}
        before, after = stages["scan"], stages["final"]
        gain = (after.heights_mm.anterior or np.nan) - (before.heights_mm.anterior or np.nan)
        turned = (before.wedge_angle_deg or np.nan) - (after.wedge_angle_deg or np.nan)
        volumes = tuple(outcome.volumes_ml.values())
    return Treated(
        needles=len(done.needles),
        dose_ml=done.in_bone_ml + done.in_cavity_ml + sum(done.leaks_ml.values()),
        in_cavity_ml=done.in_cavity_ml,
        leaked_ml=sum(done.leaks_ml.values()),
        leaked_band_ml=leaked,
        roughness=roughness(cement),
        bone_kpa=1000.0 * (done.peak_bone_pressure_mpa or np.nan),
        gain_mm=gain,
        turned_deg=turned,
        volumes_ml=volumes,
    )


def roughness(cement: np.ndarray) -> float:
    """Faces of cement's voxels toward what is none, over those that a ball of so many voxels has on the same grid."""

    def faces(mask: np.ndarray) -> float:
        padded = np.pad(mask, 1).astype(np.int8)
        return float(sum(np.abs(np.diff(padded, axis=axis)).sum() for axis in range(3)))

    count = int(np.count_nonzero(cement))
    if count == 0:
        return float("nan")
    radius = (3.0 * count / (4.0 * np.pi)) ** (1.0 / 3.0)
    side = int(np.ceil(radius)) + 1
    places: FloatArray = np.stack(np.indices((2 * side + 1,) * 3), axis=-1) - float(side)
    return faces(cement) / faces(np.linalg.norm(places, axis=-1) <= radius)
