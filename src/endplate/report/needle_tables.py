"""The numbers of one needle: margins, depths, angles."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from endplate.anatomy.model import Vertebra
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, listed, number, quantity
from endplate.planning.model import NeedlePath
from endplate.report.axes import frame_axes

DIRECTIONS = ("medial", "lateral", "superior", "inferior")
NO_SKIN = "The skin is not in view of the scan."
NOT_DERATED = "Only the four directions are derated, each by its own uncertainty."
NO_VIEW = "No C-arm angles were computed."
NOT_TRIED = "Small errors were not tried on this path."


def margins_table(paths: tuple[NeedlePath, ...]) -> Table:
    """Margins in the four directions, as measured and after the uncertainty is taken off, for each needle."""
    rows = []
    for direction in DIRECTIONS:
        cells = []
        for path in paths:
            cells += [getattr(path.margins_mm, direction), getattr(path.margins_derated_mm, direction)]
        rows.append(_margin_row(direction.capitalize(), cells))
    clear: list[Cell] = []
    for path in paths:
        clear += [Cell(number(path.clearance_mm)), Cell(DASH, NOT_DERATED)]
    rows.append(Row("Least clearance", tuple(clear)))
    most = listed([quantity(path.uncertainty_mm, "mm") + f" ({path.side})" for path in paths])
    return Table(
        caption="Margins around the cannula",
        columns=(("", ""), *((("Measured", "mm"), ("Derated", "mm")) * len(paths))),
        groups=(("", 1), *((path.side.capitalize(), 2) for path in paths)),
        rows=tuple(rows),
        note=(
            "From the cannula's surface to the vertebra's outer surface, least from entry to posterior wall; "
            "medial is the nearer of that and the canal. Derated: after taking off the uncertainty in that "
            f"direction, at most {most}. Negative: the cannula stands out by that much."
        ),
    )


def path_table(paths: tuple[NeedlePath, ...], vertebra: Vertebra | None) -> Table:
    """Tool, angles and depths of each needle."""
    made: list[tuple[str, Callable[[NeedlePath], str], str | None]] = [
        ("Cannula", lambda path: f"{path.gauge}, {number(path.outer_diameter_mm, 2)}\u202fmm", None),
        ("Approach", lambda path: path.approach, None),
        ("Convergence", lambda path: quantity(path.convergence_deg, "°"), None),
        ("To head (+), feet (−)", lambda path: number(path.craniocaudal_deg, signed=True) + "°", None),
        ("Skin to bone", lambda path: quantity(path.depths_mm.skin_to_bone, "mm"), NO_SKIN),
        ("Bone to posterior wall", lambda path: quantity(path.depths_mm.bone_to_posterior_wall, "mm"), None),
        ("Bone to tip", lambda path: quantity(path.depths_mm.bone_to_tip, "mm"), None),
        ("Skin entry from midline", lambda path: beside_midline(path, vertebra), NO_SKIN),
        ("Bull's-eye view", _bulls_eye, NO_VIEW),
    ]
    if any(path.robustness.grade is not None for path in paths):
        made.append(("Grade with small errors", lambda path: path.robustness.grade or DASH, NOT_TRIED))
    if any(path.robustness.worst_margin_mm is not None for path in paths):
        made.append(
            (
                "Worst margin with them",
                lambda path: quantity(path.robustness.worst_margin_mm, "mm"),
                NOT_TRIED,
            )
        )
    rows = tuple(Row(name, tuple(Cell(write(path), why) for path in paths)) for name, write, why in made)
    columns = (("", ""), *((path.side.capitalize(), "") for path in paths))
    return Table(caption="Needles", columns=columns, rows=rows)


def _margin_row(name: str, values: list[float]) -> Row:
    cells = tuple(Cell(number(value)) for value in values)
    return Row(name, cells, mark="breach" if min(values) < 0.0 else "")


def _bulls_eye(path: NeedlePath) -> str:
    carm = path.carm
    return f"{carm.console_text} ({carm.patient_position})" if carm.console_text else DASH


def beside_midline(path: NeedlePath, vertebra: Vertebra | None) -> str:
    """How far beside the vertebra's mid-plane the needle enters the skin."""
    if path.skin_ras_mm is None or vertebra is None or vertebra.frame is None:
        return DASH
    axes = frame_axes(vertebra.frame)
    aside = float((np.array(path.skin_ras_mm) - axes.origin) @ axes.right)
    return f"{number(abs(aside), 0)}\u202fmm {'right' if aside >= 0.0 else 'left'}"
