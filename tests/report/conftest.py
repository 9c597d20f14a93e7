"""The toy spine for every test of the report."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import toy_spine

from endplate.imaging.volume import LabelMap, Volume
from endplate.report import ReportInputs

MANIFEST = {
    "versions": {"endplate": "0.1.0", "numpy": "9.9"},
    "inputs": {"image": {"kind": "nifti", "sha256": "ab" * 32, "files": 1, "name": "DOE_JANE.nii.gz"}},
    "parameters": {"levels": ["L1"], "gauge": None, "labels": "/home/jane/secret.nii.gz"},
    "findings": [
        {"code": "x", "severity": "info", "level": None, "text": "From the run.", "source": "endplate"}
    ],
    "timing": {"host": "ward-pc-7", "created": "2031-12-24T06:00:00"},
}


@pytest.fixture(scope="session")
def toy() -> tuple[Volume, LabelMap]:
    return toy_spine.toy_volumes()


@pytest.fixture(scope="session")
def inputs(toy: tuple[Volume, LabelMap]) -> ReportInputs:
    image, labels = toy
    return ReportInputs(
        spine=toy_spine.toy_spine(),
        plan=toy_spine.toy_plan(),
        image=image,
        labels=labels,
        manifest=MANIFEST,
        title="Toy spine",
        requested_levels=("L1",),
    )
