"""What a level shows only beside its neighbours."""

from __future__ import annotations

import pytest

from endplate.anatomy.alignment import (
    canal_compromise,
    local_kyphosis_deg,
    narrowest_canal_mm,
    retropulsion_mm,
)
from endplate.anatomy.locate import Located
from endplate.anatomy.model import Spine
from endplate.synthetic import Phantom


def test_local_kyphosis(broken_spine: Phantom, broken_located: dict[str, Located]) -> None:
    above, here, below = (broken_located[level].vertebra for level in ("T12", "L1", "L2"))
    true = broken_spine.truth.levels["L1"].local_kyphosis_deg
    assert true is not None
    assert true > 10.0
    assert local_kyphosis_deg(above, here, below) == pytest.approx(true, abs=1.5)


def test_retropulsion_narrows_the_canal(broken_spine: Phantom, broken_assessed: Spine) -> None:
    level = broken_assessed.find("L1")
    assert level is not None
    truth = broken_spine.truth.levels["L1"]
    assert truth.retropulsion_mm is not None
    assert level.retropulsion_mm == pytest.approx(truth.retropulsion_mm, abs=1.2)
    beside = [broken_spine.truth.levels[name].canal.ap_mm for name in ("T12", "L2")]
    assert level.canal.compromise == pytest.approx(1.0 - truth.canal.ap_mm / (0.5 * sum(beside)), abs=0.06)
    assert {"retropulsion", "canal-compromise"} <= {f.code for f in level.findings}


def test_neighbours_are_needed(broken_assessed: Spine) -> None:
    for name in ("T12", "L2"):
        level = broken_assessed.find(name)
        assert level is not None
        assert (level.local_kyphosis_deg, level.retropulsion_mm) == (None, None)
        assert not {"retropulsion", "canal-compromise"} & {f.code for f in level.findings}


@pytest.mark.parametrize(
    ("here", "beside", "lost"),
    [(16.0, [16.0, 16.0], 0.0), (12.0, [15.0, 17.0], 0.25), (18.0, [16.0], 0.0), (8.0, [16.0], 0.5)],
)
def test_compromise(here: float, beside: list[float], lost: float) -> None:
    assert canal_compromise(here, beside) == pytest.approx(lost)


def test_nothing_to_compare_with() -> None:
    assert canal_compromise(12.0, []) is None


def test_the_narrowest_place_is_behind_the_bulge(broken_located: dict[str, Located]) -> None:
    here = narrowest_canal_mm(broken_located["L1"].vertebra)
    beside = narrowest_canal_mm(broken_located["L2"].vertebra)
    assert here is not None
    assert beside is not None
    assert here < beside - 2.5


def test_retropulsion_of_a_straight_spine_is_small(broken_located: dict[str, Located]) -> None:
    # L2 seen as if between its neighbours' copies: its own corners, so nothing stands behind them by much.
    level = broken_located["L2"].vertebra
    assert retropulsion_mm(level, level, level) == pytest.approx(0.0, abs=1.5)
