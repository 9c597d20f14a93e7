"""``endplate demo``: the whole way on the public sample CT, or on a phantom where that cannot be fetched."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner
from endplate.cli.phantom import LEVEL, write_phantom
from endplate.errors import InputError, NoSafePlanError, UsageError

if TYPE_CHECKING:
    from endplate.case.run import CaseResult, Tell

REASON = "demonstration: this person has no known fracture here"
SAMPLE_TITLE = "Demonstration on a public sample CT"
PHANTOM_TITLE = "Demonstration on a synthetic phantom, not a patient"
BROKEN_TITLE = "Demonstration on a public sample CT with L1 broken virtually"
BROKEN_LOSS = 0.22
BROKEN_BALLOON_ML = 3.0
BROKEN = "-kyphoplasty"
"""What the second case's name adds to the first's."""
PHANTOM_LEVELS = ("T11", "T12", "L1", "L2", "L3")
PHANTOM_VOXEL_MM = (0.8, 0.8, 1.0)


@dataclass(frozen=True)
class Subject:
    """What the demonstration runs on."""

    ct: Path
    labels: Path
    title: str
    announcement: str
    reason: str | None


def demo(
    out: options.Out = Path("demo-case"),
    phantom: Annotated[
        bool, typer.Option("--phantom", help="Use the synthetic phantom even where the sample is at hand.")
    ] = False,
    force: options.Force = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Show the whole way on the public sample CT.

    Measures every vertebra and treats L1 by vertebroplasty; then breaks L1 virtually and treats it by balloon
    kyphoplasty in a second case beside the first. Where the sample cannot be fetched, a synthetic phantom with a
    fractured L1 takes its place, and the output says so.
    """
    from endplate.cli.runtime import prepare
    from endplate.cli.show import show_case, show_treated
    from endplate.cli.speech import console, progress

    manner = Manner(json, quiet, verbose)
    prepare()
    with ExitStack() as cleanup:
        with progress(manner) as tell:
            subject = _phantom(cleanup, "as asked") if phantom else _sample_or_phantom(cleanup, tell)
        if not json:
            console().print(subject.announcement, style="bold", markup=False, soft_wrap=True)
        folder = out or Path("demo-case")
        try:
            with progress(manner) as tell:
                result = _run(folder, subject, force=force, tell=tell)
            broken = None
            if subject.title == SAMPLE_TITLE:
                try:
                    with progress(manner) as tell:
                        broken = _run_broken(folder, force=force, tell=tell)
                except NoSafePlanError as refusal:
                    # The first case stands; the second says on its own page why no balloon fits.
                    if not json:
                        console().print(f"{BROKEN_TITLE}: {refusal.what}", markup=False, soft_wrap=True)
            more = {} if broken is None else {"kyphoplasty": broken.to_json()}
            show_case(result, manner, extra={"demonstration": subject.title, **more})
            if broken is not None and not json:
                console().print(BROKEN_TITLE, style="bold", markup=False, soft_wrap=True)
                show_treated(broken, manner)
        finally:
            if not json:
                end = f"{subject.title}. Case: {folder.resolve()}"
                console().print(end, style="bold", markup=False, soft_wrap=True)


def _run(out: Path, subject: Subject, *, force: bool, tell: Tell) -> CaseResult:
    from endplate.case.request import Inputs, Parameters
    from endplate.case.run import is_case, run_case, saved_parameters

    inputs = Inputs(ct=subject.ct, labels=subject.labels)
    parameters = Parameters(levels=(LEVEL,), reason=subject.reason, title=subject.title)
    try:
        return run_case(out, inputs, parameters, force=force, tell=tell)
    except UsageError as error:
        # An earlier demonstration on the other subject may be replaced; anybody else's case may not.
        replaceable = is_case(out) and saved_parameters(out).title in {SAMPLE_TITLE, PHANTOM_TITLE}
        if error.code != "case-of-another-scan" or not replaceable:
            raise
        return run_case(out, inputs, parameters, force=True, tell=tell)


def _run_broken(out: Path, *, force: bool, tell: Tell) -> CaseResult:
    """Break the level of a demonstration virtually, and treat it by kyphoplasty in a case beside it."""
    from endplate.case.fracture import fracture_case
    from endplate.case.request import Parameters
    from endplate.case.run import replan_case
    from endplate.synthetic.virtual_fracture import VirtualFracture

    folder = out.with_name(out.name + BROKEN)
    fracture_case(out, VirtualFracture(LEVEL, "wedge", BROKEN_LOSS), folder, tell=tell)
    parameters = Parameters(
        levels=(LEVEL,), technique="kyphoplasty", balloon_ml=BROKEN_BALLOON_ML, title=BROKEN_TITLE
    )
    return replan_case(folder, parameters, force=force, tell=tell)


def _sample_or_phantom(cleanup: ExitStack, tell: Tell) -> Subject:
    from endplate.imaging.sample import SAMPLE_CREDIT, fetch_sample

    try:
        paths = fetch_sample(progress=lambda what, fraction: tell("Sample CT", what, fraction or 0.0))
    except InputError as error:
        return _phantom(cleanup, f"the sample CT is not at hand: {error.what}")
    return Subject(
        ct=paths.ct,
        labels=paths.labels,
        title=SAMPLE_TITLE,
        announcement=f"{SAMPLE_TITLE}: {SAMPLE_CREDIT}",
        reason=REASON,
    )


def _phantom(cleanup: ExitStack, why: str) -> Subject:
    folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="endplate-demo-")))
    made = write_phantom(folder, PHANTOM_LEVELS, PHANTOM_VOXEL_MM)
    return Subject(
        ct=made.ct,
        labels=made.labels,
        title=PHANTOM_TITLE,
        announcement=f"{PHANTOM_TITLE} ({why})",
        reason=None,
    )
