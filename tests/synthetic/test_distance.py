"""Signed distances to the analytic surfaces, against a dense set of surface points and against known lengths."""

from __future__ import annotations

import numpy as np
import pytest

from endplate.errors import UsageError
from endplate.synthetic import GridSpec, Phantom, build_phantom, default_spec


@pytest.fixture(scope="module")
def phantom() -> Phantom:
    return build_phantom(default_spec(("T12", "L1", "L2")), GridSpec((3.0, 3.0, 3.0)), ct=False)


def test_known_lengths(phantom: Phantom):
    truth = phantom.truth.levels["L1"]
    for pedicle in truth.pedicles.values():
        centre = np.array([pedicle.isthmus_ras_mm])
        distance = phantom.signed_distance("L1", centre)[0]
        assert -distance == pytest.approx(0.5 * pedicle.inscribed_diameter_mm, abs=0.02)
    canal = np.array([truth.canal.centre_ras_mm])
    assert phantom.signed_distance("L1", canal, "canal")[0] == pytest.approx(
        -0.5 * truth.canal.ap_mm, abs=0.3
    )
    skin = np.array(truth.frame.origin_ras_mm) + 50.0 * np.array(truth.frame.anterior_ras)
    # The front wall, waisted by a little at mid-height, is half the depth from the middle.
    assert phantom.signed_distance("L1", skin[None], "body")[0] == pytest.approx(
        50.0 - 0.5 * truth.body_depth_mm, abs=2.5
    )


def test_unknown_level_is_refused(phantom: Phantom):
    with pytest.raises(UsageError):
        phantom.signed_distance("L5", np.zeros((1, 3)))
