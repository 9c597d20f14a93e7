"""The stages of a case, in their order. A later stage joins by standing in this table."""

from __future__ import annotations

from collections.abc import Mapping

from endplate.case.scan import read_scan
from endplate.case.stage import (
    IMAGE,
    LABELS,
    ORGANS,
    PLAN,
    REPORT,
    SCAN,
    SCAN_FILES,
    SPINE,
    Payload,
    Stage,
    StageView,
)
from endplate.errors import InternalError


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
    """Measure and grade every level."""
    from endplate.anatomy import assess as assess_spine
    from endplate.imaging.calibration import Calibration, parse_calibration

    found, text = view.scan, view.parameters.calibration
    kvp = None if found.image is None else found.image.scan.kvp
    calibration = Calibration.uncalibrated(kvp) if text is None else parse_calibration(text)
    spine = assess_spine(found.labels, found.image, calibration, progress=view.progress)
    if any(level.density.mean_hu is not None for level in spine.levels):
        told = (found for found in calibration.findings() if found not in spine.findings)
        spine = spine.model_copy(update={"findings": (*spine.findings, *told)})
    return {SPINE: spine}


def plan(view: StageView) -> Mapping[str, Payload]:
    """Lay the needle paths at the levels asked for."""
    from endplate.planning import plan_levels

    found, asked = view.scan, view.parameters
    if found.labels is None:
        raise InternalError("stage-no-labels", "A plan needs labels.", do="Please report this.")
    return {PLAN: plan_levels(found.labels, found.image, view.spine, asked.levels, asked.plan_options())}


def report(view: StageView) -> Mapping[str, Payload]:
    """Write the report of whatever the case has."""
    from endplate.report import ReportInputs, build_report

    found = view.scan
    html = build_report(
        ReportInputs(
            spine=view.spine,
            plan=view.plan,
            image=found.image,
            labels=found.labels,
            manifest=dict(view.provenance),
            title=view.parameters.title or _title(view.parameters.levels),
            requested_levels=view.parameters.levels,
            show_patient_label=view.parameters.patient_label,
        )
    )
    return {REPORT: html.encode("utf-8")}


def _title(levels: tuple[str, ...]) -> str:
    return f"Assessment and needle plan, {', '.join(levels)}" if levels else "Spine assessment"


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
        outputs=(SPINE,),
        rooms=("imaging", "anatomy", "case"),
        function=assess,
    ),
    Stage(
        name="plan",
        title="Planning the needle paths",
        inputs=(*SCAN_FILES, SPINE),
        parameters=("levels", "technique", "access", "gauge", "reason"),
        outputs=(PLAN,),
        rooms=("devices", "imaging", "anatomy", "planning", "case"),
        function=plan,
    ),
    Stage(
        name="report",
        title="Writing the report",
        inputs=(*SCAN_FILES, SPINE, PLAN),
        parameters=("levels", "title", "patient_label"),
        outputs=(REPORT,),
        rooms=("papers", "devices", "imaging", "anatomy", "planning", "report", "case"),
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
