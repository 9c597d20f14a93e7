"""Assessing and planning without a case folder: the same stages, nothing written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from endplate.anatomy.model import Spine
from endplate.case.gates import check_levels
from endplate.case.names import (
    IMPLANTS,
    PLAN,
    QUALITY,
    SPINE,
)
from endplate.case.request import Inputs, Parameters
from endplate.case.run import Tell, refuse_empty_plan, require_labels, silent
from endplate.case.scan import Scan, read_scan
from endplate.case.stage import Payload, StageView
from endplate.case.stages import stage_named
from endplate.errors import InternalError, QualityGateError
from endplate.imaging.scan_records import ScanCharacter
from endplate.imaging.volume import Volume
from endplate.planning.model import Plan

if TYPE_CHECKING:
    from endplate.anatomy.implants import ImplantMap
    from endplate.fluoroscopy.album import Xrays
    from endplate.mechanics.levels import CaseStrength
    from endplate.outcome.fields import CementMaps
    from endplate.outcome.model import Treatment
    from endplate.procedure.document import ProcedureDocument
    from endplate.procedure.saved import SavedFill


@dataclass(frozen=True, eq=False)
class InMemory:
    """What the stages have made so far."""

    scan: Scan
    spine: Spine | None = None
    quality: ScanCharacter | None = None
    implants: ImplantMap | None = None
    plan: Plan | None = None
    xrays: Xrays | None = None
    strength: CaseStrength | None = None
    failure: Volume | None = None
    procedure: ProcedureDocument | None = None
    fills: Mapping[str, SavedFill] = field(default_factory=dict)
    treatment: Treatment | None = None
    cement: CementMaps | None = None


def assess_inline(inputs: Inputs, parameters: Parameters, *, tell: Tell = silent) -> Spine:
    """Measure and grade; raises as ``endplate.case.run.run_case`` does."""
    return _spine(_assess(_read(inputs, parameters, tell), parameters, tell))


def plan_inline(inputs: Inputs, parameters: Parameters, *, tell: Tell = silent) -> Plan:
    """Measure, grade and plan; raises as ``endplate.case.run.run_case`` does."""
    require_labels(inputs)
    scan = _read(inputs, parameters, tell)
    results = _assess(scan, parameters, tell)
    spine = _spine(results)
    intact = "Nothing was written; your input is unchanged."
    try:
        check_levels(spine, parameters.levels, parameters.reason)
    except QualityGateError as gate:
        gate.document = spine.model_dump(mode="json", by_alias=True)
        raise
    plan = _stage("plan", results, parameters, tell)[PLAN]
    if not isinstance(plan, Plan):
        raise InternalError("stage-result", "Planning gave no plan.", do="Please report this.")
    refuse_empty_plan(plan, intact=intact, document=plan.model_dump(mode="json", by_alias=True))
    return plan


def _read(inputs: Inputs, parameters: Parameters, tell: Tell) -> Scan:
    title = stage_named("scan").title
    tell(title, "", 0.0)
    scan = read_scan(inputs, parameters)
    tell(title, "", 1.0)
    return scan


def _assess(scan: Scan, parameters: Parameters, tell: Tell) -> InMemory:
    from endplate.anatomy.implants import ImplantMap

    files = _stage("assess", InMemory(scan), parameters, tell)
    spine, quality, implants = (files.get(name) for name in (SPINE, QUALITY, IMPLANTS))
    return InMemory(
        scan,
        spine if isinstance(spine, Spine) else None,
        quality if isinstance(quality, ScanCharacter) else None,
        ImplantMap(implants) if isinstance(implants, Volume) else None,
    )


def _spine(results: InMemory) -> Spine:
    if results.spine is None:
        raise InternalError("stage-result", "Assessing gave no spine.", do="Please report this.")
    return results.spine


def _stage(name: str, results: InMemory, parameters: Parameters, tell: Tell) -> Mapping[str, Payload]:
    stage = stage_named(name)

    def progress(what: str, fraction: float) -> None:
        tell(stage.title, what, fraction)

    progress("", 0.0)
    view = StageView(
        stage=stage, files=results, parameters=parameters, inputs=None, provenance={}, progress=progress
    )
    files = stage.function(view)
    progress("", 1.0)
    return files
