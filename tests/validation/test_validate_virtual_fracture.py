"""Virtual fractures: heights read back, the loss in its interval, mineral kept, the map invertible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from records import row, write_record
from virtual_fracture_study import Case, Found, break_and_read
from workers import spread_over

from endplate.anatomy.expectation import HEIGHTS

SHAPES = ("wedge", "biconcave", "crush")
LOSSES = (0.2, 0.35, 0.5)
PLACES = (
    ("phantom", "L1"),
    ("sample-1mm", "T12"),
    ("sample-1mm", "L1"),
    ("sample", "T12"),
    ("sample", "L1"),
)
TITLES = {
    "phantom": "phantom, 1 mm",
    "sample-1mm": "sample CT resampled to 1 mm before it is broken",
    "sample": "sample CT, 0.7 × 0.7 × 2.5 mm",
}

TOLERANCE_MM = 0.5
BOUND_MM = {"phantom": 1.0, "sample-1mm": 1.0, "sample": 2.5}
"""Where the tolerance is missed in the worst case, the worst stays within one slice: each of the two endplates is known
to half a slice."""

METHOD = """Three losses × three shapes of L1 of a phantom (T12–L2, point spread 0.8 mm, noise 15 HU) and of T12 and
L1 of the public sample CT (cropped to T11–L2), as it is and resampled to slices of 1 mm, each broken by `endplate
fracture` and read back by `endplate assess` with the CT. Truth: the heights that the intact level was read with,
changed by the exact displacement of its endplates. The error therefore holds the reading of both scans: rounding of
the new label's endplates to whole slices where the CT cannot refine them (none can be at 2.5 mm). Asked for: 0.5 mm,
and the true loss inside its printed interval. Bound stated beforehand where 0.5 mm is missed: one slice."""

DETAILS = """Read − true: anterior, middle and posterior height. *In it*: the true loss lies in the printed interval.
*Jacobian*: the least determinant of the map. The same fractures of the same bone on slices of 1 mm and of 2.5 mm tell
the share of the slices. Misreadings of up to 8 mm in an earlier record came from the map's inverse, which had not
converged beside discs that were stretched more than about five times and left pieces of the old endplate in place; it
was not the reading."""


def _heights(found: Sequence[Found], scan: str) -> list[dict]:
    rows = []
    errors = np.array([one.error_mm for one in found if one.case.scan == scan])
    sds = np.array([one.sd_mm for one in found if one.case.scan == scan])
    named = {"anterior": 0, "middle": 1, "posterior": 2}
    for name in HEIGHTS:
        e, sd = errors[:, named[name]], sds[:, named[name]]
        worst = float(np.abs(e).max())
        rows.append(
            row(
                f"{TITLES[scan]}: {name} height",
                f"bias {e.mean():+.2f}, rms {np.sqrt((e**2).mean()):.2f}, worst {worst:.2f} mm; "
                f"{100 * (np.abs(e) <= TOLERANCE_MM).mean():.0f} % within 0.5 mm, "
                f"{100 * (np.abs(e) <= 1.96 * sd).mean():.0f} % within the stated uncertainty (95 %)",
                "exact displacement",
                f"±{TOLERANCE_MM} mm",
                "asked for"
                if worst <= TOLERANCE_MM
                else f"asked for; worst case bounded at {BOUND_MM[scan]} mm instead",
                reached=worst <= TOLERANCE_MM,
            )
        )
    return rows


def _table(found: Sequence[Found]) -> str:
    lines = [
        "| scan | level | shape | loss | read − true, mm | wedge, ° | loss read | in it | Jacobian | shape read |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for one in found:
        case = one.case
        errors = " / ".join(f"{e:+.2f}" for e in one.error_mm)
        inside = "yes" if one.loss_in_interval else "no"
        cells = (
            case.scan,
            case.level,
            case.shape,
            f"{one.loss_true:.3f}",
            errors,
            f"{one.wedge_error_deg:+.1f}",
            f"{one.loss_read:.2f}",
            inside,
            f"{one.least_jacobian:.2f}",
            one.shape_read or "none",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


@pytest.mark.validate
@pytest.mark.timeout(1800)
def test_virtual_fractures_read_back() -> None:
    cases = [Case(scan, level, shape, loss) for scan, level in PLACES for shape in SHAPES for loss in LOSSES]
    results = spread_over(break_and_read, cases)
    found = [one for one in results if one is not None]
    refused = [case for case, one in zip(cases, results, strict=True) if one is None]
    rows = [one for scan in TITLES for one in _heights(found, scan)]
    wedge = np.array([one.wedge_error_deg for one in found])
    mass = max(one.mass_error for one in found)
    remap = np.array([one.remap_factor for one in found]) - 1.0
    volume = np.array([one.volume_ratio for one in found]) - 1.0
    inside = np.mean([one.loss_in_interval for one in found])
    asked = max(abs(one.loss_true - one.case.loss) for one in found)
    least = min(one.least_jacobian for one in found)
    rows += [
        row(
            "fractures made",
            f"{len(found)} of {len(cases)}"
            + "".join(f"; refused: {one.level} {one.shape} {one.loss}" for one in refused),
            "all",
            "all",
            "asked for",
            reached=not refused,
        ),
        row(
            "loss made against loss asked",
            f"worst {asked:.4f}",
            "asked",
            "0.01",
            "the solver's bound",
            reached=asked <= 0.01,
        ),
        row(
            "true loss inside the printed 95 % interval",
            f"{100 * inside:.0f} % of {len(found)}",
            "true loss of each height that the shape names",
            "all",
            "asked for; the interval is about the expected height, the truth about the height before",
            reached=bool(inside == 1.0),
        ),
        row(
            "wedge angle",
            f"rms {np.sqrt((wedge**2).mean()):.1f}°, worst {np.abs(wedge).max():.1f}°",
            "exact displacement",
            "none",
            "reported",
            reached=None,
        ),
        row(
            "bone mineral of the vertebra, stored CT numbers",
            f"worst {mass:.1e} relative",
            "before",
            "1e-6",
            "asked for",
            reached=mass <= 1e-6,
        ),
        row(
            "mineral that resampling lost or gained, made good",
            f"worst {100 * np.abs(remap).max():.1f} %",
            "0 %",
            "none",
            "reported: rounding of the label's endplates",
            reached=None,
        ),
        row(
            "volume of the broken body",
            f"worst {100 * np.abs(volume).max():.1f} %",
            "Jacobian",
            "none",
            "reported",
            reached=None,
        ),
        row("least Jacobian determinant", f"{least:.2f}", "> 0", "> 0", "invertible", reached=least > 0.0),
    ]
    write_record(
        "virtual-fracture",
        title="Virtual fractures",
        order=75,
        method=METHOD,
        rooms=["synthetic: virtual fracture"],
        rows=rows,
        details=[DETAILS, _table(found)],
    )
    assert len(found) >= 0.8 * len(cases)
    assert mass <= 1e-6
    assert least > 0.0
    for one in found:
        assert np.abs(one.error_mm).max() <= BOUND_MM[one.case.scan], one
