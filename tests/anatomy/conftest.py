"""Made-up vertebrae and phantoms for the tests of the measuring engine."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from endplate.anatomy.assessment import assess
from endplate.anatomy.locate import Located, locate_vertebrae
from endplate.anatomy.model import Spine
from endplate.imaging.calibration import Calibration
from endplate.synthetic import DiscSpec, FractureSpec, GridSpec, Phantom, build_phantom, default_spec

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "validation"), str(HERE.parent / "imaging")]


@pytest.fixture(scope="session")
def broken_spine() -> Phantom:
    """T12–L2 with CT: L1 a wedge with a gas cleft and a bulging posterior wall, gas in the disc T12/L1."""
    spec = default_spec(
        ("T12", "L1", "L2"),
        fracture={"L1": FractureSpec("wedge", 0.35, retropulsion_mm=6.0, cleft_ml=1.5)},
    )
    discs = (DiscSpec(8.0, 1.0, vacuum_ml=0.6), *spec.discs[1:])
    return build_phantom(type(spec)(**{**vars(spec), "discs": discs}), GridSpec())


@pytest.fixture(scope="session")
def broken_located(broken_spine: Phantom) -> dict[str, Located]:
    """Its vertebrae in their own frames, by level, from the labels alone."""
    return {item.vertebra.level: item for item in locate_vertebrae(broken_spine.labels)}


@pytest.fixture(scope="session")
def broken_assessed(broken_spine: Phantom) -> Spine:
    """Its document, with CT and calibration line."""
    return assess(broken_spine.labels, broken_spine.volume, Calibration.line(0.8, -4.0))
