"""The stages of a case, in their order. A later stage joins by standing in this table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from endplate.case.case_files import SCALES
from endplate.case.documents import document_bytes
from endplate.case.hashing import sha256_bytes
from endplate.case.names import (
    ACTIONS,
    ARRIVAL,
    CAVITY,
    CEMENT,
    FAILURE,
    FILL,
    IMAGE,
    IMPLANTS,
    LABELS,
    ORGANS,
    OUTCOME,
    PLAN,
    PROCEDURE,
    QUALITY,
    REPORT,
    SCAN,
    SCAN_FILES,
    SHEETS,
    SPINE,
    STRENGTH,
    WARMTH,
    XRAYS,
)
from endplate.case.scan import read_scan
from endplate.case.stage import Payload, Stage, StageView
from endplate.errors import InternalError
from endplate.imaging.volume import Volume
from endplate.sources import Finding

if TYPE_CHECKING:
    from endplate.anatomy.implants import ImplantMap
    from endplate.outcome.model import Treatment
    from endplate.procedure.scene import Scene


def scan(view: StageView) -> Mapping[str, Payload]:
    """Read the inputs, check them and keep the part that is needed, without the patient."""
    if view.inputs is None:
        raise InternalError("stage-no-inputs", "Reading the scan needs the inputs.", do="Please report this.")
    found = read_scan(view.inputs, view.parameters)
    files: dict[str, Payload] = {SCAN: found.record()}
    if found.image is not None:
        files[IMAGE] = found.image
    if found.labels is not None:
        files[LABELS] = found.labels.volume
    if found.organs is not None:
        files[ORGANS] = found.organs.volume
    return files


def assess(view: StageView) -> Mapping[str, Payload]:
    """Say what kind of scan it is, calibrate it, and measure and grade every level."""
    from endplate.anatomy import assess_with_implants
    from endplate.imaging.calibrate import calibration_of
    from endplate.imaging.calibration import Calibration
    from endplate.imaging.scan_character import scan_character

    found = view.scan
    files: dict[str, Payload] = {}
    calibration = Calibration.uncalibrated()
    told: tuple[Finding, ...] = ()
    if found.image is not None:
        view.progress("the scan", 0.0)
        quality = scan_character(found.image, found.labels, found.organs, given=view.parameters.calibration)
        calibration = calibration_of(quality.calibration)
        files[QUALITY], told = quality, quality.findings
    spine, implants = assess_with_implants(
        found.labels, found.image, calibration, organs=found.organs, progress=view.progress
    )
    told = tuple(one for one in told if one not in spine.findings)
    files[SPINE] = spine.model_copy(update={"findings": (*spine.findings, *told)})
    if implants is not None and not implants.empty:
        files[IMPLANTS] = implants.volume
    return files


def plan(view: StageView) -> Mapping[str, Payload]:
    """Lay the needle paths at the levels asked for, or measure those given."""
    from endplate.planning import plan_levels

    found, asked = view.scan, view.parameters
    if found.labels is None:
        raise InternalError("stage-no-labels", "A plan needs labels.", do="Please report this.")
    made = plan_levels(
        found.labels,
        found.image,
        view.spine,
        asked.levels,
        asked.plan_options(),
        rules=asked.rules(),
        organs=found.organs,
        implants=_looked_for(found.image, view.implants),
        position=None if view.quality is None else view.quality.patient_position,
        given=asked.given_paths(),
    )
    return {PLAN: made}


def _looked_for(image: Volume | None, implants: ImplantMap | None) -> ImplantMap | None:
    """An empty map where a CT was searched and holds no implant, so that the plan does not call them unchecked."""
    from endplate.anatomy.implants import ImplantMap

    if implants is not None or image is None:
        return implants
    return ImplantMap(replace(image, data=np.zeros(image.shape, np.uint8), findings=()))


def xray(view: StageView) -> Mapping[str, Payload]:
    """Take the X-ray pictures of the plan; nothing without a CT."""
    from endplate.fluoroscopy.album import take_xrays

    image = view.scan.image
    return {} if image is None else {XRAYS: take_xrays(image, view.plan, view.spine)}


def strength(view: StageView) -> Mapping[str, Payload]:
    """Press the levels asked for to failure; nothing without a CT."""
    from endplate.imaging.calibrate import calibration_of
    from endplate.mechanics.levels import strength_of_levels
    from endplate.mechanics.pressing import StrengthOptions

    found, quality = view.scan, view.quality
    if found.image is None or found.labels is None or quality is None:
        return {}
    made, strain = strength_of_levels(
        found.image,
        found.labels,
        view.spine,
        view.parameters.levels,
        calibration_of(quality.calibration),
        StrengthOptions().quick(),
        progress=view.progress,
    )
    return {STRENGTH: made, FAILURE: strain}


def procedure(view: StageView) -> Mapping[str, Payload]:
    """Play the plan, or an action script, on the patient's bone; nothing without a CT or without a needle."""
    from endplate.procedure.build import build_world
    from endplate.procedure.document import procedure_document
    from endplate.procedure.record import check_plan, play, to_bytes
    from endplate.procedure.saved import fills_to_bytes
    from endplate.procedure.script import play_plan

    asked, scene = view.parameters, _scene(view)
    if scene is None:
        return {}
    digest = sha256_bytes(document_bytes(scene.plan))
    script = asked.recording()
    if script is not None:
        check_plan(script, digest)
    options = asked.world_options()
    made = build_world(scene, options, tell=lambda what, part: view.progress(what, 0.2 * part))

    def told(what: str, part: float) -> None:
        view.progress(what, 0.2 + 0.8 * part)

    if script is None:
        played = play_plan(made.world, asked.cement, plan_sha256=digest, tell=told)
    else:
        played = play(made.world, script, plan_sha256=digest, tell=told)
    document = procedure_document(
        played, made.world, scene.plan, voxel_mm=options.bone.voxel_mm, findings=made.findings
    )
    return {PROCEDURE: document, ACTIONS: to_bytes(played.recording), FILL: fills_to_bytes(played.state)}


def outcome(view: StageView) -> Mapping[str, Payload]:
    """Say what the procedure comes to: cement, warmth, strength, and their maps on the CT's grid."""
    from endplate.cement.cavity import with_cavity
    from endplate.cement.rheology import cement_law
    from endplate.mechanics.pressing import StrengthOptions
    from endplate.outcome.before_after import Scan as Bones
    from endplate.outcome.fields import cement_maps
    from endplate.outcome.treatment import TreatedLevel, treatment
    from endplate.procedure.build import bone_of

    scene, done, asked = _scene(view), view.procedure, view.parameters
    if scene is None or done is None:
        return {}
    options = asked.world_options().bone
    levels = {}
    for level in scene.plan.plans:
        kept, played = view.fills.get(level.level), done.find(level.level)
        if kept is None or played is None or played.cement is None:
            continue
        bone = bone_of(scene, level, options)
        if kept.opening is not None:
            bone = with_cavity(bone, kept.opening)
        law = cement_law(scene.catalogue.cements[played.cement])
        levels[level.level] = TreatedLevel(bone, kept.fill, kept.arrival_s, law, kept.opening)
    made = treatment(
        done,
        levels,
        Bones(scene.image, scene.labels, scene.spine, scene.calibration),
        options=StrengthOptions().quick(),
        known=view.strength,
        progress=view.progress,
    )
    files: dict[str, Payload] = {OUTCOME: _with_bands(made.document, view)}
    if made.fields:
        maps = cement_maps(made.fields, scene.image)
        named = {CEMENT: maps.fraction, ARRIVAL: maps.arrival_s, WARMTH: maps.peak_c, CAVITY: maps.cavity}
        files |= {name: _scaled(one, SCALES[name]) for name, one in named.items() if one is not None}
    return files


def _with_bands(document: Treatment, view: StageView) -> Treatment:
    """The document with the bands of an ensemble, where one is asked for and the plan was played."""
    from endplate.outcome.bands import treatment_bands

    asked, scene = view.parameters, _scene(view)
    options = asked.band_options()
    if options is None or asked.script is not None or scene is None:
        return document
    settings = asked.world_options().settings
    levels = []
    for level in document.levels:
        bands = None
        if level.cement is not None and level.cement.delivered_ml > 0.0:

            def told(part: float, name: str = level.level) -> None:
                view.progress(f"{name} ensemble", part)

            kept = view.fills.get(level.level)
            bands = treatment_bands(
                scene,
                level.level,
                options,
                cement=asked.cement,
                settings=settings,
                opening=None if kept is None else kept.opening,
                progress=told,
            )
        levels.append(level.model_copy(update={"bands": bands}))
    return document.model_copy(update={"levels": tuple(levels)})


def _scene(view: StageView) -> Scene | None:
    """What a procedure happens in; ``None`` without a CT, without a plan or without a needle in it."""
    from endplate.imaging.calibrate import calibration_of
    from endplate.procedure.scene import Scene

    found, quality, planned = view.scan, view.quality, view.plan
    if found.image is None or found.labels is None or quality is None or planned is None:
        return None
    if not any(level.paths for level in planned.plans):
        return None
    calibration = calibration_of(quality.calibration)
    return Scene(found.image, found.labels, view.spine, planned, calibration, view.parameters.catalogue())


def _scaled(of: Volume, scale: float) -> Volume:
    """A map in whole numbers."""
    return Volume(np.clip(np.rint(of.data * scale), 0, np.iinfo(np.int16).max).astype(np.int16), of.affine)


def report(view: StageView) -> Mapping[str, Payload]:
    """Write the report of whatever the case has, and the sheets for the room where there is a plan."""
    from endplate.report import ReportInputs, build_report, build_sheets

    found = view.scan
    inputs = ReportInputs(
        spine=view.spine,
        plan=view.plan,
        quality=view.quality,
        xrays=view.xrays,
        strength=view.strength,
        failure=view.failure,
        treatment=view.treatment,
        cement=view.cement,
        image=found.image,
        labels=found.labels,
        manifest=dict(view.provenance),
        title=view.parameters.title or _title(view.parameters.levels),
        requested_levels=view.parameters.levels,
        show_patient_label=view.parameters.patient_label,
    )
    files: dict[str, Payload] = {REPORT: build_report(inputs).encode("utf-8")}
    if view.plan is not None:
        files[SHEETS] = build_sheets(inputs).encode("utf-8")
    return files


def _title(levels: tuple[str, ...]) -> str:
    return f"Assessment and needle plan, {', '.join(levels)}" if levels else "Spine assessment"


PROCEDURE_ROOMS = (
    "papers",
    "devices",
    "imaging",
    "anatomy",
    "planning",
    "fluoroscopy",
    "mechanics",
    "balloon",
    "cement",
    "procedure",
    "case",
)
"""Rooms whose code a procedure runs."""

STAGES: tuple[Stage, ...] = (
    Stage(
        name="scan",
        title="Reading the scan",
        inputs=(),
        parameters=("series", "scheme"),
        outputs=SCAN_FILES,
        rooms=("imaging", "case"),
        function=scan,
        external=True,
    ),
    Stage(
        name="assess",
        title="Measuring the vertebrae",
        inputs=SCAN_FILES,
        parameters=("calibration",),
        outputs=(SPINE, QUALITY, IMPLANTS),
        rooms=("imaging", "anatomy", "case"),
        function=assess,
    ),
    Stage(
        name="plan",
        title="Planning the needle paths",
        inputs=(*SCAN_FILES, SPINE, QUALITY, IMPLANTS),
        parameters=(
            "levels",
            "technique",
            "access",
            "approach",
            "gauge",
            "balloon",
            "fracture_weeks",
            "reason",
            "site",
            "paths",
        ),
        outputs=(PLAN,),
        rooms=("papers", "devices", "imaging", "anatomy", "planning", "case"),
        function=plan,
    ),
    Stage(
        name="xray",
        title="Taking simulated X-rays",
        inputs=(*SCAN_FILES, SPINE, PLAN),
        parameters=(),
        outputs=(XRAYS,),
        rooms=("papers", "devices", "imaging", "anatomy", "planning", "fluoroscopy", "case"),
        function=xray,
    ),
    Stage(
        name="strength",
        title="Pressing the vertebrae to failure",
        inputs=(*SCAN_FILES, SPINE, QUALITY),
        parameters=("levels",),
        outputs=(STRENGTH, FAILURE),
        rooms=("imaging", "anatomy", "mechanics", "case"),
        function=strength,
    ),
    Stage(
        name="procedure",
        title="Playing the procedure",
        inputs=(*SCAN_FILES, SPINE, QUALITY, PLAN),
        parameters=("site", "script", "cement", "cement_voxel_mm", "balloon_ml", "posture"),
        outputs=(PROCEDURE, ACTIONS, FILL),
        rooms=PROCEDURE_ROOMS,
        function=procedure,
    ),
    Stage(
        name="outcome",
        title="Working out what it comes to",
        inputs=(*SCAN_FILES, SPINE, QUALITY, PLAN, STRENGTH, PROCEDURE, FILL),
        parameters=("site", "script", "cement", "cement_voxel_mm", "balloon_ml", "posture", "members"),
        outputs=(OUTCOME, CEMENT, ARRIVAL, WARMTH, CAVITY),
        rooms=(*PROCEDURE_ROOMS, "synthetic", "ensemble", "outcome"),
        function=outcome,
    ),
    Stage(
        name="report",
        title="Writing the report",
        inputs=(
            *SCAN_FILES,
            SPINE,
            QUALITY,
            PLAN,
            XRAYS,
            STRENGTH,
            FAILURE,
            OUTCOME,
            CEMENT,
            ARRIVAL,
            WARMTH,
            CAVITY,
        ),
        parameters=("levels", "title", "patient_label"),
        outputs=(REPORT, SHEETS),
        rooms=(*PROCEDURE_ROOMS, "synthetic", "ensemble", "outcome", "report"),
        function=report,
        provenance=True,
    ),
)


def stage_named(name: str) -> Stage:
    """The stage of that name; raises ``InternalError`` where there is none."""
    found = next((stage for stage in STAGES if stage.name == name), None)
    if found is None:
        raise InternalError("stage-unknown", f"There is no stage {name!r}.", do="Please report this.")
    return found
