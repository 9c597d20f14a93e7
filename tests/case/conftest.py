"""The case is conducted here; the physics has tests of its own."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True, scope="module")
def _quickly(coarse_bones: None, coarse_cement: None) -> None:
    """Press no bone to failure, and inject on coarse voxels."""
