"""``endplate plan``: needle paths."""

from __future__ import annotations

from dataclasses import replace

from endplate.cli import options
from endplate.cli.manner import Manner


def plan(
    ct: options.CtOrCase = None,
    labels: options.Labels = None,
    level: options.Level = None,
    technique: options.Technique = None,
    access: options.Access = None,
    gauge: options.Gauge = None,
    reason: options.Reason = None,
    series: options.Series = None,
    scheme: options.Scheme = "auto",
    calibration: options.CalibrationLine = None,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Lay needle paths at the levels named.

    With a case folder the plan and the report in it are replaced; what is not given stays as it was planned
    before. Without one, nothing is written.
    """
    from endplate.case.inline import plan_inline
    from endplate.case.request import Inputs, Parameters, parse_levels
    from endplate.case.run import is_case, replan_case, saved_parameters
    from endplate.cli.runtime import prepare
    from endplate.cli.show import refuse_with_case, show_plan_document, show_planned
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    if ct is not None and is_case(ct):
        refuse_with_case(ct, {"--labels": labels, "--series": series, "--calibration": calibration})
        saved = saved_parameters(ct)
        levels = saved.levels if level is None and saved.levels else parse_levels(level)
        if levels != saved.levels:
            saved = replace(saved, reason=None)  # a reason belongs to the level it was given for
        parameters = replace(
            saved,
            levels=levels,
            technique=technique or saved.technique,
            access=access or saved.access,
            gauge=gauge or saved.gauge,
            reason=reason or saved.reason,
        )
        prepare()
        with progress(manner) as tell:
            result = replan_case(ct, parameters, force=force, tell=tell)
        show_planned(result, manner)
        return
    inputs = Inputs(ct=ct, labels=labels)
    parameters = Parameters(
        series=series,
        scheme=scheme,
        calibration=calibration,
        levels=parse_levels(level),
        technique=technique,
        access=access,
        gauge=gauge,
        reason=reason,
    )
    prepare()
    with progress(manner) as tell:
        found = plan_inline(inputs, parameters, tell=tell)
    show_plan_document(found, manner)
