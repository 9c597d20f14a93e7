"""``endplate plan``: needle paths."""

from __future__ import annotations

from dataclasses import replace

from endplate.cli import options
from endplate.cli.manner import Manner
from endplate.cli.wishes import Wishes


def plan(
    ct: options.CtOrCase = None,
    labels: options.Labels = None,
    organs: options.Organs = None,
    level: options.Level = None,
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
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Lay needle paths at the levels named, or measure given ones.

    Technique, corridor, tools, balloon and dose are proposed by printed rules; every choice can be given. With a
    case folder the plan and the report in it are replaced; what is not given stays as it was planned
    before. Without one, nothing is written.
    """
    from endplate.case.inline import plan_inline
    from endplate.case.request import Inputs, Parameters, parse_levels
    from endplate.case.run import is_case, replan_case, saved_parameters
    from endplate.cli.runtime import prepare
    from endplate.cli.show import refuse_with_case, show_plan_document, show_planned
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    wishes = Wishes(technique, access, approach, gauge, balloon, fracture_weeks, reason, site, path)
    if ct is not None and is_case(ct):
        refuse_with_case(
            ct, {"--labels": labels, "--organs": organs, "--series": series, "--calibration": calibration}
        )
        saved = saved_parameters(ct)
        levels = saved.levels if level is None and saved.levels else parse_levels(level)
        if levels != saved.levels:
            saved = replace(saved, reason=None)  # a reason belongs to the level it was given for
        parameters = wishes.over(replace(saved, levels=levels))
        prepare()
        with progress(manner) as tell:
            result = replan_case(ct, parameters, force=force, tell=tell)
        show_planned(result, manner)
        return
    inputs = Inputs(ct=ct, labels=labels, organs=organs)
    parameters = Parameters(
        series=series,
        scheme=scheme,
        calibration=calibration,
        levels=parse_levels(level),
        **wishes.parameters(),
    )
    prepare()
    with progress(manner) as tell:
        found = plan_inline(inputs, parameters, tell=tell)
    show_plan_document(found, manner)
