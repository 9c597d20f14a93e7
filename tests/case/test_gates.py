"""Which levels may be planned."""

from __future__ import annotations

import pytest

from endplate.anatomy.model import Fracture, Spine, Vertebra
from endplate.case.gates import check_levels
from endplate.errors import QualityGateError

SPINE = Spine(
    levels=(
        Vertebra(level="T11", label_id=18, complete=False),
        Vertebra(level="T12", label_id=19, complete=True, fracture=Fracture(flagged=False)),
        Vertebra(level="L1", label_id=20, complete=True, fracture=Fracture(flagged=True)),
        Vertebra(level="L2", label_id=21, complete=True),
    )
)


@pytest.mark.parametrize(
    ("levels", "reason"), [(["L1"], None), (["L1", "T12"], "painful"), (["L2"], "oedema"), (["L1"], "x")]
)
def test_allowed(levels: list[str], reason: str | None) -> None:
    check_levels(SPINE, levels, reason)


@pytest.mark.parametrize(
    ("levels", "reason", "code", "words"),
    [
        (["L4"], "r", "level-absent", "no L4"),
        (["L1", "L4", "S1"], None, "level-absent", "L4, S1"),
        (["T11"], "r", "level-cut", "T11 is cut"),
        (["T12"], None, "level-not-flagged", "No fracture was seen at T12"),
        (["T12"], "  ", "level-not-flagged", "T12"),
        (["L2"], None, "level-not-flagged", "could not be judged"),
        (["L1", "T12", "L2"], None, "level-not-flagged", "at T12 by measurement, and whether L2"),
    ],
)
def test_refused(levels: list[str], reason: str | None, code: str, words: str) -> None:
    with pytest.raises(QualityGateError, match=words) as refused:
        check_levels(SPINE, levels, reason)
    assert refused.value.code == code
    assert refused.value.exit_code == 4


def test_empty_map() -> None:
    with pytest.raises(QualityGateError, match="no level at all"):
        check_levels(Spine(levels=()), ["L1"], None)
