"""Every measurement against the exact truth, over voxel sizes, orientations and obliquity."""

from __future__ import annotations

import pytest
from accuracy import QUANTITIES, Spread, acceptance_spec, errors_both_ways, grid_cases, merged, spread
from accuracy_limits import LIMITS, TOLERANCES
from records import row, write_record
from workers import spread_over

from endplate.synthetic import PhantomSpec, default_spec

SIZES_MM = (0.5, 1.0, 2.0)
NORMAL = ("T8", "T12", "L3")
"""Levels of normal size measured beside the acceptance vertebra."""

METHOD = """The acceptance vertebra (isthmus Ø 8.0 mm, axis 12° transverse and 5° sagittal, heights 25 / 20 /
27 mm, canal 22 × 16 mm) on nine grids a voxel size: six orders of the voxel axes and grids turned by 20° about
each axis of the patient; with labels alone and with the CT (point spread 0.8 mm, noise 15 HU). Truth is the
analytic surface. Errors are over all grids; **worst** is the greatest. The tolerances were asked for at 1 mm.
The body of this vertebra is dished by 6 mm, three times the usual: it is hard on the endplates. Normal T8, T12
and L3 stand beside it."""


def _spec(what: str) -> PhantomSpec:
    return acceptance_spec() if what == "acceptance" else default_spec((what,))


def _row(subject: str, source: str, size: float, quantity: str, found: Spread, bound: float):
    name, unit = QUANTITIES[quantity]
    asked = TOLERANCES[quantity]
    why = "asked for" if size == 1.0 else "asked for at 1 mm"
    if found.worst > asked:
        why += f"; worst case bounded at {bound:g} instead"
    return row(
        f"{subject}, {size:g} mm, {source}: {name}",
        f"bias {found.bias:+.2f}, rms {found.rms:.2f}, worst {found.worst:.2f} {unit}; "
        f"{100.0 * (found.within or 0.0):.0f} % within",
        "analytic",
        f"±{asked:g} {unit}",
        why,
        reached=found.worst <= asked,
    )


@pytest.mark.validate
@pytest.mark.timeout(2400)
def test_accuracy_over_grids() -> None:
    tasks = [("acceptance", size, case) for size in SIZES_MM for case in grid_cases(size)]
    tasks += [(level, 1.0, case) for level in NORMAL for case in grid_cases(1.0)[::2]]
    results = spread_over(errors_both_ways, [(_spec(what), case) for what, _, case in tasks])
    rows, beyond = [], []
    for subject, sizes in (("acceptance", SIZES_MM), ("normal", (1.0,))):
        for size in sizes:
            for index, source in enumerate(("labels", "with CT")):
                found = merged(
                    result[index]
                    for task, result in zip(tasks, results, strict=True)
                    if task[1] == size and (task[0] == "acceptance") == (subject == "acceptance")
                )
                for quantity, values in found.items():
                    if quantity == "frame_deg" and subject == "normal":
                        continue
                    summary = spread(values, TOLERANCES[quantity])
                    bound = LIMITS[source][size][quantity]
                    rows.append(_row(subject, source, size, quantity, summary, bound))
                    if subject == "acceptance" and summary.worst > bound:
                        beyond.append(f"{rows[-1]['what']}: {rows[-1]['ours']} > {bound:g}")
    write_record(
        "phantom-accuracy",
        title="Measurements against exact truth",
        order=1,
        method=METHOD,
        rooms=("anatomy: geometry", "synthetic"),
        rows=rows,
    )
    assert beyond == []
