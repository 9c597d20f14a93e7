"""Options that several verbs share, each defined once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def complete_levels(incomplete: str) -> list[str]:
    """Level names for the shell; after a comma the next one, in the case the user types."""
    from endplate.imaging.levels import CRANIOCAUDAL

    before, comma, start = incomplete.rpartition(",")
    fitting = [name for name in CRANIOCAUDAL if name.startswith(start.upper())]
    return [f"{before}{comma}{start}{name[len(start) :]}" for name in fitting]


def complete_schemes(incomplete: str) -> list[str]:
    """Label schemes for the shell."""
    from endplate.imaging.schemes import SCHEMES

    return [name for name in ("auto", *SCHEMES) if name.startswith(incomplete)]


Ct = Annotated[
    Path | None,
    typer.Argument(
        metavar="CT", help="CT: NIfTI, NRRD, MetaImage, a DICOM file, folder or zip.", show_default=False
    ),
]
CtOrCase = Annotated[
    Path | None,
    typer.Argument(metavar="[CT|CASE]", help="A CT (any format), or a case folder.", show_default=False),
]
CaseArgument = Annotated[Path, typer.Argument(metavar="CASE", help="A case folder.", show_default=False)]
Labels = Annotated[
    Path | None,
    typer.Option(
        "--labels", "-l", metavar="FILE", help="Vertebra labels on the CT's grid.", show_default=False
    ),
]
Level = Annotated[
    str | None,
    typer.Option(
        "--level",
        metavar="LEVEL[,LEVEL]",
        help="Level or levels to plan, as you named or confirmed them: L1 or T12,L1.",
        autocompletion=complete_levels,
        show_default=False,
    ),
]
Series = Annotated[
    str | None,
    typer.Option(
        "--series",
        metavar="KEY",
        help="DICOM series to use where there are several; `endplate series` lists them. KEY:longest takes the "
        "longest whole part of one with lost slices.",
        show_default=False,
    ),
]
Scheme = Annotated[
    str,
    typer.Option(
        "--scheme",
        metavar="NAME",
        help="Label scheme; auto finds it and says what it found.",
        autocompletion=complete_schemes,
    ),
]
CalibrationLine = Annotated[
    str | None,
    typer.Option(
        "--calibration",
        metavar="SLOPE,INTERCEPT|rods:…",
        help="HU to mg/cm³: a line (density = slope × HU + intercept), or the rods of a phantom as "
        "rods:HU=DENSITY,… cha:… mindways:HU=WATER/K2HPO4,…; not given: from the scan's own tissues.",
        show_default=False,
    ),
]
Reason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="TEXT",
        help="Why to treat a level where no fracture was seen. Printed in the plan: no names.",
        show_default=False,
    ),
]
Technique = Annotated[
    str | None,
    typer.Option("--technique", metavar="NAME", help="vertebroplasty or kyphoplasty.", show_default=False),
]
Access = Annotated[
    str | None,
    typer.Option("--access", metavar="NAME", help="bipedicular or unipedicular.", show_default=False),
]
Approach = Annotated[
    str | None,
    typer.Option(
        "--approach",
        metavar="NAME",
        help="transpedicular, parapedicular or extrapedicular; not given: tried in this order.",
        show_default=False,
    ),
]
Balloon = Annotated[
    str | None,
    typer.Option(
        "--balloon", metavar="NAME", help="Balloon, as in 15/3; means kyphoplasty.", show_default=False
    ),
]
FractureWeeks = Annotated[
    float | None,
    typer.Option(
        "--fracture-weeks",
        metavar="WEEKS",
        help="Age of the fracture from the history; a CT does not show it.",
        show_default=False,
    ),
]
Organs = Annotated[
    Path | None,
    typer.Option(
        "--organs",
        metavar="FILE",
        help="Organs to keep away from (TotalSegmentator map or folder); not given: those in the labels.",
        show_default=False,
    ),
]
Site = Annotated[
    Path | None,
    typer.Option(
        "--site",
        metavar="FILE",
        help="YAML with this hospital's own rules and devices.",
        show_default=False,
    ),
]
GivenPaths = Annotated[
    Path | None,
    typer.Option(
        "--path",
        metavar="FILE",
        help="Measure the needle paths of this file (Slicer markups, JSON, CSV) instead of searching.",
        show_default=False,
    ),
]
Gauge = Annotated[
    str | None, typer.Option("--gauge", metavar="GAUGE", help="Needle, as in 11G.", show_default=False)
]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="CASE", help="Case folder to write.", show_default=False),
]
Force = Annotated[
    bool,
    typer.Option("--force", help="Make finished stages anew; replace a case of another scan."),
]
PatientLabel = Annotated[
    bool,
    typer.Option(
        "--patient-label/--no-patient-label", help="Leave a box for the patient's label on the report."
    ),
]
PatientLabelOrSaved = Annotated[
    bool | None,
    typer.Option(
        "--patient-label/--no-patient-label",
        help="Leave a box for the patient's label on the report; as before where not given.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else there.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no hints.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Also stage times, and where an error arose.")]
