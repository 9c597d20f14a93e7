"""``endplate label``: labels from clicks, from an installed segmenter, or a label map mended."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from endplate.cli import options
from endplate.cli.manner import Manner

if TYPE_CHECKING:
    from endplate.cli.label_wanted import Wanted
    from endplate.labelling.mending import Mending

Points = Annotated[
    list[str] | None,
    typer.Option(
        "--point",
        metavar="LEVEL:X,Y,Z",
        help="A point in the middle of a vertebral body, RAS mm; LEVEL:lps:X,Y,Z and LEVEL:voxel:I,J,K are taken "
        "too. One for each vertebra.",
        show_default=False,
    ),
]
PointsFile = Annotated[
    Path | None,
    typer.Option(
        "--points",
        metavar="FILE",
        help="Points from a file: of the pick page, of VerSe or TPTBox, or a Slicer point list (.mrk.json, .fcsv).",
        show_default=False,
    ),
]
Segmenter = Annotated[
    str | None,
    typer.Option(
        "--segmenter",
        metavar="NAME",
        help="An installed program: totalsegmentator, spineps or totalspineseg. It may fetch its weights by itself.",
        show_default=False,
    ),
]


def label(
    ct: options.Ct = None,
    point: Points = None,
    points: PointsFile = None,
    segmenter: Segmenter = None,
    labels: Annotated[
        Path | None,
        typer.Option("--labels", "-l", metavar="FILE", help="A label map to mend.", show_default=False),
    ] = None,
    pick: Annotated[
        bool,
        typer.Option(
            "--pick", help="Write a page (.html) in which to click the points; it needs no network."
        ),
    ] = False,
    propose: Annotated[
        bool,
        typer.Option(
            "--propose",
            help="Propose the points of neighbours, for you to confirm: with --pick in the page, else in a points "
            "file (.json).",
        ),
    ] = False,
    shift: Annotated[
        int,
        typer.Option(
            "--shift",
            metavar="+1|-1",
            help="Shift all names by one: +1 toward the feet.",
            show_default=False,
        ),
    ] = 0,
    merge: Annotated[
        list[str] | None,
        typer.Option("--merge", metavar="A+B=C", help="Join two levels into one.", show_default=False),
    ] = None,
    drop: Annotated[
        list[str] | None,
        typer.Option("--drop", metavar="LEVEL", help="Leave a level out.", show_default=False),
    ] = None,
    clean: Annotated[bool, typer.Option("--clean", help="Remove specks and fill pin holes.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Labels to write: .nii.gz, .seg.nrrd (3D Slicer) or .dcm (DICOM SEG); with --pick the page.",
            show_default=False,
        ),
    ] = None,
    subregions: Annotated[
        Path | None,
        typer.Option(
            "--subregions",
            metavar="FILE",
            help="Also write TPTBox subregion ids (49 body, 41 arch, 61 canal), .nii.gz.",
            show_default=False,
        ),
    ] = None,
    organs: Annotated[
        Path | None,
        typer.Option(
            "--organs", metavar="FILE", help="Also write the segmenter's organs, .nii.gz.", show_default=False
        ),
    ] = None,
    time_limit: Annotated[
        float | None,
        typer.Option(
            "--time-limit", metavar="MINUTES", help="Stop a segmenter after this.", show_default=False
        ),
    ] = None,
    series: options.Series = None,
    scheme: options.Scheme = "auto",
    force: Annotated[bool, typer.Option("--force", help="Replace files that are there.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = False,
) -> None:
    """Label vertebrae on the grid of a CT.

    From one point in each vertebral body (--point, --points; --pick writes the page to click them in), from a
    segmenter that is installed here (--segmenter), or from a label map to mend (--labels with --shift, --merge,
    --drop, --clean). Level names are the user's word: confirm them.
    """
    from endplate.cli.label_job import mending_of
    from endplate.cli.label_wanted import Wanted
    from endplate.cli.runtime import prepare
    from endplate.errors import UsageError

    manner = Manner(json, quiet, verbose)
    wanted = Wanted(tuple(point or ()), points, segmenter, labels, scheme, time_limit)
    wanted.check(pick=pick, propose=propose, has_ct=ct is not None)
    asked = {
        "--shift": shift != 0,
        "--merge": bool(merge),
        "--drop": bool(drop),
        "--clean": clean,
        "--subregions": subregions is not None,
        "--organs": organs is not None,
        "--time-limit": time_limit is not None,
        "--scheme": scheme != "auto",
        "--series": series is not None,
    }
    wanted.check_effect(asked, page=pick or propose, has_ct=ct is not None)
    if out is None:
        raise UsageError("out-missing", "No file was named to write.", do="Name it with --out.")
    prepare()
    if pick or propose:
        assert ct is not None  # Wanted.check
        _page_or_points(ct, wanted, out, series, pick=pick, propose=propose, force=force, manner=manner)
        return
    mending = mending_of(shift, drop or (), merge or (), clean=clean)
    _labels(ct, wanted, mending, (out, subregions, organs), series=series, force=force, manner=manner)


def _page_or_points(
    ct: Path,
    wanted: Wanted,
    out: Path,
    series: str | None,
    *,
    pick: bool,
    propose: bool,
    force: bool,
    manner: Manner,
) -> None:
    from endplate.cli.label_job import points_of, read_ct, with_proposals
    from endplate.cli.label_show import show_made
    from endplate.cli.speech import progress
    from endplate.errors import UsageError
    from endplate.labelling.outputs_targets import check_free
    from endplate.labelling.pick import write_pick_page
    from endplate.labelling.points_files import write_points

    kind, suffix = ("page", ".html") if pick else ("points file", ".json")
    if out.suffix.lower() != suffix:
        raise UsageError("output-format", f"The {kind} is a {suffix} file.", do=f"End the name in {suffix}.")
    check_free([out], force=force, ct=ct, inputs=wanted.files)
    wanted.look_up()
    with progress(manner) as tell:
        tell("Reading the CT", "", 0.0)
        image = read_ct(ct, series)
        tell("Reading the CT", "", 1.0)
        points = points_of(wanted, image, may_be_none=not propose)
        points, proposals = with_proposals(points, image, tell) if propose else (points, ())
        if pick:
            tell("Writing the page", "", 0.0)
            write_pick_page(out, image, points)
            tell("Writing the page", "", 1.0)
        else:
            write_points(out, points, image)
    if pick:
        how = (
            "Open it in a browser, click in each vertebral body, save the points, then: "
            "endplate label CT --points FILE --out labels.nii.gz"
        )
    else:
        how = "Confirm the proposed points: endplate label CT --points FILE --pick --out page.html"
    show_made("endplate/label-points/1", how, [out], proposals, manner)


def _labels(
    ct: Path | None,
    wanted: Wanted,
    mending: Mending,
    outputs: tuple[Path, Path | None, Path | None],
    *,
    series: str | None,
    force: bool,
    manner: Manner,
) -> None:
    from endplate.cli.label_job import make_labels, read_ct
    from endplate.cli.label_show import show_labels, show_levels
    from endplate.cli.speech import progress
    from endplate.errors import QualityGateError
    from endplate.imaging.dicom_reference import source_series
    from endplate.labelling import outputs as files
    from endplate.labelling.outputs_document import document_of, empty_document, with_mending
    from endplate.labelling.outputs_names import with_counting
    from endplate.labelling.outputs_targets import check_free, files_of

    out, subregions, organs = outputs
    form = files.form_of(out)
    for path in (subregions, organs):
        if path is not None:
            files.nifti_only(path)
    check_free(
        [*files_of(out), *(path for path in (subregions, organs) if path)],
        force=force,
        ct=ct,
        inputs=wanted.files,
        mended_in_place=out
        if mending.asked and wanted.labels is not None and wanted.labels.is_file()
        else None,
    )
    wanted.look_up(subregions=subregions is not None, organs=organs is not None)
    with progress(manner) as tell:
        image = None
        if ct is not None:
            tell("Reading the CT", "", 0.0)
            image = read_ct(ct, series)
            tell("Reading the CT", "", 1.0)
        try:
            made = with_mending(make_labels(wanted, image, manner, tell), mending)
            made = replace(made, labels=with_counting(made.labels, image, made.organs))
        except QualityGateError as error:
            error.document = error.document or empty_document(wanted.made_by, error.code)
            raise
        files.check_parts(made, subregions=subregions is not None, organs=organs is not None)
        document = document_of(made)
        if document.refused is not None:
            if not manner.json:
                show_levels(document)
            raise QualityGateError(
                document.refused.code,
                "The labels were not written: "
                + " ".join(f"{reason.level}: {reason.text}" for reason in document.refused.reasons[:2]),
                do="Mend the map as said (--merge, --drop, --shift, --clean), or label these levels from points.",
                document=document.model_dump(mode="json", by_alias=True),
            )
        source = source_series(ct, series) if ct is not None and form == ".dcm" else None
        written = [*files.write_labels(out, made.volume, made.origin, source)]
        if subregions is not None and made.subregions is not None:
            written.append(files.write_subregions(subregions, made.subregions))
        if organs is not None and made.organs is not None:
            written.append(files.write_organs(organs, made.organs))
    show_labels(document.model_copy(update={"files": tuple(path.name for path in written)}), manner)
