"""``endplate assess``: measurements and fracture grades."""

from __future__ import annotations

from endplate.cli import options
from endplate.cli.manner import Manner


def assess(
    ct: options.CtOrCase = None,
    labels: options.Labels = None,
    organs: options.Organs = None,
    out: options.Out = None,
    series: options.Series = None,
    scheme: options.Scheme = "auto",
    calibration: options.CalibrationLine = None,
    patient_label: options.PatientLabel = True,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure and grade every vertebra.

    Labels alone give lengths and angles without density; a CT alone gives what can be said without labels.
    With --out the result and a report are written as a case. A case folder instead of a CT shows its saved
    result.
    """
    from endplate.case.inline import assess_inline
    from endplate.case.request import Inputs, Parameters
    from endplate.case.run import assess_to_case, is_case, refresh_case, saved_parameters
    from endplate.cli.runtime import prepare
    from endplate.cli.show import refuse_with_case, show_assessed, show_spine_document
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    prepare()
    if ct is not None and is_case(ct):
        given = {
            "--labels": labels,
            "--organs": organs,
            "--out": out,
            "--series": series,
            "--calibration": calibration,
        }
        refuse_with_case(ct, given)
        with progress(manner) as tell:
            show_assessed(refresh_case(ct, saved_parameters(ct), force=force, tell=tell), manner)
        return
    inputs = Inputs(ct=ct, labels=labels, organs=organs)
    parameters = Parameters(
        series=series, scheme=scheme, calibration=calibration, patient_label=patient_label
    )
    if out is None:
        with progress(manner) as tell:
            spine = assess_inline(inputs, parameters, tell=tell)
        show_spine_document(spine, manner)
        return
    with progress(manner) as tell:
        result = assess_to_case(out, inputs, parameters, force=force, tell=tell)
    show_assessed(result, manner)
