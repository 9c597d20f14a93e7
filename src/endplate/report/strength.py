"""How strong a level is: the way to failure, where the bone gives way, and what the numbers mean."""

from __future__ import annotations

import contourpy
import numpy as np

from endplate.anatomy.model import Vertebra
from endplate.imaging.geometry import FloatArray
from endplate.imaging.volume import Volume
from endplate.mechanics.levels import STRAIN_STEP
from endplate.mechanics.strength_model import StrengthDocument
from endplate.papers.chart import Scale, diamond, dot, horizontal_axis
from endplate.papers.svg import Drawing
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, interval, number
from endplate.report import style
from endplate.report.axes import frame_axes
from endplate.report.closeup import PIXEL_MM, SAGITTAL_BEHIND_MM, SAGITTAL_MM, WIDTH_PX
from endplate.report.picture import Figure, Picture
from endplate.report.scene import OUTLINE_PIXEL_MM, Scene
from endplate.report.slicing import Plane, sample
from endplate.units import N_PER_KN

SHADES = ((0.005, "#ffd43b", "0.5 %"), (0.02, "#ff922b", "2 %"), (0.05, "#fa5252", "5 %"))
"""Plastic strain from which a shade begins, its colour and its name."""

CHART_WIDTH, CHART_HEIGHT = 345.0, 285.0
LEFT, RIGHT, TOP, FOOT = 54.0, 12.0, 16.0, 40.0


def strength_figures(
    scene: Scene, vertebra: Vertebra, found: StrengthDocument, failure: Volume | None
) -> list[Figure]:
    """The way to failure and, where there is one, the picture of what gives way."""
    figures = [curve_figure(found)] if found.curve else []
    if failure is not None and vertebra.frame is not None and scene.image is not None and found.curve:
        figures.append(failure_figure(scene, vertebra, found, failure))
    return figures


def curve_figure(found: StrengthDocument) -> Figure:
    """Force over shortening, with the everyday loads as lines."""
    drawing = Drawing(
        CHART_WIDTH, CHART_HEIGHT, alt=f"Force over shortening of {found.level} pressed to failure."
    )
    greatest = max(
        [point.force_n for point in found.curve]
        + ([found.broken.strength_n] if found.broken is not None and found.broken.strength_n else [])
        + [load.load_n for load in found.factors]
    )
    across = Scale(0.0, 1.05 * found.curve[-1].shortening_mm, LEFT, CHART_WIDTH - RIGHT)
    up = Scale(0.0, 1.12 * greatest / N_PER_KN, CHART_HEIGHT - FOOT, TOP)
    horizontal_axis(drawing, across, CHART_HEIGHT - FOOT, about=4)
    drawing.text(
        (0.5 * (LEFT + CHART_WIDTH), CHART_HEIGHT - 6.0),
        "shortening, mm",
        size=11,
        anchor="middle",
        fill=style.INK,
    )
    for tick in up.ticks(5):
        drawing.line((LEFT, up(tick)), (CHART_WIDTH - RIGHT, up(tick)), stroke=style.BAND, stroke_width=1)
        drawing.text((LEFT - 6.0, up(tick) + 4.0), number(tick), size=11, anchor="end", fill=style.QUIET)
    drawing.text((4.0, TOP - 4.0), "kN", size=11, fill=style.INK)
    for load_n, names in _loads(found).items():
        y = up(load_n / N_PER_KN)
        drawing.line(
            (LEFT, y), (CHART_WIDTH - RIGHT, y), stroke=style.QUIET, stroke_width=1, stroke_dasharray="2 3"
        )
        words = ", ".join(names)
        drawing.text((CHART_WIDTH - RIGHT, y - 3.0), words, size=9.5, anchor="end", fill=style.QUIET)
    points = [(across(0.0), up(0.0))]
    points += [(across(one.shortening_mm), up(one.force_n / N_PER_KN)) for one in found.curve]
    drawing.polyline(points, stroke=style.MEASURED, stroke_width=2)
    for point in points[1:]:
        dot(drawing, point, colour=style.MEASURED, radius=3.0)
    legend = [(style.MEASURED, "● intact bone of this density")]
    if found.broken is not None and found.broken.strength_n is not None:
        at = (across(found.curve[-1].shortening_mm), up(found.broken.strength_n / N_PER_KN))
        diamond(drawing, at, colour=style.FLAGGED)
        legend.append((style.FLAGGED, "◆ greatest force with the band of broken bone"))
    caption = (
        f"{found.level} pressed along its own axis, {found.loading}. Dotted: everyday loads on this level, "
        "recalled ones marked in the table."
    )
    return Figure(drawing.markup("chart"), caption, "Pressed to failure", tuple(legend))


def _loads(found: StrengthDocument) -> dict[float, list[str]]:
    """Everyday loads in newtons, each with all its names."""
    named: dict[float, list[str]] = {}
    for load in found.factors:
        named.setdefault(load.load_n, []).append(load.name)
    return named


def failure_figure(scene: Scene, vertebra: Vertebra, found: StrengthDocument, failure: Volume) -> Figure:
    """Mid-sagittal cut with what gives way shaded."""
    if vertebra.frame is None:
        raise ValueError("a level without a frame has no cut")
    axes = frame_axes(vertebra.frame)
    plane = Plane(
        axes.origin - SAGITTAL_BEHIND_MM * axes.anterior, -axes.anterior, -axes.superior, *SAGITTAL_MM
    )
    picture = Picture(
        scene,
        plane,
        width_px=WIDTH_PX,
        alt=f"Sagittal cut through {vertebra.level} with what gives way shaded.",
    )
    picture.ct(style.window(), pixel_mm=PIXEL_MM, order=3)
    picture.label(vertebra.label_id, chosen=True, stroke=style.OUTLINE)
    for strain, colour, _ in SHADES:
        picture.drawing.rings(
            (ring * picture.px_per_mm for ring in _rings(plane, failure, strain)),
            fill=colour,
            fill_opacity=0.45,
        )
    whose = "with the band of broken bone" if found.broken is not None else "of intact bone"
    words = f"Lasting compression {whose} at the last step; the upper, middle and lower third take "
    fell = found.failure
    shares = () if fell is None else (fell.upper_third, fell.middle_third, fell.lower_third)
    caption = (
        words + ", ".join(f"{number(100.0 * share, 0)} %" for share in shares) + " of it in intact bone."
    )
    legend = [(colour, f"from {name}") for _, colour, name in SHADES]
    return picture.figure(caption, heading="Where it gives way", legend=legend)


def _rings(plane: Plane, failure: Volume, strain: float) -> list[FloatArray]:
    """Outlines on the picture, in mm, of where the plastic strain exceeds a value."""
    points = plane.points(OUTLINE_PIXEL_MM)
    step = np.array([plane.width_mm / points.shape[1], plane.height_mm / points.shape[0]])
    values = np.nan_to_num(sample(Volume(failure.data.astype(np.float32), failure.affine), points), nan=0.0)
    lines = contourpy.contour_generator(z=np.pad(values, 1)).lines(strain / STRAIN_STEP)
    return [(np.asarray(line, dtype=np.float64) - 0.5) * step for line in lines if len(line) > 3]


def strength_table(found: StrengthDocument) -> Table:
    """Stiffness and strength with their intervals, and beside them those of the broken bone."""
    spread, broken = found.interval, found.broken
    whole = spread.strength_n
    rows = (
        _row(
            "Greatest force",
            found.strength_n,
            whole,
            None if broken is None else broken.strength_n,
        ),
        _row("By stiffness and height", found.strength_linear_n, spread.strength_linear_n, None),
        Row(
            "Stiffness, kN/mm",
            (
                Cell(_kn(found.stiffness_n_per_mm)),
                Cell(_kn_interval(spread.stiffness_n_per_mm)),
                Cell(_kn(None if broken is None else broken.stiffness_n_per_mm), NOT_BROKEN),
            ),
        ),
    )
    return Table(
        caption=f"Strength of {found.level}",
        columns=(("", "kN"), ("Intact", ""), ("Interval", ""), ("Broken band", "")),
        rows=rows,
        note=(
            f"Density law {found.law}; voxels of {number(found.voxel_mm[0])} mm; mean density "
            f"{number(found.mean_density_mgcc, 0)} mg/cm³. Ratios are surer than newtons."
        ),
    )


NOT_BROKEN = "No fracture was seen here, so no band of broken bone was assumed."


def _row(name: str, number_n: float | None, ends: tuple[float, float] | None, broken_n: float | None) -> Row:
    return Row(
        name,
        (
            Cell(_kn(number_n), "Only the elastic answer was asked for."),
            Cell(_kn_interval(ends), "There is no value."),
            Cell(_kn(broken_n), NOT_BROKEN),
        ),
    )


def loads_table(found: StrengthDocument) -> Table:
    """Strength over everyday loads."""
    return Table(
        caption="Against everyday loads",
        columns=(("", ""), ("Load", "kN"), ("Strength over load", ""), ("", "")),
        rows=tuple(
            Row(
                load.name,
                (
                    Cell(_kn(load.load_n)),
                    Cell(number(load.factor)),
                    Cell("recalled" if load.recalled else ""),
                ),
            )
            for load in found.factors
        ),
    )


def _kn(newton: float | None) -> str:
    return DASH if newton is None else number(newton / N_PER_KN, 2)


def _kn_interval(ends: tuple[float, float] | None) -> str:
    return DASH if ends is None else interval(ends[0] / N_PER_KN, ends[1] / N_PER_KN, digits=2)
