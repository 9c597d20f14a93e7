"""From a procedure that was played to what it comes to: cement, warmth, strength, and their volumes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from endplate.cement.bone_model import BoneModel
from endplate.cement.cavity import Opening
from endplate.cement.heat import HeatOptions
from endplate.cement.measures import FillMeasures, measure_fill
from endplate.cement.model import Fill
from endplate.cement.rheology import CementLaw
from endplate.imaging.volume import Volume
from endplate.mechanics.levels import CaseStrength
from endplate.mechanics.pressing import StrengthOptions
from endplate.outcome.balloon import balloon_outcome
from endplate.outcome.before_after import Scan, before_and_after
from endplate.outcome.fields import LevelFields
from endplate.outcome.heat import Warmth, warmth
from endplate.outcome.model import (
    CementOutcome,
    DoseOutcome,
    HeatOutcome,
    Leaks,
    LevelOutcome,
    SessionOutcome,
    TimelineEntry,
    Touches,
    Treatment,
    no_strength,
)
from endplate.procedure.document import LevelProcedure, ProcedureDocument
from endplate.sources import Finding, finding, value
from endplate.units import KPA_PER_MPA


@dataclass(frozen=True, eq=False)
class TreatedLevel:
    """What a procedure left in one level.

    Parameters
    ----------
    bone, fill:
        The bone and the cement in it.
    arrival_s:
        When cement came to each voxel, s of the procedure, NaN where it did not; ``None`` where that is not known.
    law:
        Of the cement.
    opening:
        What balloons did to the bone; the bone is the one with it.
    """

    bone: BoneModel
    fill: Fill
    arrival_s: NDArray[np.float64] | None
    law: CementLaw
    opening: Opening | None = None


@dataclass(frozen=True, eq=False)
class Treated:
    """The document, and the fields of the levels that have cement."""

    document: Treatment
    fields: tuple[LevelFields, ...]


def treatment(
    played: ProcedureDocument,
    levels: Mapping[str, TreatedLevel],
    scan: Scan | None,
    *,
    options: StrengthOptions | None = None,
    known: CaseStrength | None = None,
    heat: HeatOptions | None = None,
    progress: Callable[[str, float], None] = lambda _what, _part: None,
) -> Treated:
    """Say what a procedure comes to.

    Parameters
    ----------
    played:
        What was done.
    levels:
        What it left in the levels, by name; a level that is missing was not treated.
    scan:
        For the strength; ``None``: it is left unknown.
    options, known:
        How the levels are pressed (quickly by default), and earlier results that may stand for "before".
    heat:
        How heat is followed.
    progress:
        Told what is done and the share.
    """
    found: list[LevelOutcome] = []
    fields: list[LevelFields] = []
    for place, one in enumerate(played.levels):

        def tell(what: str, part: float, level: str = one.level, place: int = place) -> None:
            progress(f"{level} {what}", (place + part) / len(played.levels))

        left = levels.get(one.level)
        warm = None
        if left is not None and left.fill.saturation.any():
            tell("heat", 0.0)
            warm = warmth(left.bone, at_last_stroke(left, one, played.time_s), left.law, heat)
            fields.append(_fields(left, warm))
        found.append(
            _level(one, left, warm, scan, options, known, lambda what, part: tell(what, 0.2 + 0.8 * part))
        )
    return Treated(
        Treatment(levels=tuple(found), session=session(played), findings=played.findings), tuple(fields)
    )


def at_last_stroke(left: TreatedLevel, done: LevelProcedure, end_s: float) -> Fill:
    """The cement as old as it was when the last of it came: heat is followed from there, not from the closed skin."""
    if done.last_cement_s is None:
        return left.fill
    body_c = float(value("cement_law.body_c"))
    waited = float(left.law.age_rate(body_c)) * max(end_s - done.last_cement_s, 0.0)
    return replace(left.fill, age_s=np.clip(left.fill.age_s - waited, 0.0, None))


def session(played: ProcedureDocument) -> SessionOutcome:
    """The whole procedure on one timeline: stretches and events by their time."""
    entries = [
        TimelineEntry(time_s=one.from_s, until_s=one.to_s, what=one.phase, level=one.level)
        for one in played.timeline
    ]
    entries += [
        TimelineEntry(time_s=one.at_s, until_s=None, what=one.finding.text, level=one.finding.level)
        for one in played.events
    ]
    dose = played.dose
    return SessionOutcome(
        timeline=tuple(sorted(entries, key=lambda one: (one.time_s, one.until_s is None))),
        time_s=played.time_s,
        dose=DoseOutcome(
            seconds=dose.seconds,
            frames=dose.frames,
            air_kerma_mgy=dose.air_kerma_mgy,
            area_product_gycm2=dose.area_product_gycm2,
        ),
    )


def cement_outcome(done: LevelProcedure, measured: FillMeasures | None, warm: Warmth | None) -> CementOutcome:
    """Where the cement of one level went; what only the bone can tell is unknown without its measures."""
    in_cavity = done.in_cavity_ml if measured is None else measured.in_cavity_ml
    peak = None if warm is None else max((one.peak_c for one in warm.outcome.regions), default=None)
    bone_mpa = done.peak_bone_pressure_mpa
    return CementOutcome(
        delivered_ml=done.delivered_ml,
        in_cannula_ml=done.in_cannula_ml,
        in_bone_ml=done.in_bone_ml if measured is None else measured.in_bone_ml,
        in_cavity_ml=in_cavity,
        marrow_displaced_ml=done.marrow_displaced_ml,
        mass_error=done.mass_error,
        peak_pressure_mpa=done.peak_pressure_mpa,
        fill_fraction=None if measured is None else measured.fill_fraction,
        touches_endplates=None if measured is None else measured.touches_endplates,
        leaks_ml=Leaks(**done.leaks_ml),
        in_canal_ml=0.0 if measured is None else measured.in_canal_ml,
        toward_lung_ml=0.0 if measured is None else measured.toward_lung_ml,
        peak_temperature_c=peak,
        stopped_because=done.stopped_because,
        product=done.cement,
        touches=Touches(
            superior=None if measured is None else measured.touches_superior,
            inferior=None if measured is None else measured.touches_inferior,
        ),
        peak_nozzle_kpa=None if bone_mpa is None else bone_mpa * KPA_PER_MPA,
        posterior_wall_mm=None if measured is None else measured.behind_most_mm,
        stopped_text=done.stopped_text,
        curve=done.curve,
        heat=None if warm is None else warm.outcome,
    )


def _level(
    done: LevelProcedure,
    left: TreatedLevel | None,
    warm: Warmth | None,
    scan: Scan | None,
    options: StrengthOptions | None,
    known: CaseStrength | None,
    progress: Callable[[str, float], None],
) -> LevelOutcome:
    measured = None if left is None else measure_fill(left.bone, left.fill)
    found: list[Finding] = list(done.findings)
    if measured is not None:
        found += measured.findings
    found += heat_findings(done.level, None if warm is None else warm.outcome)
    strength = no_strength()
    if left is not None and warm is not None and scan is not None:
        cement = Volume(left.fill.saturation.astype(np.float32), left.bone.medium.affine)
        pressed = before_and_after(
            scan,
            done.level,
            cement,
            options=options,
            known=known,
            opening=left.opening,
            progress=progress,
        )
        strength = pressed.outcome
        found += pressed.findings
    return LevelOutcome(
        level=done.level,
        balloon=None
        if done.balloon is None
        else balloon_outcome(done.balloon, filled=done.in_cavity_ml > 0.0),
        cement=cement_outcome(done, measured, warm),
        strength=strength,
        findings=tuple(dict.fromkeys(found)),
    )


def heat_findings(level: str, heat: HeatOutcome | None) -> list[Finding]:
    """What there is to say of the warmth: in the canal, and how sure it is."""
    if heat is None:
        return []
    found = [finding("outcome-heat-meaning", level=level)]
    canal = heat.find("canal")
    limit = float(value("outcome.canal_warning_c"))
    if canal is not None and canal.peak_c >= limit:
        found.append(finding("outcome-canal-warm", level=level, name=level, peak=canal.peak_c, limit=limit))
    return found


def _fields(left: TreatedLevel, warm: Warmth | None) -> LevelFields:
    medium = left.bone.medium
    return LevelFields(
        affine=medium.affine,
        fraction=left.fill.saturation * medium.porosity,
        arrival_s=left.arrival_s,
        peak_c=None if warm is None else warm.fields.peak_c,
        cavity=None if left.opening is None else left.bone.cavity,
    )
