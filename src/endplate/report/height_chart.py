"""The height chart: every body's three heights as a share of what is expected, with the grade thresholds."""

from __future__ import annotations

from endplate.anatomy.model import Spine, Vertebra
from endplate.papers.chart import Scale, diamond, dot, error_bar, horizontal_axis, off_scale_arrow, range_bar
from endplate.papers.svg import Drawing
from endplate.papers.words import DASH, number
from endplate.report import style
from endplate.report.losses import PARTS, Loss, Part, height_loss_of
from endplate.report.picture import Figure
from endplate.sources import constant, value

WIDTH = 700.0
NAME_WIDTH = 52.0
PANEL_GAP = 14.0
NUMBERS_WIDTH = 66.0
"""Room right of each panel for the heights in mm."""

ROW = 25.0
TOP, FOOT = 52.0, 42.0
LOW, HIGH = 30.0, 125.0
"""Range of the axis in per cent of the expected height; values beyond get an arrow at the edge."""


def height_chart(spine: Spine, requested: tuple[str, ...]) -> Figure | None:
    """Draw the chart; ``None`` where no level has a measured and an expected height."""
    rows = _rows(spine)
    if not rows:
        return None
    height = chart_height_px(spine)
    names = ", ".join(vertebra.level for vertebra in rows)
    drawing = Drawing(
        WIDTH, height, alt=f"Chart of the heights of {names} as per cent of the expected height."
    )
    for i, vertebra in enumerate(rows):
        _row_name(drawing, vertebra, TOP + ROW * i, chosen=vertebra.level in requested)
    panel = (WIDTH - NAME_WIDTH) / 3.0
    for i, part in enumerate(PARTS):
        left = NAME_WIDTH + panel * i
        scale = Scale(LOW, HIGH, left + 4.0, left + panel - NUMBERS_WIDTH - PANEL_GAP)
        _panel(drawing, rows, part, scale)
    limits = _threshold_words()
    caption = (
        "Each body's height as per cent of the height expected from this patient's own spine. Mark: the "
        "measurement with its 95 % interval. Grey bar: 95 % interval of the expectation. Dashed lines: "
        f"height losses of {limits}, where grades 1, 2 and 3 begin. Numbers: measured / expected, mm."
    )
    legend = (
        (style.MEASURED, "● not flagged"),
        (style.FLAGGED, "◆ flagged as fractured"),
        (style.REQUESTED, "chosen level (shaded row)"),
    )
    return Figure(
        svg=drawing.markup("chart"),
        caption=caption,
        heading="Heights against expectation",
        legend=legend,
        source=constant("genant.grade_losses").source,
    )


def chart_height_px(spine: Spine) -> float:
    """Height of the chart in CSS pixels; 0 where there is none."""
    rows = _rows(spine)
    return TOP + ROW * len(rows) + FOOT if rows else 0.0


def _rows(spine: Spine) -> list[Vertebra]:
    return [vertebra for vertebra in spine.levels if any(height_loss_of(vertebra, part) for part in PARTS)]


def _threshold_words() -> str:
    return ", ".join(f"{number(100.0 * loss, 0)} %" for loss in value("genant.grade_losses"))


def _row_name(drawing: Drawing, vertebra: Vertebra, top: float, *, chosen: bool) -> None:
    if chosen:
        drawing.rect((0, top), WIDTH, ROW, fill=style.REQUESTED, fill_opacity=0.2)
    drawing.text(
        (6, top + ROW / 2.0 + 5.0),
        vertebra.level,
        size=14,
        fill=style.FLAGGED if vertebra.fracture.flagged else style.INK,
        font_weight="700" if chosen or vertebra.fracture.flagged else "400",
    )


def _panel(drawing: Drawing, rows: list[Vertebra], part: Part, scale: Scale) -> None:
    bottom = TOP + ROW * len(rows)
    drawing.text((scale.start, 14), part.capitalize(), size=14, fill=style.INK, font_weight="700")
    for i, vertebra in enumerate(rows):
        loss = height_loss_of(vertebra, part)
        if loss is not None and loss.expected_sd_mm is not None:
            half = 100.0 * float(value("report.sd_band")) * loss.expected_sd_mm / loss.expected_mm
            middle = TOP + ROW * (i + 0.5)
            range_bar(drawing, scale, 100.0 - half, 100.0 + half, middle, ROW - 8.0, fill=style.BAND)
    drawing.line((scale(100), TOP - 6), (scale(100), bottom), stroke=style.QUIET, stroke_width=1)
    for grade, limit in enumerate(value("genant.grade_losses"), start=1):
        x = scale(100.0 * (1.0 - limit))
        drawing.line((x, TOP - 6), (x, bottom), stroke=style.FLAGGED, stroke_width=1, stroke_dasharray="4 3")
        drawing.text(
            (x, TOP - 10 - (11 if grade == 2 else 0)),
            f"−{number(100.0 * limit, 0)}",
            size=10,
            anchor="middle",
            fill=style.FLAGGED,
        )
    for i, vertebra in enumerate(rows):
        _mark(drawing, vertebra, height_loss_of(vertebra, part), scale, TOP + ROW * (i + 0.5))
    horizontal_axis(drawing, scale, bottom, unit="", about=5)
    drawing.text(
        ((scale.start + scale.end) / 2.0, bottom + 32),
        "% of expected height",
        size=11,
        anchor="middle",
        fill=style.QUIET,
    )


def _mark(drawing: Drawing, vertebra: Vertebra, loss: Loss | None, scale: Scale, y: float) -> None:
    words = DASH
    if loss is not None:
        flagged = bool(vertebra.fracture.flagged)
        colour = style.FLAGGED if flagged else style.MEASURED
        share = 100.0 * loss.share
        if loss.measured_sd_mm is not None:
            half = 100.0 * float(value("report.sd_band")) * loss.measured_sd_mm / loss.expected_mm
            error_bar(drawing, scale, share, half, y, colour=colour)
        if scale.holds(share):
            (diamond if flagged else dot)(drawing, (scale(share), y), colour=colour)
        off_scale_arrow(drawing, scale, share, y, colour=colour)
        words = f"{number(loss.measured_mm)} / {number(loss.expected_mm)}"
    drawing.text((scale.end + NUMBERS_WIDTH + 6.0, y + 4.0), words, size=11, anchor="end", fill=style.INK)
