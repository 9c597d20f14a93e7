"""``endplate strength``: how stiff and how strong a vertebra is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from endplate.cli import options
from endplate.cli.manner import SAFETY, Manner

if TYPE_CHECKING:
    from endplate.mechanics import plasticity
    from endplate.mechanics.pressing import StrengthOptions
    from endplate.mechanics.strength_model import StrengthDocument

STAGE = "Pressing the vertebra"

Case = Annotated[Path | None, typer.Argument(metavar="[CASE]", help="A case folder.", show_default=False)]
Density = Annotated[
    Path | None,
    typer.Option(
        "--density-mgcc",
        metavar="FILE",
        help="K2HPO4-equivalent density in mg/cm³, in place of a case.",
        show_default=False,
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option("--mask", metavar="FILE", help="Label map on the density's grid.", show_default=False),
]
Body = Annotated[
    str | None,
    typer.Option(
        "--body", metavar="IDS", help="Ids of the mask that are bone, as in 1,2.", show_default=False
    ),
]
CapsText = Annotated[
    str | None,
    typer.Option(
        "--caps",
        metavar="CAPS",
        help="pmma:THICK:INTRUSION:E (mm, mm over the bone's rim or fit, MPa), labels:LO,HI, or none. In a case: "
        "pmma:3:fit:2500 where not given.",
        show_default=False,
    ),
]
Law = Annotated[
    str | None,
    typer.Option(
        "--law",
        metavar="NAME",
        help="Density law: kopperdahl (2980·ρ^1.05), kopperdahl-line, scaled, morgan, kopperdahl1998.",
        show_default=False,
    ),
]
Align = Annotated[
    str | None,
    typer.Option(
        "--align",
        metavar="none|endplates",
        help="Along what the load acts: the grid's own axis, or the body's endplates. Files: none; a case: endplates.",
        show_default=False,
    ),
]
LinearOnly = Annotated[
    bool, typer.Option("--linear-only", help="Elastic stiffness and its rule alone, no ramp to failure.")
]
Quick = Annotated[
    bool, typer.Option("--quick", help="Ramp of few steps; in a case on voxels of 2 mm. A preview.")
]
Voxel = Annotated[
    float | None,
    typer.Option(
        "--voxel-mm",
        metavar="MM",
        help="Voxel size where the bone is turned; 1 mm where not given.",
        show_default=False,
    ),
]
Clamped = Annotated[bool, typer.Option("--clamped", help="Hold the ends sideways too.")]
FreeTilt = Annotated[bool, typer.Option("--free-tilt", help="Let the upper plate turn freely.")]
Transverse = Annotated[
    bool, typer.Option("--transverse", help="Bone three times as stiff along the axis as across.")
]
Criterion = Annotated[
    str, typer.Option("--yield", metavar="NAME", help="tresca, von-mises or drucker-prager.")
]
FlowName = Annotated[
    str,
    typer.Option(
        "--flow",
        metavar="NAME",
        help="isochoric (as metals and the benchmark), capped (bone between stiff layers is crushed too) or "
        "crushable (foam).",
    ),
]
Whole = Annotated[bool, typer.Option("--whole", help="In a case: the whole vertebra, not the body alone.")]


def strength(
    case: Case = None,
    level: options.Level = None,
    density_mgcc: Density = None,
    mask: Mask = None,
    body: Body = None,
    caps: CapsText = None,
    law: Law = None,
    align: Align = None,
    linear_only: LinearOnly = False,
    quick: Quick = False,
    voxel_mm: Voxel = None,
    clamped: Clamped = False,
    free_tilt: FreeTilt = False,
    transverse: Transverse = False,
    criterion: Criterion = "tresca",
    flow: FlowName = "isochoric",
    whole: Whole = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Say how stiff and how strong a vertebra is, from its density.

    Of a case, one level between caps that fit its endplates; or of a density volume with a label map. The
    voxels are pressed along z until the bone gives way. Nothing is written.
    """
    from endplate.cli.runtime import prepare

    manner = Manner(json, quiet, verbose)
    files = {"--density-mgcc": density_mgcc, "--mask": mask, "--body": body}
    _check_form(case, level, files, caps, align, whole=whole)
    prepare()
    wished = _options(
        law=law,
        caps=caps,
        clamped=clamped,
        tilting=free_tilt,
        transverse=transverse,
        criterion=criterion,
        flow=flow,
        linear_only=linear_only,
        voxel_mm=voxel_mm,
        whole=whole,
        quick=quick,
    )
    from endplate.cli.speech import progress

    with progress(manner) as tell:

        def told(what: str, part: float) -> None:
            tell(STAGE, what, part)

        tell(STAGE, "", 0.0)
        if case is not None:
            found = _of_case(case, str(level), wished, told)
        else:
            found = _of_files(density_mgcc, mask, str(body), align or "none", wished, told)
        tell(STAGE, "", 1.0)
    show_strength(found, manner)


def show_strength(found: StrengthDocument, manner: Manner) -> None:
    """Show the document."""
    from endplate.cli.speech import console, print_json

    if manner.json:
        print_json(found.model_dump(mode="json", by_alias=True))
        return
    out = console()
    for line in strength_lines(found):
        out.print(line, markup=False, soft_wrap=True)
    if not manner.quiet:
        out.print(SAFETY, style="dim", markup=False)


def strength_lines(found: StrengthDocument) -> list[str]:
    """The document in a few lines for people."""
    low, high = found.interval.stiffness_n_per_mm
    lines = [
        f"Stiffness        {found.stiffness_n_per_mm:8.0f} N/mm  ({low:.0f} to {high:.0f})",
        f"Linear strength  {found.strength_linear_n:8.0f} N     ({_range(found.interval.strength_linear_n)})",
    ]
    if found.strength_n is not None and found.interval.strength_n is not None:
        lines.append(f"Strength         {found.strength_n:8.0f} N     ({_range(found.interval.strength_n)})")
    if found.failure is not None and found.failure.offset_yield_n is not None:
        lines.append(f"0.2 % yield      {found.failure.offset_yield_n:8.0f} N")
    if found.broken is not None and found.broken.strength_n is not None:
        lines.append(f"As broken        {found.broken.strength_n:8.0f} N     (an assumption, see below)")
    lines.append("Strength over daily loads:")
    lines += [
        f"  {one.name:<24} {one.load_n:6.0f} N  × {one.factor:.1f}{'  (load recalled)' if one.recalled else ''}"
        for one in found.factors
    ]
    size = " × ".join(f"{mm:.2g}" for mm in found.voxel_mm)
    density = f"mean density {found.mean_density_mgcc:.0f} mg/cm³"
    lines.append(f"{found.elements} voxels of {size} mm, height {found.height_mm:.1f} mm, {density}")
    lines.append(f"{found.law}; {found.loading}")
    return lines + [f"{one.severity}: {one.text}" for one in found.findings]


def _range(pair: tuple[float, float]) -> str:
    return f"{pair[0]:.0f} to {pair[1]:.0f}"


def _check_form(
    case: Path | None,
    level: str | None,
    files: dict[str, Any],
    caps: str | None,
    align: str | None,
    *,
    whole: bool,
) -> None:
    """Either a case with a level, or files with what they need."""
    from endplate.errors import UsageError

    if align not in {None, "none", "endplates"}:
        raise UsageError(
            "align-unknown",
            f"{align!r} is nothing to align to.",
            do="Give --align none or --align endplates.",
        )
    given = [name for name, value in files.items() if value is not None]
    if case is not None:
        if given:
            raise UsageError(
                "option-with-case",
                f"{', '.join(given)} cannot be given with a case: its density comes from its scan.",
                do="Leave it out, or leave out the case.",
            )
        if level is None:
            raise UsageError("level-missing", "Which level is to be pressed?", do="Give --level, as in L1.")
        if align == "none":
            raise UsageError(
                "align-in-case",
                "A vertebra of a case is always pressed along its own axis.",
                do="Leave out --align none.",
            )
        return
    needed = {**files, "--caps": caps}
    missing = [name for name, value in needed.items() if value is None]
    if missing:
        raise UsageError(
            "strength-incomplete",
            f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing: these have no default.",
            do="Give CASE --level L1, or --density-mgcc, --mask, --body and --caps together.",
        )
    if level is not None or whole:
        raise UsageError(
            "option-without-case",
            "--level and --whole belong to a case; a mask's ids are given with --body.",
            do="Leave them out, or give a case.",
        )


def _options(
    *,
    law: str | None,
    caps: str | None,
    clamped: bool,
    tilting: bool,
    transverse: bool,
    criterion: str,
    flow: str,
    linear_only: bool,
    voxel_mm: float | None,
    whole: bool,
    quick: bool,
) -> StrengthOptions:
    from endplate.mechanics.caps import parse_caps
    from endplate.mechanics.laws import DEFAULT_LAW, density_law
    from endplate.mechanics.plasticity import Yielding
    from endplate.mechanics.pressing import StrengthOptions
    from endplate.sources import value

    ratio = float(value("bone.yield_tension_ratio")) if criterion == "drucker-prager" else 1.0
    yielding = Yielding(cast("plasticity.Criterion", criterion), cast("plasticity.Flow", flow), ratio)
    made = StrengthOptions(
        law=density_law(law or DEFAULT_LAW).name,
        hold="clamped" if clamped else "free",
        tilting=tilting,
        transverse=transverse,
        yielding=yielding,
        linear_only=linear_only,
        voxel_mm=1.0 if voxel_mm is None else voxel_mm,
        whole=whole,
    )
    if caps is not None:
        made = replace(made, caps=parse_caps(caps))
    return made.quick() if quick else made


def _of_case(folder: Path, level: str, wished: StrengthOptions, told: Any) -> StrengthDocument:
    """One level of a case, from the scan and the measurements that it keeps."""
    from endplate.case.case_files import CaseFiles
    from endplate.case.folder import open_case
    from endplate.errors import QualityGateError
    from endplate.imaging.calibrate import calibration_of
    from endplate.imaging.levels import parse_level
    from endplate.mechanics.strength import vertebra_strength

    name = parse_level(level)
    with open_case(folder) as case:
        record = {key: sha for stage in case.manifest.stages.values() for key, sha in stage.outputs.items()}
        files = CaseFiles(folder, record)
        scan, spine, quality = files.scan, files.spine, files.quality
    if scan.image is None or scan.labels is None or spine is None or quality is None:
        raise QualityGateError(
            "strength-needs-ct",
            "Strength needs a CT with labels; this case has not both.",
            do="Make the case from a CT with --labels.",
        )
    return vertebra_strength(
        scan.image,
        scan.labels,
        spine,
        name,
        calibration_of(quality.calibration),
        wished,
        progress=told,
    )


def _of_files(
    density: Path | None, mask: Path | None, body: str, align: str, wished: StrengthOptions, told: Any
) -> StrengthDocument:
    """A density volume with a label map."""
    from endplate.errors import InternalError, UsageError
    from endplate.imaging.read import read_grid
    from endplate.mechanics.orient import aligned, as_scanned
    from endplate.mechanics.specimen import specimen
    from endplate.mechanics.strength import strength_of

    if density is None or mask is None:
        raise InternalError("strength-no-files", "The files are missing.", do="Please report this.")
    try:
        ids = tuple(int(part) for part in body.split(","))
    except ValueError:
        ids = ()
    if not ids or min(ids) <= 0:
        raise UsageError(
            "body-unreadable", f"{body!r} names no ids.", do="Give the mask's ids of bone, as in --body 1,2."
        )
    placed = as_scanned(read_grid(density), read_grid(mask, nearest=True))
    findings = placed.findings
    if align == "endplates":
        placed = aligned(placed, ids, wished.voxel_mm)
    made = specimen(placed.density_mgcc, placed.ids, ids, wished.caps, placed.spacing_mm, placed.affine)
    made = replace(made, findings=(*(() if align == "endplates" else findings), *made.findings))
    return strength_of(made, wished, progress=told).document
