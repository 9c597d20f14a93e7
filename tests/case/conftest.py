"""The case is conducted here, not the physics: bones are pressed elastically on coarse voxels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from endplate.mechanics.pressing import StrengthOptions


@pytest.fixture(autouse=True, scope="package")
def _coarse_bones() -> Iterator[None]:
    def coarse(options: StrengthOptions) -> StrengthOptions:
        return replace(options, linear_only=True, voxel_mm=3.0)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StrengthOptions, "quick", coarse)
        yield
