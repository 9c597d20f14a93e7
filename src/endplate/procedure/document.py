"""What a procedure came to, as the frozen document ``procedure.json`` of a case."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from endplate.anatomy.model import Document
from endplate.balloon.model import Inflation
from endplate.balloon.result import document as inflation_document
from endplate.cement.cavity import share_in_cavity
from endplate.cement.model import ROUTES
from endplate.planning.model import LevelPlan, Plan
from endplate.procedure.model import Sample, State, Step, Told
from endplate.procedure.record import Played
from endplate.procedure.stopping import stop
from endplate.procedure.world import World
from endplate.sources import Finding, finding
from endplate.units import PA_PER_MPA


class DoseReadOut(Document):
    """The C-arm's read-out at the end. Air kerma is that at the reference point."""

    seconds: float
    lateral_seconds: float
    frames: int
    air_kerma_mgy: float
    lateral_air_kerma_mgy: float
    area_product_gycm2: float


class NeedleRecord(Document):
    """One needle at the end."""

    side: str
    depth_mm: float | None
    """Of its tip along the planned path, from the entry into bone."""
    pushed_ml: float
    in_cannula_ml: float
    into_bone_ml: float
    peak_pressure_mpa: float


class MixRecord(Document):
    """One batch of cement."""

    cement: str
    mixed_at_s: float
    volume_ml: float
    taken_ml: float
    ready_s: float
    """Age from which it could be injected."""
    end_s: float
    """Age at which its working time ended."""


class LevelProcedure(Document):
    """What was done at one level. Volumes are those of the model, also where the operator could not see them."""

    level: str
    technique: str
    cement: str | None
    """Its name in the catalogue; ``None`` where none came into the bone."""
    planned_ml: float | None
    delivered_ml: float
    in_cannula_ml: float
    in_bone_ml: float
    """Without what lies in the cavity."""
    in_cavity_ml: float
    leaks_ml: dict[str, float]
    """By route, all of :data:`endplate.cement.model.ROUTES`."""
    marrow_displaced_ml: float
    mass_error: float
    peak_pressure_mpa: float | None
    """At the syringe."""
    peak_bone_pressure_mpa: float | None
    """At the needle's tip."""
    first_cement_s: float | None
    last_cement_s: float | None
    """When cement first and last moved, on the clock of the procedure."""
    stopped_because: str | None
    stopped_text: str | None
    needles: tuple[NeedleRecord, ...] = ()
    balloon: Inflation | None = None
    """``None`` where no balloon was inflated."""
    curve: tuple[Sample, ...] = ()
    findings: tuple[Finding, ...] = ()


class ProcedureDocument(Document):
    """One procedure at all levels of a plan."""

    schema_: Literal["endplate/procedure/1"] = Field(default="endplate/procedure/1", alias="schema")
    levels: tuple[LevelProcedure, ...]
    mixes: tuple[MixRecord, ...] = ()
    timeline: tuple[Step, ...] = ()
    events: tuple[Told, ...] = ()
    time_s: float
    """From the first skin puncture to the closed skin."""
    dose: DoseReadOut
    voxel_mm: float
    """Edge of the voxels in which cement flowed."""
    findings: tuple[Finding, ...] = ()

    def find(self, level: str) -> LevelProcedure | None:
        """One level; ``None`` where nothing was planned there."""
        return next((one for one in self.levels if one.level == level), None)

    def all_findings(self) -> tuple[Finding, ...]:
        """Everything found, each once."""
        found = [*self.findings, *(one for level in self.levels for one in level.findings)]
        return tuple(dict.fromkeys(found))


def procedure_document(
    played: Played, world: World, plan: Plan, *, voxel_mm: float, findings: Sequence[Finding] = ()
) -> ProcedureDocument:
    """The document of a procedure that was played.

    Parameters
    ----------
    played, world:
        The procedure, and what it happened in.
    plan:
        All levels asked for, also those without a needle.
    voxel_mm:
        Edge of the voxels in which cement flowed.
    findings:
        What was found when the world was made.
    """
    state, dose = played.state, played.state.dose
    return ProcedureDocument(
        levels=tuple(_level(one, played, world, findings) for one in plan.plans),
        mixes=tuple(
            MixRecord(
                cement=mix.cement,
                mixed_at_s=mix.mixed_at_s,
                volume_ml=mix.volume_ml,
                taken_ml=mix.taken_ml,
                ready_s=world.cement(mix.cement).ready_s,
                end_s=world.cement(mix.cement).end_s,
            )
            for mix in state.mixes
        ),
        timeline=state.steps,
        events=state.events,
        time_s=state.time_s,
        dose=DoseReadOut(
            seconds=dose.seconds,
            lateral_seconds=dose.lateral_seconds,
            frames=dose.frames,
            air_kerma_mgy=dose.air_kerma_mgy,
            lateral_air_kerma_mgy=dose.lateral_air_kerma_mgy,
            area_product_gycm2=dose.area_product_gycm2,
        ),
        voxel_mm=voxel_mm,
        findings=tuple(one for one in findings if one.level is None),
    )


def _level(plan: LevelPlan, played: Played, world: World, findings: Sequence[Finding]) -> LevelProcedure:
    name, state = plan.level, played.state
    found = [one for one in findings if one.level == name]
    found += [told.finding for told in state.events if told.finding.level == name]
    if name not in world.levels:
        if not plan.paths:
            found.append(finding("procedure-no-needle", level=name))
        return _untouched(plan, tuple(dict.fromkeys(found)))
    fill, medium = state.fills[name], world.level_in(state, name).medium
    needles = state.level_needles(name)
    delivered = state.delivered_ml(name)
    in_cannula = sum(needle.column_ml for needle in needles.values())
    volume = fill.volume_ml(medium)
    inside, in_cavity, hollow = float(volume.sum()), 0.0, state.hollows.get(name)
    if hollow is not None:
        in_cavity = float((volume * share_in_cavity(medium.porosity, hollow.cavity)).sum())
    missing = abs(delivered - in_cannula - inside - sum(fill.leaked_ml))
    curve = state.samples.get(name, ())
    in_bone_times = [one.at_s for one in curve if one.in_bone_ml > 0.0]
    ended = played.recording.stops().get(name)
    if ended is None:
        ended = stop(name, "script") if delivered > 0.0 else None
    return LevelProcedure(
        level=name,
        technique=plan.technique,
        cement=state.fill_cements.get(name),
        planned_ml=plan.cement.volume_ml,
        delivered_ml=delivered,
        in_cannula_ml=in_cannula,
        in_bone_ml=inside - in_cavity,
        in_cavity_ml=in_cavity,
        leaks_ml=dict(zip(ROUTES, (float(one) for one in fill.leaked_ml), strict=True)),
        marrow_displaced_ml=fill.marrow_displaced_ml,
        mass_error=missing / delivered if delivered > 0.0 else 0.0,
        peak_pressure_mpa=max((needle.peak_pa for needle in needles.values()), default=0.0) / PA_PER_MPA,
        peak_bone_pressure_mpa=max((one.bone_pressure_mpa for one in curve), default=None),
        first_cement_s=min(in_bone_times, default=None),
        last_cement_s=max(in_bone_times, default=None),
        stopped_because=None if ended is None else ended.code,
        stopped_text=None if ended is None else ended.text,
        needles=tuple(
            NeedleRecord(
                side=side,
                depth_mm=needle.depth_mm,
                pushed_ml=needle.pushed_ml,
                in_cannula_ml=needle.column_ml,
                into_bone_ml=needle.into_bone_ml,
                peak_pressure_mpa=needle.peak_pa / PA_PER_MPA,
            )
            for (_, side), needle in needles.items()
        ),
        balloon=_inflation(name, state, world),
        curve=curve,
        findings=tuple(dict.fromkeys(found)),
    )


def _inflation(level: str, state: State, world: World) -> Inflation | None:
    balloons, made = world.levels[level].balloons, state.balloons.get(level)
    return None if balloons is None or made is None else inflation_document(balloons.site, made)


def _untouched(plan: LevelPlan, findings: tuple[Finding, ...]) -> LevelProcedure:
    return LevelProcedure(
        level=plan.level,
        technique=plan.technique,
        cement=None,
        planned_ml=plan.cement.volume_ml,
        delivered_ml=0.0,
        in_cannula_ml=0.0,
        in_bone_ml=0.0,
        in_cavity_ml=0.0,
        leaks_ml=dict.fromkeys(ROUTES, 0.0),
        marrow_displaced_ml=0.0,
        mass_error=0.0,
        peak_pressure_mpa=None,
        peak_bone_pressure_mpa=None,
        first_cement_s=None,
        last_cement_s=None,
        stopped_because=None,
        stopped_text=None,
        findings=findings,
    )
