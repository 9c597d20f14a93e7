"""One member of an ensemble: the same plan played in bone that is a little other, with cement and needles that are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from endplate.anatomy.model import Vec3
from endplate.cement.advance import advance
from endplate.cement.bone_model import BoneModel
from endplate.cement.cavity import Opening, with_cavity
from endplate.cement.flow_options import Options
from endplate.cement.heat import HeatOptions
from endplate.cement.measures import measure_fill
from endplate.cement.medium import with_options
from endplate.cement.model import Fill, Flow, Medium, PowerLaw, Source
from endplate.cement.rheology import cement_law
from endplate.devices.catalogue import Catalogue
from endplate.errors import EndplateError
from endplate.imaging.geometry import FloatArray
from endplate.outcome.heat import warmth
from endplate.outcome.treatment import TreatedLevel, at_last_stroke
from endplate.planning.model import LevelPlan, NeedlePath, Plan
from endplate.procedure.build import known_cements, level_world, tract_of
from endplate.procedure.document import LevelProcedure, procedure_document
from endplate.procedure.model import Hollow
from endplate.procedure.script import play_plan
from endplate.procedure.sight import look
from endplate.procedure.times import Settings
from endplate.procedure.world import Cement, Tube, World
from endplate.sources import value

PERMEABILITY, VISCOSITY = "permeability", "viscosity"
"""Names of the factors on both."""

AXES = ("right", "anterior", "superior")
"""Axes of the patient along which a needle misses its place; names are ``SIDE.AXIS``, in mm."""

FAILED = "failed"
"""Code of a procedure that ended because the flow could not be followed."""

MOST_BACK_MM, BACK_STEP_MM = 10.0, 0.5
"""How far a needle is drawn back at most, and in what steps."""

Numbers = dict[str, float | None]

WARM = ("canal", "posterior_wall", "endplate_superior", "endplate_inferior")
"""Structures whose greatest temperature is told; names are ``STRUCTURE_peak_c``."""


@dataclass(frozen=True, eq=False)
class Setting:
    """What all members share.

    Parameters
    ----------
    bone:
        Of the level, with a permeability scale of 1.
    plan:
        Of the level.
    catalogue, cement:
        Tools and cements, and the name of the one that is injected.
    settings:
        Of the procedure.
    noise_sigma:
        Of the logarithm of the random factor on permeability within the bone.
    heat:
        How heat is followed.
    opening:
        What balloons did to the bone: the same for all members.
    """

    bone: BoneModel
    plan: LevelPlan
    catalogue: Catalogue
    cement: str
    settings: Settings
    noise_sigma: float
    heat: HeatOptions
    opening: Opening | None = None


@dataclass(frozen=True)
class Member:
    """What one member has of its own: a seed, and numbers by name."""

    seed: int
    drawn: Mapping[str, float]


def play_member(setting: Setting, member: Member) -> Numbers | None:
    """Play the plan in one member's world and measure what came of it.

    Returns
    -------
    Numbers by name; ``None`` where this member could not be played, as with a needle that misses the bone.
    """
    try:
        return _measured(setting, member)
    except EndplateError:
        return None


def _measured(setting: Setting, member: Member) -> Numbers | None:
    paths = tuple(drawn_back(_moved(path, member.drawn), setting.bone) for path in setting.plan.paths)
    plan = setting.plan.model_copy(update={"paths": paths})
    bone = with_options(
        setting.bone,
        replace(
            setting.bone.options,
            permeability_scale=member.drawn[PERMEABILITY],
            noise_sigma=setting.noise_sigma,
            seed=member.seed,
            tracts=tuple(tract_of(one) for one in paths),
        ),
    )
    factor = member.drawn[VISCOSITY]
    if setting.opening is not None:
        bone = with_cavity(bone, setting.opening)
    level = level_world(plan, bone, setting.catalogue, {})
    if setting.opening is not None:
        level = replace(level, hollow=Hollow(setting.opening, bone.medium, bone.cavity))
    tubes = {side: _thicker_in_tube(tube, factor) for side, tube in level.tubes.items()}
    cements = known_cements(setting.catalogue, setting.settings)
    world = World(
        levels=MappingProxyType({plan.level: replace(level, tubes=MappingProxyType(tubes))}),
        cements=MappingProxyType({name: _thicker(one, factor) for name, one in cements.items()}),
        flow=_flow,
        look=look,
        settings=setting.settings,
    )
    played = play_plan(world, setting.cement)
    whole = Plan(plans=(plan,))
    document = procedure_document(played, world, whole, voxel_mm=bone.grid.step_mm)
    done = document.levels[0]
    if done.stopped_because == FAILED:
        return None
    law = cement_law(setting.catalogue.cements[setting.cement])
    left = TreatedLevel(bone, played.state.fills[plan.level], None, law)
    return _numbers(setting, left, done, at_last_stroke(left, done, document.time_s))


def _numbers(
    setting: Setting, left: TreatedLevel, done: LevelProcedure, fill: Fill
) -> dict[str, float | None]:
    """What is told of a member, by the names of the cement's outcome."""
    measured = measure_fill(left.bone, left.fill)
    warm = warmth(left.bone, fill, left.law, setting.heat)
    found: Numbers = {
        "delivered_ml": done.delivered_ml,
        "in_bone_ml": measured.in_bone_ml,
        "fill_fraction": measured.fill_fraction,
        "posterior_wall_mm": measured.behind_most_mm,
        "peak_pressure_mpa": done.peak_pressure_mpa,
        "leaked_ml": sum(done.leaks_ml.values()),
        "in_canal_ml": measured.in_canal_ml,
        "toward_lung_ml": measured.toward_lung_ml,
    }
    if setting.opening is not None:
        found["in_cavity_ml"] = measured.in_cavity_ml
    found |= {f"leaks_ml.{route}": volume for route, volume in done.leaks_ml.items()}
    peaks = {} if warm is None else {one.name: one.peak_c for one in warm.outcome.regions}
    found["peak_temperature_c"] = peaks.get("cement")
    return found | {f"{name}_peak_c": peaks.get(name) for name in WARM}


def _moved(path: NeedlePath, drawn: Mapping[str, float]) -> NeedlePath:
    """A needle beside its planned place, parallel to it."""
    return _shifted(path, np.array([drawn[f"{path.side}.{axis}"] for axis in AXES]))


def drawn_back(path: NeedlePath, bone: BoneModel) -> NeedlePath:
    """A needle whose tip stands in the shell, drawn back as an operator would until cement can leave it.

    It stays where it is where that takes more than :data:`MOST_BACK_MM`.
    """
    entry, tip = np.array(path.entry_ras_mm), np.array(path.tip_ras_mm)
    back = (entry - tip) / np.linalg.norm(entry - tip)
    medium = bone.medium
    open_ = (medium.permeability_m2.max(axis=0) > 0.0) & (medium.porosity > 0.0)
    for step in np.arange(0.0, MOST_BACK_MM + BACK_STEP_MM, BACK_STEP_MM):
        at = np.rint(bone.grid.index(tip + step * back)).astype(int)
        if (at >= 0).all() and (at < medium.shape).all() and open_[tuple(at)]:
            return _shifted(path, step * back)
    return path


def _shifted(path: NeedlePath, shift_mm: FloatArray) -> NeedlePath:
    """The same needle elsewhere, parallel to itself."""
    ends = (path.entry_ras_mm, path.tip_ras_mm)
    entry, tip = (_beside(end, shift_mm) for end in ends)
    balloon = path.kyphoplasty
    if balloon is not None:
        near, far = balloon.balloon_markers_ras_mm
        balloon = balloon.model_copy(
            update={
                "cannula_end_ras_mm": _beside(balloon.cannula_end_ras_mm, shift_mm),
                "channel_end_ras_mm": _beside(balloon.channel_end_ras_mm, shift_mm),
                "balloon_markers_ras_mm": (_beside(near, shift_mm), _beside(far, shift_mm)),
            }
        )
    return path.model_copy(update={"entry_ras_mm": entry, "tip_ras_mm": tip, "kyphoplasty": balloon})


def _beside(point_ras_mm: Vec3, shift_mm: FloatArray) -> Vec3:
    x, y, z = (float(one) for one in np.array(point_ras_mm) + shift_mm)
    return (x, y, z)


def _thicker(cement: Cement, factor: float) -> Cement:
    """The same cement with its consistency times a factor."""

    def power_law(age_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        consistency, index = cement.power_law(age_s)
        return factor * consistency, index

    return replace(cement, power_law=power_law)


def _thicker_in_tube(tube: Tube, factor: float) -> Tube:
    """A cannula full of that cement: the pressure of a power law goes with its consistency."""

    def drop_pa(cement: Cement, age_s: float, rate_ml_min: float) -> float:
        return factor * tube.drop_pa(cement, age_s, rate_ml_min)

    return replace(tube, drop_pa=drop_pa)


def _flow(
    medium: Medium,
    fill: Fill,
    sources: tuple[Source, ...],
    power_law: PowerLaw,
    duration_s: float,
    age_rate: float,
) -> tuple[Fill, Flow]:
    """Flow in steps as coarse as the voxels of an ensemble."""
    steps = Options(step_ml=float(value("outcome.bands_step_ml")))
    return advance(medium, fill, sources, power_law, duration_s, age_rate=age_rate, options=steps)
