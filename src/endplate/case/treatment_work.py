"""What the stages of a treatment do: the procedure played, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
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
    FILL,
    OUTCOME,
    PROCEDURE,
    WARMTH,
)
from endplate.case.stage import Payload, StageView
from endplate.imaging.volume import Volume

if TYPE_CHECKING:
    from endplate.outcome.model import Treatment
    from endplate.procedure.scene import Scene


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
