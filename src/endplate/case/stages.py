"""The stages of a case, in their order. A later stage joins by standing in this table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from endplate.case.names import (
    ACTIONS,
    ARRIVAL,
    CAVITY,
    CEMENT,
    FAILURE,
    FILL,
    IMPLANTS,
    OUTCOME,
    PLAN,
    PROCEDURE,
    QUALITY,
    REPORT,
    SCAN_FILES,
    SHEETS,
    SPINE,
    STRENGTH,
    WARMTH,
    XRAYS,
)
from endplate.case.stage import Stage
from endplate.case.stage_work import assess, plan, report, scan, strength, xray
from endplate.case.treatment_work import outcome, procedure
from endplate.errors import InternalError

if TYPE_CHECKING:
    pass


PROCEDURE_ROOMS = (
    "papers",
    "devices",
    "imaging",
    "anatomy",
    "planning",
    "fluoroscopy",
    "mechanics",
    "balloon",
    "cement",
    "procedure",
    "case",
)
"""Rooms whose code a procedure runs."""

STAGES: tuple[Stage, ...] = (
    Stage(
        name="scan",
        title="Reading the scan",
        inputs=(),
        parameters=("series", "scheme"),
        outputs=SCAN_FILES,
        rooms=("imaging", "case"),
        function=scan,
        external=True,
    ),
    Stage(
        name="assess",
        title="Measuring the vertebrae",
        inputs=SCAN_FILES,
        parameters=("calibration",),
        outputs=(SPINE, QUALITY, IMPLANTS),
        rooms=("imaging", "anatomy", "case"),
        function=assess,
    ),
    Stage(
        name="plan",
        title="Planning the needle paths",
        inputs=(*SCAN_FILES, SPINE, QUALITY, IMPLANTS),
        parameters=(
            "levels",
            "technique",
            "access",
            "approach",
            "gauge",
            "balloon",
            "fracture_weeks",
            "reason",
            "site",
            "paths",
        ),
        outputs=(PLAN,),
        rooms=("papers", "devices", "imaging", "anatomy", "planning", "case"),
        function=plan,
    ),
    Stage(
        name="xray",
        title="Taking simulated X-rays",
        inputs=(*SCAN_FILES, SPINE, PLAN),
        parameters=(),
        outputs=(XRAYS,),
        rooms=("papers", "devices", "imaging", "anatomy", "planning", "fluoroscopy", "case"),
        function=xray,
    ),
    Stage(
        name="strength",
        title="Pressing the vertebrae to failure",
        inputs=(*SCAN_FILES, SPINE, QUALITY),
        parameters=("levels",),
        outputs=(STRENGTH, FAILURE),
        rooms=("imaging", "anatomy", "mechanics", "case"),
        function=strength,
    ),
    Stage(
        name="procedure",
        title="Playing the procedure",
        inputs=(*SCAN_FILES, SPINE, QUALITY, PLAN),
        parameters=("site", "script", "cement", "cement_voxel_mm", "balloon_ml", "posture"),
        outputs=(PROCEDURE, ACTIONS, FILL),
        rooms=PROCEDURE_ROOMS,
        function=procedure,
    ),
    Stage(
        name="outcome",
        title="Working out what it comes to",
        inputs=(*SCAN_FILES, SPINE, QUALITY, PLAN, STRENGTH, PROCEDURE, FILL),
        parameters=("site", "script", "cement", "cement_voxel_mm", "balloon_ml", "posture", "members"),
        outputs=(OUTCOME, CEMENT, ARRIVAL, WARMTH, CAVITY),
        rooms=(*PROCEDURE_ROOMS, "synthetic", "ensemble", "outcome"),
        function=outcome,
    ),
    Stage(
        name="report",
        title="Writing the report",
        inputs=(
            *SCAN_FILES,
            SPINE,
            QUALITY,
            PLAN,
            XRAYS,
            STRENGTH,
            FAILURE,
            OUTCOME,
            CEMENT,
            ARRIVAL,
            WARMTH,
            CAVITY,
        ),
        parameters=("levels", "title", "patient_label"),
        outputs=(REPORT, SHEETS),
        rooms=(*PROCEDURE_ROOMS, "synthetic", "ensemble", "outcome", "report"),
        function=report,
        provenance=True,
    ),
)


def stage_named(name: str) -> Stage:
    """The stage of that name; raises ``InternalError`` where there is none."""
    found = next((stage for stage in STAGES if stage.name == name), None)
    if found is None:
        raise InternalError("stage-unknown", f"There is no stage {name!r}.", do="Please report this.")
    return found
