"""A patient's case as the world of a procedure: bone as a porous medium, the planned needles as tubes, real cements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from endplate.anatomy.model import Vertebra
from endplate.cement.advance import advance
from endplate.cement.bone_model import BoneModel
from endplate.cement.bone_options import BoneOptions
from endplate.cement.cannula import Cannula, pressure_drop_pa
from endplate.cement.exits import Tract
from endplate.cement.medium import vertebra_medium
from endplate.cement.model import Fill, Flow, Medium, PowerLaw, Source
from endplate.cement.rheology import CementLaw, cement_law, working_window
from endplate.devices.catalogue import Catalogue
from endplate.errors import EndplateError, QualityGateError, UsageError
from endplate.fluoroscopy.dose import Exposure
from endplate.fluoroscopy.patient import Patient
from endplate.fluoroscopy.plan_views import plan_shots
from endplate.fluoroscopy.render import prepare
from endplate.planning.model import LevelPlan, NeedlePath
from endplate.procedure.actions import ViewName
from endplate.procedure.balloon_bone import BalloonOptions, balloons_of
from endplate.procedure.scene import Scene
from endplate.procedure.sight import look
from endplate.procedure.times import Settings
from endplate.procedure.world import Cement, LevelWorld, Tube, World
from endplate.sources import Finding, finding, value


@dataclass(frozen=True)
class WorldOptions:
    """How the world is made.

    Parameters
    ----------
    bone:
        How bone becomes a porous medium; its tracts are those of the plan.
    settings:
        Times, pressures and rules.
    balloon:
        How balloons are inflated.
    exposure_pixels:
        Along each side of the detector when the dose of a view is worked out; 0: the dose is not counted.
    """

    bone: BoneOptions = field(default_factory=BoneOptions)
    settings: Settings = field(default_factory=Settings)
    balloon: BalloonOptions = field(default_factory=BalloonOptions)
    exposure_pixels: int = 128

    def quick(self) -> WorldOptions:
        """The same on voxels of ``procedure.quick_voxel_mm``: what a run through a case uses."""
        voxel = float(value("procedure.quick_voxel_mm"))
        return replace(self, bone=replace(self.bone, voxel_mm=voxel))


@dataclass(frozen=True, eq=False)
class Made:
    """A world with what it was made through.

    Parameters
    ----------
    world:
        For the engine.
    bones:
        The levels' bones, by name.
    findings:
        What the user must know of them.
    """

    world: World
    bones: Mapping[str, BoneModel]
    findings: tuple[Finding, ...]


def build_world(
    scene: Scene,
    options: WorldOptions | None = None,
    *,
    tell: Callable[[str, float], None] = lambda _what, _part: None,
) -> Made:
    """Make the world of a planned case.

    Levels without a needle, or whose bone cannot be made, are left out; the latter are told.

    Raises
    ------
    QualityGateError
        ``treat-no-needle``: no level of the plan has a needle.
    UsageError
        ``bone-options``: voxels that are too fine or too coarse.
    """
    how = options or WorldOptions()
    planned = [level for level in scene.plan.plans if level.paths]
    if not planned:
        raise QualityGateError(
            "treat-no-needle",
            "No level of the plan has a needle, so there is nothing to do.",
            intact="The case is unchanged.",
            do="Read the reasons in the plan, and plan again with another gauge, access or level.",
        )
    patient = Patient(scene.image) if how.exposure_pixels else None
    bones: dict[str, BoneModel] = {}
    levels: dict[str, LevelWorld] = {}
    findings: list[Finding] = []
    for place, plan in enumerate(planned):
        tell(f"bone of {plan.level}", place / len(planned))
        try:
            bone = bone_of(scene, plan, how.bone)
        except UsageError as error:
            if error.code == "bone-options":
                raise
            findings.append(finding("procedure-no-bone", level=plan.level, why=error.what))
            continue
        bones[plan.level] = bone
        findings += bone.findings
        exposures, missing = _exposures(plan, scene.spine.find(plan.level), patient, how.exposure_pixels)
        findings += missing
        level = level_world(plan, bone, scene.catalogue, exposures)
        balloons = balloons_of(scene, plan, bone, how.balloon)
        if isinstance(balloons, str):
            findings.append(finding("procedure-no-balloon", level=plan.level, why=balloons))
            level = replace(level, no_balloons=balloons)
        elif balloons is not None:
            level = replace(level, balloons=balloons)
        levels[plan.level] = level
    return Made(
        world=World(
            levels=MappingProxyType(levels),
            cements=MappingProxyType(known_cements(scene.catalogue, how.settings)),
            flow=flow,
            look=look,
            settings=how.settings,
        ),
        bones=MappingProxyType(bones),
        findings=tuple(findings),
    )


def bone_of(scene: Scene, plan: LevelPlan, options: BoneOptions) -> BoneModel:
    """A planned level's bone with its needles driven through it. Raises as ``vertebra_medium`` does."""
    tracts = tuple(tract_of(path) for path in plan.paths)
    return vertebra_medium(
        scene.image,
        scene.labels,
        scene.spine,
        plan.level,
        scene.calibration,
        replace(options, tracts=tracts),
    )


def level_world(
    plan: LevelPlan, bone: BoneModel, catalogue: Catalogue, exposures: Mapping[ViewName, Exposure]
) -> LevelWorld:
    """One level from its bone."""
    return LevelWorld(
        plan=plan,
        medium=bone.medium,
        body=bone.body,
        front_of_wall_mm=bone.forward_mm,
        depth_mm=bone.grid.body_depth_mm,
        body_ml=bone.body_volume_ml,
        tubes=MappingProxyType({path.side: tube_of(path, plan.technique, catalogue) for path in plan.paths}),
        exposures=MappingProxyType(dict(exposures)),
    )


def tube_of(path: NeedlePath, technique: str, catalogue: Catalogue) -> Tube:
    """The cannula of a path: the shortest that reaches the tip from the skin; the longest where the skin is unknown."""
    tool = catalogue.tool(path.gauge, technique)
    skin = path.depths_mm.skin_to_bone
    fitting = None if skin is None else tool.length_for(skin + path.depths_mm.bone_to_tip)
    cannula = Cannula(((fitting or tool.longest_mm, tool.inner_diameter_mm),))

    def drop_pa(cement: Cement, age_s: float, rate_ml_min: float) -> float:
        return pressure_drop_pa(cannula, _law(cement.name, catalogue), age_s, rate_ml_min)

    return Tube(cannula.tip_inner_diameter_mm, cannula.volume_ml, drop_pa)


def known_cements(catalogue: Catalogue, settings: Settings) -> dict[str, Cement]:
    """Every cement of the catalogue as the engine needs it."""
    found = {}
    for name in catalogue.cements:
        law = _law(name, catalogue)
        window = working_window(law, settings.room_c)
        found[name] = Cement(
            name=name,
            power_law=law.power_law,
            room_rate=float(law.age_rate(settings.room_c)),
            body_rate=float(law.age_rate(settings.body_c)),
            ready_s=window.ready_s,
            end_s=window.end_s,
        )
    return found


def flow(
    medium: Medium,
    fill: Fill,
    sources: tuple[Source, ...],
    power_law: PowerLaw,
    duration_s: float,
    age_rate: float,
) -> tuple[Fill, Flow]:
    """Two-phase Darcy flow (:func:`endplate.cement.advance.advance`)."""
    return advance(medium, fill, sources, power_law, duration_s, age_rate=age_rate)


def _law(name: str, catalogue: Catalogue) -> CementLaw:
    return cement_law(catalogue.cements[name])


def tract_of(path: NeedlePath) -> Tract:
    """The way that a needle's cannula takes through bone: with a balloon it ends behind it."""
    end = path.tip_ras_mm if path.kyphoplasty is None else path.kyphoplasty.cannula_end_ras_mm
    return Tract(path.entry_ras_mm, end, path.outer_diameter_mm)


def _exposures(
    plan: LevelPlan, vertebra: Vertebra | None, patient: Patient | None, pixels: int
) -> tuple[dict[ViewName, Exposure], tuple[Finding, ...]]:
    """What the tube gives in the level's true views."""
    if patient is None:
        return {}, ()
    try:
        shots = plan_shots(plan, vertebra, pixels=pixels)
        return {
            "ap": prepare(shots.ap, patient).exposure,
            "lateral": prepare(shots.lateral, patient).exposure,
        }, ()
    except EndplateError as error:
        return {}, (finding("procedure-no-dose", level=plan.level, why=error.what),)
