"""What the stages up to the plan do, and the report: each gives the files that it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from endplate.case.names import (
    FAILURE,
    IMAGE,
    IMPLANTS,
    LABELS,
    ORGANS,
    PLAN,
    QUALITY,
    REPORT,
    SCAN,
    SHEETS,
    SPINE,
    STRENGTH,
    XRAYS,
)
from endplate.case.scan import read_scan
from endplate.case.stage import Payload, StageView
from endplate.errors import InternalError
from endplate.imaging.volume import Volume
from endplate.sources import Finding

if TYPE_CHECKING:
    from endplate.anatomy.implants import ImplantMap


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
