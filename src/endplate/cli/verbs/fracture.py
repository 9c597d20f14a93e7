"""``endplate fracture``: a case with a virtual fracture of known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import SAFETY, Manner

if TYPE_CHECKING:
    from endplate.synthetic.virtual_fracture import FractureTruth, VirtualFracture

OneLevel = Annotated[
    str | None,
    typer.Option("--level", metavar="LEVEL", help="Level to break, as in L1.", show_default=False),
]
ShapeName = Annotated[
    str | None,
    typer.Option("--shape", metavar="NAME", help="wedge, biconcave or crush.", show_default=False),
]
LossShare = Annotated[
    float | None,
    typer.Option(
        "--loss",
        metavar="FRACTION",
        help="Share of the height that it loses, 0.05 to 0.6: anterior (wedge), middle (biconcave), or the mean of "
        "all three (crush).",
        show_default=False,
    ),
]
EndplateName = Annotated[
    str | None,
    typer.Option(
        "--endplate",
        metavar="NAME",
        help="Which endplates give way: superior or both; not given: superior in a wedge, else both.",
        show_default=False,
    ),
]
Retropulsion = Annotated[
    float, typer.Option("--retropulsion-mm", metavar="MM", help="Push the posterior wall into the canal.")
]
CleftMl = Annotated[
    float, typer.Option("--cleft-ml", metavar="ML", help="Volume of a cleft under the superior endplate.")
]
CleftFilling = Annotated[
    str, typer.Option("--cleft-filling", metavar="NAME", help="What fills the cleft: gas or fluid.")
]
Crack = Annotated[bool, typer.Option("--crack", help="Draw a crack below the superior endplate.")]
Seed = Annotated[int, typer.Option("--seed", metavar="N", help="Seed of the crack's waves.")]


def fracture(
    case: options.CaseArgument,
    level: OneLevel = None,
    shape: ShapeName = None,
    loss: LossShare = None,
    out: options.Out = None,
    endplate: EndplateName = None,
    retropulsion_mm: Retropulsion = 0.0,
    cleft_ml: CleftMl = 0.0,
    cleft_filling: CleftFilling = "gas",
    crack: Crack = False,
    seed: Seed = 0,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Break one vertebra of a case virtually, and write the result as a new case.

    The body loses the share of its height that was asked for; its bone mineral stays, neighbours and arches stay
    where they are. The true heights and the displacement stand in fracture.json of the new case, which can be
    assessed, planned and treated like any other. Every page of it says that it is simulated.
    """
    from endplate.case.fracture import fracture_case
    from endplate.cli.runtime import prepare
    from endplate.cli.speech import progress

    manner = Manner(json, quiet, verbose)
    if level is None or shape is None or loss is None or out is None:
        _missing({"--level": level, "--shape": shape, "--loss": loss, "--out": out})
        return
    _refuse_taken(out, case)
    wanted = _wanted(
        level,
        shape,
        loss,
        endplate,
        retropulsion_mm=retropulsion_mm,
        cleft=(cleft_ml, cleft_filling),
        crack=crack,
        seed=seed,
    )
    prepare()
    with progress(manner) as tell:
        truth = fracture_case(case, wanted, out, tell=tell)
    show_truth(truth, out, manner)


def show_truth(truth: FractureTruth, out: Path, manner: Manner) -> None:
    """Show what was done."""
    from endplate.case.names import TRUTH
    from endplate.cli.speech import console, print_json

    if manner.json:
        print_json(truth.model_dump(mode="json", by_alias=True))
        return
    page = console()
    for line in truth_lines(truth):
        page.print(line, markup=False, soft_wrap=True)
    page.print(f"Case:   {out}\nTruth:  {out / TRUTH}", markup=False, soft_wrap=True)
    if not manner.quiet:
        page.print(SAFETY, style="dim", markup=False)


def truth_lines(truth: FractureTruth) -> list[str]:
    """The truth in a few lines for people."""
    lines = [f"SIMULATED {truth.shape} fracture of {truth.level}, {truth.field.endplates} endplate(s)"]
    for name in ("anterior", "middle", "posterior"):
        before, after, loss = (
            getattr(part, name) for part in (truth.heights_before_mm, truth.heights_after_mm, truth.losses)
        )
        lines.append(f"  {name:<10} {before:5.1f} → {after:5.1f} mm  ({100.0 * loss:.0f} % lost)")
    if truth.wedge_angle_before_deg is not None and truth.wedge_angle_after_deg is not None:
        lines.append(
            f"  wedge      {truth.wedge_angle_before_deg:5.1f} → {truth.wedge_angle_after_deg:5.1f}°"
        )
    lines.append(
        f"  mineral    {truth.mass.before_mg:.0f} → {truth.mass.after_mg:.0f} mg; bone compacted up to "
        f"{truth.field.greatest_compaction:.1f}×"
    )
    return lines + [f"{one.severity}: {one.text}" for one in truth.findings]


def _missing(given: dict[str, object]) -> None:
    from endplate.errors import UsageError

    names = [name for name, value in given.items() if value is None]
    raise UsageError(
        "fracture-incomplete",
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} missing: these have no default.",
        do="Give --level L1 --shape wedge --loss 0.35 --out CASE2.",
    )


def _refuse_taken(out: Path, case: Path) -> None:
    """Raise where the new case would overwrite something, or lie in the case that it is made from."""
    from endplate.errors import UsageError

    if out.resolve().is_relative_to(case.resolve()):
        raise UsageError(
            "out-inside-input",
            "The new case would lie inside the case that it is made from.",
            do="Name a folder elsewhere with --out.",
        )
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(
            "out-exists",
            f"{out} is there already.",
            intact="Nothing in it was changed.",
            do="Name a new folder with --out.",
        )


def _wanted(
    level: str,
    shape: str,
    loss: float,
    endplate: str | None,
    *,
    retropulsion_mm: float,
    cleft: tuple[float, str],
    crack: bool,
    seed: int,
) -> VirtualFracture:
    from typing import cast

    from endplate.anatomy.model import Shape
    from endplate.imaging.levels import parse_level
    from endplate.synthetic.virtual_fracture import VirtualFracture
    from endplate.synthetic.virtual_fracture_model import BrokenEndplate
    from endplate.synthetic.virtual_fracture_model import CleftFilling as Fills

    return VirtualFracture(
        level=parse_level(level),
        shape=cast(Shape, shape),
        loss=loss,
        endplate=cast("BrokenEndplate | None", endplate),
        retropulsion_mm=retropulsion_mm,
        cleft_ml=cleft[0],
        cleft_filling=cast(Fills, cleft[1]),
        crack=crack,
        seed=seed,
    )
