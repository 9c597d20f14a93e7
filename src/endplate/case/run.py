"""The ways through a case: the whole run, assessment alone, and working on from an existing case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from endplate.anatomy.model import Spine
from endplate.case.case_files import CaseFiles
from endplate.case.conductor import Conductor
from endplate.case.folder import CaseFolder, create_case, open_case, read_manifest
from endplate.case.gates import check_levels
from endplate.case.manifest import MANIFEST_NAME
from endplate.case.names import REPORT
from endplate.case.request import Inputs, Parameters
from endplate.errors import InternalError, Interrupted, NoSafePlanError, QualityGateError, UsageError
from endplate.planning.model import Plan

if TYPE_CHECKING:
    from endplate.mechanics.levels import CaseStrength
    from endplate.outcome.model import Treatment

RUN_SCHEMA = "endplate/run/1"
"""Name of the document that ``endplate run --json`` prints."""

MEASURED = ("scan", "assess")
"""Stages that need no level to be named."""

PLANNED = ("plan", "xray", "strength", "procedure", "outcome", "report")
"""Stages of the levels named, and the report of all."""

GIVEN = ("plan", "xray", "strength")
"""Those that a treatment takes as they are."""

Tell = Callable[[str, str, float], None]
"""Told the stage, what it is doing and the fraction done."""


def silent(_stage: str, _what: str, _fraction: float) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class CaseResult:
    """What a case holds after a run."""

    folder: Path
    spine: Spine
    plan: Plan | None
    strength: CaseStrength | None
    treatment: Treatment | None
    report: Path
    files: tuple[str, ...]
    """Names of all its files, relative to the folder."""
    made: tuple[str, ...]
    """Stages that were run; the others were current."""
    notes: tuple[str, ...]
    parameters: Parameters

    def to_json(self) -> dict[str, Any]:
        """The document of ``endplate run --json``."""
        return run_document(self.spine, self.plan, self.strength, self.treatment, self.files)


def run_document(
    spine: Spine | None,
    plan: Plan | None,
    strength: CaseStrength | None,
    treatment: Treatment | None,
    files: tuple[str, ...],
) -> dict[str, Any]:
    """The document of ``endplate run --json``; a part that is not there yet is null."""
    return {
        "schema": RUN_SCHEMA,
        "assess": None if spine is None else spine.model_dump(mode="json", by_alias=True),
        "plan": None if plan is None else plan.model_dump(mode="json", by_alias=True),
        "strength": None if strength is None else strength.model_dump(mode="json", by_alias=True),
        "treat": None if treatment is None else treatment.model_dump(mode="json", by_alias=True),
        "case": {"files": list(files)},
    }


def run_case(
    out: Path, inputs: Inputs, parameters: Parameters, *, force: bool = False, tell: Tell = silent
) -> CaseResult:
    """Assess, plan the levels asked for, and write the report.

    Raises
    ------
    UsageError
        No labels, or the folder cannot be used.
    InputError
        An input cannot be read.
    QualityGateError
        The scan or a level must not be planned; what was measured is saved and in the error's document.
    NoSafePlanError
        No level asked for has a path; everything is saved and in the error's document.
    Interrupted
        Stopped by the user; finished stages are kept.
    """
    require_labels(inputs)
    inputs.refuse_out_inside(out)
    with create_case(out, inputs.records(), force=force) as case:
        return _plan_and_report(case, Conductor(case, inputs, parameters, force=force, tell=tell))


def assess_to_case(
    out: Path, inputs: Inputs, parameters: Parameters, *, force: bool = False, tell: Tell = silent
) -> CaseResult:
    """Assess and write the report, without a plan. Raises as ``run_case`` does."""
    inputs.refuse_out_inside(out)
    with create_case(out, inputs.records(), force=force) as case:
        conductor = Conductor(case, inputs, parameters, force=force, tell=tell)
        return _result(case, conductor, _advance(conductor, *MEASURED, "report"))


def replan_case(
    folder: Path, parameters: Parameters, *, force: bool = False, tell: Tell = silent
) -> CaseResult:
    """Plan in an existing case, from the scan that it keeps. Raises as ``run_case`` does.

    An action script that was played there belongs to the plan before, and is not played again.
    """
    parameters = replace(parameters, script=None)
    with open_case(folder) as case:
        return _plan_and_report(case, Conductor(case, None, parameters, force=force, tell=tell))


def refresh_case(
    folder: Path, parameters: Parameters, *, force: bool = False, tell: Tell = silent
) -> CaseResult:
    """Bring the stages that a case has up to date, and its report.

    A plan keeps the choices it was made with, and is dropped where its level may no longer be planned.
    Raises as ``run_case`` does.
    """
    with open_case(folder) as case:
        record = case.manifest.stages.get("plan")
        if record is not None:
            parameters = Parameters.from_json({**parameters.to_json(), **record.parameters})
        conductor = Conductor(case, None, parameters, force=force, tell=tell)
        planned = record is not None and _may_be_planned(conductor)
        wanted = (*MEASURED, *PLANNED) if planned else (*MEASURED, "report")
        return _result(case, conductor, _advance(conductor, *wanted))


def treat_case(
    folder: Path, parameters: Parameters, *, force: bool = False, tell: Tell = silent
) -> CaseResult:
    """Play the procedure of a planned case, say what it comes to, and write the report anew.

    Parameters
    ----------
    folder:
        The case.
    parameters:
        With the action script, the cement and the voxels asked for; the plan keeps the choices it was made with.
    force:
        Make the procedure and what comes of it anew; the plan stays as it is.

    Raises
    ------
    UsageError
        ``treat-no-plan``, ``treat-no-ct``, or an action of the script that cannot be done.
    NoSafePlanError
        No level of the plan has a needle.
    InputError
        The script cannot be read.
    """
    with open_case(folder) as case:
        record = case.manifest.stages.get("plan")
        if record is None:
            raise UsageError(
                "treat-no-plan",
                "The case has no plan, so there is nothing to treat.",
                intact="The case is unchanged.",
                do="Plan first: `endplate plan CASE --level L1`.",
            )
        parameters = Parameters.from_json({**parameters.to_json(), **record.parameters})
        parameters.recording()
        before = Conductor(case, None, parameters, tell=tell)
        planned = _advance(before, *MEASURED, "plan", later=PLANNED)
        if planned.scan.image is None:
            raise UsageError(
                "treat-no-ct",
                "The case has no CT, so nothing is known of the bone that cement would flow through.",
                intact="The case is unchanged.",
                do="Run it with a CT: `endplate run CT --labels L --level L1 --out CASE`.",
            )
        if planned.plan is not None:
            document = planned.plan.model_dump(mode="json", by_alias=True)
            refuse_empty_plan(planned.plan, intact="The case is unchanged.", document=document)
        _advance(before, *MEASURED, *GIVEN, later=PLANNED)
        conductor = Conductor(case, None, parameters, force=force, tell=tell, before=before)
        return _result(case, conductor, _advance(conductor, *MEASURED, *PLANNED))


def saved_parameters(folder: Path) -> Parameters:
    """What an existing case was last run with.

    Raises
    ------
    InputError
        There is no case, or its record is damaged.
    """
    return Parameters.from_json(read_manifest(folder).parameters)


def is_case(path: Path) -> bool:
    """Say whether a folder is a case."""
    return (path / MANIFEST_NAME).is_file()


def require_labels(inputs: Inputs) -> None:
    """Raise ``UsageError`` where there is no label map to plan on."""
    if inputs.labels is None:
        raise UsageError(
            "labels-missing",
            "A plan needs the vertebrae labelled, and no label map was given.",
            do="Give --labels FILE, or make labels from one click a vertebra: `endplate label CT --pick --out P.html`. "
            "`endplate assess CT` says what can be said without labels.",
        )


def all_refused(plan: Plan) -> bool:
    """Say whether no level of a plan has a path."""
    return all(level.refused is not None for level in plan.plans)


def refuse_empty_plan(plan: Plan, *, intact: str, document: dict[str, Any]) -> None:
    """Raise ``NoSafePlanError`` with the document where no level asked for has a path."""
    if not all_refused(plan):
        return
    why = "; ".join(
        f"{level.level}: {level.refused.code}" for level in plan.plans if level.refused is not None
    )
    raise NoSafePlanError(
        "no-safe-plan",
        f"No needle path keeps the safety margins ({why}).",
        intact=intact,
        do="Read the reasons in the plan; a thinner --gauge or another --access may have room.",
        document=document,
    )


def _plan_and_report(case: CaseFolder, conductor: Conductor) -> CaseResult:
    parameters = conductor.parameters
    measured = _advance(conductor, *MEASURED, later=PLANNED)
    if not measured.has_labels:
        raise UsageError(
            "labels-missing",
            "A plan needs the vertebrae labelled, and this case has no labels.",
            intact="The case is unchanged.",
            do="Run `endplate run CT --labels L --level L1 --out CASE` with a label map.",
        )
    spine = _spine(measured)
    try:
        check_levels(spine, parameters.levels, parameters.reason)
    except QualityGateError as gate:
        # The measurements are worth looking at; a report that was there before stays as it was.
        if conductor.made or "report" not in case.manifest.stages:
            _advance(conductor, *MEASURED, "report")
        gate.intact = f"The measurements are saved in {case.path}."
        gate.document = run_document(spine, None, None, None, case.files())
        raise
    result = _result(case, conductor, _advance(conductor, *MEASURED, *PLANNED))
    if result.plan is not None:
        refuse_empty_plan(
            result.plan,
            intact=f"The plan with its reasons is saved in {case.path}.",
            document=result.to_json(),
        )
    return result


def _may_be_planned(conductor: Conductor) -> bool:
    spine = _spine(_advance(conductor, *MEASURED, later=PLANNED))
    try:
        check_levels(spine, conductor.parameters.levels, conductor.parameters.reason)
    except QualityGateError:
        return False
    return True


def _advance(conductor: Conductor, *wanted: str, later: tuple[str, ...] = ()) -> CaseFiles:
    try:
        return conductor.advance(wanted, later=later)
    except KeyboardInterrupt:
        done = ", ".join(conductor.made) or "none in this run"
        raise Interrupted(
            "interrupted",
            "Stopped.",
            intact=f"Finished stages are saved in {conductor.case.path} ({done}); nothing is half-written.",
            do="Run the same command again: it goes on from there.",
        ) from None


def _spine(files: CaseFiles) -> Spine:
    if files.spine is None:
        raise InternalError("case-spine-missing", "The case has no spine.json.", do="Please report this.")
    return files.spine


def _result(case: CaseFolder, conductor: Conductor, files: CaseFiles) -> CaseResult:
    return CaseResult(
        folder=case.path,
        spine=_spine(files),
        plan=files.plan,
        strength=files.strength,
        treatment=files.treatment,
        report=case.path / REPORT,
        files=case.files(),
        made=tuple(conductor.made),
        notes=tuple(case.notes),
        parameters=conductor.parameters,
    )
