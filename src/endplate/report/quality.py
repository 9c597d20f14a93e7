"""What kind of scan it is: what was found, what it does to which number, what was done about it."""

from __future__ import annotations

from endplate.anatomy.model import Spine
from endplate.imaging.label_origin import LabelOrigin
from endplate.imaging.scan_records import ScanCharacter
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, listed, number, quantity
from endplate.planning.label_trust import MADE_BY

TISSUES = {"adipose": "fat", "cortical_bone": "cortical bone"}
"""Reference tissues whose name in the document is not the word for them."""


def quality_tables(quality: ScanCharacter | None, spine: Spine, origin: LabelOrigin | None) -> list[Table]:
    """All tables of the quality page that have something to show."""
    made = (
        quality_table(quality),
        labels_table(origin),
        references_table(quality),
        implants_table(spine),
        lesions_table(spine),
    )
    return [table for table in made if table is not None]


def labels_table(origin: LabelOrigin | None) -> Table | None:
    """How the labels were made, where their file says so."""
    if origin is None or not origin.levels:
        return None
    return Table(
        caption=f"How the labels were made: {MADE_BY[origin.made_by]}",
        columns=(("Level", ""), ("Quality", "0 to 1"), ("Edges within", "mm"), ("Taken for granted", "")),
        rows=tuple(
            Row(
                known.level,
                (
                    Cell(number(known.quality, 2)),
                    Cell(number(known.label_error_mm)),
                    Cell(" ".join(known.assumed) or DASH),
                ),
            )
            for known in origin.levels
        ),
        note=" ".join(
            ("What the edges may be wrong by is taken off every margin of a needle.", *origin.mended)
        ),
    )


def quality_table(quality: ScanCharacter | None) -> Table | None:
    """The items of the scan's character, warnings set apart; ``None`` without a CT."""
    if quality is None:
        return None
    return Table(
        caption="What kind of scan it is",
        columns=(("", ""), ("Found", ""), ("What it does to the numbers", ""), ("What was done", "")),
        rows=tuple(
            Row(
                item.topic,
                (Cell(item.found), Cell(item.effect or DASH), Cell(item.done or DASH)),
                mark="" if item.severity == "info" else "breach",
            )
            for item in quality.items
        ),
    )


def references_table(quality: ScanCharacter | None) -> Table | None:
    """The tissues by which density was calibrated; ``None`` where none was looked for."""
    if quality is None or not quality.calibration.references:
        return None
    record = quality.calibration
    rows = []
    for tissue in record.references:
        name = TISSUES.get(tissue.tissue, tissue.tissue).capitalize()
        cells = (
            Cell(quantity(tissue.mean_hu, "", 0, uncertainty=tissue.sd_hu)),
            Cell(number(tissue.expected_hu, 0), "Not used for the scale of the HU."),
            Cell(number(tissue.volume_ml, 1)),
            Cell("yes" if tissue.used else f"no: {tissue.why_not}"),
        )
        rows.append(Row(name, cells))
    return Table(
        caption="Tissues of this scan as references of density",
        columns=(("", ""), ("Found", "HU ± SD"), ("Expected", "HU"), ("Volume", "ml"), ("Used", "")),
        rows=tuple(rows),
        note=(
            f"Density = {number(record.slope, 3)} × HU {'+' if record.intercept >= 0 else '−'} "
            f"{number(abs(record.intercept), 1)} mg/cm³, ± {number(100.0 * record.relative_interval, 0)} %."
        ),
    )


def implants_table(spine: Spine) -> Table | None:
    """Levels with metal or old cement; ``None`` where there is none."""
    rows = []
    for vertebra in spine.levels:
        found = vertebra.implants
        if found is None or not (found.cement_ml or found.metal_ml or found.unsure_ml):
            continue
        treated = {True: "yes", False: "no", None: "not clear"}[vertebra.treated_before]
        cells = (
            Cell(number(found.cement_ml, 1)),
            Cell(number(found.metal_ml, 1)),
            Cell(number(found.unsure_ml, 1)),
            Cell(treated),
        )
        rows.append(Row(vertebra.level, cells))
    if not rows:
        return None
    return Table(
        caption="Metal and old cement",
        columns=(
            ("Level", ""),
            ("Cement", "ml"),
            ("Metal", "ml"),
            ("Not clear", "ml"),
            ("Treated before", ""),
        ),
        rows=tuple(rows),
        note="Left out of density and of the search for lesions; a path keeps away from it.",
    )


def lesions_table(spine: Spine) -> Table | None:
    """Areas of bone that look lytic or blastic; ``None`` where there is none."""
    rows = []
    for vertebra in spine.levels:
        for lesion in vertebra.lesions:
            walls = listed(list(lesion.destroyed))
            cells = (
                Cell(lesion.kind),
                Cell(f"{lesion.place}, {lesion.side}"),
                Cell(number(lesion.diameter_mm, 0)),
                Cell(number(lesion.contrast_hu, 0, signed=True)),
                Cell(walls or DASH, None if walls else "No wall is missing there."),
            )
            rows.append(Row(vertebra.level, cells))
    if not rows:
        return None
    return Table(
        caption="Areas that look lytic or blastic",
        columns=(
            ("Level", ""),
            ("Kind", ""),
            ("Place", ""),
            ("Size", "mm"),
            ("Against the bone around", "HU"),
            ("Walls missing", ""),
        ),
        rows=tuple(rows),
        note=(
            "A finding, not a diagnosis: malignancy or instability is not excluded. "
            "No finding does not mean free of disease."
        ),
    )
