"""Assessing and planning without a case folder: the same stages, nothing written."""

from __future__ import annotations

from dataclasses import dataclass

from endplate.anatomy.model import Spine
from endplate.case.gates import check_levels
from endplate.case.request import Inputs, Parameters
from endplate.case.run import Tell, refuse_empty_plan, require_labels, silent
from endplate.case.scan import Scan, read_scan
from endplate.case.stage import PLAN, SPINE, StageView
from endplate.case.stages import stage_named
from endplate.errors import InternalError, QualityGateError
from endplate.planning.model import Plan


@dataclass(frozen=True, eq=False)
class InMemory:
    """What the stages have made so far."""

    scan: Scan
    spine: Spine | None = None
    plan: Plan | None = None


def assess_inline(inputs: Inputs, parameters: Parameters, *, tell: Tell = silent) -> Spine:
    """Measure and grade; raises as ``endplate.case.run.run_case`` does."""
    return _assess(_read(inputs, parameters, tell), parameters, tell)


def plan_inline(inputs: Inputs, parameters: Parameters, *, tell: Tell = silent) -> Plan:
    """Measure, grade and plan; raises as ``endplate.case.run.run_case`` does."""
    require_labels(inputs)
    scan = _read(inputs, parameters, tell)
    spine = _assess(scan, parameters, tell)
    intact = "Nothing was written; your input is unchanged."
    try:
        check_levels(spine, parameters.levels, parameters.reason)
    except QualityGateError as gate:
        gate.document = spine.model_dump(mode="json", by_alias=True)
        raise
    plan = _stage("plan", PLAN, InMemory(scan, spine), parameters, tell)
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


def _assess(scan: Scan, parameters: Parameters, tell: Tell) -> Spine:
    spine = _stage("assess", SPINE, InMemory(scan), parameters, tell)
    if not isinstance(spine, Spine):
        raise InternalError("stage-result", "Assessing gave no spine.", do="Please report this.")
    return spine


def _stage(name: str, output: str, results: InMemory, parameters: Parameters, tell: Tell) -> object:
    stage = stage_named(name)

    def progress(what: str, fraction: float) -> None:
        tell(stage.title, what, fraction)

    progress("", 0.0)
    view = StageView(
        stage=stage, files=results, parameters=parameters, inputs=None, provenance={}, progress=progress
    )
    payload = stage.function(view)[output]
    progress("", 1.0)
    return payload
