"""Three levels of the phantom, the middle one broken, with a pillar of cement in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import cemented

from endplate.cement.bone_model import BoneModel
from endplate.cement.model import Fill
from endplate.outcome.before_after import Scan


@pytest.fixture(scope="session")
def scan() -> Scan:
    return cemented.phantom_scan()


@pytest.fixture(scope="session")
def bone(scan: Scan) -> BoneModel:
    return cemented.bone_of(scan)


@pytest.fixture(scope="session")
def fill(bone: BoneModel) -> Fill:
    return cemented.pillar(bone)
