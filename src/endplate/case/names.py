"""Names of the files in a case folder."""

from __future__ import annotations

SCAN = "scan.json"
IMAGE = "image.nii.gz"
LABELS = "labels.nii.gz"
ORGANS = "organs.nii.gz"
IMPLANTS = "implants.nii.gz"
QUALITY = "quality.json"
SPINE = "spine.json"
PLAN = "scenarios/planned/plan.json"
XRAYS = "scenarios/planned/xray.json"
STRENGTH = "strength.json"
FAILURE = "failure.nii.gz"
PROCEDURE = "scenarios/planned/procedure.json"
FILL = "scenarios/planned/fill.npz"
ACTIONS = "actions.jsonl"
OUTCOME = "scenarios/planned/outcome.json"
CEMENT = "cement.nii.gz"
ARRIVAL = "cement-time.nii.gz"
WARMTH = "cement-warmth.nii.gz"
CAVITY = "cavity.nii.gz"
TRUTH = "fracture.json"
REPORT = "report.html"
SHEETS = "sheets.html"

SCAN_FILES = (SCAN, IMAGE, LABELS, ORGANS)
"""Files that hold the scan as the case keeps it."""
