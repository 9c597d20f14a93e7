"""``endplate run``: from a CT to a measured spine, a plan and a report."""

from __future__ import annotations

from endplate.cli import options
from endplate.cli.manner import Manner
from endplate.cli.wishes import Wishes
from endplate.errors import UsageError


def run(
    ct: options.Ct = None,
    labels: options.Labels = None,
    organs: options.Organs = None,
    level: options.Level = None,
    out: options.Out = None,
    technique: options.Technique = None,
    access: options.Access = None,
    approach: options.Approach = None,
    gauge: options.Gauge = None,
    balloon: options.Balloon = None,
    fracture_weeks: options.FractureWeeks = None,
    path: options.GivenPaths = None,
    site: options.Site = None,
    reason: options.Reason = None,
    series: options.Series = None,
    scheme: options.Scheme = "auto",
    calibration: options.CalibrationLine = None,
    patient_label: options.PatientLabel = True,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """From a CT and labels to grades, a plan and a report.

    Every vertebra is measured and graded, the levels named are planned, and all is kept in the case folder
    with a report. A level where no fracture is seen needs --reason. Finished stages of the case are used
    again.
    """
    if out is None:
        raise UsageError(
            "out-missing", "No folder was named for the case.", do="Name a folder with --out CASE."
        )
    if ct is None:
        raise UsageError(
            "ct-missing",
            "No CT was given.",
            do="Give it: `endplate run CT --labels L --level L1 --out CASE`. Labels alone: `endplate assess`",
        )
    from endplate.case.request import Inputs, Parameters, parse_levels
    from endplate.case.run import is_case, run_case
    from endplate.cli.runtime import prepare
    from endplate.cli.show import show_case
    from endplate.cli.speech import progress

    if is_case(ct):
        raise UsageError(
            "ct-is-a-case",
            f"{ct} is a case folder, not a CT.",
            do="Plan in it with `endplate plan CASE --level L1`; for its report: `endplate report CASE`.",
        )
    inputs = Inputs(ct=ct, labels=labels, organs=organs)
    wishes = Wishes(technique, access, approach, gauge, balloon, fracture_weeks, reason, site, path)
    parameters = Parameters(
        series=series,
        scheme=scheme,
        calibration=calibration,
        levels=parse_levels(level),
        patient_label=patient_label,
        **wishes.parameters(),
    )
    manner = Manner(json, quiet, verbose)
    prepare()
    with progress(manner) as tell:
        result = run_case(out, inputs, parameters, force=force, tell=tell)
    show_case(result, manner)
