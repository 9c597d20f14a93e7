"""The tables of all levels: heights and grade, angles and canal, pedicles."""

from __future__ import annotations

from endplate.anatomy.model import Pedicle, Spine, Vertebra
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, interval, number, quantity
from endplate.report.losses import PARTS, height_loss_of

CUT = "The level is cut by the edge of the scan."
UNMEASURED = "The level could not be measured; see its findings."
NOT_FOUND = "It could not be measured on this level."
NO_EXPECTATION = "There is no expected height for this level in this scan."
NOT_GRADED = "Without a measured and an expected height there is no grade."
NO_SHAPE = "Only a flagged level has a fracture shape."
NEEDS_BOTH = "It needs the levels above and below."
NEEDS_CANAL = "It needs the canal here and on a neighbouring level."
NO_CT = "No CT was given: geometry only."
NO_DENSITY = "There is no trabecular region of sufficient size."
NO_CALIBRATION = "The scanner's HU cannot be turned into density here."
NO_PEDICLE = "No closed pedicle section was found."


def tables(spine: Spine, requested: tuple[str, ...]) -> list[Table]:
    """The three tables; none without levels."""
    if not spine.levels:
        return []
    return [_heights(spine, requested), _body_and_canal(spine, requested), _pedicles(spine, requested)]


def _heights(spine: Spine, requested: tuple[str, ...]) -> Table:
    rows = []
    for vertebra in spine.levels:
        cells = [_height(vertebra, part) for part in PARTS]
        cells += [
            Cell(number(getattr(vertebra.expected_heights_mm, part)), _why(vertebra, NO_EXPECTATION))
            for part in PARTS
        ]
        fracture = vertebra.fracture
        grade = DASH if fracture.genant_grade is None else str(fracture.genant_grade)
        margin = fracture.distance_to_threshold
        cells += [
            Cell(_percent(vertebra.height_loss), _why(vertebra, NO_EXPECTATION)),
            Cell(_percent(vertebra.within_vertebra_loss), _why(vertebra, NOT_FOUND)),
            Cell(grade, _why(vertebra, why_unjudged(vertebra))),
            Cell(fracture.shape or DASH, _why(vertebra, NO_SHAPE)),
            Cell(
                number(None if margin is None else 100.0 * margin, signed=True),
                _why(vertebra, why_unjudged(vertebra)),
            ),
        ]
        rows.append(_row(vertebra, cells, requested))
    return Table(
        caption="Heights and grade",
        columns=(
            ("Level", ""),
            *((part.capitalize(), "mm") for part in PARTS),
            *((part.capitalize(), "mm") for part in PARTS),
            ("Loss", "%"),
            ("Within", "%"),
            ("Grade", "Genant"),
            ("Shape", ""),
            ("To threshold", "points"),
        ),
        groups=(("", 1), ("Measured ± 1 SD", 3), ("Expected", 3), ("Loss of height", 2), ("Fracture", 3)),
        rows=tuple(rows),
        note=(
            "Loss: greatest of the three losses against expectation. Within: 1 − smallest / greatest height "
            "of the same body, the common baseline, for comparison only. To threshold: loss minus the loss "
            "that flags, in percentage points; negative is not flagged."
        ),
    )


def level_heights(vertebra: Vertebra) -> Table:
    """Heights of one level against expectation, for its close-up."""
    rows = []
    for part in PARTS:
        loss = height_loss_of(vertebra, part)
        span = None if loss is None else loss.interval
        words = _percent(None if loss is None else loss.loss)
        if span is not None:
            words += f" ({interval(100.0 * span[0], 100.0 * span[1], digits=0)})"
        expected = getattr(vertebra.expected_heights_mm, part)
        spread = getattr(vertebra.expected_uncertainty_mm, part)
        cells = (
            _height(vertebra, part),
            Cell(quantity(expected, uncertainty=spread), _why(vertebra, NO_EXPECTATION)),
            Cell(words, _why(vertebra, NO_EXPECTATION)),
        )
        rows.append(Row(part.capitalize(), cells))
    return Table(
        caption=f"Heights of {vertebra.level}",
        columns=(("", ""), ("Measured", "mm ± SD"), ("Expected", "mm ± SD"), ("Loss", "% (95 % interval)")),
        rows=tuple(rows),
        note="A negative loss is a body taller than expected.",
    )


def _body_and_canal(spine: Spine, requested: tuple[str, ...]) -> Table:
    rows = []
    for vertebra in spine.levels:
        canal, density = vertebra.canal, vertebra.density
        no_density = NO_CT if spine.geometry_only else NO_DENSITY
        vbmd = number(density.vbmd_mgcc, 0)
        if vbmd != DASH and density.vbmd_interval_mgcc is not None:
            vbmd += f" ({interval(*density.vbmd_interval_mgcc, digits=0)})"
        no_vbmd = NO_CALIBRATION if density.mean_hu is not None else no_density
        hu = quantity(density.mean_hu, "", 0, uncertainty=density.sd_hu)
        cells = [
            Cell(number(vertebra.wedge_angle_deg), _why(vertebra, NOT_FOUND)),
            Cell(number(vertebra.local_kyphosis_deg), _why(vertebra, NEEDS_BOTH)),
            Cell(number(vertebra.body_volume_ml), _why(vertebra, NOT_FOUND)),
            Cell(number(canal.ap_mm), _why(vertebra, NOT_FOUND)),
            Cell(number(canal.width_mm), _why(vertebra, NOT_FOUND)),
            Cell(_percent(canal.compromise), _why(vertebra, NEEDS_CANAL)),
            Cell(number(vertebra.retropulsion_mm), _why(vertebra, NEEDS_BOTH)),
            Cell(number(vertebra.cleft_ml, 2), _why(vertebra, NO_CT if spine.geometry_only else NOT_FOUND)),
            Cell(hu, _why(vertebra, no_density)),
            Cell(vbmd, _why(vertebra, no_vbmd)),
        ]
        rows.append(_row(vertebra, cells, requested))
    return Table(
        caption="Angles, canal and density",
        columns=(
            ("Level", ""),
            ("Wedge", "°"),
            ("Local kyphosis", "°"),
            ("Body", "ml"),
            ("Depth", "mm"),
            ("Width", "mm"),
            ("Compromise", "%"),
            ("Retropulsion", "mm"),
            ("Gas cleft", "ml"),
            ("Trabecular", "HU ± SD"),
            ("Density", "mg/cm³"),
        ),
        groups=(("", 1), ("Angles and size", 3), ("Canal", 4), ("Body on CT", 3)),
        rows=tuple(rows),
        note=(
            "Wedge and kyphosis: positive when lower in front. Compromise: 1 − canal depth / mean depth of "
            "the neighbouring levels. HU ± the spread of the voxels, not the error of the mean. Density in "
            "brackets: its interval."
        ),
    )


def _pedicles(spine: Spine, requested: tuple[str, ...]) -> Table:
    rows = []
    for vertebra in spine.levels:
        cells = []
        for pedicle in (vertebra.pedicles.right, vertebra.pedicles.left):
            cells += [Cell(text, _why(vertebra, NO_PEDICLE)) for text in _pedicle(pedicle)]
        rows.append(_row(vertebra, cells, requested))
    one = (("Inscribed Ø", "mm"), ("Width", "mm"), ("Height", "mm"), ("Convergence", "°"), ("Rise", "°"))
    return Table(
        caption="Pedicles at the isthmus",
        columns=(("Level", ""), *one, *one),
        groups=(("", 1), ("Right", 5), ("Left", 5)),
        rows=tuple(rows),
        note=(
            "Convergence: the axis runs toward the midline going forward. Rise: positive toward the head "
            "going forward. Both in the vertebra's own frame."
        ),
    )


def _pedicle(pedicle: Pedicle | None) -> tuple[str, ...]:
    if pedicle is None:
        return (DASH,) * 5
    return (
        quantity(pedicle.inscribed_diameter_mm, uncertainty=pedicle.uncertainty_mm),
        number(pedicle.width_mm),
        number(pedicle.height_mm),
        number(pedicle.transverse_deg),
        number(pedicle.sagittal_deg),
    )


def _height(vertebra: Vertebra, part: str) -> Cell:
    measured = getattr(vertebra.heights_mm, part)
    spread = getattr(vertebra.heights_uncertainty_mm, part)
    return Cell(quantity(measured, uncertainty=spread), _why(vertebra, NOT_FOUND))


def why_unjudged(vertebra: Vertebra) -> str:
    """Why a level has no grade, in the words of the grading itself where it says so."""
    return vertebra.fracture.reasons[0].text if vertebra.fracture.reasons else NOT_GRADED


def _percent(fraction: float | None) -> str:
    return number(None if fraction is None else 100.0 * fraction, 0)


def _why(vertebra: Vertebra, reason: str) -> str:
    """The reason behind a dash: what ails the whole level comes before what ails one value."""
    if not vertebra.complete:
        return CUT
    return UNMEASURED if vertebra.frame is None else reason


def _row(vertebra: Vertebra, cells: list[Cell], requested: tuple[str, ...]) -> Row:
    marks = []
    if vertebra.level in requested:
        marks.append("chosen")
    if vertebra.fracture.flagged:
        marks.append("flagged")
    heading = vertebra.level + (" ▼" if vertebra.fracture.flagged else "")
    return Row(heading=heading, cells=tuple(cells), mark=" ".join(marks))
