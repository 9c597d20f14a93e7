"""The acceptance vertebra (isthmus 8.0 mm, axis 12°/5°, heights 25/20/27, canal 22 × 16) and normal ones.

All grids and voxel sizes run with `make validate`; here a few of them, against the same limits.
"""

from __future__ import annotations

import numpy as np
import pytest
from accuracy import acceptance_spec, errors, grid_cases, measure, merged
from accuracy_limits import LIMITS, TOLERANCES

CASES = {case.name: case for case in grid_cases(1.0)}
SAMPLE = ("PIR", "20° about R")


@pytest.mark.parametrize("ct", [False, True], ids=["labels", "with CT"])
def test_the_acceptance_vertebra_at_one_millimetre(ct: bool) -> None:
    found = merged(
        errors(*pair) for name in SAMPLE for pair in measure(acceptance_spec(), CASES[name].grid, ct=ct)
    )
    limits = LIMITS["with CT" if ct else "labels"][1.0]
    for quantity, limit in limits.items():
        assert np.abs(found[quantity]).max() <= limit, quantity


def test_limits_are_never_tighter_than_asked_nor_far_from_it() -> None:
    for by_size in LIMITS.values():
        for size, limits in by_size.items():
            assert set(limits) == set(TOLERANCES)
            for quantity, limit in limits.items():
                assert limit >= TOLERANCES[quantity] - 1e-9, (size, quantity)
                assert limit <= 5.0 * TOLERANCES[quantity], (size, quantity)
