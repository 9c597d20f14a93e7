"""The matrix of dirty DICOM as a record: each fault, what came of it, how far off in mm."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import records
from reading_modules import READING

sys.path.insert(0, str(Path(__file__).parents[1] / "imaging"))


@pytest.mark.validate
def test_dicom_matrix(tmp_path: Path) -> None:
    from dicom_faults import FAULTS, meet

    outcomes = {name: meet(fault, tmp_path / name) for name, fault in FAULTS.items()}
    wrong = [name for name, outcome in outcomes.items() if outcome.wrong]
    volumes = [name for name, fault in FAULTS.items() if not fault.refused]
    exact = [name for name in volumes if FAULTS[name].result == "exact"]
    worst = max(outcomes[name].error_mm or 0.0 for name in volumes)
    lines = ["| fault | what came of it | error mm |", "|---|---|---|"]
    for name, fault in FAULTS.items():
        outcome = outcomes[name]
        error = "–" if outcome.error_mm is None else f"{outcome.error_mm:.3f}"
        lines.append(f"| {fault.words} | {outcome.wrong or outcome.what} | {error} |")
    rows = [
        records.row(
            "kinds of dirty DICOM that end as they should",
            f"{len(FAULTS) - len(wrong)} of {len(FAULTS)}",
            f"{len(FAULTS)}",
            "all",
            "the right volume, or the right refusal with its remedy",
            reached=not wrong,
        ),
        records.row(
            "largest error of place",
            f"{worst:.3f} mm",
            "0 mm",
            "0.1 mm",
            "centres of two dense balls; voxels of 1.5–2 mm, so the sampling of a ball is in it",
            reached=worst <= 0.1,
        ),
        records.row(
            "voxels where nothing had to be interpolated",
            f"{sum(not outcomes[name].wrong for name in exact)} of {len(exact)} volumes identical",
            "identical",
            "exact",
            "reading must not change a value",
            reached=not any(outcomes[name].wrong for name in exact),
        ),
    ]
    records.write_record(
        "dicom-matrix",
        title="DICOM as hospitals send it",
        order=40,
        method="A made-up body with two dense balls is written with one fault at a time and read back. Balls lie off "
        "the middle on all axes, so that a flip or a wrong order of slices shows as centimetres.",
        rooms=READING,
        rows=rows,
        details=["\n".join(lines)],
    )
    assert wrong == []
