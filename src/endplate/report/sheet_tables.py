"""The tables of the plan sheet: needles, checkpoints, views, doses and decisions of one level."""

from __future__ import annotations

from collections.abc import Callable

from endplate.anatomy.model import Vertebra
from endplate.papers.table import Cell, Row, Table
from endplate.papers.words import DASH, interval, listed, number, percent, quantity
from endplate.planning.depth_marks import depth_marks, ring_spacing_mm
from endplate.planning.model import CArm, LevelPlan, NeedlePath
from endplate.report.needle_tables import NO_SKIN, NOT_TRIED, beside_midline

STOP_NAMES = {
    "docking": "Docking",
    "mid-pedicle": "Pedicle",
    "posterior-wall": "Posterior wall",
    "target": "Target",
}


def needle_table(paths: tuple[NeedlePath, ...], vertebra: Vertebra | None) -> Table:
    """Tool, entry, depths, angles, margins and robustness of each needle."""
    made: list[tuple[str, Callable[[NeedlePath], str], str | None]] = [
        ("Approach, cannula", _tool, None),
        ("Skin mark from midline", lambda path: _midline(path, vertebra), NO_SKIN),
        ("Skin mark from pedicle, head +", _above, NO_SKIN),
        ("Skin to bone", _to_bone, NO_SKIN),
        ("Bone to posterior wall / tip", _depths, None),
        ("Convergence / to head + feet −", _angles, None),
        ("Margin medial / lateral", lambda path: _margins(path, "medial", "lateral"), None),
        ("Margin superior / inferior", lambda path: _margins(path, "superior", "inferior"), None),
        ("Small errors", _robustness, NOT_TRIED),
    ]
    rows = tuple(Row(name, tuple(Cell(write(path), why) for path in paths)) for name, write, why in made)
    columns = (("", ""), *((path.side.capitalize(), "") for path in paths))
    most = listed([f"{number(path.uncertainty_mm)} mm {path.side}" for path in paths])
    note = (
        "Margins: cannula to outer surface, least from entry to posterior wall; in brackets less uncertainty "
        f"(at most {most}). Small errors: grade, worst margin, share that leaves the bone, tolerated cone."
    )
    return Table(caption="Needles", columns=columns, rows=rows, note=note)


def checkpoint_table(paths: tuple[NeedlePath, ...]) -> Table | None:
    """What must be seen on AP and lateral at each stop; ``None`` where no stops were made."""
    rows = []
    for path in paths:
        rings = {mark.name: mark.text for mark in depth_marks(path.checkpoints)}
        for stop in path.checkpoints:
            cells = (
                Cell(number(stop.depth_mm, 0)),
                Cell(rings.get(stop.name, DASH), NO_SKIN),
                Cell(stop.ap_text),
                Cell(stop.lateral_text),
            )
            rows.append(Row(f"{path.side.capitalize()}: {STOP_NAMES[stop.name]}", cells))
    if not rows:
        return None
    columns = (
        ("Stop", ""),
        ("Bone, mm", ""),
        ("At the skin", ""),
        ("AP must show", ""),
        ("Lateral must show", ""),
    )
    return Table(
        caption="Checkpoints",
        columns=columns,
        rows=tuple(rows),
        note="Never past the ring's medial border on AP before the posterior wall is crossed on lateral. Rings: every "
        f"{number(ring_spacing_mm(), 0)} mm from the cannula's tip.",
    )


def fact_rows(planned: LevelPlan, paths: tuple[NeedlePath, ...]) -> list[tuple[str, str]]:
    """Views, cement and balloon of one level, as pairs of words."""
    views, cement, balloon = planned.views, planned.cement, planned.balloon
    dose = quantity(cement.volume_ml, "ml")
    if cement.per_needle_ml:
        dose += f" ({listed([number(part) for part in cement.per_needle_ml])} by needle)"
    if cement.cap_ml is not None:
        dose += f", cap {quantity(cement.cap_ml, 'ml')}"
    ladder = ", ".join(f"{percent(step.fraction)} {number(step.volume_ml)}" for step in cement.ladder or ())
    tamp = DASH
    if balloon is not None:
        tamp = (
            f"{balloon.name}, {number(balloon.length_mm, 0)} mm, to {number(balloon.volume_ml)} ml, "
            f"at most {number(balloon.rated_pressure_mpa)} MPa"
        )
    return [
        ("True AP", DASH if views is None else console(views.ap)),
        ("True lateral", DASH if views is None else console(views.lateral)),
        *((f"Bull's-eye {path.side}", console(path.carm)) for path in paths),
        ("Cement", dose),
        ("Cement by fill, ml", ladder or DASH),
        ("Balloon", tamp),
    ]


def decision_rows(planned: LevelPlan) -> list[tuple[str, str]]:
    """Rule and outcome of each decision; reasons and sources stand in the report."""
    return [(decision.rule_id, decision.outcome) for decision in planned.decisions]


def score_words(path: NeedlePath) -> str:
    """The score as a sum: ``"medial margin 1.0 × 0.92 + …"``; empty where none was kept."""
    return " + ".join(f"{term.name} {number(term.weight)} × {number(term.value, 2)}" for term in path.score)


def console(carm: CArm) -> str:
    """A pose in the console's words, with DICOM angles behind and a word where the C-arm does not get there."""
    if not carm.console_text:
        return DASH
    words = carm.console_text.removeprefix("Console: ")
    out = "; OUT OF REACH" if carm.reachable is False else ""
    # Just short of −180° is read as 180°, the way the standard writes it.
    primary = carm.primary_deg
    if primary is not None and round(primary) == -180:
        primary = 180.0
    return f"{words}{out} [{number(primary, 0)}°, {number(carm.secondary_deg, 0)}°]"


def _tool(path: NeedlePath) -> str:
    return f"{path.approach}, {path.gauge}, Ø {number(path.outer_diameter_mm, 2)} mm"


def _midline(path: NeedlePath, vertebra: Vertebra | None) -> str:
    if path.skin is None:
        return beside_midline(path, vertebra)
    low, high = path.skin.from_midline_interval_mm
    return f"{number(path.skin.from_midline_mm, 0)} mm {path.side} ({interval(low, high, digits=0)})"


def _above(path: NeedlePath) -> str:
    return DASH if path.skin is None else f"{number(path.skin.above_pedicle_mm, 0, signed=True)} mm"


def _to_bone(path: NeedlePath) -> str:
    depth = number(path.depths_mm.skin_to_bone, 0)
    if depth == DASH:
        return DASH
    around = "" if path.skin is None else f" ({interval(*path.skin.depth_interval_mm, digits=0)})"
    return f"{depth} mm{around}"


def _depths(path: NeedlePath) -> str:
    return f"{number(path.depths_mm.bone_to_posterior_wall, 0)} / {number(path.depths_mm.bone_to_tip, 0)} mm"


def _angles(path: NeedlePath) -> str:
    around = "" if path.skin is None else f" ± {number(path.skin.angle_interval_deg, 0)}°"
    return f"{number(path.convergence_deg, 0)}° / {number(path.craniocaudal_deg, 0, signed=True)}°{around}"


def _margins(path: NeedlePath, *names: str) -> str:
    pairs = [(getattr(path.margins_mm, name), getattr(path.margins_derated_mm, name)) for name in names]
    return " / ".join(f"{number(raw)} ({number(less)})" for raw, less in pairs) + " mm"


def _robustness(path: NeedlePath) -> str:
    found = path.robustness
    if found.grade is None:
        return DASH
    parts = [found.grade]
    if found.worst_margin_mm is not None:
        parts.append(f"{number(found.worst_margin_mm)} mm")
    if found.breach_fraction is not None:
        parts.append(f"{percent(found.breach_fraction)}")
    if found.tolerance_deg is not None:
        parts.append(f"±{number(found.tolerance_deg)}°")
    return ", ".join(parts)
